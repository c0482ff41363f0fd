"""Few-shot examples among the rows that a `search` or an `eval` measures: answers that the model was shown.

Slices of one dataset are compared by their ends, after the same shuffles and conditions. What cannot be compared
(other shuffles, other conditions) is left to the run, which never shows a question as its own example.

Codes:
    E0276  examples that overlap the rows on which a pipeline is measured
"""

from __future__ import annotations

from collections.abc import Iterator

from ttscale.compiler import ast, ast_expressions
from ttscale.compiler.check_frame import Program
from ttscale.compiler.diagnostics import Label
from ttscale.compiler.frozen import dataclass
from ttscale.compiler.resolve_types import literal, lookup
from ttscale.compiler.scope import ModuleScope, Symbol
from ttscale.compiler.source import Span
from ttscale.compiler.walk import nodes

END = 1 << 60
"""More rows than a file has."""


@dataclass(frozen=True)
class Part:
    """Rows `low` to `high` (not included) of what the steps `before` make of a dataset."""

    dataset: str
    before: tuple[tuple[str, object], ...]
    low: int
    high: int
    span: Span


def check_leakage(declaration: ast.SearchDecl | ast.EvalDecl, scope: ModuleScope, program: Program) -> None:
    """Reports every `examples:` of the measured pipelines that shares rows with those on which they are measured."""
    pipelines = declaration.pipelines if isinstance(declaration, ast.EvalDecl) else (declaration.over,)
    said: set[tuple[Span, Span]] = set()
    for measured in _measured(declaration):
        rows = part_of(measured, scope, program)
        if rows is None:
            continue
        for shown in _shown(pipelines, scope, program):
            if not _overlap(rows, shown) or (rows.span, shown.span) in said:
                continue
            said.add((rows.span, shown.span))
            what = "eval" if isinstance(declaration, ast.EvalDecl) else "search"
            program.report(
                "E0276",
                "the model would be shown answers to rows on which it is measured",
                shown.span,
                label="shown as examples",
                labels=(Label(rows.span, f"`{what}` measures on these; {_common(rows, shown)} in both"),),
                hint="take other rows for the examples, such as the ones before these",
            )


def _measured(declaration: ast.SearchDecl | ast.EvalDecl) -> Iterator[ast_expressions.Expr]:
    """The expressions of rows on which a block measures."""
    if isinstance(declaration, ast.EvalDecl):
        yield declaration.on
    for clause in declaration.clauses:
        if clause.on is not None:
            yield clause.on
        if clause.keyword == "holdout":
            yield from clause.values


def _shown(pipelines: tuple[ast_expressions.Expr, ...], scope: ModuleScope, program: Program) -> Iterator[Part]:
    """The rows of every `examples:` in the pipelines and in those that they call."""
    waiting = [lookup(expr, scope, program.linked) for expr in pipelines]
    seen: set[tuple[str, str]] = set()
    while waiting:
        symbol = waiting.pop()
        if symbol is None or not isinstance(symbol.declaration, ast.PipelineDecl):
            continue
        if (symbol.module, symbol.name) in seen:
            continue
        seen.add((symbol.module, symbol.name))
        home = program.linked.scope_of(symbol)
        for node in nodes(symbol.declaration):
            if not isinstance(node, ast_expressions.Call):
                continue
            waiting.append(_called(node, home, program))
            for arg in node.args:
                if arg.name == "examples":
                    part = part_of(arg.value, home, program)
                    if part is not None:
                        yield part


def _called(call: ast_expressions.Call, scope: ModuleScope, program: Program) -> Symbol | None:
    return (
        lookup(call.callee, scope, program.linked)
        if isinstance(call.callee, ast_expressions.Name | ast_expressions.Attribute)
        else None
    )


def part_of(expr: ast_expressions.Expr, scope: ModuleScope, program: Program) -> Part | None:
    """The rows that an expression names, where its ends are written out."""
    match expr:
        case ast_expressions.Name() | ast_expressions.Attribute():
            symbol = lookup(expr, scope, program.linked)
            if symbol is None or symbol.kind != "dataset":
                return None
            return Part(f"{symbol.module}#{symbol.name}", (), 0, END, expr.span)
        case ast_expressions.Slice(value=value, low=low, high=high, index=index):
            inner = part_of(value, scope, program)
            if inner is None:
                return None
            if index is not None:
                first = _whole(index)
                return None if first is None else _cut(inner, first, first + 1, expr.span)
            ends = (0 if low is None else _whole(low), END if high is None else _whole(high))
            return None if ends[0] is None or ends[1] is None else _cut(inner, ends[0], ends[1], expr.span)
        case ast_expressions.Pipe(left=left, right=right):
            return _stepped(part_of(left, scope, program), right.callee.name, right.args, expr.span)
        case ast_expressions.Call(callee=ast_expressions.Attribute(value=owner, name=name), args=args):
            return _stepped(part_of(owner, scope, program), name, args, expr.span)
        case ast_expressions.Call(callee=ast_expressions.Name(name=name), args=(first_arg, *rest)):
            return _stepped(part_of(first_arg.value, scope, program), name, tuple(rest), expr.span)
    return None


def _whole(expr: ast_expressions.Expr) -> int | None:
    value = literal(expr)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _cut(part: Part, low: int, high: int, span: Span) -> Part:
    """Rows `low` to `high` of a part."""
    return Part(part.dataset, part.before, part.low + low, min(part.high, part.low + high), span)


def _stepped(part: Part | None, name: str, args: tuple[ast_expressions.Arg, ...], span: Span) -> Part | None:
    """A part after `shuffle` or `where`: counting starts anew."""
    if part is None:
        return None
    step = (_step(name, part.low, part.high), tuple(arg.value for arg in args))
    return Part(part.dataset, (*part.before, step), 0, END, span)


def _step(name: str, low: int, high: int) -> str:
    return f"{name} of {low} to {high}"


_WHOLE_SHUFFLED = _step("shuffle", 0, END)


def _overlap(measured: Part, shown: Part) -> bool:
    """Whether two parts surely share rows."""
    if measured.dataset != shown.dataset:
        return False
    if measured.before == shown.before:
        return max(measured.low, shown.low) < min(measured.high, shown.high)
    # All rows of a dataset are among those measured, however they are picked or ordered.
    return any(_is_whole(part) for part in (measured, shown))


def _is_whole(part: Part) -> bool:
    return (part.low, part.high) == (0, END) and all(step == _WHOLE_SHUFFLED for step, _ in part.before)


def common_rows(one: Part, other: Part) -> str:
    """Which rows two parts surely share, `rows 3 to 9 are`; "" where none surely are."""
    return _common(one, other) if _overlap(one, other) else ""


def _common(measured: Part, shown: Part) -> str:
    low, high = max(measured.low, shown.low), min(measured.high, shown.high)
    if measured.before != shown.before or high >= END:
        return "some are"
    return f"rows {low} to {high - 1} are" if high - low > 1 else f"row {low} is"
