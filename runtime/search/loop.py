"""The loop of a search: propose, measure question by question, drop what is surely worse, write down.

Baselines are no trials: they are measured first, and trials share their samples. What is dropped is worse than a trial
on the front. A trial that the budget or Ctrl-C ends in the middle leaves its answers behind, and the next worker that
proposes it goes on with them.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ttscale.compiler.searches import COSTS, Search
from ttscale.runtime.evaluate.api import arm_of
from ttscale.runtime.evaluate.arms import Arm, Item
from ttscale.runtime.evaluate.measuring import Record
from ttscale.runtime.search.asking import Asker
from ttscale.runtime.search.book import Book, Limits, Spent
from ttscale.runtime.search.errors import SearchError
from ttscale.runtime.search.gp import MOST_LISTED
from ttscale.runtime.search.history import Tried, front
from ttscale.runtime.search.meter import Meter
from ttscale.runtime.search.prices import Prices
from ttscale.runtime.search.proposers import Proposer, unseen
from ttscale.runtime.search.racing import LEAST, Race, Rival, looks_at
from ttscale.runtime.search.space import SearchSpace, shown
from ttscale.runtime.search.study import StudyLog

REPEATS = 20
"""How often a sampler may propose what was tried, or cannot run, before a pipeline is drawn at random."""

COST_NAMES = {"tokens": "tokens", "calls": "calls", "seconds": "seconds", "cost": "usd"}


@dataclass(frozen=True)
class News:
    """Something that a listener may show: `kind` is "baseline", "trial", "final" or "answer"; `now` tells all else."""

    kind: str
    text: str = ""
    tried: Tried | None = None
    now: Callable[[], State] | None = None


@dataclass(frozen=True)
class State:
    """How a search stands: the best trial in the first goal, how many are on the front, what is spent of what."""

    best: Tried | None
    front: int
    spent: Spent
    limits: Limits


@dataclass
class Driver:
    """One worker of a search. `items` are the questions in the one order in which all are asked."""

    search: Search
    space: SearchSpace
    log: StudyLog
    asker: Asker
    book: Book
    items: Sequence[Item]
    proposer: Proposer | None
    meter: Meter | None = None
    racing: bool = True
    free_first: bool = True
    waiting: list[dict[str, object]] = field(default_factory=list)
    heard: Callable[[News], None] | None = None
    limits: Limits | None = None
    arms: dict[tuple[tuple[str, object], ...], Arm] = field(default_factory=dict)
    prices: Prices = field(default_factory=Prices)
    ended: str = ""
    _priced: int = 0
    _turn: int = 0

    @property
    def directions(self) -> tuple[bool, ...]:
        """Whether more is better, goal by goal."""
        return tuple(goal.maximize for goal in self.search.goals)

    @property
    def goals(self) -> dict[str, bool]:
        """The same by name."""
        return {goal.name: goal.maximize for goal in self.search.goals}

    def say(self, kind: str, text: str = "", tried: Tried | None = None) -> None:
        """Tell the listener."""
        if self.heard is not None:
            self.heard(News(kind, text, tried, self.state))

    def state(self) -> State:
        """How the search stands."""
        best = front(self.log.history(), self.directions)
        limits = self.limits if self.limits is not None else self.book.limits
        return State(best[0] if best else None, len(best), self.book.spent(), limits)

    # --- the loop --------------------------------------------------------------------------------

    async def run(self) -> None:
        """Make trials until the budget, the trials, the space or the proposer's ideas end; `ended` says which."""
        while not self.ended:
            if self.asker.stop.is_set():
                self.ended = self.ended or "stopped"
            elif self.asker.is_over:
                self.ended = "the budget is spent"
            elif not self.book.take_trial():
                self.ended = "all trials are made"
            else:
                await self._turned()
                if self.meter is not None:
                    self.meter.flush()
            await asyncio.sleep(0)

    async def run_paid(self) -> None:
        """Once nothing new may be sampled for trials: try what the samples that are there permit, up to the trials."""
        ended = self.ended
        history = self.log.history()
        self._note_prices(history)
        if not self.prices.drawn:
            return  # nothing costs anything, so no budget of calls or tokens has ended it
        costly = 0
        for assignment in self._all_free(history):
            if self.asker.is_over or not self.book.take_trial():
                break
            before = self.meter.spent_here if self.meter is not None else None
            await self._tried(self._entered(self.log.begin(assignment)), self.log.history())
            # Calls that were cut short just before may still be entered while the first of these is measured.
            costly += self.meter is not None and self.meter.spent_here != before
            if costly > 1:
                break  # what should cost nothing does: the bank does not keep what these models say
        if self.meter is not None:
            self.meter.flush()
        self.ended = ended

    async def _turned(self) -> None:
        history = self.log.history()
        self._note_prices(history)
        found = self._next(history)
        if found is None:
            self.book.return_trial()
            self.ended = "there is nothing left to try"
            return
        await self._tried(found, history)

    async def _tried(self, found: tuple[Any, dict[str, object]], history: Sequence[Tried]) -> None:
        trial, assignment = found
        started = time.monotonic()
        before = self.meter.spent_here if self.meter is not None else None
        tried = await self._measured(trial, assignment, history)
        if tried is None:
            self.book.return_trial()
            return
        if before is not None and self.meter is not None:
            tried = replace(tried, tokens=(self.meter.spent_here - before).tokens)
        self.log.end(
            trial,
            assignment,
            tried.outcome,
            tried.values,
            questions=tried.questions,
            tokens=tried.tokens,
            why=tried.why,
        )
        self.say("trial", f"{time.monotonic() - started:.1f}s", tried)

    def _next(self, history: Sequence[Tried]) -> tuple[Any, dict[str, object]] | None:
        """A new trial of something that can run and was not tried."""
        seen = {tried.key for tried in history}
        ready = self._waiting(seen) or (self._free(history, seen) if self.free_first else None)
        if ready is None and self.proposer is not None:
            ready = self.proposer.propose(history)
            if ready is None:
                return None
        if ready is not None:
            return self._entered(self.log.begin(ready))
        for _ in range(REPEATS):
            trial, assignment = self.log.begin()
            why = self.space.why_not(assignment)
            if not why and tuple(assignment.items()) not in seen:
                return self._entered((trial, assignment))
            same = next((t for t in history if t.key == tuple(assignment.items()) and t.outcome == "done"), None)
            # A sampler learns from what it asked for: known values are told again, what cannot run is dropped.
            self._tell_again(trial, same, why)
        source = random.Random(f"{self.search.seed}/{len(history)}")
        drawn = unseen(self.space, history, source)
        return None if drawn is None else self._entered(self.log.begin(drawn))

    def _tell_again(self, trial: Any, same: Tried | None, why: str) -> None:
        states = self.log.optuna.trial.TrialState
        if same is not None and same.values is not None:
            self.log.study.tell(trial, list(same.values))
        else:
            self.log.study.tell(trial, state=states.PRUNED if why else states.FAIL)

    def _entered(self, found: tuple[Any, dict[str, object]]) -> tuple[Any, dict[str, object]]:
        self.log.enter(*found)
        return found

    def _waiting(self, seen: set[tuple[tuple[str, object], ...]]) -> dict[str, object] | None:
        """The next of what was to be tried first: the defaults, and what an older study found."""
        while self.waiting:
            own = self.space.canonical(self.waiting.pop(0))
            if tuple(own.items()) not in seen and not self.space.why_not(own):
                return own
        return None

    # --- what is paid for ------------------------------------------------------------------------

    def _note_prices(self, history: Sequence[Tried]) -> None:
        for tried in history[self._priced :]:
            if tried.outcome in ("done", "running"):
                self.prices.add(self.space.price(tried.assignment))
        self._priced = len(history)

    def missing(self, assignment: Mapping[str, object]) -> float:
        """The tokens of a question that a pipeline would have to make."""
        return float(self.prices.of(self.space.price(assignment))[1])

    def _free(self, history: Sequence[Tried], seen: set[tuple[tuple[str, object], ...]]) -> dict[str, object] | None:
        """Every second time, the first at once: a neighbour of the front that costs nothing."""
        if not history:
            return None
        self._turn += 1
        if self._turn % 2 == 0:
            return None
        for best in front(history, self.directions):
            if not any(self.prices.of(self.space.price(best.assignment))):
                return None  # nothing costs anything here
            for name, axis in self.space.axes.items():
                for value in axis.values or ():
                    near = self.space.canonical({**best.assignment, name: value})
                    if tuple(near.items()) in seen or self.space.why_not(near):
                        continue
                    if self.missing(near) == 0:
                        return near
        return None

    def _all_free(self, history: Sequence[Tried]) -> list[dict[str, object]]:
        """All pipelines that were not tried and cost nothing, those that differ least from the best first."""
        if self.space.combinations > MOST_LISTED:
            return []
        seen = {tried.key for tried in history}
        best = front(history, self.directions)[:1]
        near = dict(best[0].assignment) if best else self.space.default
        found = [
            own
            for own in self.space.all()
            if tuple(own.items()) not in seen and not self.space.why_not(own) and self.missing(own) == 0
        ]
        return sorted(found, key=lambda own: sum(near.get(name) != value for name, value in own.items()))

    # --- measuring -------------------------------------------------------------------------------

    def arm(self, assignment: Mapping[str, object]) -> Arm:
        """The pipeline of an assignment, ready to be asked."""
        key = self.space.key(assignment)
        if key not in self.arms:
            params = self.space.params(assignment)
            self.arms[key] = arm_of(self.space.program, self.space.pipeline, params, label=shown(dict(key)))
        return self.arms[key]

    async def _measured(self, trial: Any, assignment: dict[str, object], history: Sequence[Tried]) -> Tried | None:
        """A trial's outcome; None where it was ended before enough was asked."""
        arm = self.arm(assignment)
        looks = looks_at(len(self.items), racing=self.racing)
        race = Race(self.goals, looks)
        rivals = self.rivals(history) if len(looks) > 1 else []
        for count in looks:
            records = await self.asker.ask(arm, self.items[:count])
            if records is None:
                self.log.end(trial, assignment, "failed", why="ended before it was measured")
                self.ended = "stopped" if self.asker.stop.is_set() else "the budget is spent"
                return None
            values = self.values(records)
            means = tuple(sum(own) / len(own) for own in values.values())
            if count == len(self.items):
                return Tried(trial.number, assignment, "done", means, count)
            better = race.drops(count, values, rivals)
            if better:
                return Tried(trial.number, assignment, "pruned", means, count, why=f"worse than {better}")
        raise AssertionError("the last look is at all questions")

    def rivals(self, history: Sequence[Tried]) -> list[Rival]:
        """The pipelines of the front, question by question."""
        found: list[Rival] = []
        for tried in front(history, self.directions):
            arm = self.arm(tried.assignment)
            records = self.asker.records.of(arm, self.items)
            if len(records) == len(self.items):
                found.append(Rival(arm.label, self.values(records)))
        return found

    def values(self, records: Sequence[Record]) -> dict[str, list[float]]:
        """What the goals are on each question."""
        return {goal.name: [value_of(record, goal.name) for record in records] for goal in self.search.goals}


def value_of(record: Record, name: str) -> float:
    """One measure of one answer. Raises SearchError where it is not known."""
    if name in COSTS:
        return float(record["cost"][COST_NAMES[name]])
    value = record.get("grades", {}).get(name, record.get("score"))
    if value is None and record.get("error"):
        return 0.0
    if value is None:
        raise SearchError(f"`{name}` of question {record['id']} is not known", hint="give every row an `answer`")
    return float(value)


def shuffled(items: Sequence[Item], seed: int) -> list[Item]:
    """The questions in the one order of a study, decided by its seed and not by how the file is sorted."""
    order = sorted(items, key=lambda item: item.id)
    random.Random(f"questions/{seed}").shuffle(order)
    return order


__all__ = ["LEAST", "Driver", "News", "shuffled", "value_of"]
