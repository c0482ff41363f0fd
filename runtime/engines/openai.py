"""Any server that speaks the OpenAI chat interface, over httpx.

What a server can do is not known before it has answered, so capabilities start as None. Every sample is a call
of its own with its own seed; a semaphore bounds how many are under way. 429, 5xx and connection failures are
tried again with growing pauses that honour Retry-After. The key is sent and never shown.
"""

from __future__ import annotations

import asyncio
import contextlib
import email.utils
import hashlib
import json
import math
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
        self._slots: asyncio.Semaphore | None = None
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
    def capabilities(self) -> Capabilities:
        return self._capabilities

    def stats(self) -> EngineStats:
        return self._stats

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
            headers=headers, timeout=httpx.Timeout(self._timeout, connect=min(10.0, self._timeout))
        )
        self._slots, self._loop = asyncio.Semaphore(self._limit), loop

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
            "messages": _chat(request.messages),
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
        choice = _choice(answer)
        message = choice.get("message")
        if not isinstance(message, dict):
            raise _malformed("its choice has no message")
        text, thoughts = message.get("content") or "", message.get("reasoning_content") or ""
        if not isinstance(text, str) or not isinstance(thoughts, str):
            raise _malformed("its message is not text")
        if not thoughts:
            thoughts, text = _split_thoughts(text)
        text, stopped = _cut(_continued(text, request.messages), request.stop)
        whole, text = text, shortened(text, request.stop_patterns)  # servers know no such stops: they write on
        stopped = stopped or text != whole
        logprobs = _logprobs(choice)
        usage = answer.get("usage")
        usage = usage if isinstance(usage, dict) else {}
        new = _whole(usage.get("completion_tokens")) or len(logprobs) or -(-len(text.encode()) // 4)
        prompt = _whole(usage.get("prompt_tokens")) or 0
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
        thought_tokens = _whole(details.get("reasoning_tokens")) if isinstance(details, dict) else None
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
            "messages": _chat(messages),
            "max_tokens": 1,
            "temperature": 0.0,
            "logprobs": True,
            "top_logprobs": TOP_LOGPROBS,
        }
        answer = await self._call(body)
        shown = _alternatives(_choice(answer))
        if not shown:
            self._capabilities = replace(self._capabilities, scoring=False)
            raise _cannot_score(self._model, "it returns no alternatives for a token")
        usage = answer.get("usage")
        prompt = (_whole(usage.get("prompt_tokens")) if isinstance(usage, dict) else None) or 0
        found = [_label(continuation, shown) for continuation in continuations]
        if all(value is None for value in found) and continuations:
            raise _cannot_score(self._model, "none of the labels is among the tokens that it shows")
        self._capabilities = replace(self._capabilities, scoring=True)
        floor = min(shown.values())
        return [
            Scored(text, (value if value is not None else floor,), prompt)
            for text, value in zip(continuations, found, strict=True)
        ]

    # ------------------------------------------------------------------ one call

    async def _call(self, body: dict[str, Any]) -> dict[str, Any]:
        """The server's answer to a chat call, after as many tries as it needs."""
        assert self._client is not None and self._slots is not None
        client, slots = self._client, self._slots
        problem = EngineError("the server was not asked", fatal=False)
        tries = 0
        while True:
            sent = {"model": self._model, **{name: value for name, value in body.items() if name not in self._plain}}
            wait: float | None = None
            try:
                async with slots:
                    response = await client.post(f"{self._url}/chat/completions", json=sent)
                if response.status_code == 200:
                    return _object(response)
                if response.status_code == 400 and self._leave_out(response, sent):
                    continue
                problem = self._problem(response)
                if response.status_code not in RETRIED:
                    raise problem
                wait = _retry_after(response)
            except _Malformed as error:
                problem = EngineError(self._clean(str(error)), hint=_SERVER_HINT, fatal=False)
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
        text = self._clean(_error_text(response))
        status = response.status_code
        if status in (400, 413, 422) and any(word in text.lower() for word in OVERFLOW):
            self_context = self._capabilities.context or 0
            error = ContextExceeded(0, self_context)
            error.args = (f"the prompt does not fit the context of {self._model} on {self._place()}: {text}",)
            return error
        hint = _SERVER_HINT
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


