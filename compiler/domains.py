"""Domains of parameters: what belongs to one, and which values stand for it when all are tried."""

from __future__ import annotations

import math
from itertools import combinations

from ttscale.compiler import ast, ast_expressions
from ttscale.compiler.frozen import dataclass
from ttscale.compiler.resolve_types import literal
from ttscale.compiler.types import BOOL, INT, Choice, Type

MANY = 64
"""A range of more whole numbers than this is tried at a few of them."""


@dataclass(frozen=True, slots=True)
class Domain:
    """A set of `items` in order, or (where `items` is None) the range from `low` to `high`, `step` apart if given."""

    items: tuple[object, ...] | None
    low: float = 0.0
    high: float = 0.0
    step: float | None = None
    whole: bool = False
    log: bool = False

    def contains(self, value: object) -> bool:
        """Whether a value in plain form belongs to the domain."""
        if self.items is not None:
            return any(_same(value, item) for item in self.items)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        if not self.low <= value <= self.high or (self.whole and value != int(value)):
            return False
        if self.step is None:
            return True
        steps = (value - self.low) / self.step
        return math.isclose(steps, round(steps), abs_tol=1e-9)

    def values(self) -> tuple[object, ...]:
        """All values of a finite domain; the ends and the middle of a continuous or very large one."""
        if self.items is not None:
            return self.items
        step = self.step if self.step is not None else (1 if self.whole else None)
        if step is not None and step > 0:
            count = math.floor((self.high - self.low) / step + 1e-9) + 1
            if count <= MANY:
                return tuple(self._number(self.low + i * step) for i in range(count))
            return tuple(self._number(self.low + i * step) for i in (0, 1, count // 2, count - 2, count - 1))
        return (self.low, (self.low + self.high) / 2, self.high)

    def is_listed(self) -> bool:
        """Whether `values` are all there are."""
        if self.items is not None:
            return True
        step = self.step if self.step is not None else (1 if self.whole else None)
        return step is not None and step > 0 and (self.high - self.low) / step < MANY

    def words(self) -> str:
        """The domain as a reader would say it: `one of 1, 2, 4` or `from 0.2 to 1.2`."""
        if self.items is not None:
            return f"one of {', '.join(show(item) for item in self.items)}"
        whole = "a whole number " if self.whole else ""
        apart = f" in steps of {show(self._number(self.step))}" if self.step is not None else ""
        return f"{whole}from {show(self._number(self.low))} to {show(self._number(self.high))}{apart}"

    def _number(self, value: float) -> int | float:
        # 0.2 and four steps of 0.1 is 0.6 as written, not the nearest sum of doubles
        return round(value) if self.whole else round(value, 12)


def domain_of(param: ast.Param, kind: Type) -> Domain | None:
    """The domain that a parameter is declared with; a Bool's or Choice's own values where none is written."""
    match param.domain:
        case ast.SetDomain(items=items):
            return Domain(tuple(_item(item, kind) for item in items))
        case ast.SubsetsDomain(items=items):
            names = tuple(_item(item, kind) for item in items)
            return Domain(tuple(part for size in range(1, len(names) + 1) for part in combinations(names, size)))
        case ast.RangeDomain(low=low, high=high, log=log, step=step):
            ends = literal(low), literal(high), None if step is None else literal(step)
            numbers = [float(end) if isinstance(end, int | float) else None for end in ends]
            first, last = numbers[0] or 0.0, numbers[1] or 0.0
            return Domain(None, first, last, numbers[2], kind == INT, log)
    if kind == BOOL:
        return Domain((True, False))
    if isinstance(kind, Choice):
        return Domain(kind.labels)
    return None


def _item(expr: ast_expressions.Expr, kind: Type) -> object:
    if isinstance(expr, ast_expressions.Attribute):
        return f"{_item(expr.value, kind)}.{expr.name}"
    value = literal(expr)
    return (
        expr.raw
        if isinstance(kind, Choice) and isinstance(expr, ast_expressions.LiteralValue) and not isinstance(value, str)
        else value
    )


def _same(value: object, item: object) -> bool:
    if isinstance(value, bool) is not isinstance(item, bool):
        return False
    if isinstance(value, tuple) and isinstance(item, tuple):
        return sorted(map(str, value)) == sorted(map(str, item))
    return value == item


def show(value: object) -> str:
    """A plain value as it would be written in a file."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple | list):
        return f"[{', '.join(show(part) for part in value)}]"
    if isinstance(value, float):
        return f"{value:g}"
    return str(value)
