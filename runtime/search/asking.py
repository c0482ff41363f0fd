"""Asks the questions of one pipeline that have no record yet, for a search.

A question that was on its way when the budget ended or the search was stopped leaves no record: it may have gone
without samples that it would have had. What it did sample is in the bank, so asking again costs only the rest.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ttscale.runtime.engines.base import EngineError
from ttscale.runtime.evaluate.arms import Arm, Item, questions_at_once
from ttscale.runtime.evaluate.grading import Grader
from ttscale.runtime.evaluate.measuring import Record, failed_record, record_of
from ttscale.runtime.program import Program
from ttscale.runtime.result import RunError
from ttscale.runtime.search.meter import Meter
from ttscale.runtime.search.records import Records


@dataclass
class Asker:
    """What asking needs: the program that runs all, where records are kept, and what may end it.

    `seed` is that of every run, so that equal samples of different pipelines are one sample.
    """

    host: Program
    records: Records
    graders: tuple[Grader, ...]
    stop: asyncio.Event
    meter: Meter | None = None
    seed: int = 0
    concurrency: int | None = None
    heard: Callable[[Record], None] | None = None

    @property
    def is_over(self) -> bool:
        """Whether nothing more may be asked."""
        return self.stop.is_set() or (self.meter is not None and self.meter.is_spent)

    async def ask(self, arm: Arm, items: Sequence[Item]) -> list[Record] | None:
        """The records of all items, asked where they are missing; None where that was ended before the last.

        Raises RunError where a model cannot be loaded, MetricError where an answer cannot be measured.
        """
        return self.records.of(arm, items) if await self.ask_each([arm], items) == len(items) else None

    async def ask_each(self, arms: Sequence[Arm], items: Sequence[Item]) -> int:
        """Ask one question of all arms after the other; how many of the first questions have a record of each.

        What ends it early leaves as many questions as were paid for, each of them with all arms to compare.
        """
        missing = iter(
            [(item, left) for item in items if (left := [arm for arm in arms if self.records.find(arm, item) is None])]
        )

        async def worker() -> None:
            for item, left in missing:
                for arm in left:
                    if self.is_over:
                        return
                    record = await self._answer(arm, item)
                    if self.is_over or record is None:
                        return
                    kept = self.records.add(record)
                    if self.heard is not None:
                        self.heard(kept)

        count = self.concurrency or questions_at_once(arms)
        tasks = [asyncio.create_task(worker()) for _ in range(max(1, min(count, len(items))))]
        stopped = asyncio.create_task(self.stop.wait())
        try:
            running: set[asyncio.Task[object]] = set(tasks)
            while running and not self.stop.is_set():
                done, _ = await asyncio.wait({*running, stopped}, return_when=asyncio.FIRST_COMPLETED)
                for task in done & running:
                    task.result()
                running -= done
        finally:
            for task in (*tasks, stopped):
                task.cancel()
            await asyncio.gather(*tasks, stopped, return_exceptions=True)
        whole = (all(self.records.find(arm, item) is not None for arm in arms) for item in items)
        return next((place for place, is_whole in enumerate(whole) if not is_whole), len(items))

    async def _answer(self, arm: Arm, item: Item) -> Record | None:
        try:
            result = await self.host.answer(arm.plan, item.inputs_of(arm.graph), seed=self.seed, of=arm.program)
        except RunError as failure:
            if self.is_over:
                return None
            if isinstance(failure.__cause__, EngineError) and failure.__cause__.fatal:
                raise
            return failed_record(failure, arm, item, self.seed)
        return await record_of(result, arm, item, self.seed, self.graders)
