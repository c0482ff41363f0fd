"""`watch:` of `generate`: its watchers, their arguments, and whether they fit the answers that are sampled.

Codes (besides those of arguments):
    E0268  a watcher that does not exist, or a Choice parameter that may be something other than a watcher
    E0269  a watcher that cannot do what it is told: no text to put in, no answers to read, a form to keep to
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ttscale.compiler import ast_expressions, types
from ttscale.compiler.check_frame import Frame, Size, Typed, did_you_mean, listed
from ttscale.compiler.check_strategies import rule_call
from ttscale.compiler.check_types import describe
from ttscale.compiler.check_values import expect, must_be_static
from ttscale.compiler.rule_signatures import RuleSignature
from ttscale.compiler.types import Choice
from ttscale.compiler.watch_signatures import WATCHER_ALIASES, WATCHERS, WatcherSignature

if TYPE_CHECKING:
    from ttscale.compiler.check_stages import StageCall

OFF = "off"
"""Stands for no watcher, so that a parameter can switch one off."""


def check_watch(call: StageCall) -> None:
    """Checks each watcher, and what all of them together make of the answers' form and number."""
    value = call.given.get("watch")
    if value is None:
        return
    for item in value.items if isinstance(value, ast_expressions.ListExpr) else (value,):
        found = _named(item, call.frame)
        for watcher in found:
            _fits(call, watcher, item)
        if found:
            _arguments(found[0], item, call.frame)
        if _may_branch(item):
            call.counts["watch"] = Size(1, None, 1)


def watcher_named(name: str) -> WatcherSignature | None:
    """The watcher of a name or of another name of it."""
    return WATCHERS.get(WATCHER_ALIASES.get(name, name))


def _named(item: ast_expressions.Expr, frame: Frame) -> tuple[WatcherSignature, ...]:
    """What an item may be; nothing where that is wrong, which is reported, or where it is `off`."""
    called = item.callee if isinstance(item, ast_expressions.Call) else item
    there = f"there are {listed(list(WATCHERS), 12)}"
    if not isinstance(called, ast_expressions.Name):
        frame.report("E0268", "`watch:` takes the names of watchers", item.span, hint=there)
        return ()
    local = frame.local(called.name)
    if local is not None:
        local.used = True
        return _of_parameter(called, local.value, frame)
    watcher = watcher_named(called.name)
    if watcher is None and called.name != OFF:
        hint = did_you_mean(called.name, [*WATCHERS, *WATCHER_ALIASES], there)
        frame.report("E0268", f"there is no watcher `{called.name}`", called.span, hint=hint)
    return () if watcher is None else (watcher,)


def _of_parameter(value: ast_expressions.Name, typed: Typed, frame: Frame) -> tuple[WatcherSignature, ...]:
    """A Choice parameter, every label of which must be a watcher or `off`."""
    if not typed.is_known:
        return ()
    if not (isinstance(typed.type, Choice) and typed.static):
        message = f"`watch:` takes watchers, and `{value.name}` is {describe(typed.type)}"
        hint = f"there are {listed(list(WATCHERS), 12)}, or use a `param … : Choice in {{…}}` of them"
        frame.report("E0268", message, value.span, hint=hint)
        return ()
    labels = [label for label in typed.type.labels if label != OFF]
    wrong = next((label for label in labels if watcher_named(label) is None), None)
    if wrong is not None:
        hint = did_you_mean(wrong, list(WATCHERS), f"there are {listed(list(WATCHERS), 12)}")
        frame.report("E0268", f"`{value.name}` may be `{wrong}`, which is no watcher", value.span, hint=hint)
        return ()
    return tuple(one for label in labels if (one := watcher_named(label)) is not None)


# --- arguments ------------------------------------------------------------------------------------


def _arguments(watcher: WatcherSignature, item: ast_expressions.Expr, frame: Frame) -> None:
    """The arguments of one watcher; lists of texts are read here, all others as those of a rule."""
    args = item.args if isinstance(item, ast_expressions.Call) else ()
    by_name = {parameter.name: parameter for parameter in watcher.parameters}
    given = {arg.name or (watcher.positional[0] if watcher.positional else ""): arg.value for arg in args}
    lists = [arg for arg in args if isinstance(arg.value, ast_expressions.ListExpr)]
    for arg in lists:
        name = arg.name or (watcher.positional[0] if watcher.positional else "")
        parameter = by_name.get(name)
        if parameter is not None and not parameter.many:
            message = f"`{name}` of `{watcher.name}` takes one value, not a list"
            frame.report("E0246", message, arg.value.span, hint=f"write `{name}: …`")
        assert isinstance(arg.value, ast_expressions.ListExpr)
        for text in arg.value.items:
            what = f"`{name}` of `{watcher.name}`"
            if parameter is not None and parameter.many:
                must_be_static(text, frame, expect(text, frame, types.TEXT, what), what)
    own = RuleSignature(watcher.name, "numbers", (), watcher.parameters, watcher.positional)
    rest = tuple(arg for arg in args if arg not in lists or (arg.name or "say") not in by_name)
    if isinstance(item, ast_expressions.Call):
        rule_call(replace(item, args=rest), _without(own, set(given) if lists else set()), Typed(types.ANY), frame)
    missing = next((one for one in watcher.parameters if one.required and one.name not in given), None)
    if missing is not None and not isinstance(item, ast_expressions.Call):
        hint = f"write `{watcher.name}({missing.name}: …)`"
        frame.report("E0212", f"`{watcher.name}` needs `{missing.name}:`, {missing.doc}", item.span, hint=hint)
    _sense(watcher, given, item, frame)


