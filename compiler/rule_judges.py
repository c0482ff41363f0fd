"""Rules that ask a model only with some of their arguments: `bayes_risk(judge)`."""

from __future__ import annotations

from ttscale.compiler import ast_expressions


def utility_is_judged(rule: ast_expressions.Expr) -> bool:
    """Whether the utility of a `bayes_risk` is a judge: written first, or as `utility: judge`."""
    args = rule.args if isinstance(rule, ast_expressions.Call) else ()
    first = next((arg for arg in args if arg.name in (None, "utility")), None)
    value = None if first is None else first.value
    written = value.value if isinstance(value, ast_expressions.LiteralValue) else getattr(value, "name", "")
    return written == "judge"
