"""The work of `ttscale try`: look at the table, write the program, climb the ladder, say what was found."""

from __future__ import annotations

import hashlib
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from ttscale.cli.console import duration, err, is_terminal, out, out_json, plural, table
from ttscale.cli.evaluating import Bar, Bench, open_for_measuring
from ttscale.cli.faults import INTERRUPTED, USAGE, EndedRun, Failure
from ttscale.cli.interrupt import Interrupt
from ttscale.runtime.trying.answers import LONG, NAMES, Kind, NoKind, kind_of
from ttscale.runtime.trying.columns import Columns, Unclear, choose
from ttscale.runtime.trying.ladder import Climb, Step, climb
from ttscale.runtime.trying.reading import SHEETS, Table, looks_headless, only_answer, read, usable
from ttscale.runtime.trying.writing import Rung, Task, Written, written

if TYPE_CHECKING:
    from ttscale.cli.try_data import Trial
    from ttscale.compiler.ir import Model

MADE = "# Made by `ttscale try`"
FEW = 8
"""With fewer questions answered no cause can be told."""
FEWEST = 6
"""With fewer rows nothing can be told."""


async def try_it(asked: Trial) -> int:
    """Carry a trial out; 130 where Ctrl-C ended it."""
    table = table_of(asked.data)
    columns = columns_of(asked, table.rows)
    kind = answers_of(asked, table.rows, columns)
    rows, left_out = usable_rows(table.rows, columns)
    notes = [*table.notes, *left_out]
    if looks_headless(rows, columns):
        notes.append("the first line looks like a row: is there a header with the names of the columns?")
    file = asked.output if asked.output is not None else Path(f"{asked.data.name.partition('.')[0]}.tts")
    is_whole = len(rows) == len(table.rows)
    thinking = thinks(asked.model)
    task = Task(asked.data, rows, columns, kind, asked.model, thinking, file.parent, table.options, is_whole)
    made = written(task, f"{MADE} from {asked.data.name}; yours to change.")
    write(file, made, asked.force)
    if not asked.quiet:
        answers = f"{', '.join(columns.golds)} {'have' if len(columns.golds) > 1 else 'has'} the right answers"
        err(f"{len(rows)} rows; {', '.join(columns.inputs)} {'ask' if len(columns.inputs) > 1 else 'asks'}, {answers}")
        for note in notes:
            err(f"note: {note}")
        unused = [name for name in rows[0] if name not in (*columns.inputs, *columns.golds)]
        if unused:
            err(f"not used: {', '.join(unused)}")
        err(f"an answer is {kind.said}; if that is wrong, say --input, --gold or --type ({', '.join(NAMES)})")
        err(f"wrote {file}" + (f" and {made.rows[0]}" if made.rows else ""))
    if asked.dry_run:
        return 0
    return await climbed(asked, task, file, made)


async def climbed(asked: Trial, task: Task, file: Path, made: Written) -> int:
    """Ask the rungs, and say what was found."""
    from ttscale.runtime.result import RunError

    bench = Bench((), asked.bank, asked.no_bank, None, asked.as_json, asked.quiet)
    metric = "token_f1" if is_long(task.kind) else "accuracy"
    # what is asked comes behind the rows that are shown as examples
    ask = f"rows[{task.shots}:]"
    with (
        open_for_measuring(str(file), bench) as program,
        Interrupt("stopping: what was answered is summed up; Ctrl-C again ends at once") as interrupt,
        Bar(shown=not asked.quiet and is_terminal(sys.stderr)) as bar,
    ):
        try:
            found = await climb(
                program,
                [rung.name for rung in made.rungs],
                ask,
                metric,
                seconds=60 * asked.minutes,
                limit=asked.limit,
                stop=interrupt.stop,
                heard=bar.heard,
            )
        except RunError as failure:
            raise EndedRun(failure, program.checked.sources) from failure
        interrupted = interrupt.is_set
    if not found.questions:
        raise Failure(
            f"no question was answered by all recipes within {asked.minutes:g} minutes",
            f"give it longer: --minutes {asked.minutes * 3:g}; what was sampled is in the bank",
        )
    if asked.as_json:
        out_json(document(task, file, made.rungs, found, metric))
    else:
        for line in report(task, file, made.rungs, found, metric):
            out(line)
    return INTERRUPTED if interrupted and found.questions < found.wanted else 0


# --- looking at the table ------------------------------------------------------------------------------


