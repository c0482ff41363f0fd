"""Where more samples (or more rounds) stop to help.

"Scaling over Scaling" (TTSPM), 2025. Each attempt succeeds with chance p, and at most F_max can be reached:

    F(N) = F_max (1 - (1 - p)^N)        gain of one more: F(N + 1) - F(N) = F_max p (1 - p)^N
    N*   = ceil(ln(eps / (F_max p)) / ln(1 - p)), 0 where F_max p <= eps

p is that of one sample for parallel attempts and that of one more round of thought for sequential ones; the form is the
same. F_max and p are fitted by least squares to measured accuracies.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

_GRID = 400
_GOLDEN = (math.sqrt(5) - 1) / 2


@dataclass(frozen=True, slots=True)
class Saturation:
    """F(N) = `ceiling` (1 - (1 - `chance`)^N); both in (0, 1]."""

    ceiling: float
    chance: float

    def at(self, n: float) -> float:
        """What n attempts reach, from 0 to 1."""
        return self.ceiling * float(1 - (1 - self.chance) ** n)

    def gain(self, n: int) -> float:
        """What attempt n + 1 adds to n of them."""
        return self.ceiling * self.chance * (1.0 if n == 0 else (1 - self.chance) ** n)

    def enough(self, epsilon: float) -> int:
        """The first number of attempts after which one more adds at most `epsilon`. Raises ValueError for 0 or less."""
        if epsilon <= 0:
            raise ValueError("the least gain is above 0")
        if self.ceiling * self.chance <= epsilon:
            return 0
        if self.chance >= 1:
            return 1
        found = math.ceil(math.log(epsilon / (self.ceiling * self.chance)) / math.log1p(-self.chance))
        # rounding may put the quotient on the wrong side of a whole number
        while found > 0 and self.gain(found - 1) <= epsilon:
            found -= 1
        while self.gain(found) > epsilon:
            found += 1
        return found


def fit_saturation(ns: Sequence[float], reached: Sequence[float]) -> Saturation | None:
    """The least-squares ceiling and chance of measured accuracies; None for fewer than two sizes, or for only zeros.

    For each chance the best ceiling is a quotient of sums (cut at 1), so that one number is left to search: first on a
    grid from 1e-5 to 1 whose steps grow, then by golden sections.
    """
    if len(set(ns)) < 2 or not any(value > 0 for value in reached):
        return None
    grid = [10 ** (-5 + 5 * i / _GRID) for i in range(_GRID + 1)]
    best = min(range(len(grid)), key=lambda i: _loss(ns, reached, grid[i]))
    low, high = math.log(grid[max(best - 1, 0)]), math.log(grid[min(best + 1, _GRID)])
    for _ in range(80):
        left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        if _loss(ns, reached, math.exp(left)) <= _loss(ns, reached, math.exp(right)):
            high = right
        else:
            low = left
    chance = min(1.0, math.exp((low + high) / 2))
    return Saturation(_ceiling(ns, reached, chance), chance)


def _ceiling(ns: Sequence[float], reached: Sequence[float], chance: float) -> float:
    shapes = [1 - (1 - chance) ** n for n in ns]
    square = math.fsum(shape * shape for shape in shapes)
    product = math.fsum(shape * value for shape, value in zip(shapes, reached, strict=True))
    return min(1.0, product / square) if square > 0 else 0.0


def _loss(ns: Sequence[float], reached: Sequence[float], chance: float) -> float:
    ceiling = _ceiling(ns, reached, chance)
    return math.fsum((v - ceiling * (1 - (1 - chance) ** n)) ** 2 for n, v in zip(ns, reached, strict=True))
