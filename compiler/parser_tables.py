"""The tables of the parser: made from the grammar by Lark, and written to `tables.json`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

import lark
from lark import Lark
from lark.grammar import Rule as LarkRule
from lark.parsers.grammar_analysis import RulePtr
from lark.parsers.lalr_analysis import Shift
from ttscale.compiler.lexer import LineFilter
from ttscale.compiler.parse_trees import Rule
from ttscale.compiler.parser import Parser, key
from ttscale.grammar import grammar_text


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
    frontend: Any = built.parser
    table = frontend.parser._parse_table
    numbers = {state: number for number, state in enumerate(table.states)}
    rules = {rule: number for number, rule in enumerate(built.rules)}
    rows = [
        {symbol: numbers[argument] if action is Shift else -1 - rules[argument] for symbol, (action, argument) in row}
        for row in (sorted(row.items()) for row in table.states.values())
    ]
    ordered = sorted(built.terminals, key=lambda t: (-t.priority, -t.pattern.max_width, -len(t.pattern.value), t.name))
    terminals = [(t.name, t.pattern.to_regexp()) for t in ordered]
    ends = numbers[table.start_states["module"]], numbers[table.end_states["module"]]
    return Parser(terminals, [_rule(rule) for rule in rules], rows, ends, [place_of(items) for items in numbers])


def _rule(rule: LarkRule) -> Rule:
    symbols: list[Any] = list(rule.expansion)
    kept = tuple(
        (place, not symbol.is_term and str(symbol.name).startswith("_"))
        for place, symbol in enumerate(symbols)
        if rule.options.keep_all_tokens or not (symbol.is_term and symbol.filter_out)
    )
    passes = bool(rule.options.expand1) and not rule.alias
    origin = str(rule.origin.name)
    return Rule(origin, tuple(str(symbol.name) for symbol in symbols), str(rule.alias or origin), kept, passes)


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


def serialize_tables(parser: Parser) -> str:
    """The text of `tables.json` for a freshly built parser: one JSON object, one line for each state."""
    whole = {
        "key": key(),
        "lark": lark.__version__,
        "start": parser.start,
        "end": parser.end,
        "terminals": parser.terminals,
        "rules": parser.rules,
        "places": parser.places,
    }
    head = json.dumps(whole, separators=(",", ":"))
    lines = ",\n".join(json.dumps(row, separators=(",", ":"), sort_keys=True) for row in parser.rows)
    return f'{head[:-1]},"states":[\n{lines}\n]}}\n'
