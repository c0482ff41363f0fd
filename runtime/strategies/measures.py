"""Measures of a pool: agreement, margin, readable share, and the unbiased estimators pass@k, mean@k, best of k."""

from __future__ import annotations

import math
from collections.abc import Sequence


def class_sizes(classes: Sequence[int | None]) -> list[int]:
    """Sizes of the readable classes, the largest first."""
    counts: dict[int, int] = {}
    for number in classes:
        if number is not None:
            counts[number] = counts.get(number, 0) + 1
    return sorted(counts.values(), reverse=True)


def agreement(classes: Sequence[int | None]) -> float:
    """The share of the largest readable class among all candidates; 0 for an empty pool."""
    sizes = class_sizes(classes)
    return sizes[0] / len(classes) if sizes else 0.0


def margin(classes: Sequence[int | None]) -> float:
    """The share of the largest class minus that of the next, among all candidates; 0 for an empty pool."""
    sizes = class_sizes(classes)
    if not sizes:
        return 0.0
    return (sizes[0] - (sizes[1] if len(sizes) > 1 else 0)) / len(classes)


def readable_share(classes: Sequence[int | None]) -> float:
    """The share of candidates whose answer could be read; 0 for an empty pool."""
    return sum(number is not None for number in classes) / len(classes) if classes else 0.0


def pass_at_k(n: int, correct: int, k: int) -> float:
    """The chance that at least one of k of n samples, drawn without replacement, is right.

    1 - C(n - c, k) / C(n, k), as the product of Chen et al. 2021; 1 where fewer than k are wrong. Raises ValueError
    for k outside 1..n or c outside 0..n.
    """
    if not (0 <= correct <= n and 1 <= k <= n):
        raise ValueError(f"pass@{k} of {n} samples with {correct} right is not defined")
    if n - correct < k:
        return 1.0
    return 1.0 - math.prod(1.0 - k / i for i in range(n - correct + 1, n + 1))


def mean_at_k(correct: Sequence[bool], k: int) -> float:
    """The share of right answers among the first k samples. Raises ValueError for k outside 1..n."""
    if not 1 <= k <= len(correct):
        raise ValueError(f"mean@{k} of {len(correct)} samples is not defined")
    return sum(correct[:k]) / k


def best_of_k(ranked_correct: Sequence[bool], k: int) -> float:
    """The expected accuracy of best-of-k over random k-subsets of n scored samples.

    `ranked_correct` says of each sample, the best-scored first, whether it is right:
    sum_i c_i C(n - i - 1, k - 1) / C(n, k) (Singhi et al. 2025, "When To Solve, When To Verify").
    """
    n = len(ranked_correct)
    if not 1 <= k <= n:
        raise ValueError(f"best of {k} of {n} samples is not defined")
    total = math.comb(n, k)
    return sum(math.comb(n - i - 1, k - 1) / total for i, right in enumerate(ranked_correct) if right)
