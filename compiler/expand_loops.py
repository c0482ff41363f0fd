"""`repeat`, `map` and `match`, unrolled.

fused = repeat 2 with xs = drafts { … yield e }      main/fused[1]/…, main/fused[2]/…
repeat up to 3 with xs = a until COND { … }          a `value` stage main/fused[r]/until before each round; round r
                                                     is guarded by it being false; a `choose` takes the last round
map q in items, max: 6 { … }                         main/name[1]/… to main/name[6]/…, guarded by the size of items
                                                     (where there are more, the run notes how many were left out)
map q in items, max: 6 with known { … }              the same; main/name[3]/known joins what the first two gave
match which { maths => … }                           on a parameter: that arm, in place; at run time: arms below
                                                     main/name/maths/…, guarded by the value, then a `choose`
"""

from __future__ import annotations

import re
from dataclasses import replace

from ttscale.compiler import ast_expressions, ir, sizes
from ttscale.compiler.constants import apply, item
from ttscale.compiler.expand_nodes import by_item, choose, concat, condition, gather, node, under
from ttscale.compiler.expansion import (
    Expansion,
    Frame,
    Listing,
    Named,
    Plain,
    Pool,
    Site,
    States,
    Value,
    one,
    type_of_value,
)
from ttscale.compiler.schema_types import as_list
from ttscale.compiler.types import BOOL, TEXT, Answers, Choice, ListOf, Type

MAX_ROUNDS = 1000
_NOT_IN_PATHS = re.compile(r"[\s/#\[\].]+")

# --- repeat --------------------------------------------------------------------------------------


def repeat(expansion: Expansion, loop: ast_expressions.Repeat, frame: Frame, site: Site) -> Value:
    """The value of a loop: its state after the last round, or all of them as `States`."""
    base = site.path("repeat") if site.name else expansion.claim(site.path("repeat") + "[]")[:-2]
    values: dict[str, Value] = {}
    for state in loop.states:
        values[state.name] = expansion.evaluate(state.init, frame, Site(base, state.name))
    if isinstance(loop.count, ast_expressions.UpTo):
        rounds = _rounds(expansion, loop.count.limit, frame, site)
        last = _until(expansion, loop, rounds, values, frame, base)
    else:
        last = values
        for number in range(1, _rounds(expansion, loop.count, frame, site) + 1):
            last = _round(expansion, loop, last, frame, f"{base}[{number}]")
    return last[loop.states[0].name] if len(loop.states) == 1 else States(last)


def _rounds(expansion: Expansion, count: ast_expressions.Expr, frame: Frame, site: Site) -> int:
    operand = one(expansion, expansion.evaluate(count, frame, site.inner()), count.span)
    if not (isinstance(operand, ir.Const) and isinstance(operand.value, int) and not isinstance(operand.value, bool)):
        hint = "write a number, a parameter, or `repeat up to N … until …`"
        raise expansion.fail(
            "E0235", "how often to repeat must be a whole number known before the run", count.span, hint=hint
        )
    if not 0 <= operand.value <= MAX_ROUNDS:
        raise expansion.fail(
            "E0235", f"{operand.value} rounds cannot be unrolled", count.span, hint=f"at most {MAX_ROUNDS}"
        )
    return operand.value


def _round(
    expansion: Expansion, loop: ast_expressions.Repeat, values: dict[str, Value], frame: Frame, scope: str
) -> dict[str, Value]:
    """One round: the states after it."""
    inner = frame
    for name, value in values.items():
        inner = inner.bind(name, value)
    for binding in loop.bindings:
        inner = inner.bind(binding.name, expansion.evaluate(binding.value, inner, Site(scope, binding.name)))
    sites = [Site(scope)] if len(loop.states) == 1 else [Site(scope, state.name) for state in loop.states]
    return {
        state.name: expansion.evaluate(result, inner, place)
        for state, result, place in zip(loop.states, loop.yields, sites, strict=True)
    }


