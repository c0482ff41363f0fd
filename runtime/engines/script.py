"""An engine that answers from a script: for tests of pipelines, always exact, never random."""

from __future__ import annotations

import asyncio
import hashlib
import json
import math
import re
from collections.abc import AsyncIterator, Mapping, Sequence

from ttscale.runtime.engines.base import (
    Capabilities,
    Completion,
    EngineError,
    EngineStats,
    Message,
    Request,
    Scored,
    thoughts_limit,
)
from ttscale.runtime.engines.script_parts import TOKEN_LOGPROB, WORDS, Parts, count, pieces_of, split_thoughts

AGREED, REFUSED = math.log(0.9), math.log(0.1)  # a scored continuation that is, or is not, the next reply


class ScriptEngine:
    """Replies in the order of the `generate` calls, one a seed.

    `replies` is a list that cycles, or a mapping from a text to a list: the first key that occurs in the last
    user message picks the list, and every list cycles on its own. With `once` a used-up list is an EngineError.
    Every token has log-probability -0.5. A scored continuation that equals the next reply (ignoring case and
    surrounding space) gets probability 0.9, the others share the rest equally; with no such one all are equal.
    """

    def __init__(self, replies: Sequence[str] | Mapping[str, Sequence[str]], once: bool = False) -> None:
        table = dict(replies) if isinstance(replies, Mapping) else {"": replies}
        self._keyed = isinstance(replies, Mapping)
        self._lists = {key: ([texts] if isinstance(texts, str) else list(texts)) for key, texts in table.items()}
        for key, texts in self._lists.items():
            if not texts:
                where = f" for {key!r}" if self._keyed else ""
                raise EngineError(f"the scripted model has no replies{where}", hint="give it at least one reply")
        self._used = dict.fromkeys(self._lists, 0)
        self._once = once
        material = json.dumps([list(self._lists.items()), once], ensure_ascii=False)
        self._digest = "sha256:" + hashlib.sha256(material.encode()).hexdigest()
        self._requests = self._asked = self._new = 0
        self._parts = Parts()

    @property
    def digest(self) -> str:
        return self._digest

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(stop_patterns=True, pauses=True)

    async def start(self) -> None:
        """Nothing to load."""

    async def count_tokens(self, messages: Sequence[Message]) -> int:
        return sum(count(message.content) for message in messages)

    def _next(self, messages: Sequence[Message]) -> str:
        key = self._key(messages)
        texts, used = self._lists[key], self._used[key]
        if self._once and used >= len(texts):
            where = f" for {key!r}" if self._keyed else ""
            raise EngineError(
                f"the scripted model has used up its {len(texts)} replies{where}",
                hint="add replies to the script, or leave out `once`",
            )
        self._used[key] = used + 1
        return texts[used % len(texts)]

    def _key(self, messages: Sequence[Message]) -> str:
        if not self._keyed:
            return ""
        asked = next((message.content for message in reversed(messages) if message.role == "user"), "")
        for key in self._lists:
            if key in asked:
                return key
        keys = ", ".join(repr(key) for key in self._lists)
        raise EngineError(
            f"no scripted reply fits this prompt; the keys are {keys}",
            hint='add a key that occurs in the prompt, or "" for everything else',
        )

    def generate(self, request: Request) -> AsyncIterator[Completion]:
        """Replies are taken when this is called, not when the stream is read, so that call order decides."""
        prompt = sum(count(message.content) for message in request.messages)
        self._requests += 1
        self._asked += prompt * len(request.seeds)
        completions: list[Completion] = []
        failure: EngineError | None = None
        for index in range(len(request.seeds)):
            try:
                if request.pause is not None or request.given is not None:
                    completions.append(self._part(request, index, prompt))
                    continue
                reply = self._next(request.messages)
            except EngineError as error:
                failure = error
                break
            completions.append(self._complete(request, index, reply, prompt))
        return _stream(completions, failure)

    def _complete(self, request: Request, index: int, reply: str, prompt: int) -> Completion:
        limit = request.most[index]
        thoughts, text = split_thoughts(reply)
        allowed = thoughts_limit(request.thinking)
        if allowed is not None:
            thoughts = _first(thoughts, allowed)
        at, beyond, stopped_by = _first_stop(text, request)
        text = text[:at]
        thought_tokens = count(thoughts)
        words = list(WORDS.finditer(text))
        room = max(0, limit - thought_tokens)
        pieces = pieces_of(text) if "think>" not in reply else ()
        if allowed is not None:
            room = min(room, request.max_tokens)
        cut = len(words) > room
        if cut:
            text = text[: words[room].start()].rstrip() if room else ""
        new = min(limit, thought_tokens + min(len(words), room))
        self._new += new
        return Completion(
            index=index,
            text=text,
            finish="length" if cut else "stop",
            prompt_tokens=prompt,
            new_tokens=new,
            thoughts=thoughts,
            thought_tokens=thought_tokens,
            logprobs=(TOKEN_LOGPROB,) * new,
            pieces=pieces[:new],
            beyond="" if cut else beyond,
            stopped_by="" if cut else stopped_by,
        )

    def _part(self, request: Request, index: int, prompt: int) -> Completion:
        """A sample up to its next pause; one that goes on from other tokens than its own takes the next reply."""
        key = (tuple(request.messages), request.seeds[index])
        part = self._parts.write(key, request, index, lambda: self._next(request.messages), prompt)
        self._new += part.new_tokens
        return part

    async def tokens(self, text: str) -> tuple[int, ...]:
        """The tokens of a text that is put into an answer."""
        return self._parts.tokens(text)

    def release(self, names: Sequence[str]) -> None:
        """Nothing is kept."""

    async def score(
        self, messages: Sequence[Message], continuations: Sequence[str], *, priority: tuple[int, ...] = ()
    ) -> list[Scored]:
        """Consumes one reply, which says what continuation the scripted model prefers."""
        reply = self._next(messages).strip().casefold()
        prompt = sum(count(message.content) for message in messages)
        self._requests += 1
        self._asked += prompt
        agreed = [continuation.strip().casefold() == reply for continuation in continuations]
        hits, misses = sum(agreed), len(agreed) - sum(agreed)
        scored = []
        for continuation, agrees in zip(continuations, agreed, strict=True):
            if len(agreed) == 1:
                total = AGREED if agrees else REFUSED
            elif not hits or not misses:
                total = -math.log(len(agreed))
            else:
                total = AGREED - math.log(hits) if agrees else REFUSED - math.log(misses)
            tokens = max(1, count(continuation))
            scored.append(Scored(continuation, (total / tokens,) * tokens, prompt))
        return scored

    def stats(self) -> EngineStats:
        return EngineStats(self._requests, self._asked, self._asked, self._new)

    async def close(self) -> None:
        """Nothing to free."""


async def _stream(completions: Sequence[Completion], failure: EngineError | None) -> AsyncIterator[Completion]:
    for completion in completions:
        await asyncio.sleep(0)
        yield completion
    if failure is not None:
        raise failure


def _first_stop(text: str, request: Request) -> tuple[int, str, str]:
    """Where what ends a text begins, what that is there (the longest of several), and how the request says it."""
    ends = [(text.find(stop), stop, stop) for stop in request.stop if stop and stop in text]
    found = [(re.search(pattern, text), pattern) for pattern in request.stop_patterns]
    ends += [(match.start(), match[0], pattern) for match, pattern in found if match]
    return min(ends, key=lambda end: (end[0], -len(end[1])), default=(len(text), "", ""))


def _first(text: str, tokens: int) -> str:
    """The first so many tokens of a text."""
    words = list(WORDS.finditer(text))
    return text if len(words) <= tokens else text[: words[tokens].start()].rstrip()
