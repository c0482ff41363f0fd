"""What a search would do, before anything is spent: the space, what a trial may cost, what the budget buys.

Sampled figures are exact where the space is small. Prices are those of the plan: bounds for one question, times the
questions, for questions as long as the rows are; "with a shared bank" counts every sample once.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ttscale.runtime.search.book import Limits
from ttscale.runtime.search.errors import SearchError
from ttscale.runtime.search.forecast import Need, baselines_need, lines_of
from ttscale.runtime.search.prices import Prices
from ttscale.runtime.search.racing import LEAST, looks_at
from ttscale.runtime.search.space import SearchSpace

if TYPE_CHECKING:
    from ttscale.runtime.search.api import Stage

SAMPLE = 200
FEW_ROWS = f"           too few to tell pipelines apart: take {2 * LEAST} or more"
MOST_TRIALS = 1_000


def outlook(stage: Stage) -> dict[str, Any]:
    """All of it as plain data."""
    space = stage.space
    size, exact = space.size()
    sampled = _sampled(space)
    able = [own for own in sampled if not space.why_not(own)]
    reasons = Counter(space.why_not(own) for own in sampled if space.why_not(own))
    if not able:
        most, _ = reasons.most_common(1)[0]
        raise SearchError(f"no assignment of the parameters can run: {most}", hint="widen a domain, or a limit")
    plans = [space.price(own) for own in able]
    count = len(stage.items)
    trial = {
        "minimum": min(p.minimum.tokens for p in plans) * count,
        "maximum": max(p.maximum.tokens for p in plans) * count,
        "expected": round(sum(p.expected.tokens for p in plans) / len(plans) * count),
        "calls_minimum": min(p.minimum.calls for p in plans) * count,
        "calls_maximum": max(p.maximum.calls for p in plans) * count,
        "usd_maximum": max(p.maximum.usd for p in plans) * count,
    }
    need = baselines_need(stage)
    return {
        "search": stage.search.name,
        "pipeline": space.symbol.name,
        "goals": {goal.name: "maximize" if goal.maximize else "minimize" for goal in stage.search.goals},
        "parameters": _parameters(space),
        "fixed": dict(space.fixed),
        "combinations": None if size is None and space.combinations == float("inf") else space.combinations,
        "pipelines": size,
        "exact": exact,
        "ruled_out": {"of": len(sampled), "reasons": dict(reasons)},
        "questions": count,
        "held_out": len(stage.held_out),
        "in_both": stage.in_both,
        "looks": list(looks_at(count, racing=stage.wishes.racing)),
        "sampler": stage.sampler,
        "seed": stage.search.seed,
        "trial": trial,
        "limits": {k: v for k, v in vars(stage.limits).items() if v is not None},
        "buys": _buys(stage, able, need),
        "baselines": need.as_json(),
        "forecast": lines_of(need),
        "study": stage.name,
    }


def _sampled(space: SearchSpace) -> list[dict[str, object]]:
    """All pipelines where they are few, else some at random; the defaults first."""
    source = random.Random(0)
    found = {space.key(space.default): space.canonical(space.default)}
    if space.combinations <= SAMPLE:
        found |= {tuple(own.items()): own for own in space.all()}
        return list(found.values())
    for _ in range(SAMPLE):
        own = space.draw(source)
        found.setdefault(tuple(own.items()), own)
    return list(found.values())


def _parameters(space: SearchSpace) -> list[dict[str, Any]]:
    conditional = space.conditional
    return [
        {
            "name": name,
            "domain": axis.domain.words(),
            "values": None if axis.values is None else len(axis.values),
            "conditional": conditional[name],
        }
        for name, axis in space.axes.items()
    ]


def _buys(stage: Stage, able: list[dict[str, object]], need: Need) -> dict[str, Any]:
    """How many trials the budget pays, each alone and after the baselines with a shared bank, as is expected."""
    count, there = len(stage.items), need.there
    order = list(able)
    random.Random(1).shuffle(order)
    prices = Prices()
    for baseline in stage.baselines:
        prices.add(stage.space.priced(baseline.arm.graph))
    alone, shared = Cost(), Cost(need.calls, need.tokens)
    trials_alone = trials_shared = 0
    most = min(stage.limits.trials or MOST_TRIALS, MOST_TRIALS, len(order))
    for own in order[:most]:
        plan = stage.space.price(own)
        whole, new = prices.of(plan)
        alone = Cost(alone.calls + plan.expected.calls * count, alone.tokens + whole * count)
        shared = Cost(shared.calls + prices.calls_of(plan) * count, shared.tokens + new * count)
        prices.add(plan)
        trials_alone += _fits(alone, there)
        trials_shared += _fits(shared, there)
    return {
        "trials": most,
        "alone": trials_alone,
        "shared": trials_shared,
        "tokens_alone": round(alone.tokens),
        "tokens_shared": round(shared.tokens - need.tokens),
        "all_tried": most == len(order) and stage.space.combinations <= SAMPLE,
    }


@dataclass(frozen=True)
class Cost:
    """An amount of calls and tokens."""

    calls: int = 0
    tokens: int = 0


def _fits(cost: Cost, there: Limits) -> bool:
    return (there.tokens is None or cost.tokens <= there.tokens) and (there.calls is None or cost.calls <= there.calls)


def require_affordable(stage: Stage) -> None:
    """Raises SearchError where the budget cannot pay for one answer of the cheapest pipeline."""
    limits = stage.limits
    if limits.is_none or (limits.tokens is None and limits.calls is None and limits.usd is None):
        return
    able = [own for own in _sampled(stage.space)[:50] if not stage.space.why_not(own)]
    if not able:
        return
    plans = [stage.space.price(own) for own in able]
    least = min(p.minimum.tokens for p in plans) * len(stage.items)
    if limits.tokens is not None and least > limits.tokens:
        raise SearchError(
            f"the budget allows {limits.tokens:,} tokens, and the cheapest trial needs {least:,} at least",
            hint="raise `tokens`, or search on fewer rows",
        )
    calls = min(p.minimum.calls for p in plans) * len(stage.items)
    if limits.calls is not None and calls > limits.calls:
        raise SearchError(
            f"the budget allows {limits.calls:,} calls, and the cheapest trial needs {calls:,} at least",
            hint="raise `calls`, or search on fewer rows",
        )


def as_text(found: Mapping[str, Any]) -> str:
    """The outlook for people."""
    goals = ", ".join(f"{how} {name}" for name, how in found["goals"].items())
    lines = [f"search {found['search']} over {found['pipeline']}: {goals}", ""]
    width = max(len(own["name"]) for own in found["parameters"])
    for own in found["parameters"]:
        note = "  (only under some values of others)" if own["conditional"] else ""
        lines.append(f"  {own['name']:<{width}}  {own['domain']}{note}")
    for name, value in found["fixed"].items():
        lines.append(f"  {name:<{width}}  fixed at {value}")
    size = "more pipelines than can be listed" if found["pipelines"] is None else f"{found['pipelines']:,} pipelines"
    if found["combinations"] is not None and found["pipelines"] not in (None, found["combinations"]):
        size += f" of {found['combinations']:,.0f} combinations"
    out = sum(found["ruled_out"]["reasons"].values())
    lines += ["", f"space      {size}"]
    if out:
        lines.append(f"ruled out  {out} of {found['ruled_out']['of']} looked at, before anything is spent:")
        lines += [f"           {number:>4}  {why}" for why, number in found["ruled_out"]["reasons"].items()]
    trial = found["trial"]
    lines += [
        f"rows       {found['questions']:,} questions"
        + (f", {found['held_out']:,} held out" if found["held_out"] else ", no holdout: cross-validation")
        + (f" ({found['in_both']:,} more are among those of the search, and left out)" if found["in_both"] else ""),
        *([FEW_ROWS] if found["questions"] < LEAST else []),
        f"looks      after {', '.join(map(str, found['looks']))} questions",
        f"sampler    {found['sampler']}, seed {found['seed']}",
        f"one trial  {trial['minimum']:,} to {trial['maximum']:,} tokens, about {trial['expected']:,}; "
        f"{trial['calls_minimum']:,} to {trial['calls_maximum']:,} calls",
    ]
    buys = found["buys"]
    lines.append(
        f"{buys['trials']} trials  about {buys['tokens_alone']:,} tokens if each ran alone, "
        f"{buys['tokens_shared']:,} more than the baselines with a shared bank"
    )
    if found["limits"]:
        lines.append("budget     " + ", ".join(f"{name} <= {value:,.10g}" for name, value in found["limits"].items()))
    else:
        lines.append("budget     none: it runs until the space or the sampler ends; `--trials 40` sets one")
    lines += found["forecast"]
    if found["limits"].keys() & {"tokens", "calls"} and buys["shared"]:
        lines.append(f"           then it pays about {buys['shared']} trials; {buys['alone']} if each ran alone")
    return "\n".join(lines) + "\n"
