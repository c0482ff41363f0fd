"""Asks every rung the same questions, question by question, until all are asked or the time is up."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ttscale.runtime.evaluate.api import Request, arm_of, carry_out, grader_of, items_of, rows_of
from ttscale.runtime.evaluate.arms import questions_at_once
from ttscale.runtime.evaluate.measuring import Record
from ttscale.runtime.evaluate.running import Listener, Settings
from ttscale.runtime.metrics import compare, mean_interval, wilson
from ttscale.runtime.metrics.comparison import Comparison

if TYPE_CHECKING:
    from ttscale.runtime.program import Program


@dataclass(frozen=True)
class Step:
    """How a rung did: its scores question by question, their interval, and costs as means a question.

    `against` compares it with the first rung; None for that one, or for fewer than two questions.
    """

    name: str
    scores: tuple[float, ...]
    interval: tuple[float, float]
    calls: float
    tokens: float
    records: tuple[Record, ...]
    against: Comparison | None = None

    @property
    def mean(self) -> float:
        """The mean score."""
        return sum(self.scores) / max(1, len(self.scores))


@dataclass(frozen=True)
class Climb:
    """All rungs on the questions that all of them answered, of so many wanted, after so many seconds."""

    steps: tuple[Step, ...]
    questions: int
    wanted: int
    seconds: float

    @property
    def best(self) -> Step:
        """The rung with the best mean; of equal ones the cheaper."""
        return max(self.steps, key=lambda step: (step.mean, -step.tokens))


async def climb(
    program: Program,
    names: Sequence[str],
    rows: str,
    metric: str,
    *,
    seconds: float,
    limit: int | None = None,
    stop: asyncio.Event | None = None,
    heard: Listener | None = None,
) -> Climb:
    """Ask all rungs of a program; `rows` are those of its dataset. Raises MetricError, DataError, RunError."""
    arms = tuple(arm_of(program, name, {}) for name in names)
    items = tuple(items_of(rows_of(program, rows), arms)[:limit])
    request = Request("try", arms, items, (grader_of(metric, program),), Settings(concurrency=questions_at_once(arms)))
    halt = stop if stop is not None else asyncio.Event()
    begun = time.monotonic()

    async def clock() -> None:
        await asyncio.sleep(seconds)
        halt.set()

    timer = asyncio.create_task(clock())
    try:
        report = await carry_out(program, request, stop=halt, heard=heard)
    finally:
        timer.cancel()
    return summed_up(names, report.records, [item.id for item in items], time.monotonic() - begun)


def summed_up(
    names: Sequence[str], records: Mapping[str, Sequence[Record]], ids: Sequence[str], seconds: float
) -> Climb:
    """The rungs on the questions that all of them answered."""
    by_id = {name: {str(record["id"]): record for record in records[name]} for name in names}
    common = [name for name in ids if all(name in own for own in by_id.values())]
    scores = {name: tuple(float(by_id[name][one]["score"] or 0.0) for one in common) for name in names}
    first = names[0]
    pairs = [(scores[name], scores[first]) for name in names[1:]]
    compared = compare(pairs) if len(common) >= 2 and pairs else [None] * len(pairs)
    against = dict(zip(names[1:], compared, strict=True))
    steps = []
    for name in names:
        own = [by_id[name][one] for one in common]
        count = max(1, len(own))
        steps.append(
            Step(
                name,
                scores[name],
                interval_of(scores[name]),
                sum(record["cost"]["calls"] for record in own) / count,
                sum(record["cost"]["tokens"] for record in own) / count,
                tuple(own),
                against.get(name),
            )
        )
    return Climb(tuple(steps), len(common), len(ids), seconds)


def interval_of(scores: Sequence[float]) -> tuple[float, float]:
    """The 95% interval of a mean: Wilson's for right and wrong, a bootstrap's for shares; nothing is known of none."""
    if not scores:
        return 0.0, 1.0
    if all(score in (0, 1) for score in scores):
        return wilson(int(sum(scores)), len(scores))
    return mean_interval(scores)
