"""Conditions on a pool that a Python file declares, as operands."""

from __future__ import annotations

from collections.abc import Mapping

from ttscale.compiler import ast_expressions, ir
from ttscale.compiler.expansion import Expansion, Frame, Plain, Pool, Site, Value, one
from ttscale.compiler.python_names import PythonSignature
from ttscale.compiler.source import Span
from ttscale.compiler.types import BOOL


def policy_of(function: PythonSignature, pool: ir.Operand, given: Mapping[str, ir.Operand], span: Span) -> Plain:
    """The condition of one pool; arguments that are not given have their defaults."""
    names = tuple(parameter.name for parameter in function.parameters)
    values = tuple(given.get(parameter.name, ir.Const(parameter.default)) for parameter in function.parameters)
    return Plain(ir.Apply("python", (ir.Const(function.key), pool, ir.Const(names), *values), span), BOOL)


def call_policy(
    expansion: Expansion,
    call: ast_expressions.Call,
    function: PythonSignature,
    piped: Value | None,
    frame: Frame,
    site: Site,
) -> Plain:
    """`settled(drafts, share: 0.8)`; without a pool it is about the one being made."""
    pool: ir.Operand = ir.Own()
    given: dict[str, ir.Operand] = {}
    choices = {parameter.name: parameter.choices for parameter in function.parameters}
    if isinstance(piped, Pool):
        pool = piped.operand
    for arg in call.args:
        if (
            arg.name is not None
            and isinstance(arg.value, ast_expressions.Name)
            and arg.value.name in choices.get(arg.name, ())
        ):
            given[arg.name] = ir.Const(arg.value.name)
            continue
        value = expansion.evaluate(arg.value, frame, site.inner())
        if arg.name is None and isinstance(value, Pool):
            pool = value.operand
        elif arg.name is not None:
            given[arg.name] = one(expansion, value, arg.value.span)
    if pool == ir.Own() and not frame.own:
        message = f"`{function.name}` does not say of which pool"
        raise expansion.fail("E0210", message, call.span, hint=f"write `{function.name}(drafts)`")
    return policy_of(function, pool, given, call.span)