def _until(
    expansion: Expansion, loop: ast_expressions.Repeat, rounds: int, values: dict[str, Value], frame: Frame, base: str
) -> dict[str, Value]:
    """The rounds of `repeat up to N … until COND`; the latest one that ran is the result."""
    history, now = [values], values
    inside = frame
    for number in range(1, rounds + 1):
        scope = f"{base}[{number}]"
        seen = inside
        for name, value in now.items():
            seen = seen.bind(name, value)
        stop = condition(expansion, loop.until, seen, Site(scope)) if loop.until is not None else False
        if stop is True:
            break
        if stop is not False:
            assert loop.until is not None
            path = expansion.claim(f"{scope}/until")
            ref = node(expansion, "value", path, {"value": stop}, BOOL, sizes.ONE, inside, loop.until.span)
            inside = inside.guarded(ir.Guard(ref, (False,)))
        now = after = _round(expansion, loop, now, inside, scope)
        if inside is not frame:
            after = {n: under(expansion, value, inside, f"{scope}/{n}", loop.span) for n, value in after.items()}
            now = {n: value if _is_settled(value) else after[n] for n, value in now.items()}
        history.append(after)
    if inside is frame:
        return history[-1]
    start = next(i for i, state in enumerate(history[1:], 1) if _is_guarded(expansion, state, frame))
    arms = [*reversed(history[start:]), history[start - 1]]
    single = len(loop.states) == 1
    return {
        state.name: choose(
            expansion,
            [arm[state.name] for arm in arms],
            frame,
            expansion.claim(base if single else f"{base}.{state.name}"),
            loop.span,
            complete=True,
        )
        for state in loop.states
    }


def _is_settled(value: Value) -> bool:
    """Whether a state is known before the run, such as a temperature that rises round by round."""
    return isinstance(value, Plain) and isinstance(value.operand, ir.Const)


def _is_guarded(expansion: Expansion, state: dict[str, Value], frame: Frame) -> bool:
    """Whether a round's values stand under more guards than the loop itself."""
    for value in state.values():
        operand = value.operand if isinstance(value, Pool | Plain) else None
        stage = expansion.by_path.get(operand.path) if isinstance(operand, ir.Ref) else None
        if stage is not None and len(stage.guards) > len(frame.guards):
            return True
    return False


# --- map -----------------------------------------------------------------------------------------


def map_loop(expansion: Expansion, loop: ast_expressions.MapLoop, frame: Frame, site: Site) -> Value:
    """One sub-graph for each item, joined in order."""
    items = expansion.evaluate(loop.items, frame, site.inner())
    limit = None if loop.limit is None else _rounds(expansion, loop.limit, frame, site)
    base = site.path("map") if site.name else expansion.claim(site.path("map") + "[]")[:-2]
    results: list[Value] = []
    elements, there = _elements(expansion, items, limit, loop)
    if limit is not None and there is not None:
        text = f"map {loop.name} in {expansion.text(loop.items.span)}"
        expansion.capped.append(ir.Capped(base, text, there, limit, frame.guards))
    for number, (value, guard) in enumerate(elements, 1):
        scope = f"{base}[{number}]"
        inner = frame.guarded(guard) if guard is not None else frame
        seen = inner.bind(loop.name, value)
        if loop.earlier:
            seen = seen.bind(loop.earlier, _earlier(expansion, results, inner, f"{scope}/{loop.earlier}", loop))
        for binding in loop.bindings:
            seen = seen.bind(binding.name, expansion.evaluate(binding.value, seen, Site(scope, binding.name)))
        result = expansion.evaluate(loop.yield_, seen, Site(scope))
        results.append(result if guard is None else _maybe(under(expansion, result, inner, scope, loop.yield_.span)))
    if not results:
        return Pool(ir.Const(()), TEXT, sizes.EMPTY)
    return gather(expansion, results, frame, expansion.claim(base if site.name else f"{base}/concat"), loop.span)


def _earlier(
    expansion: Expansion, results: list[Value], frame: Frame, path: str, loop: ast_expressions.MapLoop
) -> Value:
    """What the items before this one gave, as one pool; an empty one for the first item."""
    pools = [value for value in results if isinstance(value, Pool)]
    if len(pools) < len(results):
        hint = "yield what a stage gives, such as `yield generate(…)`"
        message = f"`{loop.earlier}` is what earlier items gave, and that is no pool"
        raise expansion.fail("E0267", message, loop.yield_.span, hint=hint)
    if not pools:
        return Pool(ir.Const(()), TEXT, sizes.EMPTY)
    joined = pools[0] if len(pools) == 1 else concat(expansion, pools, frame, expansion.claim(path), loop.span)
    return by_item(joined, pools)


def _maybe(value: Value) -> Value:
    """What a round gives that may not run: perhaps nothing."""
    return replace(value, size=ir.Bounds(0, value.size.high)) if isinstance(value, Pool) else value


