"""Whether an answer is right: its key against the gold, which is read as the answer's type."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from pathlib import Path

from ttscale.compiler import types as t
from ttscale.runtime import answers
from ttscale.runtime.metrics.errors import MetricError, short


def is_correct(type_: t.Type, key: Hashable, gold: object, *, folder: Path | None = None) -> bool:
    """Whether an answer's key equals the gold, which is read as the answer's type and compared by its equality.

    An unreadable answer is wrong. Raises MetricError where the gold cannot be read as `type_`.
    """
    return answers.equal(type_, key, gold_key(type_, gold, folder=folder))


def gold_key(type_: t.Type, gold: object, *, folder: Path | None = None) -> Hashable:
    """The key of a gold answer. Raises MetricError."""
    key = answers.coerce(type_, gold, folder=folder)[1]
    if key is None:
        hint = 'a dataset\'s `answer:` must give the answer alone, such as `after(answer, "####")`'
        raise MetricError(f"the gold answer {short(gold)} cannot be read as {type_}", hint=hint)
    return key


def accuracy(type_: t.Type, keys: Sequence[Hashable], golds: Sequence[object]) -> float:
    """The share of right answers; keys and golds go together in order. 0 for none."""
    right = [is_correct(type_, key, gold) for key, gold in zip(keys, golds, strict=True)]
    return sum(right) / len(right) if right else 0.0
