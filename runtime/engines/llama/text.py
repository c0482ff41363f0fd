"""Follow one growing answer: stop texts and patterns across token boundaries, thoughts, incomplete UTF-8."""

from __future__ import annotations

import codecs
import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from ttscale.compiler.stop_patterns import REACH
from ttscale.runtime.engines.llama.thinking import THINK, Tags


@dataclass(frozen=True, slots=True)
class Parts:
    """An answer taken apart; `thought_tokens` counts the tokens up to the end of the last closing tag."""

    text: str
    thoughts: str
    thought_tokens: int


class Answer:
    """Bytes of one sample as they come; stop texts and patterns are looked for outside thoughts only.

    Blocks of thoughts stand at the beginning, one after the other; `thinking` says that the prompt has opened the
    first. Tags further on in an answer are its text.
    """

    def __init__(
        self, stops: Sequence[str], patterns: Sequence[str] = (), *, thinking: bool = False, tags: Tags = THINK
    ) -> None:
        self._stops = tuple(stop.encode() for stop in (*stops, tags.end) if stop)
        self._reach = max(map(len, self._stops), default=0)
        self._patterns = Patterns(patterns) if patterns else None
        self._open, self._close, self._lead = tags.open.encode(), tags.close.encode(), tags.lead.strip()
        self._data = bytearray()
        self._ends: list[int] = []
        self._state: Literal["start", "thoughts", "answer"] = "thoughts" if thinking else "start"
        self._opened = 0  # where the open block's thoughts begin
        self._blocks: list[tuple[int, int]] = []  # where the thoughts of each closed block lie
        self._closed = 0  # where the last closing tag ends
        self._answer = 0  # where the answer begins, as far as that is known
        self._seen = 0  # up to where stops have been looked for
        self._first = 0  # before this nothing stops the answer
        self._cut: int | None = None
        self.stopped_by = ""

    @property
    def thinking(self) -> bool:
        """Whether a block of thoughts is open."""
        return self._state == "thoughts"

    @property
    def wrote(self) -> bool:
        """Whether anything but space has come since the last block."""
        return bool(self._data[self._answer :].strip())

    @property
    def begun(self) -> bool:
        """Whether the answer itself has begun."""
        return self._state == "answer"

    @property
    def thought_tokens(self) -> int:
        """Tokens so far up to the end of the last block."""
        if self._state == "thoughts":
            return len(self._ends)
        return bisect_left(self._ends, self._closed) + 1 if self._blocks else 0

    @property
    def block_tokens(self) -> int:
        """Tokens that stand before the tag that closed the last block; -1 where none is closed."""
        return bisect_right(self._ends, self._blocks[-1][1]) if self._blocks else -1

    def has_come(self, texts: Sequence[bytes]) -> bool:
        """Whether one of these texts has come with the last token, in thoughts or in the answer."""
        before = self._ends[-2] if len(self._ends) > 1 else 0
        return any(self._data.find(text, max(0, before - len(text) + 1)) >= 0 for text in texts)

    def push(self, piece: bytes, *, stops: bool = True) -> bool:
        """Add one token's bytes; whether what stops an answer has appeared, which is not looked for without `stops`."""
        before = len(self._data)
        self._data += piece
        self._ends.append(len(self._data))
        while self._state != "answer" and self._advance(before):
            pass
        if self._state == "thoughts" or not (self._reach or self._patterns):
            return False
        if self._state == "start" and (self._blocks or self._data.strip()):
            return False  # what has come may be the beginning of a tag
        if not stops:
            self._seen = self._first = len(self._data)
            if self._patterns is not None:
                self._patterns.read(self._data, self._answer, stops=False)
            return False
        start = max(self._answer, self._seen - self._reach + 1, self._first)
        self._seen = len(self._data)
        hits = [(at, stop.decode()) for stop in self._stops if (at := self._data.find(stop, start)) >= 0]
        if self._patterns is not None:
            hits += self._patterns.read(self._data, self._answer)
        if hits:
            self._cut, self.stopped_by = min(hits)
        return bool(hits)

    def _advance(self, before: int) -> bool:
        """Go from one state to the next; whether there may be more to see in what has come."""
        if self._state == "thoughts":
            at = self._data.find(self._close, max(self._opened, before - len(self._close) + 1))
            if at < 0:
                return False
            self._end_block(self._opened, at)
            return True
        lead = self._data[self._answer :].lstrip()
        first = len(self._data) - len(lead)
        if lead.startswith(self._open):
            self._state, self._opened = "thoughts", first + len(self._open)
        elif lead.startswith(self._close):
            self._end_block(first, first)
        elif self._open.startswith(lead) or self._close.startswith(lead):
            return False
        else:
            self._state = "answer"
            if self._blocks:
                self._answer = first
        return True

    def _end_block(self, opened: int, closed: int) -> None:
        self._blocks.append((opened, closed))
        self._state = "start"  # models that close a block by force may open another one
        self._closed = self._answer = closed + len(self._close)

    def close(self) -> None:
        """Take an open block for closed: its end has been put in, though in other letters than expected."""
        if self._state == "thoughts":
            self._blocks.append((self._opened, len(self._data)))
            self._state, self._closed, self._answer = "start", len(self._data), len(self._data)

    def parts(self) -> Parts:
        """Text and thoughts so far; a character cut in half at the end is left out."""
        data = bytes(self._data if self._cut is None else self._data[: self._cut])
        blocks, answer, closed = list(self._blocks), self._answer, self._closed
        if self._state == "thoughts":
            blocks.append((self._opened, len(data)))
            return Parts("", self._thoughts(data, blocks), len(self._ends))
        if blocks:
            inner = data[slice(*blocks[-1])].count(self._open)
        else:
            inner, blocks = 1, [(0, 0)]  # a closing tag whose opening one was never written ends thoughts too
        for _ in range(inner):
            at = data.find(self._close, answer)
            if at < 0:
                break
            blocks[-1] = (blocks[-1][0], at)
            closed = answer = at + len(self._close)
        if not closed:
            return Parts(_decode(data), "", 0)
        tokens = bisect_left(self._ends, closed) + 1
        return Parts(_decode(data[answer:]).lstrip(), self._thoughts(data, blocks), tokens)

    def _thoughts(self, data: bytes, blocks: Sequence[tuple[int, int]]) -> str:
        found = [_decode(data[opened:closed]).strip().removesuffix(self._lead).strip() for opened, closed in blocks]
        return "\n\n".join(text for text in found if text)


