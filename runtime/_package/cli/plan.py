"""`ttscale plan`: what a run may cost, and what the compiler made of a file."""

from __future__ import annotations

import sys

import click
from ttscale.cli.app import command as make_command
from ttscale.cli.app import json_option
from ttscale.cli.console import out_json
from ttscale.cli.options import file_argument, model_option, param_option, pipeline_option


@make_command(
    "ttscale plan self_consistency.tts --param n=16",
    "ttscale plan archon.tts --model small=x.gguf --json",
    "ttscale plan archon.tts --emit ir",
)
@file_argument
@pipeline_option
@param_option
@model_option
@click.option(
    "--emit",
    type=click.Choice(["cst", "ast", "ir", "plan"]),
    default="plan",
    show_default=True,
    help="Show another stage of compilation: the concrete tree, the abstract one, the graph.",
)
@json_option
def command(
    file: str, pipeline: str | None, params: tuple[str, ...], models: tuple[str, ...], emit: str, as_json: bool
) -> None:
    """Bound the calls and tokens of a pipeline of FILE for one question, before anything runs.

    The bounds count as if nothing were cached. Shown too: which stages share a prompt's prefix, and what was assumed.
    """
    from ttscale.compiler import emit as emitting

    if emit in ("cst", "ast"):
        sys.stdout.write(tree_of(file, emit, as_json))
        return
    from ttscale.cli.opened import Chosen, open_program

    opened = open_program(Chosen(file, pipeline, params, models))
    if emit == "plan" and as_json:
        from ttscale.compiler.plan import plan_to_json

        out_json({**plan_to_json(opened.plan), "program": opened.identity()})
        return
    value = opened.plan.graph if emit == "ir" else opened.plan
    sys.stdout.write(emitting.emit(emit, value, as_json=as_json))


def tree_of(file: str, kind: str, as_json: bool) -> str:
    """The concrete or abstract tree of one file, whatever its names mean. Raises CompileError."""
    from ttscale.compiler.diagnostics import CompileError
    from ttscale.compiler.emit import emit
    from ttscale.compiler.lower import lower
    from ttscale.compiler.parse import parse
    from ttscale.library.loader import load_source

    source = load_source(file)
    parsed = parse(source)
    module, lowering = lower(parsed, source)
    found = [*parsed.diagnostics, *lowering]
    if parsed.tree is None or any(d.severity == "error" for d in found):
        raise CompileError(found, {source.name: source})
    if kind == "ast":
        return emit("ast", module, as_json=as_json)
    if not as_json:
        return str(parsed.tree.pretty())
    import json

    return json.dumps(concrete(parsed.tree), indent=2, ensure_ascii=False) + "\n"


def concrete(node: object) -> object:
    """A concrete tree as plain data: rules as `{"rule", "children"}`, tokens as `{"token", "text"}`."""
    children = getattr(node, "children", None)
    if children is not None:
        return {"rule": str(getattr(node, "data", "")), "children": [concrete(child) for child in children]}
    return {"token": getattr(node, "type", ""), "text": str(node)}
