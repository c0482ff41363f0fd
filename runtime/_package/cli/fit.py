"""`ttscale fit`: what recorded samples say about how many to draw, and which rule to use where."""

from __future__ import annotations

from pathlib import Path

import click
from ttscale.cli.app import command as make_command
from ttscale.cli.app import json_option
from ttscale.cli.console import err, out, out_json


@make_command(
    "ttscale fit pool.jsonl --target 0.9",
    "ttscale fit pool.jsonl --tokens 8000 --epsilon 0.01 --svg coverage.svg",
    'ttscale fit pool.jsonl --rule "vote()" --rule \'select(by: score("judge"))\' --difficulty agreement --json',
)
@click.argument("pool", type=click.Path(path_type=Path))
@click.option(
    "--target",
    "targets",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    multiple=True,
    default=(0.9,),
    show_default=True,
    help="A coverage to reach: the share of questions with a right answer among the samples. Repeatable.",
)
@click.option(
    "--tokens", "budgets", type=click.IntRange(1), multiple=True, help="New tokens for one question. Repeatable."
)
@click.option(
    "--epsilon",
    type=click.FloatRange(0, 1, min_open=True),
    default=0.005,
    show_default=True,
    help="The least gain in coverage for which one more sample is worth it.",
)
@click.option("--bins", type=click.IntRange(1, 20), default=5, show_default=True, help="Bins of difficulty.")
@click.option(
    "--difficulty",
    type=click.Choice(["right", "agreement", "score"]),
    default="right",
    show_default=True,
    help="What the bins go by; `agreement` and `score` are known of a new question too.",
)
@click.option(
    "--rule",
    "rules",
    multiple=True,
    metavar="STAGES",
    help="A selector, as in `replay`, or `all`. Repeatable; default the commonest.",
)
@click.option(
    "--wrong", type=float, default=-1.0, show_default=True, help="What a wrong answer is worth; a right one is worth 1."
)
@click.option(
    "--ratio",
    type=click.FloatRange(0, min_open=True),
    default=1.0,
    show_default=True,
    help="Tokens of a verification over those of a solution.",
)
@click.option("--svg", type=click.Path(path_type=Path), help="Draw the coverage curve into this file.")
@json_option
def command(
    pool: Path,
    targets: tuple[float, ...],
    budgets: tuple[int, ...],
    epsilon: float,
    bins: int,
    difficulty: str,
    rules: tuple[str, ...],
    wrong: float,
    ratio: float,
    svg: Path | None,
    as_json: bool,
) -> None:
    """Fit the samples in POOL (JSON Lines, one question a line): coverage, saturation, difficulty, verifiers."""
    from ttscale.runtime.planners import plan_pool
    from ttscale.runtime.planners.drawing import as_svg
    from ttscale.runtime.planners.pool_text import as_text
    from ttscale.runtime.poolfile import read_pool

    document = plan_pool(
        read_pool(pool),
        targets=targets,
        token_budgets=budgets,
        epsilon=epsilon,
        bins=bins,
        difficulty=difficulty,
        rules=rules or None,
        wrong=wrong,
        ratio=ratio,
    )
    if svg is not None:
        svg.write_text(as_svg(document), encoding="utf-8")
    if as_json:
        out_json(document)
    else:
        out(as_text(document).rstrip())
    if svg is not None:
        err(f"{svg} has the curve")
