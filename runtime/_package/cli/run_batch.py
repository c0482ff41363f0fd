"""Many questions: several at once, each finished row kept at once, and what they add up to at the end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import IO, TYPE_CHECKING, Any

from ttscale.cli.answers_file import RESERVED_COLUMNS, AnswersFile
from ttscale.cli.console import err, is_terminal, out, out_json, plural
from ttscale.cli.faults import INTERRUPTED, NO_ANSWER, USER, EndedRun, exact
from ttscale.cli.gpu_note import gpu_note
from ttscale.cli.interrupt import Interrupt
from ttscale.cli.live import Progress
from ttscale.cli.opened import Opened, open_program
from ttscale.cli.options import assignments
from ttscale.cli.rows import Row, from_dataset, from_file
from ttscale.cli.run_one import CUT, from_option, unreadable
from ttscale.cli.score import Tally, check_golds, mark
from ttscale.compiler.types import TEXT
from ttscale.runtime.engines.base import EngineError
from ttscale.runtime.pool_lines import line_of, samples_of
from ttscale.runtime.result import BudgetExhausted, Judgements, RunError
from ttscale.runtime.trace import Event, Listener

if TYPE_CHECKING:
    from ttscale.cli.run import Wishes
    from ttscale.runtime.result import Result

MOST_SHOWN = 5


@dataclass
class Batch:
    """A batch on its way.

    `failed` holds messages by row id; `notes` counts the rows that a note is true of, `cut` those that a limit cut
    short, `judgements` add up by stage, all of this run alone; `kept` counts rows that were in the output before,
    `made` new tokens and `from_bank` those that the bank had; with `streams` rows go to standard output as they finish.
    `idle` says that a GPU did nothing.
    """

    opened: Opened
    rows: list[Row]
    output: AnswersFile | None
    has_gold: bool
    progress: Progress
    trace: IO[str] | None
    pools: IO[str] | None = None
    tally: Tally = field(default_factory=Tally)
    records: list[dict[str, Any]] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    notes: Counter[str] = field(default_factory=Counter)
    idle: str = ""
    judgements: dict[str, Judgements] = field(default_factory=dict)
    cut: Counter[str] = field(default_factory=Counter)
    out_of_budget: int = 0
    kept: int = 0
    made: int = 0
    from_bank: int = 0
    streams: bool = False

    def listener(self, row: Row) -> Listener | None:
        """Writes the events of one row to the trace, named by the row."""
        if self.trace is None:
            return None
        trace = self.trace

        def write(event: Event) -> None:
            trace.write(json.dumps({"row": row.id, **event.to_json()}, ensure_ascii=False) + "\n")

        return write

    def finish(self, row: Row, result: Result) -> None:
        """Keep a row's answer."""
        record = {**shown_inputs(row), **summary_of(result)}
        if self.has_gold and row.gold is not None:
            marks = mark(result, self.opened.returns, row.gold)
            self.tally.add(marks)
            record |= {"gold": row.gold, "correct": marks.correct, "sampled": f"{marks.right}/{marks.of}"}
        self.keep(record)
        if self.pools is not None:
            line = line_of(row.id, samples_of(result), shown_question(row), row.gold)
            self.pools.write(json.dumps(line, ensure_ascii=False) + "\n")
            self.pools.flush()
        self.notes.update(set(result.notes))
        self.cut.update([result.cut_reason] if result.cut else [])
        for path, judged in result.judgements.items():
            before = self.judgements.get(path, Judgements())
            self.judgements[path] = Judgements(before.asked + judged.asked, before.unreadable + judged.unreadable)
        self.made += result.fresh.new_tokens
        self.from_bank += result.cost.new_tokens - result.fresh.new_tokens
        self.progress.advance(result.cost.calls, result.cost.tokens, result.cost.usd)

    def fail(self, row: Row, failure: RunError) -> None:
        """Keep that a row has no answer, and why."""
        said = f"{failure.diagnostic.code}: {failure.diagnostic.message}"
        self.failed[row.id] = said
        self.out_of_budget += isinstance(failure, BudgetExhausted)
        spent = failure.trace.total
        self.keep({**shown_inputs(row), "answer": None, "error": said})
        self.progress.advance(spent.calls, spent.tokens, spent.usd)

    def keep(self, record: dict[str, Any]) -> None:
        """Write a row where rows go."""
        self.records.append(record)
        if self.output is not None:
            self.output.add(record)
        if self.streams:
            out(json.dumps(record, ensure_ascii=False, default=str))
            sys.stdout.flush()


