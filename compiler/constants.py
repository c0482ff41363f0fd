"""Computing with operands: what is known when the plan is made is computed then, the rest becomes an `Apply`.

    apply("+", (Const(1), Const(2)))          # Const(3)
    apply(">=", (Apply("agreement", …), Const(0.75)))   # stays an Apply

`none` compares false except with `== none`; a division by zero and other undefined results are `none`.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from ttscale.compiler.ir import Apply, Const, Item, Operand
from ttscale.compiler.source import Span

ORDER: dict[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "%": operator.mod,
}
OPERATORS = frozenset((*ORDER, *ARITHMETIC, "==", "!=", "and", "or", "not", "neg"))


def apply(op: str, args: tuple[Operand, ...], span: Span | None = None) -> Operand:
    """`op` of `args`, as a Const where that can be said now."""
    if op in ("and", "or"):
        return _logic(op, args, span)
    if all(isinstance(arg, Const) for arg in args):
        values = tuple(arg.value for arg in args if isinstance(arg, Const))
        found = compute(op, values)
        if found is not None:
            return found
    return Apply(op, args, span)


def compute(op: str, values: tuple[object, ...]) -> Const | None:
    """The result of a pure function of known values, or None where only the runtime can say it."""
    match op, values:
        case "not", (value,):
            return Const(not value)
        case "neg", (int() | float() as value,):
            return Const(-value)
        case "==", (left, right):
            return Const(_equal(left, right))
        case "!=", (left, right):
            return Const(not _equal(left, right))
        case "list", _:
            return Const(values)
        case ("length", (tuple() as value,)) | ("size", (tuple() as value,)):
            return Const(len(value))
        case "text", (str() as value,):
            return Const(value)
        case _, (left, right) if op in ORDER:
            return _ordered(op, left, right)
        case _, (left, right) if op in ARITHMETIC:
            return _arithmetic(op, left, right)
    return None


def _logic(op: str, args: tuple[Operand, ...], span: Span | None) -> Operand:
    """Short-circuit where one side decides; `and`/`or` give truth values."""
    decides = op == "or"
    open_args: list[Operand] = []
    for arg in args:
        if not isinstance(arg, Const):
            open_args.append(arg)
        elif bool(arg.value) is decides:
            return Const(decides)
    if not open_args:
        return Const(not decides)
    return open_args[0] if len(open_args) == 1 else Apply(op, tuple(open_args), span)


def _equal(left: object, right: object) -> bool:
    if isinstance(left, bool) is not isinstance(right, bool):
        return False
    return left == right


def _ordered(op: str, left: object, right: object) -> Const | None:
    if left is None or right is None:
        return Const(False)
    if (_is_number(left) and _is_number(right)) or (isinstance(left, str) and isinstance(right, str)):
        return Const(ORDER[op](left, right))
    return None


def _arithmetic(op: str, left: object, right: object) -> Const | None:
    if left is None or right is None:
        return Const(None)
    if op == "+" and isinstance(left, str) and isinstance(right, str):
        return Const(left + right)
    if not (_is_number(left) and _is_number(right)):
        return None
    try:
        value = ARITHMETIC[op](left, right)
    except (ZeroDivisionError, OverflowError):
        return Const(None)
    if op == "/" and isinstance(left, int) and isinstance(right, int) and left % right == 0:
        return Const(left // right)
    return Const(value)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def item(of: Operand, index: int) -> Operand:
    """Element `index` of a list or pool; known at once for a known list."""
    if isinstance(of, Const) and isinstance(of.value, tuple):
        return Const(of.value[index]) if -len(of.value) <= index < len(of.value) else Const(None)
    if isinstance(of, Apply) and of.op == "list":
        return of.args[index] if -len(of.args) <= index < len(of.args) else Const(None)
    return Item(of, index)