def table_of(path: Path) -> Table:
    """The rows of a data file by their columns. Failure where it is none or has too few."""
    if path.suffix.lower() in SHEETS:
        hint = "save the sheet as text first: in Excel, Numbers or LibreOffice `Save as` or `Export`, CSV in UTF-8"
        raise Failure(f"{path} is a file of a spreadsheet program", hint, USAGE)
    if path.suffix.lower() not in (".csv", ".tsv", ".jsonl", ".json", ".parquet"):
        raise Failure(f"{path} is no table", "give a .csv, .tsv, .jsonl, .json or .parquet file", USAGE)
    if not path.is_file():
        raise Failure(f"there is no file {path}")
    table = read(path)
    if len(table.rows) < FEWEST:
        few = f"{plural(len(table.rows), 'row')}, of which nothing can be told"
        raise Failure(f"{path} has {few}", f"give at least {FEWEST}, and a first line with the columns' names")
    return table


def columns_of(asked: Trial, rows: Sequence[Mapping[str, object]]) -> Columns:
    """The columns that ask and answer; the user is asked where that is unclear. Failure without a terminal."""
    inputs, golds = asked.inputs, asked.golds
    while True:
        try:
            return choose(rows, inputs, golds)
        except Unclear as unclear:
            flag = f"--{unclear.what}"
            what = "has the right answers" if unclear.what == "gold" else "asks"
            has_all = "there is no column" in str(unclear)
            if has_all or not unclear.among or not (is_terminal(sys.stdin) and is_terminal(sys.stderr)):
                among = ", ".join(unclear.among) or "none"
                message = f"it is unclear which column {what}: {unclear}"
                raise Failure(message, f"say {flag} COLUMN; there is {among}", USAGE) from None
            given = click.prompt(f"Which column {what}?", type=click.Choice(list(unclear.among)), err=True)
            inputs, golds = (inputs, (given,)) if unclear.what == "gold" else ((given,), golds)


def answers_of(asked: Trial, rows: Sequence[Mapping[str, object]], columns: Columns) -> Kind:
    """What an answer is. Failure where it is not what was asked for."""
    values: list[object]
    if len(columns.golds) > 1:
        values = [{name: row.get(name) for name in columns.golds} for row in rows]
    else:
        values = [row.get(columns.golds[0]) for row in rows]
    try:
        return kind_of(values, asked.kind or "")
    except NoKind as fault:
        raise Failure(str(fault), f"say what an answer is: --type {'|'.join(NAMES)}") from fault


def usable_rows(rows: Sequence[dict[str, object]], columns: Columns) -> tuple[list[dict[str, object]], list[str]]:
    """The rows that tell something, and what was left out. Failure for too few, or where all have one answer."""
    found, notes = usable(rows, columns)
    if len(found) < FEWEST:
        told = "; ".join(notes)
        raise Failure(f"only {plural(len(found), 'row')} ask something else and have a right answer", told)
    only = only_answer(found, columns)
    if only is not None:
        hint = "give rows with different right answers, or name another column with --gold"
        raise Failure(f"every right answer is {only[:80]!r}, so there is nothing to tell apart", hint)
    return found, notes


def thinks(locator: str) -> bool:
    """Whether a model writes thoughts; False where that cannot be told. Raises EngineError for missing weights."""
    from ttscale.cli.opened import from_here
    from ttscale.runtime.model_facts import is_here, look

    model: Model = from_here("solver", locator)
    if model.kind != "gguf" or not is_here(model):
        return False
    facts = look({"solver": model}, Path.cwd()).get("solver")
    return bool(facts is not None and facts.abilities.thinking)


def write(file: Path, made: Written, force: bool) -> None:
    """Write the program, and its rows. Failure where a program is there that somebody wrote or changed."""
    if file.is_file() and not force:
        before = file.read_text(encoding="utf-8", errors="replace")
        if not is_untouched(before):
            hint = "choose another name with --output, or write over it with --force"
            raise Failure(f"{file} is there already, and not as `ttscale try` left it", hint)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(signed(made.text), encoding="utf-8", newline="\n")
    if made.rows is not None:
        (file.parent / made.rows[0]).write_text(made.rows[1], encoding="utf-8", newline="\n")


def signed(text: str) -> str:
    """The program with a mark in its first line, by which it is known as long as nobody changes it."""
    first, _, rest = text.partition("\n")
    return f"{first} [{hashlib.sha256(rest.encode()).hexdigest()[:8]}]\n{rest}"


def is_untouched(text: str) -> bool:
    """Whether a program is as `try` wrote it."""
    first, _, rest = text.partition("\n")
    return first.startswith(MADE) and first.endswith(f"[{hashlib.sha256(rest.encode()).hexdigest()[:8]}]")


def is_long(kind: Kind) -> bool:
    """Whether answers are compared by their words, and not for equality."""
    return kind.name == "text" and kind.words >= LONG


# --- saying what was found -----------------------------------------------------------------------------


