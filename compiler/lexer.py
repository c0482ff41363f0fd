"""From text to tokens: the terminals of the grammar, in one pass with one large pattern.

Lark's contextual lexer makes a pattern of some sixty terminals for every set of them that a state accepts, and Python
compiles each of those for milliseconds. Here all that may stand anywhere is one pattern; the keywords that are such
only where the parser asks for them are looked up by their word. The tokens are the same (a test compares them).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, ClassVar

from lark import Token
from lark.lexer import Lexer, TerminalDef
from ttscale.grammar import RESERVED

ALWAYS = (
    *("NAME", "NUMBER", "STRING", "FENCE", "BAD_CHAR"),
    *("LPAR", "RPAR", "LSQB", "RSQB", "LBRACE", "RBRACE", "COMMA", "COLON", "DOT", "QMARK", "VBAR", "EQUAL"),
    *("ARROW", "FAT_ARROW", "PIPE", "RANGE", "COMPARE", "LE", "PLUS", "MINUS", "STAR", "SLASH", "PERCENT"),
    *(word.upper() for word in RESERVED),
)
"""What the lexer recognizes in every state, expected or not: all but contextual keywords and their like."""

IGNORED = ("SPACE", "COMMENT")


class LineFilter:
    """Lark's own way to `ContextLexer`, a filter behind its lexer: brackets first on their line get other names."""

    always_accept: ClassVar[tuple[str, ...]] = ALWAYS

    def process(self, stream: Iterator[Token]) -> Iterator[Token]:
        """The tokens of `stream`, brackets renamed."""
        last_line = 0
        for token in stream:
            if token.type in ("LPAR", "LSQB") and token.line != last_line:
                yield token.update(type=f"{token.type}_NL")
            else:
                yield token
            last_line = token.end_line or 0


class ContextLexer(Lexer):
    """The lexer of a parser whose states accept the terminals `states`.

    `(` and `[` that come first on their line are `LPAR_NL` and `LSQB_NL`. Tokens know where they start and end, in
    characters; they know no lines.
    """

    def __init__(self, terminals: Iterable[TerminalDef], states: Mapping[int, Collection[str]]) -> None:
        ordered = sorted(terminals, key=lambda t: (-t.priority, -t.pattern.max_width, -len(t.pattern.value), t.name))
        anywhere = {*ALWAYS, *IGNORED}
        self._match = re.compile(
            "|".join(f"(?P<{t.name}>{t.pattern.to_regexp()})" for t in ordered if t.name in anywhere)
        ).match
        self._contextual = {t.name: t.pattern.to_regexp() for t in ordered if t.name not in anywhere}
        self._compiled: dict[str, re.Pattern[str]] = {}
        # A keyword is asked for by its word; what is no plain word (a path, `up to`) is tried first, in this order.
        self._odd = [t.name for t in ordered if t.name in ("PYTHON", "UP_TO", "USE_PATH", "VERSION")]
        self._states = states
        self._asked: dict[int, tuple[tuple[str, ...], frozenset[str]]] = {}

    def lex(self, lexer_state: Any, parser_state: Any) -> Iterator[Token]:
        """The tokens of a text; each is read when the parser has taken the one before."""
        text = getattr(lexer_state.text, "text", lexer_state.text)
        match, length, position, previous = self._match, len(text), 0, -1
        while position < length:
            found = match(text, position)
            kind = found.lastgroup if found is not None else None
            if found is None or kind is None:
                raise AssertionError("BAD_CHAR matches whatever nothing else does")
            stop = found.end()
            if kind in IGNORED:
                position = stop
                continue
            odd, words = self._accepted(parser_state.state_stack[-1])
            for name in odd:
                other = self._pattern(name).match(text, position)
                if other is not None:
                    kind, stop = name, other.end()
                    break
            else:
                if kind == "NAME":
                    keyword = text[position:stop].upper()
                    if keyword in words and self._pattern(keyword).match(text, position):
                        kind = keyword
                elif kind in ("LPAR", "LSQB") and (previous < 0 or text.find("\n", previous, position) >= 0):
                    kind += "_NL"
            yield Token(kind, text[position:stop], start_pos=position, end_pos=stop)
            position = previous = stop

    def _accepted(self, state: int) -> tuple[tuple[str, ...], frozenset[str]]:
        """What a state accepts beside `ALWAYS`: the odd terminals in order, and the keywords."""
        asked = self._asked.get(state)
        if asked is None:
            accepts = self._contextual.keys() & set(self._states[state])
            odd = tuple(name for name in self._odd if name in accepts)
            asked = self._asked[state] = odd, frozenset(accepts.difference(odd))
        return asked

    def _pattern(self, name: str) -> re.Pattern[str]:
        """The pattern of a contextual terminal, compiled when it is first asked for."""
        pattern = self._compiled.get(name)
        if pattern is None:
            pattern = self._compiled[name] = re.compile(self._contextual[name])
        return pattern
