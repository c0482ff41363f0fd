"""Rewriting a graph: one function over every operand of every stage."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

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
        case tuple():
            return tuple(argument(part, change) for part in value)
        case ir.Strategy(args=args, named=named):
            return replace(
                value,
                args=tuple(argument(part, change) for part in args),
                named=tuple((name, argument(part, change)) for name, part in named),
            )
        case ir.Filled(args=bound):
            return replace(value, args=tuple((name, operand(part, change)) for name, part in bound))
        case ir.Model() | ir.Prompt() | ir.UpTo() | ir.Rows():
            return value
    return operand(value, change)


def stage(value: ir.Stage, change: Rewrite) -> ir.Stage:
    """A stage with all its operands rewritten."""
    return replace(
        value,
        source=None if value.source is None else operand(value.source, change),
        args={name: argument(part, change) for name, part in value.args.items()},
        when=None if value.when is None else operand(value.when, change),
        guards=tuple(replace(guard, operand=operand(guard.operand, change)) for guard in value.guards),
        question=None if value.question is None else operand(value.question, change),
    )


def renaming(names: dict[str, ir.Operand]) -> Rewrite:
    """Replaces references to the stages in `names`."""

    def change(value: ir.Operand) -> ir.Operand:
        return names.get(value.path, value) if isinstance(value, ir.Ref) else value

    return change
