"""The parser itself: loaded from ready-made tables, or built from the grammar where they do not fit.

Building 570 states takes a third of a second, most of what `ttscale check` may take; loading them takes a tenth
of that. So the tables lie beside the grammar as `tables.json`, made by `pytest --update`, and are used only if they
were made from this very grammar by this very version of Lark. Nothing is written at run time.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, ClassVar

import lark
from lark import Lark, Token
from lark.grammar import Rule
from lark.lexer import TerminalDef
from ttscale.grammar import RESERVED, grammar_text, tables_text


class LineFilter:
    """The filter between lexer and parser: `(` and `[` that come first on their line get names of their own.

    `always_accept` names what the lexer recognizes in every state, expected or not: all but contextual keywords.
    """

    always_accept: ClassVar[tuple[str, ...]] = (
        *("NAME", "NUMBER", "STRING", "FENCE", "BAD_CHAR"),
        *("LPAR", "RPAR", "LSQB", "RSQB", "LBRACE", "RBRACE", "COMMA", "COLON", "DOT", "QMARK", "VBAR", "EQUAL"),
        *("ARROW", "FAT_ARROW", "PIPE", "RANGE", "COMPARE", "LE", "PLUS", "MINUS", "STAR", "SLASH", "PERCENT"),
        *(word.upper() for word in RESERVED),
    )

    def process(self, stream: Iterator[Token]) -> Iterator[Token]:
        """The tokens of `stream`, brackets renamed."""
        last_line = 0
        for token in stream:
            if token.type in ("LPAR", "LSQB") and token.line != last_line:
                yield token.update(type=f"{token.type}_NL")
            else:
                yield token
            last_line = token.end_line or 0


def build_parser(*, strict: bool = False) -> Lark:
    """Build the parser from the grammar; `strict` also refuses conflicts that Lark would settle itself."""
    return Lark(
        grammar_text(),
        parser="lalr",
        lexer="contextual",
        start="module",
        propagate_positions=True,
        maybe_placeholders=False,
        postlex=LineFilter(),
        debug=strict,
    )


@cache
def load_parser() -> Lark:
    """The parser, loaded or built once per process."""
    text = tables_text()
    stored = json.loads(text) if text is not None else {}
    if stored.get("key") != _key():
        return build_parser()
    return _restore(stored)


def serialize_tables(parser: Lark) -> str:
    """The text of `tables.json` for a freshly built parser: one JSON object, one line for each state."""
    data, memo = parser.memo_serialize([TerminalDef, Rule])
    data["options"] = {
        name: value
        for name, value in data["options"].items()
        if isinstance(value, str | bool | int | list) or value is None
    }
    states = data["parser"]["parser"].pop("states")
    # A state is a list of [token, action, argument]; the argument of a reduction is a rule's place in `memo`.
    rows = {
        state: [[token, action, arg["@"] if isinstance(arg, dict) else arg] for token, (action, arg) in row.items()]
        for state, row in states.items()
    }
    head = json.dumps({"key": _key(), "data": data, "memo": memo}, separators=(",", ":"), sort_keys=True)
    lines = ",\n".join(f'"{state}":{json.dumps(sorted(row), separators=(",", ":"))}' for state, row in rows.items())
    return f'{head[:-1]},"states":{{\n{lines}\n}}}}\n'


def _restore(stored: dict[str, Any]) -> Lark:
    data = stored["data"]
    table = data["parser"]["parser"]
    table["tokens"] = {int(number): name for number, name in table["tokens"].items()}
    table["states"] = {
        int(state): {token: (action, {"@": arg} if action else arg) for token, action, arg in row}
        for state, row in stored["states"].items()
    }
    memo = {int(number): value for number, value in stored["memo"].items()}
    load: Callable[..., Lark] = Lark._load_from_dict
    return load(data, memo, postlex=LineFilter())


def _key() -> str:
    """What the tables depend on: the grammar's text, what the filter adds, and Lark's version."""
    digest = hashlib.sha256(f"{grammar_text()}{LineFilter.always_accept}".encode()).hexdigest()
    return f"{digest} lark {lark.__version__}"
