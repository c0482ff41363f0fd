"""The nodes that only the compiler writes: `concat`, `choose`, `value`; and conditions.

`under` makes a value one that stands under a frame's guards, so that "its stage ran" says "the guards held".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ttscale.compiler import ast_expressions, ir, sizes
from ttscale.compiler.expansion import (
    Expansion,
    Frame,
    Listing,
    Plain,
    Pool,
    PromptValue,
    Site,
    States,
    Value,
    one,
    type_of_value,
)
from ttscale.compiler.source import Span
from ttscale.compiler.types import Answers, ListOf, Type


def condition(expansion: Expansion, when: ast_expressions.Expr | None, frame: Frame, site: Site) -> bool | ir.Operand:
    """A `when` or `until`: True or False where that is settled, else the operand that the run decides by."""
    if when is None:
        return True
    operand = one(expansion, expansion.evaluate(when, frame, site.inner()), when.span)
    return bool(operand.value) if isinstance(operand, ir.Const) else operand


def node(
    expansion: Expansion,
    op: str,
    path: str,
    args: Mapping[str, ir.Argument],
    kind: Type,
    size: ir.Bounds,
    frame: Frame,
    span: Span,
    *,
    facets: frozenset[str] = frozenset(),
    question: ir.Operand | None = None,
) -> ir.Ref:
    """Add one of the compiler's own stages; `path` is claimed already."""
    return expansion.add(
        ir.Stage(
            path=path,
            op=op,
            source=None,
            args=args,
            type=kind,
            size=size,
            facets=facets,
            span=span,
            origin=frame.origin,
            guards=frame.guards,
            question=question,
        )
    )


def concat(expansion: Expansion, pools: list[Pool], frame: Frame, path: str, span: Span) -> Pool:
    """Pools joined left to right; facets stay where all of them have them."""
    size = sizes.add(pool.size for pool in pools)
    facets = frozenset.intersection(*(pool.facets for pool in pools)) if pools else frozenset()
    question = next((pool.question for pool in pools if pool.question is not None), None)
    item = pools[0].item
    ref = node(
        expansion,
        "concat",
        path,
        {"sources": tuple(pool.operand for pool in pools)},
        Answers(item),
        size,
        frame,
        span,
        facets=facets,
        question=question,
    )
    amount = " + ".join(dict.fromkeys(pool.amount for pool in pools if pool.amount)) if len(pools) == 2 else ""
    following = max(pool.next_series for pool in pools)
    return Pool(ref, item, size, facets, question, span, amount, following)


def join(expansion: Expansion, values: list[Value], spans: list[Span], span: Span, frame: Frame, site: Site) -> Value:
    """`a + b + c` of pools; an empty pool adds nothing, and one that is left stays itself."""
    pools: list[Pool] = []
    for value, place in zip(values, spans, strict=True):
        if not isinstance(value, Pool):
            raise expansion.fail(
                "E0209", "a pool can only be joined with a pool", place, hint="leave it out of the sum"
            )
        if value.size.high > 0 or not isinstance(value.operand, ir.Const):
            pools.append(value)
    if not pools:
        return values[0]
    if len(pools) == 1:
        return pools[0]
    return concat(expansion, pools, frame, expansion.claim(site.path("concat")), span)


def under(expansion: Expansion, value: Value, frame: Frame, scope: str, span: Span) -> Value:
    """`value` as one whose stage runs exactly when the frame's guards hold."""
    if isinstance(value, Listing) and value.items and all(isinstance(item, Pool) for item in value.items):
        value = Plain(one(expansion, value, span), type_of_value(value))
    if isinstance(value, States):
        return States(
            {name: under(expansion, part, frame, f"{scope}/{name}", span) for name, part in value.values.items()}
        )
    if isinstance(value, Pool):
        stage = expansion.by_path.get(value.operand.path) if isinstance(value.operand, ir.Ref) else None
        if stage is not None and stage.guards == frame.guards:
            return value
        made = concat(expansion, [value], frame, expansion.claim(f"{scope}/same"), span)
        return replace(made, made=value.made, amount=value.amount, next_series=value.next_series, items=value.items)
    if isinstance(value, PromptValue):
        raise expansion.fail("E0209", "a prompt cannot depend on what a run finds", span, hint="match on a parameter")
    operand = one(expansion, value, span)
    stage = expansion.by_path.get(operand.path) if isinstance(operand, ir.Ref) else None
    if stage is not None and stage.guards == frame.guards:
        return value
    kind = type_of_value(value)
    ref = node(expansion, "value", expansion.claim(f"{scope}/value"), {"value": operand}, kind, sizes.ONE, frame, span)
    return Plain(ref, kind)