class Patterns:
    """Looks for regular expressions in the text of an answer, of which ever more comes."""

    def __init__(self, patterns: Sequence[str]) -> None:
        self._patterns = tuple(map(_compiled, patterns))
        # bytes that are no UTF-8 become characters that are turned into these bytes again
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self._text = ""
        self._base = -1  # where in the bytes the text begins
        self._bytes = 0  # how many of them have been read
        self._seen = self._first = 0

    def read(self, data: bytearray, base: int, *, stops: bool = True) -> list[tuple[int, str]]:
        """Where in the data what has been found begins, each with its pattern; nothing found without `stops`."""
        if base != self._base:  # a block of thoughts has ended: the answer begins here
            self._decoder.reset()
            self._text, self._base, self._bytes, self._seen, self._first = "", base, base, 0, 0
        self._text += self._decoder.decode(bytes(data[self._bytes :]))
        self._bytes = len(data)
        if not stops:
            self._seen = self._first = len(self._text)
            return []
        start = max(self._first, self._seen - REACH)
        self._seen = len(self._text)
        found = [(match.start(), one.pattern) for one in self._patterns if (match := one.search(self._text, start))]
        return [(base + len(self._text[:at].encode("utf-8", "surrogateescape")), pattern) for at, pattern in found]


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def _decode(data: bytes) -> str:
    return codecs.getincrementaldecoder("utf-8")("replace").decode(data)
