"""Draws, weights and resampling of particle methods, and the scores of tree search: all pure functions.

Particle-Based Monte Carlo (Puri et al. 2025): weights are softmax(logit(r) / T) of the judge's numbers r in [0, 1].
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from hashlib import sha256
from itertools import accumulate

EPSILON = 2.220446049250313e-16
"""How near to 0 and 1 a reward may come before its logit is taken, as in the authors' code."""

UCT_BASE = 19652.0
PUCT_CONSTANT, RAIN_CONSTANT = 1.25, 2.0
"""How much few visits count where nothing else is said: in Bag of Tricks, and in RAIN."""


class Chance:
    """Uniform numbers in [0, 1), each a hash of a seed and of what it is for: the same wherever they are asked for."""

    def __init__(self, *seed: object) -> None:
        self._seed = repr(seed)

    def uniform(self, *purpose: object) -> float:
        """The number for a purpose; 53 random bits."""
        digest = sha256(f"{self._seed}|{purpose!r}".encode()).digest()
        return (int.from_bytes(digest[:8], "big") >> 11) / 2.0**53

    def uniforms(self, count: int, *purpose: object) -> tuple[float, ...]:
        """Several numbers for one purpose."""
        return tuple(self.uniform(*purpose, place) for place in range(count))


def logit(reward: float) -> float:
    """log(r / (1 - r)) of a reward kept within [2.2e-16, 1 - 2.2e-16]."""
    kept = min(1 - EPSILON, max(EPSILON, reward))
    return math.log(kept / (1 - kept))


def softmax(values: Sequence[float], temperature: float = 1.0) -> tuple[float, ...]:
    """exp(v / T), normalised; all alike where every value is minus infinity. Empty for no values."""
    if not values:
        return ()
    highest = max(values)
    if highest == -math.inf:
        return (1 / len(values),) * len(values)
    masses = [math.exp((value - highest) / temperature) for value in values]
    total = math.fsum(masses)
    return tuple(mass / total for mass in masses)


def annealed(start: float, end: float, step: int, total: int) -> float:
    """The temperature at a step, counting from 0: T0 - (T0 - T1) step / (total - 1), and T1 from the last on."""
    if step >= total - 1:
        return end
    return start - (start - end) * step / (total - 1)


def effective_size(weights: Sequence[float]) -> float:
    """1 / sum w^2 of normalised weights: between 1 and their number."""
    return 1 / math.fsum(weight * weight for weight in weights) if weights else 0.0


def multinomial(weights: Sequence[float], uniforms: Sequence[float]) -> tuple[int, ...]:
    """One ancestor a uniform number, drawn with replacement: the first whose cumulated weight is above it."""
    sums = list(accumulate(weights))
    return tuple(min(bisect_right(sums, u * sums[-1]), len(sums) - 1) for u in uniforms)


def systematic(weights: Sequence[float], count: int, uniform: float) -> tuple[int, ...]:
    """`count` ancestors at the places (uniform + i) / count of the cumulated weights (Carpenter et al. 1999).

    A particle of weight w gets floor(count w) or one more copies, in the order of the particles.
    """
    return multinomial(weights, [(uniform + place) / count for place in range(count)])


def swap_chance(colder: float, hotter: float, log_colder: float, log_hotter: float) -> float:
    """min(1, exp((1/Ti - 1/Tj) (log wj - log wi))): the chance that two chains of a parallel tempering swap states.

    The standard rule of replica exchange; the authors' code has none.
    """
    exponent = (1 / colder - 1 / hotter) * (log_hotter - log_colder)
    return 1.0 if exponent >= 0 else math.exp(exponent)


def alphazero(q: float, visits: int, parent_visits: int, constant: float = PUCT_CONSTANT, prior: float = 1.0) -> float:
    """q + prior (c + ln((N + 19653) / 19652)) sqrt(N) / (1 + n); Bag of Tricks has c = 1.25 and no prior."""
    bonus = constant + math.log((parent_visits + UCT_BASE + 1) / UCT_BASE)
    return q + prior * bonus * math.sqrt(parent_visits) / (1 + visits)


def rain_score(
    q: float,
    visits: int,
    prior: float,
    parent_visits: int,
    lowest: float,
    highest: float,
    constant: float = RAIN_CONSTANT,
) -> float:
    """(q - q_min) / (q_max - q_min + 1e-5) + c p sqrt(N) / (1 + n), the first part 0 for an unvisited state.

    RAIN has c = 2.
    """
    known = (q - lowest) / (highest - lowest + 1e-5) if visits else 0.0
    return known + constant * prior * math.sqrt(parent_visits) / (1 + visits)
