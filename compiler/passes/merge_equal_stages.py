"""Merge equal stages: two that ask the same are one, so the same samples are not drawn twice."""

from __future__ import annotations

from dataclasses import replace

from ttscale.compiler import ir
from ttscale.compiler.passes import rewrite
from ttscale.compiler.passes.order_memory import memory_of, sees_all


def merge_equal_stages(graph: ir.Graph) -> ir.Graph:
    """Keep the first of stages with equal op, source, arguments, conditions and question.

    Spans, origins and paths do not count; a different `series` does. A `recall` that sees everything at once is another
    one behind each `remember` of its memory.
    """
    names: dict[str, ir.Operand] = {}
    first: dict[tuple[object, ...], str] = {}
    alike: dict[tuple[object, ...], ir.Stage | None] = {}
    written: dict[object, int] = {}
    kept: list[ir.Stage] = []
    change = rewrite.renaming(names)
    for original in graph.stages:
        stage = rewrite.stage(original, change) if names else original
        # Most stages have an operation and a source of their own; the others alone are compared in full.
        if stage.op == "remember":
            written[memory_of(stage)] = written.get(memory_of(stage), 0) + 1
        rough = (stage.op, stage.source, written.get(memory_of(stage), 0) if sees_all(stage) else 0)
        if rough not in alike:
            alike[rough] = stage
            kept.append(stage)
            continue
        before = alike[rough]
        if before is not None:
            first[rough[2:] + _key(before)] = before.path
            alike[rough] = None
        key = rough[2:] + _key(stage)
        if key in first:
            names[stage.path] = ir.Ref(first[key])
        else:
            first[key] = stage.path
            kept.append(stage)
    result = rewrite.operand(graph.result, change)
    return replace(graph, stages=tuple(kept), result=result, capped=rewrite.capped(graph.capped, change))


def _key(stage: ir.Stage) -> tuple[object, ...]:
    """What makes two stages the same; types tell 1 from True and 1.0."""
    args = tuple((name, _typed(stage.args[name])) for name in sorted(stage.args))
    when = None if stage.when is None else _typed(stage.when)
    return (stage.op, stage.source, args, when, stage.guards, stage.question, stage.type)


def _typed(value: object) -> object:
    """A hashable form of an argument in which 1, 1.0 and True differ."""
    match value:
        case tuple():
            return tuple(_typed(part) for part in value)
        case ir.Const(value=known):
            return ("const", type(known).__name__, _typed(known))
        case ir.Filled(prompt=prompt, args=args):
            return ("filled", prompt, tuple((name, _typed(operand)) for name, operand in args))
        case ir.Apply(op=op, args=args):
            return ("apply", op, tuple(_typed(operand) for operand in args))
        case ir.Strategy(name=name, args=parts, named=named):
            return ("rule", name, _typed(parts), tuple((key, _typed(part)) for key, part in named))
        case dict() | list() | set():
            return repr(value)
    return value
