"""The finals as they are asked: finalists and baselines on the rows that were held out, question by question.

Every question goes to all of them before the next one does, so a budget that ends in the middle leaves fewer questions
and not fewer pipelines, and all are compared on the same ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ttscale.runtime.evaluate.arms import Arm, Item
from ttscale.runtime.search.baselines import Baseline, BaselineMaker
from ttscale.runtime.search.finals import FINALISTS, Entry, Verdict, cross_validated, holdout
from ttscale.runtime.search.history import Tried
from ttscale.runtime.search.loop import Driver

if TYPE_CHECKING:
    from ttscale.runtime.search.api import Stage

Runner = tuple[Arm, bool, Mapping[str, object]]
"""A pipeline of the finals: how to ask it, whether it is a baseline, and its parameters."""


@dataclass(frozen=True)
class Tested:
    """The verdict, and on how many held-out questions it rests; none where the budget paid for none of them."""

    verdict: Verdict | None = None
    questions: int = 0


async def retest(stage: Stage, driver: Driver, history: Sequence[Tried], best: Sequence[Tried]) -> Tested:
    """The finalists and the baselines on rows that chose none of them, as many as the budget pays.

    Without such rows, or where not one of them could be paid for, the choice is cross-validated. Where no pipeline was
    measured to the end, the baselines are compared with each other. No verdict where these have no answers either.
    """
    main, more = stage.main
    done = [t for t in history if t.outcome == "done"]
    if done:
        await _equal_majority(stage, driver, best[0])
    if not done and stage.opened < len(stage.items):
        # Nothing was chosen on these questions, so they are as good as those held out, and some have answers already.
        await driver.asker.ask_each([b.arm for b in stage.baselines], stage.items)
        return Tested(_of_baselines(stage, driver))
    if stage.held_out:
        runners = _runners(stage, driver, _finalists(done, best, driver.directions))
        asked = await driver.asker.ask_each([arm for arm, _, _ in runners], stage.held_out)
        if asked:
            entries = _entries(driver, runners, stage.held_out[:asked])
            return Tested(holdout(entries, main, more), asked)
    elif done:
        await driver.asker.ask_each([b.arm for b in stage.baselines], stage.items)
    if not done:
        return Tested(_of_baselines(stage, driver))
    entries = _entries(driver, _runners(stage, driver, done), stage.items)
    if not entries:
        return Tested()
    return Tested(cross_validated(entries, main, more, seed=stage.search.seed, compared=len(done)))


def _of_baselines(stage: Stage, driver: Driver) -> Verdict | None:
    """The baselines on the questions of the search that all of them answered; None where there are none."""
    main, more = stage.main
    arms = [b.arm for b in stage.baselines]
    find = driver.asker.records.find
    items = [item for item in stage.items if all(find(arm, item) is not None for arm in arms)]
    if not arms or not items:
        return None
    part = "the questions" if len(items) == len(stage.items) else f"{len(items)} of the {len(stage.items)} questions"
    return holdout(_entries(driver, _runners(stage, driver, []), items), main, more, how=f"{part} of the search")


def _runners(stage: Stage, driver: Driver, finalists: Sequence[Tried]) -> list[Runner]:
    runners: list[Runner] = [(driver.arm(t.assignment), False, t.assignment) for t in finalists]
    return runners + [(b.arm, True, {}) for b in stage.baselines]


def _entries(driver: Driver, runners: Sequence[Runner], items: Sequence[Item]) -> list[Entry]:
    """Those that have answered all of these questions."""
    found = []
    for arm, is_baseline, params in runners:
        records = driver.asker.records.of(arm, items)
        if len(records) == len(items):
            found.append(Entry(arm.label, is_baseline, driver.values(records), params))
    return found


def _finalists(done: Sequence[Tried], best: Sequence[Tried], directions: Sequence[bool]) -> list[Tried]:
    """The front, filled up with the next best in the first goal, to at most five."""
    sign = 1 if directions[0] else -1
    others = sorted(
        (t for t in done if t.values is not None and all(t.number != own.number for own in best)),
        key=lambda t: (-sign * (t.values or (0.0,))[0], t.number),
    )
    return [*best, *others][:FINALISTS]


async def _equal_majority(stage: Stage, driver: Driver, best: Tried) -> None:
    """Adds the majority of as many samples as cost what the best trial costs."""
    single = next((b for b in stage.baselines if b.label == "single sample"), None)
    if single is None or any(b.label.startswith("majority") for b in stage.baselines) is False:
        return
    own = driver.asker.records.of(driver.arm(best.assignment), stage.items)
    one = driver.asker.records.of(single.arm, stage.items)
    if not own or not one:
        return
    price = sum(r["cost"]["tokens"] for r in one) / len(one)
    n = round(sum(r["cost"]["tokens"] for r in own) / len(own) / max(1.0, price))
    if n < 2:
        return
    found = BaselineMaker(stage.space).majority(n)
    if isinstance(found, Baseline) and all(found.arm.digest != b.arm.digest for b in stage.baselines):
        stage.baselines.append(found)
