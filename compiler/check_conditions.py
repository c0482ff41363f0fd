"""Conditions as the checker sees them: formulas over parameters and over what only a run can tell.

A facet that is present `when critic` is neither there nor missing; it is there where `critic` holds. So presence
is a formula, and a stage that needs a facet asks `find_gaps` for the assignments of the parameters under
which the stage runs and the facet is missing. Conditions on run-time values count as free.

    presence = either((atom(critic),))
    find_gaps(runs=TRUE, presence, space)     # Gaps(always=False, at_defaults=True, examples=({"critic": False},))
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field
from itertools import islice, product
from math import prod

from ttscale.compiler import ast_expressions
from ttscale.compiler.constants import compute
from ttscale.compiler.frozen import dataclass
from ttscale.compiler.walk import nodes

LIMIT = 4096
"""Assignments looked at, at most; beyond it nothing is claimed."""


class NotKnown(Exception):
    """An expression whose value only a run can tell."""


# --- values --------------------------------------------------------------------------------------


def evaluate(expr: ast_expressions.Expr, values: Mapping[str, object]) -> object:
    """The value of an expression over parameters, with their `values`. Raises NotKnown for anything else."""
    match expr:
        case ast_expressions.LiteralValue(value=value):
            return value
        case ast_expressions.Quantity(amount=amount):
            return amount
        case ast_expressions.Name(name=name):
            if name in values:
                return values[name]
            raise NotKnown(name)
        case ast_expressions.Unary(op=op, operand=operand):
            return _computed("neg" if op == "-" else op, (evaluate(operand, values),))
        case ast_expressions.Binary(op=op, left=left, right=right):
            return _binary(op, left, right, values)
        case ast_expressions.Compare(operands=operands, ops=ops):
            return _chain(operands, ops, values)
        case ast_expressions.ListExpr(items=items):
            return tuple(evaluate(item, values) for item in items)
        case ast_expressions.UpTo(limit=limit):
            return evaluate(limit, values)
        case ast_expressions.Match(subject=subject, arms=arms):
            found = evaluate(subject, values)
            for arm in arms:
                if not arm.labels or any(same_label(label, found) for label in arm.labels):
                    return evaluate(arm.value, values)
    raise NotKnown(type(expr).__name__)


def same_label(label: str | int | bool, value: object) -> bool:
    """Whether a `match` label is this value; `1` is not `true`."""
    return isinstance(label, bool) == isinstance(value, bool) and label == value


def _binary(op: str, left: ast_expressions.Expr, right: ast_expressions.Expr, values: Mapping[str, object]) -> object:
    if op not in ("and", "or"):
        return _computed(op, (evaluate(left, values), evaluate(right, values)))
    sides: list[bool] = []
    for side in (left, right):
        try:
            sides.append(bool(evaluate(side, values)))
        except NotKnown:
            continue
    decides = op == "or"
    if decides in sides:
        return decides
    if len(sides) == 2:
        return not decides
    raise NotKnown(op)


def _chain(operands: tuple[ast_expressions.Expr, ...], ops: tuple[str, ...], values: Mapping[str, object]) -> bool:
    known = [evaluate(operand, values) for operand in operands]
    return all(bool(_computed(op, (known[i], known[i + 1]))) for i, op in enumerate(ops))


def _computed(op: str, args: tuple[object, ...]) -> object:
    found = compute(op, args)
    if found is None:
        raise NotKnown(op)
    return found.value


def names_in(expr: ast_expressions.Expr) -> Iterator[str]:
    """Every bare name in an expression over parameters, left to right."""
    match expr:
        case ast_expressions.Name(name=name):
            yield name
        case (
            ast_expressions.Unary(operand=inner)
            | ast_expressions.UpTo(limit=inner)
            | ast_expressions.Attribute(value=inner)
        ):
            yield from names_in(inner)
        case ast_expressions.Binary(left=left, right=right):
            yield from names_in(left)
            yield from names_in(right)
        case ast_expressions.Compare(operands=items) | ast_expressions.ListExpr(items=items):
            for item in items:
                yield from names_in(item)
        case ast_expressions.Match(subject=subject, arms=arms):
            yield from names_in(subject)
            for arm in arms:
                yield from names_in(arm.value)


def is_over(expr: ast_expressions.Expr, names: Iterable[str]) -> bool:
    """Whether an expression is made of these names and of literals alone, so that their values settle it."""
    match expr:
        case ast_expressions.LiteralValue() | ast_expressions.Quantity():
            return True
        case ast_expressions.Name(name=name):
            return name in names
        case ast_expressions.Unary(operand=inner) | ast_expressions.UpTo(limit=inner):
            return is_over(inner, names)
        case ast_expressions.Binary(left=left, right=right):
            return is_over(left, names) and is_over(right, names)
        case ast_expressions.Compare(operands=items) | ast_expressions.ListExpr(items=items):
            return all(is_over(item, names) for item in items)
        case ast_expressions.Match(subject=subject, arms=arms):
            return is_over(subject, names) and all(is_over(arm.value, names) for arm in arms)
    return False


def substitute(expr: ast_expressions.Expr, known: Mapping[str, ast_expressions.Expr]) -> ast_expressions.Expr:
    """The expression with bindings of parameters (`half = n / 2`) written out."""
    if not known:
        return expr
    match expr:
        case ast_expressions.Name(name=name):
            return known.get(name, expr)
        case ast_expressions.Unary(op=op, operand=operand, span=span):
            return ast_expressions.Unary(op, substitute(operand, known), span)
        case ast_expressions.UpTo(limit=limit, span=span):
            return ast_expressions.UpTo(substitute(limit, known), span)
        case ast_expressions.Binary(op=op, left=left, right=right, span=span):
            return ast_expressions.Binary(op, substitute(left, known), substitute(right, known), span)
        case ast_expressions.Compare(operands=operands, ops=ops, span=span):
            return ast_expressions.Compare(tuple(substitute(item, known) for item in operands), ops, span)
        case ast_expressions.ListExpr(items=items, span=span):
            return ast_expressions.ListExpr(tuple(substitute(item, known) for item in items), span)
        case ast_expressions.Match(subject=subject, arms=arms, span=span):
            new = tuple(ast_expressions.Arm(arm.labels, substitute(arm.value, known), arm.span) for arm in arms)
            return ast_expressions.Match(substitute(subject, known), new, span)
    return expr


# --- the space of parameters ---------------------------------------------------------------------


@dataclass(frozen=True)
class Space:
    """The parameters of one pipeline: values to try for each, its default, and what `require` asks of them.

    `values` covers every allowed value of a parameter in `complete`, and some (ends, default) of the others. What was
    enumerated once is remembered.
    """

    values: Mapping[str, tuple[object, ...]] = field(default_factory=dict)
    defaults: Mapping[str, object] = field(default_factory=dict)
    requires: tuple[ast_expressions.Expr, ...] = ()
    complete: frozenset[str] = frozenset()
    _assignments: dict[tuple[str, ...], list[dict[str, object]] | None] = field(default_factory=dict, compare=False)
    _values: dict[tuple[ast_expressions.Expr, tuple[type, ...]], list[object] | None] = field(
        default_factory=dict, compare=False
    )

    def related(self, names: Iterable[str]) -> tuple[str, ...]:
        """The parameters among `names` and those that a `require` ties to them, in order of declaration."""
        found = {name for name in names if name in self.values}
        groups = [set(names_in(require)) & set(self.values) for require in self.requires]
        while any(group & found and not group <= found for group in groups):
            for group in groups:
                if group & found:
                    found |= group
        return tuple(name for name in self.values if name in found)

    def assignments(self, names: Iterable[str]) -> list[dict[str, object]] | None:
        """Allowed assignments of the parameters related to `names`, the default one first; None if too many."""
        related = self.related(names)
        if related not in self._assignments:
            self._assignments[related] = self._enumerate(related)
        return self._assignments[related]

    def _enumerate(self, related: tuple[str, ...]) -> list[dict[str, object]] | None:
        if prod(len(self.values[name]) for name in related) > LIMIT:
            return None
        combinations = product(*(self.values[name] for name in related))
        found = [dict(zip(related, values, strict=True)) for values in combinations]
        start = {name: self.defaults[name] for name in related if name in self.defaults}
        found.sort(key=lambda assignment: assignment != start)
        return [assignment for assignment in found if self.allows(assignment)]

    def allows(self, assignment: Mapping[str, object]) -> bool:
        """Whether every `require` that can be decided holds."""
        for require in self.requires:
            try:
                if not evaluate(require, assignment):
                    return False
            except NotKnown:
                continue
        return True

    def values_of(self, expr: ast_expressions.Expr) -> list[object] | None:
        """The values that an expression over parameters takes, the default one first; None if not known."""
        kinds = tuple(type(node.value) for node in nodes(expr) if isinstance(node, ast_expressions.LiteralValue))
        if (expr, kinds) not in self._values:
            self._values[expr, kinds] = self._evaluate(expr)
        return self._values[expr, kinds]

    def _evaluate(self, expr: ast_expressions.Expr) -> list[object] | None:
        """Each value once, in the order in which assignments give them."""
        names = sorted(set(names_in(expr)))
        assignments = self.assignments(names)
        if assignments is None:
            return None
        try:
            distinct: dict[tuple[object, ...], Mapping[str, object]] = {}
            for assignment in assignments:
                distinct.setdefault(tuple(map(assignment.get, names)), assignment)
            return [evaluate(expr, assignment) for assignment in distinct.values()]
        except (NotKnown, TypeError):
            return None


# --- formulas ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Atom:
    """A condition written in the program; `equals` holds the labels of a `match` arm on it."""

    expr: ast_expressions.Expr
    equals: tuple[str | int | bool, ...] | None = None


@dataclass(frozen=True, slots=True)
class Not:
    """The part does not hold."""

    part: Formula


@dataclass(frozen=True, slots=True)
class All:
    """Every part holds; no parts is true."""

    parts: tuple[Formula, ...]


@dataclass(frozen=True, slots=True)
class Either:
    """At least one part holds; no parts is false."""

    parts: tuple[Formula, ...]


@dataclass(frozen=True, slots=True)
class Maybe:
    """Not known to the checker; nothing is claimed about it."""


Formula = Atom | Not | All | Either | Maybe
TRUE: Formula = All(())
FALSE: Formula = Either(())
MAYBE: Formula = Maybe()


def both(*parts: Formula) -> Formula:
    """All parts, simplified."""
    kept: list[Formula] = []
    for part in parts:
        if part == FALSE:
            return FALSE
        for piece in part.parts if isinstance(part, All) else (part,):
            if piece not in kept:
                kept.append(piece)
    return kept[0] if len(kept) == 1 else All(tuple(kept))


def either(*parts: Formula) -> Formula:
    """At least one part, simplified."""
    kept: list[Formula] = []
    for part in parts:
        if part == TRUE:
            return TRUE
        for piece in part.parts if isinstance(part, Either) else (part,):
            if piece not in kept:
                kept.append(piece)
    return kept[0] if len(kept) == 1 else Either(tuple(kept))


def negate(part: Formula) -> Formula:
    """The part does not hold, simplified."""
    if part == TRUE:
        return FALSE
    if part == FALSE:
        return TRUE
    return part.part if isinstance(part, Not) else part if isinstance(part, Maybe) else Not(part)


def atoms(formula: Formula) -> Iterator[Atom]:
    """Every condition in a formula, left to right."""
    match formula:
        case Atom():
            yield formula
        case Not(part):
            yield from atoms(part)
        case All(parts) | Either(parts):
            for part in parts:
                yield from atoms(part)


def has_maybe(formula: Formula) -> bool:
    """Whether something in the formula is not known to the checker."""
    match formula:
        case Maybe():
            return True
        case Not(part):
            return has_maybe(part)
        case All(parts) | Either(parts):
            return any(has_maybe(part) for part in parts)
    return False


@dataclass(frozen=True, slots=True)
class Gaps:
    """Where something needed is missing: for every assignment, at the defaults, and some of the assignments.

    `at_run_time` says that a run-time condition decides it.
    """

    always: bool
    at_defaults: bool
    examples: tuple[Mapping[str, object], ...]
    at_run_time: bool = False


def find_gaps(runs: Formula, present: Formula, space: Space) -> Gaps | None:
    """Where `runs` holds and `present` does not, or None where that cannot be or is not known."""
    if present == TRUE or has_maybe(runs) or has_maybe(present):
        return None
    conditions = list(dict.fromkeys([*atoms(runs), *atoms(present)]))
    static = [atom for atom in conditions if is_over(atom.expr, space.values)]
    free = [atom for atom in conditions if atom not in static]
    assignments = space.assignments(name for atom in static for name in names_in(atom.expr))
    if assignments is None or len(assignments) * 2 ** len(free) > 4 * LIMIT:
        return None
    gaps: list[dict[str, object]] = []
    covered = 0
    for assignment in assignments:
        try:
            settled = {atom: _holds(atom, assignment) for atom in static}
        except NotKnown:
            return None
        truths = [
            {**settled, **dict(zip(free, guess, strict=True))} for guess in product((True, False), repeat=len(free))
        ]
        running = [truth for truth in truths if _true(runs, truth)]
        covered += bool(running)
        if any(not _true(present, truth) for truth in running):
            gaps.append(assignment)
    if not gaps:
        return None
    start = {name: space.defaults[name] for name in gaps[0] if name in space.defaults}
    examples = tuple(islice((gap for gap in gaps), 4))
    return Gaps(len(gaps) == covered, start in gaps, examples, bool(free))


def _holds(atom: Atom, assignment: Mapping[str, object]) -> bool:
    value = evaluate(atom.expr, assignment)
    return bool(value) if atom.equals is None else any(same_label(label, value) for label in atom.equals)


def _true(formula: Formula, truth: Mapping[Atom, bool]) -> bool:
    match formula:
        case Atom():
            return truth[formula]
        case Not(part):
            return not _true(part, truth)
        case All(parts):
            return all(_true(part, truth) for part in parts)
        case Either(parts):
            return any(_true(part, truth) for part in parts)
        case Maybe():
            return True