def choose(expansion: Expansion, arms: list[Value], frame: Frame, path: str, span: Span, *, complete: bool) -> Value:
    """The first arm whose stage ran; `complete` says that one of them surely did. `path` is claimed already."""
    if isinstance(arms[0], States):
        names = arms[0].values
        return States(
            {
                name: choose(
                    expansion,
                    [arm.values[name] for arm in arms if isinstance(arm, States)],
                    frame,
                    expansion.claim(f"{path}.{name}"),
                    span,
                    complete=complete,
                )
                for name in names
            }
        )
    operands = tuple(arm.operand if isinstance(arm, Pool) else one(expansion, arm, span) for arm in arms)
    pools = [arm for arm in arms if isinstance(arm, Pool)]
    if len(pools) < len(arms):
        for arm in pools:
            one(expansion, arm, span)
        kind = next(type_of_value(arm) for arm in arms if not isinstance(arm, Pool))
        ref = node(expansion, "choose", path, {"arms": operands}, kind, sizes.ONE, frame, span)
        return Plain(ref, kind)
    size = sizes.either([pool.size for pool in pools] + ([] if complete else [sizes.EMPTY]))
    facets = frozenset.intersection(*(pool.facets for pool in pools))
    question = next((pool.question for pool in pools if pool.question is not None), None)
    kind = Answers(pools[0].item)
    ref = node(expansion, "choose", path, {"arms": operands}, kind, size, frame, span, facets=facets, question=question)
    following = max(pool.next_series for pool in pools)
    widest = max(pools, key=lambda pool: pool.size.high)
    return Pool(ref, kind.item, size, facets, question, widest.made, widest.amount, following)


def by_item(joined: Pool, pools: list[Pool]) -> Pool:
    """What a `map` gave, with what each of its items did."""
    return replace(joined, items=tuple(pool.operand for pool in pools))


def is_mixed(pool: Pool) -> bool:
    """Whether it cannot be seen of a pool's candidates which item of a `map` gave them."""
    return len(pool.items) > 1 or (len(pool.items) == 1 and pool.size.high > 1)


def apart(expansion: Expansion, pool: Pool, frame: Frame, path: str, span: Span) -> ir.Operand:
    """What a `map` gave, as a pool that knows which item gave what. `path` is claimed already."""
    args: dict[str, ir.Argument] = {"sources": pool.items, "apart": ir.Const(True)}
    return node(expansion, "concat", path, args, Answers(pool.item), pool.size, frame, span, question=pool.question)


def gather(expansion: Expansion, values: list[Value], frame: Frame, path: str, span: Span) -> Value:
    """What the rounds of a `map` give, joined in order: a pool, or a list of values. `path` is claimed already."""
    pools = [value for value in values if isinstance(value, Pool)]
    if len(pools) == len(values):
        return by_item(concat(expansion, pools, frame, path, span), pools)
    operands = tuple(one(expansion, value, span) for value in values)
    for operand in operands:
        stage = expansion.by_path.get(operand.path) if isinstance(operand, ir.Ref) else None
        if stage is not None and stage.guards != frame.guards:
            message = "a map over items that are only known in the run must yield a pool"
            raise expansion.fail("E0267", message, span, hint="leave out `text(…)`, and read the pool afterwards")
    return Plain(ir.Apply("list", operands, span), ListOf(type_of_value(values[0])))
