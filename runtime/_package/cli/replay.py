"""`ttscale replay`: choose again from recorded samples."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import click
from ttscale.cli.app import command as make_command
from ttscale.cli.app import json_option
from ttscale.cli.console import err, out, out_json, plural


@make_command(
    'ttscale replay pool.jsonl --select "vote()"',
    "ttscale replay pool.jsonl --select 'filter(top: 4, by: score(\"reward\")) |> vote()' --json",
)
@click.argument("pool", type=click.Path(path_type=Path))
@click.option("--select", required=True, metavar="STAGES", help="Stages as in a pipeline: filter, then vote or select.")
@click.option(
    "--ties",
    type=click.Choice(["first", "share"]),
    default="first",
    show_default=True,
    help="Count a tie by its first answer, or by the share of tied answers that are right.",
)
@json_option
def command(pool: Path, select: str, ties: Literal["first", "share"], as_json: bool) -> None:
    """Apply a selector to the samples in POOL (JSON Lines, one question a line), without a model."""
    from ttscale.compiler.selectors import parse_selector
    from ttscale.runtime.poolfile import read_pool
    from ttscale.runtime.replay import replay, replay_notes

    stages = parse_selector(select)
    questions = read_pool(pool)
    found = replay(questions, stages, ties)
    if as_json:
        out_json(found)
        return
    for note, count in replay_notes(questions, stages).items():
        err(f"note: {note} ({plural(count, 'question')})")
    for line in described(found):
        out(line)


def described(found: dict[str, Any]) -> list[str]:
    """The outcome for people: a line a figure."""
    lines = [plural(len(found["questions"]), "question")]
    if found["accuracy"] is not None:
        low, high = found["interval"]
        lines.append(f"accuracy  {found['accuracy']:.2%}  (95% Wilson interval {low:.2%} to {high:.2%})")
    else:
        lines.append("accuracy  unknown: the pool says of no pick whether it is right (`gold`, or `correct`)")
    for name, title in (("mean_at", "mean of k"), ("pass_at", "any of k")):
        if found[name]:
            lines.append(f"{title:<9} " + "  ".join(f"{k}: {value:.2%}" for k, value in found[name].items()))
    return lines
