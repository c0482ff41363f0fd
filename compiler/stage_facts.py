"""What a stage is told, as texts by name: the same for equal stages, whatever file they stand in."""

from __future__ import annotations

from collections.abc import Mapping

from ttscale.compiler import ir
from ttscale.compiler.graph import condition_text


def stage_facts(stage: ir.Stage, renamed: Mapping[str, str]) -> dict[str, str]:
    """The arguments, models, prompts, source and conditions of a stage; `renamed` are new paths of other stages."""
    found = {"stage": stage.op}
    for name in sorted(stage.args):
        text = argument_text(stage.args[name], renamed)
        if text is not None:
            found[name] = text
    if stage.source is not None:
        found["source"] = _operand(stage.source, renamed)
    if stage.when is not None:
        found["when"] = condition_text(stage.when)
    if stage.guards:
        found["if"] = " and ".join(
            f"{condition_text(g.operand)} is {' or '.join(condition_text(ir.Const(v)) for v in g.values)}"
            for g in stage.guards
        )
    return found


def argument_text(value: ir.Argument, renamed: Mapping[str, str] | None = None) -> str | None:
    """An argument as a reader would write it; None where it is not set."""
    names = renamed or {}
    match value:
        case ir.Const(value=None) | ir.Const(value=()):
            return None
        case ir.Const(value=tuple() as plain):
            return f"[{', '.join(map(str, plain))}]"
        case ir.Model(name=name) | ir.Prompt(name=name):
            return name
        case ir.UpTo(limit=limit):
            return f"up to {limit}"
        case ir.Filled(prompt=prompt, args=args):
            inner = ", ".join(f"{name}: {_operand(operand, names)}" for name, operand in args)
            return f"{prompt.name}({inner})"
        case ir.Strategy(name=name, args=args, named=named):
            parts = [text for part in args if (text := argument_text(part, names)) is not None]
            parts += [f"{key}: {text}" for key, part in named if (text := argument_text(part, names)) is not None]
            inner = ", ".join(parts)
            return f"{name}({inner})" if inner else name
        case ir.Rows(dataset=dataset, steps=steps):
            return dataset.name + "".join(_step(step) for step in steps)
        case tuple():
            texts = [text for part in value if (text := argument_text(part, names)) is not None]
            return (texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]") if texts else None
        case _:
            return _operand(value, names)


def _step(step: tuple[object, ...]) -> str:
    if step and step[0] == "slice":
        low, high = ("" if end is None else str(end) for end in step[1:3])
        return f"[{low}:{high}]"
    return f".{step[0]}(…)" if step else ""


def _operand(operand: ir.Operand, renamed: Mapping[str, str]) -> str:
    if isinstance(operand, ir.Ref):
        return renamed.get(operand.path, operand.path)
    return condition_text(operand)
