"""The arguments of stages, one function a kind: prompts, models, numbers, durations, names, pools.

Codes (besides those of check_values and check_strategies):
    E0202  a model that nothing declares
    E0215  a value of the wrong type
    E0225  a prompt that needs an argument which the stage does not offer
    E0226  a prompt whose answers the stage cannot use
    E0298  a regular expression that cannot end a sample
    E0246  a list or `up to` where one plain value is taken
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from ttscale.compiler import ast_expressions, types
from ttscale.compiler.check_frame import (
    ANYTHING,
    ONE,
    UNKNOWN,
    Frame,
    Local,
    Size,
    Typed,
    did_you_mean,
    exactly,
    listed,
)
from ttscale.compiler.check_retrieve import content
from ttscale.compiler.check_strategies import is_rule, strategy
from ttscale.compiler.check_tests import tests_given
from ttscale.compiler.check_types import describe, is_numeric, join
from ttscale.compiler.check_using import using_prompt
from ttscale.compiler.check_values import (
    choice_of_names,
    condition,
    expect,
    must_be_static,
    was_unreadable,
    within,
)
from ttscale.compiler.signatures import RULES, Parameter, by_likeness, judging, testing
from ttscale.compiler.stop_patterns import problem

if TYPE_CHECKING:
    from ttscale.compiler.check_stages import StageCall

Check = Callable[["StageCall", Parameter, ast_expressions.Expr], None]


def argument(call: StageCall, parameter: Parameter, value: ast_expressions.Expr) -> None:
    """Checks one argument of a stage; what later steps need is noted in the call."""
    if isinstance(value, ast_expressions.UpTo) and not parameter.up_to:
        hint = "write the number alone"
        call.frame.report("E0246", f"`{parameter.name}:` takes no `up to`", value.span, hint=hint)
        return
    one_only = parameter.kind in ("int", "float", "bool", "text", "model", "prompt", "seconds") and not parameter.many
    if one_only and isinstance(value, ast_expressions.ListExpr):
        hint = f"only `generate` takes lists of models: write `{parameter.name}: a`"
        if parameter.kind != "model":
            hint = f"write one, or use a `param` to try several: `{parameter.name}: …`"
        call.frame.report("E0246", f"`{parameter.name}:` takes one value here, not a list", value.span, hint=hint)
        return
    CHECKS[parameter.kind](call, parameter, value)


# --- prompts and models --------------------------------------------------------------------------


def _prompt(call: StageCall, parameter: Parameter, value: ast_expressions.Expr) -> None:
    """`generate(solve(question))` and `generate([a(q), b(q)])`."""
    frame, name = call.frame, call.signature.name
    items = value.items if isinstance(value, ast_expressions.ListExpr) and parameter.many else (value,)
    kinds: list[types.Type] = []
    for item in items:
        typed = frame.type(item)
        if not typed.is_known:
            continue
        if isinstance(typed.type, types.ListOf) and isinstance(typed.type.item, types.MessageType) and parameter.many:
            call.counts[parameter.name] = UNKNOWN
            kinds.append(typed.type.item.result)
        elif isinstance(typed.type, types.MessageType):
            kinds.append(typed.type.result)
            call.question = call.question and typed.question
        else:
            _no_prompt(call, typed, item)
    if isinstance(value, ast_expressions.ListExpr):
        call.counts[parameter.name] = exactly(len(items))
    known = [kind for kind in kinds if kind != types.ANY]
    result = join(known) if known else None
    if known and result is None:
        message = f"the prompts of one `{name}` must read the same type, and these read {_and(known)}"
        frame.report("E0215", message, value.span, hint="use one `generate` for each type")
    if name == "classify" and result is not None and not isinstance(result, types.Choice) and result != types.BOOL:
        message = f"`classify` needs a prompt for a Choice or Bool, and this one reads {result}"
        hint = "declare the prompt with `-> Choice(a, b)`, or use `generate`"
        frame.report("E0226", message, value.span, hint=hint)
        return
    call.result = result


def _no_prompt(call: StageCall, typed: Typed, item: ast_expressions.Expr) -> None:
    name = call.signature.name
    if isinstance(typed.type, types.PromptType):
        written = call.frame.text(item.span)
        shown = ", ".join(param for param, _ in typed.type.params)
        message = f"`{name}` needs the prompt filled with its arguments"
        call.frame.report("E0215", message, item.span, hint=f"write `{written}({shown})`")
        return
    message = f"`{name}` needs a prompt, and this is {describe(typed.type)}"
    hint = 'declare `prompt ask(question: Text) -> Text = "{{ question }}"` and write ' + f"`{name}(ask(question))`"
    call.frame.report("E0215", message, item.span, hint=hint)


def _and(kinds: list[types.Type]) -> str:
    return " and ".join(dict.fromkeys(str(kind) for kind in kinds))


def _using(call: StageCall, parameter: Parameter, value: ast_expressions.Expr) -> None:
    asked = [judging(call.signature.name, rule.name) for rule in call.judges] or [call.signature]
    if call.signature.name == "run_tests":
        asked = [testing(_is_method(call, "judged"))]
    if call.signature.name == "rank" and _is_method(call, "likeness"):
        asked = [by_likeness()]
    for signature in asked:
        call.result = using_prompt(signature, call.source, value, call.frame)
        if call.result is None:
            return


def _is_method(call: StageCall, wanted: str) -> bool:
    """Whether `method:` is written to be this."""
    given = next((arg.value for arg in call.expr.args if arg.name == "method"), None)
    return isinstance(given, ast_expressions.Name) and given.name == wanted


def _model(call: StageCall, parameter: Parameter, value: ast_expressions.Expr) -> None:
    if isinstance(value, ast_expressions.ListExpr):
        for item in value.items:
            one_model(item, call.frame, f"`{parameter.name}:`", many=False)
        call.counts[parameter.name] = exactly(len(value.items))
        if not value.items:
            models = call.frame.models()
            hint = f"write `{parameter.name}: {models[0]}`" if models else "declare a model and name it here"
            message = f"`{parameter.name}:` needs at least one model"
            call.frame.report("E0215", message, value.span, hint=hint)
        return
    call.counts[parameter.name] = one_model(value, call.frame, f"`{parameter.name}:`", many=parameter.many)


def one_model(value: ast_expressions.Expr, frame: Frame, what: str, *, many: bool) -> Size:
    """Checks that a value is a model (or where `many` a list of them), and says how many."""
    models = frame.models()
    if (
        isinstance(value, ast_expressions.Name)
        and not frame.is_known(value.name)
        and frame.bound_later(value.name) is None
    ):
        if frame.names_are_complete():
            known = models + [name for name in frame.visible() if _is_model(frame.local(name))]
            otherwise = f"there is {listed(known)}" if known else 'declare one: `model small = gguf("…")`'
            message = f"there is no model `{value.name}`"
            frame.report("E0202", message, value.span, hint=did_you_mean(value.name, known, otherwise))
        return ONE
    typed = frame.type(value)
    if not typed.is_known or typed.type == types.ModelType():
        return ONE
    if many and typed.type == types.ListOf(types.ModelType()):
        return Size(1, None, 1)
    hint = f"write `from: {models[0]}`" if models else ""
    if isinstance(value, ast_expressions.LiteralValue) and value.value in models:
        hint = f"write it without quotes: `{value.value}`"
    frame.report("E0215", f"{what} must be a model, and this is {describe(typed.type)}", value.span, hint=hint)
    return ONE


def _is_model(local: Local | None) -> bool:
    return local is not None and isinstance(local.value.type, types.ModelType)


# --- numbers, texts, durations -------------------------------------------------------------------


def _int(call: StageCall, parameter: Parameter, value: ast_expressions.Expr) -> None:
    _number(value.limit if isinstance(value, ast_expressions.UpTo) else value, call.frame, parameter, types.INT)


def _float(call: StageCall, parameter: Parameter, value: ast_expressions.Expr) -> None:
    if isinstance(value, ast_expressions.ListExpr):
        call.counts[parameter.name] = exactly(len(value.items))
        for item in value.items:
            _number(item, call.frame, parameter, types.FLOAT)
    else:
        _number(value, call.frame, parameter, types.FLOAT)


def _number(value: ast_expressions.Expr, frame: Frame, parameter: Parameter, wanted: types.Type) -> None:
    number(value, frame, f"`{parameter.name}:`", wanted, parameter.low, parameter.high)


def number(
    value: ast_expressions.Expr, frame: Frame, what: str, wanted: types.Type, low: float | None, high: float | None
) -> None:
    """Checks a number that must be known before the run, with its bounds."""
    if isinstance(value, ast_expressions.Quantity) and value.unit:
        message = f"{what} is a plain number, and `{value.raw}` is an amount of {value.unit}"
        frame.report("E0215", message, value.span, hint="leave out the unit")
        return
    typed = expect(value, frame, wanted, what)
    if typed.is_known and is_numeric(typed.value) and must_be_static(value, frame, typed, what):
        within(value, frame, low, high, what)


def _bool(call: StageCall, parameter: Parameter, value: ast_expressions.Expr) -> None:
    typed = expect(value, call.frame, types.BOOL, f"`{parameter.name}:`")
    must_be_static(value, call.frame, typed, f"`{parameter.name}:`")


def _text(call: StageCall, parameter: Parameter, value: ast_expressions.Expr) -> None:
    if parameter.name == "stop_pattern":
        patterns(value, call.frame)
        return
    items = value.items if isinstance(value, ast_expressions.ListExpr) else (value,)
    for item in items:
        typed = expect(item, call.frame, types.TEXT, f"`{parameter.name}:`")
        must_be_static(item, call.frame, typed, f"`{parameter.name}:`")


def patterns(value: ast_expressions.Expr, frame: Frame) -> None:
    """Checks the regular expressions that end a sample, as far as they are written out."""
    for item in value.items if isinstance(value, ast_expressions.ListExpr) else (value,):
        must_be_static(item, frame, expect(item, frame, types.TEXT, "`stop_pattern:`"), "`stop_pattern:`")
        if isinstance(item, ast_expressions.LiteralValue) and isinstance(item.value, str):
            wrong = problem(item.value)
            if wrong is not None:
                frame.report("E0298", wrong[0], item.span, hint=wrong[1])


def _seconds(call: StageCall, parameter: Parameter, value: ast_expressions.Expr) -> None:
    seconds(value, call.frame, f"`{parameter.name}:`")


def seconds(value: ast_expressions.Expr, frame: Frame, what: str) -> None:
    """Checks a length of time: `60s`, or a number parameter of seconds."""
    if isinstance(value, ast_expressions.Quantity) and value.unit == "seconds":
        if value.amount <= 0:
            frame.report("E0216", f"{what} must be more than no time", value.span, hint="write `60s`")
        return
    if was_unreadable(value):
        return
    if (
        isinstance(value, ast_expressions.LiteralValue)
        and isinstance(value.value, int | float)
        and value.raw[:1].isdigit()
    ):
        hint = f"write `{value.raw}s` for seconds"
        frame.report("E0215", f"{what} is a length of time, and `{value.raw}` has no unit", value.span, hint=hint)
        return
    if isinstance(value, ast_expressions.Quantity):
        message = f"{what} is a length of time, and `{value.raw}` is none"
        frame.report("E0215", message, value.span, hint="write `60s` or `2min`")
        return
    typed = expect(value, frame, types.FLOAT, what)
    if typed.is_known:
        must_be_static(value, frame, typed, what)


# --- names, pools, conditions --------------------------------------------------------------------


def _name(call: StageCall, parameter: Parameter, value: ast_expressions.Expr) -> None:
    if parameter.choices:
        if call.signature.name == "vote" and isinstance(value, ast_expressions.Name) and is_rule(value.name):
            message = f"`by:` says what is voted, and `{value.name}` is a rule"
            rule = RULES[is_rule(value.name) or value.name]
            hint = f"to weigh the votes write `weight: {value.name}`"
            if rule.gives != "numbers":
                hint = f"leave it out: `vote()` takes the commonest answer; or write `select(by: {value.name})`"
            call.frame.report("E0217", message, value.span, hint=hint)
            return
        choice_of_names(value, call.frame, parameter.choices, f"`{parameter.name}:`")
        return
    items = value.items if isinstance(value, ast_expressions.ListExpr) and parameter.many else (value,)
    if items and all(_is_name(item) for item in items):
        return
    message = f"`{parameter.name}:` takes a name of your choice"
    call.frame.report("E0217", message, value.span, hint=f"write `{parameter.name}: judge`")


def _is_name(value: ast_expressions.Expr) -> bool:
    is_text = isinstance(value, ast_expressions.LiteralValue) and isinstance(value.value, str)
    return is_text or isinstance(value, ast_expressions.Name)


def _thinking(call: StageCall, parameter: Parameter, value: ast_expressions.Expr) -> None:
    thinking(value, call.frame, f"`{parameter.name}:`")


def thinking(value: ast_expressions.Expr, frame: Frame, what: str) -> None:
    """Checks `auto`, `off`, `on` or `up to N`."""
    if isinstance(value, ast_expressions.UpTo):
        number(value.limit, frame, what, types.INT, 1, None)
    else:
        choice_of_names(value, frame, ("auto", "off", "on"), what)


def _pool(call: StageCall, parameter: Parameter, value: ast_expressions.Expr) -> None:
    if parameter.name == "examples" and _no_dataset(value, call.frame):
        return
    typed = call.frame.type(value)
    if not typed.is_known:
        return
    if parameter.name == "examples":
        if typed.type != types.ListOf(types.ROW):
            message = f"`examples:` must be rows of a dataset, and this is {describe(typed.type)}"
            call.frame.report("E0215", message, value.span, hint="write `examples: data[0:20]`")
    elif not typed.is_pool:
        message = f"`{parameter.name}:` must be a pool, and this is {describe(typed.type)}"
        call.frame.report("E0215", message, value.span, hint="name what a `generate` gave")


def _tests(call: StageCall, parameter: Parameter, value: ast_expressions.Expr) -> None:
    tests_given(value, call.frame)


def _later(call: StageCall, parameter: Parameter, value: ast_expressions.Expr) -> None:
    """`policy:`, `judge:`, `watch:` and `combine:` are read when all others are known (`check_explore`, …)."""


def _no_dataset(value: ast_expressions.Expr, frame: Frame) -> bool:
    """Reports rows of a name that nothing has, with the datasets that there are."""
    name = value.value if isinstance(value, ast_expressions.Slice) else value
    if not isinstance(name, ast_expressions.Name) or frame.is_known(name.name) or not frame.names_are_complete():
        return False
    known = [own for own, symbol in frame.scope.names.items() if symbol.kind == "dataset"]
    otherwise = f"there is {listed(known)}" if known else f'declare it: `dataset {name.name} = jsonl("…")`'
    hint = did_you_mean(name.name, known, otherwise)
    frame.report("E0202", f"there is no dataset `{name.name}`", name.span, hint=hint)
    return True


def _condition(call: StageCall, parameter: Parameter, value: ast_expressions.Expr) -> None:
    condition(value, call.frame.inner(own=ANYTHING), f"`{parameter.name}:`")


def _strategy(call: StageCall, parameter: Parameter, value: ast_expressions.Expr) -> None:
    found = strategy(value, call.signature.name, parameter.name, call.source, call.frame)
    if parameter.name == "by":
        call.rules = found.rules
    call.judges += tuple(rule for rule in found.rules if rule.judge)
    call.asks = call.asks or bool(call.judges)
    call.asked_in_rule = call.asked_in_rule or found.names_model
    if call.signature.name in ("score", "select") and found.rules and not call.asks:
        for option in (p.name for p in call.signature.parameters if p.name not in ("by", "as")):
            extra = next((arg for arg in call.expr.args if arg.name == option), None)
            if extra is not None:
                rule = found.rules[0].name
                message = f"`{rule}` asks no model, so `{option}:` has no use here"
                reads = option == "from" and "model" in {p.name for p in found.rules[0].parameters}
                inside = f"{rule}({call.frame.text(extra.value.span)})"
                hint = f"name it in the rule: `{inside}`" if reads else "leave it out"
                call.frame.report("E0211", message, extra.span, hint=hint)
                call.useless.add(option)


CHECKS: Mapping[str, Check] = {
    "prompt": _prompt,
    "using": _using,
    "model": _model,
    "int": _int,
    "float": _float,
    "bool": _bool,
    "text": _text,
    "seconds": _seconds,
    "strategy": _strategy,
    "condition": _condition,
    "name": _name,
    "pool": _pool,
    "policy": _later,
    "judge": _later,
    "watch": _later,
    "combination": _later,
    "content": content,
    "tests": _tests,
    "thinking": _thinking,
}
