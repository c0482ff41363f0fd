"""Whether a rule put together in Python has the arguments that it may have, as the checker sees to in programs."""

from __future__ import annotations

from ttscale.compiler.diagnostics import suggest
from ttscale.compiler.ir import Strategy
from ttscale.compiler.rule_signatures import RULES
from ttscale.runtime.strategies.sources import StrategyError, canonical, plain


def check_arguments(rule: Strategy) -> None:
    """Raise StrategyError for an argument that a rule does not have, or a name that it cannot be; inner rules too."""
    signature = None if rule.plugin else RULES.get(canonical(rule.name))
    if signature is None:
        return
    if len(rule.args) > len(signature.positional):
        raise StrategyError(f"`{rule.name}` takes {len(signature.positional)} arguments by place, not {len(rule.args)}")
    parameters = {parameter.name: parameter for parameter in signature.parameters}
    for name, value in (*zip(signature.positional, rule.args, strict=False), *rule.named):
        parameter = parameters.get(name)
        if parameter is None:
            near = suggest(name, list(parameters))
            hint = f"did you mean `{near}`?" if near else f"it has {', '.join(parameters) or 'none'}"
            raise StrategyError(f"`{rule.name}` has no argument `{name}`", hint=hint)
        if parameter.choices and (word := plain(value)) is not None and word not in parameter.choices:
            near = suggest(str(word), parameter.choices)
            hint = f"did you mean `{near}`?" if near else f"use {' or '.join(parameter.choices)}"
            raise StrategyError(f"`{name}` of `{rule.name}` cannot be {word}", hint=hint)
        if isinstance(value, Strategy) and parameter.kind == "strategy":
            check_arguments(value)
