"""`ttscale eval`: measure pipelines on rows with gold answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from ttscale.cli.app import command as make_command
from ttscale.cli.app import json_option
from ttscale.cli.console import err, out_json
from ttscale.cli.faults import USAGE, Failure
from ttscale.cli.options import (
    bank_options,
    code_package_option,
    file_argument,
    granted,
    locked_option,
    model_option,
    param_option,
    parameters,
    unsafe_code_option,
)

if TYPE_CHECKING:
    from ttscale.cli.evaluating import Asking, Bench
    from ttscale.compiler.evals import Evaluation
    from ttscale.runtime.datasets import Loaded
    from ttscale.runtime.evaluate.api import Request
    from ttscale.runtime.program import Program

MATCHED = ("tokens", "calls", "seconds", "cost")


@dataclass(frozen=True)
class Measuring:
    """The options that say what is measured; None where a declaration decides."""

    on: str | None
    gold: str
    params: tuple[str, ...]
    metrics: tuple[str, ...]
    judge: str | None
    seeds: int | None
    seed: int | None
    match: str | None
    ablate: bool
    precision: float | None
    concurrency: int | None
    limit: int | None


def measuring_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options that `eval` and `compare` share."""
    options = (
        click.option("--gold", metavar="COLUMN", default="answer", help="The column of a file that holds the gold."),
        param_option,
        model_option,
        click.option(
            "--metric", "metrics", multiple=True, metavar="NAME", help="accuracy, or another measure; may be repeated."
        ),
        click.option(
            "--judge",
            metavar="MODEL",
            help="Who grades for the metrics `judge` and `pairwise`: a model, or a pipeline of FILE.",
        ),
        click.option("--seeds", type=click.IntRange(min=1), metavar="N", help="Ask every question this often."),
        click.option("--seed", type=click.IntRange(min=0), help="The first seed."),
        click.option("--match", type=click.Choice(MATCHED), help="Change sizes until all pipelines spend the same."),
        click.option("--ablate", is_flag=True, help="Also measure the pipelines without each of their stages."),
        click.option(
            "--precision",
            type=click.FloatRange(min=0, max=0.5, min_open=True),
            metavar="SHARE",
            help="Stop when every 95% interval is within plus or minus this, such as 0.03.",
        ),
        click.option(
            "--concurrency",
            type=click.IntRange(min=1),
            metavar="N",
            help="Questions at once; else 4 to 16, enough for 32 calls.",
        ),
        click.option("--limit", type=click.IntRange(min=1), metavar="N", help="At most this many rows."),
        click.option("--out", type=click.Path(path_type=Path), help="The run folder; default one below `evals`."),
        bank_options,
        unsafe_code_option,
        code_package_option,
        click.option("--quiet", "-q", is_flag=True, help="Print the figures only."),
        json_option,
    )
    for option in reversed(options):
        function = option(function)
    return function


@make_command(
    "ttscale eval bench.tts",
    "ttscale eval self_consistency.tts --on gsm[0:100] --param n=16 --seeds 3",
    "ttscale eval notes.tts main,other --on questions.jsonl --precision 0.03",
)
@file_argument
@click.argument("name", required=False)
@click.option("--on", metavar="ROWS", help="Rows of a dataset of FILE, such as gsm[0:100], or a .jsonl or .csv file.")
@measuring_options
@locked_option
def command(file: str, name: str | None, **options: Any) -> int:
    """Measure pipelines of FILE: accuracy, cost, which is better, and where right answers are lost.

    Without --on the `eval` declarations of FILE say what is measured; NAME picks those with a pipeline of that name, or
    one by its number. With --on NAME names the pipelines, `main,other`. Answers are kept in a run folder: the same
    command goes on where it was stopped and asks nothing twice. Ctrl-C reports on what is done.
    """
    import asyncio

    from ttscale.cli.evaluating import asking, open_for_measuring

    wishes, bench = read_options(options)
    with open_for_measuring(file, bench) as program, asking(program, wishes.judge, bench) as ask:
        requests = wanted(program, file, name, wishes, bench, ask)
        return asyncio.run(measure_all(program, requests, bench))


def read_options(options: dict[str, Any]) -> tuple[Measuring, Bench]:
    """What the shared options said."""
    from ttscale.cli.evaluating import Bench

    how = {key: options.pop(key) for key in ("models", "bank", "no_bank", "out", "as_json", "quiet")}
    return Measuring(**options), Bench(**how)


async def measure_all(program: Program, requests: Sequence[Request], bench: Bench) -> int:
    """Measure one after the other; the first bad ending is the exit code. With --json several are a list."""
    from ttscale.cli.evaluating import measure

    documents: list[dict[str, Any]] = []
    code = 0
    for request in requests:
        outcome = await measure(program, request, bench)
        documents.append(outcome.document)
        code = outcome.code
        if code:
            break
    if bench.as_json:
        out_json(documents[0] if len(requests) == 1 else documents)
    return code


