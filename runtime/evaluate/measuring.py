"""From a result to a record: plain data that holds all that figures and reports need, one line of JSON a question.

    {"arm": "…", "id": "q1", "asked": "…", "seed": 0, "answer": "42", "readable": true, "score": 1.0,
     "cost": {"calls", "tokens", "prompt_tokens", "new_tokens", "sequential_tokens", "usd", "seconds"},
     "candidates": [{"text", "answer", "class", "score", "tokens", "scores", "stage", "model", …}, …],
     "stages": [{"path", "op", "pool": [0, 3, …], "calls", "tokens", "usd", "seconds"}, …], "samples": [0, 1, …], …}

A candidate that passes through stages is listed once, with all that stages found out about it. `class` numbers equal
answers from 0 by first appearance, null for unreadable ones.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ttscale.compiler import types as t
from ttscale.compiler.ir import Ref, Stage
from ttscale.compiler.plan import Cost
from ttscale.runtime.answers import classes, coerce, equal, show
from ttscale.runtime.evaluate.arms import Arm, Item
from ttscale.runtime.evaluate.grading import Grader
from ttscale.runtime.explore.drawing import tree_of
from ttscale.runtime.pool import Candidate, Pool
from ttscale.runtime.result import Result, RunError
from ttscale.runtime.strategies.applying import agreement_by_fields
from ttscale.runtime.trace import Trace, plain

Record = dict[str, Any]
_MOST_CHARACTERS = 20_000
"""How much of a text a record keeps."""


async def record_of(result: Result, arm: Arm, item: Item, seed: int, graders: tuple[Grader, ...]) -> Record:
    """The record of an answered question; the first grader's grade is its `score`. Raises MetricError."""
    type_ = arm.answer_type
    value = result.answer
    if isinstance(arm.graph.returns, t.Answers) and isinstance(value, list):
        value = value[0] if value else None
    value, key = coerce(type_, value)
    grades = {grader.name: await grader.of(type_, value, key, item) for grader in graders}
    gathered = _Gathered()
    stages = [_stage(stage, result, gathered) for stage in arm.graph.stages if stage.path in result.stages]
    samples = [gathered.place(candidate) for candidate in result.samples]
    candidates = await _candidates(gathered, type_, item, graders[0], result.samples.type)
    return {
        **head_of(arm, item, seed),
        "answer": None if key is None else show(type_, value),
        "readable": key is not None,
        "score": grades[graders[0].name],
        "grades": grades,
        "gold": plain(item.gold),
        "cut": result.cut_reason if result.cut else "",
        "decided": result.decided,
        "notes": list(result.notes),
        "cost": _cost(result),
        "fresh": _fresh(result.fresh),
        "candidates": candidates,
        "samples": samples,
        "stages": stages,
        "judgements": plain(result.judgements),
        "confidences": _confidences(result, type_, key, _vote_of(arm)),
        **_of_classes(result, type_, value, key, item),
        **_of_fields(type_, key, item),
    }


def failed_record(error: RunError, arm: Arm, item: Item, seed: int) -> Record:
    """The record of a question that ended without an answer: wrong, with what it had cost by then."""
    total = error.trace.total
    has_gold = item.gold is not None
    cost = {
        "calls": total.calls,
        "tokens": total.tokens,
        "prompt_tokens": total.prompt_tokens,
        "new_tokens": total.new_tokens,
        "sequential_tokens": total.sequential_tokens,
        "usd": total.usd,
        "seconds": round(error.trace.seconds, 3),
    }
    return {
        **head_of(arm, item, seed),
        "answer": None,
        "readable": False,
        "score": 0.0 if has_gold else None,
        "grades": {},
        "gold": plain(item.gold),
        "error": f"{error.diagnostic.code}: {error.diagnostic.message}",
        "cost": cost,
        "fresh": _fresh(error.trace.fresh),
    }


def head_of(arm: Arm, item: Item, seed: int) -> Record:
    """What names a record."""
    return {"arm": arm.digest, "id": item.id, "asked": item.asked, "seed": seed}


def _cost(result: Result) -> dict[str, float]:
    cost = result.cost
    return {
        "calls": cost.calls,
        "tokens": cost.tokens,
        "prompt_tokens": cost.prompt_tokens,
        "new_tokens": cost.new_tokens,
        "sequential_tokens": cost.sequential_tokens,
        "usd": cost.usd,
        "seconds": round(result.seconds, 3),
    }


def _fresh(cost: Cost) -> dict[str, float]:
    """What did not come from a bank."""
    return {"calls": cost.calls, "new_tokens": cost.new_tokens, "usd": cost.usd}


# --- candidates and stages -----------------------------------------------------------------------------


