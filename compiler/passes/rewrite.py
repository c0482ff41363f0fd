"""Rewriting a graph: one function over every operand of every stage."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from operator import is_

from ttscale.compiler import ir
from ttscale.compiler.constants import apply, item

Rewrite = Callable[[ir.Operand], ir.Operand]


def operand(value: ir.Operand, change: Rewrite) -> ir.Operand:
    """An operand with `change` applied to its leaves, known parts computed on the way up."""
    match value:
        case ir.Apply(op=op, args=args, span=span):
            return apply(op, tuple(operand(arg, change) for arg in args), span)
        case ir.Item(of=of, index=index):
            return item(operand(of, change), index)
    return change(value)


def argument(value: ir.Argument, change: Rewrite) -> ir.Argument:
    """An argument with all its operands rewritten."""
    match value:
        case ir.Const():
            return change(value)
        case tuple():
            parts = tuple(argument(part, change) for part in value)
            return value if all(map(is_, parts, value)) else parts
        case ir.Strategy(args=args, named=named):
            return replace(
                value,
                args=tuple(argument(part, change) for part in args),
                named=tuple((name, argument(part, change)) for name, part in named),
            )
        case ir.Filled(args=bound):
            filled = tuple((name, operand(part, change)) for name, part in bound)
            same = all(new[1] is old[1] for new, old in zip(filled, bound, strict=True))
            return value if same else replace(value, args=filled)
        case ir.Model() | ir.Prompt() | ir.UpTo() | ir.Rows():
            return value
    return operand(value, change)


def stage(value: ir.Stage, change: Rewrite) -> ir.Stage:
    """A stage with all its operands rewritten; the stage itself where none is another."""
    source = None if value.source is None else operand(value.source, change)
    args = {name: argument(part, change) for name, part in value.args.items()}
    when = None if value.when is None else operand(value.when, change)
    guards = tuple([_guard(guard, change) for guard in value.guards])
    question = None if value.question is None else operand(value.question, change)
    others = source is value.source and when is value.when and question is value.question
    if others and all(map(is_, guards, value.guards)) and all(map(is_, args.values(), value.args.values())):
        return value
    return replace(value, source=source, args=args, when=when, guards=guards, question=question)


def _guard(guard: ir.Guard, change: Rewrite) -> ir.Guard:
    new = operand(guard.operand, change)
    return guard if new is guard.operand else replace(guard, operand=new)


def capped(loops: tuple[ir.Capped, ...], change: Rewrite) -> tuple[ir.Capped, ...]:
    """Loops that may leave items out, with their operands rewritten."""
    return tuple(
        replace(loop, size=operand(loop.size, change), guards=tuple(_guard(guard, change) for guard in loop.guards))
        for loop in loops
    )


def renaming(names: dict[str, ir.Operand]) -> Rewrite:
    """Replaces references to the stages in `names`."""

    def change(value: ir.Operand) -> ir.Operand:
        return names.get(value.path, value) if isinstance(value, ir.Ref) else value

    return change
