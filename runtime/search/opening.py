"""The beginning of a search: what has to be beaten is measured before anything is tried.

Every question goes to all baselines before the next one does, so that a budget which ends among them leaves fewer
questions and not fewer baselines, and all of them can still be compared.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from ttscale.runtime.evaluate.measuring import Record
from ttscale.runtime.search.asking import Asker
from ttscale.runtime.search.baselines import BaselineMaker
from ttscale.runtime.search.expecting import expectation
from ttscale.runtime.search.loop import News, value_of
from ttscale.runtime.search.spare import spare_rows

if TYPE_CHECKING:
    from ttscale.runtime.search.api import Stage


def make_baselines(stage: Stage) -> BaselineMaker:
    """Enter the baselines of a search in its stage, and those that cannot be; nothing is asked."""
    spare = spare_rows(stage.program, stage.search, [*stage.items, *stage.held_out])
    maker = BaselineMaker(stage.space, spare)
    stage.baselines, stage.skipped = maker.all()
    return maker


async def measure_baselines(
    stage: Stage, asker: Asker, heard: Callable[[News], None] | None
) -> Mapping[str, object] | None:
    """Measure the baselines, first and on the same budget; workers but the first leave that to it.

    Returns the assignment that the planner would try, if its fit says so. What ended it early is in `stage.opened`:
    of how many questions there is an answer of each.
    """
    if stage.wishes.worker != "0":
        return None
    maker = make_baselines(stage)
    arms = [baseline.arm for baseline in stage.baselines]
    if heard is not None:
        asker.heard = _teller(stage, len(arms), heard)
    stage.opened = await asker.ask_each(arms, stage.items) if arms else len(stage.items)
    items = stage.items[: stage.opened]
    seeded = None
    name = stage.search.goals[0].name
    for baseline in stage.baselines if items else ():
        records = asker.records.of(baseline.arm, items)
        value = sum(value_of(record, name) for record in records) / len(records)
        if heard is not None:
            part = "" if len(items) == len(stage.items) else f" on {len(items)} of {len(stage.items)} questions"
            heard(News("baseline", f"{baseline.label}: {name} {value:.3g}{part}"))
        if baseline.label.startswith("majority"):
            stage.expected = expectation(records)
            seeded = maker.with_samples(stage.expected.enough)
    return seeded if len(items) == len(stage.items) else None


def _teller(stage: Stage, arms: int, heard: Callable[[News], None]) -> Callable[[Record], None]:
    """Tells of each answer how far the baselines are."""
    asked = 0
    every = arms * len(stage.items)

    def told(_: Record) -> None:
        nonlocal asked
        asked += 1
        heard(News("answer", f"{arms} baselines, {asked:,} of {every:,} answers"))

    return told