def shown_inputs(row: Row) -> dict[str, Any]:
    """The row's name and inputs; an input that has the name of a report's column is left out."""
    return {"id": row.id, **{k: v for k, v in row.inputs.items() if k not in RESERVED_COLUMNS}}


def shown_question(row: Row) -> str:
    """The row's question, else the first of its texts."""
    texts = [value for value in row.inputs.values() if isinstance(value, str)]
    return str(row.inputs.get("question") or (texts[0] if texts else ""))


def summary_of(result: Result) -> dict[str, Any]:
    """The columns of an answer; the pool and the trace are left out."""
    whole = result.to_json(trace=False)
    return {name: whole[name] for name in ("answer", "text", "decided", "cut", "cost")}


async def answer_rows(wishes: Wishes) -> int:
    """Answer every row of --input or --on; the exit code says how it ended."""
    opened = open_program(wishes)
    opened.use_bank(wishes.bank, wishes.no_bank)
    kinds = dict(opened.plan.graph.inputs)
    given = assignments(wishes.sets, "--set")
    fixed = {name: from_option(name, text, kinds.get(name, TEXT)) for name, text in given.items()}
    if wishes.input is not None:
        rows = from_file(wishes.input, opened.inputs, fixed, wishes.gold)
        has_gold = wishes.gold is not None
    else:
        rows = from_dataset(opened.checked, wishes.on or "", opened.inputs, fixed)
        has_gold = any(row.gold is not None for row in rows)
    rows = rows[: wishes.limit]
    check_golds(opened.returns, (row.gold for row in rows))
    with Interrupt("stopping: finished rows are kept; Ctrl-C again ends at once") as interrupt:
        with contextlib.ExitStack() as stack:
            batch = prepare(wishes, opened, rows, has_gold, stack)
            try:
                await work(batch, interrupt.stop, wishes.concurrency)
            except RunError as failure:
                raise EndedRun(failure, opened.checked.sources) from failure
            finally:
                batch.idle = gpu_note(opened)
                await opened.close()
        report(batch, wishes, interrupted=interrupt.is_set)
        if interrupt.is_set:
            return INTERRUPTED
    if not batch.failed:
        return 0
    return NO_ANSWER if batch.out_of_budget == len(rows) else USER


def prepare(wishes: Wishes, opened: Opened, rows: list[Row], has_gold: bool, stack: contextlib.ExitStack) -> Batch:
    """Open the output, take over what it holds, and leave the rows that are still to be answered."""
    output = None
    kept: dict[str, dict[str, Any]] = {}
    if wishes.output is not None:
        columns = [name for name in opened.inputs if name not in RESERVED_COLUMNS]
        asks = {row.id: row.digest() for row in rows}
        output = AnswersFile(wishes.output, columns, opened.fingerprint(), asks, overwrite=wishes.overwrite)
        stack.callback(output.close)
        kept = output.done
    left = [row for row in rows if row.id not in kept]
    already = len(rows) - len(left)
    if already and not wishes.quiet:
        err(f"{wishes.output}: {plural(already, 'row')} of {len(rows)} answered already, {len(left)} left")
    trace = stack.enter_context(wishes.trace.open("w", encoding="utf-8")) if wishes.trace is not None else None
    shown = not wishes.quiet and is_terminal(sys.stderr)
    progress = stack.enter_context(Progress(len(rows), already, shown=shown))
    # Rows that --output has are not asked again, so what a file of pools holds of them stays.
    mode = "a" if already else "w"
    pools = stack.enter_context(wishes.pools.open(mode, encoding="utf-8")) if wishes.pools is not None else None
    batch = Batch(opened, left, output, has_gold, progress, trace, pools, kept=already)
    batch.streams = wishes.input is not None and output is None and not wishes.as_json
    for row in rows:
        if has_gold and row.id in kept:
            batch.tally.add_row(kept[row.id])
    return batch


