"""When a run with a wanted precision looks at what it has, and what its many looks cost.

A run that stops at the first look whose interval is short enough stops too often where the answers so far happen to
agree. So the looks are planned before the run, and every interval is widened until the chance that any of them misses
is 5% over all looks together:

    looks(200)             -> (30, 38, 48, 60, 75, 94, 118, 148, 185, 200)
    together(looks(200))   -> 0.9908…, the level of each interval

The level comes from the two-sided normal process of a growing mean, whose values at m and n answers correlate by
sqrt(m / n). With c the bound of each look, the chance of any excess is at most

    P(|Z1| > c) + sum over later looks of P(|Zk| > c and |Zk-1| <= c)

which is Bonferroni's bound without what neighbouring looks have in common (Worsley, "An improved Bonferroni inequality
and applications", Biometrika 1982); one bound for all looks is Pocock's plan (Biometrika 1977).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from functools import cache
from statistics import NormalDist

from ttscale.runtime.metrics import mean_interval, wilson

LEVEL = 0.95
"""With which chance all intervals of all looks hold."""

_LEAST = 30  # intervals of fewer questions are rough
_GROWTH = 1.25
_STEPS = 200
_NORMAL = NormalDist()


def looks(most: int) -> tuple[int, ...]:
    """The numbers of answers after which a run of at most `most` looks; the last is `most` itself."""
    planned: list[int] = []
    count = _LEAST
    while count < most:
        planned.append(count)
        count = math.ceil(count * _GROWTH)
    return (*planned, most)


@cache
def together(planned: tuple[int, ...], level: float = LEVEL) -> float:
    """The level that each look's interval needs so that all of them hold together at `level`. Raises ValueError."""
    if not planned or any(a >= b for a, b in itertools.pairwise(planned)) or planned[0] < 1:
        raise ValueError("looks are growing numbers of answers, from 1 on")
    low, high = _NORMAL.inv_cdf((1 + level) / 2), 8.0
    if len(planned) == 1:
        return level
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (low, middle) if _excess(planned, middle) <= 1 - level else (middle, high)
    return 2 * _NORMAL.cdf(high) - 1


def interval(scores: Sequence[float], level: float = LEVEL, *, rounds: int = 2_000) -> tuple[float, float]:
    """The interval of a mean over questions: Wilson's where every score is 0 or 1, else by resampling questions, in
    more rounds where the level leaves little at the ends."""
    if all(score in (0, 1) for score in scores):
        return wilson(sum(scores), len(scores), _NORMAL.inv_cdf((1 + level) / 2))
    return mean_interval(scores, rounds=max(rounds, round(25 / (1 - level))), level=level)


def half_width(scores: Sequence[float], level: float = LEVEL) -> float:
    """Half the width of that interval, resampled less often."""
    low, high = interval(scores, level, rounds=500)
    return (high - low) / 2


def _excess(planned: Sequence[int], bound: float) -> float:
    """An upper bound of the chance that any look is beyond `bound`."""
    total = 2 * _NORMAL.cdf(-bound)
    for before, now in itertools.pairwise(planned):
        total += _newly_beyond(math.sqrt(before / now), bound)
    return total


def _newly_beyond(correlation: float, bound: float) -> float:
    """P(|Z'| > bound and |Z| <= bound) for standard normals of this correlation, by the midpoint rule over Z."""
    spread = math.sqrt(1 - correlation * correlation)
    width = bound / _STEPS
    total = 0.0
    for step in range(_STEPS):  # the other half of Z's range is the mirror image
        z = (step + 0.5) * width
        above = _NORMAL.cdf((correlation * z - bound) / spread)
        below = _NORMAL.cdf((-correlation * z - bound) / spread)
        total += _NORMAL.pdf(z) * (above + below)
    return 2 * total * width
