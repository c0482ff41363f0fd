"""The parser: a table of states, a stack of them, and the nodes made so far.

The tables lie beside the grammar as `tables.json`, which `pytest --update` writes (`parser_tables`); they are used only
if they were made from this very grammar. Lark, which makes them, is imported only where they do not fit: that and
building 570 states would take longer than all else that `ttscale check` does.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, NoReturn

from ttscale.compiler.lexer import ContextLexer, LineFilter
from ttscale.compiler.parse_trees import Builder, Rule, builder
from ttscale.compiler.trees import Token, Tree
from ttscale.grammar import grammar_text, tables_text

FORMAT = 3
"""Changes when `tables.json` is laid out in another way or `parser_tables.place_of` names places in another way."""


class Unexpected(Exception):
    """A token that the parser could not take, with its states then, the innermost last."""

    def __init__(self, parser: Parser, token: Token, states: Sequence[int]) -> None:
        super().__init__(f"unexpected {token.type}")
        self.parser, self.token, self.states = parser, token, tuple(states)

    @property
    def accepts(self) -> frozenset[str]:
        """The terminals that would have done."""
        return frozenset(name for name in self.parser.rows[self.states[-1]] if self.parser.takes(self.states, name))

    @property
    def places(self) -> tuple[str, ...]:
        """Where the parser was: the innermost place first, then what is around it."""
        return tuple(self.parser.places[state] for state in reversed(self.states))


class Parser:
    """A parser made of its tables.

    `rows` say for each state what follows with a symbol: the next state, or -1 and down for the rule 0 and up that is
    complete. `places` are what each state stands for: `model EQUAL` is inside the rule `model`, behind its `EQUAL`.
    """

    def __init__(
        self,
        terminals: Sequence[tuple[str, str]],
        rules: Sequence[Rule],
        rows: Sequence[dict[str, int]],
        ends: tuple[int, int],
        places: Iterable[str],
    ) -> None:
        self.terminals, self.rules, self.rows, self.places = terminals, rules, rows, tuple(places)
        self.start, self.end = ends
        self._lexer = ContextLexer(terminals, rows)
        made: list[tuple[int, str, Builder | None]] = [(len(r.expansion), r.origin, builder(r)) for r in rules]
        # From -1 down, as `rows` name them.
        self._reductions = made[::-1]

    def parse(self, text: str) -> Tree:
        """The tree of a text; raises Unexpected."""
        rows, reductions = self.rows, self._reductions
        states: list[int] = [self.start]
        values: list[Any] = []
        for token in self._lexer.lex(text, states):
            kind = token.type
            while True:
                action = rows[states[-1]].get(kind)
                if action is None:
                    self._fail(token, states)
                if action >= 0:
                    states.append(action)
                    values.append(token)
                    break
                size, origin, build = reductions[action]
                if build is None:
                    states[-1] = rows[states[-2]][origin]
                    continue
                if size:
                    children = values[-size:]
                    del values[-size:]
                    del states[-size:]
                else:
                    children = []
                states.append(rows[states[-1]][origin])
                values.append(build(children))
        return self._finished(states, values)

    def _finished(self, states: list[int], values: list[Any]) -> Tree:
        """The tree when the text ends here."""
        end = Token.of("$END", "")
        while states[-1] != self.end:
            action = self.rows[states[-1]].get("$END")
            if action is None or action >= 0:
                self._fail(end, states)
            size, origin, build = self._reductions[action]
            children = values[len(values) - size :]
            del values[len(values) - size :]
            del states[len(states) - size :]
            states.append(self.rows[states[-1]][origin])
            values.append(children[0] if build is None else build(children))
        tree: Tree = values[-1]
        return tree

    def _fail(self, token: Token, states: Sequence[int]) -> NoReturn:
        raise Unexpected(self, token, states)

    def tokens(self, text: str) -> list[Token]:
        """The tokens of a text; raises Unexpected."""
        found: list[Token] = []
        states = [self.start]
        for token in self._lexer.lex(text, states):
            states[:] = self.after(states, token.type) or self._fail(token, states)
            found.append(token)
        if self.after(states, "$END") is None:
            self._fail(Token.of("$END", ""), states)
        return found

    def takes(self, states: Sequence[int], terminal: str) -> bool:
        """Whether the parser can go on with a terminal."""
        return terminal.isupper() and self.after(states, terminal) is not None

    def after(self, states: Sequence[int], terminal: str) -> list[int] | None:
        """The states after one more terminal, or None where it does not fit."""
        stack = self.reduced(states, terminal)
        if terminal == "$END":
            return stack if stack[-1] == self.end else None
        action = self.rows[stack[-1]].get(terminal)
        return None if action is None else [*stack, action]

    def reduced(self, states: Sequence[int], terminal: str) -> list[int]:
        """The states when all is put together that ends before a terminal, fitting or not."""
        stack = list(states)
        while (action := self.rows[stack[-1]].get(terminal, 0)) < 0:
            size, origin, _ = self._reductions[action]
            del stack[len(stack) - size :]
            stack.append(self.rows[stack[-1]][origin])
        return stack


@cache
def load_parser() -> Parser:
    """The parser, loaded or built once per process."""
    text = tables_text()
    stored = json.loads(text) if text is not None else {}
    if stored.get("key") != key():
        from ttscale.compiler.parser_tables import build_parser

        return build_parser()
    rules = [
        Rule(origin, tuple(expansion), name, tuple((place, inline) for place, inline in kept), passes)
        for origin, expansion, name, kept, passes in stored["rules"]
    ]
    terminals = [(name, pattern) for name, pattern in stored["terminals"]]
    return Parser(terminals, rules, stored["states"], (stored["start"], stored["end"]), stored["places"])


def key() -> str:
    """What the tables depend on: their own format, the grammar's text, and what the lexer reads in every state."""
    return hashlib.sha256(f"{FORMAT}{grammar_text()}{LineFilter.always_accept}".encode()).hexdigest()