@dataclass
class _Gathered:
    """All candidates of a run, each once under what it was when it was made, with the latest of what is known of it."""

    places: dict[tuple[object, ...], int] = field(default_factory=dict)
    latest: list[Candidate] = field(default_factory=list)
    types: list[t.Type] = field(default_factory=list)
    known: list[dict[str, object]] = field(default_factory=list)

    def place(self, candidate: Candidate, type_: t.Type | None = None) -> int:
        """Where a candidate is listed."""
        c = candidate
        made = _made(c)
        if made not in self.places:
            self.places[made] = len(self.latest)
            self.latest.append(candidate)
            self.types.append(type_ if type_ is not None else t.TEXT)
            self.known.append({})
        place = self.places[made]
        self.latest[place] = candidate
        known = self.known[place]
        scores = {**_dict(known.get("scores")), **candidate.scores}
        facets = {"critique": c.critique, "verified": c.verified, "rank": c.rank, "scores": scores or None}
        known.update({name: value for name, value in facets.items() if value is not None})
        return place

    def known_place(self, candidate: Candidate) -> int:
        """Where a candidate that was listed before is listed."""
        return self.places[_made(candidate)]

    def parents(self, candidate: Candidate) -> list[int]:
        """Where those are listed that a vote put this one together from."""
        return [self.places[made] for parent in candidate.parents if (made := _made(parent)) in self.places]


def _made(c: Candidate) -> tuple[object, ...]:
    """What stays the same of a candidate while stages find out more about it."""
    return (c.stage, c.prompt, c.model, c.series, c.index, c.text)


def _dict(value: object) -> dict[str, object]:
    return dict(value) if isinstance(value, Mapping) else {}


def _stage(stage: Stage, result: Result, gathered: _Gathered) -> Record:
    """What a stage gave and cost."""
    value = result.stages[stage.path]
    pool = [gathered.place(c, value.type) for c in value] if isinstance(value, Pool) else None
    judged = _judged(stage, value, result, gathered) if isinstance(value, Pool) else []
    return {
        "path": stage.path,
        "op": stage.op,
        "needs": list(stage.needs()),
        "pool": pool,
        **({"judged": judged} if judged else {}),
        **({"tree": tree_of(result.trace, stage.path)} if stage.op == "explore" else {}),
        **_spent(result.trace, stage.path),
    }


def _spent(trace: Trace, path: str) -> dict[str, float]:
    """The calls of a stage, added up."""
    calls = tokens = new = 0
    usd = seconds = 0.0
    for event in trace:
        if event.path != path:
            continue
        if event.kind in ("call_finished", "call_failed"):
            calls += event.cost.calls
            tokens += event.cost.tokens
            new += event.cost.new_tokens
            usd += event.cost.usd
        elif event.kind == "stage_finished":
            seconds = event.seconds
    return {"calls": calls, "tokens": tokens, "new_tokens": new, "usd": usd, "seconds": round(seconds, 4)}


async def _candidates(
    gathered: _Gathered, type_: t.Type, item: Item, grader: Grader, sampled: t.Type
) -> list[dict[str, object]]:
    """The candidates as data. Those of another type than the answer's are graded as their own type says."""
    same = [c.key if _is_same(own, type_) else None for c, own in zip(gathered.latest, gathered.types, strict=True)]
    numbers = classes(type_, same)
    found: list[dict[str, object]] = []
    for place, (candidate, own) in enumerate(zip(gathered.latest, gathered.types, strict=True)):
        is_answer = _is_same(own, type_) or _is_same(own, sampled)
        score = await grader.of(own, candidate.answer, candidate.key, item) if grader.is_free and is_answer else None
        record: dict[str, object] = {
            "text": candidate.text[:_MOST_CHARACTERS],
            "answer": show(own, candidate.answer) if candidate.is_readable and is_answer else plain(candidate.answer),
            "class": numbers[place],
            "score": score,
            "tokens": candidate.tokens,
            "stage": candidate.stage,
            "model": candidate.model,
            "prompt": candidate.prompt,
            "series": candidate.series,
            "index": candidate.index,
            "finish": candidate.finish,
        }
        optional = {
            "readable": None if candidate.is_readable else False,
            "thoughts": candidate.thoughts or None,
            "logprob_mean": candidate.logprob_mean,
            "logprob_sum": candidate.logprob_sum,
            "steps": list(candidate.step_scores) or None,
            "error": candidate.error or None,
            "parents": gathered.parents(candidate) or None,
            **gathered.known[place],
        }
        record.update({name: plain(value) for name, value in optional.items() if value is not None})
        found.append(record)
    return found


def _is_same(one: t.Type, other: t.Type) -> bool:
    """Whether two types read alike: texts of other assumed lengths do."""
    return one == other or (isinstance(one, t.Text) and isinstance(other, t.Text))


