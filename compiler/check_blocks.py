"""Blocks inside expressions: `match`, `repeat` and `map`, and the bindings of a body.

Codes:
    E0208  a name that has a value already
    E0228  a `match` or `map` over something it cannot go through
    E0231  a `match` that leaves cases out
    E0232  a label that the Choice does not have
    E0233  an arm that nothing reaches
    E0234  arms that give different types
    E0236  a loop whose `yield` does not go with its states
    E0247  a `map` over an unknown number of items without `max:`
    E0248  `until` and `up to` without each other
    L002   a name that nothing uses
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ttscale.compiler import ast_expressions, types
from ttscale.compiler.check_conditions import MAYBE, Atom, Formula, both, either, negate
from ttscale.compiler.check_frame import (
    ANYTHING,
    ONE,
    UNKNOWN,
    Facet,
    Frame,
    Local,
    Size,
    Typed,
    all_facets,
    did_you_mean,
    exactly,
    listed,
)
from ttscale.compiler.check_types import describe, fits, join, plain
from ttscale.compiler.check_values import condition, expect, must_be_static, size_of, value_of, within
from ttscale.compiler.diagnostics import Label
from ttscale.compiler.schema_types import as_list
from ttscale.compiler.source import Span

MAX_ROUNDS = 1000

# --- bindings ------------------------------------------------------------------------------------


def bind_name(name: str, local: Local, frame: Frame) -> None:
    """Gives a name its one value; a name in sight already is an error and keeps its first value."""
    first = frame.local(name)
    if first is not None:
        message = f"`{name}` already has a value"
        labels = (Label(first.span, "it gets it here"),)
        frame.report("E0208", message, local.span, labels=labels, hint="choose another name; nothing is assigned twice")
        return
    frame.locals[name] = local


def body(bindings: Sequence[ast_expressions.Binding], frame: Frame) -> None:
    """Types the bindings of a block in order."""
    for binding in bindings:
        frame.later.setdefault(binding.name, binding.span)
    for binding in bindings:
        typed = frame.type(binding.value)
        frame.later.pop(binding.name, None)
        name_span = Span(binding.span.file, binding.span.start, binding.span.start + len(binding.name))
        simple = typed.static and not isinstance(typed.type, types.ModelType | types.PromptType | types.ListOf)
        closed = frame.close(binding.value) if simple and typed.is_known else None
        bind_name(binding.name, Local("binding", typed, name_span, static=closed), frame)


def report_unused(frame: Frame) -> None:
    """Lint for bindings that nothing reads."""
    for name, local in frame.locals.items():
        if local.kind == "binding" and not local.used and not name.startswith("_") and local.value.is_known:
            hint = "leave it out, or use it; a name that begins with `_` may stay unused"
            frame.report("L002", f"`{name}` is never used", local.span, hint=hint)


# --- match ---------------------------------------------------------------------------------------


def match(expr: ast_expressions.Match, frame: Frame) -> Typed:
    """The value of the arm that fits; facets and sizes of all arms together."""
    subject = value_of(frame.type(expr.subject), expr.subject, frame, "after `match`")
    kind = plain(subject.type)
    if subject.is_known and not (isinstance(kind, types.Choice) or kind in (types.BOOL, types.INT)):
        message = f"`match` goes through a Choice, Bool or Int, and this is {describe(subject.type)}"
        hint = "make the answer a Choice: `prompt … -> Choice(a, b)` and `classify(…)`"
        frame.report("E0228", message, expr.subject.span, hint=hint)
        kind = types.ANY
    _labels(expr, kind, subject.static, frame)
    closed = frame.close(expr.subject)
    taken: list[str | int | bool] = []
    arms: list[tuple[ast_expressions.Arm, Typed, Formula]] = []
    for arm in expr.arms:
        labels = tuple(_as_label(label, kind) for label in arm.labels)
        holds: Formula = Atom(closed, labels) if labels else negate(Atom(closed, tuple(taken)))
        taken += labels
        arms.append((arm, frame.under(holds).type(arm.value), holds))
    return _joined(arms, subject.static, frame)


def _as_label(label: str | int | bool, kind: types.Type) -> str | int | bool:
    """A label as the subject's value would be: a Choice's labels are texts."""
    if isinstance(kind, types.Choice) and not isinstance(label, str):
        return str(label).lower() if isinstance(label, bool) else str(label)
    return label


def _labels(expr: ast_expressions.Match, kind: types.Type, static: bool, frame: Frame) -> None:
    """Checks labels one by one, then that every case has an arm."""
    seen: dict[object, Span] = {}
    rest: Span | None = None
    meant: set[str] = set()
    cases = _cases(expr, kind, frame)
    for arm in expr.arms:
        if rest is not None:
            labels = (Label(rest, "this takes everything"),)
            frame.report("E0233", "nothing reaches this arm", arm.span, labels=labels, hint="move `_ => …` to the end")
            continue
        if not arm.labels:
            rest = arm.span
            if static and cases is not None and all(case in seen for case in cases):
                message = "nothing reaches this arm: every case has one"
                frame.report("E0233", message, arm.span, hint="leave it out")
        for written in arm.labels:
            label = _as_label(written, kind)
            key = (isinstance(label, bool), label)
            if key in seen:
                labels = (Label(seen[key], "it is taken here"),)
                message = f"`{_shown(label)}` has an arm already"
                frame.report("E0233", message, _place(arm, label, frame), labels=labels, hint="leave one of them out")
                continue
            seen[key] = _place(arm, label, frame)
            if kind != types.ANY and not _possible(label, kind):
                known = list(kind.labels) if isinstance(kind, types.Choice) else ["true", "false"]
                otherwise = f"it is {listed(known)}" if kind != types.INT else "write a whole number"
                hint = did_you_mean(_shown(label), known if kind != types.INT else [], otherwise)
                meant.add(hint.split("`")[1] if hint.startswith("did") else "")
                frame.report(
                    "E0232", f"`{_shown(label)}` is not a label of {kind}", _place(arm, label, frame), hint=hint
                )
            elif cases is not None and static and key not in cases:
                message = f"`{_shown(label)}` can never be: it is outside the parameter's domain"
                frame.report("E0233", message, _place(arm, label, frame), hint="leave the arm out, or widen the domain")
    if rest is None and kind != types.ANY:
        missing = None if cases is None else [_shown(label) for flag, label in cases if (flag, label) not in seen]
        missing = None if missing is None else [label for label in missing if label not in meant]
        if missing is None:
            frame.report("E0231", "this `match` does not say what happens otherwise", expr.span, hint="add `_ => …`")
        elif missing:
            hint = f"add `{' | '.join(missing)} => …`, or `_ => …` for all others"
            frame.report("E0231", f"this `match` leaves out {listed(missing)}", expr.span, hint=hint)


def _place(arm: ast_expressions.Arm, label: object, frame: Frame) -> Span:
    """Where a label stands in front of its arm."""
    front = Span(arm.span.file, arm.span.start, arm.value.span.start)
    found = frame.program.word(front, _shown(label))
    return arm.span if found == front else found


def _cases(expr: ast_expressions.Match, kind: types.Type, frame: Frame) -> list[tuple[bool, object]] | None:
    """Every value that the subject may have, where they can be listed."""
    if isinstance(kind, types.Choice):
        return [(False, label) for label in kind.labels]
    if kind == types.BOOL:
        return [(True, True), (True, False)]
    found = frame.space.values_of(frame.close(expr.subject))
    listed_out = isinstance(expr.subject, ast_expressions.Name) and expr.subject.name in frame.space.complete
    if kind == types.INT and found is not None and listed_out:
        return [(False, value) for value in dict.fromkeys(found)]
    return None


def _possible(label: object, kind: types.Type) -> bool:
    if isinstance(kind, types.Choice):
        return label in kind.labels
    if kind == types.BOOL:
        return isinstance(label, bool)
    return isinstance(label, int) and not isinstance(label, bool)


def _shown(label: object) -> str:
    return str(label).lower() if isinstance(label, bool) else str(label)


def _joined(arms: list[tuple[ast_expressions.Arm, Typed, Formula]], static: bool, frame: Frame) -> Typed:
    known = [(arm, typed, holds) for arm, typed, holds in arms if typed.is_known]
    if len(known) < len(arms) or not known:
        return ANYTHING
    pools = all(typed.is_pool for _, typed, _ in known)
    if not pools:
        where = "in this arm, since another arm gives one value"
        known = [(arm, value_of(typed, arm.value, frame, where), holds) for arm, typed, holds in known]
    first = known[0][1].value
    for arm, typed, _ in known[1:]:
        if join((first, typed.value)) is None:
            message = f"this arm gives {describe(typed.value)}, and the first gives {describe(first)}"
            texts = isinstance(first, types.Text) or isinstance(typed.value, types.Text)
            hint = "use `text(…)` to make both Text" if texts else "all arms must give the same type"
            labels = (Label(known[0][0].value.span, f"{describe(first)}"),)
            frame.report("E0234", message, arm.value.span, labels=labels, hint=hint)
            return ANYTHING
    kind = join(typed.value for _, typed, _ in known)
    assert kind is not None
    if not pools:
        return Typed(kind, static=static and all(typed.static for _, typed, _ in known))
    size = known[0][1].size
    for _, typed, _ in known[1:]:
        size = size.union(typed.size, settled=static)
    facets = {}
    for name in all_facets(*(typed for _, typed, _ in known)):
        present = [typed.facet(name).present for _, typed, _ in known]
        lost = next((typed.facet(name).lost for _, typed, _ in known if typed.facet(name).lost), None)
        same = all(formula == present[0] for formula in present)
        formula = present[0] if same else either(*(both(h, p) for (_, _, h), p in zip(known, present, strict=True)))
        facets[name] = Facet(formula, lost)
    return Typed(types.Answers(kind), size, facets, question=any(typed.question for _, typed, _ in known))


# --- repeat --------------------------------------------------------------------------------------


def repeat(expr: ast_expressions.Repeat, frame: Frame) -> Typed:
    """The state after the last round, or all of them."""
    rounds = _rounds(expr, frame)
    states: dict[str, Typed] = {}
    for state in expr.states:
        typed = frame.type(state.init)
        if state.name in states:
            frame.report("E0208", f"the state `{state.name}` is named twice", state.span, hint="rename one of them")
        states[state.name] = typed
    if len(expr.yields) != len(expr.states):
        count = f"{len(expr.states)} state{'' if len(expr.states) == 1 else 's'}"
        message = f"this loop has {count} and yields {len(expr.yields)}"
        hint = f"write `yield {', '.join(state.name for state in expr.states)}` with one value each"
        frame.report("E0236", message, expr.yields[-1].span, hint=hint)
        return ANYTHING
    passes: list[dict[str, Typed]] = []
    now = states
    for number in range(3):
        after = _round(expr, now, frame, last=rounds.high == 1 or number == 2)
        if any(not typed.is_known for typed in after.values()):
            break
        settled = {name: _carried(states[name], typed) for name, typed in after.items()}
        passes.append(settled)
        if rounds.high == 1 or settled == now:
            break
        now = settled
    results = {name: _after(states[name], [p[name] for p in passes], rounds) for name in states}
    if len(results) == 1:
        return next(iter(results.values()))
    fields = tuple(types.Field(name, typed.type) for name, typed in results.items())
    return Typed(types.Record("", fields), states=results)


def _rounds(expr: ast_expressions.Repeat, frame: Frame) -> Size:
    count = expr.count.limit if isinstance(expr.count, ast_expressions.UpTo) else expr.count
    if isinstance(expr.count, ast_expressions.UpTo) and expr.until is None:
        hint = "write `repeat N`, or add `until …` behind the states"
        frame.report("E0248", "`repeat up to` needs an `until`", expr.count.span, hint=hint)
    elif expr.until is not None and not isinstance(expr.count, ast_expressions.UpTo):
        hint = "write `repeat up to …`"
        frame.report("E0248", "`until` ends a loop early, and this one has a fixed count", expr.until.span, hint=hint)
    typed = expect(count, frame, types.INT, "how often to repeat")
    if not typed.is_known or not must_be_static(count, frame, typed, "how often to repeat"):
        return UNKNOWN
    within(count, frame, 0, MAX_ROUNDS, "how often to repeat")
    size = size_of(count, frame)
    return size.some(0) if isinstance(expr.count, ast_expressions.UpTo) else size


def _round(expr: ast_expressions.Repeat, states: dict[str, Typed], frame: Frame, *, last: bool) -> dict[str, Typed]:
    """One round with these states; what is said about it twice is told once."""
    inner = frame.inner()
    for state in expr.states:
        name_span = Span(state.span.file, state.span.start, state.span.start + len(state.name))
        if state.name not in inner.locals:
            bind_name(state.name, Local("state", states[state.name], name_span), inner)
    if expr.until is not None:
        condition(expr.until, inner, "`until`")
    body(expr.bindings, inner)
    after: dict[str, Typed] = {}
    for state, value in zip(expr.states, expr.yields, strict=True):
        after[state.name] = _yielded(inner.type(value), value, state, states[state.name], inner)
    report_unused(inner)
    return after


def _yielded(
    typed: Typed, value: ast_expressions.Expr, state: ast_expressions.State, before: Typed, frame: Frame
) -> Typed:
    """Checks that a round gives what the state began with."""
    if not (typed.is_known and before.is_known):
        return ANYTHING
    if typed.is_pool and not before.is_pool:
        typed = value_of(typed, value, frame, f"for the state `{state.name}`")
    if not fits(typed.type, before.type):
        message = f"`{state.name}` begins as {describe(before.type)}, and this round gives {describe(typed.type)}"
        labels = (Label(state.init.span, f"begins as {describe(before.type)}"),)
        hint = "use a prompt with the same result type" if typed.is_pool == before.is_pool else "yield the same kind"
        frame.report("E0236", message, value.span, labels=labels, hint=hint)
        return ANYTHING
    return typed


def _carried(init: Typed, after: Typed) -> Typed:
    """A state after a round: of the type that it began with, and known before the run where both are."""
    return replace(after, type=init.type, static=init.static and after.static)


def _after(init: Typed, passes: list[Typed], rounds: Size) -> Typed:
    """What is known after all rounds: what every possible last round agrees on."""
    if not passes:
        return replace(init, static=False) if init.is_known else ANYTHING
    possible = list(passes)
    if rounds.low == 0:
        possible.insert(0, init)
    elif rounds.low > 1 and len(passes) > 1:
        possible = passes[1:]
    if len({id(p) for p in possible}) == 1 or all(p == possible[0] for p in possible):
        return replace(possible[0], static=False)
    size = possible[0].size
    for typed in possible[1:]:
        size = size.union(typed.size)
    facets = {}
    for name in all_facets(*possible):
        found = {typed.facet(name).present for typed in possible}
        facets[name] = possible[-1].facet(name) if len(found) == 1 else Facet(MAYBE)
    return Typed(init.type, size, facets, question=any(typed.question for typed in possible))


# --- map -----------------------------------------------------------------------------------------


def map_loop(expr: ast_expressions.MapLoop, frame: Frame) -> Typed:
    """What the items give, joined in order."""
    items = frame.type(expr.items)
    limit: Size | None = None
    if expr.limit is not None:
        typed = expect(expr.limit, frame, types.INT, "`max:`")
        if typed.is_known and must_be_static(expr.limit, frame, typed, "`max:`"):
            within(expr.limit, frame, 1, MAX_ROUNDS, "`max:`")
            limit = size_of(expr.limit, frame)
    element, count = _elements(expr, items, frame)
    if limit is not None:
        count = count.capped(limit)
    earlier = ANYTHING
    if expr.earlier:
        # What earlier items gave is known once one is: a first look, of which nothing is told, says what that is.
        kept = list(frame.program.diagnostics)
        made = _one_item(expr, element, ANYTHING, frame)
        frame.program.diagnostics[:] = kept
        if made.is_known and not made.is_pool:
            message = f"`{expr.earlier}` is what earlier items gave, and these give {describe(made.type)}, no pool"
            hint = "yield what a stage gives, such as `yield generate(…)`"
            frame.report("E0267", message, expr.yield_.span, hint=hint)
        elif made.is_known:
            earlier = replace(made, size=count.times(made.size).some(0), classified=False, static=False)
    made = _one_item(expr, element, earlier, frame)
    if not made.is_known:
        return ANYTHING
    if not made.is_pool:
        return Typed(types.ListOf(made.type))
    return replace(made, size=count.times(made.size), classified=False)


def _one_item(expr: ast_expressions.MapLoop, element: Typed, earlier: Typed, frame: Frame) -> Typed:
    """What the body of a `map` gives for one item."""
    inner = frame.inner()
    bind_name(expr.name, Local("item", element, frame.program.word(expr.span, expr.name)), inner)
    if expr.earlier:
        behind = Span(expr.span.file, (expr.limit or expr.items).span.end, expr.span.end)
        bind_name(expr.earlier, Local("state", earlier, frame.program.word(behind, expr.earlier)), inner)
    body(expr.bindings, inner)
    made = inner.type(expr.yield_)
    report_unused(inner)
    return made


def _elements(expr: ast_expressions.MapLoop, items: Typed, frame: Frame) -> tuple[Typed, Size]:
    """One item of what a `map` goes through, and how many there are."""
    if not items.is_known:
        return ANYTHING, UNKNOWN
    kind = items.type
    if isinstance(kind, types.Answers):
        if not isinstance(as_list(kind.item), types.ListOf):
            return Typed(kind.item), items.size
        value_of(items, expr.items, frame, "to go through its elements")
        kind = kind.item
    kind = as_list(kind)
    if isinstance(kind, types.ListOf):
        if isinstance(expr.items, ast_expressions.ListExpr):
            return Typed(kind.item, static=items.static), exactly(len(expr.items.items))
        if expr.limit is None and not items.static:
            message = "how many items there are is only known at run time"
            hint = f"say how many at most: `map {expr.name} in …, max: 6 {{`"
            frame.report("E0247", message, expr.items.span, hint=hint)
        return Typed(kind.item, static=items.static), UNKNOWN
    message = f"`map` goes through a pool or a list, and this is {describe(items.type)}"
    frame.report("E0228", message, expr.items.span, hint="name a pool, or an input of type `[Text]`")
    return ANYTHING, ONE
