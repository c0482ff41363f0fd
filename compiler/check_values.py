"""Values where they are wanted: a pool as its value, a bare label as a Choice, a number within its bounds.

Codes:
    E0215  a value of the wrong type
    E0216  a number outside its bounds
    E0217  a name that is not among those allowed
    E0220  a pool of several answers where one value is wanted
    E0230  a condition that is not a Bool
    E0232  a label that the Choice does not have
    E0235  something that must be known before the run
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ttscale.compiler import ast_expressions, types
from ttscale.compiler.check_conditions import Atom, Formula, names_in
from ttscale.compiler.check_frame import UNKNOWN, Frame, Size, Typed, did_you_mean, listed
from ttscale.compiler.check_types import describe, fits, plain

PARAMETERS: Mapping[types.Type, str] = {
    types.INT: "Int in {1, 2, 4} = 4",
    types.FLOAT: "Float = 0.8",
    types.BOOL: "Bool = true",
}
"""How a parameter that stands for an input of a type is declared."""


def value_of(typed: Typed, expr: ast_expressions.Expr, frame: Frame, where: str) -> Typed:
    """The value that a pool of at most one stands for; an error for one that may have more whatever the parameters are.

    Other values are themselves. `where` completes "one value is wanted …".
    """
    if not isinstance(typed.type, types.Answers):
        return typed
    size = typed.size
    if size.sure > 1:
        count = str(size.low) if size.low == size.high else f"up to {size.high}" if size.high else "several"
        frame.report(
            "E0220",
            f"this is a pool of {count} answers, and one value is wanted {where}",
            expr.span,
            hint="choose one answer: add `|> vote()`",
        )
        return Typed(typed.type.item)
    return replace(typed, type=typed.type.item)


def typed_as(expr: ast_expressions.Expr, frame: Frame, wanted: types.Type) -> Typed:
    """What is known of an expression where a type is wanted; there a bare label stands for itself."""
    choice = plain(wanted)
    if isinstance(choice, types.Choice):
        label: str | None = None
        if isinstance(expr, ast_expressions.Name) and frame.local(expr.name) is None:
            label = expr.name
        elif isinstance(expr, ast_expressions.LiteralValue) and isinstance(expr.value, str):
            label = expr.value
        if label is not None:
            if label in choice.labels:
                return Typed(choice, static=True)
            if isinstance(expr, ast_expressions.LiteralValue) or frame.symbol(label) is None:
                known = list(choice.labels)
                hint = did_you_mean(label, known, f"it has {listed(known)}")
                frame.report("E0232", f"`{label}` is not a label of {choice}", expr.span, hint=hint)
                return Typed(types.ANY, static=True)
    if isinstance(expr, ast_expressions.ListExpr) and isinstance(plain(wanted), types.ListOf):
        inner = plain(wanted)
        assert isinstance(inner, types.ListOf)
        items = [typed_as(item, frame, inner.item) for item in expr.items]
        if isinstance(plain(inner.item), types.Choice):
            return Typed(wanted, static=all(item.static for item in items))
    return frame.type(expr)


def expect(
    expr: ast_expressions.Expr, frame: Frame, wanted: types.Type, what: str, *, for_prompt: bool = False
) -> Typed:
    """Checks that an expression can stand where `wanted` is wanted; `what` names the place ("`n`", "the result").

    In a prompt's argument a pool is also its texts in order, where `[Text]` is wanted, or its candidates as objects.
    """
    return fit(typed_as(expr, frame, wanted), expr, frame, wanted, what, for_prompt=for_prompt)


def fit(
    typed: Typed, expr: ast_expressions.Expr, frame: Frame, wanted: types.Type, what: str, *, for_prompt: bool = False
) -> Typed:
    """As `expect`, for an expression of which everything is known already."""
    if not typed.is_known:
        return typed
    given = typed.type
    if isinstance(given, types.Answers):
        want = plain(wanted)
        if isinstance(want, types.Answers) and (for_prompt or fits(given, want)):
            return typed
        if isinstance(want, types.ListOf):
            if (for_prompt and isinstance(want.item, types.Text)) or fits(given.item, want.item):
                return typed
            if typed.size.high != 1 and not isinstance(given.item, types.ListOf):
                _wrong(expr, frame, given, wanted, what)
                return typed
        if not isinstance(want, types.Answers):
            typed = value_of(typed, expr, frame, f"for {what}")
            given = typed.type
    if not fits(given, wanted) and not _is_whole(expr, frame, typed, wanted):
        _wrong(expr, frame, given, wanted, what)
    return typed


def _is_whole(expr: ast_expressions.Expr, frame: Frame, typed: Typed, wanted: types.Type) -> bool:
    """Whether a Float such as `n / 2` is a whole number for every assignment."""
    if wanted != types.INT or typed.type != types.FLOAT or not typed.static:
        return False
    found = frame.space.values_of(frame.close(expr))
    return found is not None and all(isinstance(value, int) and not isinstance(value, bool) for value in found)


def _wrong(expr: ast_expressions.Expr, frame: Frame, given: types.Type, wanted: types.Type, what: str) -> None:
    hint = ""
    want = plain(wanted)
    if isinstance(given, types.ListOf) and fits(given.item, wanted):
        hint = "take one of them (`…[0]`), go through them with `map x in … { yield … }`, or ask for a list"
    elif isinstance(want, types.Text) and not isinstance(given, types.ModelType | types.PromptType):
        hint = "only `text(…)` makes a typed answer into Text: write `text(…)` around it"
        if isinstance(expr, ast_expressions.LiteralValue | ast_expressions.Quantity):
            hint = f'write it in quotes: `"{expr.raw}"`'
    elif isinstance(want, types.Answers) and not isinstance(given, types.Answers):
        hint = "a pool comes from a stage such as `generate(…)`"
    elif isinstance(given, types.PromptType) and isinstance(want, types.MessageType):
        hint = "fill the prompt with its arguments"
    elif isinstance(given, types.Optional) and fits(given.item, wanted):
        hint = "this may be `none`"
    elif want == types.INT and given == types.FLOAT:
        hint = "write a whole number"
    elif isinstance(want, types.ListOf) and fits(given, want.item):
        hint = "write `[…]` around it"
    else:
        hint = _of_its_kind(expr, frame, want)
    frame.report("E0215", f"{what} must be {describe(wanted)}, and this is {describe(given)}", expr.span, hint=hint)


def _of_its_kind(expr: ast_expressions.Expr, frame: Frame, want: types.Type) -> str:
    """What could stand instead of a value of another type."""
    written = expr.value if isinstance(expr, ast_expressions.LiteralValue) and isinstance(expr.value, str) else None
    if isinstance(want, types.ModelType | types.PromptType):
        kind = "model" if isinstance(want, types.ModelType) else "prompt"
        known = [name for name, symbol in frame.scope.names.items() if symbol.kind == kind]
        if written is not None and (written in known or written.partition(".")[0] in frame.scope.names):
            return f"write it without quotes: `{written}`"
        return f"name a {kind}: there is {listed(known)}" if known else f"declare a {kind} and give its name"
    if want in (types.INT, types.FLOAT, types.NUMBER):
        if written is not None and written.strip().replace(".", "", 1).isdigit():
            return f"write it without quotes: `{written.strip()}`"
        return "write a number" if written is not None else "only numbers and answers read as numbers fit"
    if want == types.BOOL and isinstance(expr, ast_expressions.LiteralValue) and expr.raw in ("0", "1"):
        return f"write `{'true' if expr.raw == '1' else 'false'}`"
    if want == types.BOOL:
        return f"write `{written.lower()}`" if written in ("True", "False", "true", "false") else "write a comparison"
    if isinstance(want, types.Record):
        return f"write `{{{', '.join(f'{field.name}: …' for field in want.fields[:6])}}}`"
    return f"use something that is {describe(want)}"


def condition(expr: ast_expressions.Expr, frame: Frame, what: str = "a condition") -> Formula:
    """Checks that an expression is a Bool and gives it as a formula."""
    typed = value_of(frame.type(expr), expr, frame, f"for {what}")
    if typed.is_known and typed.type != types.BOOL:
        hint = _bool_hint(expr, typed)
        message = f"{what} must be true or false, and this is {describe(typed.type)}"
        frame.report("E0230", message, expr.span, hint=hint)
    return Atom(frame.close(expr))


def _bool_hint(expr: ast_expressions.Expr, typed: Typed) -> str:
    written = expr.name if isinstance(expr, ast_expressions.Name) else "…"
    if typed.type in (types.INT, types.FLOAT, types.NUMBER):
        return f"compare it, as in `{written} > 0`"
    if isinstance(typed.type, types.Choice):
        return f"compare it, as in `{written} == {typed.type.labels[0]}`"
    if isinstance(typed.type, types.Optional):
        return f"compare it, as in `{written} != none`"
    return "write a comparison"


def must_be_static(expr: ast_expressions.Expr, frame: Frame, typed: Typed, what: str) -> bool:
    """Reports what only a run can tell where the plan needs it; whether it is static."""
    if typed.static or not typed.is_known:
        return True
    hint = "use a number or a `param`, so that the cost can be bounded"
    local = frame.local(expr.name) if isinstance(expr, ast_expressions.Name) else None
    if local is not None and local.kind == "input" and isinstance(expr, ast_expressions.Name):
        kind = plain(local.value.type)
        example = PARAMETERS.get(kind)
        if example is not None:
            hint = f"make it a parameter, in the body: `param {expr.name}: {example}`"
    frame.report(
        "E0235",
        f"{what} must be known before the run",
        expr.span,
        label="only a run can tell this",
        hint=hint,
    )
    return False


def numbers_of(expr: ast_expressions.Expr, frame: Frame) -> tuple[list[int | float], bool]:
    """The numbers a static expression takes, the default one first, and whether these are all of them."""
    closed = frame.close(expr)
    found = frame.space.values_of(closed)
    if found is None:
        return [], False
    numbers = [value for value in found if isinstance(value, int | float) and not isinstance(value, bool)]
    complete = set(names_in(closed)) <= frame.space.complete
    return numbers, complete and len(numbers) == len(found)


def size_of(expr: ast_expressions.Expr, frame: Frame) -> Size:
    """How many a static count gives, as bounds over all assignments."""
    numbers, complete = numbers_of(expr, frame)
    if not numbers or not complete:
        return UNKNOWN
    low, high = max(0, int(min(numbers))), max(0, int(max(numbers)))
    return Size(low, high, low)


def within(expr: ast_expressions.Expr, frame: Frame, low: float | None, high: float | None, what: str) -> None:
    """Reports a number that is outside its bounds for every assignment or at the defaults."""
    numbers, complete = numbers_of(expr, frame)
    if not numbers:
        return
    outside = [n for n in numbers if (low is not None and n < low) or (high is not None and n > high)]
    if not outside:
        return
    bounds = _bounds(low, high)
    if len(outside) == len(numbers) and len(set(numbers)) == 1:
        hint = ""
        if low is not None and outside[0] < low:
            hint = f"write {_shown(low)} or more"
        elif high is not None:
            hint = f"write {_shown(high)} or less"
        frame.report("E0216", f"{what} must be {bounds}, and this is {_shown(outside[0])}", expr.span, hint=hint)
    elif numbers[0] == outside[0] or (len(outside) == len(numbers) and complete):
        message = f"{what} must be {bounds}, and this is {_shown(outside[0])} at the parameters' defaults"
        frame.report("E0216", message, expr.span, hint="change the default, or the expression")
    else:
        shown = ", ".join(_shown(n) for n in sorted(set(outside))[:4])
        message = f"{what} must be {bounds}, and for some parameters this is {shown}"
        frame.report("E0216", message, expr.span, hint="narrow the parameter's domain, or add a `require`")


def _bounds(low: float | None, high: float | None) -> str:
    if low is not None and high is not None:
        return f"from {_shown(low)} to {_shown(high)}"
    if low is not None:
        return f"at least {_shown(low)}"
    return "" if high is None else f"at most {_shown(high)}"


def _shown(number: float) -> str:
    """A number as a program has it: 1000000 and not 1e+06."""
    return f"{int(number)}" if float(number).is_integer() else f"{number:g}"


def was_unreadable(expr: ast_expressions.Expr) -> bool:
    """Whether a number could not be read; lowering said so and put 0 in its place."""
    return (
        isinstance(expr, ast_expressions.LiteralValue)
        and expr.value == 0
        and not isinstance(expr.value, bool)
        and (expr.raw.strip("0_.eE+-") != "")
    )


def choice_of_names(expr: ast_expressions.Expr, frame: Frame, allowed: tuple[str, ...], what: str) -> None:
    """Checks a bare name against those allowed, or a Choice parameter whose labels all are."""
    if isinstance(expr, ast_expressions.Name):
        local = frame.local(expr.name)
        if expr.name in allowed:
            return
        if local is not None:
            local.used = True
            labels = local.value.type.labels if isinstance(local.value.type, types.Choice) else ()
            wrong = [label for label in labels if label not in allowed]
            if labels and not wrong and local.value.static:
                return
            if labels and wrong:
                message = f"{what} can be {listed(allowed)}, and `{expr.name}` may be `{wrong[0]}`"
                frame.report("E0217", message, expr.span, hint="take that label out of its domain")
                return
        name = expr.name
    elif isinstance(expr, ast_expressions.LiteralValue) and (expr.value is None or isinstance(expr.value, str | bool)):
        name = str(expr.value) if isinstance(expr.value, str) else expr.raw
        if name in allowed:
            return
    else:
        frame.report("E0217", f"{what} must be one of {listed(allowed)}", expr.span, hint=f"write `{allowed[0]}`")
        return
    hint = did_you_mean(name, list(allowed), f"it can be {listed(allowed)}")
    if name in ("true", "false") and "on" in allowed:
        hint = f"write `{'on' if name == 'true' else 'off'}`"
    frame.report("E0217", f"`{name}` is not something {what} can be", expr.span, hint=hint)
