"""Which models to have in an ensemble: each one's score alone, and what the best k of them make together.

Top-k by solo score, as Archon's search begins (Saad-Falcon et al., "Archon", 2024): models are ordered by the share of
right ones among their own samples, the first of equals first.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ttscale.runtime.poolfile import Question
from ttscale.runtime.strategies import class_ids, vote


def sources_of(questions: Sequence[Question]) -> list[dict[str, Any]]:
    """One row for every model that made samples, the best alone first; none where there are fewer than two.

    `one_sample` is the share of right samples of the questions that a model answered, `majority` and `coverage` are of
    all its samples, `together` are both for the pool of this model and those before it.
    """
    names = list(dict.fromkeys(c.model for q in questions for c in q.pool if c.model))
    if len(names) < 2:
        return []
    alone = {name: _figures(questions, {name}) for name in names}
    ordered = sorted(names, key=lambda name: -alone[name]["one_sample"])
    return [
        {"model": name, **alone[name], "together": _figures(questions, set(ordered[: place + 1]))}
        for place, name in enumerate(ordered)
    ]


def _figures(questions: Sequence[Question], models: set[str]) -> dict[str, float]:
    """The figures of the samples of some models, over the questions that they answered."""
    shares: list[float] = []
    votes: list[float] = []
    covered: list[float] = []
    for question in questions:
        own = [place for place, candidate in enumerate(question.pool) if candidate.model in models]
        if not own:
            continue
        right = [bool(question.correct[place]) for place in own]
        picked = vote(class_ids(question.pool.part(own))).index
        shares.append(sum(right) / len(right))
        votes.append(float(picked is not None and right[picked]))
        covered.append(float(any(right)))
    count = len(shares)
    return {
        "questions": count,
        "one_sample": math.fsum(shares) / count,
        "majority": math.fsum(votes) / count,
        "coverage": math.fsum(covered) / count,
    }
