"""Calls to one server that speaks the OpenAI interface: tried again, bounded, watched, and never showing the key.

429, 5xx and connection failures are tried again with growing pauses that honour Retry-After. A gate bounds how many
samples are under way, fewer while the server says that it is too much. An answer may come in pieces (`Made`): then no
token may be longer under way than `between` seconds, and who stops listening ends the work at the server. What comes
without end, in drops or in floods, is given up.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import httpx
from ttscale.runtime.engines.base import ContextExceeded, EngineError
from ttscale.runtime.engines.openai_gate import Gate
from ttscale.runtime.engines.openai_reading import SERVER_HINT, Malformed, error_text, read_object, retry_after
from ttscale.runtime.engines.openai_stream import Interrupted, Made

BUSY = frozenset({429, 503, 529})
RETRIED = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
REFUSED = frozenset({400, 422})
LONGEST_PAUSE = 60.0
LONGEST_ASKED = 600.0
"""Seconds that a server may ask to wait; what asks for more is waited for as long and then tried again."""
BETWEEN = 60.0
"""Seconds that one token may take once the first has come, unless a whole call may take less."""
OVERFLOW = ("context_length", "context length", "context size", "maximum context", "too long")
OPTIONAL = ("top_logprobs", "logprobs", "seed", "chat_template_kwargs", "stream_options", "stream")
SETTINGS = {
    "repeat_last_n": "penalty_window",
    **{name: name for name in ("top_k", "min_p", "typical_p", "repeat_penalty")},
    **{name: name for name in ("frequency_penalty", "presence_penalty")},
}
"""What servers call settings of sampling that not all of them know, and the language's words: never left out."""
REDACTED = "[key]"
SECRET = ("auth", "key", "token", "secret", "cookie")
"""What the names of headers have in them whose values are not shown either."""
LEAST_SECRET = 6  # letters of such a value; shorter ones stand in any text
EVENTS_A_TOKEN = 16
SPARE_EVENTS = 1024
"""A stream of more events than so many a token, and these, comes from a server that does not heed `max_tokens`."""
LONGEST_LINE = 1 << 24

Enough = Callable[[Made], bool]


class Refused(EngineError):
    """The server does not take this call as it is."""


