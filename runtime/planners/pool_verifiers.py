"""What a pool's recorded scores are worth as a verifier, and how often one should try again with it.

A score becomes a verifier by a threshold: accepted from it on. Scores that all lie between 0 and 1 are cut at 0.5, as
`verify` cuts them; others where completeness + soundness is largest (Youden's index).
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import Any

from ttscale.runtime.metrics.confidence import auc
from ttscale.runtime.planners.attempts import Task, measured_verifier, optimal_attempts, precision_bound
from ttscale.runtime.planners.verifying import best_split, fit_split_law
from ttscale.runtime.poolfile import Question
from ttscale.runtime.strategies import class_ids, vote

MOST_ATTEMPTS = 100
HALF = 0.5
SPLIT_DRAWS = 4_000
"""About how many pools are drawn for one split of a budget."""
VERIFICATIONS = (0, 1, 2, 4, 8)


def verifiers_of(questions: Sequence[Question], *, wrong: float, ratio: float) -> list[dict[str, Any]]:
    """One row for every score that the pool names, in the order of their first appearance."""
    names = list(dict.fromkeys(name for q in questions for c in q.pool for name in c.scores))
    return [row for name in names if (row := _verifier(questions, name, wrong, ratio)) is not None]


def _verifier(questions: Sequence[Question], name: str, wrong: float, ratio: float) -> dict[str, Any] | None:
    """The figures of one score; None where all judged samples are right, or all wrong."""
    judged = [
        (c.scores[name], bool(right))
        for q in questions
        for c, right in zip(q.pool, q.correct, strict=True)
        if name in c.scores
    ]
    values, right = [value for value, _ in judged], [flag for _, flag in judged]
    are_shares = all(0 <= value <= 1 for value in values)
    threshold = HALF if are_shares else _best_threshold(values, right)
    verifier = measured_verifier([value >= threshold for value in values], right)
    if verifier is None:
        return None
    shares = [sum(map(bool, q.correct)) / len(q.correct) for q in questions]
    tasks = [Task(1 / len(shares), share) for share in shares]
    plan = optimal_attempts(tasks, verifier, wrong=wrong, most=MOST_ATTEMPTS)
    answered = plan.right + plan.wrong
    return {
        "score": name,
        "judged": len(judged),
        "unjudged": sum(len(q.pool) for q in questions) - len(judged),
        "threshold": threshold,
        "completeness": verifier.completeness,
        "soundness": verifier.soundness,
        "auc": auc(values, right),
        "precision_bound": precision_bound(tasks, verifier),
        "value_of_wrong": wrong,
        "attempts": plan.attempts,
        "attempts_limit": MOST_ATTEMPTS,
        "value": plan.value,
        "right": plan.right,
        "wrong": plan.wrong,
        "abstained": plan.abstained,
        "accuracy_of_accepted": plan.right / answered if answered > 0 else None,
        "splits": _splits(questions, name, ratio) if are_shares else None,
    }


def _best_threshold(values: Sequence[float], right: Sequence[bool]) -> float:
    """The threshold of the largest completeness + soundness; the lowest of equally good ones."""
    of_right, of_wrong = sum(right), len(right) - sum(right)
    if not of_right or not of_wrong:
        return min(values)
    best, found = -math.inf, min(values)
    accepted_right = accepted_wrong = 0
    ordered = sorted(zip(values, right, strict=True), reverse=True)
    for place, (value, flag) in enumerate(ordered):
        accepted_right, accepted_wrong = accepted_right + flag, accepted_wrong + (not flag)
        if place + 1 < len(ordered) and ordered[place + 1][0] == value:
            continue
        gain = accepted_right / of_right - accepted_wrong / of_wrong
        if gain >= best:
            best, found = gain, value
    return found


def _splits(questions: Sequence[Question], name: str, ratio: float) -> dict[str, Any] | None:
    """The best (S, V) of several budgets, by simulation: each verdict is yes with the recorded score's chance.

    The answer is the vote of S samples, each weighted by its share of yes among V verdicts (a plain vote for V = 0).
    None where a sample has no such score.
    """
    if any(name not in c.scores for q in questions for c in q.pool):
        return None
    most = min(len(q.pool) for q in questions)
    sizes = sorted({1 << i for i in range(most.bit_length()) if 1 << i <= most} | {most})
    known: dict[tuple[int, int], float] = {}
    rounds = max(1, SPLIT_DRAWS // len(questions))
    classes = [class_ids(q.pool) for q in questions]
    chances = [[c.scores[name] for c in q.pool] for q in questions]

    def accuracy(s: int, v: int) -> float:
        if (s, v) not in known:
            draw = random.Random(f"{s} {v}")
            total = 0
            for question, own, chance in zip(questions, classes, chances, strict=True):
                for _ in range(rounds):
                    picks = sorted(draw.sample(range(len(own)), s))
                    weights = [sum(draw.random() < chance[i] for _ in range(v)) / v for i in picks] if v else None
                    index = vote([own[i] for i in picks], weights).index
                    total += index is not None and bool(question.correct[picks[index]])
            known[s, v] = total / (rounds * len(questions))
        return known[s, v]

    rows = []
    optima = []
    for size in sizes:
        budget = float(size)
        split = best_split(accuracy, budget, ratio=ratio, solutions=sizes, verifications=VERIFICATIONS)
        if split is not None:
            optima.append((budget, split))
            rows.append({"budget": budget, "solutions": split.solutions, "verifications": split.verifications,
                         "accuracy": split.accuracy, "votes_alone": accuracy(size, 0)})  # fmt: skip
    exponents = fit_split_law(optima)
    return {"ratio": ratio, "rows": rows, "exponents": None if exponents is None else list(exponents)}
