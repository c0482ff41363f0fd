"""Tournaments of pairs: Bradley-Terry strengths from verdicts, and how far each judge is to be trusted.

P(i beats j) = π_i / (π_i + π_j) with π = exp θ. "Fortytwo: Swarm Inference with Peer-Ranked Consensus" (Larin et al.
2025): θ maximises the sum of weight times log P over all verdicts, a judge's verdicts weighing its reputation, and
the pick is the largest π. No code of the authors is known; the formulas are the paper's, the regularisation is ours.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ttscale.runtime.pool import Comparison

L2 = 0.1
"""The default prior: θ ~ N(0, 1 / L2). Without one a tournament that somebody wins outright has no finite optimum."""


@dataclass(frozen=True, slots=True)
class Strengths:
    """A fit: `theta` in natural-log units with mean zero, and each judge's reputation in [0, 1] where it was learnt."""

    theta: tuple[float, ...]
    reputations: Mapping[str, float]

    @property
    def shares(self) -> tuple[float, ...]:
        """π scaled to add up to 1."""
        top = max(self.theta, default=0.0)
        raised = [math.exp(x - top) for x in self.theta]
        return tuple(x / sum(raised) for x in raised)

    @property
    def ranking(self) -> tuple[int, ...]:
        """Positions from the strongest on; equal strengths by position."""
        return tuple(sorted(range(len(self.theta)), key=lambda i: (-round(self.theta[i], 9), i)))


def both_orders(comparisons: Sequence[Comparison]) -> tuple[Comparison, ...]:
    """One comparison a pair and judge: the mean share over every time it was shown, in either order.

    Showing each pair in both orders and taking the mean cancels a judge's liking for a place: one that always names
    the first says 0.5 of every pair. A merged comparison weighs as much as its parts together.
    """
    sums: dict[tuple[int, int, str], list[float]] = {}
    for one in comparisons:
        low, high = min(one.first, one.second), max(one.first, one.second)
        share = one.share if one.first == low else 1 - one.share
        entry = sums.setdefault((low, high, one.judge), [0.0, 0.0])
        entry[0] += one.weight * share
        entry[1] += one.weight
    return tuple(
        Comparison(low, high, share / weight, judge, weight)
        for (low, high, judge), (share, weight) in sums.items()
        if weight > 0
    )


def bradley_terry(n: int, comparisons: Sequence[Comparison], l2: float = L2) -> tuple[float, ...]:
    """The strengths θ of n candidates, mean zero, by Newton's method on the concave objective.

    Maximises sum over comparisons of weight [share log P(first) + (1 - share) log P(second)] - l2/2 sum θ². A verdict
    is a share of 1 or 0, a judge's probability anything between. Scaling all weights changes nothing without a prior.
    Raises ValueError where l2 is 0 and some candidates never lost to, or were never compared with, the others: then
    the best θ is infinite.
    """
    import numpy

    if l2 <= 0 and not _is_connected(n, comparisons):
        raise ValueError("without `l2` every candidate must have won and lost, directly or through others")
    theta = numpy.zeros(n)
    first = numpy.array([c.first for c in comparisons], dtype=int)
    second = numpy.array([c.second for c in comparisons], dtype=int)
    share = numpy.array([c.share for c in comparisons], dtype=float)
    weight = numpy.array([c.weight for c in comparisons], dtype=float)
    identity = numpy.eye(n)
    # Strengths are only told apart from each other; fixing their sum makes the Hessian regular, and moves no
    # difference.
    fixed = numpy.full((n, n), 1.0 / max(n, 1))

    def objective(at: numpy.typing.NDArray[numpy.float64]) -> float:
        gap = at[first] - at[second]
        gained = share * numpy.logaddexp(0.0, -gap) + (1 - share) * numpy.logaddexp(0.0, gap)
        return float((weight * gained).sum() + l2 / 2 * (at @ at))

    value = objective(theta)
    for _ in range(100):
        chance = 1 / (1 + numpy.exp(-(theta[first] - theta[second])))
        pull = weight * (share - chance)
        gradient = -l2 * theta
        numpy.add.at(gradient, first, pull)
        numpy.add.at(gradient, second, -pull)
        curve = weight * chance * (1 - chance)
        hessian = l2 * identity + fixed
        numpy.add.at(hessian, (first, first), curve)
        numpy.add.at(hessian, (second, second), curve)
        numpy.add.at(hessian, (first, second), -curve)
        numpy.add.at(hessian, (second, first), -curve)
        step = numpy.linalg.solve(hessian, gradient)
        length = 1.0
        while length > 1e-8 and objective(theta + length * step) > value + 1e-12:
            length /= 2
        theta = theta + length * step
        value = objective(theta)
        if float(numpy.abs(length * step).max(initial=0.0)) < 1e-10:
            break
    theta -= theta.mean() if n else 0.0
    return tuple(float(x) for x in theta)


def tournament(
    n: int, comparisons: Sequence[Comparison], l2: float = L2, memory: float | None = None, rounds: int = 3
) -> Strengths:
    """Strengths of n candidates with both orders of a pair merged and, given `memory`, judges weighed by reputation.

    Reputations start at 1. After each of `rounds` fits R becomes memory R + (1 - memory) accuracy, accuracy being the
    judge's agreement with the consensus: the mean over its pairs of the share that it gave to the stronger one (the
    paper's R <- αR + (1 - α) accuracy, applied within one pool; it carries R from question to question). A last fit
    weighs by the final ones. Without `memory` every verdict weighs the same.
    """
    merged = both_orders(comparisons)
    judges = dict.fromkeys((c.judge for c in merged), 1.0)
    theta = bradley_terry(n, merged, l2)
    if memory is None or len(judges) < 2:
        return Strengths(theta, {})
    for _ in range(rounds):
        judges = reputations(judges, merged, theta, memory)
        weighed = [Comparison(c.first, c.second, c.share, c.judge, c.weight * judges[c.judge]) for c in merged]
        theta = bradley_terry(n, weighed, l2)
    return Strengths(theta, judges)


def reputations(
    before: Mapping[str, float], comparisons: Sequence[Comparison], theta: Sequence[float], memory: float
) -> dict[str, float]:
    """New reputations by judge: memory R + (1 - memory) accuracy; a pair of equal strengths says nothing."""
    agreed: dict[str, list[float]] = {judge: [] for judge in before}
    for one in comparisons:
        gap = theta[one.first] - theta[one.second]
        if abs(gap) > 1e-9:
            agreed[one.judge].append(one.share if gap > 0 else 1 - one.share)
    return {
        judge: memory * old + (1 - memory) * (math.fsum(own) / len(own)) if (own := agreed[judge]) else old
        for judge, old in before.items()
    }


def _is_connected(n: int, comparisons: Sequence[Comparison]) -> bool:
    """Whether everyone has beaten everyone, directly or through others."""
    beats: dict[int, set[int]] = {i: set() for i in range(n)}
    for one in comparisons:
        if one.weight > 0 and one.share > 0:
            beats[one.first].add(one.second)
        if one.weight > 0 and one.share < 1:
            beats[one.second].add(one.first)
    loses: dict[int, set[int]] = {i: {j for j in beats if i in beats[j]} for i in beats}
    return n < 2 or all(len(_reached(edges)) == n for edges in (beats, loses))


def _reached(edges: Mapping[int, set[int]]) -> set[int]:
    seen, waiting = {0}, [0]
    while waiting:
        for other in edges[waiting.pop()] - seen:
            seen.add(other)
            waiting.append(other)
    return seen
