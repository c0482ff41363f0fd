"""When a vote needs no more samples: rules over the classes of the answers so far.

All look at answers in the order in which they were drawn, None standing for one that could not be read. The rules for
`until:` are `agreement`, `margin` (in `measures`), and those below; `drawn` says how many samples a rule would take of
a recorded pool.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from ttscale.runtime.strategies.measures import agreement, class_sizes, margin

Classes = Sequence[int | None]


def is_decided(classes: Classes, limit: int) -> bool:
    """Whether no further answers, up to `limit` in all, can change the majority.

    The leader is ahead of the next answer by more than there are samples left, v1 - v2 > limit - n in samples (counted,
    after no paper); ties, which the first wins, count as not decided. So the vote is the one of all `limit` samples,
    whatever they say.
    """
    sizes = class_sizes(classes)
    if not sizes:
        return len(classes) >= limit
    ahead = sizes[0] - (sizes[1] if len(sizes) > 1 else 0)
    return ahead > limit - len(classes)


def certainty(classes: Classes) -> float:
    """How probable it is that the commonest answer is more likely than the next one, in [0, 1]; 0 without any.

    Adaptive-Consistency (Aggarwal et al. 2023), the Beta criterion: with v1 and v2 votes for the first two answers and
    a flat prior, P(p > 1/2) for p ~ Beta(v1 + 1, v2 + 1), that is sum_{k <= v1} C(v1 + v2 + 1, k) / 2^(v1 + v2 + 1).
    """
    sizes = class_sizes(classes)
    if not sizes:
        return 0.0
    first, second = sizes[0], sizes[1] if len(sizes) > 1 else 0
    tosses = first + second + 1
    return math.ldexp(sum(math.comb(tosses, k) for k in range(first + 1)), -tosses)


def streak(classes: Classes) -> int:
    """How many of the latest answers are the same one; an unreadable answer ends it.

    Early-Stopping Self-Consistency (Li et al. 2024) stops when all answers of a window are the same.
    """
    last = classes[-1] if classes else None
    if last is None:
        return 0
    length = 0
    for number in reversed(classes):
        if number != last:
            break
        length += 1
    return length


RULES: Mapping[str, Callable[[Classes, float, int], bool]] = {
    "decided": lambda classes, threshold, limit: is_decided(classes, limit),
    "certainty": lambda classes, threshold, limit: certainty(classes) >= threshold,
    "agreement": lambda classes, threshold, limit: agreement(classes) >= threshold,
    "margin": lambda classes, threshold, limit: margin(classes) >= threshold,
    "streak": lambda classes, threshold, limit: streak(classes) >= threshold,
}
"""Whether to stop, from the classes so far, the rule's threshold, and the most samples there may be."""


def drawn(classes: Classes, rule: str, threshold: float, *, start: int, limit: int, further: int | None = None) -> int:
    """How many of recorded answers `n: up to limit, start: …, round: …, until: rule` would have drawn.

    Rounds double the total, or with `further` add so many. Raises KeyError for no rule, ValueError for a start below 1.
    """
    if start < 1:
        raise ValueError("the first round has at least one sample")
    stops = RULES[rule]
    most = min(limit, len(classes))
    total = min(start, most)
    while total < most and not stops(classes[:total], threshold, limit):
        total = min(total + (further or total), most)
    return total