def report(task: Task, file: Path, rungs: Sequence[Rung], found: Climb, metric: str) -> list[str]:
    """The table, what stands in the way, and the next command."""
    said = {rung.name: rung.said for rung in rungs}
    asked = f"{found.questions} of " if found.questions < found.wanted else ""
    lines = [
        f"{asked}{plural(found.wanted, 'question')}, {metric}, {model_name(task.model)}, {duration(found.seconds)}",
        "",
    ]
    rows = [("recipe", metric, "95% interval", "minus greedy", "calls", "tokens", "what it does")]
    for step in found.steps:
        low, high = step.interval
        rows.append(
            (
                step.name,
                f"{step.mean:.0%}",
                f"{low:.0%} to {high:.0%}",
                gain(step),
                f"{step.calls:.1f}",
                f"{step.tokens:,.0f}",
                said[step.name],
            )
        )
    lines += [*table(rows, frozenset({1, 3, 4, 5})), ""]
    lines += verdict(found)
    lines += [f"- {finding['text']}" for finding in findings(file, found)]
    lines += ["", "next:"]
    return lines + [f"  {command}" for command in commands(task, file, found)]


def gain(step: Step) -> str:
    """The difference to the first rung with its interval, in points."""
    if step.against is None:
        return ""
    low, high = 100 * step.against.low, 100 * step.against.high
    return f"{100 * step.against.difference:+.0f} ({low:+.0f} to {high:+.0f})"


def verdict(found: Climb) -> list[str]:
    """Which rungs are surely better than one plain answer, and whether that is settled."""
    better = [step for step in found.steps if step.against is not None and step.against.verdict == "better"]
    worse = [step.name for step in found.steps if step.against is not None and step.against.verdict == "worse"]
    lines = []
    if better:
        top = max(better, key=lambda step: (step.mean, -step.tokens))
        lines.append(f"{top.name} is better than one plain answer, by more than chance explains.")
    else:
        lines.append(
            f"No recipe is surely better than one plain answer on {plural(found.questions, 'question')}"
            + (f"; {found.best.name} has the best figure." if found.best is not found.steps[0] else ".")
        )
    if worse:
        lines.append(f"Surely worse: {', '.join(worse)}.")
    return lines


def findings(file: Path, found: Climb) -> list[dict[str, str]]:
    """What stands in the way of better answers, from the rung with the most samples; nothing for a few questions."""
    if found.questions < FEW:
        return []
    from ttscale.runtime.search.diagnosis import diagnose, signs

    telling = next((s for s in found.steps if s.name in ("majority", "judged", "fused")), found.best)
    judged = next((s for s in found.steps if s.name == "judged"), telling)
    own = signs(judged.records if judged.calls >= telling.calls else telling.records)
    return [{"name": one.name, "text": one.text, "command": one.command} for one in diagnose(own, str(file), "tune")]


def commands(task: Task, file: Path, found: Climb) -> list[str]:
    """What to do next, the most useful first."""
    best = found.best
    asked = ' "…"' if len(task.inputs) == 1 else "".join(f' --set {name}="…"' for name in task.inputs)
    lines = [f"ttscale run {file} --pipeline {best.name}{asked}", f"ttscale search {file} tune"]
    if found.questions < found.wanted:
        again = f"ttscale try {task.data} --model {shlex.quote(task.model)} --minutes 15"
        lines.insert(0, f"{again}    # the other rows; what was sampled stays")
    extra = [one["command"] for one in findings(file, found)]
    return list(dict.fromkeys([*lines, *extra]))


def model_name(locator: str) -> str:
    """A model's name in few characters."""
    return Path(locator).name if locator.lower().endswith(".gguf") else locator


def document(task: Task, file: Path, rungs: Sequence[Rung], found: Climb, metric: str) -> dict[str, Any]:
    """Everything as plain data."""
    return {
        "data": str(task.data),
        "file": str(file),
        "inputs": list(task.columns.inputs),
        "gold": list(task.columns.golds),
        "type": task.kind.name,
        "model": task.model,
        "metric": metric,
        "questions": found.questions,
        "wanted": found.wanted,
        "seconds": round(found.seconds, 1),
        "recipes": [
            {
                "name": step.name,
                "does": rung.said,
                "mean": step.mean,
                "interval": list(step.interval),
                "calls": step.calls,
                "tokens": step.tokens,
                "minus_first": None
                if step.against is None
                else {
                    "difference": step.against.difference,
                    "interval": [step.against.low, step.against.high],
                    "verdict": step.against.verdict,
                },
            }
            for rung, step in zip(rungs, found.steps, strict=True)
        ],
        "best": found.best.name,
        "diagnosis": findings(file, found),
        "next": commands(task, file, found),
    }
