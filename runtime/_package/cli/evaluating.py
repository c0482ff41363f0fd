"""What `eval` and `compare` have in common: programs opened for measuring, a bar with running estimates, reports."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ttscale.cli.console import err, is_terminal, out
from ttscale.cli.faults import INTERRUPTED, USAGE, USER, EndedRun, Failure
from ttscale.cli.interrupt import Interrupt
from ttscale.cli.opened import replaced
from ttscale.cli.options import is_locked
from ttscale.cli.sources import check_file, home_for

if TYPE_CHECKING:
    from ttscale.compiler.ir import Model
    from ttscale.runtime.evaluate.api import Request
    from ttscale.runtime.evaluate.measuring import Record
    from ttscale.runtime.evaluate.running import Job, Progress
    from ttscale.runtime.evaluate.summary import Report
    from ttscale.runtime.metrics.judge import Ask
    from ttscale.runtime.program import Program
    from ttscale.runtime.result import Result

    Asking = Callable[[str], Ask | None]


BY_METRIC = {"judge": "same_answer", "pairwise": "better_answer"}
"""The judges that come along, by the metric that asks them."""


@dataclass(frozen=True)
class Bench:
    """The options that say how measuring is done."""

    models: tuple[str, ...]
    bank: Path | None
    no_bank: bool
    out: Path | None
    as_json: bool
    quiet: bool


@dataclass(frozen=True)
class Outcome:
    """How an evaluation ended: the exit code, and its document with the `folder` of its records."""

    code: int
    document: dict[str, Any]


def open_for_measuring(file: str, bench: Bench) -> Program:
    """Check a file and open its program. Raises CompileError, BankError for a bank that was named and is none."""
    from ttscale.runtime.program import Program

    checked = check_file(file).require_ok()
    folder = home_for(file)
    given: Mapping[str, Model] = replaced(checked, bench.models) if bench.models else {}
    if is_locked():
        from ttscale.cli.lock_file import check_lock, declared_models

        kept = [model for model in declared_models(checked) if model.name not in given]
        check_lock(checked, Path(file), [*kept, *given.values()])
    return Program(checked, given, folder, bank_of(bench))


def bank_of(bench: Bench) -> Path | None:
    """The bank that is asked first: the one named, else the user's own where that can be opened."""
    from ttscale.runtime.bank.place import default_bank
    from ttscale.runtime.bank.runs import BankRuns
    from ttscale.runtime.bank.schema import BankError

    if bench.bank is not None and bench.no_bank:
        raise Failure("--bank and --no-bank contradict each other", code=USAGE)
    if bench.bank is not None or bench.no_bank:
        return bench.bank
    path = default_bank()
    try:
        BankRuns(path).close()
    except BankError as error:
        err(f"note: samples are not kept in a bank: {error}")
        return None
    return path


@contextmanager
def asking(program: Program, judge: str | None, bench: Bench) -> Iterator[Asking]:
    """What the metrics `judge` and `pairwise` ask: a pipeline of the program, or a model with judges that come along.

    Says at the end what the judge cost, which is no part of what pipelines cost.
    """
    from ttscale.runtime.metrics.judge import asker, load_judge

    if judge is None:
        yield lambda metric: None
        return
    spent: list[int] = []

    def heard(result: Result) -> None:
        spent.append(result.cost.tokens)

    if judge in program.pipelines:
        yield lambda metric: asker(program, judge, on_result=heard)
    else:
        with load_judge(judge) as own:
            yield lambda metric: asker(own, BY_METRIC.get(metric, ""), on_result=heard)
    if spent and not bench.quiet:
        err(f"note: the judge of the answers was asked {len(spent):,} times and spent {sum(spent):,} tokens")


