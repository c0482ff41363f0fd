"""Whether a difference between two systems on the same questions is more than chance.

All are pure functions of per-question scores; a[i] and b[i] are of one question.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

from ttscale.runtime.metrics.intervals import paired_bootstrap


@dataclass(frozen=True, slots=True)
class McNemar:
    """`only_a` questions are right with A alone, `only_b` with B alone; `p` is two-sided and exact."""

    only_a: int
    only_b: int
    p: float


@dataclass(frozen=True, slots=True)
class Variance:
    """The variance of a mean over questions, apart: what the choice of questions adds and what sampling adds.

    `questions` is the variance between the questions' own means, `sampling` that within a question, both for one
    draw; `of_mean` the variance of the mean of all scores (its root is the standard error).
    """

    questions: float
    sampling: float
    of_mean: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """A against B on the same questions: the difference of means, its interval, and the p of `mcnemar`.

    `p` is None where scores are not all 0 or 1. `adjusted_p` is after Holm's correction over the comparisons made
    together. `verdict` is "better" or "worse" (of A) only where the interval leaves out 0 and `adjusted_p`, if there
    is one, is at most 1 - level; else "no difference shown".
    """

    difference: float
    low: float
    high: float
    p: float | None
    adjusted_p: float | None
    verdict: str


def mcnemar(a: Sequence[float], b: Sequence[float]) -> McNemar:
    """McNemar's test in its exact binomial form, for scores of 0 and 1; p is 1 where no question differs.

    Under no difference the questions right with one alone are Binomial(only_a + only_b, 1/2). McNemar, "Note on the
    sampling error of the difference between correlated proportions or percentages", Psychometrika 1947; the exact
    form as in Dietterich 1998. Raises ValueError for scores that are not 0 or 1 or lists of different length.
    """
    _paired(a, b)
    if any(score not in (0, 1) for score in (*a, *b)):
        raise ValueError("McNemar's test is for scores of 0 and 1")
    only_a = sum(x > y for x, y in zip(a, b, strict=True))
    only_b = sum(x < y for x, y in zip(a, b, strict=True))
    return McNemar(only_a, only_b, binomial_two_sided(min(only_a, only_b), only_a + only_b))


def binomial_two_sided(low: int, n: int) -> float:
    """The two-sided p of `low` or fewer of `n` fair coins, where low <= n / 2; exact in integers, then divided."""
    if 2 * low >= n:
        return 1.0
    term = total = 1
    for i in range(low):
        term = term * (n - i) // (i + 1)
        total += term
    return min(1.0, 2 * total / (1 << n))


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values after Holm's step-down correction, in the order given; each is at most 1.

    The i-th smallest of m (from 0) is multiplied by m - i, and none may be below a smaller one's. Holm, "A simple
    sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 1979.
    """
    adjusted = [0.0] * len(p_values)
    highest = 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = highest
    return adjusted


def smallest_difference(n: int, disagreement: float = 0.5, *, level: float = 0.95, power: float = 0.8) -> float:
    """The smallest difference of two accuracies on the same `n` questions that a test would find with this power.

    `disagreement` is the share of questions on which exactly one of the two is right. Solves
    d = (z_level sqrt(disagreement) + z_power sqrt(disagreement - d^2)) / sqrt(n), the normal approximation for
    McNemar's test (Connor, "Sample size for testing differences in proportions for the paired-sample design",
    Biometrics 1987). At most `disagreement`, which then cannot be enough: fewer questions than that find nothing.
    Raises ValueError.
    """
    if n < 1 or not 0 < disagreement <= 1 or not 0 < level < 1 or not 0 < power < 1:
        raise ValueError("a smallest difference needs n of at least 1 and shares between 0 and 1")
    z_level, z_power = NormalDist().inv_cdf((1 + level) / 2), NormalDist().inv_cdf(power)
    low, high = 0.0, disagreement
    for _ in range(100):
        middle = (low + high) / 2
        spread = z_power * math.sqrt(max(0.0, disagreement - middle * middle))
        enough = middle * math.sqrt(n) >= z_level * math.sqrt(disagreement) + spread
        low, high = (low, middle) if enough else (middle, high)
    return high


def smallest_mean_difference(n: int, deviation: float, *, level: float = 0.95, power: float = 0.8) -> float:
    """The smallest difference of means that `n` paired differences with this standard deviation would show.

    (z_level + z_power) deviation / sqrt(n): the power of a paired z-test (Cohen, "Statistical Power Analysis for the
    Behavioral Sciences", chapter 2). Raises ValueError.
    """
    if n < 1 or deviation < 0 or not 0 < level < 1 or not 0 < power < 1:
        raise ValueError("a smallest difference needs n of at least 1, and a level and a power between 0 and 1")
    return (NormalDist().inv_cdf((1 + level) / 2) + NormalDist().inv_cdf(power)) * deviation / math.sqrt(n)


def variance_parts(scores: Sequence[Sequence[float]]) -> Variance:
    """The variance of a mean taken apart; scores[i] are of question i, one a seed or sample, equally many each.

    One-way random effects: sampling is the mean square within questions, questions the mean square between them less
    that, over the scores a question (0 at least). Searle, Casella and McCulloch, "Variance Components", 1992,
    chapter 3. With one score a question, sampling cannot be told apart and is 0. Raises ValueError.
    """
    widths = {len(own) for own in scores}
    if len(widths) != 1 or len(scores) < 2 or 0 in widths:
        raise ValueError("variances need at least two questions, each with the same number of scores")
    (width,) = widths
    means = [math.fsum(own) / width for own in scores]
    overall = math.fsum(means) / len(means)
    between = math.fsum((mean - overall) ** 2 for mean in means) / (len(means) - 1)
    if width == 1:
        return Variance(between, 0.0, between / len(means))
    within = math.fsum((score - mean) ** 2 for own, mean in zip(scores, means, strict=True) for score in own)
    sampling = within / (len(scores) * (width - 1))
    return Variance(max(0.0, between - sampling / width), sampling, between / len(means))


def compare(
    pairs: Sequence[tuple[Sequence[float], Sequence[float]]], *, seed: int = 0, level: float = 0.95
) -> list[Comparison]:
    """Each pair (scores of A, scores of B) compared; p-values are corrected for the number of pairs.

    The intervals are `paired_bootstrap`'s at level 1 - (1 - level) / pairs (Bonferroni), so that they hold together.
    Raises ValueError.
    """
    together = 1 - (1 - level) / max(1, len(pairs))
    tests = [mcnemar(a, b).p if all(x in (0, 1) for x in (*a, *b)) else None for a, b in pairs]
    known = [p for p in tests if p is not None]
    # A pair without an exact test counts among the comparisons all the same.
    corrected = iter(holm([*known, *[1.0] * (len(pairs) - len(known))]))
    found: list[Comparison] = []
    for (a, b), p in zip(pairs, tests, strict=True):
        low, high = paired_bootstrap(a, b, seed, rounds=max(2_000, math.ceil(200 / (1 - together))), level=together)
        adjusted = None if p is None else next(corrected)
        sure = (low > 0 or high < 0) and (adjusted is None or adjusted <= 1 - level)
        difference = math.fsum(x - y for x, y in zip(a, b, strict=True)) / len(a)
        verdict = "no difference shown" if not sure else "better" if difference > 0 else "worse"
        found.append(Comparison(difference, low, high, p, adjusted, verdict))
    return found


def _paired(a: Sequence[float], b: Sequence[float]) -> None:
    if len(a) != len(b):
        raise ValueError(f"paired scores need two lists of one length, not {len(a)} and {len(b)}")
