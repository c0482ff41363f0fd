"""`ttscale bank`: look at the bank of samples, take samples out and put them in, keep it small and sound."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from ttscale.cli.app import Family, json_option
from ttscale.cli.app import command as make_command
from ttscale.cli.console import err, out, out_json, plural, table
from ttscale.cli.faults import USAGE, Failure

if TYPE_CHECKING:
    from ttscale.runtime.bank.store import Bank

MIB = 2**20
which = click.option("--bank", "bank_path", type=click.Path(path_type=Path), help="Another bank than your own.")


def opened(path: Path | None, *, create: bool = False) -> Bank:
    """The bank that `--bank` names, else the user's own. Raises BankError where there is none."""
    from ttscale.runtime.bank.place import VARIABLE, default_bank
    from ttscale.runtime.bank.schema import open_file
    from ttscale.runtime.bank.store import Bank

    place = path if path is not None else default_bank()
    if place is None:
        raise Failure(f"{VARIABLE} says that no bank is used", "name one with --bank", USAGE)
    open_file(place, create=create).close()
    return Bank(place)


def with_bank(path: Path | None, work: Callable[[Bank], Any], *, create: bool = False) -> Any:
    """The outcome of some work at a bank, which is closed then."""
    with opened(path, create=create) as bank:
        return work(bank)


@click.group(cls=Family, examples=("ttscale bank stats", "ttscale bank export --run last --output pool.jsonl"))
def command() -> None:
    """Look at the bank, where samples and judgements are kept; export, import and merge them."""


@make_command("ttscale bank stats", "ttscale bank stats --bank lab.sqlite --json", name="stats")
@which
@json_option
def stats_command(bank_path: Path | None, as_json: bool) -> None:
    """Say what the bank holds, by model."""
    from ttscale.runtime.bank.care import stats

    found = with_bank(bank_path, stats)
    if as_json:
        out_json(found)
        return
    out(f"{found['bank']}: {found['bytes'] / MIB:,.1f} MiB")
    counts = [plural(found[name], name[:-1]) for name in ("samples", "judgements", "prompts", "runs")]
    out(f"{', '.join(counts)}; {found['new_tokens']:,} new tokens; {found['running']} left unfinished")
    rows = [("model", "samples", "new tokens", "judgements")]
    rows += [(m["model"], f"{m['samples']:,}", f"{m['new_tokens']:,}", f"{m['judgements']:,}") for m in found["models"]]
    for line in table(rows, frozenset({1, 2, 3})) if found["models"] else []:
        out(line)


@make_command("ttscale bank runs", "ttscale bank runs --json", name="runs")
@which
@json_option
def runs_command(bank_path: Path | None, as_json: bool) -> None:
    """List the runs that the bank remembers, the latest first; `ttscale why` compares two of them."""
    from ttscale.runtime.bank.why import runs

    found = with_bank(bank_path, runs)
    if as_json:
        out_json({"runs": found})
        return
    rows = [("run", "started", "pipeline", "questions", "from the bank", "made")]
    rows += [
        (r["run"], r["started"], str(r.get("pipeline", "")), str(r["questions"]), f"{r['kept']:,}", f"{r['fresh']:,}")
        for r in found
    ]
    for line in table(rows, frozenset({3, 4, 5})):
        out(line)


@make_command(
    "ttscale bank export --run last --rows rows.jsonl --gold answer --output pool.jsonl",
    "ttscale bank export --full --output all.jsonl",
    name="export",
)
@which
@click.option("--output", type=click.Path(path_type=Path), required=True, help="The pool file to write.")
@click.option("--run", metavar="RUN", help="Only what this run asked for, question by question.")
@click.option("--stage", metavar="PATH", help="Only this stage of the run, such as main/generate.")
@click.option("--model", metavar="MODEL", help="Only samples of this model, as `bank stats` names it.")
@click.option("--rows", type=click.Path(path_type=Path), help="A .jsonl file of questions with their right answers.")
@click.option("--gold", metavar="COLUMN", help="The column of --rows that holds the right answers.")
@click.option("--full", is_flag=True, help="Write all that the bank knows, so that the file can be imported.")
@json_option
def export_command(
    bank_path: Path | None,
    output: Path,
    run: str | None,
    stage: str | None,
    model: str | None,
    rows: Path | None,
    gold: str | None,
    full: bool,
    as_json: bool,
) -> None:
    """Write samples as a pool file, which `ttscale replay` reads: a line for each question of a run, or each prompt."""
    from ttscale.runtime.bank.exchange import Selection, exported

    if (rows is None) != (gold is None) or (rows is not None and run is None):
        raise Failure("--rows and --gold belong together, and to --run", code=USAGE)
    if stage is not None and run is None:
        raise Failure("--stage belongs to --run", code=USAGE)
    golds = golds_of(rows, gold) if rows is not None and gold is not None else None
    with ExitStack() as kept:
        bank = kept.enter_context(opened(bank_path))
        lines = exported(bank, Selection(run, stage, model), full=full, golds=golds)
        # The first line is made before the file is touched: what names nothing leaves an older file as it is.
        lines = chain([first] if (first := next(lines, None)) else [], lines)
        stream = kept.enter_context(output.open("w", encoding="utf-8"))
        questions = samples = marked = 0
        for line in lines:
            stream.write(json.dumps(line, ensure_ascii=False) + "\n")
            questions, samples = questions + 1, samples + len(line["samples"])
            marked += "gold" in line
    if as_json:
        out_json({"output": str(output), "questions": questions, "samples": samples, "with_gold": marked})
        return
    if golds is not None and marked < questions:
        err(f"note: {questions - marked} of {plural(questions, 'question')} found no row in {rows}")
    if not questions:
        err("note: no samples are there of what was asked for")
    out(f"{output}: {plural(questions, 'question')}, {plural(samples, 'sample')}")


