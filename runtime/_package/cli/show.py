"""`ttscale show`: one stage of a pipeline, from all sides."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click
from ttscale.cli.app import command as make_command
from ttscale.cli.app import json_option
from ttscale.cli.console import out_json
from ttscale.cli.faults import Failure
from ttscale.cli.options import file_argument, model_option, param_option, pipeline_option

if TYPE_CHECKING:
    from ttscale.compiler.shown import Lookup


@make_command(
    "ttscale show archon.tts vote", "ttscale show archon.tts 'fused[1]/rank' --param depth=2", "ttscale show a.tts"
)
@file_argument
@click.argument("node", required=False)
@pipeline_option
@param_option
@model_option
@json_option
def command(
    file: str,
    node: str | None,
    pipeline: str | None,
    params: tuple[str, ...],
    models: tuple[str, ...],
    as_json: bool,
) -> None:
    """Show what flows in and out of the stage NODE of FILE, what it costs, asks and comes from.

    NODE is a path such as `main/fused[1]/rank`, the end of one that is unique, or the name of a stage. Without NODE
    the paths are listed.
    """
    from ttscale.cli.opened import Chosen, open_program
    from ttscale.compiler.shown import as_text, find_stage, show_stage

    opened = open_program(Chosen(file, pipeline, params, models))
    graph = opened.plan.graph
    if node is None:
        if as_json:
            out_json([stage.path for stage in graph.stages])
            return
        sys.stdout.write("".join(f"{stage.path}\n" for stage in graph.stages))
        return
    found = find_stage(graph, node)
    if found.stage is None:
        raise Failure(*missing(node, found))
    shown = show_stage(opened.plan, found.stage, opened.checked.sources)
    if as_json:
        out_json(shown)
        return
    sys.stdout.write(as_text(shown))


def missing(node: str, found: Lookup) -> tuple[str, str]:
    """What to say where a name means no stage, or several: the message and the hint."""
    if found.candidates:
        return f"`{node}` may be {len(found.candidates)} stages", f"say which: {', '.join(found.candidates)}"
    if found.others:
        shown = ", ".join(found.others[:8])
        more = len(found.others) - 8
        return f"there is no stage `{node}`", f"there is {shown}{f' and {more} more' if more > 0 else ''}"
    hint = f"did you mean `{found.suggestion}`?" if found.suggestion else "`ttscale show FILE` lists the stages"
    return f"there is no stage `{node}`", hint
