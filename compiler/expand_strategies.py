"""Named rules: `vote(weight: score)`, `select(by: best_of_majority(score("r"), share: 0.5))`.

A rule's aliases become its own name, its arguments go by name with defaults filled in, and a Choice
parameter whose labels are rules stands for the rule it is set to.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol, TypeVar

from ttscale.compiler import ast_expressions, ir
from ttscale.compiler.expansion import Expansion, Frame, ModelValue, Plain, Pool, PromptValue, Site, one, unknown_option
from ttscale.compiler.rule_signatures import ALIASES
from ttscale.compiler.signatures import RULES, Parameter, RuleSignature
from ttscale.compiler.source import Span

DEFAULT_SOURCE = "score"


def strategy(expansion: Expansion, expr: ast_expressions.Expr, frame: Frame, site: Site) -> ir.Strategy:
    """The rule that an argument names."""
    callee = expr.callee if isinstance(expr, ast_expressions.Call) else expr
    symbol = (
        expansion.symbol(callee, frame)
        if isinstance(callee, ast_expressions.Name | ast_expressions.Attribute)
        else None
    )
    if symbol is not None and symbol.kind == "python" and expansion.linked.python_function(symbol) is None:
        message = f"`{symbol.name}` is a function of a Python file, which was not read"
        raise expansion.fail("E0259", message, expr.span, hint="load the program in a way that reads Python files")
    match expr:
        case ast_expressions.Name(name=name):
            return _rule(expansion, settled(expansion, name, frame), (), frame, site, expr.span)
        case ast_expressions.LiteralValue(value=str(name)):
            return _rule(expansion, name, (), frame, site, expr.span)
        case ast_expressions.Call(callee=ast_expressions.Name(name=name), args=args, when=None):
            return _rule(expansion, settled(expansion, name, frame), args, frame, site, expr.span)
    hint = "name one, such as `likelihood` or `score`"
    raise expansion.fail("E0222", "a rule is wanted here", expr.span, hint=hint)


def settled(expansion: Expansion, name: str, frame: Frame) -> str:
    """`name`, or the label that a Choice parameter of that name is set to."""
    bound = frame.names.get(name)
    if isinstance(bound, Plain) and isinstance(bound.operand, ir.Const) and isinstance(bound.operand.value, str):
        return bound.operand.value
    return name


class Named(Protocol):
    """What has a name."""

    @property
    def name(self) -> str: ...


P = TypeVar("P", bound=Named)


def matched(
    expansion: Expansion,
    owner: str,
    positional: Sequence[str],
    parameters: Sequence[P],
    args: Sequence[ast_expressions.Arg],
) -> Iterator[tuple[P, ast_expressions.Arg]]:
    """The parameter of a rule or policy for each argument, those without a name in order; E0211 where there is none."""
    waiting = list(positional)
    for arg in args:
        name = arg.name if arg.name is not None else (waiting.pop(0) if waiting else "")
        parameter = next((p for p in parameters if p.name == name), None)
        if parameter is None:
            hint = unknown_option(name, [p.name for p in parameters] or ["none"])
            raise expansion.fail("E0211", f"`{owner}` has no such argument", arg.span, hint=hint)
        yield parameter, arg


def _rule(
    expansion: Expansion, name: str, args: tuple[ast_expressions.Arg, ...], frame: Frame, site: Site, span: Span
) -> ir.Strategy:
    rule = _known(expansion, name, frame)
    if rule is None:
        raise expansion.fail("E0222", f"there is no rule `{name}`", span, hint=unknown_option(name, [*RULES, *ALIASES]))
    given = {
        parameter.name: _argument(expansion, parameter, arg.value, frame, site)
        for parameter, arg in matched(expansion, rule.name, rule.positional, rule.parameters, args)
    }
    named = tuple((p.name, given.get(p.name, _default(rule, p))) for p in rule.parameters)
    return ir.Strategy(rule.name, (), named, span, rule.plugin)


def _known(expansion: Expansion, name: str, frame: Frame) -> RuleSignature | None:
    """A rule that a Python file declares, or else one of the language."""
    symbol = frame.module.names.get(name)
    function = None if symbol is None else expansion.linked.python_function(symbol)
    return RULES.get(ALIASES.get(name, name)) if function is None else function.rule()


def _argument(
    expansion: Expansion, parameter: Parameter, expr: ast_expressions.Expr, frame: Frame, site: Site
) -> ir.Argument:
    if parameter.kind == "strategy":
        return strategy(expansion, expr, frame, site)
    if parameter.kind == "name" and isinstance(expr, ast_expressions.Name) and expr.name in parameter.choices:
        return ir.Const(expr.name)
    value = expansion.evaluate(expr, frame, site.inner())
    match value:
        case Pool(operand=operand) if parameter.kind == "pool" or (parameter.kind == "content" and parameter.many):
            return operand
        case ModelValue(model=model):
            return model
        case PromptValue(filled=filled, defaults=defaults):
            known = {name for name, _ in filled.args} | {"question", "context", "answer"}
            return ir.Filled(filled.prompt, (*filled.args, *(one for one in defaults if one[0] not in known)))
    return one(expansion, value, expr.span)


def _default(rule: RuleSignature, parameter: Parameter) -> ir.Argument:
    """A rule's own source of numbers is the latest score."""
    if parameter.kind == "strategy" and parameter.default is None:
        return ir.Strategy(
            DEFAULT_SOURCE, (), tuple((p.name, ir.Const(p.default)) for p in RULES[DEFAULT_SOURCE].parameters)
        )
    return ir.Const(parameter.default)
