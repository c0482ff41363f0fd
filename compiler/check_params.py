"""Parameters, rules between them, and budgets.

Codes:
    E0501  a domain that does not go with its parameter's type
    E0502  a domain that is empty, or names a value twice
    E0503  a `step` or `log` that cannot be
    E0504  a value outside its parameter's domain
    E0506  a `require` about something that only a run can tell
    E0507  rules that no assignment meets
    E0508  a rule that the defaults break
    E0611  a budget for something that is not measured
    E0612  a budget in the wrong unit
    E0613  a budget that allows nothing, or is not known before the run
"""

from __future__ import annotations

from collections.abc import Mapping

from ttscale.compiler import ast, ast_expressions, types
from ttscale.compiler.check_conditions import NotKnown, Space, evaluate, names_in
from ttscale.compiler.check_frame import Frame, Local, Typed, did_you_mean, listed
from ttscale.compiler.check_types import NUMERIC, describe, fits, plain
from ttscale.compiler.check_values import condition, expect, must_be_static, numbers_of, was_unreadable
from ttscale.compiler.diagnostics import Label
from ttscale.compiler.domains import Domain, domain_of, show
from ttscale.compiler.resolve import literal, param_type
from ttscale.compiler.walk import nodes

MEASURES: Mapping[str, tuple[str, str]] = {
    "calls": ("", "calls <= 64"),
    "tokens": ("", "tokens <= 40k"),
    "seconds": ("seconds", "seconds <= 60s"),
    "cost": ("usd", "cost <= 0.02usd"),
}
"""What a budget limits: its unit, and an example."""


def declare(params: tuple[ast.Param, ...], frame: Frame) -> None:
    """Puts parameters into a frame's names and space, checking each."""
    values: dict[str, tuple[object, ...]] = {}
    defaults: dict[str, object] = {}
    complete: set[str] = set()
    for param in params:
        first = frame.locals.get(param.name)
        if first is not None:
            labels = (Label(first.span, "first here"),)
            message = f"`{param.name}` is declared twice"
            frame.report("E0208", message, param.name_span, labels=labels, hint="give one of them another name")
            continue
        kind, found = param_type(param, frame.scope, frame.program.linked)
        frame.program.diagnostics += found
        kind = _usable(param, kind, frame)
        declared = kind
        kind = _domain(param, kind, frame)
        frame.locals[param.name] = Local("param", Typed(kind, static=True), param.name_span, param=param)
        if kind == types.ANY:
            continue
        outside = Frame(frame.program, frame.scope, frame.typer, "param")
        if param.default is not None:
            # Any prompt is one; whether it is among those of the domain, whose type `kind` is, is asked next.
            mark, what = len(frame.program.diagnostics), f"the default of `{param.name}`"
            expect(param.default, outside, declared, what)
            if not frame.program.has_errors_since(mark):
                outside_domain(param, param.default, outside, what, kind)
        domain = domain_of(param, kind)
        tried = list(domain.values()) if domain is not None else []
        start = _plain(param.default) if param.default is not None else (tried[0] if tried else None)
        if start is not None:
            defaults[param.name] = start
            if start not in tried:
                tried.insert(0, start)
        if tried:
            values[param.name] = tuple(tried)
            if domain is not None and domain.is_listed() and len(tried) == len(domain.values()):
                complete.add(param.name)
    frame.space = Space(values, defaults, (), frozenset(complete))


def _plain(expr: ast_expressions.Expr) -> object:
    if isinstance(expr, ast_expressions.Attribute):
        return f"{_plain(expr.value)}.{expr.name}"
    if isinstance(expr, ast_expressions.ListExpr):
        return tuple(_plain(item) for item in expr.items)
    return literal(expr)


def _usable(param: ast.Param, kind: types.Type, frame: Frame) -> types.Type:
    """Reports a type that no parameter can have."""
    allowed = kind in (*NUMERIC, types.BOOL, types.ANY, types.ModelType()) or isinstance(
        kind, types.Text | types.Choice | types.PromptType
    )
    if allowed or (isinstance(kind, types.ListOf) and kind.item in (types.ModelType(), types.ANY)):
        return kind
    hint = "parameters are Int, Float, Bool, Choice, Text, Model, Prompt or [Model]; other values are inputs"
    frame.report("E0501", f"a parameter cannot be {describe(kind)}", param.type.span, hint=hint)
    return types.ANY


