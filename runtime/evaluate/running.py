"""Asks what is missing: every question of every arm and seed that has no record yet.

The order goes question by question and, in it, arm by arm, so that whenever a run is stopped all arms have been asked
the same questions (but for those on their way) and can be compared. Answers of one question come from the same shared
prefixes and follow one another. With a wanted precision the run ends at the first of its planned looks (see `looks`) at
which every arm's accuracy is known so well.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from ttscale.runtime.engines.base import EngineError
from ttscale.runtime.evaluate.arms import Arm, Item
from ttscale.runtime.evaluate.folder import RunFolder
from ttscale.runtime.evaluate.grading import Grader
from ttscale.runtime.evaluate.looks import LEVEL, half_width, looks, together
from ttscale.runtime.evaluate.measuring import Record, failed_record, record_of
from ttscale.runtime.program import Program
from ttscale.runtime.result import RunError


@dataclass(frozen=True)
class Settings:
    """How an evaluation is made: seeds (each question is asked once a seed), how many questions at once, and the wanted
    half width of every arm's 95% interval (None: ask all)."""

    seeds: tuple[int, ...] = (0,)
    concurrency: int = 4
    precision: float | None = None

    def looks(self, questions: int) -> tuple[int, ...]:
        """After how many answers of each arm the run looks whether it knows enough; none without a precision."""
        return () if self.precision is None else looks(questions * len(self.seeds))

    def level(self, questions: int) -> float:
        """The level of each arm's interval: 95%, or so much more that the intervals of all looks hold together."""
        planned = self.looks(questions)
        return together(planned) if planned else LEVEL


@dataclass(frozen=True)
class Job:
    """One answer that is wanted."""

    arm: Arm
    item: Item
    seed: int


@dataclass
class Progress:
    """How far a run is: `done` answers of `wanted`, `kept` of them from before; scores by arm and question.

    `calls`, `tokens` (new ones) and `usd` are what models were asked now, and not what a bank had.
    """

    wanted: int
    kept: int = 0
    done: int = 0
    calls: int = 0
    tokens: int = 0
    usd: float = 0.0
    failed: int = 0
    is_early: bool = False
    scores: dict[str, dict[str, list[float]]] = field(default_factory=dict)

    def add(self, arm: Arm, record: Record, *, is_new: bool) -> None:
        """Count one record."""
        self.done += 1
        self.kept += not is_new
        self.failed += bool(record.get("error"))
        score = record.get("score")
        if isinstance(score, int | float):
            self.scores.setdefault(arm.label, {}).setdefault(str(record["id"]), []).append(float(score))
        if is_new:
            fresh = record["fresh"]
            self.calls += int(fresh["calls"])
            self.tokens += int(fresh["new_tokens"])
            self.usd += float(fresh["usd"])

    def means(self, arm: Arm) -> list[float]:
        """The mean score of each question so far."""
        return [sum(own) / len(own) for own in self.scores.get(arm.label, {}).values()]


Listener = Callable[[Job, Record, Progress], None]


async def answer_all(
    host: Program,
    arms: Sequence[Arm],
    items: Sequence[Item],
    settings: Settings,
    graders: tuple[Grader, ...],
    folder: RunFolder,
    *,
    stop: asyncio.Event | None = None,
    heard: Listener | None = None,
) -> Progress:
    """Answer every question that has no record yet; `host` runs them all, so that arms share loaded models.

    Setting `stop` ends it with what is done; questions on their way are cancelled. Raises RunError where a model cannot
    be loaded at all, MetricError where an answer cannot be measured.
    """
    progress = Progress(len(arms) * len(items) * len(settings.seeds))
    planned = {count * len(arms) for count in settings.looks(len(items))}
    level = settings.level(len(items))

    def is_enough() -> bool:
        return progress.done in planned and is_precise(arms, progress, settings.precision or 0, level)

    missing: list[Job] = []
    for job in jobs(arms, items, settings.seeds):
        record = folder.find(job.arm, job.item, job.seed)
        if record is None:
            missing.append(job)
            continue
        progress.add(job.arm, record, is_new=False)
        if heard is not None:
            heard(job, record, progress)
    if is_enough():
        progress.is_early = bool(missing)
        return progress
    waiting = iter(missing)
    halt = stop if stop is not None else asyncio.Event()
    enough = asyncio.Event()

    async def worker() -> None:
        for job in waiting:
            record = await _answer(host, job, graders)
            folder.add(record)
            progress.add(job.arm, record, is_new=True)
            if heard is not None:
                heard(job, record, progress)
            if is_enough():
                enough.set()

    await _until([worker() for _ in range(max(1, min(settings.concurrency, len(missing))))], halt, enough)
    progress.is_early = enough.is_set() and progress.done < progress.wanted
    return progress


async def _until(workers: Sequence[Coroutine[Any, Any, None]], *events: asyncio.Event) -> None:
    """Run coroutines until all are done, one fails, or one of the events is set."""
    tasks = [asyncio.create_task(worker) for worker in workers]
    ends = [asyncio.create_task(event.wait()) for event in events]
    running: set[asyncio.Task[Any]] = set(tasks)
    try:
        while running and not any(event.is_set() for event in events):
            done, _ = await asyncio.wait({*running, *ends}, return_when=asyncio.FIRST_COMPLETED)
            for task in done & running:
                task.result()
            running -= done
    finally:
        for task in (*tasks, *ends):
            task.cancel()
        await asyncio.gather(*tasks, *ends, return_exceptions=True)


def jobs(arms: Sequence[Arm], items: Sequence[Item], seeds: Sequence[int]) -> Iterator[Job]:
    """All answers that are wanted, in the order in which they are asked for."""
    for seed in seeds:
        for item in items:
            for arm in arms:
                yield Job(arm, item, seed)


async def _answer(host: Program, job: Job, graders: tuple[Grader, ...]) -> Record:
    try:
        result = await host.answer(job.arm.plan, job.item.inputs_of(job.arm.graph), seed=job.seed, of=job.arm.program)
    except RunError as failure:
        if isinstance(failure.__cause__, EngineError) and failure.__cause__.fatal:
            raise
        return failed_record(failure, job.arm, job.item, job.seed)
    return await record_of(result, job.arm, job.item, job.seed, graders)


def is_precise(arms: Sequence[Arm], progress: Progress, precision: float, level: float) -> bool:
    """Whether every arm's mean is known to within `precision`."""
    scores = [progress.means(arm) for arm in arms]
    return all(own and half_width(own, level) <= precision for own in scores)
