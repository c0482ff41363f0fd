"""The parts of a schema: where references lead, and what stands there."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache

Pointer = tuple[str, ...]
"""The keys and places that lead from the whole schema to a part of it."""


@lru_cache(maxsize=64)
def parsed(canonical: str) -> Mapping[str, object]:
    """The schema of a canonical text."""
    value: Mapping[str, object] = json.loads(canonical)
    return value


def follow(root: Mapping[str, object], reference: str) -> Pointer | None:
    """Where `#/$defs/Item` or `#name` leads inside the schema; None where it leads nowhere."""
    if reference in ("#", ""):
        return ()
    if not reference.startswith("#/"):
        return _anchor(root, reference[1:], ()) if reference.startswith("#") else None
    found = tuple(part.replace("~1", "/").replace("~0", "~") for part in reference[2:].split("/"))
    return found if isinstance(part_of(root, found), Mapping | bool) else None


def definitions(root: Mapping[str, object]) -> Iterator[str]:
    """References to all definitions of a schema."""
    for key in ("$defs", "definitions"):
        own = root.get(key)
        for name in own if isinstance(own, Mapping) else ():
            yield f"#/{key}/{name}"


def part_of(root: object, pointer: Pointer) -> object:
    """What stands at a place of a schema; None for a place that it does not have."""
    node = root
    for part in pointer:
        if isinstance(node, Mapping):
            node = node.get(part)
        elif isinstance(node, list) and part.isdigit() and int(part) < len(node):
            node = node[int(part)]
        else:
            return None
    return node


def _anchor(node: object, name: str, at: Pointer) -> Pointer | None:
    if isinstance(node, Mapping):
        if name in (node.get("$anchor"), node.get("$dynamicAnchor")):
            return at
        parts: list[tuple[str, object]] = list(node.items())
    elif isinstance(node, list):
        parts = [(str(place), part) for place, part in enumerate(node)]
    else:
        return None
    for key, part in parts:
        found = _anchor(part, name, (*at, key))
        if found is not None:
            return found
    return None
