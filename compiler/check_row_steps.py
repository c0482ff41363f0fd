"""Steps between a dataset and its rows: `shuffle(seed: 1)`, `where(level == "hard")`, `split(to: 0.8, seed: 1)`.

Codes:
    E0211  an argument that a step does not have
    E0212  a condition that is missing
    E0217  a value that is not written out, or not of its kind
"""

from __future__ import annotations

from ttscale.compiler import ast_expressions
from ttscale.compiler.check_frame import Frame
from ttscale.compiler.check_rows import check_row_expression
from ttscale.compiler.resolve_types import literal

ROW_STEPS = ("shuffle", "where", "split")


def check_row_step(expr: ast_expressions.Call, name: str, given: tuple[ast_expressions.Arg, ...], frame: Frame) -> None:
    """Reports what is wrong with a step; `given` are its arguments but the rows. Bare names of `where` are columns."""
    if name == "where":
        if len(given) != 1 or given[0].name is not None:
            frame.report("E0212", "`where` needs one condition", expr.span, hint='write `where(level == "hard")`')
        else:
            check_row_expression(given[0].value, frame.program)
    elif name == "shuffle":
        if len(given) > 1 or (given and given[0].name not in (None, "seed")):
            frame.report("E0211", "`shuffle` takes `seed:` alone", expr.span, hint="write `shuffle(seed: 1)`")
        elif given:
            _seed(given[0], frame)
    else:
        _split(expr, given, frame)


def _seed(arg: ast_expressions.Arg, frame: Frame) -> None:
    value = literal(arg.value)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        message = "`seed:` is a whole number, written out, 0 or more"
        frame.report("E0217", message, arg.value.span, hint="write `seed: 1`")


def _split(expr: ast_expressions.Call, given: tuple[ast_expressions.Arg, ...], frame: Frame) -> None:
    """`from` and `to` are shares from 0 to 1, of which at least one is given."""
    hint = "write `split(to: 0.8, seed: 1)` for the one part and `split(from: 0.8, seed: 1)` for the other"
    shares = {"from": 0.0, "to": 1.0}
    seen: set[str] = set()
    for arg in given:
        name = arg.name or ""
        if name not in ("from", "to", "seed") or name in seen:
            frame.report("E0211", "`split` takes `from:`, `to:` and `seed:`, each once", arg.span, hint=hint)
            return
        seen.add(name)
        if name == "seed":
            _seed(arg, frame)
            continue
        value = literal(arg.value)
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= 1:
            frame.report("E0217", f"`{name}:` is a share from 0 to 1, written out", arg.value.span, hint=hint)
            return
        shares[name] = float(value)
    if not seen & {"from", "to"}:
        frame.report("E0212", "`split` needs `from:` or `to:`", expr.span, hint=hint)
    elif shares["from"] >= shares["to"]:
        frame.report("E0217", "this part is empty: `from:` is not below `to:`", expr.span, hint=hint)
