"""A whole search: baselines, trials, finals, what it means, and the recipe that comes out.

    outcome = await carry_out(program, search, Wishes(file="math.tts", folder=Path("searches/math-tune")))
    outcome.document["verdict"]["text"], outcome.recipe

Must run on the program's own loop (`Program.search` and the command do that), where its engines and their meter live.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from ttscale.compiler import ast
from ttscale.compiler.searches import COSTS, Search, is_auto, searches, study_key
from ttscale.runtime.evaluate.api import arm_of, grader_of, items_of, rows_of
from ttscale.runtime.evaluate.arms import Item, short_hash
from ttscale.runtime.evaluate.grading import Accuracy, Grader
from ttscale.runtime.search.asking import Asker
from ttscale.runtime.search.baselines import Baseline, BaselineMaker, Skipped
from ttscale.runtime.search.book import FOR_FINALS, Book, Limits, shared_out
from ttscale.runtime.search.errors import SearchError
from ttscale.runtime.search.expecting import Expectation
from ttscale.runtime.search.finals import FEW
from ttscale.runtime.search.history import Tried
from ttscale.runtime.search.loop import Driver, News, shuffled
from ttscale.runtime.search.meter import Meter
from ttscale.runtime.search.opening import measure_baselines
from ttscale.runtime.search.outlook import require_affordable
from ttscale.runtime.search.records import Records
from ttscale.runtime.search.samplers import chosen, optuna_sampler, proposer
from ttscale.runtime.search.sizes import sizes_of
from ttscale.runtime.search.space import SearchSpace
from ttscale.runtime.search.study import StudyLog, storage_of

if TYPE_CHECKING:
    from ttscale.runtime.program import Program

OLDER = 10
"""How many of an older study's best are tried again, at no cost where nothing but the space has changed."""

COMPARED = ("random", "greedy")
"""Samplers that are there to compare with, and so choose every trial themselves."""


@dataclass(frozen=True)
class Wishes:
    """How a search is made. `folder` None keeps everything in memory; `worker` is "0" for the one that also reports.

    `limits` take the place of what the declaration says, one by one; `limit_rows` shortens the rows of the search.
    """

    file: str = "program.tts"
    folder: Path | None = None
    storage: str | None = None
    sampler: str = ""
    seed: int | None = None
    limits: Limits = field(default_factory=Limits)
    fixed: Mapping[str, object] = field(default_factory=dict)
    concurrency: int | None = None
    racing: bool = True
    per_token: bool = False
    worker: str = "0"
    ablate: bool = True


@dataclass(frozen=True)
class Outcome:
    """What came of a search: a document of plain data, and the recipe (None where nothing could be chosen)."""

    document: dict[str, Any]
    recipe: str | None = None


@dataclass
class Stage:
    """All that the parts of a search share."""

    program: Program
    search: Search
    wishes: Wishes
    space: SearchSpace
    items: list[Item]
    held_out: list[Item]
    graders: tuple[Grader, ...]
    sampler: str
    limits: Limits
    key: str
    planned: str = ""
    """The parameter that the planner settles after the baselines: `fix n = auto`."""
    baselines: list[Baseline] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    expected: Expectation = field(default_factory=Expectation)
    in_both: int = 0
    """How many rows of the holdout were left out because the search has them."""
    opened: int = 0
    """Of how many of the questions there is an answer of every baseline."""

    @property
    def name(self) -> str:
        """The study's name."""
        return f"{Path(self.wishes.file).stem}:{self.search.name}:{self.key}"

    @property
    def prefix(self) -> str:
        """What the names of all studies of this search begin with."""
        return f"{Path(self.wishes.file).stem}:{self.search.name}:"

    @property
    def main(self) -> tuple[str, bool]:
        """The first goal, which decides the finals, and whether more of it is better."""
        return self.search.goals[0].name, self.search.goals[0].maximize


def named(program: Program, name: str | None) -> Search:
    """The search of that name, or the only one. Raises SearchError."""
    from ttscale.compiler.diagnostics import suggest

    known = {found.name: found for found in searches(program.checked.linked)}
    if not known:
        hint = "add `search tune over main { maximize accuracy on DATASET[0:100]  trials 40 }`"
        raise SearchError("the program has no `search`", hint=hint)
    if name is None and len(known) == 1:
        return next(iter(known.values()))
    if name in known:
        return known[name]
    near = suggest(name, known) if name else None
    hint = f"did you mean `{near}`?" if near else f"it has {', '.join(known)}"
    raise SearchError(f"there is no search `{name}`" if name else "say which search is meant", hint=hint)


