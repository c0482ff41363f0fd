"""How many tokens a prompt may have, before anything is rendered or tokenised.

The greatest count must hold for every tokenizer: a token is at least one byte, so fixed text counts as its UTF-8 bytes.
The least counts words, since no usual tokenizer joins two. The expected count takes three characters a token.
A template is walked as a tree: a loop over a list counts its body once an item, an `if` its dearer branch.

    span = text_of("Solve: {{ question }}", {"question": Amount(0, 512, 512)})
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from functools import lru_cache

import jinja2
from jinja2 import nodes
from ttscale.compiler.frozen import dataclass

PROMPT_OVERHEAD = 64
"""Tokens that a chat template may add to a whole prompt: begin mark, a default system message, the reply's header."""

MESSAGE_OVERHEAD = 16
"""Tokens that a chat template may add to one message: its role and marks."""

CHARS_PER_TOKEN = 3
SMALL_VALUE = 24
"""Tokens of a number, a flag or an index, as text."""

_WORD = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True, slots=True)
class Amount:
    """Bounds on the tokens of a text, and what to expect; for a list, of all its items together with their bounds.

    `parts` are the attributes of an item (`a.text`, `a.critique`) or of the value itself; `count` the most items that a
    list may have, None for what is not a list, and `least` the fewest.
    """

    low: int
    high: int
    expected: int
    count: int | None = None
    parts: Mapping[str, Amount] = field(default_factory=dict)
    least: int = 0

    @property
    def key(self) -> tuple[object, ...]:
        """What makes two amounts equal, to be hashed."""
        parts = tuple((name, part.key) for name, part in self.parts.items()) if self.parts else ()
        return self.low, self.high, self.expected, self.count, self.least, parts

    def plus(self, other: Amount) -> Amount:
        """Both, one after the other."""
        return Amount(self.low + other.low, self.high + other.high, self.expected + other.expected)

    def times(self, low: int, high: int) -> Amount:
        """This `low` to `high` times."""
        return Amount(self.low * low, self.high * high, self.expected * high)

    def item(self) -> Amount:
        """One item of a list: as large as the whole list may be, shared out."""
        count = self.count or 1
        return Amount(0, math.ceil(self.high / count), math.ceil(self.expected / count), None, self.parts)

    def single(self) -> Amount:
        """The same without list or attributes."""
        return Amount(self.low, self.high, self.expected)


NOTHING = Amount(0, 0, 0)
SMALL = Amount(0, SMALL_VALUE, 4)


@lru_cache(maxsize=4096)
def of_text(text: str) -> Amount:
    """The tokens of a known text."""
    return Amount(len(_WORD.findall(text)), len(text.encode()), math.ceil(len(text) / CHARS_PER_TOKEN))


def longest(amounts: list[Amount]) -> Amount:
    """One of several texts, not known which."""
    if not amounts:
        return NOTHING
    return Amount(min(a.low for a in amounts), max(a.high for a in amounts), max(a.expected for a in amounts))


@lru_cache(maxsize=4096)
def _parsed(template: str) -> nodes.Template | None:
    try:
        return jinja2.Environment(autoescape=False).parse(template)
    except jinja2.TemplateSyntaxError:
        return None


def text_of(template: str, values: Mapping[str, Amount]) -> Amount:
    """The tokens of a template's text when its variables have these; one that does not parse counts as it stands."""
    tree = _parsed(template)
    if tree is None:
        return of_text(template)
    return _block(tree.body, dict(values))


def _block(body: Sequence[nodes.Node], values: dict[str, Amount]) -> Amount:
    total = NOTHING
    for node in body:
        total = total.plus(_node(node, values))
    return total


def _node(node: nodes.Node, values: dict[str, Amount]) -> Amount:
    match node:
        case nodes.TemplateData():
            return of_text(node.data)
        case nodes.Output():
            return _block(node.nodes, values)
        case nodes.For():
            return _loop(node, values)
        case nodes.If():
            branches = [_block(node.body, dict(values)), *(_block(part.body, dict(values)) for part in node.elif_)]
            branches.append(_block(node.else_, dict(values)))
            return longest(branches)
        case nodes.Assign():
            if isinstance(node.target, nodes.Name):
                values[node.target.name] = _value(node.node, values)
            return NOTHING
        case nodes.With():
            inner = dict(values)
            for target, value in zip(node.targets, node.values, strict=True):
                if isinstance(target, nodes.Name):
                    inner[target.name] = _value(value, values)
            return _block(node.body, inner)
        case nodes.Macro() | nodes.Import() | nodes.FromImport():
            return NOTHING
        case nodes.Expr():
            return _value(node, values).single()
    inner_total = NOTHING
    for child in node.iter_child_nodes():
        inner_total = inner_total.plus(_node(child, values))
    return Amount(0, inner_total.high, inner_total.expected)


