"""Long context: how many documents, examples and rounds a context of some length should hold.

Yue et al., "Inference Scaling for Long-Context Retrieval Augmented Generation" (DRAG, IterDRAG), 2024, equation 2:

    logit(P(theta)) = (a + b * i) . log(theta + eps) + c        theta = (documents, examples, rounds)

where i = (gain of one document, gain of one example, 0) over answering without either, * is element by element, and a,
b, c come from ordinary least squares over measured P. The paper shifts theta by a small eps before the logarithm and
does not say which; 0.01 is the value chosen here. P is kept within 1e-6 of 0 and 1 before the logit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

Triple = tuple[float, float, float]
EDGE = 1e-6


@dataclass(frozen=True, slots=True)
class Allocation:
    """A fitted model; `eps` is added to documents, examples and rounds before their logarithm."""

    a: Triple
    b: Triple
    c: float
    eps: float = 0.01

    def logit(self, theta: Triple, gains: Triple) -> float:
        """The log-odds of a right answer with `theta` = (documents, examples, rounds)."""
        parts = zip(self.a, self.b, gains, theta, strict=True)
        return math.fsum((a + b * gain) * math.log(amount + self.eps) for a, b, gain, amount in parts) + self.c

    def performance(self, theta: Triple, gains: Triple) -> float:
        """The predicted share of right answers, from 0 to 1."""
        value = self.logit(theta, gains)
        return 1 / (1 + math.exp(-value)) if value >= 0 else math.exp(value) / (1 + math.exp(value))

    def best(
        self, options: Iterable[Triple], gains: Triple, length: Callable[[Triple], float], budget: float
    ) -> Triple | None:
        """The option of the best prediction whose effective context length keeps to `budget`; the first of equals.

        `length` gives the input tokens of an option over all its calls. None where no option is short enough.
        """
        fitting = [theta for theta in options if length(theta) <= budget]
        return max(fitting, key=lambda theta: self.logit(theta, gains), default=None)


def fit_allocation(measured: Sequence[tuple[Triple, Triple, float]], eps: float = 0.01) -> Allocation:
    """a, b and c by least squares from (theta, gains, share of right answers); the shortest solution where many fit.

    The third element of b stands for rounds, of which no gain is measured, and is 0. Raises ValueError for no data.
    """
    import numpy

    if not measured:
        raise ValueError("the allocation model needs measurements")
    rows: list[list[float]] = []
    for theta, gains, _ in measured:
        logs = [math.log(amount + eps) for amount in theta]
        rows.append([*logs, logs[0] * gains[0], logs[1] * gains[1], 1.0])
    shares = [min(1 - EDGE, max(EDGE, share)) for _, _, share in measured]
    wanted = [math.log(share / (1 - share)) for share in shares]
    solution = [float(x) for x in numpy.linalg.lstsq(numpy.array(rows), numpy.array(wanted), rcond=None)[0]]
    return Allocation((solution[0], solution[1], solution[2]), (solution[3], solution[4], 0.0), solution[5], eps)