def prepared(program: Program, search: Search, wishes: Wishes) -> Stage:
    """Everything that can be known before anything is asked.

    Raises CompileError, DataError, MetricError, SearchError.
    """
    fixed = {**dict(search.fixed), **wishes.fixed}
    space, planned = space_of(program, search, fixed)
    default = arm_of(program, search.pipeline or None, space.params(space.default))
    rows = rows_of(program, search.rows)
    if not rows:
        raise SearchError(f"`{search.on}` has no rows to search on", hint="widen the slice, or look at the file")
    items = items_of(rows, [default])
    held_out = items_of(rows_of(program, search.holdout), [default]) if search.holdout is not None else []
    seen = {item.id for item in items}
    in_both = sum(item.id in seen for item in held_out)
    held_out = [item for item in held_out if item.id not in seen]
    if held_out and len(items) + len(held_out) < FEW:
        items, held_out = [*items, *held_out], []
    metrics = [goal for goal in search.goals if goal.name not in COSTS]
    graders = tuple(grader_of(goal.metric or goal.name, program) for goal in metrics) or (Accuracy(program.folder),)
    for grader in graders:
        if isinstance(grader, Accuracy):
            for item in (*items, *held_out):
                grader.check(default.answer_type, item)
    seed = wishes.seed if wishes.seed is not None else search.seed
    search = replace(search, seed=seed)
    limits = limits_of(search, wishes.limits)
    space.know(sizes_of(items))
    sampler = wishes.sampler or search.sampler or chosen(space, len(search.goals), limits.trials)
    declared = next(
        d
        for d in program.checked.linked.main.tree.declarations
        if isinstance(d, ast.SearchDecl) and d.name == search.name
    )
    asked = short_hash([item.asked for item in items])
    key = short_hash([study_key(declared, program.checked.linked), default.digest, fixed, seed, asked])
    return Stage(
        program, search, wishes, space, shuffled(items, seed), shuffled(held_out, seed), graders, sampler, limits, key,
        planned, in_both=in_both,
    )  # fmt: skip


def space_of(program: Program, search: Search, fixed: Mapping[str, object]) -> tuple[SearchSpace, str]:
    """The space, and the parameter whose value is left to the planner, which is in the space until it is known."""
    known = {name: value for name, value in fixed.items() if value != "auto"}
    space = SearchSpace(program, search.pipeline or None, known)
    planned = [name for name in fixed if name not in known and is_auto(space.kinds.get(name), "auto")]
    if len(known) + len(planned) < len(fixed):
        known = {name: value for name, value in fixed.items() if name not in planned}
        space = SearchSpace(program, search.pipeline or None, known)  # `auto` is some choice's own word
    if not planned:
        return space, ""
    drawn, _ = BaselineMaker(space).samples()
    if planned != [drawn]:
        hint = f"only `{drawn}` can be left to it" if drawn else "give the first `generate` its `n:` from a parameter"
        raise SearchError(f"how large `{planned[0]}` should be, no planner tells", hint=hint)
    return space, drawn


def limits_of(search: Search, wanted: Limits) -> Limits:
    """The limits of a search: those wished for before those declared."""
    own = search.budget
    declared = Limits(own.calls, own.tokens, own.seconds, own.cost, search.trials)
    names = ("calls", "tokens", "seconds", "usd", "trials")
    return Limits(
        *(getattr(declared, n) if getattr(wanted, n) is None else getattr(wanted, n) for n in names)
    )  # fmt: skip


async def carry_out(
    program: Program,
    search: Search,
    wishes: Wishes,
    *,
    stop: asyncio.Event | None = None,
    heard: Callable[[News], None] | None = None,
    others: Callable[[], bool] | None = None,
) -> Outcome:
    """Search, and report; setting `stop` ends it with a whole study, which the same call goes on with later.

    `others` says whether other workers are still at work, which the finals wait for.
    """
    from ttscale.runtime.search.report import finish

    stage = prepared(program, search, wishes)
    require_affordable(stage)
    halt = stop if stop is not None else asyncio.Event()
    storage, where, book_url = storage_of(wishes.storage, wishes.folder)
    trial_limits = shared_out(stage.limits, 1 - FOR_FINALS if stage.held_out else 1.0)
    book = Book(book_url, stage.name, trial_limits)
    measured = short_hash([grader.identity for grader in stage.graders])
    records = Records(wishes.folder, wishes.worker, measured)
    meter = Meter(book)
    before = program.between
    program.between = meter.between
    kept = ExitStack()
    try:
        kept.enter_context(own_bank(program, wishes.folder))
        asker = _asker(stage, records, meter)
        with _clock(book, trial_limits, halt) as phase:
            asker.stop = phase.event
            seeded = await measure_baselines(stage, asker, heard)
            log = await _log(stage, storage, phase.event)
            driver = _driver(stage, log, book, meter, asker, heard)
            if wishes.worker == "0":
                _resume(stage, driver, seeded)
            await driver.run()
        if phase.is_over and not halt.is_set():
            driver.ended = "the time is spent"
        while others is not None and others() and not halt.is_set():
            await asyncio.sleep(0.2)
        if wishes.worker != "0":
            return Outcome({"ended": driver.ended})
        book.limits = stage.limits
        meter.is_spent = False
        with _clock(book, stage.limits, halt) as phase:
            driver.asker.stop = phase.event
            if driver.ended in ("the budget is spent", "the time is spent") and stage.sampler not in COMPARED:
                await driver.run_paid()
            return await finish(stage, driver, where, interrupted=halt.is_set())
    finally:
        meter.flush()
        program.between = before
        kept.close()
        records.close()
        book.close()


