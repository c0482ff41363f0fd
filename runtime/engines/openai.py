"""Any server that speaks the OpenAI chat interface, over httpx.

What a server can do is not known before it has answered (or been asked, see `openai_probe`), so capabilities start as
None. Every sample is a call of its own with its own seed, unless the server has been seen to heed `n`: then several
samples of one prompt are one call, with the seed of the first. Answers come in pieces where the server sends them, so
that what is no longer wanted ends at once, and a time limit leaves what there is. `openai_link` makes the calls.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import httpx
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
    checked,
)
from ttscale.runtime.engines.openai_body import body_of
from ttscale.runtime.engines.openai_link import Link, Refused
from ttscale.runtime.engines.openai_reading import (
    alternatives,
    cannot_score,
    chat,
    choice_of,
    choices_of,
    label_value,
    whole,
)
from ttscale.runtime.engines.openai_sample import ends, sample, shared
from ttscale.runtime.engines.openai_stream import Made

TOP_LOGPROBS = 20
LETTERS_A_TOKEN = 2  # an upper estimate where no tokeniser is at hand
MOST_SIZES = 4096


class OpenAIEngine:
    """One model on one server.

    `base_url` ends before `/chat/completions` (`http://localhost:8080/v1`). `key` goes into the Authorization
    header only. `concurrency` samples run at once, each call is tried `retries` more times after a failure that may
    pass, `pause` seconds apart at first and doubling. `timeout` is for one call, in seconds. `context` is the served
    context in tokens where the caller knows it. With `many` above 1, where the server has been seen to heed `n`, up to
    so many samples of a prompt are one call, whose prompt is read once. `streams` False asks for whole answers.
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
        many: int = 1,
        streams: bool | None = None,
    ) -> None:
        plain = ({"logprobs", "top_logprobs"} if logprobs is False else set()) | (
            {"stream", "stream_options"} if streams is False else set()
        )
        self._link = Link(
            base_url,
            model,
            key or "",
            concurrency=concurrency,
            retries=retries,
            pause=pause,
            timeout=timeout,
            context=context,
            headers=headers or {},
            plain=plain,
        )
        self._many = max(1, many)
        self._capabilities = Capabilities(
            chat_template=True,
            system_role=None,
            logprobs=logprobs,
            scoring=logprobs,
            continuation=None,
            context=context,
            grammar=grammar,
            stop_patterns=True,
        )
        self._sizes: dict[tuple[Message, ...], int] = {}  # prompts' tokens, for answers that end before they are told
        self._stats = EngineStats()

    @property
    def digest(self) -> str:
        url = httpx.URL(self._link.url)
        place = f"{url.scheme}://{url.netloc.decode('ascii', 'replace').rpartition('@')[2]}{url.path}"
        return "openai:" + hashlib.sha256(f"{place} {self.model}".encode()).hexdigest()

    @property
    def model(self) -> str:
        """The name that the server is asked for."""
        return self._link.model

    @property
    def capabilities(self) -> Capabilities:
        if "logprobs" in self._link.plain and self._capabilities.logprobs is not False:
            self._capabilities = replace(self._capabilities, logprobs=False, scoring=False)
        return self._capabilities

    def stats(self) -> EngineStats:
        return self._stats

    @property
    def at_once(self) -> int:
        """How many samples may be under way now: the `concurrency` asked for, or fewer after refusals."""
        return self._link.at_once

    @property
    def many(self) -> int:
        """How many samples of a prompt one call may ask for: fewer after a server has refused more, or given fewer."""
        return self._many

    async def start(self) -> None:
        """Make the client for the running event loop; nothing is asked of the server yet."""
        await self._link.start()

    async def close(self) -> None:
        await self._link.close()

    async def count_tokens(self, messages: Sequence[Message]) -> int:
        """An upper estimate: no tokeniser is at hand."""
        return sum(8 + len(checked(message.content).encode()) // LETTERS_A_TOKEN for message in messages)

    # ------------------------------------------------------------------ samples

    async def generate(self, request: Request) -> AsyncIterator[Completion]:
        """One call a sample, or for several; a sample that fails for good is a completion with finish "failed"."""
        await self.start()
        limits = request.most
        if len(limits) != len(request.seeds):
            raise EngineError("a request needs one limit a seed", hint="please report this", fatal=False)
        deadline = time.monotonic() + request.timeout_seconds if request.timeout_seconds is not None else None
        calls = [
            asyncio.create_task(self._call(request, places, limits[places[0]], deadline))
            for places in self._together(limits)
        ]
        try:
            for finished in asyncio.as_completed(calls):
                for completion in await finished:
                    yield completion
        finally:
            for task in calls:
                task.cancel()
            await asyncio.gather(*calls, return_exceptions=True)

    def _together(self, limits: Sequence[int]) -> list[list[int]]:
        """The samples of each call: those with the same limit, as many as the server gives for one."""
        groups: dict[int, list[int]] = {}
        for index, limit in enumerate(limits):
            groups.setdefault(limit, []).append(index)
        size = min(self._many, self.at_once)
        return [group[at : at + size] for group in groups.values() for at in range(0, len(group), size)]

    async def _call(
        self, request: Request, places: Sequence[int], limit: int, deadline: float | None
    ) -> list[Completion]:
        """The samples of one call; what it does not give is asked for in smaller ones.

        Raises what ends all calls; of what fails for good otherwise the samples say so.
        """
        if limit <= 0:
            return [Completion(index, "", "length", 0, 0) for index in places]
        found: list[Completion] = []
        made = Made()
        try:
            found = await self._samples(request, places, limit, deadline, made)
            if len(found) < len(places):
                self._many = 1  # it takes `n`, and does not heed it
        except EngineError as error:
            if error.fatal or isinstance(error, ContextExceeded):
                raise
            if len(places) == 1 or not isinstance(error, Refused):
                return self._without(request, places, "failed", str(error), made)
            self._many = min(self._many, len(places) // 2)
        size, rest = self._many, places[len(found) :]
        again = [
            asyncio.create_task(self._call(request, rest[at : at + size], limit, deadline))
            for at in range(0, len(rest), size)
        ]
        try:
            for more in await asyncio.gather(*again):
                found += more
        finally:  # what ends one of them for good ends the others
            for task in again:
                task.cancel()
        return found

    def _without(
        self, request: Request, places: Sequence[int], finish: Finish, error: str, made: Made
    ) -> list[Completion]:
        """Samples of a call that gave nothing; the first has what was lost with it, and its prompt, where it is known.

        A prompt counts once without being told, and as often as tries broke off that had begun to answer.
        """
        made.clear()
        first = self._sizes.get(request.messages, 0) if made.broken else 0
        none = [Completion(index, "", finish, 0, 0, error=error) for index in places]
        lost = replace(none[0], prompt_tokens=first, lost_tokens=made.lost, lost_prompt=first * max(0, made.broken - 1))
        return [lost, *none[1:]]

    async def _samples(
        self, request: Request, places: Sequence[int], limit: int, deadline: float | None, made: Made
    ) -> list[Completion]:
        """One call: a sample for each place, or fewer where the server gives fewer. The first one's seed is sent."""
        began = time.perf_counter()
        body = body_of(request, request.seeds[places[0]], limit, len(places))
        error = ""
        try:
            async with asyncio.timeout(max(0.0, deadline - time.monotonic()) if deadline is not None else None):
                answer = await self._link.call(body, made=made, enough=partial(_is_enough, request, len(places)))
        except TimeoutError:
            error = f"the time limit of {request.timeout_seconds} s was over"
            if not made.parts:
                return self._without(request, places, "cancelled", error, made)
            answer = made.answer()
        found = self._read(answer, places, request, limit, streamed=bool(made.parts))
        lost_prompt = made.broken * found[0].prompt_tokens
        found = [replace(found[0], lost_tokens=made.lost, lost_prompt=lost_prompt), *found[1:]]
        seconds = time.perf_counter() - began
        if error:  # what has come so far was made, and counts
            found += [Completion(index, "", "cancelled", 0, 0) for index in places[len(found) :]]
            found = [replace(one, finish="cancelled", error=error) for one in found]
        return [replace(one, seconds=seconds) for one in found]

    def _read(
        self, answer: dict[str, Any], places: Sequence[int], request: Request, limit: int, *, streamed: bool
    ) -> list[Completion]:
        """The samples of an answer, one for each of its choices, the prompt's tokens among the first one's computed."""
        choices = choices_of(answer)[: len(places)]
        counts = answer.get("usage")
        usage: dict[str, Any] = counts if isinstance(counts, dict) else {}
        prompt = whole(usage.get("prompt_tokens"))
        if prompt is None:
            if streamed and not any(choice.get("finish_reason") is None for choice in choices):
                self._link.plain.add("stream")  # it streams without counts, which budgets need
            prompt = self._sizes.get(request.messages, 0)
        else:
            if len(self._sizes) >= MOST_SIZES:
                self._sizes.clear()
            self._sizes[request.messages] = prompt
        found = [
            sample(choice, index, request, prompt, usage if len(choices) == 1 else {}, limit)
            for choice, index in zip(choices, places, strict=False)
        ]
        if len(found) > 1:
            found = shared(found, whole(usage.get("completion_tokens")))
            found = [replace(one, computed_tokens=prompt if at == 0 else 0) for at, one in enumerate(found)]
        if self._capabilities.logprobs is not True:
            self._capabilities = replace(self._capabilities, logprobs=any(one.logprobs for one in found))
        self._stats = replace(
            self._stats,
            requests=self._stats.requests + 1,
            prompt_asked=self._stats.prompt_asked + prompt * len(found),
            prompt_computed=self._stats.prompt_computed + prompt,
            new_tokens=self._stats.new_tokens + sum(one.new_tokens for one in found),
        )
        return found

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
        answer = await self._link.call(body)
        shown = alternatives(choice_of(answer))
        if not shown:
            self._capabilities = replace(self._capabilities, scoring=False)
            raise cannot_score(self.model, "it returns no alternatives for a token")
        usage = answer.get("usage")
        prompt = (whole(usage.get("prompt_tokens")) if isinstance(usage, dict) else None) or 0
        found = [label_value(continuation, shown) for continuation in continuations]
        if all(value is None for value in found) and continuations:
            raise cannot_score(self.model, "none of the labels is among the tokens that it shows")
        self._capabilities = replace(self._capabilities, scoring=True)
        floor = min(shown.values())
        return [
            Scored(text, (value if value is not None else floor,), prompt)
            for text, value in zip(continuations, found, strict=True)
        ]

    # ------------------------------------------------------------------ for probes

    async def ask(self, body: Mapping[str, Any], *, as_it_is: bool = False) -> dict[str, Any]:
        """The server's own answer to a chat call; with `as_it_is` no field is left out that it refuses."""
        return await self._link.call(body, as_it_is=as_it_is)

    async def completion(self, body: Mapping[str, Any]) -> dict[str, Any] | None:
        """The answer to a call of the older interface, a prompt as text; None where the server refuses it."""
        try:
            return await self._link.call(body, as_it_is=True, path="completions")
        except EngineError as error:
            if error.fatal and "answered 404" not in str(error):
                raise
            return None

    async def look(self, path: str) -> object:
        """What the server tells at a path beside its calls; None where it tells nothing."""
        return await self._link.look(path)

    def stream(self, body: Mapping[str, Any]) -> AsyncIterator[str]:
        """The data of each event of a streamed chat call, without tries; the last one is "[DONE]"."""
        return self._link.stream(body)


def _is_enough(request: Request, count: int, made: Made) -> bool:
    """Whether all samples of a call have met what ends them that the server does not look for."""
    if not request.stop_patterns or len(made.parts) < count:
        return False
    return all(part.finish or ends(part.text, request) for part in made.parts.values())
