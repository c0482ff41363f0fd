"""`combine:` of `generate`: several models as the one that a stage asks.

generate(ask(question), from: large, combine: contrastive(amateur: small))
# asks Model("contrastive(large, small)", "gguf", the locator of large, …, combine=Strategy("contrastive", …))
"""

from __future__ import annotations

from dataclasses import replace

from ttscale.compiler import ast_expressions, ir
from ttscale.compiler.combination_signatures import COMBINATION_ALIASES, COMBINATIONS, combination_named
from ttscale.compiler.expand_arguments import Call
from ttscale.compiler.expand_strategies import matched
from ttscale.compiler.expansion import Expansion, ModelValue, one, unknown_option
from ttscale.compiler.models import option
from ttscale.compiler.parameters import Parameter
from ttscale.compiler.source import Span

IN_PROCESS = "gguf"
SCRIPT = "script"


def combined(expansion: Expansion, call: Call, models: list[ir.Model]) -> list[ir.Model]:
    """The models that are asked: each together with those that `combine:` names, or as they are without it.

    A scripted model has no distributions, and answers alone.
    """
    if "combine" not in call.given:
        return models
    rule = _rule(expansion, call, call.given["combine"].value)
    return [model if model.kind == SCRIPT else _together(expansion, call, model, rule) for model in models]


def _together(expansion: Expansion, call: Call, model: ir.Model, rule: ir.Strategy) -> ir.Model:
    span = call.span_of("combine")
    found = replace(model, combine=rule)
    parts = (model, *found.beside)
    for part in parts:
        _fits(expansion, part, span)
    for place, part in enumerate(parts):
        if part.name in [other.name for other in parts[:place]]:
            message = f"`{rule.name}` puts `{part.name}` together with itself, which changes nothing"
            raise expansion.fail("E0279", message, span, hint="name models that differ")
    defaults = {parameter.name: parameter.default for parameter in COMBINATIONS[rule.name].parameters}
    told = [
        f"{name}: {value.value}"
        for name, value in rule.named
        if isinstance(value, ir.Const) and value.value != defaults[name]
    ]
    name = f"{rule.name}({', '.join([*(part.name for part in parts), *told])})"
    made = replace(found, name=name)
    expansion.models[name] = made
    if expansion.memory is not None:
        expansion.memory.combined[name] = made
    return made


def _fits(expansion: Expansion, model: ir.Model, span: Span) -> None:
    """Whether a model can be one of several."""
    if model.kind != IN_PROCESS or model.plugin:
        message = f"`{model.name}` is `{model.kind}(…)`, which does not show how likely every token is"
        hint = "combine models that run in the process: `gguf(…)`"
        raise expansion.fail("E0279", message, span, hint=hint)
    if option(model, "reproducible") is True:
        message = f"`{model.name}` is loaded with `reproducible: true`, which is for one model alone"
        raise expansion.fail("E0279", message, span, hint="leave `reproducible:` out of its declaration")


def _rule(expansion: Expansion, call: Call, expr: ast_expressions.Expr) -> ir.Strategy:
    """The combination, with all its arguments by name."""
    called = expr.callee if isinstance(expr, ast_expressions.Call) else expr
    if not isinstance(called, ast_expressions.Name):
        hint = "write `combine: contrastive(amateur: small)`"
        raise expansion.fail("E0278", "`combine:` takes a combination of models", expr.span, hint=hint)
    signature = combination_named(called.name)
    if signature is None:
        hint = unknown_option(called.name, [*COMBINATIONS, *COMBINATION_ALIASES])
        raise expansion.fail("E0278", f"there is no combination `{called.name}`", called.span, hint=hint)
    args = expr.args if isinstance(expr, ast_expressions.Call) else ()
    given = {
        parameter.name: _value(expansion, call, parameter, arg.value)
        for parameter, arg in matched(expansion, signature.name, signature.positional, signature.parameters, args)
    }
    for parameter in signature.parameters:
        if parameter.required and parameter.name not in given:
            hint = f"write `{signature.name}({parameter.name}: …)`"
            raise expansion.fail("E0212", f"`{signature.name}` needs `{parameter.name}:`", expr.span, hint=hint)
    named = tuple((p.name, given.get(p.name, ir.Const(p.default))) for p in signature.parameters)
    return ir.Strategy(signature.name, (), named, expr.span)


def _value(expansion: Expansion, call: Call, parameter: Parameter, expr: ast_expressions.Expr) -> ir.Argument:
    if parameter.kind == "name" and isinstance(expr, ast_expressions.Name) and expr.name in parameter.choices:
        return ir.Const(expr.name)
    value = expansion.evaluate(expr, call.frame, call.site.inner())
    if parameter.kind == "model":
        if isinstance(value, ModelValue):
            return value.model
        message = f"`{parameter.name}:` needs a model"
        raise expansion.fail("E0239", message, expr.span, hint="name a declared model")
    operand = one(expansion, value, expr.span)
    if not isinstance(operand, ir.Const):
        hint = "use a number, a parameter or what follows from them"
        raise expansion.fail("E0235", f"`{parameter.name}:` must be known before the run", expr.span, hint=hint)
    number = operand.value
    is_whole = isinstance(number, int) and not isinstance(number, bool)
    return ir.Const(float(number)) if is_whole and parameter.kind == "float" else operand  # type: ignore[arg-type]