# --- domains -------------------------------------------------------------------------------------


def _domain(param: ast.Param, kind: types.Type, frame: Frame) -> types.Type:
    """Checks a domain against its parameter's type; for a Prompt it says which arguments these take."""
    match param.domain:
        case None:
            return kind
        case _ if kind == types.ANY:
            return kind
        case ast.RangeDomain():
            return _range(param.domain, kind, frame)
        case ast.SubsetsDomain(items=items):
            if not isinstance(kind, types.ListOf):
                hint = "write `[Model] in subsets(a, b)`, or `in {a, b}` for one of them"
                message = f"`subsets` gives lists, and this parameter is {describe(kind)}"
                frame.report("E0501", message, param.domain.span, hint=hint)
                return types.ANY
            return _set(param, items, kind, kind.item, frame)
        case ast.SetDomain(items=items) if isinstance(kind, types.ListOf) and not _holds_lists(items):
            names = ", ".join(frame.text(item.span) for item in items)
            message = f"this parameter is {describe(kind)}, and its domain holds single values"
            hint = f"write `in subsets({names})`, or declare it as `Model` to choose one"
            frame.report("E0501", message, param.domain.span, hint=hint)
            return types.ANY
        case ast.SetDomain(items=items):
            return _set(param, items, kind, kind, frame)
    return kind


def _holds_lists(items: tuple[ast_expressions.Expr, ...]) -> bool:
    return any(isinstance(item, ast_expressions.ListExpr) for item in items)


def _range(domain: ast.RangeDomain, kind: types.Type, frame: Frame) -> types.Type:
    if kind not in NUMERIC:
        message = f"a range is for numbers, and this parameter is {describe(kind)}"
        frame.report("E0501", message, domain.span, hint="write the values: `in {a, b}`")
        return types.ANY
    ends: list[int | float] = []
    for part in (domain.low, domain.high, *(() if domain.step is None else (domain.step,))):
        value = literal(part)
        if isinstance(value, bool) or not isinstance(value, int | float):
            frame.report("E0501", "a range has numbers written out at its ends", part.span, hint="write `in [1 .. 8]`")
            return types.ANY
        if kind == types.INT and not isinstance(value, int):
            hint = "write whole numbers, or declare the parameter as Float"
            frame.report("E0501", "this range is for an Int, and this is no whole number", part.span, hint=hint)
            return types.ANY
        ends.append(value)
    low, high = ends[0], ends[1]
    if low > high:
        hint = f"write `in [{show(high)} .. {show(low)}]`"
        frame.report("E0502", f"nothing lies from {show(low)} to {show(high)}", domain.span, hint=hint)
        return types.ANY
    if domain.log and domain.step is not None:
        frame.report("E0503", "a range is either `log` or has a `step`", domain.span, hint="leave one of them out")
        return types.ANY
    if domain.log and low <= 0:
        hint = f"begin above 0: `in [{'1' if kind == types.INT else '0.01'} .. {show(high)}] log`"
        frame.report("E0503", "a `log` range cannot begin at 0 or below", domain.low.span, hint=hint)
        return types.ANY
    if domain.step is not None and ends[2] <= 0:
        frame.report("E0503", "a step must be more than 0", domain.step.span, hint="write `step 1`")
        return types.ANY
    if domain.step is not None and ends[2] > high - low:
        message = f"a step of {show(ends[2])} is larger than the whole range"
        frame.report("E0503", message, domain.step.span, hint=f"the range is {show(high - low)} wide")
    return kind


