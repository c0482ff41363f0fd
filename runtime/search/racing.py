"""Racing: a pipeline that is surely worse than one on the front is not asked the rest of the questions.

Questions come in one fixed order, and after 25, 50, 100, 200, … of them the pipeline is compared with the front's, pair
by pair on the same questions. The allowed error is spent over the looks, equally, and over the rivals at a look, so
that a pipeline as good as all its rivals is dropped with at most that probability. Never before `LEAST` questions.

    Race(looks=(25, 50, 100, 200), error=0.05).drops(1, scores, costs, rivals)
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

from ttscale.runtime.metrics.comparison import binomial_two_sided

LEAST = 25
ERROR = 0.05


def looks_at(questions: int, *, racing: bool = True) -> tuple[int, ...]:
    """After how many questions a pipeline is looked at; the last is all of them."""
    found: list[int] = []
    at = LEAST
    while racing and at < questions:
        found.append(at)
        at *= 2
    return (*found, questions)


@dataclass(frozen=True)
class Rival:
    """A pipeline of the front: its measure's values and its costs, by measure, on every question in order."""

    label: str
    values: Mapping[str, Sequence[float]]


@dataclass(frozen=True)
class Race:
    """How pipelines are dropped. `goals` says of each measure whether more is better; the first is what is tested."""

    goals: Mapping[str, bool]
    looks: Sequence[int]
    error: float = ERROR

    def drops(self, count: int, values: Mapping[str, Sequence[float]], rivals: Sequence[Rival]) -> str:
        """The rival that is surely better after `count` questions, and no worse in any other goal; "" for none."""
        before_last = max(1, len(self.looks) - 1)
        if count < LEAST or not rivals:
            return ""
        error = self.error / before_last / len(rivals)
        main = next(iter(self.goals))
        for rival in rivals:
            if not self._is_no_better_elsewhere(main, count, values, rival):
                continue
            sign = 1 if self.goals[main] else -1
            mine = [sign * value for value in values[main][:count]]
            theirs = [sign * value for value in rival.values[main][:count]]
            if len(mine) == len(theirs) and p_worse(mine, theirs) <= error:
                return rival.label
        return ""

    def _is_no_better_elsewhere(
        self, main: str, count: int, values: Mapping[str, Sequence[float]], rival: Rival
    ) -> bool:
        """Whether the rival is as good in every goal but the main one."""
        for name, more in self.goals.items():
            if name == main:
                continue
            mine, theirs = _mean(values[name][:count]), _mean(rival.values[name][:count])
            if (mine > theirs) if more else (mine < theirs):
                return False
        return True


def p_worse(a: Sequence[float], b: Sequence[float]) -> float:
    """The one-sided p that A is worse than B on the same questions: exact for scores of 0 and 1, else by a t-like z."""
    differences = [x - y for x, y in zip(a, b, strict=True)]
    mean = math.fsum(differences) / len(differences)
    if mean >= 0:
        return 1.0
    if all(score in (0, 1) for score in (*a, *b)):
        worse, better = sum(d < 0 for d in differences), sum(d > 0 for d in differences)
        return binomial_two_sided(min(worse, better), worse + better) / 2
    n = len(differences)
    deviation = math.sqrt(math.fsum((d - mean) ** 2 for d in differences) / (n - 1))
    if deviation == 0:
        return 0.0
    z = mean / (deviation / math.sqrt(n))
    # With few questions the normal is too sure; this widens it to about Student's t.
    z *= 1 - 1 / (4 * (n - 1))
    return NormalDist().cdf(z / math.sqrt(1 + z * z / (2 * (n - 1))))


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / max(1, len(values))
