"""Follow one growing answer: stop texts across token boundaries, thoughts, incomplete UTF-8."""

from __future__ import annotations

import codecs
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

OPEN, CLOSE = b"<think>", b"</think>"


@dataclass(frozen=True, slots=True)
class Parts:
    """An answer taken apart; `thought_tokens` counts the tokens up to the end of the closing tag."""

    text: str
    thoughts: str
    thought_tokens: int


class Answer:
    """Bytes of one sample as they come; stop texts are looked for outside thoughts only."""

    def __init__(self, stops: Sequence[str], *, thinking: bool = False) -> None:
        self._stops = tuple(stop.encode() for stop in stops if stop)
        self._reach = max(map(len, self._stops), default=0)
        self._data = bytearray()
        self._ends: list[int] = []
        self._state = "thoughts" if thinking else "start"
        self._opened = 0  # where thoughts begin
        self._closed = 0  # where thoughts end
        self._answer = 0  # where the answer begins
        self._cut: int | None = None

    def push(self, piece: bytes) -> bool:
        """Add one token's bytes; whether a stop text has appeared."""
        before = len(self._data)
        self._data += piece
        self._ends.append(len(self._data))
        if self._state == "start":
            self._begin()
        if self._state == "thoughts":
            self._look_for_close(before)
        if self._state == "thoughts" or not self._reach:
            return False
        start = max(self._answer, before - self._reach + 1)
        hits = [at for stop in self._stops if (at := self._data.find(stop, start)) >= 0]
        if hits:
            self._cut = min(hits)
        return bool(hits)

    def _begin(self) -> None:
        lead = self._data.lstrip()
        if lead.startswith(OPEN):
            self._state = "thoughts"
            self._opened = len(self._data) - len(lead) + len(OPEN)
        elif not OPEN.startswith(lead):
            self._state = "answer"

    def _look_for_close(self, before: int) -> None:
        at = self._data.find(CLOSE, max(self._opened, before - len(CLOSE) + 1))
        if at >= 0:
            self._state = "answer"
            self._closed, self._answer = at, at + len(CLOSE)

    def parts(self) -> Parts:
        """Text and thoughts so far; a character cut in half at the end is left out."""
        data = bytes(self._data if self._cut is None else self._data[: self._cut])
        if self._state == "thoughts":
            return Parts("", _decode(data[self._opened :]).strip(), len(self._ends))
        if self._answer:
            return self._split(data, self._opened, self._closed, self._answer)
        at = data.find(CLOSE)
        if at >= 0:  # a closing tag whose opening one was never written
            return self._split(data, 0, at, at + len(CLOSE))
        return Parts(_decode(data), "", 0)

    def _split(self, data: bytes, opened: int, closed: int, answer: int) -> Parts:
        tokens = bisect_left(self._ends, answer) + 1
        return Parts(_decode(data[answer:]).lstrip(), _decode(data[opened:closed]).strip(), tokens)


def _decode(data: bytes) -> str:
    return codecs.getincrementaldecoder("utf-8")("replace").decode(data)