class Link:
    """A server and the model asked of it. `context` is the served context in tokens where the caller knows it.

    `plain` are optional fields that the server has refused, or is declared not to know: they are left out.
    """

    def __init__(
        self,
        base_url: str,
        model: str,
        key: str,
        *,
        concurrency: int,
        retries: int,
        pause: float,
        timeout: float,
        context: int | None,
        headers: Mapping[str, str],
        plain: set[str],
    ) -> None:
        self.url = base_url.rstrip("/")
        self.model = model
        self.plain = plain
        self.between = min(BETWEEN, timeout)
        self._key = key.strip()  # a file that it was read from may end in a line break
        self._retries = retries
        self._pause = pause
        self._timeout = timeout
        self._most = max(1, concurrency)
        self._headers = {name: value.strip() for name, value in headers.items()}
        self._secrets = _secrets(self._key, self._headers)
        self._context = context
        self._client: httpx.AsyncClient | None = None
        self._gate: Gate | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False
        self._until = 0.0  # before this time of the loop's clock the server wants no calls

    @property
    def at_once(self) -> int:
        """How many samples may be under way now: as many as were asked for, or fewer after refusals."""
        return self._gate.limit if self._gate is not None else self._most

    @property
    def place(self) -> str:
        """The server's name, for messages."""
        return httpx.URL(self.url).host or self.url

    async def start(self) -> None:
        """Make the client for the running event loop; nothing is asked of the server yet."""
        if self._closed:
            raise EngineError("this engine has been closed", hint="make a new one")
        loop = asyncio.get_running_loop()
        if self._client is not None and self._loop is loop:
            return
        if not self.url.startswith(("http://", "https://")):
            raise EngineError(f"{self.url!r} is not an http address", hint="give an address like http://host:8080/v1")
        headers = {**self._headers, **({"Authorization": f"Bearer {self._key}"} if self._key else {})}
        for name, value in headers.items():
            if not (name.isascii() and value.isascii() and f"{name}{value}".isprintable()):
                raise EngineError(  # the client would show the value
                    f"the header {name!r} has letters that none can have: only those of ASCII, without line breaks",
                    hint="check the environment variable that holds the key",
                )
        self._client = httpx.AsyncClient(
            headers=headers,
            timeout=httpx.Timeout(self._timeout, connect=min(10.0, self._timeout)),
            limits=httpx.Limits(max_connections=None),  # the gate bounds them
            verify=self.url.startswith("https://"),  # plain http, which is never redirected, needs no certificates
        )
        self._gate, self._loop, self._until = Gate(self._most), loop, 0.0

    async def close(self) -> None:
        """Close the connections; idempotent."""
        self._closed = True
        client, self._client = self._client, None
        if client is not None and self._loop is asyncio.get_running_loop():
            await client.aclose()

    # ------------------------------------------------------------------ calls

    async def call(
        self,
        body: Mapping[str, Any],
        *,
        as_it_is: bool = False,
        path: str = "chat/completions",
        made: Made | None = None,
        enough: Enough | None = None,
    ) -> dict[str, Any]:
        """The server's answer to a call, after as many tries as it needs.

        With `as_it_is` no field is left out that it refuses. With `made` the answer comes in pieces where the server
        sends them, and what has come so far stands there; `enough` says when no more is wanted.
        Raises Refused, ContextExceeded, EngineError.
        """
        await self.start()
        assert self._client is not None and self._gate is not None
        client, gate, count = self._client, self._gate, int(body.get("n") or 1)
        tries = 0
        while True:
            plain = frozenset() if as_it_is else self.plain
            streams = {"stream": True, "stream_options": {"include_usage": True}} if made is not None else {}
            if "stream" in plain:
                streams = {}
            fields = {**body, **streams}
            sent = {"model": self.model, **{name: value for name, value in fields.items() if name not in plain}}
            wait: float | None = None
            try:
                async with gate.places(count) as begun:
                    await self._rest()
                    if self._closed:
                        raise EngineError("the engine was closed", hint="make a new one", fatal=False)
                    response, answer = await self._send(client, f"{self.url}/{path}", sent, made, enough)
                if answer is not None:
                    gate.answered(count)
                    return answer
                if response.status_code in BUSY:
                    gate.refused(begun)
                if response.status_code in REFUSED and not as_it_is and self._leave_out(response, sent):
                    continue
                problem = self._problem(response)
                if response.status_code not in RETRIED:
                    raise problem
                wait = retry_after(response)
            except (Malformed, Interrupted) as error:
                problem = EngineError(self.clean(str(error)), hint=SERVER_HINT, fatal=False)
            except httpx.RequestError as error:
                problem = EngineError(
                    self.clean(f"no answer from {self.place}: {type(error).__name__} {error}".rstrip()),
                    hint="check that the server runs and that the address is right",
                    fatal=isinstance(error, httpx.ConnectError),
                )
            except httpx.InvalidURL as error:
                raise EngineError(self.clean(f"the address is unusable: {error}")) from None
            tries += 1
            if tries > self._retries:
                raise problem
            if wait:  # a date that has passed here, or 0, says nothing
                await self._hold_back(min(LONGEST_ASKED, wait))
                continue
            pause = min(LONGEST_PAUSE, self._pause * 2 ** (tries - 1)) * (0.75 + 0.5 * random.random())
            await asyncio.sleep(pause)

    async def _hold_back(self, seconds: float) -> None:
        """Wait as the server asks; calls that begin meanwhile wait too, for they would be refused as well."""
        until = self._until = max(self._until, asyncio.get_running_loop().time() + seconds)
        await asyncio.sleep(seconds)
        if self._until == until:
            self._until = 0.0

    async def _rest(self) -> None:
        """Wait while the server has asked others to wait."""
        left = self._until - asyncio.get_running_loop().time()
        if left > 0:
            await asyncio.sleep(left)

    async def _send(
        self, client: httpx.AsyncClient, address: str, sent: Mapping[str, Any], made: Made | None, enough: Enough | None
    ) -> tuple[httpx.Response, dict[str, Any] | None]:
        """One try: the response, and the answer where it is one."""
        chats = address.endswith("chat/completions")
        if made is None or not sent.get("stream"):
            async with self._in_time():
                response = await client.post(address, json=sent)
            return response, read_object(response, chats=chats) if response.status_code == 200 else None
        made.clear()
        async with client.stream("POST", address, json=sent) as response:
            if response.status_code != 200 or "event-stream" not in response.headers.get("content-type", "").lower():
                async with self._in_time():
                    await response.aread()
                return response, read_object(response, chats=chats) if response.status_code == 200 else None
            most = EVENTS_A_TOKEN * int(sent.get("max_tokens", 0)) * int(sent.get("n", 1)) + SPARE_EVENTS
            ended = await self._listen(response, made, enough, most)
        parts = made.parts.values()
        if not ended and not (parts and all(part.finish for part in parts)):
            raise httpx.RemoteProtocolError("the answer ended in the middle")
        return response, made.answer()

    @contextlib.asynccontextmanager
    async def _in_time(self) -> AsyncIterator[None]:
        """A whole answer must be there in time: a server may send a letter now and then for ever."""
        try:
            async with asyncio.timeout(self._timeout):
                yield
        except TimeoutError:
            raise httpx.ReadTimeout(f"no whole answer in {self._timeout:g} s") from None

    async def _listen(self, response: httpx.Response, made: Made, enough: Enough | None, most: int) -> bool:
        """Take in the pieces of an answer until its end, or until it is enough; whether either came.

        Raises EngineError behind `most` of them.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + self._timeout
        lines = _lines(response)
        while True:
            try:
                async with asyncio.timeout_at(until):
                    line = await anext(lines, None)
            except TimeoutError:
                seconds = self.between if made.tokens else self._timeout
                raise httpx.ReadTimeout(f"no token for {seconds:g} s") from None
            if line is None:
                return False
            if not line.startswith("data:"):
                continue  # an empty line, or a comment that keeps the connection
            before = made.heard
            if not made.add(line.removeprefix("data:").strip()) or (enough is not None and enough(made)):
                return True
            if made.events > most:
                raise self._endless()
            if made.heard > before and made.tokens:  # what says nothing of the answer only keeps the connection
                until = loop.time() + self.between

    def _endless(self) -> EngineError:
        message = f"{self.place} goes on and on: it does not end an answer at `max_tokens`"
        return EngineError(message, hint=SERVER_HINT, fatal=False)

    async def look(self, path: str) -> object:
        """What the server tells at a path beside its calls; None where it tells nothing."""
        await self.start()
        assert self._client is not None
        with contextlib.suppress(httpx.HTTPError, ValueError):
            response = await self._client.get(httpx.URL(f"{self.url}/").join(path))
            return response.json() if response.status_code == 200 else None
        return None

    async def stream(self, body: Mapping[str, Any]) -> AsyncIterator[str]:
        """The data of each event of a streamed chat call, without tries; the last one is "[DONE]"."""
        await self.start()
        assert self._client is not None
        sent = {"model": self.model, **body, "stream": True}
        address = f"{self.url}/chat/completions"
        most = EVENTS_A_TOKEN * int(body.get("max_tokens", 0)) + SPARE_EVENTS
        try:
            async with self._in_time(), self._client.stream("POST", address, json=sent) as response:
                if response.status_code != 200:
                    await response.aread()
                    raise self._problem(response)
                async for line in _lines(response):
                    if line.startswith("data:"):
                        most -= 1
                        if most < 0:
                            raise self._endless()
                        yield line.removeprefix("data:").strip()
        except (httpx.HTTPError, Malformed) as error:
            message = f"the stream from {self.place} ended: {type(error).__name__} {error}".rstrip()
            raise EngineError(self.clean(message), hint=SERVER_HINT, fatal=False) from None

    # ------------------------------------------------------------------ refusals

    def _leave_out(self, response: httpx.Response, sent: Mapping[str, Any]) -> bool:
        """Whether the refusal names an optional field; it is then left out from now on."""
        text = response.text.lower()
        refused = [name for name in OPTIONAL if name in sent and name in text]
        if not refused or any(word in text for word in OVERFLOW):
            return False
        self.plain.add(refused[0])
        if refused[0] == "logprobs":
            self.plain.add("top_logprobs")
        if refused[0] == "stream":
            self.plain.add("stream_options")
        return True

    def _problem(self, response: httpx.Response) -> EngineError:
        text = self.clean(error_text(response))
        status = response.status_code
        if status in (400, 413, 422) and any(word in text.lower() for word in OVERFLOW):
            error = ContextExceeded(0, self._context or 0)
            error.args = (f"the prompt does not fit the context of {self.model} on {self.place}: {text}",)
            return error
        hint = SERVER_HINT
        if status in (401, 403):
            hint = "check the environment variable that holds the key"
        elif status == 404:
            hint = "check the address (it ends in /v1 on most servers) and the model's name"
        elif status == 429:
            hint = "ask for less at once, or wait"
        unknown = next((name for name in SETTINGS if name in text), None) if status in REFUSED else None
        if unknown is not None:
            word = SETTINGS[unknown]
            hint = f"it does not take `{word}:`: leave that out, or ask a model that runs in the process (`gguf(…)`)"
        kind = Refused if status in REFUSED else EngineError
        return kind(f"{self.place} answered {status}: {text}", hint=hint, fatal=status in (401, 403, 404))

    def clean(self, text: str) -> str:
        """A text without the key, and without values of headers that are secret."""
        for secret in self._secrets:
            text = text.replace(secret, REDACTED)
        return text


def _secrets(key: str, headers: Mapping[str, str]) -> tuple[str, ...]:
    """What is never shown, the longest first."""
    found = {key}
    for name, value in headers.items():
        if any(word in name.lower() for word in SECRET):
            found |= {one for one in (value, value.rpartition(" ")[2]) if len(one) >= LEAST_SECRET}
    return tuple(sorted(found - {""}, key=len, reverse=True))


async def _lines(response: httpx.Response) -> AsyncIterator[str]:
    """The lines of an answer as they come; only line feeds end one, which a model's text never has bare."""
    rest = b""
    async for data in response.aiter_bytes():
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            yield line.decode("utf-8", "replace").rstrip("\r")
        if len(rest) > LONGEST_LINE:
            raise Malformed("a line of the server's answer has no end")
    if rest:
        yield rest.decode("utf-8", "replace")
