"""The parser itself: built from the grammar."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import ClassVar

from lark import Lark, Token

from ttscale.grammar import grammar_text


class LineFilter:
    """The filter between lexer and parser: `(` and `[` that come first on their line get names of their own."""

    always_accept: ClassVar[tuple[str, ...]] = ("NAME", "NUMBER", "STRING", "FENCE", "LPAR", "LSQB", "BAD_CHAR")

    def process(self, stream: Iterator[Token]) -> Iterator[Token]:
        """The tokens of `stream`, brackets renamed."""
        last_line = 0
        for token in stream:
            if token.type in ("LPAR", "LSQB") and token.line != last_line:
                yield token.update(type=f"{token.type}_NL")
            else:
                yield token
            last_line = token.end_line or 0


def build_parser() -> Lark:
    """Build the parser from the grammar; takes half a second."""
    return Lark(
        grammar_text(),
        parser="lalr",
        lexer="contextual",
        start="module",
        propagate_positions=True,
        maybe_placeholders=False,
        postlex=LineFilter(),
    )


@cache
def load_parser() -> Lark:
    """The parser, built once per process."""
    return build_parser()
