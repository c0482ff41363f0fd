"""How often to try again when the verifier that says "accepted" may be wrong.

Stroebl, Kapoor and Narayanan, "Inference Scaling fLaws", 2024. A task of kind t has share p_t and is solved by one
sample with chance r_t; the verifier accepts a right answer with chance c (completeness) and rejects a wrong one with
chance s (soundness). Sampling goes on until an answer is accepted or K attempts are used; then one abstains.

    rejected by one attempt     b_t = (1 - c) r_t + s (1 - r_t)
    accepted and right / wrong  c r_t    /    (1 - s)(1 - r_t)
    right, given accepted       c r_t / (c r_t + (1 - s)(1 - r_t)), whatever the number of attempts: the bound
    value of at most K          V(K) = sum_{k <= K} sum_t p_t b_t^(k-1) (V_right c r_t + V_wrong (1 - s)(1 - r_t))

The best K is the first maximum of V, 0 (abstain at once) where that is below 0.

The authors' notebook weighs both the value and the survival of attempt k by the belief after k - 1 rejections, and so
counts the posterior twice; on its own settings the best K is the same. `notebook_values` repeats it for its figures.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Task:
    """A kind of task: its share of all tasks, and the chance that one sample solves it."""

    share: float
    success: float


@dataclass(frozen=True, slots=True)
class Verifier:
    """`completeness` is P(accept | right), `soundness` P(reject | wrong)."""

    completeness: float
    soundness: float

    def right(self, success: float) -> float:
        """The chance that one attempt is right and accepted."""
        return self.completeness * success

    def wrong(self, success: float) -> float:
        """The chance that one attempt is wrong and accepted."""
        return (1 - self.soundness) * (1 - success)

    def rejected(self, success: float) -> float:
        """The chance that one attempt is rejected."""
        return (1 - self.completeness) * success + self.soundness * (1 - success)


@dataclass(frozen=True, slots=True)
class Attempts:
    """How many attempts are best (0: abstain), what they are worth, and V(1), V(2), … of all that were compared.

    `right`, `wrong` and `abstained` are the shares of tasks that end so with the best number of attempts.
    """

    attempts: int
    value: float
    values: tuple[float, ...]
    right: float
    wrong: float
    abstained: float


def optimal_attempts(
    tasks: Sequence[Task], verifier: Verifier, *, right: float = 1.0, wrong: float = -1.0, most: int = 100
) -> Attempts:
    """The number of attempts of the largest value; a right answer is worth `right`, a wrong one `wrong`, none 0.

    The first maximum among 0 to `most` attempts. Raises ValueError for no task or no attempt.
    """
    if not tasks or most < 1:
        raise ValueError("at least one task and one attempt are needed")
    values: list[float] = []
    total = 0.0
    survival = [1.0] * len(tasks)
    for _ in range(most):
        total += math.fsum(
            task.share * s * (right * verifier.right(task.success) + wrong * verifier.wrong(task.success))
            for task, s in zip(tasks, survival, strict=True)
        )
        values.append(total)
        survival = [s * verifier.rejected(task.success) for task, s in zip(tasks, survival, strict=True)]
    highest = max(values)
    attempts = values.index(highest) + 1 if highest >= 0 else 0
    solved = math.fsum(t.share * verifier.right(t.success) * _tries(t, verifier, attempts) for t in tasks)
    mistaken = math.fsum(t.share * verifier.wrong(t.success) * _tries(t, verifier, attempts) for t in tasks)
    whole = math.fsum(task.share for task in tasks)
    return Attempts(attempts, max(highest, 0.0), tuple(values), solved, mistaken, whole - solved - mistaken)


def _tries(task: Task, verifier: Verifier, attempts: int) -> float:
    """The expected number of attempts that are made: 1 + b + … + b^(K-1)."""
    rejected = verifier.rejected(task.success)
    return float(attempts) if rejected >= 1 else (1 - rejected**attempts) / (1 - rejected)


def accepted_accuracy(success: float, verifier: Verifier) -> float | None:
    """P(right | accepted) of a task, however many attempts there are; None where nothing is ever accepted."""
    accepted = verifier.right(success) + verifier.wrong(success)
    return verifier.right(success) / accepted if accepted > 0 else None


def precision_bound(tasks: Sequence[Task], verifier: Verifier) -> float:
    """The accuracy that attempts without end tend to: the mean over tasks of P(right | accepted).

    No budget passes it. A task of which nothing is ever accepted counts as not solved. Shares are normalised.
    """
    whole = math.fsum(task.share for task in tasks)
    return math.fsum(task.share * (accepted_accuracy(task.success, verifier) or 0.0) for task in tasks) / whole


def beliefs(tasks: Sequence[Task], verifier: Verifier, rejections: int) -> tuple[float, ...]:
    """How probable each kind of task is after so many rejections: proportional to p_t b_t^rejections."""
    weights = [task.share * verifier.rejected(task.success) ** rejections for task in tasks]
    total = math.fsum(weights)
    return tuple(weight / total for weight in weights) if total > 0 else tuple(task.share for task in tasks)


def notebook_values(
    tasks: Sequence[Task], verifier: Verifier, *, right: float = 1.0, wrong: float = -1.0, most: int = 15
) -> tuple[float, ...]:
    """V(1), V(2), … as the authors' notebook adds them up, with the posterior counted twice. For its figures only."""
    values: list[float] = []
    total = 0.0
    for k in range(most):
        belief = beliefs(tasks, verifier, k)
        gain = math.fsum(
            b * (right * verifier.right(t.success) + wrong * verifier.wrong(t.success))
            for b, t in zip(belief, tasks, strict=True)
        )
        survival = math.fsum(b * verifier.rejected(t.success) ** k for b, t in zip(belief, tasks, strict=True))
        total += gain * survival
        values.append(total)
    return tuple(values)


def measured_verifier(accepted: Sequence[bool], right: Sequence[bool]) -> Verifier | None:
    """Completeness and soundness over judged samples; None where all are right or all are wrong."""
    of_right = [a for a, r in zip(accepted, right, strict=True) if r]
    of_wrong = [a for a, r in zip(accepted, right, strict=True) if not r]
    if not of_right or not of_wrong:
        return None
    return Verifier(sum(of_right) / len(of_right), 1 - sum(of_wrong) / len(of_wrong))