def _without(own: RuleSignature, given: set[str]) -> RuleSignature:
    """The signature with nothing required that is given as a list."""
    kept = tuple(replace(one, required=False) if one.name in given else one for one in own.parameters)
    return replace(own, parameters=kept)


def _sense(
    watcher: WatcherSignature, given: dict[str, ast_expressions.Expr], item: ast_expressions.Expr, frame: Frame
) -> None:
    """Arguments that contradict each other."""
    then = given.get("then")
    acts = then.name if isinstance(then, ast_expressions.Name) else ""
    say = given.get("say")
    if say is not None and _is_empty(say):
        message = f"`{watcher.name}` has no text to put in"
        frame.report("E0269", message, say.span, hint='write `say: "\\n\\nWait, let me check that."`')
    elif acts == "inject" and say is None:
        message = f"`{watcher.name}` is to put something in, and nothing says what"
        frame.report("E0269", message, item.span, hint='add `say: "\\n\\nLet me try another way."`')
    if acts in ("drop", "branch") and say is not None:
        message = f"`then: {acts}` puts nothing in, so `say:` has no use"
        frame.report("E0269", message, say.span, hint="leave it out, or write `then: inject`")
    if "branches" in given and "then" in given and acts not in ("branch", "") and frame.local(acts) is None:
        message = f"`branches:` is about `then: branch`, and this is `then: {acts}`"
        frame.report("E0269", message, given["branches"].span, hint="leave it out, or write `then: branch`")
    if watcher.name == "hint" and "marks" in given and "at" not in given:
        message = "`marks:` are texts behind which the hint is put in, and it is put in at the end"
        frame.report("E0269", message, given["marks"].span, hint="add `at: mark`")


def _is_empty(value: ast_expressions.Expr) -> bool:
    if isinstance(value, ast_expressions.ListExpr):
        return not value.items or any(map(_is_empty, value.items))
    return isinstance(value, ast_expressions.LiteralValue) and value.value == ""


def _may_branch(item: ast_expressions.Expr) -> bool:
    """Whether one sample may become several."""
    args = item.args if isinstance(item, ast_expressions.Call) else ()
    then = next((arg.value for arg in args if arg.name == "then"), None)
    return then is not None and not (isinstance(then, ast_expressions.Name) and then.name in ("stop", "drop", "inject"))


# --- the answers ----------------------------------------------------------------------------------

READABLE = frozenset({"Bool", "Int", "Float", "Number", "Math"})


def _fits(call: StageCall, watcher: WatcherSignature, item: ast_expressions.Expr) -> None:
    """Whether answers of the prompt's type can be read on the way, and texts put into them."""
    result = call.result
    if result is None:
        return
    plain = result.item if isinstance(result, types.Optional) else result
    is_readable = isinstance(plain, Choice) or (isinstance(plain, types.Simple) and plain.name in READABLE)
    if watcher.reads and not is_readable:
        message = f"`{watcher.name}` reads answers on the way, and {describe(result)} cannot be told from its reasoning"
        hint = "let the prompt give a Number, Math, Choice or Bool, or watch with `repetition` or `confidence`"
        call.frame.report("E0269", message, item.span, hint=hint)
    constrain = call.given.get("constrain")
    free = isinstance(constrain, ast_expressions.LiteralValue) and constrain.value is False
    kept = isinstance(plain, types.Json | types.Record) and not free
    kept = kept or (isinstance(constrain, ast_expressions.LiteralValue) and constrain.value is True)
    if kept and _puts_in(watcher, item):
        message = f"`{watcher.name}` puts a text in, and these answers are kept to the form of {describe(result)}"
        call.frame.report("E0269", message, item.span, hint="write `constrain: false`, or let it stop them")


def _puts_in(watcher: WatcherSignature, item: ast_expressions.Expr) -> bool:
    args = item.args if isinstance(item, ast_expressions.Call) else ()
    return watcher.name in ("hint", "deepen") or any(arg.name == "say" for arg in args)


__all__ = ["check_watch", "watcher_named"]