@contextmanager
def own_bank(program: Program, folder: Path | None) -> Iterator[None]:
    """Keep samples beside the study while a program without a bank is searched: trials share them all the same."""
    with ExitStack() as stack:
        where = folder if folder is not None else Path(stack.enter_context(TemporaryDirectory(prefix="ttscale-")))
        where.mkdir(parents=True, exist_ok=True)
        stack.enter_context(program.keeping(where / "bank.sqlite"))
        yield


def _number(worker: str) -> int:
    return int(worker) * 1_000 if worker.isdigit() else 0


def _asker(stage: Stage, records: Records, meter: Meter) -> Asker:
    return Asker(
        stage.program,
        records,
        stage.graders,
        asyncio.Event(),
        meter,
        stage.search.seed,
        stage.wishes.concurrency,
    )


async def _log(stage: Stage, storage: Any, stop: asyncio.Event) -> StudyLog:
    """The study, once it is known what the planner has settled; the first worker tells the others."""
    search = stage.search

    def opened(space: SearchSpace) -> StudyLog:
        sampler = optuna_sampler(stage.sampler, search.seed + _number(stage.wishes.worker))
        return StudyLog(stage.name, space, tuple(goal.maximize for goal in search.goals), storage, sampler)

    log = opened(stage.space)
    if not stage.planned:
        return log
    if stage.wishes.worker == "0":
        _, numbers = BaselineMaker(stage.space).samples()
        enough = [own for own in numbers if own >= stage.expected.enough > 0]
        log.settle({stage.planned: min(enough, default=max(numbers))})  # the largest where no law fits
    while not (found := log.settled()) and not stop.is_set():
        await asyncio.sleep(0.2)
    if stage.planned in found:
        stage.space = SearchSpace(
            stage.program, search.pipeline or None, {**stage.space.fixed, **found}, stage.space.sizes
        )
        said = f"`{stage.planned}` is held at {found[stage.planned]}, as `auto` says."
        stage.expected = replace(stage.expected, lines=(*stage.expected.lines, said))
        return opened(stage.space)
    return log


def _resume(stage: Stage, driver: Driver, seeded: Mapping[str, object] | None) -> None:
    """What the first worker does before it tries anything: end what killed ones left, and queue what is known good."""
    for _ in range(driver.log.bury()):
        driver.book.return_trial()
    if seeded is not None and driver.waiting:
        driver.waiting.append({name: value for name, value in seeded.items() if name in stage.space.axes})
    driver.waiting += [
        dict(t.assignment)
        for t in driver.log.older(stage.prefix)[:OLDER]
        if stage.space.fits(t.assignment)
    ]  # fmt: skip


def _driver(
    stage: Stage,
    log: StudyLog,
    book: Book,
    meter: Meter,
    asker: Asker,
    heard: Callable[[News], None] | None,
) -> Driver:
    driver = Driver(
        stage.search,
        stage.space,
        log,
        asker,
        book,
        stage.items,
        None,
        meter,
        racing=stage.wishes.racing,
        free_first=stage.sampler in ("tpe", "gp", "nsga2"),
        waiting=[stage.space.default] if stage.sampler != "random" else [],
        heard=heard,
        limits=stage.limits,
    )
    if stage.opened == len(stage.items):
        for baseline in stage.baselines:
            driver.prices.add(stage.space.priced(baseline.arm.graph))  # their samples are the first that trials share
    price = driver.missing if stage.wishes.per_token else None
    seed = stage.search.seed + _number(stage.wishes.worker)
    driver.proposer = proposer(stage.sampler, stage.space, driver.directions, seed, price, driver.missing)
    if heard is not None:
        asker.heard = lambda record: driver.say("answer")
    return driver


@dataclass
class _Phase:
    event: asyncio.Event
    is_over: bool = False


@contextmanager
def _clock(book: Book, limits: Limits, halt: asyncio.Event) -> Iterator[_Phase]:
    """A phase of a search that ends when `halt` is set or the time is over; its seconds are entered in the book."""
    phase = _Phase(asyncio.Event())
    started = time.monotonic()
    entered = 0.0

    async def watch() -> None:
        nonlocal entered
        begun = book.spent().seconds
        while True:
            if halt.is_set():
                phase.event.set()
                return
            gone = time.monotonic() - started
            if gone - entered >= 5:
                book.add_seconds(gone - entered)
                entered = gone
            if limits.seconds is not None and begun + gone >= limits.seconds:
                phase.is_over = True
                phase.event.set()
                return
            await asyncio.sleep(0.1)

    if halt.is_set():
        phase.event.set()
    task = asyncio.create_task(watch())
    try:
        yield phase
    finally:
        task.cancel()
        book.add_seconds(time.monotonic() - started - entered)


def tried_as_json(tried: Tried, names: Sequence[str]) -> dict[str, Any]:
    """A trial as plain data."""
    return {
        "number": tried.number,
        "params": {name: list(v) if isinstance(v, tuple) else v for name, v in tried.assignment.items()},
        "outcome": tried.outcome,
        "values": None if tried.values is None else dict(zip(names, tried.values, strict=True)),
        "questions": tried.questions,
        "new_tokens": tried.tokens,
        "why": tried.why,
    }