def _set(
    param: ast.Param, items: tuple[ast_expressions.Expr, ...], kind: types.Type, each: types.Type, frame: Frame
) -> types.Type:
    outside = Frame(frame.program, frame.scope, frame.typer, "param")
    seen: dict[object, ast_expressions.Expr] = {}
    prompts: list[types.PromptType] = []
    for item in items:
        value = _plain(item)
        if value in seen:
            labels = (Label(seen[value].span, "first here"),)
            message = f"`{show(value)}` stands twice in this domain"
            frame.report("E0502", message, item.span, labels=labels, hint="keep one of them")
        seen.setdefault(value, item)
        if (
            isinstance(item, ast_expressions.Name)
            and each in (*NUMERIC, types.BOOL)
            and not outside.is_known(item.name)
        ):
            message = f"a value of `{param.name}` must be {each}, and `{item.name}` is a name"
            hint = f"declare it `{param.name}: Choice in {{…}}` to choose between names"
            frame.report("E0215", message, item.span, hint=hint)
            continue
        typed = expect(item, outside, each, f"a value of `{param.name}`")
        if isinstance(typed.type, types.PromptType):
            prompts.append(typed.type)
    if isinstance(kind, types.PromptType) and prompts:
        first = prompts[0]
        for item, prompt in zip(items, prompts, strict=False):
            if dict(prompt.params) != dict(first.params) or prompt.result != first.result:
                message = "the prompts of one parameter must take the same arguments and read the same type"
                frame.report("E0501", message, item.span, label=str(prompt), hint=f"the first is {first}")
                return types.ANY
        return first
    return kind


def outside_domain(
    param: ast.Param, expr: ast_expressions.Expr, frame: Frame, what: str, kind: types.Type | None = None
) -> None:
    """Reports a value outside a parameter's domain; `kind` is its type where that is known already."""
    if kind is None:
        kind, _ = param_type(param, frame.scope, frame.program.linked) if param.domain else (types.ANY, [])
        if isinstance(kind, types.ModelType | types.PromptType | types.ListOf):
            return
    domain = domain_of(param, kind) if param.domain is not None else None
    if domain is None or kind == types.ANY:
        return
    for value in _values(expr, frame, kind):
        if not _contains(domain, value):
            label = () if param.domain is None else (Label(param.domain.span, "its domain"),)
            if isinstance(kind, types.ModelType | types.PromptType | types.ListOf):
                message = f"{what} is `{show(value)}`, which is not among those it may be"
                known = ", ".join(f"`{show(item)}`" for item in domain.values())
                one = "write" if len(domain.values()) == 1 else "write one of"
                new = ", ".join(value) if isinstance(value, tuple) else show(value)
                hint = f"{one} {known}, or add `{new}` to its domain"
                if value == ():
                    hint = f"at least one is needed: {one} {known}"
            else:
                message = f"{what} is {show(value)}, which is outside its domain"
                hint = f"it is {domain.words()}"
            frame.report("E0504", message, expr.span, labels=label, hint=hint)
            return


def _contains(domain: Domain, value: object) -> bool:
    return domain.contains(value) or (isinstance(value, tuple) and domain.contains(tuple(value)))


def _values(expr: ast_expressions.Expr, frame: Frame, kind: types.Type) -> list[object]:
    """What a value may be, as far as that says something: a name's text, or the default value of an expression."""
    if plain(kind) not in (*NUMERIC, types.BOOL):
        if isinstance(expr, ast_expressions.Name) and frame.local(expr.name) is not None:
            return []
        value = _plain(expr)
        if (
            isinstance(kind, types.Choice)
            and isinstance(expr, ast_expressions.LiteralValue)
            and not isinstance(value, str)
        ):
            value = expr.raw
        return [] if value is None or (isinstance(value, str) and not _fits_label(kind, value)) else [value]
    found = frame.space.values_of(frame.close(expr))
    return [value for value in (found or [])[:1] if isinstance(value, int | float)]


def _fits_label(kind: types.Type, value: str) -> bool:
    return not isinstance(kind, types.Choice) or value in kind.labels


# --- require and budget --------------------------------------------------------------------------


