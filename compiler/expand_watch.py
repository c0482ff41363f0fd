"""`watch:` of `generate`: its watchers in the one form that the graph has for them."""

from __future__ import annotations

import math

from ttscale.compiler import ast_expressions, ir
from ttscale.compiler.expand_arguments import Call
from ttscale.compiler.expand_strategies import matched, settled
from ttscale.compiler.expansion import Expansion, Listing, Plain, Value, one, unknown_option
from ttscale.compiler.watch_signatures import WATCHER_ALIASES, WATCHERS, WatcherSignature

OFF = "off"


def watch(expansion: Expansion, call: Call, args: dict[str, ir.Argument]) -> ir.Argument:
    """The watchers in order, with all their arguments by name; none where there is no watch.

    `args` are the stage's others: a share of its tokens becomes a number of them.
    """
    if "watch" not in call.given:
        return ir.Const(None)
    value = call.given["watch"].value
    items = value.items if isinstance(value, ast_expressions.ListExpr) else (value,)
    found = [_watcher(expansion, call, item, args) for item in items]
    kept = tuple(watcher for watcher in found if watcher is not None)
    return kept or ir.Const(None)


def _watcher(
    expansion: Expansion, call: Call, item: ast_expressions.Expr, args: dict[str, ir.Argument]
) -> ir.Strategy | None:
    called = item.callee if isinstance(item, ast_expressions.Call) else item
    if not isinstance(called, ast_expressions.Name):
        raise expansion.fail(
            "E0268", "`watch:` takes the names of watchers", item.span, hint=f"there are {', '.join(WATCHERS)}"
        )
    name = settled(expansion, called.name, call.frame)
    if name == OFF:
        return None
    watcher = WATCHERS.get(WATCHER_ALIASES.get(name, name))
    if watcher is None:
        hint = unknown_option(name, [*WATCHERS, *WATCHER_ALIASES])
        raise expansion.fail("E0268", f"there is no watcher `{name}`", item.span, hint=hint)
    given = {
        parameter.name: _value(expansion, call, parameter.choices, arg.value)
        for parameter, arg in matched(
            expansion,
            watcher.name,
            watcher.positional,
            watcher.parameters,
            item.args if isinstance(item, ast_expressions.Call) else (),
        )
    }
    for parameter in watcher.parameters:
        if parameter.required and parameter.name not in given:
            hint = f"write `{watcher.name}({parameter.name}: …)`"
            raise expansion.fail("E0212", f"`{watcher.name}` needs `{parameter.name}`", item.span, hint=hint)
    own = {p.name: given.get(p.name, ir.Const(p.default)) for p in watcher.parameters}
    _settle(expansion, watcher, own, item, args)
    return ir.Strategy(watcher.name, (), tuple(own.items()), item.span)


def _settle(
    expansion: Expansion,
    watcher: WatcherSignature,
    own: dict[str, ir.Const],
    item: ast_expressions.Expr,
    args: dict[str, ir.Argument],
) -> None:
    """A share of tokens as a number; a text that is to be put in and is not there."""
    if watcher.name == "underthinking":
        share = own["share"].value
        if own["tokens"].value is None and isinstance(share, int | float):
            own["tokens"] = ir.Const(max(1, math.ceil(share * _most(args))))
        own["share"] = ir.Const(None)
    acts = own.get("then", ir.Const("inject")).value
    if acts == "inject" and not own["say"].value:
        message = f"`{watcher.name}` is to put something in, and nothing says what"
        raise expansion.fail("E0269", message, item.span, hint='add `say: "\\n\\nLet me try another way."`')


def _most(args: dict[str, ir.Argument]) -> int:
    """The tokens of thoughts where they have a limit of their own, else of a sample."""
    thinking, limit = args.get("thinking"), args.get("max_tokens")
    if isinstance(thinking, ir.UpTo):
        return thinking.limit
    return limit.value if isinstance(limit, ir.Const) and isinstance(limit.value, int) else 1


def _value(expansion: Expansion, call: Call, choices: tuple[str, ...], expr: ast_expressions.Expr) -> ir.Const:
    if isinstance(expr, ast_expressions.Name) and expr.name in choices and expr.name not in call.frame.names:
        return ir.Const(expr.name)
    value = expansion.evaluate(expr, call.frame, call.site.inner())
    if isinstance(value, Listing):
        return ir.Const(tuple(_known(expansion, item, expr).value for item in value.items))
    return _known(expansion, value, expr)


def _known(expansion: Expansion, value: Value, expr: ast_expressions.Expr) -> ir.Const:
    operand = value.operand if isinstance(value, Plain) else one(expansion, value, expr.span)
    if not isinstance(operand, ir.Const):
        hint = "use a number, a text, a parameter or what follows from them"
        raise expansion.fail("E0235", "a watcher's arguments must be known before the run", expr.span, hint=hint)
    return operand
