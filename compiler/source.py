"""Where text comes from: source files and spans in them.

A span is a half-open range of character offsets in one named file. Every AST and IR node has one, so
that a message, a trace event or an editor can point at the text.
"""

from __future__ import annotations

from bisect import bisect_right
from functools import cached_property

from ttscale.compiler.frozen import dataclass


@dataclass(frozen=True, slots=True)
class Span:
    """Characters `start` up to but not including `end` of the file named `file`."""

    file: str
    start: int
    end: int

    def to(self, other: Span) -> Span:
        """The span from the start of this one to the end of `other`, in the same file."""
        return Span(self.file, self.start, max(self.end, other.end))


@dataclass(frozen=True)
class SourceFile:
    """A file's display name and its whole text."""

    name: str
    text: str

    @cached_property
    def line_starts(self) -> list[int]:
        """Offsets at which lines begin; line 1 begins at the first of them."""
        return [0, *(index + 1 for index, char in enumerate(self.text) if char == "\n")]

    def position(self, offset: int) -> tuple[int, int]:
        """Line and column of `offset`, both counted from 1 in characters."""
        offset = max(0, min(offset, len(self.text)))
        line = bisect_right(self.line_starts, offset)
        return line, offset - self.line_starts[line - 1] + 1

    def line(self, number: int) -> str:
        """The text of line `number` (from 1) without its newline; empty past the end."""
        if not 1 <= number <= len(self.line_starts):
            return ""
        start = self.line_starts[number - 1]
        end = self.line_starts[number] - 1 if number < len(self.line_starts) else len(self.text)
        return self.text[start:end].rstrip("\r")
