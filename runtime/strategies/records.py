"""Voting on records field by field."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace

from ttscale.compiler import types as t
from ttscale.runtime import answers
from ttscale.runtime.pool import Candidate
from ttscale.runtime.strategies.choosing import Numbers, vote


def vote_on_fields(type_: t.Record, pool: Sequence[Candidate], weights: Numbers | None) -> tuple[int, Candidate] | None:
    """The record whose every field is the winner of its own vote, and the candidate that is nearest to it.

    The nearest is the first of those that agree in the most fields; where none agrees in all, the candidate given
    back is that one with the answer, key and text of the record put together. None when no record is readable.
    """
    readable = [i for i, c in enumerate(pool) if isinstance(c.key, tuple) and isinstance(c.answer, Mapping)]
    if not readable:
        return None
    kept = [weights[i] for i in readable] if weights is not None else None
    value: dict[str, object] = {}
    key: list[Hashable] = []
    agreeing = dict.fromkeys(readable, 0)
    for place, field in enumerate(type_.fields):
        keys = [_key(pool[i])[place] for i in readable]
        classes = answers.classes(field.type, keys)
        choice = vote(classes, kept)
        assert choice.index is not None  # there is a readable record, so every field has a value
        winner = readable[choice.index]
        value[field.name] = _answer(pool[winner])[field.name]
        key.append(_key(pool[winner])[place])
        for i, number in zip(readable, classes, strict=True):
            agreeing[i] += number == classes[choice.index]
    nearest = max(readable, key=lambda i: (agreeing[i], -i))
    if agreeing[nearest] == len(type_.fields):
        return nearest, pool[nearest]
    return nearest, replace(pool[nearest], answer=value, key=tuple(key), text=answers.show(type_, value))


def _key(candidate: Candidate) -> tuple[Hashable, ...]:
    assert isinstance(candidate.key, tuple)
    return candidate.key


def _answer(candidate: Candidate) -> Mapping[str, object]:
    assert isinstance(candidate.answer, Mapping)
    return candidate.answer
