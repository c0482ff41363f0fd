"""Coverage: how many questions have a right answer among k samples, and how that grows with k.

Brown et al., "Large Language Monkeys", 2024. Coverage of k samples is the mean over questions of pass@k; over a wide
range of k its logarithm follows a power law, ln C(k) = a k^b with a < 0 and b < 0, so that C(k) = exp(a k^b) and the
samples that reach a coverage c are k = (ln c / a)^(1/b). The authors publish no code for the fit; here a and b minimise
the sum of squared differences of C itself.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ttscale.runtime.strategies.measures import best_of_k, pass_at_k

_STEPS = 500
_SMALL = 1e-15


@dataclass(frozen=True, slots=True)
class PowerLaw:
    """C(k) = exp(a k^b), with `a` and `b` below 0."""

    a: float
    b: float

    def at(self, k: float) -> float:
        """The coverage of k samples, from 0 to 1."""
        return math.exp(self.a * k**self.b)

    def samples_for(self, coverage: float) -> float:
        """How many samples reach a coverage in (0, 1); not rounded, infinite where that overflows.

        Raises ValueError for a coverage outside (0, 1).
        """
        if not 0 < coverage < 1:
            raise ValueError(f"a coverage of {coverage:g} is not between 0 and 1")
        try:
            return float((math.log(coverage) / self.a) ** (1 / self.b))
        except OverflowError:
            return math.inf


def coverage_curve(counts: Sequence[tuple[int, int]], sizes: Sequence[int]) -> list[float]:
    """Coverage at each of `sizes`, from (samples, right ones) of every question: the mean of the unbiased pass@k.

    Raises ValueError for no question, and for a size above some question's samples.
    """
    if not counts:
        raise ValueError("coverage needs at least one question")
    return [math.fsum(pass_at_k(n, right, k) for n, right in counts) / len(counts) for k in sizes]


def expected_best_of_k(scores: Sequence[float], right: Sequence[bool], k: int) -> float:
    """The expected accuracy of taking the best-scored of k of these samples; samples of equal score share a place.

    Singhi et al., "When To Solve, When To Verify", 2025: sum_i c_i C(n - i - 1, k - 1) / C(n, k) over samples sorted by
    score, where c_i is 1 for a right one. The authors average over 100 random orders of equal scores and add 1e-9 to
    the denominator; here c_i is the share of right ones among the equals, which is that average's limit.
    """
    order = sorted(range(len(scores)), key=lambda i: -scores[i])
    if not 1 <= k <= len(order):
        raise ValueError(f"best of {k} of {len(order)} samples is not defined")
    shares: list[float] = []
    start = 0
    while start < len(order):
        end = start
        while end < len(order) and scores[order[end]] == scores[order[start]]:
            end += 1
        share = sum(bool(right[i]) for i in order[start:end]) / (end - start)
        shares += [share] * (end - start)
        start = end
    if all(share in (0.0, 1.0) for share in shares):
        return best_of_k([share == 1.0 for share in shares], k)
    total = math.comb(len(shares), k)
    return math.fsum(share * (math.comb(len(shares) - i - 1, k - 1) / total) for i, share in enumerate(shares))


def fit_power_law(ks: Sequence[float], coverage: Sequence[float]) -> PowerLaw | None:
    """The law nearest to a measured curve; None where the curve has fewer than two values between 0 and 1, or falls.

    Least squares on coverage by Levenberg and Marquardt's method from the straight line through ln(-ln C) over ln k.
    """
    inner = [(math.log(k), math.log(-math.log(c))) for k, c in zip(ks, coverage, strict=True) if 0 < c < 1]
    if len({x for x, _ in inner}) < 2:
        return None
    slope, height = straight_line(inner)
    a, b = _descend(ks, coverage, -math.exp(height), slope)
    return PowerLaw(a, b) if a < 0 and b < 0 and math.isfinite(a) and math.isfinite(b) else None


def straight_line(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Slope and height at 0 of the least-squares line through points of at least two different x."""
    n = len(points)
    mean_x, mean_y = math.fsum(x for x, _ in points) / n, math.fsum(y for _, y in points) / n
    spread = math.fsum((x - mean_x) ** 2 for x, _ in points)
    slope = math.fsum((x - mean_x) * (y - mean_y) for x, y in points) / spread
    return slope, mean_y - slope * mean_x


def _descend(ks: Sequence[float], coverage: Sequence[float], a: float, b: float) -> tuple[float, float]:
    """The least-squares a and b of exp(a k^b), by damped Gauss-Newton steps that never make the loss larger."""
    loss, damping = _loss(ks, coverage, a, b), 1e-3
    for _ in range(_STEPS):
        aa = ab = bb = ga = gb = 0.0
        for k, c in zip(ks, coverage, strict=True):
            power = k**b
            value = math.exp(a * power)
            by_a, by_b, rest = value * power, value * a * power * math.log(k), c - value
            aa, ab, bb = aa + by_a * by_a, ab + by_a * by_b, bb + by_b * by_b
            ga, gb = ga + by_a * rest, gb + by_b * rest
        moved = False
        while damping < 1e12:
            raised_a, raised_b = aa * (1 + damping) + _SMALL, bb * (1 + damping) + _SMALL
            scale = raised_a * raised_b - ab * ab
            if scale <= 0:
                damping *= 10
                continue
            step_a, step_b = (raised_b * ga - ab * gb) / scale, (raised_a * gb - ab * ga) / scale
            tried = _loss(ks, coverage, a + step_a, b + step_b)
            if tried <= loss:
                moved = tried < loss
                a, b, loss, damping = a + step_a, b + step_b, tried, max(damping / 10, 1e-12)
                break
            damping *= 10
        if not moved:
            break
    return a, b


def _loss(ks: Sequence[float], coverage: Sequence[float], a: float, b: float) -> float:
    try:
        return math.fsum((c - math.exp(a * k**b)) ** 2 for k, c in zip(ks, coverage, strict=True))
    except OverflowError:
        return math.inf
