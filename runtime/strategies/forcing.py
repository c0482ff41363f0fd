"""Likelihoods of the same answers behind several contexts, put together (ThinkSum, Ozturkler et al. 2022).

Rows are contexts, columns answers, entries natural logs of p(y | x_i); what comes out are shares that add up to 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

Rows = Sequence[Sequence[float]]


def product(rows: Rows) -> list[float]:
    """prod_i p(y | x_i), normalised over the answers: every context must hold."""
    return shares([math.fsum(column) for column in zip(*rows, strict=True)])


def mixture(rows: Rows) -> list[float]:
    """(1/n) sum_i p(y | x_i), each normalised over the answers first: any context may support an answer."""
    columns = zip(*(shares(row) for row in rows), strict=True)
    return [math.fsum(column) / len(rows) for column in columns]


def shares(logs: Sequence[float]) -> list[float]:
    """exp of the numbers, normalised to add up to 1; equal shares where all are minus infinity."""
    highest = max(logs, default=-math.inf)
    if not math.isfinite(highest):
        return [1 / len(logs)] * len(logs)
    masses = [math.exp(value - highest) for value in logs]
    total = math.fsum(masses)
    return [mass / total for mass in masses]
