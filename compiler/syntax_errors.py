"""What a syntax error means in the user's words."""

from __future__ import annotations

from dataclasses import dataclass

from lark.exceptions import UnexpectedToken

from ttscale.compiler.diagnostics import Diagnostic
from ttscale.compiler.source import SourceFile, Span


@dataclass(frozen=True)
class Mistake:
    """A token that the parser could not take, at `start` up to `end` in the file."""

    type: str
    value: str
    start: int
    end: int
    accepts: frozenset[str]
    complete_before: bool

    @staticmethod
    def of(error: UnexpectedToken, text: str, base: int, end: int) -> Mistake:
        """The mistake that `error` reports about `text`, which begins at `base` in its file."""
        token = error.token
        accepts = frozenset(error.accepts or ())
        if token.type == "$END":
            return Mistake("$END", "", end, end, accepts, False)
        start = base + (token.start_pos or 0)
        column0 = start > base and text[start - base - 1] == "\n"
        return Mistake(
            token.type, str(token), start, base + (token.end_pos or 0), accepts, column0 and "$END" in accepts
        )


def explain(mistake: Mistake, source: SourceFile) -> Diagnostic:
    """The diagnostic for one mistake."""
    return Diagnostic(
        "E0101",
        f"unexpected {mistake.value!r}, expected {sorted(mistake.accepts)}",
        Span(source.name, mistake.start, mistake.end),
    )
