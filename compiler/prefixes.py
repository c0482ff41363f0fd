"""Which stages begin their prompts with the same text, so that a prefill can serve all of them.

A prompt's beginning is its fixed text and the arguments put into it, up to the first part that cannot be told before
the run. Stages that ask one model and agree on at least one argument or 16 characters are a group.
"""

from __future__ import annotations

from collections.abc import Iterator

from ttscale.compiler import ir
from ttscale.compiler.prompt_tokens import opening

LEAST_CHARACTERS = 16


def prefix_groups(graph: ir.Graph) -> dict[str, str]:
    """For each stage that shares a beginning with another one: the path of the first stage of its group."""
    groups: dict[tuple[str, tuple[object, ...]], list[str]] = {}
    for stage in graph.stages:
        for model, filled in asked_prompts(stage):
            key = _start(beginning(filled, stage))
            if key:
                groups.setdefault((model.name, key), []).append(stage.path)
    found: dict[str, str] = {}
    for paths in groups.values():
        members = list(dict.fromkeys(paths))
        if len(members) > 1:
            for path in members:
                found.setdefault(path, found.get(members[0], members[0]))
    return found


def asked_prompts(stage: ir.Stage) -> Iterator[tuple[ir.Model, ir.Filled]]:
    """Every prompt of a stage with the model that reads it."""
    prompts, models = stage.args.get("prompts"), stage.args.get("models")
    if isinstance(prompts, tuple) and isinstance(models, tuple):
        for model in models:
            for filled in prompts:
                if isinstance(model, ir.Model) and isinstance(filled, ir.Filled):
                    yield model, filled
    filled_arg, asked = stage.args.get("using"), stage.args.get("from")
    if isinstance(filled_arg, ir.Filled) and isinstance(asked, ir.Model):
        yield asked, filled_arg


def beginning(filled: ir.Filled, stage: ir.Stage) -> tuple[object, ...]:
    """How a prompt begins: roles, fixed texts, and the operands put between them."""
    args = dict(filled.args)
    pieces: list[object] = []
    for part in filled.prompt.parts:
        pieces.append(("role", part.role))
        if part.role == "chat":
            operand = args.get(part.text)
            return (*pieces, operand) if isinstance(operand, ir.Input) else tuple(pieces)
        for kind, text in opening(part.text):
            if kind == "text":
                pieces.append(text)
            elif kind == "name":
                value = args.get(text, stage.question if text == "question" else None)
                if value is None:
                    return tuple(pieces)
                pieces.append(value)
            else:
                return tuple(pieces)
    return tuple(pieces)


def _start(pieces: tuple[object, ...]) -> tuple[object, ...]:
    """The first piece that is worth sharing, with what stands before it; empty if there is none."""
    for index, piece in enumerate(pieces):
        if isinstance(piece, ir.Const | ir.Input | ir.Ref | ir.Item | ir.Apply):
            return pieces[: index + 1]
        if isinstance(piece, str) and len(piece) >= LEAST_CHARACTERS:
            return (*pieces[:index], piece[:LEAST_CHARACTERS])
    return ()
