"""Numbers made of numbers: stretched to [0, 1], by place, and likelihoods relative to the likeliest.

Every function takes one number a candidate, None where it has none, and gives as many; None stays None.
"""

from __future__ import annotations

import math
from collections.abc import Sequence


def min_max(numbers: Sequence[float | None]) -> list[float | None]:
    """Numbers stretched to [0, 1]: w_i = (x_i - min x) / (max x - min x); all equal weigh 1.

    "Bag of Tricks for Inference-time Computation" (Liu et al. 2025), weighted majority: in a vote the worst candidate
    counts nothing. Adding a constant to all numbers, or scaling them, changes nothing. The authors' code lets an
    unreadable answer vote and win; here it never does while a readable one exists.
    """
    known = [x for x in numbers if x is not None]
    if not known:
        return list(numbers)
    low, high = min(known), max(known)
    return [None if x is None else 1.0 if high == low else (x - low) / (high - low) for x in numbers]


def borda(numbers: Sequence[float | None], power: float = 1.0) -> list[float | None]:
    """Votes by place: ((n - r + 1) / n)^power for the number at place r of n, the highest at place 1.

    Borda voting of "Scalable Best-of-N Selection for Large Language Models via Self-Certainty" (Kang et al. 2025),
    v(r) = (N - r + 1)^p, divided by N^p so that the best weighs 1, which moves no winner. Only the order of the numbers
    counts. Equal numbers share the mean of their places (the paper does not say), so that order of appearance does not.
    """
    known = sorted((x for x in numbers if x is not None), reverse=True)
    n = len(known)
    firsts: dict[float, int] = {}
    lasts: dict[float, int] = {}
    for index, x in enumerate(known, 1):
        firsts.setdefault(x, index)
        lasts[x] = index
    place = {x: (firsts[x] + lasts[x]) / 2 for x in firsts}
    return [None if x is None else ((n - place[x] + 1) / n) ** power for x in numbers]


def by_rank(ranks: Sequence[int | None], n: int) -> list[float | None]:
    """Votes by the rank that a judge gave: (n - rank + 1) / n, ranks counting from 1; at least 0.

    Borda's count of one judge's order, over n as in `borda` with power 1, which moves no winner; numbers lie in [0, 1].
    A candidate without a rank gives None: it weighs nothing, and is picked last. Equal ranks weigh the same.
    """
    return [None if rank is None else max(0, n - rank + 1) / n for rank in ranks]


def likelihoods(logprobs: Sequence[float | None]) -> list[float | None]:
    """exp of natural-log probabilities, which above 0 count as 0: numbers in [0, 1]."""
    return [None if x is None else math.exp(min(x, 0.0)) for x in logprobs]


def relative_likelihoods(logprobs: Sequence[float | None]) -> list[float | None]:
    """exp(l_i - max l): the likeliest weighs 1, and summed log-probabilities of long texts do not vanish.

    Likelihoods times a constant: a vote, a mean by class or an order comes out the same.
    """
    top = max((x for x in logprobs if x is not None), default=0.0)
    return [None if x is None else math.exp(x - top) if math.isfinite(top) else 1.0 for x in logprobs]


def by_origin(text: str) -> dict[str, float] | str:
    """Weights by name from "large: 2, small: 0.5"; the part that cannot be read where there is one.

    A weight is a finite number from 0 on. The same name twice cannot be read, nor can no name at all.
    """
    found: dict[str, float] = {}
    for part in text.split(","):
        name, colon, number = part.partition(":")
        try:
            weight = float(number)
        except ValueError:
            return part.strip()
        if not (colon and name.strip() and math.isfinite(weight) and weight >= 0) or name.strip() in found:
            return part.strip()
        found[name.strip()] = weight
    return found
