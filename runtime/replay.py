"""Replay: choose again from recorded samples, with the rules of a run and without a model.

    replay(read_pool("date.jsonl"), parse_selector("vote()"))
    # {"questions": [{"id", "answer", "index", "weight", "kept", "correct"}, …],
    #  "accuracy", "interval", "pass_at", "mean_at"}

`index` is the picked sample's position (null where nothing was left to pick), `weight` its class's total (for a
vote: votes, or summed weights; for a pick by number: that number), `kept` the positions that passed the filters.
`correct` is null where the pool does not say; with ties shared it is the share of tied answers that are right. A vote
by fields may give an answer that no sample is: its `index` is null, and `parents` are the positions that it was put
together from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ttscale.compiler import ir
from ttscale.compiler.selectors import EVIDENCE, parse_selector
from ttscale.runtime.answers import coerce, equal
from ttscale.runtime.metrics import wilson
from ttscale.runtime.plugins import PluginFault
from ttscale.runtime.pool import Candidate, Pool
from ttscale.runtime.poolfile import PoolFileError, Question, read_pool
from ttscale.runtime.strategies import Outcome, StrategyError, apply_stage, mean_at_k, pass_at_k
from ttscale.runtime.trace import plain

__all__ = ["PoolFileError", "Question", "parse_selector", "read_pool", "replay"]

Ties = Literal["first", "share"]


@dataclass(frozen=True, slots=True)
class _Chosen:
    """One question's outcome; `credit` is what it counts for, None where the pool does not say."""

    record: dict[str, object]
    credit: float | None
    notes: tuple[str, ...]


def replay(questions: Sequence[Question], stages: Sequence[ir.Stage], ties: Ties = "first") -> dict[str, object]:
    """Choose for every question and sum up, as plain data for JSON.

    `accuracy` is over the questions whose pick is known to be right or wrong, with its 95% Wilson interval; null
    where there are none. `pass_at` and `mean_at` are over all samples before any choice, for k = 1, 2, 4, … and the
    smallest pool's size. `ties: share` counts a tie by the share of the tied answers that are right. Raises
    StrategyError with the question's id where a rule lacks what it needs.
    """
    chosen = [_choose(question, stages, ties) for question in questions]
    credits = [c.credit for c in chosen if c.credit is not None]
    accuracy = sum(credits) / len(credits) if credits else None
    pass_at, mean_at = _over_all(questions)
    return {
        "questions": [c.record for c in chosen],
        "accuracy": accuracy,
        "interval": None if accuracy is None else list(wilson(sum(credits), len(credits))),
        "pass_at": pass_at,
        "mean_at": mean_at,
    }


def replay_notes(questions: Sequence[Question], stages: Sequence[ir.Stage]) -> dict[str, int]:
    """What stages had to say (nothing pruned, a gate dropped, …) and for how many questions."""
    counts: dict[str, int] = {}
    for question in questions:
        for note in _choose(question, stages, "first").notes:
            counts[note] = counts.get(note, 0) + 1
    return counts


def _choose(question: Question, stages: Sequence[ir.Stage], ties: Ties) -> _Chosen:
    pool, places = question.pool, list(range(len(question.pool)))
    kept, picked, weight = places, None, 0.0
    tied: list[int] = []
    parents: list[int] = []
    notes: list[str] = []
    for stage in stages:
        outcome = _applied(stage, pool, question)
        notes += [outcome.note] if outcome.note else []
        tied = [places[i] for i in outcome.tied]
        parents = [places[i] for i in outcome.parents] or parents
        places = [places[i] for i in outcome.kept]
        pool = outcome.pool
        if stage.op == "filter":
            kept = places
        else:
            weight = outcome.weight
    if len(places) == 1:
        picked = places[0]
    answer = None if picked is None else question.shown[picked]
    credit = _credit(question, picked, tied if ties == "share" else [])
    if parents:
        made = pool.candidates[0]
        picked, answer, credit = None, plain(made.answer), _credit_of(question, made)
    correct: object = None if credit is None else bool(credit) if credit in (0.0, 1.0) else credit
    record = {
        "id": question.id,
        "answer": answer,
        "index": picked,
        "weight": weight,
        "kept": kept,
        "correct": correct,
        **({"parents": parents} if parents else {}),
    }
    return _Chosen(record, credit, tuple(notes))


def _applied(stage: ir.Stage, pool: Pool, question: Question) -> Outcome:
    try:
        return apply_stage(stage.op, stage.args, pool, lambda operand: _value(operand, question))
    except StrategyError as error:
        raise StrategyError(f"question {question.id}: {error}", hint=error.hint) from error
    except PluginFault as fault:
        where = f" ({fault.where})" if fault.where else ""
        raise StrategyError(f"question {question.id}: {fault}{where}", hint=fault.hint) from fault


def _value(operand: ir.Operand, question: Question) -> object:
    """What a selector may name besides the pool: the further samples of the question."""
    is_evidence = operand == ir.Input(EVIDENCE) and question.evidence
    return Pool(question.evidence, question.pool.type) if is_evidence else None


def _credit(question: Question, picked: int | None, tied: Sequence[int]) -> float | None:
    if picked is None:
        return None if all(right is None for right in question.correct) else 0.0
    known = [right for i in (tied or [picked]) if (right := question.correct[i]) is not None]
    return sum(known) / len(known) if known else None


def _credit_of(question: Question, made: Candidate) -> float | None:
    """What an answer counts for that was put together and is none of the samples."""
    if question.gold is None:
        return None
    type_ = question.pool.type
    return float(equal(type_, made.key, coerce(type_, question.gold)[1]))


def _over_all(questions: Sequence[Question]) -> tuple[dict[str, float], dict[str, float]]:
    """pass@k and mean@k over the questions whose samples are all known to be right or wrong."""
    known = [[bool(c) for c in q.correct] for q in questions if q.correct and None not in q.correct]
    if not known:
        return {}, {}
    smallest = min(map(len, known))
    sizes = sorted({1 << i for i in range(smallest.bit_length()) if 1 << i <= smallest} | {smallest})
    pass_at = {str(k): sum(pass_at_k(len(c), sum(c), k) for c in known) / len(known) for k in sizes}
    mean_at = {str(k): sum(mean_at_k(c, k) for c in known) / len(known) for k in sizes}
    return pass_at, mean_at
