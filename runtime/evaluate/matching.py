"""The same mean spend for all pipelines: each one's size is changed until it costs what the first one does.

A pipeline's size is its parameter `n`, where raising it makes the plan dearer, else the first whole-number parameter
that does. The first pipeline is the measure. For the others a few questions are asked at their declared size; what
these really cost, against what the plan expected, says which value of the size comes nearest, which is asked in turn.
Records of sizes that are not kept stay in the run folder.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from ttscale.compiler.plan import Plan
from ttscale.compiler.space import space_of
from ttscale.compiler.types import INT, NUMBER
from ttscale.runtime.evaluate.arms import Arm, pipeline_of

PILOT = 8
"""How many questions say what a size costs."""
_ROUNDS = 3
_FREE_SIZES = tuple(range(1, 65))

Measure = Callable[[Arm], Awaitable[float]]
"""The mean spend of an arm on a few questions."""

Rebound = Callable[[Arm, Mapping[str, object]], Arm]
"""An arm with other values of its parameters."""


@dataclass(frozen=True)
class Matched:
    """What became of one pipeline: its size parameter, from which value to which, and what the pilot spent with it."""

    label: str
    param: str
    before: object
    after: object
    pilot: float
    note: str = ""


async def match(
    arms: Sequence[Arm], what: str, measure: Measure, rebound: Rebound
) -> tuple[list[Arm], float, list[Matched]]:
    """The arms with their sizes changed, the spend that was aimed at, and what was done to each."""
    first, *others = arms
    target = await measure(first)
    chosen, told = [first], [Matched(first.label, "", None, None, target, "the others are matched to it")]
    for arm in others:
        found, note = await _matched(arm, what, target, measure, rebound)
        chosen.append(found)
        told.append(note)
    return chosen, target, told


async def _matched(arm: Arm, what: str, target: float, measure: Measure, rebound: Rebound) -> tuple[Arm, Matched]:
    sizes = size_of(arm, what, rebound)
    spent = await measure(arm)
    if sizes is None:
        note = "it has no whole-number parameter that changes what it spends"
        return arm, Matched(arm.label, "", None, None, spent, note)
    name, plans = sizes
    before = now = arm.graph.params[name]
    seen = {now: spent}
    for _ in range(_ROUNDS):
        ratio = seen[now] / max(1e-9, _expected(plans[now].plan, what))
        guesses = {size: seen.get(size, ratio * _expected(own.plan, what)) for size, own in plans.items()}
        nearest = min(
            guesses, key=lambda size: (abs(math.log(max(guesses[size], 1e-9) / max(target, 1e-9))), str(size))
        )
        if nearest == now:
            break
        now = nearest
        if now not in seen:
            seen[now] = await measure(plans[now])
    best = min(seen, key=lambda size: abs(seen[size] - target))
    kept = arm if best == before else plans[best]
    return kept, Matched(arm.label, name, before, best, seen[best])


def size_of(arm: Arm, what: str, rebound: Rebound) -> tuple[str, dict[object, Arm]] | None:
    """The parameter that is an arm's size, and the arm at every value of it that can be bound."""
    space = space_of(arm.program.checked.linked, pipeline_of(arm.program, arm.pipeline))
    names = [name for name, kind in space.kinds.items() if kind in (INT, NUMBER)]
    for name in sorted(names, key=lambda name: name != "n"):
        domain = space.domains[name]
        values = domain.values() if domain is not None and domain.is_listed() else _FREE_SIZES
        plans = {arm.graph.params[name]: arm}
        for value in values:
            if value not in plans and (domain is None or domain.contains(value)):
                other = rebound_or_none(rebound, arm, name, value)
                if other is not None:
                    plans[value] = other
        costs = {_expected(own.plan, what) for own in plans.values()}
        if len(costs) > 1:
            return name, plans
    return None


def rebound_or_none(rebound: Rebound, arm: Arm, name: str, value: object) -> Arm | None:
    """The arm with one parameter changed; None where a `require` or a bound rules that value out."""
    from ttscale.compiler.diagnostics import CompileError

    try:
        return rebound(arm, {name: value})
    except CompileError:
        return None


def _expected(plan: Plan, what: str) -> float:
    """What a plan expects a question to cost; seconds go by the new tokens on the longest chain."""
    cost = plan.expected
    return {
        "tokens": float(cost.tokens),
        "calls": float(cost.calls),
        "seconds": float(cost.new_tokens),
        "cost": cost.usd,
    }[what]


def relabelled(arm: Arm, told: Matched) -> Arm:
    """An arm whose label says its matched size."""
    return replace(arm, label=f"{arm.label} ({told.param} = {told.after})") if told.after != told.before else arm
