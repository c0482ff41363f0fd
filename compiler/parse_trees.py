"""What the parser does when a rule is complete: the nodes of the tree, with the places where they start and end.

Most rules between a name and an expression only pass on what they get; those have no function at all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from ttscale.compiler.trees import Tree

Child = Any
"""A Token, or a Tree of them."""
Builder = Callable[[list[Child]], Child]


class Rule(NamedTuple):
    """One production of the grammar, and what its node is.

    `expansion` are the symbols that it is made from; `kept` the places of those that stand in the node, each with
    whether its children stand there instead of it (those of rules called `_x`). `name` is what the node is called;
    with `passes` a node of one child is that child.
    """

    origin: str
    expansion: tuple[str, ...]
    name: str
    kept: tuple[tuple[int, bool], ...]
    passes: bool


def builder(rule: Rule) -> Builder | None:
    """The function from what a rule was made from to its node; None where that is its only child as it is."""
    if len(rule.expansion) == 1 and rule.kept == ((0, True),) and rule.name.startswith("_"):
        return None  # of `_x: _y` both vanish, so one will do for the other
    if rule.passes and len(rule.kept) == 1:
        place, inline = rule.kept[0]
        if len(rule.expansion) == 1 and not inline:
            return None
        return _only_child(place, inline)
    return _node(rule.name, rule.kept)


def _only_child(place: int, inline: bool) -> Builder:
    """The node of a rule `?x` with one child: that child."""

    def build(children: list[Child]) -> Child:
        return children[place].children[0] if inline else children[place]

    return build


def _node(name: str, kept: tuple[tuple[int, bool], ...]) -> Builder:
    inlines = any(inline for _, inline in kept)
    places = [place for place, _ in kept]

    def build(children: list[Child]) -> Child:
        """Where nothing is left out and nothing vanishes, what the rule was made from is the node's own list."""
        items: list[Child] = children if len(places) == len(children) else [children[place] for place in places]
        return _placed(name, items, children)

    def build_inline(children: list[Child]) -> Child:
        items: list[Child] = []
        for place, inline in kept:
            if not inline:
                items.append(children[place])
            elif items:
                items += children[place].children
            else:
                # The child is gone with this, so its list may grow: a long list is not copied for each item.
                items = children[place].children
        return _placed(name, items, children)

    return build_inline if inlines else build


def _placed(name: str, items: list[Child], children: list[Child]) -> Tree:
    """A node from where the first of `children` starts to where the last ends; what was left out counts too."""
    start = end = -1
    for first in children:
        if first.start_pos >= 0:
            start = first.start_pos
            break
    for last in reversed(children):
        if last.end_pos >= 0:
            end = last.end_pos
            break
    return Tree(name, items, start, end)