async def work(batch: Batch, stop: asyncio.Event, concurrency: int) -> None:
    """Answer the rows, `concurrency` at a time, until all are done, one failure says that all will fail, or `stop`."""
    waiting = iter(batch.rows)
    workers = [
        asyncio.create_task(one_worker(batch, waiting)) for _ in range(min(concurrency, max(1, len(batch.rows))))
    ]
    stopping = asyncio.create_task(stop.wait())
    running: set[asyncio.Task[Any]] = set(workers)
    try:
        while running and not stop.is_set():
            done, _ = await asyncio.wait({*running, stopping}, return_when=asyncio.FIRST_COMPLETED)
            running -= done
            for worker in done:
                worker.result()
    finally:
        stopping.cancel()
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)


async def one_worker(batch: Batch, waiting: Iterator[Row]) -> None:
    """Take rows from the shared iterator and answer them one after the other."""
    for row in waiting:
        try:
            result = await batch.opened.answer(row.inputs, batch.listener(row), None)
        except RunError as failure:
            if is_hopeless(failure):
                raise
            batch.fail(row, failure)
        else:
            batch.finish(row, result)


def is_hopeless(failure: RunError) -> bool:
    """Whether the model cannot be loaded or does not answer at all, so that the next row would end the same way."""
    return isinstance(failure.__cause__, EngineError) and failure.__cause__.fatal


def report(batch: Batch, wishes: Wishes, *, interrupted: bool) -> None:
    """Say what the batch adds up to."""
    answered = len(batch.records) - len(batch.failed)
    if wishes.as_json:
        out_json(as_data(batch, wishes, interrupted))
        return
    for name, said in list(batch.failed.items())[:MOST_SHOWN]:
        err(f"row {name}: {exact(said)}")
    if len(batch.failed) > MOST_SHOWN:
        err(f"… and {len(batch.failed) - MOST_SHOWN} more")
    if not wishes.quiet:
        tell_notes(batch, answered)
        if batch.idle:
            err(f"note: {batch.idle}")
    parts = [f"{plural(answered, 'row')} answered"]
    parts += [f"{batch.kept} kept from before"] if batch.kept else []
    parts += [f"{plural(len(batch.failed), 'row')} without an answer"] if batch.failed else []
    left = len(batch.rows) - len(batch.records)
    parts += [f"{plural(left, 'row')} left, interrupted"] if interrupted else []
    if batch.from_bank:
        parts += [f"{batch.from_bank:,} of {plural(batch.made + batch.from_bank, 'new token')} from the bank"]
    where = f"; {wishes.output} has them" if wishes.output is not None else ""
    if not wishes.quiet:
        err(", ".join(parts) + where)
    if batch.tally.marks:
        out(batch.tally.sentence())


def tell_notes(batch: Batch, answered: int) -> None:
    """What is worth knowing of the rows of this run, the most frequent first."""
    for reason, count in batch.cut.most_common():
        err(f"note: {count} of {plural(answered, 'row')} cut short, {CUT.get(reason, reason)}")
    for note, count in batch.notes.most_common(MOST_SHOWN):
        err(f"note: {note} ({count} of {plural(answered, 'row')})")
    if len(batch.notes) > MOST_SHOWN:
        err(f"… and {len(batch.notes) - MOST_SHOWN} more notes; --json has all")
    for path, judged in batch.judgements.items():
        if judged.unreadable:
            err(f"note: {unreadable(path, judged)}")


def as_data(batch: Batch, wishes: Wishes, interrupted: bool) -> dict[str, Any]:
    """The same for programs; the rows are in it where no file holds them."""
    data: dict[str, Any] = {
        "rows": len(batch.rows) + batch.kept,
        "answered": len(batch.records) - len(batch.failed),
        "kept": batch.kept,
        "failed": batch.failed,
        "interrupted": interrupted,
        "cut": dict(batch.cut),
        "notes": dict(batch.notes),
        "judgements": {path: asdict(judged) for path, judged in batch.judgements.items()},
        "cost": {"calls": batch.progress.calls, "tokens": batch.progress.tokens, "usd": batch.progress.usd},
        "fresh": {"new_tokens": batch.made},
        "output": str(wishes.output) if wishes.output is not None else None,
        "program": batch.opened.identity(),
    }
    if batch.tally.marks:
        data["score"] = batch.tally.to_json()
    if wishes.output is None:
        data["answers"] = batch.records
    return data
