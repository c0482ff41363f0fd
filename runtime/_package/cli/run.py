"""`ttscale run`: answer one question, or a file of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import click
from ttscale.cli.app import command as make_command
from ttscale.cli.app import json_option
from ttscale.cli.faults import USAGE, Failure
from ttscale.cli.options import (
    bank_options,
    file_argument,
    model_option,
    param_option,
    pipeline_option,
    reproducible_option,
)


@dataclass(frozen=True)
class Wishes:
    """What the options of `run` said."""

    file: str
    question: str | None
    pipeline: str | None
    params: tuple[str, ...]
    models: tuple[str, ...]
    sets: tuple[str, ...]
    input: Path | None
    on: str | None
    gold: str | None
    output: Path | None
    overwrite: bool
    limit: int | None
    concurrency: int
    seed: int
    trace: Path | None
    pools: Path | None
    locked: bool
    bank: Path | None
    no_bank: bool
    as_json: bool
    quiet: bool


@make_command(
    'ttscale run self_consistency.tts "A farmer has 17 sheep and all but 9 run away. How many are left?"',
    "ttscale run self_consistency.tts --input rows.jsonl --output answers.jsonl --param n=8",
    "ttscale run bench.tts --on gsm[0:100] --model qwen2.5.gguf --output answers.jsonl",
)
@file_argument
@click.argument("question", required=False)
@pipeline_option
@param_option
@model_option
@click.option("--set", "sets", multiple=True, metavar="NAME=VALUE", help="Give another input; may be repeated.")
@click.option("--input", type=click.Path(path_type=Path), help="Answer every row of this .jsonl or .csv file.")
@click.option("--on", metavar="ROWS", help="Answer rows of a dataset of the program, such as gsm[0:20].")
@click.option("--gold", metavar="COLUMN", help="The column of --input that holds the right answers; reports accuracy.")
@click.option("--output", type=click.Path(path_type=Path), help="Append answers here (.jsonl or .csv); resumes.")
@click.option("--overwrite", is_flag=True, help="Throw away what --output holds, instead of resuming.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="At most this many rows.")
@click.option(
    "--concurrency",
    type=click.IntRange(min=1),
    default=8,
    show_default=True,
    metavar="N",
    help="Questions worked on at once; their samples share the model's batches.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="The run's seed.")
@click.option("--trace", type=click.Path(path_type=Path), help="Write every event here, as JSON Lines.")
@click.option(
    "--pools", type=click.Path(path_type=Path), help="Write samples with their scores and tests, for `replay`."
)
@click.option("--locked", is_flag=True, help="Refuse weights or imports that differ from tts.lock.")
@reproducible_option
@bank_options
@click.option("--quiet", "-q", is_flag=True, help="Print the answer only.")
@json_option
def command(
    file: str,
    question: str | None,
    pipeline: str | None,
    params: tuple[str, ...],
    models: tuple[str, ...],
    sets: tuple[str, ...],
    input: Path | None,
    on: str | None,
    gold: str | None,
    output: Path | None,
    overwrite: bool,
    limit: int | None,
    concurrency: int,
    seed: int,
    trace: Path | None,
    pools: Path | None,
    locked: bool,
    bank: Path | None,
    no_bank: bool,
    quiet: bool,
    as_json: bool,
) -> int:
    """Run FILE on QUESTION, or on every row of --input or --on.

    QUESTION is the pipeline's input of that name, or its only one; `-` reads it from standard input. Columns of --input
    bind to inputs by name. The answer goes to standard output, what led to it to standard error. Ctrl-C keeps what is
    done; running again with the same --output goes on from there. Samples are kept in a bank, and those that it has are
    not made again.
    """
    import asyncio

    wishes = Wishes(
        file, question, pipeline, params, models, sets, input, on, gold, output, overwrite, limit, concurrency,
        seed, trace, pools, locked, bank, no_bank, as_json, quiet,
    )  # fmt: skip
    check_wishes(wishes)
    if wishes.input is not None or wishes.on is not None:
        from ttscale.cli.run_batch import answer_rows

        return asyncio.run(answer_rows(wishes))
    from ttscale.cli.run_one import answer_one

    return asyncio.run(answer_one(wishes))


def check_wishes(wishes: Wishes) -> None:
    """Refuse options that contradict each other, before anything is read."""
    if wishes.input is not None and wishes.on is not None:
        raise Failure("--input and --on both name rows; give one of them", code=USAGE)
    batch = "--input" if wishes.input is not None else "--on" if wishes.on is not None else ""
    if batch and wishes.question is not None:
        raise Failure(f"a question and {batch} were given; give one of them", code=USAGE)
    if not batch:
        only = {"--output": wishes.output, "--gold": wishes.gold, "--limit": wishes.limit, "--pools": wishes.pools}
        for name, given in only.items():
            if given is not None:
                raise Failure(f"{name} belongs to --input or --on", code=USAGE)
    if wishes.gold is not None and wishes.on is not None:
        raise Failure("--gold belongs to --input; a dataset's own `answer` is its gold", code=USAGE)
    if wishes.overwrite and wishes.output is None:
        raise Failure("--overwrite belongs to --output", code=USAGE)
    if wishes.output is not None and wishes.output.suffix.lower() not in (".jsonl", ".csv"):
        raise Failure(f"--output {wishes.output}: the name must end in .jsonl or .csv", code=USAGE)
    if wishes.input is not None and wishes.output is not None and wishes.input.resolve() == wishes.output.resolve():
        raise Failure("--input and --output name the same file", code=USAGE)
