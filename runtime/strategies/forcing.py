"""Likelihoods of the same answers behind several contexts, put together (ThinkSum, Ozturkler et al. 2022).

Rows are contexts, columns answers, entries natural logs of p(y | x_i), or of a product of several such factors with
weights as exponents (`mixed`); what comes out are shares that add up to 1. Contexts may have weights of their own, as
p(x_i | q) in a mixture over passages (Lazaridou et al. 2022, Lewis et al. 2020), which are made to add up to 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

Rows = Sequence[Sequence[float]]
Weights = Sequence[float]


def mixed(factors: Sequence[tuple[float, Rows]]) -> list[list[float]]:
    """sum_f w_f log p_f(y, x_i): a product of experts with exponents w_f; a factor of weight 0 is left out."""
    used = [(weight, rows) for weight, rows in factors if weight]
    shape = [len(row) for row in used[0][1]] if used else []
    return [
        [_total([weight * rows[i][j] for weight, rows in used]) for j in range(width)] for i, width in enumerate(shape)
    ]


def _total(parts: Sequence[float]) -> float:
    """Their sum; where one is minus infinity it wins over infinities, which only a division by 0 can give."""
    return -math.inf if -math.inf in parts else math.fsum(parts)


def product(rows: Rows, weights: Weights | None = None) -> list[float]:
    """prod_i p(y | x_i)^(n w_i), normalised over the answers: every context must hold."""
    scale = [len(rows) * weight for weight in _whole(weights, len(rows))]
    return shares(
        [_total([w * value for w, value in zip(scale, column, strict=True) if w]) for column in zip(*rows, strict=True)]
    )


def mixture(rows: Rows, weights: Weights | None = None, *, raw: bool = False) -> list[float]:
    """sum_i w_i p(y | x_i): any context may support an answer.

    Likelihoods are normalised over the answers behind each context first, and so every context has as much to say as
    its weight; with `raw` they stay as they are, so that a context behind which no answer is likely says little, and
    the sums are normalised at the end.
    """
    columns = zip(*_weighed(rows, weights, raw), strict=True)
    return _normal([math.fsum(column) for column in columns])


def best(rows: Rows, weights: Weights | None = None, *, raw: bool = False) -> list[float]:
    """max_i w_i p(y | x_i), normalised over the answers at the end: the best pair of an answer and a context counts."""
    return _normal([max(column) for column in zip(*_weighed(rows, weights, raw), strict=True)])


def _weighed(rows: Rows, weights: Weights | None, raw: bool) -> list[list[float]]:
    """w_i p(y | x_i): shares of each row's answers, or with `raw` multiples of the largest likelihood of all."""
    if raw:
        highest = max((value for row in rows for value in row), default=-math.inf)
        masses = [[math.exp(value - highest) if math.isfinite(highest) else 1.0 for value in row] for row in rows]
    else:
        masses = [shares(row) for row in rows]
    return [[weight * mass for mass in row] for weight, row in zip(_whole(weights, len(rows)), masses, strict=True)]


def _whole(weights: Weights | None, count: int) -> list[float]:
    """Weights that add up to 1: in proportion to those given, or all alike where there is none above 0."""
    known = [max(weight, 0.0) for weight in weights] if weights is not None else []
    total = math.fsum(known)
    return [weight / total for weight in known] if 0 < total < math.inf else [1 / count] * count


def _normal(masses: Sequence[float]) -> list[float]:
    total = math.fsum(masses)
    return [mass / total for mass in masses] if total > 0 else [1 / len(masses)] * len(masses)


def shares(logs: Sequence[float]) -> list[float]:
    """exp of the numbers, normalised to add up to 1; equal shares where all are minus infinity."""
    highest = max(logs, default=-math.inf)
    if not math.isfinite(highest):
        return [1 / len(logs)] * len(logs)
    masses = [math.exp(value - highest) for value in logs]
    total = math.fsum(masses)
    return [mass / total for mass in masses]
