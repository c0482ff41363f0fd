"""`combine:` of `generate`: which models have a say in every token, and how.

Codes (besides those of arguments):
    E0278  a combination that does not exist
    E0279  models that cannot be combined
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ttscale.compiler import ast, ast_expressions, types
from ttscale.compiler.check_frame import Frame, Typed, did_you_mean, listed
from ttscale.compiler.check_strategies import rule_call
from ttscale.compiler.combination_signatures import (
    COMBINATION_ALIASES,
    COMBINATIONS,
    CombinationSignature,
    combination_named,
)
from ttscale.compiler.rule_signatures import RuleSignature

if TYPE_CHECKING:
    from ttscale.compiler.check_stages import StageCall


def check_combine(call: StageCall) -> None:
    """Checks the name of a combination and its arguments; what models they are is known when parameters are bound."""
    value = call.given.get("combine")
    if value is None:
        return
    frame = call.frame
    called = value.callee if isinstance(value, ast_expressions.Call) else value
    there = f"there are {listed(list(COMBINATIONS))}"
    if not isinstance(called, ast_expressions.Name):
        frame.report("E0278", "`combine:` takes a combination of models", value.span, hint=_example(call))
        return
    found = combination_named(called.name)
    if found is None:
        local = frame.local(called.name)
        if local is not None:
            local.used = True
            hint = f"{there}: write `combine: contrastive(amateur: …)`"
            frame.report("E0278", f"`{called.name}` is no combination", called.span, hint=hint)
            return
        hint = did_you_mean(called.name, [*COMBINATIONS, *COMBINATION_ALIASES], there)
        frame.report("E0278", f"there is no combination `{called.name}`", called.span, hint=hint)
        return
    own = RuleSignature(found.name, "numbers", (), found.parameters, found.positional)
    if isinstance(value, ast_expressions.Call):
        rule_call(value, own, Typed(types.ANY), frame)
        return
    first = next(one for one in found.parameters if one.required)
    hint = f"write `{_written(found, call)}`"
    frame.report("E0212", f"`{found.name}` needs `{first.name}:`, {first.doc}", value.span, hint=hint)


def _example(call: StageCall) -> str:
    return f"write `combine: {_written(COMBINATIONS['contrastive'], call)}`"


def _written(one: CombinationSignature, call: StageCall) -> str:
    """The call of a combination, with other weights of the file in it than those asked."""
    asked = call.given.get("from")
    asked_name = asked.name if isinstance(asked, ast_expressions.Name) else ""
    others = [name for name in call.frame.models() if name != asked_name and _is_weights(name, call.frame)]
    needed = [parameter.name for parameter in one.parameters if parameter.required]
    other = others[-1] if others else "…"
    return f"{one.name}({', '.join(f'{name}: {other}' for name in needed)})"


def _is_weights(name: str, frame: Frame) -> bool:
    """Whether a model of the file is `gguf(…)`."""
    symbol = frame.symbol(name)
    value = symbol.declaration.value if symbol is not None and isinstance(symbol.declaration, ast.ModelDecl) else None
    callee = value.callee if isinstance(value, ast_expressions.Call) else None
    return isinstance(callee, ast_expressions.Name) and callee.name == "gguf"


__all__ = ["check_combine"]
