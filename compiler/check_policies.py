"""Conditions on a pool that a Python file declares: `until: settled(share: 0.8)`, `… when settled(drafts)`.

Codes:
    E0210  a condition that does not say of which pool
    E0212  an argument that is missing
    E0213  an argument given twice, or one too many
    E0215  a condition of something that is no pool
"""

from __future__ import annotations

from ttscale.compiler import ast_expressions, types
from ttscale.compiler.check_frame import ANYTHING, Frame, Typed
from ttscale.compiler.check_strategies import rule_call
from ttscale.compiler.check_types import describe
from ttscale.compiler.python_names import PythonSignature
from ttscale.compiler.signatures import RuleSignature


def policy_name(function: PythonSignature, expr: ast_expressions.Expr, frame: Frame) -> Typed:
    """A bare `settled`, which is about the pool being made."""
    if frame.own is None:
        message = f"`{function.name}` is a condition, and here it does not say of which pool"
        frame.report("E0210", message, expr.span, hint=f"write `{function.name}(drafts)`")
    missing = next((p.name for p in function.parameters if p.required), None)
    if missing is not None:
        hint = f"write `{function.name}({missing}: …)`"
        frame.report("E0212", f"`{function.name}` needs `{missing}`", expr.span, hint=hint)
    return Typed(types.BOOL)


def policy_call(expr: ast_expressions.Call, function: PythonSignature, piped: Typed | None, frame: Frame) -> Typed:
    """A condition of a pool, with its other arguments by name."""
    pools = [arg for arg in expr.args if arg.name is None]
    typed = [] if piped is None else [piped]
    for arg in pools:
        found = frame.type(arg.value)
        typed.append(found)
        if found.is_known and not found.is_pool:
            message = f"`{function.name}` is about a pool, and this is {describe(found.type)}"
            frame.report("E0215", message, arg.value.span, hint=f"write `{function.name}(…)` of what a stage gave")
    if len(typed) > 1:
        message = f"`{function.name}` is about one pool"
        frame.report("E0213", message, expr.span, hint="give its other arguments by name")
    elif not typed and frame.own is None:
        message = f"`{function.name}` is a condition, and here it does not say of which pool"
        frame.report("E0210", message, expr.span, hint=f"write `{function.name}(drafts)`")
    named = ast_expressions.Call(expr.callee, tuple(arg for arg in expr.args if arg.name is not None), None, expr.span)
    rule = RuleSignature(function.name, "numbers", (), function.parameters)
    rule_call(named, rule, ANYTHING, frame)
    return Typed(types.BOOL)
