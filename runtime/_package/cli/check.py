"""`ttscale check`: everything that can be said about files without running them."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from ttscale.cli.app import command as make_command
from ttscale.cli.app import json_option
from ttscale.cli.console import has_color, out, out_json, width
from ttscale.cli.faults import USER
from ttscale.cli.options import files_argument, is_locked, locked_option, python_option


@make_command("ttscale check pipeline.tts", "ttscale check --github *.tts")
@files_argument
@python_option
@locked_option
@json_option
@click.option("--github", is_flag=True, help="Print workflow commands, which GitHub shows at the line.")
@click.option(
    "--params",
    type=click.Choice(["default", "all"]),
    default="default",
    show_default=True,
    help="`all` also binds every allowed assignment of them (4,096 a pipeline at most).",
)
def command(files: tuple[str, ...], as_json: bool, github: bool, params: str) -> int:
    """Check FILES and say what is wrong with them; nothing is run.

    Exit code 1 where there is an error, 0 otherwise; warnings and remarks are shown.
    """
    from ttscale.cli.diagnosed import as_data, for_github, rendered, summary
    from ttscale.cli.sources import check_files

    findings, programs = check_files(files)
    if is_locked():
        from ttscale.cli.lock_file import check_lock, declared_models

        for checked in programs:
            if checked.ok:
                check_lock(checked, Path(checked.linked.entry), declared_models(checked))
    if params == "all":
        from ttscale.cli.domains import bind_all

        for checked in programs:
            if checked.ok:
                findings.add(tuple(bind_all(checked)), dict(checked.sources))
    code = USER if findings.has_errors else 0
    if as_json:
        out_json(
            {"files": list(files), "ok": code == 0, "diagnostics": as_data(findings.diagnostics, findings.sources)}
        )
        return code
    if github:
        for line in for_github(findings.diagnostics, findings.sources):
            out(line)
        return code
    for diagnostic in findings.diagnostics:
        out(rendered(diagnostic, findings.sources, has_color(sys.stdout), width()))
    out(summary(findings.diagnostics, len(dict.fromkeys(files))))
    return code
