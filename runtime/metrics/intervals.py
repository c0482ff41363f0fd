"""How sure a mean is."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence


def wilson(successes: float, n: int, z: float = 1.959963984540054) -> tuple[float, float]:
    """The Wilson score interval of a share, 95% by default; (0, 1) for no observations."""
    if n == 0:
        return 0.0, 1.0
    share = successes / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return 0.0 if successes <= 0 else max(0.0, middle - half), 1.0 if successes >= n else min(1.0, middle + half)


def paired_bootstrap(
    a: Sequence[float], b: Sequence[float], seed: int = 0, *, rounds: int = 2_000, level: float = 0.95
) -> tuple[float, float]:
    """The percentile interval of mean(a) - mean(b) over resampled questions; a[i] and b[i] are of one question.

    Deterministic for a seed. Raises ValueError for lists of different or no length.
    """
    if len(a) != len(b) or not a:
        raise ValueError("a paired bootstrap needs two lists of one length, with at least one value")
    differences = [x - y for x, y in zip(a, b, strict=True)]
    n = len(differences)
    draw = random.Random(seed)
    means = sorted(sum(draw.choices(differences, k=n)) / n for _ in range(rounds))
    tail = (1 - level) / 2
    low, high = int(tail * rounds), min(rounds - 1, math.ceil((1 - tail) * rounds) - 1)
    return means[low], means[high]


def mean_interval(
    values: Sequence[float], seed: int = 0, *, rounds: int = 2_000, level: float = 0.95
) -> tuple[float, float]:
    """The percentile interval of a mean over resampled questions; deterministic for a seed.

    Efron, "Bootstrap methods: another look at the jackknife", Annals of Statistics 1979. Raises ValueError for none.
    """
    return paired_bootstrap(values, [0.0] * len(values), seed, rounds=rounds, level=level)


def mean_of_k(n: int, correct: int, k: int) -> float:
    """The expected share of right answers among k of n samples drawn without replacement: correct / n for every k.

    The mean of a hypergeometric draw, k (correct / n), over k: so mean@k needs no more than the share of all samples,
    which varies least of the unbiased estimates. Raises ValueError for k outside 1..n.
    """
    if not (0 <= correct <= n and 1 <= k <= n):
        raise ValueError(f"mean@{k} of {n} samples with {correct} right is not defined")
    return correct / n
