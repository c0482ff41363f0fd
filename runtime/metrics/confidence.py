"""Whether a confidence is worth its number: calibration, ranking, and accuracy when only sure answers count.

All are pure functions; confidences[i] (from 0 to 1) and right[i] are of one answer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bin:
    """Answers whose confidence is above `low` (or equal, for the first) and at most `high`."""

    low: float
    high: float
    count: int
    confidence: float
    accuracy: float


def brier(confidences: Sequence[float], right: Sequence[bool]) -> float:
    """The mean of (confidence - right)^2, from 0 to 1, lower is better.

    Brier, "Verification of forecasts expressed in terms of probability", Monthly Weather Review 1950, for two outcomes
    and one of its two equal terms. Raises ValueError.
    """
    _check(confidences, right)
    return math.fsum((p - r) ** 2 for p, r in zip(confidences, right, strict=True)) / len(right)


def reliability(confidences: Sequence[float], right: Sequence[bool], bins: int = 10) -> list[Bin]:
    """Equally wide bins of confidence with their mean confidence and accuracy; empty ones have count 0 and both 0.

    Raises ValueError.
    """
    _check(confidences, right)
    if bins < 1:
        raise ValueError("at least one bin is needed")
    members: list[list[int]] = [[] for _ in range(bins)]
    for place, confidence in enumerate(confidences):
        members[max(0, min(bins - 1, math.ceil(confidence * bins) - 1))].append(place)
    return [
        Bin(
            i / bins,
            (i + 1) / bins,
            len(own),
            math.fsum(confidences[p] for p in own) / len(own) if own else 0.0,
            sum(bool(right[p]) for p in own) / len(own) if own else 0.0,
        )
        for i, own in enumerate(members)
    ]


def ece(confidences: Sequence[float], right: Sequence[bool], bins: int = 10) -> float:
    """Expected calibration error: the bins' |accuracy - mean confidence|, weighted by their share of answers.

    Naeini, Cooper and Hauskrecht, "Obtaining well calibrated probabilities using Bayesian binning", AAAI 2015;
    right-closed bins as in Guo et al., "On calibration of modern neural networks", ICML 2017. Raises ValueError.
    """
    found = reliability(confidences, right, bins)
    return math.fsum(own.count * abs(own.accuracy - own.confidence) for own in found) / len(right)


def auc(scores: Sequence[float], right: Sequence[bool]) -> float | None:
    """The chance that a right answer scores above a wrong one, ties counting a half; None where one kind is missing.

    The area under the ROC curve as the Mann-Whitney statistic: (sum of the right ones' mean ranks - r (r + 1) / 2) /
    (r w) for r right and w wrong. Hanley and McNeil, Radiology 1982. Raises ValueError for lists of different length.
    """
    if len(scores) != len(right):
        raise ValueError(f"{len(scores)} scores do not go with {len(right)} answers")
    positive = sum(map(bool, right))
    negative = len(right) - positive
    if not positive or not negative:
        return None
    order = sorted(range(len(scores)), key=lambda i: scores[i])
    rank_sum, start = 0.0, 0
    while start < len(order):
        end = start
        while end < len(order) and scores[order[end]] == scores[order[start]]:
            end += 1
        rank_sum += (start + end + 1) / 2 * sum(bool(right[i]) for i in order[start:end])
        start = end
    return (rank_sum - positive * (positive + 1) / 2) / (positive * negative)


def accuracy_at_coverage(
    confidences: Sequence[float], right: Sequence[bool], coverages: Sequence[float] = (0.5, 0.8, 0.9, 1.0)
) -> dict[float, float]:
    """Accuracy of the surest share of answers for each coverage in (0, 1]; answers of equal confidence share a place.

    The ceil(coverage n) surest count; those tied at the end count with equal weight, so that the order of rows does
    not matter. The selective accuracy of El-Yaniv and Wiener, "On the foundations of noise-free selective
    classification", JMLR 2010. Raises ValueError.
    """
    _check(confidences, right, bounded=False)
    if any(not 0 < coverage <= 1 for coverage in coverages):
        raise ValueError("a coverage is above 0 and at most 1")
    order = sorted(range(len(right)), key=lambda i: -confidences[i])
    found: dict[float, float] = {}
    for coverage in coverages:
        # Guards against 0.1 * 30 = 3.0000000000000004.
        kept = max(1, math.ceil(coverage * len(order) - 1e-9))
        edge = confidences[order[kept - 1]]
        above = [bool(right[i]) for i in order if confidences[i] > edge]
        tied = [bool(right[i]) for i in order if confidences[i] == edge]
        found[coverage] = (sum(above) + (kept - len(above)) * sum(tied) / len(tied)) / kept
    return found


def _check(confidences: Sequence[float], right: Sequence[bool], *, bounded: bool = True) -> None:
    if len(confidences) != len(right) or not right:
        raise ValueError("as many confidences as answers are needed, and at least one")
    if bounded and not all(0 <= confidence <= 1 for confidence in confidences):
        raise ValueError("a confidence is from 0 to 1")
