"""What is done in place of what a model cannot do, or where it fails, and what that may cost.

    fallbacks(graph, {"far": Served(many=1, scoring=False)})
    # Fallback("main/generate", "far", "a call for every sample", Cost(calls=16, prompt_tokens=4500, …)), …

A server without `n` reads a prompt once for every sample; one that shows no alternatives to a token is asked for labels
in words; `or_else` asks a second model. The costs are the most that it takes, and are part of a plan's bounds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from math import ceil

from ttscale.compiler import ir
from ttscale.compiler.asking import Asked, asked, labels_of
from ttscale.compiler.frozen import dataclass
from ttscale.compiler.lint_view import prompts_of
from ttscale.compiler.models import prices
from ttscale.compiler.plan import Cost
from ttscale.compiler.said import Reader, inputs_of

SAMPLING = frozenset({"generate", "fuse", "revise", "run_tests"})
"""Stages whose samples share a prompt."""
JUDGING = frozenset({"classify", "verify", "score", "rank", "run_tests"})
"""Stages that want the probability of labels."""


@dataclass(frozen=True, slots=True)
class Served:
    """What is known of a server: the most samples of one call, and whether it scores labels; None is not known."""

    many: int = 1
    scoring: bool | None = None


@dataclass(frozen=True, slots=True)
class Fallback:
    """What a stage does with a model in place of something else, in words, and the most that it takes."""

    stage: str
    model: str
    what: str
    cost: Cost


def fallbacks(graph: ir.Graph, served: Mapping[str, Served]) -> list[Fallback]:
    """All of them, in the order of the stages; `served` are the servers of which something is known, by model."""
    reader = Reader(inputs_of(graph, {}))
    found: list[Fallback] = []
    for stage in graph.stages:
        calls = asked(stage, reader)
        reader.note(stage)
        for call in calls:
            server = served.get(call.model.name)
            if server is not None:
                found += _samples(stage, call, server)
                found += _labels(stage, call, server)
        found += _others(stage, calls)
    return found


def fallback_line(one: Fallback) -> str:
    """One of them for people."""
    cost = one.cost
    usd = f", {cost.usd:.6f} usd" if cost.usd else ""
    calls = f"up to {cost.calls:,} call{'' if cost.calls == 1 else 's'} and {cost.tokens:,} tokens{usd}"
    return f"{one.stage}: {one.what}: {calls}"


def _samples(stage: ir.Stage, call: Asked, server: Served) -> Iterator[Fallback]:
    """A prompt that is read once for every sample, or for every few of them."""
    if stage.op not in SAMPLING or call.shared < 2 or not call.high:
        return
    tries = _tries(stage)
    samples = call.high // tries
    together = ceil(call.shared / server.many) * max(1, samples // call.shared)
    name = call.model.name
    if server.many == 1:
        what = f"{name} gives a sample a call, so {samples} samples read their prompt {samples} times instead of once"
        again = samples - max(1, samples // call.shared)
        yield Fallback(stage.path, name, what, _cost(call.model, again, call.prompt.high, 0))
    elif together < samples:
        what = f"{name} gives up to {server.many} samples a call, so {samples} samples are {together} with the prompt"
        yield Fallback(stage.path, name, what, _cost(call.model, together, call.prompt.high, 0))


def _labels(stage: ir.Stage, call: Asked, server: Served) -> Iterator[Fallback]:
    """Labels that are asked in words."""
    if stage.op not in JUDGING or server.scoring is not False or call.new.low or not call.high:
        return
    labels = max((len(labels_of(filled.prompt.result)) for filled in prompts_of(stage)), default=0)
    if not labels:
        return
    judgements = max(1, call.high // max(call.shared, 1))
    what = f"{call.model.name} shows no alternatives to a token, so labels are asked in words, and are 0 or 1"
    yield Fallback(stage.path, call.model.name, what, _cost(call.model, judgements, call.prompt.high, call.longest_new))


def _others(stage: ir.Stage, calls: list[Asked]) -> Iterator[Fallback]:
    """A second model where the first fails."""
    other = stage.args.get("or_else")
    if not isinstance(other, ir.Model):
        return
    first = stage.args.get("from", stage.args.get("models"))
    names = [one.name for one in (first if isinstance(first, tuple) else (first,)) if isinstance(one, ir.Model)]
    costs = [_cost(other, call.high // _tries(stage), call.prompt.high, call.longest_new) for call in calls]
    total = Cost()
    for cost in costs:
        total = replace(
            total,
            calls=total.calls + cost.calls,
            prompt_tokens=total.prompt_tokens + cost.prompt_tokens,
            new_tokens=total.new_tokens + cost.new_tokens,
            usd=total.usd + cost.usd,
        )
    if total.calls:
        yield Fallback(stage.path, other.name, f"{other.name} where {' or '.join(names)} fails (`or_else`)", total)


def _tries(stage: ir.Stage) -> int:
    """How often a call of a stage may be made: once, for every retry, and by another model."""
    retry = stage.args.get("retry")
    again = retry.value if isinstance(retry, ir.Const) and isinstance(retry.value, int) else 0
    return 1 + again + isinstance(stage.args.get("or_else"), ir.Model)


def _cost(model: ir.Model, count: int, prompt: int, new: int) -> Cost:
    for_prompt, for_new = prices(model)
    return Cost(count, count * prompt, count * new, 0, count * (prompt * for_prompt + new * for_new))