def wanted(
    program: Program, file: str, name: str | None, wishes: Measuring, bench: Bench, ask: Asking
) -> list[Request]:
    """The evaluations that are asked for. Failure where the file declares none and no rows are named."""
    from ttscale.compiler.evals import Evaluation
    from ttscale.runtime.evaluate.api import declared

    if wishes.on is not None:
        pipelines = tuple(part.strip() for part in name.split(",")) if name else ("",)
        return [request_of(program, file, Evaluation(pipelines, wishes.on, None), wishes, bench, ask)]
    found = declared(program)
    if not found:
        hint = "add `eval main on DATASET`, or name rows: --on gsm[0:100]"
        raise Failure(f"{file} has no `eval`", hint, code=USAGE)
    chosen = [own for place, own in enumerate(found, 1) if name in (None, str(place), *own.pipelines)]
    if not chosen:
        listed = "; ".join(f"{place}: {', '.join(own.pipelines)} on {own.on}" for place, own in enumerate(found, 1))
        hint = f"there are {listed}; with --on DATA any pipelines are measured"
        raise Failure(f"no `eval` of {file} is about `{name}`", hint, code=USAGE)
    if bench.out is not None and len(chosen) > 1:
        raise Failure("--out is for one `eval`, and several are meant", "name one by its number", code=USAGE)
    return [request_of(program, file, own, wishes, bench, ask) for own in chosen]


def request_of(program: Program, file: str, own: Evaluation, wishes: Measuring, bench: Bench, ask: Asking) -> Request:
    """One evaluation; options go before what the declaration says."""
    from ttscale.cli.evaluating import folder_for
    from ttscale.runtime.evaluate.api import Request, arm_of, grader_of, items_of, loaded_rows, plain_rows
    from ttscale.runtime.evaluate.arms import questions_at_once
    from ttscale.runtime.evaluate.running import Settings

    params = {**dict(own.fixed), **parameters(wishes.params)}
    arms = tuple(arm_of(program, name or None, params, file=file) for name in own.pipelines)
    known = {param for arm in arms for param in arm.graph.params}
    unknown = [param for param in parameters(wishes.params) if param not in known]
    if unknown:
        raise Failure(f"no pipeline has a parameter `{unknown[0]}`", f"they have {', '.join(sorted(known)) or 'none'}")
    loaded = loaded_rows(program, own.rows) if own.rows is not None else rows_named(program, own.on)
    metrics: Sequence[Any] = wishes.metrics or own.metrics or usual_metrics(loaded, own.on, bench, program)
    first = wishes.seed if wishes.seed is not None else own.seed
    seeds = tuple(range(first, first + (wishes.seeds or own.seeds)))
    stem = Path(file).stem if file != "-" else "stdin"
    return Request(
        f"{stem}: {', '.join(arm.label for arm in arms)} on {own.on}",
        arms,
        tuple(
            items_of(
                plain_rows(loaded)[: wishes.limit], arms, "answer" if own.rows is not None else gold_of(own.on, wishes)
            )
        ),
        tuple(grader_of(metric, program, ask(metric)) for metric in metrics),
        Settings(seeds, wishes.concurrency or questions_at_once(arms), wishes.precision),
        wishes.match or own.match,
        wishes.ablate,
        folder_for(stem, [str(Path(file).resolve()), own.pipelines, own.on], bench.out),
    )


def gold_of(on: str, wishes: Measuring) -> str:
    """The column of the gold: a dataset's is always `answer`."""
    return wishes.gold if is_file(on) else "answer"


def is_file(on: str) -> bool:
    """Whether --on names a file and not a dataset."""
    return Path(on).suffix.lower() in (".jsonl", ".json", ".csv", ".tsv", ".parquet")


def rows_named(program: Program, on: str) -> Loaded:
    """The rows that --on names, of a dataset of the program or of a file. Raises DataError, CompileError."""
    from ttscale.runtime.datasets import load_file
    from ttscale.runtime.evaluate.api import loaded_rows

    return load_file(Path(on)) if is_file(on) else loaded_rows(program, on)


def usual_metrics(loaded: Loaded, on: str, bench: Bench, program: Program) -> tuple[str, ...]:
    """The measure of rows where none is named; says what shape was recognised, and what that measures.

    Failure where a recipe's own rows would so bring programs to run that nobody granted.
    """
    from ttscale.compiler.check_trust import CODE_METRICS
    from ttscale.library.recipes import recipe_of
    from ttscale.runtime.evaluate.api import usual_metric

    name = usual_metric(loaded)
    recipe = recipe_of(program.checked.linked.entry) if name in CODE_METRICS and not is_file(on) else None
    if recipe is not None and recipe.origin != "library" and "code" not in granted():
        message = f"{on} of the recipe `{recipe.name}` is measured by `{name}`, which runs programs that models write"
        raise Failure(message, "read it, then grant it with `--allow code`, or name another --metric")
    if loaded.shape is not None and not bench.quiet:
        err(f"note: {on} is in the shape of {loaded.shape.title}: {loaded.shape.mapped}; measured by `{name}`")
    return (name,)
