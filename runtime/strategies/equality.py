"""Which answers are equal where lists may be compared in no order: each item counts as often as it is there."""

from __future__ import annotations

import json
from collections.abc import Hashable, Sequence

from ttscale.compiler import types as t
from ttscale.runtime import answers


def class_numbers(type_: t.Type, keys: Sequence[Hashable], *, ordered: bool = True) -> list[int | None]:
    """The equality class of each key, from 0 by first appearance; None for unreadable ones."""
    if ordered:
        return answers.classes(type_, keys)
    seen: dict[Hashable, int] = {}
    return [None if form is None else seen.setdefault(form, len(seen)) for form in _forms(type_, keys)]


def _forms(type_: t.Type, keys: Sequence[Hashable]) -> list[Hashable]:
    """Values that are equal where the keys are equal in no order, found for all keys together, since equality may be
    looser than that of keys (`Math`)."""
    match type_:
        case t.Optional(item):
            there = [None if key == answers.NONE_KEY else key for key in keys]
            inner = _forms(item, there)
            return [
                (answers.NONE_KEY,) if key == answers.NONE_KEY else form for key, form in zip(keys, inner, strict=True)
            ]
        case t.ListOf(item):
            lists = [key if isinstance(key, tuple) else () for key in keys]
            parts = iter(_forms(item, [part for key in lists for part in key]))
            sorted_ = [tuple(sorted((next(parts) for _ in key), key=repr)) for key in lists]
            return [None if key is None else form for key, form in zip(keys, sorted_, strict=True)]
        case t.Record(_, fields):
            columns = []
            for place, own in enumerate(fields):
                columns.append(_forms(own.type, [key[place] if isinstance(key, tuple) else None for key in keys]))
            rows: list[Hashable] = list(zip(*columns, strict=True)) if columns else [() for _ in keys]
            return [None if key is None else row for key, row in zip(keys, rows, strict=True)]
        case t.Json() | t.Simple(name="Any"):
            return [_unordered(key) if isinstance(key, str) else key for key in keys]
    return list(answers.classes(type_, keys))


def _unordered(key: str) -> str:
    """The key of JSON with the items of its lists sorted."""

    def inner(value: object) -> object:
        if isinstance(value, dict):
            return {name: inner(item) for name, item in value.items()}
        if isinstance(value, list):
            return sorted((inner(item) for item in value), key=lambda item: json.dumps(item, sort_keys=True))
        return value

    return json.dumps(inner(json.loads(key)), sort_keys=True, ensure_ascii=False)
