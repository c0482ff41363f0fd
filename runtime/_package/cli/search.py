"""`ttscale search`: the best values of a pipeline's parameters for a task, a model and a budget."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from ttscale.cli.app import command as make_command
from ttscale.cli.app import json_option
from ttscale.cli.options import (
    bank_options,
    file_argument,
    locked_option,
    model_option,
    param_option,
    unsafe_code_option,
)

if TYPE_CHECKING:
    from ttscale.runtime.search.api import Wishes
    from ttscale.runtime.search.book import Limits

SAMPLERS = ("tpe", "gp", "nsga2", "random", "exhaustive", "greedy")


@dataclass(frozen=True)
class Asked:
    """The options of the command."""

    file: str
    name: str | None
    dry_run: bool
    params: tuple[str, ...]
    models: tuple[str, ...]
    trials: int | None
    tokens: int | None
    calls: int | None
    seconds: float | None
    cost: float | None
    sampler: str | None
    seed: int | None
    per_token: bool
    no_racing: bool
    workers: int
    worker: str
    storage: str | None
    concurrency: int | None
    out: Path | None
    best: Path | None
    bank: Path | None
    no_bank: bool
    quiet: bool
    as_json: bool

    @property
    def limits(self) -> Limits:
        """The limits that take the place of the declared ones."""
        from ttscale.runtime.search.book import Limits

        return Limits(self.calls, self.tokens, self.seconds, self.cost, self.trials)

    def wishes(self, folder: Path) -> Wishes:
        """How the search is made."""
        from ttscale.cli.options import parameters
        from ttscale.runtime.search.api import Wishes

        return Wishes(
            self.file,
            folder,
            self.storage,
            self.sampler or "",
            self.seed,
            self.limits,
            dict(parameters(self.params)),
            self.concurrency,
            not self.no_racing,
            self.per_token,
            self.worker,
        )


def limit_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """What the search may spend at most, in the place of what the declaration says."""
    options = (
        click.option("--trials", type=click.IntRange(min=1), metavar="N", help="At most so many trials."),
        click.option("--tokens", type=click.IntRange(min=1), metavar="N", help="At most so many new tokens."),
        click.option("--calls", type=click.IntRange(min=1), metavar="N", help="At most so many new calls."),
        click.option("--seconds", type=click.FloatRange(min=1), metavar="S", help="At most so long."),
        click.option("--cost", type=click.FloatRange(min=0, min_open=True), metavar="USD", help="At most so much."),
    )
    for option in reversed(options):
        function = option(function)
    return function


@make_command(
    "ttscale search math.tts tune --dry-run",
    "ttscale search math.tts tune --workers 2",
    "ttscale search math.tts --trials 20 --sampler random --seed 7",
)
@file_argument
@click.argument("name", required=False)
@click.option("--dry-run", is_flag=True, help="Show the space, what a trial may cost, and what the budget buys.")
@param_option
@model_option
@limit_options
@click.option("--sampler", type=click.Choice(SAMPLERS), help="How the next trial is chosen; else the space decides.")
@click.option("--seed", type=click.IntRange(min=0), help="Of the search and of every run.")
@click.option("--per-token", is_flag=True, help="With gp: take what promises most for each new token.")
@click.option("--no-racing", is_flag=True, help="Ask every trial all questions.")
@click.option("--workers", type=click.IntRange(min=1), default=1, show_default=True, help="Processes on one study.")
@click.option("--worker", default="0", hidden=True)
@click.option("--storage", metavar="URL", help="Where the study is: a database's URL, a file, or a .journal.")
@click.option(
    "--concurrency",
    type=click.IntRange(min=1),
    metavar="N",
    help="Questions at once; else 4 to 16, enough for 32 calls.",
)
@click.option("--out", type=click.Path(path_type=Path), help="The search's folder; default one below `searches`.")
@click.option("--best", type=click.Path(path_type=Path), help="Where the recipe goes; default beside FILE.")
@bank_options
@locked_option
@unsafe_code_option
@click.option("--quiet", "-q", is_flag=True, help="Print the result only.")
@json_option
def command(**options: Any) -> int:
    """Search the parameters of a pipeline of FILE, as its `search` NAME says.

    Simple baselines are measured first, on the same budget. Trials share all samples through the bank. At the end the
    best few are tested on the holdout, and the winner is written as a plain recipe with its evidence. Ctrl-C keeps the
    study; the same command goes on with it.
    """
    asked = Asked(**options)
    from ttscale.cli.searching import dry_run, search

    return dry_run(asked) if asked.dry_run else search(asked)