class _Malformed(Exception):
    """The server's answer is not what the interface promises."""


_SERVER_HINT = "the server may be overloaded or not an OpenAI-compatible one; its own log says more"


def _malformed(why: str) -> EngineError:
    return EngineError(f"the server's answer cannot be read: {why}", hint=_SERVER_HINT, fatal=False)


def _cannot_score(model: str, why: str) -> EngineError:
    return EngineError(
        f"the server of {model} cannot score given texts: {why}",
        hint="use a local model for this stage, or a stage that asks for a written verdict",
        fatal=False,
    )


def _chat(messages: Sequence[Message]) -> list[dict[str, str]]:
    return [{"role": message.role, "content": message.content} for message in messages]


def _object(response: httpx.Response) -> dict[str, Any]:
    try:
        value = response.json()
    except ValueError:
        raise _Malformed("the server's answer is not JSON") from None
    if not isinstance(value, dict) or not isinstance(value.get("choices"), list) or not value["choices"]:
        raise _Malformed("the server's answer has no choices")
    return value


def _choice(answer: dict[str, Any]) -> dict[str, Any]:
    choice = answer["choices"][0]
    if not isinstance(choice, dict):
        raise _malformed("its choice is not an object")
    return choice


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and value >= 0 else None


def _entries(choice: dict[str, Any]) -> list[dict[str, Any]]:
    table = choice.get("logprobs")
    content = table.get("content") if isinstance(table, dict) else None
    return [entry for entry in content if isinstance(entry, dict)] if isinstance(content, list) else []


def _logprobs(choice: dict[str, Any]) -> tuple[float, ...]:
    values = [entry.get("logprob") for entry in _entries(choice)]
    return tuple(float(value) for value in values if isinstance(value, (int, float)))


def _alternatives(choice: dict[str, Any]) -> dict[str, float]:
    """Log-probabilities of the tokens shown for the first place, by their text."""
    entries = _entries(choice)
    rows = entries[0].get("top_logprobs") if entries else None
    shown: dict[str, float] = {}
    for row in rows if isinstance(rows, list) else []:
        if isinstance(row, dict) and isinstance(row.get("logprob"), (int, float)):
            shown[str(row.get("token", ""))] = float(row["logprob"])
    return shown


def _label(continuation: str, shown: dict[str, float]) -> float | None:
    """The log-probability of a label: all shown tokens that spell it, whatever their leading space."""
    wanted = continuation.strip()
    values = [value for token, value in shown.items() if token.strip() == wanted]
    return math.log(min(1.0, sum(math.exp(value) for value in values))) if values and wanted else None


def _continued(text: str, messages: Sequence[Message]) -> str:
    """The new part only: some servers repeat the prefill that they continue."""
    last = messages[-1]
    return text.removeprefix(last.content) if last.role == "assistant" and last.content else text


def _cut(text: str, stops: Sequence[str]) -> tuple[str, bool]:
    ends = [at for stop in stops if stop and (at := text.find(stop)) >= 0]
    return (text[: min(ends)], True) if ends else (text, False)


def _split_thoughts(text: str) -> tuple[str, str]:
    lead = text.lstrip()
    if not lead.startswith("<think>"):
        return "", text
    thoughts, closed, rest = lead.removeprefix("<think>").partition("</think>")
    return thoughts.strip(), rest.lstrip() if closed else ""


def _retry_after(response: httpx.Response) -> float | None:
    """Seconds the server asks to wait: a number, or a date."""
    value = response.headers.get("retry-after", "").strip()
    if not value:
        return None
    with contextlib.suppress(ValueError):
        return max(0.0, float(value))
    with contextlib.suppress(ValueError, TypeError):
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    return None


def _error_text(response: httpx.Response) -> str:
    with contextlib.suppress(ValueError):
        value = response.json()
        error = value.get("error") if isinstance(value, dict) else None
        if isinstance(error, dict) and error.get("message"):
            return str(error["message"])[:500]
        if isinstance(error, str):
            return error[:500]
    return (response.text or response.reason_phrase)[:500]
