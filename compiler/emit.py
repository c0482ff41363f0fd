"""Dumps of what the compiler sees, for `ttscale plan --emit ast|ir|plan`.

The text is meant to be read and compared: one line a leaf, nothing that depends on layout (spans) and no address.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass

from ttscale.compiler import ast, ir
from ttscale.compiler.diagnostics import InternalError
from ttscale.compiler.graph import condition_text
from ttscale.compiler.plan import Plan, plan_to_json, plan_to_text
from ttscale.compiler.source import Span

KINDS = ("ast", "ir", "plan")
HIDDEN = frozenset(("span", "name_span", "origin", "offsets", "comments"))


def emit(kind: str, value: ast.Module | ir.Graph | Plan, *, as_json: bool = False) -> str:
    """A tree, a graph or a plan as text or JSON; `kind` is one of `KINDS` and says what `value` is."""
    if kind == "plan" and isinstance(value, Plan):
        return json.dumps(plan_to_json(value), indent=2, ensure_ascii=False) + "\n" if as_json else plan_to_text(value)
    if (kind == "ir" and isinstance(value, ir.Graph)) or (kind == "ast" and isinstance(value, ast.Module)):
        if as_json:
            return json.dumps(plain(value), indent=2, ensure_ascii=False) + "\n"
        return graph_to_text(value) if isinstance(value, ir.Graph) else "\n".join(_tree("", value, 0)) + "\n"
    raise InternalError(f"cannot emit {type(value).__name__} as {kind}")


def plain(value: object) -> object:
    """Dataclasses as mappings with their type's name under "is", for JSON."""
    if is_dataclass(value) and not isinstance(value, type):
        shown = {f.name: plain(getattr(value, f.name)) for f in fields(value) if f.name not in HIDDEN}
        return {"is": type(value).__name__, **shown}
    if isinstance(value, Mapping):
        return {str(key): plain(part) for key, part in value.items()}
    if isinstance(value, tuple | list):
        return [plain(part) for part in value]
    if isinstance(value, frozenset | set):
        return sorted(str(part) for part in value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return str(value)


def _tree(name: str, value: object, depth: int) -> Iterator[str]:
    """An indented tree: `field: Type`, leaves on their line."""
    indent = "  " * depth
    head = f"{indent}{name}: " if name else indent
    if isinstance(value, Span):
        return
    if is_dataclass(value) and not isinstance(value, type):
        leaves = [f for f in fields(value) if f.name not in HIDDEN and _is_leaf(getattr(value, f.name))]
        shown = ", ".join(f"{f.name}={getattr(value, f.name)!r}" for f in leaves)
        yield f"{head}{type(value).__name__}({shown})"
        for field in fields(value):
            if field.name not in HIDDEN and field not in leaves:
                yield from _tree(field.name, getattr(value, field.name), depth + 1)
    elif isinstance(value, tuple):
        if value:
            yield f"{head.rstrip()}" if name else f"{indent}-"
            for part in value:
                yield from _tree("", part, depth + 1)
    else:
        yield f"{head}{value!r}"


def _is_leaf(value: object) -> bool:
    return value is None or isinstance(value, bool | int | float | str)


# --- graphs --------------------------------------------------------------------------------------


def graph_to_text(graph: ir.Graph) -> str:
    """A graph as text: its head, then each stage with its source, conditions and arguments."""
    lines = [f"pipeline {graph.pipeline}({', '.join(f'{n}: {t}' for n, t in graph.inputs)}) -> {graph.returns}"]
    lines += [f"  param {name} = {value!r}" for name, value in graph.params.items()]
    for model in graph.models.values():
        options = "".join(f", {name}: {value!r}" for name, value in model.options)
        combined = f" combine {argument_text(model.combine)}" if model.combine is not None else ""
        lines.append(f"  model {model.name} = {model.kind}({model.locator!r}{options}){combined}")
    budget = graph.budget
    for name, limit in zip(
        ("calls", "tokens", "seconds", "cost"), (budget.calls, budget.tokens, budget.seconds, budget.cost), strict=True
    ):
        if limit is not None:
            lines.append(f"  budget {name} <= {limit!r}")
    for stage in graph.stages:
        lines += ["", *_stage(stage)]
    return "\n".join([*lines, "", f"result {operand_text(graph.result)}"]) + "\n"


def _stage(stage: ir.Stage) -> Iterator[str]:
    size = str(stage.size.high) if stage.size.low == stage.size.high else f"{stage.size.low}..{stage.size.high}"
    facets = f" {{{', '.join(sorted(stage.facets))}}}" if stage.facets else ""
    yield f"{stage.path} = {stage.op} -> {stage.type} x {size}{facets}"
    if stage.source is not None:
        yield f"  source {operand_text(stage.source)}"
    if stage.question is not None:
        yield f"  question {operand_text(stage.question)}"
    if stage.when is not None:
        yield f"  when {operand_text(stage.when)}"
    for guard in stage.guards:
        yield f"  guard {operand_text(guard.operand)} in {list(guard.values)!r}"
    for name, value in sorted(stage.args.items()):
        if value not in (ir.Const(None), ir.Const(())):
            yield f"  {name}: {argument_text(value)}"


def argument_text(value: ir.Argument) -> str:
    """An argument on one line."""
    match value:
        case tuple():
            return f"[{', '.join(argument_text(part) for part in value)}]"
        case ir.Filled(prompt=prompt, args=args):
            return f"{prompt.name}({', '.join(f'{n}: {operand_text(o)}' for n, o in args)}) -> {prompt.result}"
        case ir.Model(name=name):
            return f"model {name}"
        case ir.Prompt(name=name):
            return f"prompt {name}"
        case ir.UpTo(limit=limit):
            return f"up to {limit}"
        case ir.Strategy(name=name, args=args, named=named):
            parts = [argument_text(part) for part in args]
            parts += [f"{key}: {argument_text(part)}" for key, part in named if part != ir.Const(None)]
            return f"{name}({', '.join(parts)})" if parts else name
        case ir.Rows(dataset=dataset, steps=steps):
            return f"rows {dataset.name}" + "".join(f" {step!r}" for step in steps)
    return operand_text(value)


def operand_text(operand: ir.Operand) -> str:
    """An operand on one line; references are full paths."""
    match operand:
        case ir.Const(value=value):
            return repr(value)
        case ir.Input(name=name):
            return f"input {name}"
        case ir.Ref(path=path):
            return path
        case ir.Item(of=of, index=index):
            return f"{operand_text(of)}[{index}]"
        case ir.Apply(op=op, args=args):
            return f"{op}({', '.join(operand_text(arg) for arg in args)})"
    return condition_text(operand)