def _elements(
    expansion: Expansion, items: Value, limit: int | None, loop: ast_expressions.MapLoop
) -> tuple[list[tuple[Value, ir.Guard | None]], ir.Operand | None]:
    """The items with the guard under which each is there; and how many a run finds, where it may leave some out."""
    if isinstance(items, Listing):
        return [(value, None) for value in items.items[:limit]], None
    listed = as_list(items.item) if isinstance(items, Pool) else None
    if isinstance(items, Pool) and not (isinstance(listed, ListOf) and items.size.high <= 1):
        count = items.size.high if limit is None else min(limit, items.size.high)
        size = apply("size", (items.operand,))
        elements: list[tuple[Value, ir.Guard | None]] = [
            (Plain(item(items.operand, i), items.item), None if i < items.size.low else _longer(size, i))
            for i in range(count)
        ]
        return elements, size if items.size.high > count else None
    if isinstance(items, Pool):
        operand: ir.Operand = ir.Item(items.operand, 0)
        element: Type = listed.item if isinstance(listed, ListOf) else TEXT
    else:
        operand = one(expansion, items, loop.items.span)
        kind = as_list(type_of_value(items))
        element = kind.item if isinstance(kind, ListOf) else TEXT
    if isinstance(operand, ir.Const) and isinstance(operand.value, tuple):
        return [(Plain(ir.Const(value), element), None) for value in operand.value[:limit]], None
    if limit is None:
        hint = f"write `map {loop.name} in …, max: 6 {{`"
        raise expansion.fail(
            "E0247", "how many items there are is not known before the run", loop.items.span, hint=hint
        )
    length = apply("length", (operand,))
    return [(Plain(item(operand, i), element), _longer(length, i)) for i in range(limit)], length


def _longer(size: ir.Operand, index: int) -> ir.Guard:
    return ir.Guard(apply(">", (size, ir.Const(index))), (True,))


# --- match ---------------------------------------------------------------------------------------


def match_arms(expansion: Expansion, match: ast_expressions.Match, frame: Frame, site: Site) -> Value:
    """The arm that fits; where only a run can say which, all of them under guards and a `choose`."""
    subject = expansion.evaluate(match.subject, frame, site.inner())
    if isinstance(subject, Named):
        hint = "match on a parameter or on an answer of a Choice, Bool or Int"
        raise expansion.fail("E0209", f"`{subject.name}` is not a value", match.subject.span, hint=hint)
    operand = one(expansion, subject, match.subject.span)
    if isinstance(operand, ir.Const):
        for arm in match.arms:
            if not arm.labels or any(_same(label, operand.value) for label in arm.labels):
                return expansion.evaluate(arm.value, frame, site)
        message = f"no arm fits {_show(operand.value)}"
        raise expansion.fail("E0231", message, match.span, hint="add `_ => …`")
    kind = type_of_value(subject)
    inner_kind = kind.item if isinstance(kind, Answers) else kind
    base = site.inner().scope
    arms: list[Value] = []
    taken: list[object] = []
    for arm in match.arms:
        labels = tuple(_value_of(label, inner_kind) for label in arm.labels)
        guard = _guard(operand, labels, taken, inner_kind)
        taken += labels
        if guard is None:
            continue
        inner = frame.guarded(guard)
        name = _NOT_IN_PATHS.sub("_", "|".join(map(_spelt, arm.labels))) if arm.labels else "else"
        scope = expansion.claim(f"{base}/{name}/")[:-1]
        value = expansion.evaluate(arm.value, inner, Site(scope))
        arms.append(under(expansion, value, inner, scope, arm.value.span))
    complete = any(not arm.labels for arm in match.arms)
    path = expansion.claim(site.path("match"))
    return choose(expansion, arms, frame, path, match.span, complete=complete)


def _guard(operand: ir.Operand, labels: tuple[object, ...], taken: list[object], kind: Type) -> ir.Guard | None:
    """When an arm runs; None for a `_` that nothing reaches. `_` also takes an answer that is none."""
    if labels:
        return ir.Guard(operand, labels)
    known: tuple[object, ...] | None = None
    if isinstance(kind, Choice):
        known = kind.labels
    elif kind == BOOL:
        known = (True, False)
    if known is not None:
        return ir.Guard(operand, (*(value for value in known if value not in taken), None))
    tests = tuple(ir.Apply("==", (operand, ir.Const(value))) for value in taken)
    if not tests:
        return ir.Guard(ir.Const(True), (True,))
    return ir.Guard(tests[0] if len(tests) == 1 else ir.Apply("or", tests), (False,))


def _value_of(label: str | int | bool, kind: Type) -> object:
    return str(label) if isinstance(kind, Choice) and not isinstance(label, str) else label


def _same(label: str | int | bool, value: object) -> bool:
    if isinstance(label, bool) is not isinstance(value, bool):
        return isinstance(value, str) and str(label).lower() == value
    return label == value or (isinstance(value, str) and str(label) == value)


def _show(value: object) -> str:
    return f"`{_spelt(value)}`"


def _spelt(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
