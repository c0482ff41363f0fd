"""Rows of a dataset: slices, `shuffle(seed: 1)`, `where(level == "hard")`, `split(to: 0.8, seed: 1)`.

Codes:
    E0210  a step that rows do not have
    E0211  an argument that a step does not have
    E0212  a condition that is missing
    E0217  a value that is not written out, or not of its kind
"""

from __future__ import annotations

from ttscale.compiler import ast_expressions
from ttscale.compiler.check_frame import Program, did_you_mean, listed
from ttscale.compiler.check_rows import check_row_value
from ttscale.compiler.resolve_types import literal

ROW_STEPS = ("shuffle", "where", "split")


def check_rows(expr: ast_expressions.Expr, program: Program) -> None:
    """Reports what is wrong with the slices and steps of rows that stand alone, as after `on`; not with the name."""
    match expr:
        case ast_expressions.Slice(value=value, low=low, high=high, index=index):
            check_rows(value, program)
            for end in (low, high, index):
                if end is not None and (not isinstance(literal(end), int) or isinstance(literal(end), bool)):
                    hint = "write `data[0:100]`, `data[100:]` or `data[7]`"
                    program.report("E0217", "rows are cut at whole numbers, written out", end.span, hint=hint)
            check_slice(expr, program)
        case ast_expressions.Pipe(left=left, right=right):
            check_rows(left, program)
            _step(right, right.args, program)
        case ast_expressions.Call(callee=ast_expressions.Attribute(value=owner)):
            check_rows(owner, program)
            _step(expr, expr.args, program)
        case ast_expressions.Call(args=(first, *rest)):
            check_rows(first.value, program)
            _step(expr, tuple(rest), program)


def check_slice(expr: ast_expressions.Slice, program: Program) -> None:
    """Reports a slice in which there can be nothing, such as `rows[5:2]`."""
    low = 0 if expr.low is None else literal(expr.low)
    high = None if expr.high is None else literal(expr.high)
    if not isinstance(low, int) or not isinstance(high, int) or (low < 0) != (high < 0) or high > low:
        return
    base = program.text(expr.value.span)
    hint = f"it goes from the first to just before the second: `{base}[{high}:{low}]`"
    if high == low:
        hint = f"the second is not taken: for one write `{base}[{low}:{low + 1}]`" if low >= 0 else "leave it out"
    program.report("E0217", "there is nothing in this slice", expr.span, hint=hint)


def _step(call: ast_expressions.Call, given: tuple[ast_expressions.Arg, ...], program: Program) -> None:
    name = call.callee.name
    if name in ROW_STEPS:
        check_row_step(call, name, given, program)
    else:
        hint = did_you_mean(name, list(ROW_STEPS), f"there are {listed(ROW_STEPS)}")
        program.report("E0210", f"rows have no step `{name}`", call.callee.span, hint=hint)


def check_row_step(
    expr: ast_expressions.Call, name: str, given: tuple[ast_expressions.Arg, ...], program: Program
) -> None:
    """Reports what is wrong with a step; `given` are its arguments but the rows. Bare names of `where` are columns."""
    if name == "where":
        if len(given) != 1 or given[0].name is not None:
            program.report("E0212", "`where` needs one condition", expr.span, hint='write `where(level == "hard")`')
        else:
            check_row_value(given[0].value, program, condition=True)
    elif name == "shuffle":
        if len(given) > 1 or (given and given[0].name not in (None, "seed")):
            program.report("E0211", "`shuffle` takes `seed:` alone", expr.span, hint="write `shuffle(seed: 1)`")
        elif given:
            _seed(given[0], program)
    else:
        _split(expr, given, program)


def _seed(arg: ast_expressions.Arg, program: Program) -> None:
    value = literal(arg.value)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        message = "`seed:` is a whole number, written out, 0 or more"
        program.report("E0217", message, arg.value.span, hint="write `seed: 1`")


def _split(expr: ast_expressions.Call, given: tuple[ast_expressions.Arg, ...], program: Program) -> None:
    """`from` and `to` are shares from 0 to 1, of which at least one is given."""
    hint = "write `split(to: 0.8, seed: 1)` for the one part and `split(from: 0.8, seed: 1)` for the other"
    shares = {"from": 0.0, "to": 1.0}
    seen: set[str] = set()
    for arg in given:
        name = arg.name or ""
        if name not in ("from", "to", "seed") or name in seen:
            program.report("E0211", "`split` takes `from:`, `to:` and `seed:`, each once", arg.span, hint=hint)
            return
        seen.add(name)
        if name == "seed":
            _seed(arg, program)
            continue
        value = literal(arg.value)
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= 1:
            program.report("E0217", f"`{name}:` is a share from 0 to 1, written out", arg.value.span, hint=hint)
            return
        shares[name] = float(value)
    if not seen & {"from", "to"}:
        program.report("E0212", "`split` needs `from:` or `to:`", expr.span, hint=hint)
    elif shares["from"] >= shares["to"]:
        program.report("E0217", "this part is empty: `from:` is not below `to:`", expr.span, hint=hint)
