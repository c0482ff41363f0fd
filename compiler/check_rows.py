"""Expressions over a row of data, and the functions that they, metrics and tests may use.

Codes:
    E0210  a function that does not exist
    E0212  an argument of a function that is missing
    E0213  one argument too many
    E0271  something that a row's expression cannot have
"""

from __future__ import annotations

from collections.abc import Mapping

from ttscale.compiler import ast_expressions, types
from ttscale.compiler.check_frame import Program, did_you_mean
from ttscale.compiler.frozen import dataclass


@dataclass(frozen=True, slots=True)
class RowFunction:
    """A pure function: how many arguments it takes, what it gives, how it is written, and what each argument is."""

    low: int
    high: int
    gives: types.Type
    example: str
    takes: tuple[str, ...] = ("anything",)


ROW_FUNCTIONS: Mapping[str, RowFunction] = {
    "after": RowFunction(2, 2, types.TEXT, 'after(answer, "####")', ("anything", "a text")),
    "before": RowFunction(2, 2, types.TEXT, 'before(answer, "####")', ("anything", "a text")),
    "number": RowFunction(1, 1, types.NUMBER, "number(answer)"),
    "text": RowFunction(1, 1, types.TEXT, "text(answer)"),
    "lower": RowFunction(1, 1, types.TEXT, "lower(answer)"),
    "upper": RowFunction(1, 1, types.TEXT, "upper(answer)"),
    "trim": RowFunction(1, 1, types.TEXT, "trim(answer)"),
    "lines": RowFunction(1, 1, types.ListOf(types.TEXT), "lines(body)"),
    "contains": RowFunction(2, 2, types.BOOL, 'contains(body, "yes")', ("a text or a list", "anything")),
    "join": RowFunction(1, 2, types.TEXT, 'join(parts, ", ")', ("a list", "a text")),
    "letter": RowFunction(1, 1, types.TEXT, "letter(label)", ("a number or a text",)),
    "length": RowFunction(1, 1, types.INT, "length(body)", ("a text or a list",)),
}
ELSEWHERE = {"strip": "trim", "split": "after", "int": "number", "float": "number", "str": "text", "len": "length"}


def check_row_value(expr: ast_expressions.Expr, program: Program, *, condition: bool = False) -> None:
    """Checks an expression whose bare names are columns, of which nothing is known; a `condition` is true or false."""
    from ttscale.compiler.row_types import RowTypes  # which needs the functions of this module

    mark = len(program.diagnostics)
    check_row_expression(expr, program)
    if not program.has_errors_since(mark):
        kinds = RowTypes({}, program.text, lambda code, *told: program.report(code, *told[:2], hint=told[2]))
        kinds.condition(expr) if condition else kinds.of(expr)


def check_row_expression(expr: ast_expressions.Expr, program: Program) -> None:
    """Checks the form of an expression whose bare names are columns."""
    match expr:
        case ast_expressions.Name() | ast_expressions.LiteralValue() | ast_expressions.Quantity():
            return
        case ast_expressions.Attribute(value=value) | ast_expressions.Unary(operand=value):
            check_row_expression(value, program)
        case ast_expressions.ListExpr(items=items) | ast_expressions.Compare(operands=items):
            for item in items:
                check_row_expression(item, program)
        case ast_expressions.MapExpr(entries=entries):
            for entry in entries:
                check_row_expression(entry.value, program)
        case ast_expressions.Binary(left=left, right=right):
            check_row_expression(left, program)
            check_row_expression(right, program)
        case ast_expressions.Slice(value=value, index=index) if index is not None:
            check_row_expression(value, program)
        case ast_expressions.Pipe(left=left, right=right):
            check_row_expression(left, program)
            _function(right, 1, program)
        case ast_expressions.Call():
            _function(expr, 0, program)
        case _:
            hint = 'use columns and functions of them, such as `after(answer, "####")`'
            program.report("E0271", "this cannot be read from a row", expr.span, hint=hint)


def _function(call: ast_expressions.Call, piped: int, program: Program) -> None:
    for arg in call.args:
        check_row_expression(arg.value, program)
    if call.when is not None:
        program.report("E0246", "`when` belongs to a stage", call.when.span, hint="leave it out")
    if isinstance(call.callee, ast_expressions.Attribute):
        _method(call, call.callee, program)
        return
    name = call.callee.name if isinstance(call.callee, ast_expressions.Name) else ""
    function = ROW_FUNCTIONS.get(name)
    if function is None:
        unknown_function(call, name, program)
        return
    check_count(call, function, piped, program)


def _method(call: ast_expressions.Call, callee: ast_expressions.Attribute, program: Program) -> None:
    """`answer.split("####")`: rows have functions, which take the value first."""
    name = ELSEWHERE.get(callee.name, callee.name)
    base = program.text(callee.value.span)
    rest = ", ".join(program.text(arg.span) for arg in call.args)
    hint = f"there are {', '.join(ROW_FUNCTIONS)}"
    if name in ROW_FUNCTIONS:
        hint = f"write `{name}({base}{', ' if rest else ''}{rest})`"
    program.report("E0210", f"values of rows have no method `{callee.name}`", callee.span, hint=hint)


def unknown_function(call: ast_expressions.Call, name: str, program: Program) -> None:
    """Reports a function that rows do not have."""
    known = list(ROW_FUNCTIONS)
    hint = f"here it is called `{ELSEWHERE[name]}`" if name in ELSEWHERE else did_you_mean(name, known)
    message = f"there is no function `{name or '…'}` for rows"
    program.report("E0210", message, call.callee.span, hint=hint or f"there are {', '.join(known)}")


def check_count(call: ast_expressions.Call, function: RowFunction, piped: int, program: Program) -> None:
    """Reports too few or too many arguments, and named ones."""
    name = call.callee.name
    named = next((arg for arg in call.args if arg.name is not None), None)
    count = len(call.args) + piped
    hint = f"write `{function.example}`"
    if named is not None:
        program.report("E0211", f"`{name}` has no argument `{named.name}`", named.span, hint=hint)
    elif count < function.low:
        program.report("E0212", f"`{name}` needs {function.low} arguments", call.span, hint=hint)
    elif count > function.high:
        most = f"{function.high} argument{'' if function.high == 1 else 's'}"
        program.report("E0213", f"`{name}` takes {most} at most", call.span, hint=hint)