def _loop(node: nodes.For, values: dict[str, Amount]) -> Amount:
    over = _value(node.iter, values)
    inner = dict(values)
    inner["loop"] = Amount(0, SMALL_VALUE, 1)
    targets = [node.target] if isinstance(node.target, nodes.Name) else list(node.target.find_all(nodes.Name))
    for target in targets:
        inner[target.name] = over.item() if over.count is not None else over
    body = _block(node.body, inner)
    empty = _block(node.else_, dict(values))
    rounds = over.count if over.count is not None else max(1, over.high)
    fewest = over.least if node.test is None else 0
    if node.else_:
        return longest([body.times(max(1, fewest), rounds), empty])
    return Amount(body.low * fewest, body.high * rounds, body.expected * rounds)


def _value(node: nodes.Node, values: Mapping[str, Amount]) -> Amount:
    """What an expression may print."""
    match node:
        case nodes.Name():
            return values.get(node.name, NOTHING)
        case nodes.Const():
            return of_text(str(node.value))
        case nodes.Getattr():
            return _part(_value(node.node, values), node.attr)
        case nodes.Getitem():
            owner = _value(node.node, values)
            if isinstance(node.arg, nodes.Const) and isinstance(node.arg.value, str):
                return _part(owner, node.arg.value)
            if isinstance(node.arg, nodes.Slice):
                return replace(owner, low=0, least=0)
            return owner.item() if owner.count is not None else owner
        case nodes.Filter() if node.node is not None:
            return _filtered(node, values)
        case nodes.Compare() | nodes.Not() | nodes.Test():
            return SMALL
        case nodes.CondExpr():
            branches = [_value(node.expr1, values).single()]
            branches.append(_value(node.expr2, values).single() if node.expr2 is not None else NOTHING)
            return longest(branches)
    total = SMALL
    for child in node.iter_child_nodes():
        total = total.plus(_value(child, values).single())
    return Amount(0, total.high, total.expected)


def _filtered(node: nodes.Filter, values: Mapping[str, Amount]) -> Amount:
    """What a filter may print: short for a count, the list with its separators for `join`, else what goes in."""
    assert node.node is not None
    source = _value(node.node, values)
    extra = NOTHING
    for argument in node.args:
        extra = extra.plus(_value(argument, values).single())
    if node.name in ("length", "count", "int", "float", "round", "sum", "min", "max", "wordcount"):
        return SMALL
    if node.name == "join":
        return source.single().plus(extra.times(0, max(source.count or 1, 1)))
    if node.name == "map" and node.kwargs:
        wanted = next((k.value for k in node.kwargs if k.key == "attribute"), None)
        if isinstance(wanted, nodes.Const) and isinstance(wanted.value, str) and source.count is not None:
            part = _part(source.item(), wanted.value)
            return Amount(0, part.high * source.count, part.expected * source.count, source.count)
    if node.name in ("tojson", "pprint", "indent", "escape", "e", "urlencode"):
        return Amount(
            source.low, source.high * 2 + extra.high, source.expected + extra.expected, source.count, source.parts
        )
    return Amount(0, source.high + extra.high, source.expected + extra.expected, source.count, source.parts)


def _part(owner: Amount, name: str) -> Amount:
    if name in owner.parts:
        return owner.parts[name]
    return Amount(0, owner.high, owner.expected) if not owner.parts else SMALL


# --- what prompts begin with ---------------------------------------------------------------------


@lru_cache(maxsize=4096)
def opening(template: str) -> tuple[tuple[str, str], ...]:
    """How a template begins, up to the first thing that depends on more than one argument.

    Pieces are ("text", literal) and ("name", argument).
    """
    tree = _parsed(template)
    if tree is None:
        return ()
    pieces: list[tuple[str, str]] = []
    for node in tree.body:
        if not isinstance(node, nodes.Output):
            return (*pieces, ("end", ""))
        for part in node.nodes:
            if isinstance(part, nodes.TemplateData):
                pieces.append(("text", part.data))
            elif isinstance(part, nodes.Name):
                pieces.append(("name", part.name))
            else:
                return (*pieces, ("end", ""))
    return tuple(pieces)
