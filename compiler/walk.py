"""Walking trees: every node below a node, parents first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from functools import cache

from ttscale.compiler.source import Span


def nodes(tree: object) -> Iterator[object]:
    """The node itself and every node below it, parents first, in the order of their fields."""
    yield tree
    for name in _parts(type(tree)):
        value = getattr(tree, name)
        for part in value if isinstance(value, tuple) else (value,):
            if _parts(type(part)):
                yield from nodes(part)


@cache
def _parts(kind: type) -> tuple[str, ...]:
    """The fields of a class of nodes in which nodes may be; empty for what is no node, such as a Span or a text."""
    if not is_dataclass(kind) or kind is Span:
        return ()
    return tuple(field.name for field in fields(kind))
