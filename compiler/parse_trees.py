"""What the parser does when a rule is complete: the nodes of the tree, with the places where they start and end.

Lark has such functions of its own. They go through a dozen wrappers for each of the rules between a name and an
expression, most of which only pass on what they get; those take half of the time of a parse.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from lark import Tree
from lark.grammar import Rule
from lark.tree import Meta

Child = Any
"""A Token, or a Tree of them."""
Builder = Callable[[list[Child]], Child]

_new_meta: Callable[[], Meta] = Meta


def builders(rules: Iterable[Rule]) -> dict[Rule, Builder]:
    """For each rule the function from its children to its node: nodes of rules called `_x` vanish in their parent."""
    return {rule: _builder(rule) for rule in rules}


def _builder(rule: Rule) -> Builder:
    symbols: list[Any] = list(rule.expansion)
    inline = [not symbol.is_term and symbol.name.startswith("_") for symbol in symbols]
    kept = [
        place
        for place, symbol in enumerate(symbols)
        if rule.options.keep_all_tokens or not (symbol.is_term and symbol.filter_out)
    ]
    name = str(rule.alias or rule.origin.name)
    if len(symbols) == 1 and inline == [True] and name.startswith("_"):
        return _passed_on
    if rule.options.expand1 and not rule.alias and len(kept) == 1:
        return _only_child(kept[0], inline[kept[0]])
    return _node(name, [(place, inline[place]) for place in kept])


def _passed_on(children: list[Child]) -> Child:
    """The node of `_x: _y`: both vanish, so one will do for the other."""
    return children[0]


def _only_child(place: int, inline: bool) -> Builder:
    """The node of a rule `?x` with one child: that child."""

    def build(children: list[Child]) -> Child:
        return children[place].children[0] if inline else children[place]

    return build


def _node(name: str, kept: list[tuple[int, bool]]) -> Builder:
    def build(children: list[Child]) -> Child:
        items: list[Child] = []
        for place, inline in kept:
            if not inline:
                items.append(children[place])
            elif items:
                items += children[place].children
            else:
                # The child is gone with this, so its list may grow: a long list is not copied for each item.
                items = children[place].children
        return Tree(name, items, _meta(children))

    return build


def _meta(children: list[Child]) -> Meta:
    """Where the first of the children starts and the last one ends; what was left out of the tree counts too."""
    meta = _new_meta()
    place: Any
    for first in children:
        place = first.meta if isinstance(first, Tree) else first
        if place is first or not place.empty:
            meta.start_pos = place.start_pos
            meta.empty = False
            break
    for last in reversed(children):
        place = last.meta if isinstance(last, Tree) else last
        if place is last or not place.empty:
            meta.end_pos = place.end_pos
            break
    return meta
