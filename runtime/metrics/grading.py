"""What a metric is: something that grades one answer, and what it gives."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from inspect import isawaitable
from typing import Protocol

from ttscale.runtime.metrics.errors import MetricError, short


@dataclass(frozen=True, slots=True)
class Grade:
    """What a metric says of one answer.

    `value` is usually from 0 to 1; None where no judgement could be read (a judge's, not the answer's: an unreadable
    answer has value 0). `parts` are figures of which the value is made, such as one an instruction; `note` says why.
    """

    value: float | None
    note: str = ""
    parts: Mapping[str, float] = field(default_factory=dict)


Given = Grade | float | bool | None


class Metric(Protocol):
    """Grades one answer: its value (None: unreadable), the row's gold, and the row's fields and columns by name.

    Gives a Grade, or its value alone, at once or to be awaited. Raises MetricError where the gold or the row is not
    what the metric needs.
    """

    @property
    def name(self) -> str:
        """What the metric is called in tables."""

    def score(self, answer: object, gold: object, row: Mapping[str, object]) -> Given | Awaitable[Given]:
        """The grade of one answer."""


async def grade(metric: Metric, answer: object, gold: object, row: Mapping[str, object]) -> Grade:
    """What `metric` says of an answer, whichever way it says it. Raises MetricError."""
    given = metric.score(answer, gold, row)
    found = await given if isawaitable(given) else given
    made = found if isinstance(found, Grade) else Grade(None if found is None else float(found))
    if made.value is not None and not math.isfinite(made.value):
        raise MetricError(f"metric `{metric.name}` gives {short(made.value)}, not a number")
    return made
