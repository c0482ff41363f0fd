"""Walking trees: every node below a node, parents first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass

from ttscale.compiler.source import Span


def nodes(tree: object) -> Iterator[object]:
    """The node itself and every node below it, parents first, in the order of their fields."""
    yield tree
    for part in below(tree):
        yield from nodes(part)


def below(tree: object) -> Iterator[object]:
    """The nodes right below a node, in the order of its fields."""
    for name in _parts(type(tree)):
        value = getattr(tree, name)
        for part in value if isinstance(value, tuple) else (value,):
            if _parts(type(part)):
                yield part


_FIELDS: dict[type, tuple[str, ...]] = {}


def _parts(kind: type) -> tuple[str, ...]:
    """The fields of a class of nodes in which nodes may be; empty for what is no node, such as a Span or a text."""
    if kind not in _FIELDS:
        is_node = is_dataclass(kind) and kind is not Span
        _FIELDS[kind] = tuple(field.name for field in fields(kind)) if is_node else ()
    return _FIELDS[kind]