async def measure(host: Program, request: Request, bench: Bench) -> Outcome:
    """Carry an evaluation out and write its reports; what was found is said where people read it."""
    from ttscale.runtime.evaluate.api import carry_out, seen_before
    from ttscale.runtime.evaluate.versus import sentence
    from ttscale.runtime.result import RunError

    if not bench.quiet:
        err(f"note: {sentence(seen_before(request))}")
    with Interrupt("stopping: finished answers are kept; Ctrl-C again ends at once") as interrupt:
        with Bar(shown=not bench.quiet and is_terminal(sys.stderr)) as bar:
            try:
                report = await carry_out(host, request, stop=interrupt.stop, heard=bar.heard)
            except RunError as failure:
                raise EndedRun(failure, host.checked.sources) from failure
        was_interrupted = interrupt.is_set
    if request.folder is not None:
        write_reports(report, request.folder)
    if not bench.as_json:
        show(report, bench, request.folder)
    state = report.document["state"]
    code = INTERRUPTED if was_interrupted else USER if state["done"] and state["failed"] == state["done"] else 0
    folder = None if request.folder is None else str(request.folder)
    return Outcome(code, {**report.document, "folder": folder})


def write_reports(report: Report, folder: Path) -> None:
    """Write the report in all its forms."""
    import json

    from ttscale.runtime.evaluate.folder import write_whole

    write_whole(folder / "report.html", report.html())
    write_whole(folder / "report.md", report.markdown())
    text = json.dumps(report.to_json(), indent=1, ensure_ascii=False, default=str)
    write_whole(folder / "report.json", text + "\n")


def show(report: Report, bench: Bench, folder: Path | None) -> None:
    """The figures on standard output, where the rest is on standard error."""
    out(report.text().rstrip())
    if folder is not None and not bench.quiet:
        err(f"{folder / 'report.html'} has every question and candidate")


class Bar:
    """Progress on standard error: answers done, time left, cost so far, and each pipeline's accuracy until now."""

    def __init__(self, *, shown: bool) -> None:
        self._bar: Any = None
        self._task: Any = None
        self._shown = shown
        self._wanted = 0

    def __enter__(self) -> Bar:
        if self._shown:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
            from rich.progress import Progress as Rich

            self._bar = Rich(
                BarColumn(bar_width=20),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
                TextColumn("{task.fields[cost]}"),
                TextColumn("{task.fields[estimate]}"),
                console=Console(stderr=True, highlight=False),
                redirect_stdout=False,
            )
            self._bar.start()
        return self

    def __exit__(self, *details: Any) -> None:
        if self._bar is not None:
            self._bar.stop()

    def heard(self, job: Job, record: Record, progress: Progress) -> None:
        """Show one more answer."""
        if self._bar is None:
            return
        if self._task is None or progress.wanted != self._wanted:
            if self._task is not None:
                self._bar.remove_task(self._task)
            self._task = self._bar.add_task("answers", total=progress.wanted, cost="", estimate="")
            self._wanted = progress.wanted
        cost = f"{progress.tokens:,} new tokens" + (f", ${progress.usd:.4f}" if progress.usd else "")
        self._bar.update(self._task, completed=progress.done, cost=cost, estimate=estimates(progress))


def estimates(progress: Progress) -> str:
    """Each pipeline's mean score until now, with half its interval where there is enough."""
    from ttscale.runtime.evaluate.looks import half_width

    told = []
    for label, scores in list(progress.scores.items())[:4]:
        means = [sum(own) / len(own) for own in scores.values()]
        width = f" ±{half_width(means):.1%}" if len(means) >= 10 else ""
        told.append(f"{label} {sum(means) / len(means):.1%}{width}")
    return ", ".join(told)


def folder_for(name: str, parts: Sequence[object], wanted: Path | None) -> Path:
    """Where records are kept: the folder that was named, else one of the question's own below `evals`."""
    from ttscale.runtime.evaluate.arms import short_hash

    return wanted if wanted is not None else Path("evals") / f"{name}-{short_hash(list(parts))[:8]}"
