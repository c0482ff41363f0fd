"""`ttscale report`: lay a run folder out again, or two of them side by side."""

from __future__ import annotations

from pathlib import Path

import click
from ttscale.cli.app import command as make_command
from ttscale.cli.app import json_option
from ttscale.cli.console import err, out, out_json
from ttscale.cli.faults import USAGE, Failure


@make_command(
    "ttscale report evals/bench-1f2e3d4c",
    "ttscale report evals/old-1f2e3d4c evals/new-5a6b7c8d --html both.html",
    "ttscale report evals/bench-1f2e3d4c --markdown > figures.md",
)
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("other", type=click.Path(path_type=Path), required=False)
@click.option("--html", type=click.Path(path_type=Path), help="Write the page here; default FOLDER/report.html.")
@click.option("--markdown", "as_markdown", is_flag=True, help="Print Markdown.")
@json_option
def command(folder: Path, other: Path | None, html: Path | None, as_markdown: bool, as_json: bool) -> None:
    """Report on the run in FOLDER; with OTHER, on both side by side, compared on the questions that both asked."""
    from ttscale.runtime.evaluate.folder import write_whole
    from ttscale.runtime.evaluate.summary import load_report

    if as_json and as_markdown:
        raise Failure("--json and --markdown contradict each other", code=USAGE)
    report = load_report(folder)
    if other is not None:
        report = report.beside(load_report(other))
    place = html if html is not None else None if other is not None else folder / "report.html"
    if place is not None:
        write_whole(place, report.html())
    if as_json:
        out_json(report.to_json())
    else:
        out((report.markdown() if as_markdown else report.text()).rstrip())
    if place is not None:
        err(f"{place} has every question and candidate")