class Golds:
    """Right answers by the inputs of a question: a row fits when it has all of them, whatever else it has."""

    def __init__(self, rows: list[dict[str, Any]], column: str) -> None:
        self._rows = rows
        self._column = column
        self._tables: dict[tuple[str, ...], dict[str, object]] = {}

    def __call__(self, inputs: str) -> object:
        """The right answer to inputs as JSON, or None."""
        given = json.loads(inputs)
        names = tuple(sorted(given))
        if names not in self._tables:
            self._tables[names] = {
                as_text({name: row[name] for name in names}): row[self._column]
                for row in self._rows
                if self._column in row and all(name in row for name in names)
            }
        return self._tables[names].get(as_text(given))


def as_text(inputs: dict[str, Any]) -> str:
    """Inputs in the form in which they are compared."""
    return json.dumps(inputs, ensure_ascii=False, sort_keys=True)


def golds_of(path: Path, column: str) -> Golds:
    """The right answers in a file of JSON Lines, in a published shape as datasets read it.

    So of GSM8K `answer` is the number behind `####`. Raises Failure where the file is none, or lacks the column.
    """
    from ttscale.runtime.datasets.shapes import recognised

    rows: list[dict[str, Any]] = []
    for number, line in enumerate(path.read_text(encoding="utf-8-sig").splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise Failure(f"{path}:{number}: not JSON: {error}") from error
        if isinstance(row, dict):
            rows.append(row)
    shape = recognised(rows[0]) if rows else None
    if shape is not None:
        rows = [{**row, **shape.fields(row)} if shape.fits(row) else row for row in rows]
    if not any(column in row for row in rows):
        raise Failure(f"{path} has no column {column}")
    return Golds(rows, column)


@make_command("ttscale bank import all.jsonl", "ttscale bank import all.jsonl --bank lab.sqlite --json", name="import")
@click.argument("pool", type=click.Path(path_type=Path))
@which
@json_option
def import_command(pool: Path, bank_path: Path | None, as_json: bool) -> None:
    """Add the samples of POOL, a file written by `bank export --full`."""
    from ttscale.runtime.bank.exchange import imported

    found = with_bank(bank_path, lambda bank: imported(bank, pool), create=True)
    if as_json:
        out_json(found)
        return
    out(f"{plural(found['added'], 'sample')} added, {found['known']:,} known already")


@make_command("ttscale bank merge other.sqlite", "ttscale bank merge other.sqlite --bank lab.sqlite", name="merge")
@click.argument("other", type=click.Path(path_type=Path))
@which
@json_option
def merge_command(other: Path, bank_path: Path | None, as_json: bool) -> None:
    """Add all samples, judgements and runs of the bank OTHER, which stays as it is."""
    from ttscale.runtime.bank.exchange import merged

    found = with_bank(bank_path, lambda bank: merged(bank, other), create=True)
    if as_json:
        out_json(found)
        return
    out(f"{plural(found['added'], 'sample')} added, {found['known']:,} known already")
    out(f"{plural(found['judgements'], 'judgement')} and {plural(found['runs'], 'run')} added")


@make_command(
    "ttscale bank gc --older-than 90 --dry-run",
    "ttscale bank gc --model small.gguf",
    name="gc",
)
@which
@click.option("--older-than", type=click.FloatRange(min=0), metavar="DAYS", help="Throw away what is older than this.")
@click.option("--model", metavar="MODEL", help="Throw away only what this model made, as `bank stats` names it.")
@click.option("--superseded", is_flag=True, help="Throw away beginnings of samples that were gone on with.")
@click.option("--dry-run", is_flag=True, help="Only say what would be thrown away.")
@json_option
def gc_command(
    bank_path: Path | None,
    older_than: float | None,
    model: str | None,
    superseded: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Throw away samples by age or model, and what nothing needs any more; the only way in which rows go."""
    from ttscale.runtime.bank.care import Rubbish, gc

    rubbish = Rubbish(older_than, model, superseded)
    found = with_bank(bank_path, lambda bank: gc(bank, rubbish, dry_run=dry_run))
    if as_json:
        out_json({**found, "dry_run": dry_run})
        return
    parts = [f"{count:,} {name}" for name, count in found.items() if count]
    said = "would be thrown away" if dry_run else "thrown away"
    out(f"{', '.join(parts)} {said}" if parts else "nothing to throw away")


@make_command("ttscale bank verify", "ttscale bank verify --bank lab.sqlite --json", name="verify")
@which
@json_option
def verify_command(bank_path: Path | None, as_json: bool) -> int:
    """Check every row of the bank against its key and its text; exit code 1 where something is wrong."""
    from ttscale.runtime.bank.care import verify

    found = with_bank(bank_path, verify)
    if as_json:
        out_json({"sound": not found, "problems": found})
    else:
        for problem in found:
            err(problem)
        out("the bank is sound" if not found else plural(len(found), "problem"))
    return 1 if found else 0


for _one in (
    stats_command,
    runs_command,
    export_command,
    import_command,
    merge_command,
    gc_command,
    verify_command,
):
    command.add_command(_one)