def check_requires(requires: tuple[ast.Require, ...], frame: Frame, bound: frozenset[str]) -> None:
    """Checks rules between parameters, alone and together; puts them into the frame's space.

    `bound` are the names that get their values further down.
    """
    kept: list[tuple[ast.Require, ast_expressions.Expr]] = []
    for require in requires:
        before = len(frame.program.diagnostics)
        if any(isinstance(node, ast_expressions.Name) and node.name in bound for node in nodes(require.condition)):
            _only_a_run(require, frame)
            continue
        condition(require.condition, frame, "what `require` asks")
        if len(frame.program.diagnostics) > before:
            continue
        typed = frame.type(require.condition)
        if not typed.static:
            _only_a_run(require, frame)
            continue
        kept.append((require, frame.close(require.condition)))
    space = frame.space
    for require, closed in kept:
        _at_defaults(require, closed, frame)
    frame.space = Space(space.values, space.defaults, tuple(closed for _, closed in kept), space.complete)
    names = {name for _, closed in kept for name in names_in(closed)}
    if kept and names <= frame.space.complete and frame.space.assignments(names) == []:
        message = "no values of the parameters meet every `require`"
        labels = tuple(Label(require.span, "and this") for require, _ in kept[1:])
        frame.program.diagnostics[:] = [d for d in frame.program.diagnostics if not _same_rule(d, kept)]
        frame.report("E0507", message, kept[0][0].span, labels=labels, hint="widen a domain, or drop a rule")
        frame.space = space


def _only_a_run(require: ast.Require, frame: Frame) -> None:
    hint = "use `when` or `until` for what a run finds"
    message = "`require` is about parameters, and only a run can tell this"
    frame.report("E0506", message, require.condition.span, hint=hint)


def _same_rule(diagnostic: object, kept: list[tuple[ast.Require, ast_expressions.Expr]]) -> bool:
    code, primary = getattr(diagnostic, "code", ""), getattr(diagnostic, "primary", None)
    return code == "E0508" and any(primary == require.span for require, _ in kept)


def _at_defaults(require: ast.Require, closed: ast_expressions.Expr, frame: Frame) -> None:
    defaults = frame.space.defaults
    try:
        holds = bool(evaluate(closed, defaults))
    except NotKnown:
        return
    if not holds:
        names = [name for name in dict.fromkeys(names_in(closed)) if name in defaults]
        now = ", ".join(f"{name} = {show(defaults[name])}" for name in names)
        frame.report(
            "E0508",
            "the defaults break this rule",
            require.span,
            label=f"not so for {now}" if now else "this is never so",
            hint="change a default, or the rule",
        )


def check_budget(budget: ast.Budget | None, frame: Frame) -> None:
    """Checks the limits of a budget: what is measured, in which unit, and that it allows something."""
    for limit in () if budget is None else budget.limits:
        if limit.measure not in MEASURES:
            known = list(MEASURES)
            hint = did_you_mean(limit.measure, known, f"there are {listed(known)}")
            frame.report("E0611", f"a budget cannot limit `{limit.measure}`", limit.span, hint=hint)
            continue
        _amount(limit, frame)


def _amount(limit: ast.Limit, frame: Frame) -> None:
    unit, example = MEASURES[limit.measure]
    amount = limit.amount
    what = f"the limit on {limit.measure}"
    if was_unreadable(amount):
        return
    has = amount.unit if isinstance(amount, ast_expressions.Quantity) else ""
    literal_number = isinstance(amount, ast_expressions.Quantity) or (
        isinstance(amount, ast_expressions.LiteralValue)
        and isinstance(amount.value, int | float)
        and amount.raw[:1].isdigit()
    )
    if literal_number and has != unit:
        raw = amount.raw if isinstance(amount, ast_expressions.Quantity | ast_expressions.LiteralValue) else ""
        wanted = {"": "a plain number", "seconds": "a length of time", "usd": "an amount of money"}[unit]
        suffix = {"seconds": "s", "usd": "usd", "": ""}[unit]
        hint = f"write `{limit.measure} <= {raw}{suffix}`" if not has and suffix else f"write `{example}`"
        frame.report("E0612", f"{what} must be {wanted}, and this is `{raw}`", amount.span, hint=hint)
        return
    wanted_type = types.INT if limit.measure in ("calls", "tokens") else types.FLOAT
    typed = expect(amount, frame, wanted_type, what)
    if not typed.is_known or not fits(typed.type, types.NUMBER):
        return
    if not must_be_static(amount, frame, typed, what):
        return
    numbers, _ = numbers_of(amount, frame)
    if numbers and (numbers[0] < 0 or (numbers[0] == 0 and limit.measure != "cost")):
        frame.report("E0613", f"{what} allows nothing", amount.span, hint=f"write `{example}`, or leave it out")
