"""The parser itself: loaded from ready-made tables, or built from the grammar where they do not fit.

Building 570 states takes a third of a second, most of what `ttscale check` may take; loading them takes a tenth
of that. So the tables lie beside the grammar as `tables.json`, made by `pytest --update`, and are used only if they
were made from this very grammar by this very version of Lark. Nothing is written at run time.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

import lark
from lark import Lark
from lark.exceptions import UnexpectedToken
from lark.grammar import Rule
from lark.lexer import TerminalDef
from lark.parsers.grammar_analysis import RulePtr
from lark.parsers.lalr_analysis import IntParseTable, Reduce, Shift
from ttscale.compiler.frozen import dataclass
from ttscale.compiler.lexer import ContextLexer, LineFilter
from ttscale.compiler.parse_trees import builders
from ttscale.grammar import grammar_text, tables_text

FORMAT = 2
"""Changes when `tables.json` is laid out in another way or `place_of` names places in another way."""


@dataclass(frozen=True)
class Parser:
    """A parser and the place that each of its states, counted from 0, stands for.

    A place is written `model EQUAL`: inside the rule `model`, behind its `EQUAL`. See `place_of`.
    """

    lark: Lark
    places: tuple[str, ...]

    def places_at(self, error: UnexpectedToken) -> tuple[str, ...]:
        """Where the parser was at `error`: the innermost place first, then what is around it."""
        state = error.interactive_parser.parser_state
        return tuple(self.places[number] for number in reversed(state.state_stack))


def plain_parser(*, debug: bool = False) -> Lark:
    """The parser as Lark makes it, with its own lexer and trees; `debug` also logs conflicts that it would settle."""
    return Lark(
        grammar_text(),
        parser="lalr",
        lexer="contextual",
        start="module",
        propagate_positions=True,
        maybe_placeholders=False,
        postlex=LineFilter(),
        debug=debug,
    )


def build_parser() -> Parser:
    """Build the parser from the grammar."""
    # Lark keeps the items of the states only in its debug mode, and says a lot there.
    level = lark.logger.level
    lark.logger.setLevel("ERROR")
    try:
        built = plain_parser(debug=True)
    finally:
        lark.logger.setLevel(level)
    states = _number_states(built)
    return Parser(_quicken(built), tuple(place_of(items) for items in states))


def _number_states(built: Lark) -> list[Iterable[RulePtr]]:
    """Let numbers stand for the states of a parser built in debug mode; the items of each, in order."""
    frontend: Any = built.parser
    table = frontend.parser._parse_table
    numbered = IntParseTable.from_ParseTable(table)
    frontend.parser._parse_table = frontend.parser.parser.parse_table = numbered
    frontend.parser.parser.debug = False
    return list(table.states)


def _quicken(parser: Lark) -> Lark:
    """The parser with a lexer and functions for its trees that are made for this grammar."""
    frontend: Any = parser.parser
    inner = frontend.parser.parser
    inner.callbacks = builders(parser.rules)
    frontend.lexer = ContextLexer(parser.terminals, inner.parse_table.states)
    return parser


def place_of(items: Iterable[RulePtr]) -> str:
    """The place that a state of these items stands for: `rule SYMBOL`, several joined by ` / `.

    The symbol is the one before the dot. Rules that Lark made for `*` and `+` are left out where others say more;
    as symbols and where they stand alone, they are called by the rule that they were made for, with `*`.
    """
    pairs = set()
    for item in items:
        rule = str(item.rule.origin.name)
        before = item.rule.expansion[item.index - 1].name if item.index else ""
        if before or rule.startswith("$root"):
            pairs.add((_repeated(rule), _repeated(before)))
    plain = {pair for pair in pairs if not pair[0].endswith("*")}
    return " / ".join(sorted(" ".join(pair).strip() for pair in plain or pairs))


def _repeated(name: str) -> str:
    made = re.fullmatch(r"__(_?[a-z_]+?)_(?:star|plus)_\d+", name)
    return f"{made[1]}*" if made else name


@cache
def load_parser() -> Parser:
    """The parser, loaded or built once per process."""
    text = tables_text()
    stored = json.loads(text) if text is not None else {}
    if stored.get("key") != _key():
        return build_parser()
    return _restore(stored)


def serialize_tables(parser: Parser) -> str:
    """The text of `tables.json` for a freshly built parser: one JSON object, one line for each state."""
    data, memo = parser.lark.memo_serialize([TerminalDef, Rule])
    data["options"] = {
        name: value
        for name, value in data["options"].items()
        if isinstance(value, str | bool | int | list) or value is None
    }
    data["options"]["debug"] = False
    states = data["parser"]["parser"].pop("states")
    # A state is a list of [token, action, argument]; the argument of a reduction is a rule's place in `memo`.
    rows = {
        state: [[token, action, arg["@"] if isinstance(arg, dict) else arg] for token, (action, arg) in row.items()]
        for state, row in states.items()
    }
    whole = {"key": _key(), "data": data, "memo": memo, "places": parser.places}
    head = json.dumps(whole, separators=(",", ":"), sort_keys=True)
    lines = ",\n".join(f'"{state}":{json.dumps(sorted(row), separators=(",", ":"))}' for state, row in rows.items())
    return f'{head[:-1]},"states":{{\n{lines}\n}}}}\n'


def _restore(stored: dict[str, Any]) -> Parser:
    data = stored["data"]
    table = data["parser"]["parser"]
    tokens = {int(number): name for number, name in table["tokens"].items()}
    memo = {int(number): value for number, value in stored["memo"].items()}
    # Lark would make a lexer for each state and read the rule of each entry; it is given no states, and they follow.
    table["tokens"], table["states"] = {}, {}
    load: Callable[..., Lark] = Lark._load_from_dict
    loaded = load(data, memo, postlex=LineFilter())
    frontend: Any = loaded.parser
    rules = {rule["@"]: value for rule, value in zip(data["rules"], loaded.rules, strict=True)}
    frontend.parser._parse_table.states.update(
        (int(state), {tokens[token]: (Reduce, rules[arg]) if action else (Shift, arg) for token, action, arg in row})
        for state, row in stored["states"].items()
    )
    return Parser(_quicken(loaded), tuple(stored["places"]))


def _key() -> str:
    """What the tables depend on: their own format, the grammar's text, what the filter adds, and Lark's version."""
    digest = hashlib.sha256(f"{FORMAT}{grammar_text()}{LineFilter.always_accept}".encode()).hexdigest()
    return f"{digest} lark {lark.__version__}"
