"""What stands at a place of a text, right or wrong: the word, the brackets around, the names given before.

Everything here reads pieces of the text and no tree, so that it works in the middle of typing.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from ttscale.compiler.scan import CLOSER, Header, Piece, scan, split_declarations
from ttscale.grammar import KEYWORDS

Where = Literal["code", "comment", "text"]
NameKind = Literal["input", "param", "binding"]


@dataclass(frozen=True, slots=True)
class Given:
    """A place where a name inside a declaration gets its value."""

    name: str
    kind: NameKind
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class OpenCall:
    """A call whose brackets are open at the cursor: its name (with dots), the names of arguments given, and the
    name of the argument that the cursor is in ("" for one by position or not yet named)."""

    callee: str
    start: int
    given: tuple[str, ...]
    argument: str
    at_start: bool


class Cursor:
    """A place in a text."""

    def __init__(self, text: str, offset: int) -> None:
        self.text = text
        self.offset = max(0, min(offset, len(text)))

    # --- the word ---------------------------------------------------------------------------------

    @cached_property
    def word_span(self) -> tuple[int, int]:
        """Where the word that the place is in or beside begins and ends."""
        start = end = self.offset
        while start > 0 and (self.text[start - 1].isalnum() or self.text[start - 1] == "_"):
            start -= 1
        while end < len(self.text) and (self.text[end].isalnum() or self.text[end] == "_"):
            end += 1
        return start, end

    @property
    def word(self) -> str:
        """That word, or ""."""
        start, end = self.word_span
        return self.text[start:end]

    @cached_property
    def owner(self) -> str:
        """The word before a dot before the word, `p` of `p.solve`, or ""."""
        start = self.word_span[0]
        if start == 0 or self.text[start - 1] != ".":
            return ""
        found = re.search(r"(?<![\w.])([A-Za-z_]\w*)$", self.text[max(0, start - 200) : start - 1])
        return found.group(1) if found else ""

    def followed_by(self, sign: str) -> bool:
        """Whether `sign` stands behind the word, blanks aside."""
        return self.text[self.word_span[1] :].lstrip(" \t").startswith(sign)

    # --- surroundings -----------------------------------------------------------------------------

    @cached_property
    def declaration(self) -> Header:
        """The declaration around; its text is from `start` to `end`."""
        headers = split_declarations(self.text)
        if not headers:
            return Header("", None, 0, len(self.text))
        starts = [header.start for header in headers]
        return headers[max(0, bisect_right(starts, self.offset) - 1)]

    @cached_property
    def _pieces(self) -> list[Piece]:
        return list(scan(self.text, self.declaration.start, self.declaration.end))

    @cached_property
    def inside(self) -> Where:
        """Whether the place is in code, in a comment or in a text."""
        for piece in self._pieces:
            if piece.start < self.offset:
                if piece.kind == "comment" and self.offset <= piece.end:
                    return "comment"
                if piece.kind in ("string", "fence") and self.offset < piece.end:
                    return "text"
                if piece.kind in ("open_string", "open_fence") and self.offset <= piece.end:
                    return "text"
        return "code"

    @cached_property
    def before(self) -> list[Piece]:
        """The code of the declaration before the word."""
        start = self.word_span[0]
        return [piece for piece in self._pieces if piece.end <= start and piece.kind != "comment"]

    def say(self, piece: Piece) -> str:
        """What a piece says."""
        return self.text[piece.start : piece.end]

    def previous(self, back: int = 1) -> str:
        """The piece `back` places before the word, or ""."""
        return self.say(self.before[-back]) if len(self.before) >= back else ""

    @property
    def first_on_line(self) -> bool:
        """Whether only blanks stand before the word on its line."""
        start = self.word_span[0]
        return not self.text[self.text.rfind("\n", 0, start) + 1 : start].strip()

    @cached_property
    def open(self) -> list[int]:
        """Indices in `before` of the brackets open at the word, outermost first."""
        stack: list[int] = []
        for index, piece in enumerate(self.before):
            if piece.kind == "open":
                stack.append(index)
            elif piece.kind == "close" and stack and CLOSER[self.say(self.before[stack[-1]])] == self.say(piece):
                stack.pop()
        return stack

    @cached_property
    def block(self) -> str:
        """What the innermost open brace belongs to: `pipeline`, `budget`, `repeat`, …; "" at the top."""
        for index in reversed(self.open):
            if self.say(self.before[index]) != "{":
                continue
            depth = 0
            for piece in reversed(self.before[:index]):
                said = self.say(piece)
                depth += (piece.kind == "close") - (piece.kind == "open")
                if depth < 0:
                    break
                if depth == 0 and said in ("budget", "repeat", "map", "match", "in", "record"):
                    return said
                if depth == 0 and "\n" in self.text[piece.end : self.before[index].start]:
                    break
            return self.declaration.keyword if index == self.open[0] else "value"
        return ""

    @cached_property
    def call(self) -> OpenCall | None:
        """The innermost call whose brackets are open, if nothing else is open inside them."""
        return self._call_at(self.open[-1]) if self.open else None

    @cached_property
    def call_of_list(self) -> OpenCall | None:
        """The call an argument of which is the list that is open at the word: `watch` in `generate(…, watch: [`."""
        is_list = len(self.open) > 1 and self.say(self.before[self.open[-1]]) == "["
        return self._call_at(self.open[-2]) if is_list else None

    def _call_at(self, index: int) -> OpenCall | None:
        """The call whose brackets open at `index` of `before`."""
        if self.say(self.before[index]) != "(":
            return None
        callee = _path_before(self, index)
        if not callee or (callee in KEYWORDS and callee != "match"):
            return None
        given: list[str] = []
        argument = ""
        at_start = True
        depth = 0
        pieces = self.before[index + 1 :]
        for place, piece in enumerate(pieces):
            said = self.say(piece)
            depth += (piece.kind == "open") - (piece.kind == "close")
            if depth == 0 and said == ",":
                argument, at_start = "", True
                continue
            if at_start and piece.kind == "word" and place + 1 < len(pieces) and self.say(pieces[place + 1]) == ":":
                argument = said
                given.append(said)
            at_start = False
        return OpenCall(callee, self.before[index].start, tuple(given), argument, at_start)

    def value_begins(self) -> bool:
        """Whether a value begins at the word: behind a sign or a keyword and not behind another value."""
        if not self.before:
            return False
        last = self.before[-1]
        said = self.say(last)
        return last.kind in ("open", "other") or said in KEYWORDS

    # --- names ------------------------------------------------------------------------------------

    @cached_property
    def names(self) -> tuple[Given, ...]:
        """All places in the declaration where a name gets its value, in order."""
        return tuple(_names(self))

    def given(self, name: str) -> Given | None:
        """Where a name got its value: the last place at or before the word, else the first behind it."""
        places = [given for given in self.names if given.name == name]
        earlier = [given for given in places if given.start <= self.word_span[0]]
        return earlier[-1] if earlier else (places[0] if places else None)

    def visible(self) -> list[Given]:
        """The names given before the word, each once."""
        start = self.word_span[0]
        return list({given.name: given for given in self.names if given.start < start}.values())


def _path_before(cursor: Cursor, index: int) -> str:
    """The name in front of the bracket at `index`: `generate` or `p.solve_number`."""
    parts: list[str] = []
    place = index - 1
    while place >= 0 and cursor.before[place].kind == "word":
        parts.insert(0, cursor.say(cursor.before[place]))
        if place < 2 or cursor.say(cursor.before[place - 1]) != ".":
            break
        place -= 2
    return ".".join(parts)


def _names(cursor: Cursor) -> list[Given]:
    pieces = [piece for piece in cursor._pieces if piece.kind != "comment"]
    keyword = cursor.declaration.keyword
    found: list[Given] = []
    if keyword in ("pipeline", "prompt", "metric"):
        found += _inputs(cursor, pieces)
    if keyword != "pipeline":
        return found
    for index, piece in enumerate(pieces):
        if piece.kind != "word" or index == 0:
            continue
        before = cursor.say(pieces[index - 1])
        behind = cursor.say(pieces[index + 1]) if index + 1 < len(pieces) else ""
        twice = (
            index + 2 < len(pieces)
            and cursor.say(pieces[index + 2]) == "="
            and pieces[index + 2].start == (pieces[index + 1].end)
        )
        if before == "param":
            found.append(Given(cursor.say(piece), "param", piece.start, piece.end))
        elif (
            (before == "map" and behind == "in")
            or (before == "with" and behind == "{")
            or (behind == "=" and not twice and before not in (".", ":", "]"))
        ):
            found.append(Given(cursor.say(piece), "binding", piece.start, piece.end))
    return found


def _inputs(cursor: Cursor, pieces: Sequence[Piece]) -> list[Given]:
    found: list[Given] = []
    depth = 0
    for index, piece in enumerate(pieces):
        depth += (piece.kind == "open") - (piece.kind == "close")
        if depth == 0 and index > 2:
            break
        named = index + 1 < len(pieces) and cursor.say(pieces[index + 1]) == ":"
        if depth == 1 and piece.kind == "word" and named:
            found.append(Given(cursor.say(piece), "input", piece.start, piece.end))
    return found
