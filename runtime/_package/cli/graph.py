"""`ttscale graph`: a pipeline as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from ttscale.cli.app import command as make_command
from ttscale.cli.app import json_option
from ttscale.cli.console import err, out, out_json
from ttscale.cli.faults import USAGE, Failure
from ttscale.cli.options import file_argument, model_option, param_option, pipeline_option

ENDINGS = {".mmd": "mermaid", ".md": "mermaid", ".dot": "dot", ".gv": "dot", ".svg": "svg"}


@make_command("ttscale graph archon.tts", "ttscale graph archon.tts --param depth=2 --output archon.svg")
@file_argument
@pipeline_option
@param_option
@model_option
@click.option(
    "--format",
    "form",
    type=click.Choice(["mermaid", "dot", "svg"]),
    help="Default: what the ending of --output says, else mermaid.",
)
@click.option("--output", type=click.Path(path_type=Path), help="Write here instead of to standard output.")
@json_option
def command(
    file: str,
    pipeline: str | None,
    params: tuple[str, ...],
    models: tuple[str, ...],
    form: str | None,
    output: Path | None,
    as_json: bool,
) -> None:
    """Draw the graph of a pipeline of FILE with its parameters bound."""
    from ttscale.cli.opened import Chosen, open_program
    from ttscale.compiler import graph as drawing

    graph = open_program(Chosen(file, pipeline, params, models)).plan.graph
    if as_json:
        text = ""
        data = node_link(drawing.to_networkx(graph))
        if output is None:
            out_json(data)
            return
        import json

        text = json.dumps(data, indent=2, ensure_ascii=False, default=str) + "\n"
    else:
        ending = output.suffix.lower() if output is not None else ".mmd"
        if form is None and ending not in ENDINGS:
            message = f"{output}: graphs are written as {', '.join(ENDINGS)}"
            raise Failure(message, "name the file `….svg`, or say what it holds with --format", USAGE)
        chosen = form or ENDINGS[ending]
        text = {"mermaid": drawing.to_mermaid, "dot": drawing.to_dot, "svg": drawing.to_svg}[chosen](graph)
    if output is None:
        out(text.rstrip("\n"))
        return
    output.write_text(text, encoding="utf-8", newline="\n")
    err(f"wrote {output}")


def node_link(graph: Any) -> dict[str, Any]:
    """Nodes and edges with their attributes, as plain data."""
    return {
        "pipeline": graph.graph.get("pipeline"),
        "nodes": [{"id": name, **attributes} for name, attributes in graph.nodes(data=True)],
        "edges": [{"from": start, "to": end, **attributes} for start, end, attributes in graph.edges(data=True)],
    }
