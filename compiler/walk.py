"""Walking trees: every node below a node, parents first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass

from ttscale.compiler.source import Span


def nodes(tree: object) -> Iterator[object]:
    """The node itself and every node below it, parents first, in the order of their fields."""
    yield tree
    for field in fields(tree):  # type: ignore[arg-type]
        value = getattr(tree, field.name)
        for part in value if isinstance(value, tuple) else (value,):
            if is_dataclass(part) and not isinstance(part, Span):
                yield from nodes(part)
