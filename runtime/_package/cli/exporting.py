"""`ttscale export`: programs in the formats of other tools."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click
from ttscale.cli.app import Family, json_option
from ttscale.cli.app import command as make_command
from ttscale.cli.console import err, has_color, out, out_json, width
from ttscale.cli.faults import USER, Failure
from ttscale.cli.options import file_argument, model_option, param_option, pipeline_option


@click.group(cls=Family, examples=("ttscale export archon moa.tts --output moa.json",))
def command() -> None:
    """Write programs as what other tools read."""


@make_command(
    "ttscale export archon moa.tts --output moa.json",
    "ttscale export archon moa.tts --param width=8 --name moa-8",
    name="archon",
)
@file_argument
@pipeline_option
@param_option
@model_option
@click.option("--name", help="The name in the configuration; default that of FILE.")
@click.option("--output", type=click.Path(path_type=Path), help="Write here instead of to standard output.")
@click.option("--force", is_flag=True, help="Write over a file that is there.")
@json_option
def archon_command(
    file: str,
    pipeline: str | None,
    params: tuple[str, ...],
    models: tuple[str, ...],
    name: str | None,
    output: Path | None,
    force: bool,
    as_json: bool,
) -> int:
    """Write a pipeline of FILE as a configuration of Archon's.

    Exit code 1 where it does not fit, with the stage that has no component there. What is lost is told on
    standard error.
    """
    from ttscale.cli.diagnosed import as_data, rendered
    from ttscale.cli.opened import Chosen, open_program
    from ttscale.library.archon import export

    program = open_program(Chosen(file, pipeline, params, models))
    configuration, found = export(program.plan.graph, name or ("archon" if file == "-" else Path(file).stem))
    sources = program.checked.sources
    if output is not None and output.exists() and not force:
        raise Failure(f"{output} is there already", "choose another name, or write over it with --force")
    text = json.dumps(configuration, indent=2, ensure_ascii=False)
    if configuration is not None and output is not None:
        output.write_text(text + "\n", encoding="utf-8", newline="\n")
    code = USER if configuration is None else 0
    if as_json:
        out_json({"ok": code == 0, "configuration": configuration, "diagnostics": as_data(found, sources)})
        return code
    for diagnostic in found:
        err(rendered(diagnostic, sources, has_color(sys.stderr), width()))
    if configuration is not None and output is None:
        out(text)
    elif configuration is not None:
        err(f"wrote {output}")
    return code


command.add_command(archon_command)