def _judged(stage: Stage, given: Pool, result: Result, gathered: _Gathered) -> list[list[float]]:
    """What a judging stage said of each candidate that it was given: pairs of its place and a number, higher better.

    For `verify` 1 is accepted; what was dropped beside accepted ones was rejected. For `rank` the number is minus the
    rank, and what was not kept stands behind all that was.
    """
    before = result.stages.get(stage.source.path) if isinstance(stage.source, Ref) else None
    if stage.op not in ("score", "verify", "rank") or not isinstance(before, Pool):
        return []
    places = {gathered.place(candidate): candidate for candidate in given}
    name = next(reversed(list(given.candidates[0].scores)), None) if stage.op == "score" and given.candidates else None
    some = any(c.verified or c.rank for c in given)
    found: list[list[float]] = []
    for candidate in before:
        place = gathered.known_place(candidate)
        after = places.get(place)
        if stage.op == "score":
            value = None if after is None or name is None else after.scores.get(name)
        elif stage.op == "verify":
            value = float(bool(after and after.verified)) if some or after is not None else None
        else:
            value = -float(after.rank) if after is not None and after.rank else -float(len(given) + 1) if some else None
        if value is not None:
            found.append([place, value])
    return found


# --- what a report wants to know of the answer -----------------------------------------------------------


def _vote_of(arm: Arm) -> Stage | None:
    """The vote that gives an arm's answer; None where something else does."""
    result = arm.graph.result
    stage = arm.graph.stage(result.path) if isinstance(result, Ref) else None
    return stage if stage is not None and stage.op == "vote" else None


def _confidences(result: Result, type_: t.Type, key: object, vote: Stage | None) -> dict[str, float]:
    """How sure the run was of its answer, by where that is known from.

    `agreement` is the share of candidates that gave the answer, or after a vote by fields the mean share of a field.
    """
    found: dict[str, float] = {}
    if key is None:
        return found
    pool = [c for c in result.pool if c.finish != "failed"]
    same = [c for c in pool if equal(type_, c.key, coerce(type_, result.answer)[1])]
    by_fields = None if vote is None else agreement_by_fields(type_, pool, vote.args)
    if len(pool) > 1 and by_fields is not None:
        found["agreement"] = by_fields
    elif len(pool) > 1 and same:
        found["agreement"] = len(same) / len(pool)
    if same:
        labels = [show(type_, label) for label in labels_of(type_)]
        for name, value in same[0].scores.items():
            if name in labels:
                found["probability"] = same[0].scores.get(show(type_, same[0].answer), value)
            elif 0 <= value <= 1:
                found[f"score {name}"] = max(c.scores.get(name, 0.0) for c in same)
    return found


def labels_of(type_: t.Type) -> tuple[object, ...]:
    """The values of a type of a few classes; none for other types."""
    match type_:
        case t.Choice(labels):
            return labels
        case t.Optional(item):
            return labels_of(item)
    return (True, False) if type_ == t.BOOL else ()


def _of_classes(result: Result, type_: t.Type, value: object, key: object, item: Item) -> Record:
    labels = labels_of(type_)
    if not labels or item.gold is None:
        return {}
    names = [show(type_, label) for label in labels]
    gold = coerce(type_, item.gold)[0]
    found: Record = {"true_class": show(type_, gold), "class": None if key is None else show(type_, value)}
    told = next((c.scores for c in result.pool if set(names) <= set(c.scores)), None)
    return found if told is None else {**found, "probabilities": {name: told[name] for name in names}}


def _of_fields(type_: t.Type, key: object, item: Item) -> Record:
    record = type_.item if isinstance(type_, t.Optional) else type_
    if isinstance(record, t.Json) and item.gold is not None:
        return _of_properties(record, key, item)
    if not isinstance(record, t.Record) or item.gold is None:
        return {}
    wanted = coerce(record, item.gold)[1]
    if not isinstance(wanted, tuple):
        return {}
    given = key if isinstance(key, tuple) and len(key) == len(wanted) else (None,) * len(wanted)
    triples = zip(record.fields, given, wanted, strict=True)
    return {"fields": {own.name: equal(own.type, got, gold) for own, got, gold in triples}}


def _of_properties(type_: t.Json, key: object, item: Item) -> Record:
    """Which properties of the gold object an answer has right; the keys of JSON are JSON themselves."""
    wanted = coerce(type_, item.gold)[1]
    gold = json.loads(wanted) if isinstance(wanted, str) else None
    if not isinstance(gold, dict) or not gold:
        return {}
    given = json.loads(key) if isinstance(key, str) else None
    own = given if isinstance(given, dict) else {}
    return {"fields": {name: name in own and own[name] == value for name, value in gold.items()}}
