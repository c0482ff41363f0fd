"""What a trial costs where the samples of earlier trials are shared.

A stage's *identity* is all that decides its samples but how many they are, and the identities of the stages before it.
What was already drawn under an identity is free, up to the number drawn: 4 samples are the first 4 of 8. So a pipeline
that only chooses otherwise costs nothing.

    book = Prices()
    book.add(plan)                  # these samples exist now
    book.of(other_plan)             # (tokens as if alone, tokens that are missing), expected for one question
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import product

from ttscale.compiler import ir
from ttscale.compiler.plan import Plan
from ttscale.runtime.evaluate.arms import plain_of, short_hash

EACH = ("critique", "verify", "score", "classify")
"""Stages that ask about every candidate on its own, so that what they ask of the first few is shared."""
FREE = ("vote", "select", "filter")
COMBINED = ("prompts", "models", "temperatures")
COUNTS = ("n", "start", "round", "until")


@dataclass(frozen=True)
class Asked:
    """What one stage asks: its identity, how many calls, and the tokens of them all."""

    identity: str
    calls: int
    tokens: int


@dataclass
class Prices:
    """The calls that exist, by identity."""

    drawn: dict[str, int] = field(default_factory=dict)

    def add(self, plan: Plan) -> None:
        """Enter the calls of a plan that was run."""
        for asked in identities(plan):
            self.drawn[asked.identity] = max(self.drawn.get(asked.identity, 0), asked.calls)

    def of(self, plan: Plan) -> tuple[int, int]:
        """The tokens expected for one question, as if alone, and those of them that are still to be made."""
        alone = new = 0
        for asked, missing in self._missing(plan):
            alone += asked.tokens
            new += round(asked.tokens * missing / max(1, asked.calls))
        return alone, new

    def calls_of(self, plan: Plan) -> int:
        """The calls expected for one question that are still to be made."""
        return sum(missing for _, missing in self._missing(plan))

    def _missing(self, plan: Plan) -> Iterator[tuple[Asked, int]]:
        for asked in identities(plan):
            yield asked, max(0, asked.calls - self.drawn.get(asked.identity, 0))


def reuse(plans: Iterable[Plan]) -> float:
    """How often the samples of some pipelines are used: their tokens as if alone, over those made with one bank."""
    prices = Prices()
    alone = made = 0
    for plan in plans:
        own, missing = prices.of(plan)
        prices.add(plan)
        alone, made = alone + own, made + missing
    return alone / made if made else 1.0


_KNOWN: dict[int, tuple[Plan, list[Asked]]] = {}
MOST_KNOWN = 5_000


def identities(plan: Plan) -> list[Asked]:
    """What every stage of a plan asks."""
    known = _KNOWN.get(id(plan))
    if known is not None and known[0] is plan:
        return known[1]
    nested: dict[str, str] = {}
    whole: dict[str, str] = {}
    found: list[Asked] = []
    for stage in plan.graph.stages:
        before = [path for path in stage.needs() if path in nested]
        body = plain_of(_without_place(stage))
        nested[stage.path] = short_hash([body, [nested[path] for path in before]])
        cost = plan.stages[stage.path].expected
        whole[stage.path] = short_hash([body, cost.calls, [whole[path] for path in before]])
        shares = stage.op == "generate" or stage.op in EACH or stage.op in FREE
        if cost.calls and stage.op == "generate":
            found += _samples(stage, cost.calls, cost.tokens, nested[stage.path])
        elif cost.calls:
            found.append(Asked(nested[stage.path] if shares else whole[stage.path], cost.calls, cost.tokens))
    if len(_KNOWN) > MOST_KNOWN:
        _KNOWN.clear()
    _KNOWN[id(plan)] = (plan, found)
    return found


def _samples(stage: ir.Stage, calls: int, tokens: int, identity: str) -> list[Asked]:
    """The samples of one `generate`, apart by prompt, model and temperature: pools that share one share its samples."""
    parts = [stage.args.get(name) for name in ("prompts", "models", "temperatures")]
    if any(not isinstance(part, tuple) or not part for part in parts):
        return [Asked(identity, calls, tokens)]
    rest = {name: value for name, value in stage.args.items() if name not in (*COMBINED, *COUNTS, "model_series")}
    body = plain_of([rest, stage.guards, stage.needs()])
    combined = list(product(*parts))  # type: ignore[arg-type]
    each = max(1, calls // len(combined))
    return [Asked(short_hash([body, plain_of(one)]), each, tokens // len(combined)) for one in combined]


def _without_place(stage: ir.Stage) -> object:
    """A stage without its name, its size and, where more samples begin with fewer, its number of samples."""
    args = {name: value for name, value in stage.args.items() if name not in COUNTS}
    kept = {name: value for name, value in args.items() if not isinstance(value, ir.Ref)}
    bare = replace(stage, args=kept)
    return [bare.op, bare.args, bare.guards]
