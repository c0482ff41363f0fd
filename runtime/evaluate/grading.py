"""Right or wrong: one way to ask of any candidate, whether the measure is equality with the gold or another metric."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from ttscale.compiler import types as t
from ttscale.runtime.answers import coerce, equal
from ttscale.runtime.evaluate.arms import Item
from ttscale.runtime.metrics import Metric, gold_key, grade

ENOUGH = 1 - 1e-9
"""From which value on an answer counts as right, where a metric gives shares."""


class Grader(Protocol):
    """What an answer is worth: 1 is right, 0 wrong, None where that cannot be said."""

    @property
    def name(self) -> str:
        """What the measure is called in tables."""

    @property
    def identity(self) -> object:
        """Plain data that tells it from any other measure, also from an edited one of the same name."""

    @property
    def is_free(self) -> bool:
        """Whether all candidates may be graded, not only the answers: nothing is asked of a model for it."""

    async def of(self, type_: t.Type, answer: object, key: Hashable, item: Item) -> float | None:
        """The grade of an answer that reads as `type_`. Raises MetricError."""


@dataclass(frozen=True)
class Accuracy:
    """Equality with the gold, as the answer's type has it; an unreadable answer is wrong."""

    folder: Path | None = None
    name: str = "accuracy"
    identity: object = "accuracy"
    is_free: bool = True

    def check(self, type_: t.Type, item: Item) -> None:
        """Raises MetricError where the gold cannot be read."""
        if item.gold is not None:
            gold_key(type_, item.gold, folder=self.folder)

    async def of(self, type_: t.Type, answer: object, key: Hashable, item: Item) -> float | None:
        """1 or 0; None without a gold, or where the gold is none of this type."""
        if item.gold is None:
            return None
        wanted = coerce(type_, item.gold, folder=self.folder)[1]
        return None if wanted is None else float(equal(type_, key, wanted))


@dataclass(frozen=True)
class Measured:
    """A metric of the library, of the program or of a plug-in."""

    metric: Metric
    identity: object
    seen: dict[tuple[object, ...], float | None] = field(default_factory=dict, compare=False)

    @property
    def name(self) -> str:
        return self.metric.name

    @property
    def is_free(self) -> bool:
        return not getattr(self.metric, "asks_model", False)

    async def of(self, type_: t.Type, answer: object, key: Hashable, item: Item) -> float | None:
        """The metric's value; the same answer to one question is graded once."""
        # Not by its key: texts that differ in case or white space have one, and metrics that look at these exist.
        known = (item.id, item.asked, repr(answer))
        if known not in self.seen:
            self.seen[known] = (await grade(self.metric, answer, item.gold, item.row or {})).value
        return self.seen[known]
