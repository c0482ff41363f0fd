"""Any server that speaks the OpenAI chat interface, over httpx.

What a server can do is not known before it has answered (or been asked, see `openai_probe`), so capabilities start as
None. Every sample is a call of its own with its own seed; a gate bounds how many are under way, fewer while the server
says that it is too much. 429, 5xx and connection failures are tried again with growing pauses that honour Retry-After.
The key is sent and never shown.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import random
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import httpx
from ttscale.compiler.stop_patterns import shortened
from ttscale.runtime.engines.base import (
    Capabilities,
    Completion,
    ContextExceeded,
    EngineError,
    EngineStats,
    Finish,
    Message,
    Request,
    Scored,
)
from ttscale.runtime.engines.openai_gate import Gate
from ttscale.runtime.engines.openai_reading import (
    SERVER_HINT,
    Malformed,
    alternatives,
    cannot_score,
    chat,
    choice_of,
    continued,
    cut_at,
    error_text,
    label_value,
    logprobs_of,
    malformed,
    read_object,
    retry_after,
    split_thoughts,
    whole,
)

BUSY = frozenset({429, 503, 529})
RETRIED = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
LONGEST_PAUSE = 60.0
TOP_LOGPROBS = 20
LETTERS_A_TOKEN = 2  # an upper estimate where no tokeniser is at hand
OVERFLOW = ("context_length", "context length", "context size", "maximum context", "too long")
REDACTED = "[key]"


class OpenAIEngine:
    """One model on one server.

    `base_url` ends before `/chat/completions` (`http://localhost:8080/v1`). `key` goes into the Authorization
    header only. `concurrency` calls run at once, each is tried `retries` more times after a failure that may pass,
    `pause` seconds apart at first and doubling. `timeout` is for one call, in seconds. `context` is the served
    context in tokens where the caller knows it.
    """

    def __init__(
        self,
        base_url: str,
        model: str,
        *,
        key: str | None = None,
        concurrency: int = 8,
        retries: int = 5,
        pause: float = 0.5,
        timeout: float = 300.0,
        context: int | None = None,
        headers: Mapping[str, str] | None = None,
        logprobs: bool | None = None,
        grammar: bool | None = None,
    ) -> None:
        self._url = base_url.rstrip("/")
        self._model = model
        self._key = key or ""
        self._retries = retries
        self._pause = pause
        self._timeout = timeout
        self._limit = max(1, concurrency)
        self._headers = dict(headers or {})
        self._capabilities = Capabilities(
            chat_template=True,
            system_role=None,
            logprobs=logprobs,
            scoring=logprobs,
            continuation=None,
            context=context,
            grammar=grammar,
        )
        self._client: httpx.AsyncClient | None = None
        self._slots: Gate | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        # optional fields that this server has refused, or is declared not to know
        self._plain: set[str] = {"logprobs", "top_logprobs"} if logprobs is False else set()
        self._stats = EngineStats()
        self._closed = False

    @property
    def digest(self) -> str:
        url = httpx.URL(self._url)
        place = f"{url.scheme}://{url.netloc.decode('ascii', 'replace').rpartition('@')[2]}{url.path}"
        return "openai:" + hashlib.sha256(f"{place} {self._model}".encode()).hexdigest()

    @property
    def model(self) -> str:
        """The name that the server is asked for."""
        return self._model

    @property
    def capabilities(self) -> Capabilities:
        return self._capabilities

    def stats(self) -> EngineStats:
        return self._stats

    @property
    def at_once(self) -> int:
        """How many calls may run at once now: the `concurrency` asked for, or fewer after refusals."""
        return self._slots.limit if self._slots is not None else self._limit

    async def start(self) -> None:
        """Make the client for the running event loop; nothing is asked of the server yet."""
        if self._closed:
            raise EngineError("this engine has been closed", hint="make a new one")
        loop = asyncio.get_running_loop()
        if self._client is not None and self._loop is loop:
            return
        if not self._url.startswith(("http://", "https://")):
            raise EngineError(f"{self._url!r} is not an http address", hint="give an address like http://host:8080/v1")
        headers = {**self._headers, **({"Authorization": f"Bearer {self._key}"} if self._key else {})}
        self._client = httpx.AsyncClient(
            headers=headers,
            timeout=httpx.Timeout(self._timeout, connect=min(10.0, self._timeout)),
            verify=self._url.startswith("https://"),  # plain http, which is never redirected, needs no certificates
        )
        self._slots, self._loop = Gate(self._limit), loop

    async def close(self) -> None:
        self._closed = True
        client, self._client = self._client, None
        if client is not None and self._loop is asyncio.get_running_loop():
            await client.aclose()

    async def count_tokens(self, messages: Sequence[Message]) -> int:
        """An upper estimate: no tokeniser is at hand."""
        return sum(8 + len(message.content.encode()) // LETTERS_A_TOKEN for message in messages)

    # ------------------------------------------------------------------ samples

    async def generate(self, request: Request) -> AsyncIterator[Completion]:
        """One call a seed; a sample that fails for good is a completion with finish "failed"."""
        await self.start()
        limits = request.most
        if len(limits) != len(request.seeds):
            raise EngineError("a request needs one limit a seed", hint="please report this", fatal=False)
        deadline = time.monotonic() + request.timeout_seconds if request.timeout_seconds is not None else None
        tasks = [
            asyncio.create_task(self._sample(request, index, seed, limits[index], deadline))
            for index, seed in enumerate(request.seeds)
        ]
        try:
            for finished in asyncio.as_completed(tasks):
                try:
                    yield await finished
                except EngineError as error:
                    if error.fatal or isinstance(error, ContextExceeded):
                        raise
            for index, task in enumerate(tasks):
                problem = task.exception()
                if isinstance(problem, EngineError):
                    yield Completion(index, "", "failed", 0, 0, error=str(problem))
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _sample(self, request: Request, index: int, seed: int, limit: int, deadline: float | None) -> Completion:
        if limit <= 0:
            return Completion(index, "", "length", 0, 0)
        began = time.perf_counter()
        sampling = request.sampling
        body: dict[str, Any] = {
            "messages": chat(request.messages),
            "max_tokens": limit,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "seed": seed & 0x7FFFFFFF,
            "logprobs": True,
        }
        if request.stop:
            body["stop"] = list(request.stop)
        if sampling.top_k:
            body["top_k"] = sampling.top_k
        if sampling.min_p:
            body["min_p"] = sampling.min_p
        if sampling.repeat_penalty != 1:
            body["repeat_penalty"] = sampling.repeat_penalty
        if request.constraint is not None and request.constraint.schema:
            schema = {"name": "answer", "strict": True, "schema": json.loads(request.constraint.schema)}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        elif request.constraint is not None:
            body["grammar"] = request.constraint.grammar  # llama.cpp's server and those that speak like it
        if request.thinking != "auto":
            body["chat_template_kwargs"] = {"enable_thinking": request.thinking != "off"}
        try:
            async with asyncio.timeout(max(0.0, deadline - time.monotonic()) if deadline is not None else None):
                answer = await self._call(body)
        except TimeoutError:
            return Completion(
                index, "", "cancelled", 0, 0, error=f"the time limit of {request.timeout_seconds} s was over"
            )
        completion = self._read(answer, index, request)
        return replace(completion, seconds=time.perf_counter() - began)

    def _read(self, answer: dict[str, Any], index: int, request: Request) -> Completion:
        choice = choice_of(answer)
        message = choice.get("message")
        if not isinstance(message, dict):
            raise malformed("its choice has no message")
        text, thoughts = message.get("content") or "", message.get("reasoning_content") or ""
        if not isinstance(text, str) or not isinstance(thoughts, str):
            raise malformed("its message is not text")
        if not thoughts:
            thoughts, text = split_thoughts(text)
        text, stopped = cut_at(continued(text, request.messages), request.stop)
        full, text = text, shortened(text, request.stop_patterns)  # servers know no such stops: they write on
        stopped = stopped or text != full
        logprobs = logprobs_of(choice)
        usage = answer.get("usage")
        usage = usage if isinstance(usage, dict) else {}
        new = whole(usage.get("completion_tokens")) or len(logprobs) or -(-len(text.encode()) // 4)
        prompt = whole(usage.get("prompt_tokens")) or 0
        if self._capabilities.logprobs is not True:
            self._capabilities = replace(self._capabilities, logprobs=bool(logprobs))
        self._stats = replace(
            self._stats,
            requests=self._stats.requests + 1,
            prompt_asked=self._stats.prompt_asked + prompt,
            prompt_computed=self._stats.prompt_computed + prompt,
            new_tokens=self._stats.new_tokens + new,
        )
        finish: Finish = "length" if choice.get("finish_reason") == "length" and not stopped else "stop"
        details = usage.get("completion_tokens_details")
        thought_tokens = whole(details.get("reasoning_tokens")) if isinstance(details, dict) else None
        if thought_tokens is None:
            thought_tokens = round(new * len(thoughts) / max(1, len(thoughts) + len(text)))
        return Completion(
            index, text, finish, prompt, new, thoughts=thoughts, thought_tokens=thought_tokens, logprobs=logprobs
        )

    # ------------------------------------------------------------------ scores

    async def score(
        self, messages: Sequence[Message], continuations: Sequence[str], *, priority: tuple[int, ...] = ()
    ) -> list[Scored]:
        """Log-probabilities of labels from the alternatives for one next token.

        Labels must differ in their first token and be among the alternatives the server shows; a label that is
        not gets the least probability shown. EngineError when the server shows none.
        """
        await self.start()
        body = {
            "messages": chat(messages),
            "max_tokens": 1,
            "temperature": 0.0,
            "logprobs": True,
            "top_logprobs": TOP_LOGPROBS,
        }
        answer = await self._call(body)
        shown = alternatives(choice_of(answer))
        if not shown:
            self._capabilities = replace(self._capabilities, scoring=False)
            raise cannot_score(self._model, "it returns no alternatives for a token")
        usage = answer.get("usage")
        prompt = (whole(usage.get("prompt_tokens")) if isinstance(usage, dict) else None) or 0
        found = [label_value(continuation, shown) for continuation in continuations]
        if all(value is None for value in found) and continuations:
            raise cannot_score(self._model, "none of the labels is among the tokens that it shows")
        self._capabilities = replace(self._capabilities, scoring=True)
        floor = min(shown.values())
        return [
            Scored(text, (value if value is not None else floor,), prompt)
            for text, value in zip(continuations, found, strict=True)
        ]

    # ------------------------------------------------------------------ one call

    async def ask(self, body: Mapping[str, Any], *, as_it_is: bool = False) -> dict[str, Any]:
        """The server's own answer to a chat call; with `as_it_is` no field is left out that it refuses."""
        await self.start()
        return await self._call(dict(body), as_it_is=as_it_is)

    async def _call(
        self, body: dict[str, Any], *, as_it_is: bool = False, path: str = "chat/completions"
    ) -> dict[str, Any]:
        """The server's answer to a call, after as many tries as it needs."""
        assert self._client is not None and self._slots is not None
        client, slots = self._client, self._slots
        problem = EngineError("the server was not asked", fatal=False)
        tries = 0
        while True:
            plain = frozenset() if as_it_is else self._plain
            sent = {"model": self._model, **{name: value for name, value in body.items() if name not in plain}}
            wait: float | None = None
            try:
                async with slots as begun:
                    response = await client.post(f"{self._url}/{path}", json=sent)
                if response.status_code == 200:
                    answer = read_object(response)
                    slots.answered()
                    return answer
                if response.status_code in BUSY:
                    slots.refused(begun)
                if response.status_code == 400 and not as_it_is and self._leave_out(response, sent):
                    continue
                problem = self._problem(response)
                if response.status_code not in RETRIED:
                    raise problem
                wait = retry_after(response)
            except Malformed as error:
                problem = EngineError(self._clean(str(error)), hint=SERVER_HINT, fatal=False)
            except (httpx.TimeoutException, httpx.TransportError) as error:
                problem = EngineError(
                    self._clean(f"no answer from {self._place()}: {type(error).__name__} {error}".rstrip()),
                    hint="check that the server runs and that the address is right",
                    fatal=isinstance(error, httpx.ConnectError),
                )
            except httpx.InvalidURL as error:
                raise EngineError(self._clean(f"the address is unusable: {error}")) from None
            tries += 1
            if tries > self._retries:
                raise problem
            pause = min(LONGEST_PAUSE, self._pause * 2 ** (tries - 1)) * (0.75 + 0.5 * random.random())
            await asyncio.sleep(pause if wait is None else min(LONGEST_PAUSE, wait))

    async def completion(self, body: Mapping[str, Any]) -> dict[str, Any] | None:
        """The answer to a call of the older interface, a prompt as text; None where the server refuses it."""
        await self.start()
        try:
            return await self._call(dict(body), as_it_is=True, path="completions")
        except EngineError as error:
            if error.fatal and "answered 404" not in str(error):
                raise
            return None

    async def look(self, path: str) -> object:
        """What the server tells at a path beside its calls; None where it tells nothing."""
        await self.start()
        assert self._client is not None
        with contextlib.suppress(httpx.HTTPError, ValueError):
            response = await self._client.get(httpx.URL(f"{self._url}/").join(path))
            return response.json() if response.status_code == 200 else None
        return None

    async def stream(self, body: Mapping[str, Any]) -> AsyncIterator[str]:
        """The data of each event of a streamed chat call, without tries; the last one is "[DONE]"."""
        await self.start()
        assert self._client is not None
        sent = {"model": self._model, **body, "stream": True}
        try:
            async with self._client.stream("POST", f"{self._url}/chat/completions", json=sent) as response:
                if response.status_code != 200:
                    await response.aread()
                    raise self._problem(response)
                async for line in response.aiter_lines():
                    if line.startswith("data:"):
                        yield line.removeprefix("data:").strip()
        except httpx.HTTPError as error:
            message = f"the stream from {self._place()} ended: {type(error).__name__} {error}".rstrip()
            raise EngineError(self._clean(message), hint=SERVER_HINT, fatal=False) from None

    def _leave_out(self, response: httpx.Response, sent: dict[str, Any]) -> bool:
        """Whether the refusal names an optional field; it is then left out from now on."""
        text = response.text.lower()
        optional = ("top_logprobs", "logprobs", "seed", "chat_template_kwargs")
        refused = [name for name in optional if name in sent and name in text]
        if not refused or any(word in text for word in OVERFLOW):
            return False
        self._plain.add(refused[0])
        if refused[0] == "logprobs":
            self._plain.add("top_logprobs")
            self._capabilities = replace(self._capabilities, logprobs=False, scoring=False)
        return True

    def _problem(self, response: httpx.Response) -> EngineError:
        text = self._clean(error_text(response))
        status = response.status_code
        if status in (400, 413, 422) and any(word in text.lower() for word in OVERFLOW):
            self_context = self._capabilities.context or 0
            error = ContextExceeded(0, self_context)
            error.args = (f"the prompt does not fit the context of {self._model} on {self._place()}: {text}",)
            return error
        hint = SERVER_HINT
        if status in (401, 403):
            hint = "check the environment variable that holds the key"
        elif status == 404:
            hint = "check the address (it ends in /v1 on most servers) and the model's name"
        elif status == 429:
            hint = "ask for less at once, or wait"
        fatal = status in (401, 403, 404)
        return EngineError(f"{self._place()} answered {status}: {text}", hint=hint, fatal=fatal)

    def _place(self) -> str:
        return httpx.URL(self._url).host or self._url

    def _clean(self, text: str) -> str:
        return text.replace(self._key, REDACTED) if self._key else text
