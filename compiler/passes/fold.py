"""Fold: compute what is known, drop what can never run, and take away nodes that only pass a value on."""

from __future__ import annotations

from dataclasses import replace

from ttscale.compiler import ir
from ttscale.compiler.passes import rewrite
from ttscale.compiler.types import Answers


def fold(graph: ir.Graph) -> ir.Graph:
    """Settle conditions that turn out to be known.

    - an operator of known values becomes its result, in arguments, `when`, guards and the result;
    - a stage with a guard that never holds goes, and the arms and sources that name it;
    - a guard that always holds goes; so does a `when` that is true, and with a false one the stage;
    - a `value` of something known becomes that, a `concat` of one pool under its guards becomes the pool.
    """
    names: dict[str, ir.Operand] = {}
    gone: set[str] = set()
    kept: dict[str, ir.Stage] = {}
    for original in graph.stages:
        stage = rewrite.stage(original, rewrite.renaming(names))
        guards = tuple(guard for guard in stage.guards if _holds(guard, gone) is not True)
        if any(_holds(guard, gone) is False for guard in guards) or (gone and _reads_gone(stage, gone)):
            gone.add(stage.path)
            continue
        stage = _without(stage, gone)
        if len(guards) < len(stage.guards):
            stage = replace(stage, guards=guards)
        instead = _passed_on(stage, kept)
        if instead is not None:
            names[stage.path] = instead
            continue
        if isinstance(stage.when, ir.Const) and stage.when.value:
            stage = replace(stage, when=None)
        kept[stage.path] = stage
    change = rewrite.renaming(names)
    result = rewrite.operand(graph.result, change)
    return replace(graph, stages=tuple(kept.values()), result=result, capped=rewrite.capped(graph.capped, change))


def _holds(guard: ir.Guard, gone: set[str]) -> bool | None:
    """Whether a guard holds, where that can be said; one on a stage that never runs does not."""
    if any(path in gone for path in ir.refs(guard.operand)):
        return False
    if isinstance(guard.operand, ir.Const):
        known = guard.operand.value
        return any(known == value and isinstance(known, bool) is isinstance(value, bool) for value in guard.values)
    return None


def _reads_gone(stage: ir.Stage, gone: set[str]) -> bool:
    """Whether a stage cannot run, since what it needs never does; a `concat` or `choose` needs only one part."""
    if stage.op in ("concat", "choose"):
        parts = stage.args["sources" if stage.op == "concat" else "arms"]
        return isinstance(parts, tuple) and all(_is_gone(part, gone) for part in parts)
    return any(path in gone for path in stage.needs())


def _is_gone(part: ir.Argument, gone: set[str]) -> bool:
    return isinstance(part, ir.Ref) and part.path in gone


def _without(stage: ir.Stage, gone: set[str]) -> ir.Stage:
    for name in ("sources", "arms"):
        parts = stage.args.get(name)
        if isinstance(parts, tuple) and "apart" in stage.args:
            there = tuple(ir.Const(()) if _is_gone(part, gone) else part for part in parts)
            return stage if there == parts else replace(stage, args={**stage.args, name: there})
        if isinstance(parts, tuple):
            left = tuple(part for part in parts if not _is_gone(part, gone) and part != ir.Const(())) or parts[:1]
            return stage if len(left) == len(parts) else replace(stage, args={**stage.args, name: left})
    return stage


def _passed_on(stage: ir.Stage, kept: dict[str, ir.Stage]) -> ir.Operand | None:
    """What a stage's value is without it, where it only passes that on."""
    if isinstance(stage.when, ir.Const) and not stage.when.value:
        return _identity(stage, kept)
    match stage.op:
        case "value" if not stage.guards:
            value = stage.args["value"]
            return value if isinstance(value, ir.Const) else None
        case "choose":
            return _first_arm(stage, kept)
    return _same_guards(stage, kept)


def _identity(stage: ir.Stage, kept: dict[str, ir.Stage]) -> ir.Operand | None:
    """What a stage gives whose `when` is false; None where others must still see whether its guards held."""
    if stage.source is None:
        return None if stage.guards else ir.Const(())
    source = kept.get(stage.source.path) if isinstance(stage.source, ir.Ref) else None
    return stage.source if source is not None and source.guards == stage.guards else None


def _same_guards(stage: ir.Stage, kept: dict[str, ir.Stage]) -> ir.Operand | None:
    """The only source of a `concat` that stands under the same guards."""
    parts = stage.args.get("sources")
    if stage.op != "concat" or "apart" in stage.args or not isinstance(parts, tuple) or len(parts) != 1:
        return None
    only = parts[0]
    if isinstance(only, ir.Ref) and only.path in kept and kept[only.path].guards == stage.guards:
        return only
    return None


def _first_arm(stage: ir.Stage, kept: dict[str, ir.Stage]) -> ir.Operand | None:
    """The first arm where it surely ran: it stands under the same guards as the choice."""
    parts = stage.args["arms"]
    first = parts[0] if isinstance(parts, tuple) else None
    if isinstance(first, ir.Ref) and first.path in kept and kept[first.path].guards == stage.guards:
        same = isinstance(kept[first.path].type, Answers) is isinstance(stage.type, Answers)
        return first if same else None
    return None
