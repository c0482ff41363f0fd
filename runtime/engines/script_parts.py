"""Scripted samples part by part: where they pause, what is put into them, and which reply they go on with."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from itertools import pairwise

from ttscale.runtime.engines.base import Completion, Finish, Given, Pause, Request, thoughts_limit

TOKEN_LOGPROB = -0.5
WORDS = re.compile(r"\w+|[^\w\s]")
OPEN, CLOSE = "<think>", "</think>"


def count(text: str) -> int:
    """Tokens of a text for a scripted engine: runs of word characters, and every other visible character."""
    return len(WORDS.findall(text))


def pieces_of(text: str) -> tuple[bytes, ...]:
    """The text token by token: each word with the space before it, the last one with all that follows."""
    words = list(WORDS.finditer(text))
    ends = [0, *(word.end() for word in words[:-1]), len(text)]
    return tuple(text[low:high].encode() for low, high in pairwise(ends)) if words else ()


def split_thoughts(reply: str) -> tuple[str, str]:
    """The thoughts and the text of a reply; a block that is not closed is all of it."""
    lead = reply.lstrip()
    if not lead.startswith(OPEN):
        return "", reply
    thoughts, closed, text = lead.removeprefix(OPEN).partition(CLOSE)
    return thoughts.strip(), text.lstrip() if closed else ""


@dataclass(slots=True)
class _Open:
    """A sample that has paused: its tokens, and those of its reply that it has not said yet."""

    said: tuple[int, ...]
    rest: tuple[int, ...]


class Parts:
    """The samples of a scripted engine that pause; its tokens are words, numbered as they come."""

    def __init__(self) -> None:
        self._ids: dict[bytes, int] = {}
        self._pieces: list[bytes] = []
        self._open: dict[Hashable, _Open] = {}

    def tokens(self, text: str) -> tuple[int, ...]:
        """The tokens of a text; one without words is one token."""
        return tuple(map(self._id, pieces_of(text) or ((text.encode(),) if text else ())))

    def _id(self, piece: bytes) -> int:
        if piece not in self._ids:
            self._ids[piece] = len(self._pieces)
            self._pieces.append(piece)
        return self._ids[piece]

    def piece(self, token: int) -> bytes:
        """The bytes of a token."""
        return self._pieces[token]

    def text(self, tokens: tuple[int, ...]) -> str:
        """What tokens say."""
        return b"".join(self._pieces[token] for token in tokens).decode()

    def write(self, key: Hashable, request: Request, index: int, reply: Callable[[], str], prompt: int) -> Completion:
        """The sample `key` up to where it pauses, ends, or has all its tokens; `reply` gives the next reply."""
        given = request.given[index] if request.given is not None else None
        before = self._open.pop(key, None)
        said = () if given is None else given.token_ids
        if given is not None and given.closes and _is_thinking(self.text(said)):
            said += self.tokens(f"\n{CLOSE}\n\n")
        goes_on = before is not None and before.said == said
        rest = before.rest if before is not None and goes_on else self.tokens(reply())
        sample = _Sample(self, request, index, said, given)
        while rest and not sample.finish:
            sample.add(rest[0])
            rest = rest[1:]
        if not sample.finish:
            sample.finish = "stop"
        if sample.finish == "paused":
            self._open[key] = _Open(sample.said, rest)
        return sample.completion(prompt)


def _is_thinking(text: str) -> bool:
    return text.lstrip().startswith(OPEN) and CLOSE not in text


class _Sample:
    """One sample while its words come."""

    def __init__(self, parts: Parts, request: Request, index: int, said: tuple[int, ...], given: Given | None) -> None:
        self._parts = parts
        self._request = request
        self._index = index
        self._given = given
        self.said = said
        self.finish: Finish | None = None
        self._stopped_by = ""
        self._end: int | None = None
        self._free = len(parts.text(said[: given.free])) if given is not None else 0
        if len(said) >= self._limit():
            self.finish = "length"

    def _limit(self) -> int:
        allowed = thoughts_limit(self._request.thinking)
        most = self._request.most[self._index]
        if allowed is None or self._request.limits is not None:
            return most
        text = self._parts.text(self.said)
        thoughts = 0 if CLOSE not in text else count(text.partition(CLOSE)[0] + CLOSE)
        return most if _is_thinking(text) else min(most, thoughts + self._request.max_tokens)

    def add(self, token: int) -> None:
        """The next word."""
        was, text = self._parts.text(self.said), self._parts.text((*self.said, token))
        self.said = (*self.said, token)
        answer = 0 if CLOSE not in text else text.index(CLOSE) + len(CLOSE)
        if not _is_thinking(text):
            self._stop(text, max(answer, self._free))
        allowed = thoughts_limit(self._request.thinking)
        if allowed is not None and _is_thinking(text) and len(self.said) >= allowed:
            self.said += self._parts.tokens(f"\n{CLOSE}\n\n")
        if self.finish is None and len(self.said) >= self._limit():
            self.finish = "length"
        pause = self._request.pause
        if self.finish is None and pause is not None and self._pauses(pause, was, text):
            self.finish = "paused"

    def _stop(self, text: str, start: int) -> None:
        ends = [(at, stop) for stop in self._request.stop if stop and (at := text.find(stop, start)) >= 0]
        for pattern in self._request.stop_patterns:
            found = re.compile(pattern).search(text, start)
            ends += [] if found is None else [(found.start(), pattern)]
        if ends:
            self._end, self._stopped_by = min(ends)
            self.finish = "stop"

    def _pauses(self, pause: Pause, was: str, text: str) -> bool:
        at = pause.at[self._index] if pause.at else 0
        marked = any(text.find(mark, max(0, len(was) - len(mark) + 1)) >= 0 for mark in pause.texts)
        return marked or 0 < at <= len(self.said) or (pause.thoughts and _is_thinking(was) and not _is_thinking(text))

    def completion(self, prompt: int) -> Completion:
        """The sample as it is."""
        raw = self._parts.text(self.said)
        thoughts, text = split_thoughts(raw if self._end is None else raw[: self._end])
        given, new = self._given, len(self.said)
        logprobs = () if given is None else given.logprobs
        block = -1
        if raw.lstrip().startswith(OPEN) and CLOSE in raw:
            block = len([1 for end in range(1, new + 1) if len(self._parts.text(self.said[:end])) <= raw.index(CLOSE)])
        return Completion(
            index=self._index,
            text=text,
            finish=self.finish or "stop",
            prompt_tokens=prompt,
            new_tokens=new,
            thoughts=thoughts,
            thought_tokens=new if _is_thinking(raw) else count(thoughts),
            token_ids=self.said,
            logprobs=(*logprobs, *(TOKEN_LOGPROB for _ in range(new - len(logprobs)))),
            pieces=tuple(self._parts.piece(token) for token in self.said),
            beyond=None if thoughts else raw[len(text) :],
            stopped_by=self._stopped_by,
            thinking=_is_thinking(raw),
            block_tokens=block,
        )
