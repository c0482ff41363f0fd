"""What fewer samples would have reached, from one pool of many: nothing is asked again.

For every number k of samples: the chance that any of k is right (pass@k), the share of right ones (mean@k), a plain
majority of k, and, where the pipeline makes one pool and then only chooses from it, its own choice among k. The first
two are exact; choices are means over subsets of the pool, drawn with a seed, in the order in which samples were made.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import combinations
from math import comb
from typing import Any

from ttscale.compiler import types as t
from ttscale.compiler.ir import Bounds, Graph, Ref, Stage
from ttscale.compiler.source import Span
from ttscale.runtime.evaluate.grading import ENOUGH
from ttscale.runtime.evaluate.measuring import Record
from ttscale.runtime.metrics import mean_of_k, pass_at_k
from ttscale.runtime.pool import Candidate, Pool
from ttscale.runtime.strategies import StrategyError, apply_stage
from ttscale.runtime.strategies.records import form_of

DRAWS = 48
"""How many subsets of a pool are tried; all of them, where there are no more."""

MAJORITY = (Stage("majority", "vote", None, {}, t.TEXT, Bounds(0, 1), frozenset(), Span("", 0, 0)),)
_CHOOSING = ("vote", "select", "filter")

Sample = dict[str, Any]


def curves(records: Sequence[Record], graph: Graph | None = None) -> dict[str, Any] | None:
    """Curves over k = 1, 2, 4, …, or None where samples are too few or cannot be told right from wrong.

    `{"k": [1, 2, 4], "pass": […], "mean": […], "majority": […], "pipeline": […] | null, "tokens": […]}`, where
    `tokens` is the mean number of new tokens of k samples.
    """
    pools = [own for record in records if (own := samples_of(record))]
    pools = [own for own in pools if all(sample["score"] is not None for sample in own)]
    if not pools or len(pools) < len(records) / 2:
        return None
    smallest = min(map(len, pools))
    if smallest < 2:
        return None
    sizes = sorted({1 << i for i in range(smallest.bit_length()) if 1 << i <= smallest} | {smallest})
    right = [sum(sample["score"] >= ENOUGH for sample in own) for own in pools]
    count = len(pools)
    chooser = own_choice(graph) if graph is not None else None
    found: dict[str, Any] = {
        "k": sizes,
        "pools": count,
        "pass": [sum(pass_at_k(len(p), r, k) for p, r in zip(pools, right, strict=True)) / count for k in sizes],
        "mean": [sum(mean_of_k(len(p), r, k) for p, r in zip(pools, right, strict=True)) / count for k in sizes],
        "majority": [_mean_choice(pools, k, MAJORITY) for k in sizes],
        "tokens": [k * sum(sum(s["tokens"] for s in own) / len(own) for own in pools) / count for k in sizes],
        "pipeline": None,
    }
    if chooser is not None and not _is_plain_majority(chooser):
        try:
            found["pipeline"] = [_mean_choice(pools, k, chooser) for k in sizes]
        except StrategyError as error:
            found["note"] = f"the pipeline's own choice among fewer samples is not known: {error}"
    return found


def samples_of(record: Record) -> list[Sample]:
    """The samples of the first layer, in order."""
    candidates = record.get("candidates") or []
    return [candidates[place] for place in record.get("samples") or []]


def own_choice(graph: Graph) -> tuple[Stage, ...] | None:
    """The stages by which a pipeline chooses from its one pool of samples; None where it does more than that.

    Scores that a judge gave are known of every sample, so stages that give them do not hinder.
    """
    stages: list[Stage] = []
    operand, first = graph.result, graph.first_layer()
    while isinstance(operand, Ref):
        stage = graph.stage(operand.path)
        if stage.path in first:
            return tuple(reversed(stages)) if stages and not any(map(_may_put_together, stages)) else None
        if stage.when is not None or stage.guards or stage.source is None:
            return None
        if stage.op in _CHOOSING:
            stages.append(stage)
        elif stage.op != "score":
            return None
        operand = stage.source
    return None


def _may_put_together(stage: Stage) -> bool:
    """Whether a stage may give an answer that is no sample, or compares otherwise than by the classes of a record."""
    kind = stage.type.item if isinstance(stage.type, t.Answers) else stage.type
    form = form_of(stage.args)
    if stage.op != "vote" or not (form.ordered and not form.keys):
        return stage.op == "vote"
    inner = kind.item if isinstance(kind, t.Optional) else kind
    return form.by_fields is not False and isinstance(inner, t.Record | t.Json)


def _is_plain_majority(stages: Sequence[Stage]) -> bool:
    return len(stages) == 1 and stages[0].op == "vote" and not getattr(stages[0].args.get("weight"), "name", "")


def _mean_choice(pools: Sequence[Sequence[Sample]], k: int, stages: Sequence[Stage]) -> float:
    draw = random.Random(k)
    return sum(_expected(own, k, stages, draw) for own in pools) / len(pools)


def _expected(own: Sequence[Sample], k: int, stages: Sequence[Stage], draw: random.Random) -> float:
    """The mean worth of what is chosen among k of these samples."""
    if k == len(own):
        return _worth(own, stages)
    if k == 1 and not any(stage.op == "filter" for stage in stages):
        return sum(float(sample["score"]) for sample in own) / len(own)
    if comb(len(own), k) <= DRAWS:
        picks = [list(pick) for pick in combinations(range(len(own)), k)]
    else:
        picks = [sorted(draw.sample(range(len(own)), k)) for _ in range(DRAWS)]
    return sum(_worth([own[i] for i in pick], stages) for pick in picks) / len(picks)


def _worth(own: Sequence[Sample], stages: Sequence[Stage]) -> float:
    pool = Pool(tuple(_candidate(sample, place) for place, sample in enumerate(own)), t.TEXT)
    for stage in stages:
        pool = apply_stage(stage.op, stage.args, pool).pool
    if not pool.candidates:
        return 0.0
    return float(own[pool.candidates[0].index]["score"]) if len(pool) == 1 else 0.0


def _candidate(sample: Sample, place: int) -> Candidate:
    """A sample as selection rules see it; its class stands for its answer, its place for its index."""
    number = sample["class"]
    return Candidate(
        sample["text"],
        key=None if number is None else str(number),
        model=sample.get("model") or "",
        prompt=sample.get("prompt") or "",
        index=place,
        tokens=sample["tokens"],
        logprob_mean=sample.get("logprob_mean"),
        logprob_sum=sample.get("logprob_sum"),
        scores=sample.get("scores") or {},
        verified=sample.get("verified"),
        step_scores=tuple(sample.get("steps") or ()),
    )
