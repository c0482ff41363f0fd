"""Declared names as values, and members of modules.

Codes:
    E0209  a name of the wrong kind, such as a pipeline where a value is wanted
    E0240  a member that a module does not have
"""

from __future__ import annotations

from ttscale.compiler import ast, ast_expressions, types
from ttscale.compiler.check_frame import ANYTHING, Frame, Typed, did_you_mean, listed
from ttscale.compiler.check_policies import policy_name
from ttscale.compiler.python_names import KIND_WORDS
from ttscale.compiler.resolve import is_broken, lookup, prompt_type
from ttscale.compiler.scope import Symbol


def symbol_value(symbol: Symbol, expr: ast_expressions.Expr, written: str, frame: Frame) -> Typed:
    """What a declared name is as a value: a model, a prompt, a dataset's rows; anything else is an error."""
    if is_broken(symbol):
        return ANYTHING
    match symbol.kind:
        case "model":
            return Typed(types.ModelType(), static=True)
        case "prompt":
            return Typed(prompt_type(symbol, frame.program.linked), static=True)
        case "dataset":
            return Typed(types.ListOf(types.ROW), static=True)
        case "python":
            function = frame.program.linked.python_function(symbol)
            if function is None:
                return ANYTHING
            if function.kind == "policy":
                return policy_name(function, expr, frame)
            message = f"`{written}` is {KIND_WORDS[function.kind]} of a Python file, not a value"
            frame.report("E0209", message, expr.span, hint="use it where such a thing is wanted")
            return ANYTHING
        case "pipeline":
            hint = f"call it: `{written}(…)`"
        case "module":
            hint = f"name something in it: `{written}.…`"
        case "record":
            hint = "a record is a type"
        case "metric":
            hint = f"name it in an `eval`: `eval main on rows {{ metric {written} }}`"
        case _:
            hint = "name a value: an input, a parameter or something bound by `name = …`"
    frame.report("E0209", f"`{written}` is a {symbol.kind}, not a value", expr.span, hint=hint)
    return ANYTHING


def member(expr: ast_expressions.Attribute, written: str, owner: Symbol, frame: Frame) -> Symbol | None:
    """The member of a module that `p.solve` names; None with a diagnostic where there is none."""
    symbol = lookup(expr, frame.scope, frame.program.linked)
    if symbol is None:
        module = frame.program.linked.modules[owner.module]
        if any(isinstance(d, ast.BadDecl) and d.name is None for d in module.tree.declarations):
            return None
        known = sorted(name for name in module.names if module.exported(name))
        hint = did_you_mean(expr.name, known, f"it has {listed(known)}")
        if hint.startswith("did"):
            hint = hint.replace("`", f"`{written}.", 1)
        frame.report("E0240", f"`{written}` has no `{expr.name}`", expr.span, hint=hint)
    return symbol
