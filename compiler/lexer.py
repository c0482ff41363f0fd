"""From text to tokens: the terminals of the grammar, in one pass with one large pattern.

Lark's contextual lexer makes a pattern of some sixty terminals for every set of them that a state accepts, and Python
compiles each of those for milliseconds. Here all that may stand anywhere is one pattern; the keywords that are such
only where the parser asks for them are looked up by their word. The tokens are the same (a test compares them).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from ttscale.compiler.trees import Token
from ttscale.grammar import RESERVED

if TYPE_CHECKING:
    from lark import Token as LarkToken

ALWAYS = (
    *("NAME", "NUMBER", "STRING", "FENCE", "BAD_CHAR"),
    *("LPAR", "RPAR", "LSQB", "RSQB", "LBRACE", "RBRACE", "COMMA", "COLON", "DOT", "QMARK", "VBAR", "EQUAL"),
    *("ARROW", "FAT_ARROW", "PIPE", "RANGE", "COMPARE", "LE", "PLUS", "MINUS", "STAR", "SLASH", "PERCENT"),
    *(word.upper() for word in RESERVED),
)
"""What the lexer recognizes in every state, expected or not: all but contextual keywords and their like."""

IGNORED = ("SPACE", "COMMENT")
_FIRST = ("LPAR", "LSQB")


class LineFilter:
    """Lark's own way to `ContextLexer`, a filter behind its lexer: brackets first on their line get other names."""

    always_accept: ClassVar[tuple[str, ...]] = ALWAYS

    def process(self, stream: Iterator[LarkToken]) -> Iterator[LarkToken]:
        """The tokens of `stream`, brackets renamed."""
        last_line = 0
        for token in stream:
            if token.type in ("LPAR", "LSQB") and token.line != last_line:
                yield token.update(type=f"{token.type}_NL")
            else:
                yield token
            last_line = token.end_line or 0


class ContextLexer:
    """The lexer of a parser whose states accept the terminals `states`.

    `terminals` are names with their patterns, those first that win where several fit. `(` and `[` that come first on
    their line are `LPAR_NL` and `LSQB_NL`. Tokens know where they start and end, in characters.
    """

    def __init__(self, terminals: Sequence[tuple[str, str]], states: Sequence[Mapping[str, int]]) -> None:
        anywhere = {*ALWAYS, *IGNORED}
        self._match = re.compile("|".join(f"(?P<{name}>{text})" for name, text in terminals if name in anywhere)).match
        self._contextual = {name: text for name, text in terminals if name not in anywhere}
        self._compiled: dict[str, re.Pattern[str]] = {}
        # A keyword is asked for by its word; what is no plain word (a path, `up to`) is tried first, in this order.
        self._odd = [name for name, _ in terminals if name in ("PYTHON", "UP_TO", "USE_PATH", "VERSION")]
        self._states = states
        self._asked: dict[int, tuple[tuple[str, ...], frozenset[str]]] = {}

    def lex(self, text: str, state_stack: Sequence[int]) -> Iterator[Token]:
        """The tokens of a text; each is read when the parser, in the last state of the stack, asks for it."""
        match, length, position, previous = self._match, len(text), 0, -1
        asked, patterns, new = self._asked, self._compiled, Token
        while position < length:
            found = match(text, position)
            kind = found.lastgroup if found is not None else None
            if found is None or kind is None:
                raise AssertionError("BAD_CHAR matches whatever nothing else does")
            stop = found.end()
            if kind == "SPACE" or kind == "COMMENT":
                position = stop
                continue
            state = state_stack[-1]
            odd, words = asked.get(state) or self._accepted(state)
            for name in odd:
                other = (patterns.get(name) or self._pattern(name)).match(text, position)
                if other is not None:
                    kind, stop = name, other.end()
                    break
            else:
                if kind == "NAME":
                    word = text[position:stop]
                    if word in words and self._is_keyword(word.upper(), text, stop):
                        kind = word.upper()
                elif kind in _FIRST and (previous < 0 or text.find("\n", previous, position) >= 0):
                    kind += "_NL"
            token = new(text[position:stop])
            token.type, token.start_pos, token.end_pos = kind, position, stop
            yield token
            position = previous = stop

    def _accepted(self, state: int) -> tuple[tuple[str, ...], frozenset[str]]:
        """What a state accepts beside `ALWAYS`: the odd terminals in order, and the keywords."""
        asked = self._asked.get(state)
        if asked is None:
            accepts = self._contextual.keys() & self._states[state].keys()
            odd = tuple(name for name in self._odd if name in accepts)
            asked = self._asked[state] = odd, frozenset(name.lower() for name in accepts.difference(odd))
        return asked

    def _pattern(self, name: str) -> re.Pattern[str]:
        """The pattern of a contextual terminal that is no plain word, compiled when it is first asked for."""
        pattern = self._compiled.get(name)
        if pattern is None:
            pattern = self._compiled[name] = re.compile(self._contextual[name])
        return pattern

    def _is_keyword(self, name: str, text: str, stop: int) -> bool:
        """Whether the word of terminal `name`, which ends at `stop`, is one here: what must not follow does not."""
        behind = self._contextual[name][len(name) :]
        pattern = self._compiled.get(behind)
        if pattern is None:
            pattern = self._compiled[behind] = re.compile(behind)
        return pattern.match(text, stop) is not None
