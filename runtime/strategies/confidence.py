"""How sure a model was on its way: the confidence of groups of tokens, and the share that was surest.

"Deep Think with Confidence" (Fu et al. 2025, DeepConf). The confidence of a token is the negative mean of the
log-probabilities of its k likeliest alternatives: high where the distribution is peaked. A group is `window`
consecutive tokens, its confidence the mean of theirs; a text shorter than the window is one group.

- `mean`: of all tokens;
- `tail`: of the last `window` tokens;
- `lowest_group`: of the least sure group;
- `bottom`: the mean over the `share` of groups that are least sure (at least one), 10% in the paper.

Where only the chosen tokens' log-probabilities are known, groups are means of those, and the number is their exp: the
geometric mean probability of a token, in [0, 1]. That is another measure, and pools mix them never.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from numpy import float64
    from numpy.typing import NDArray

KINDS = ("lowest_group", "bottom", "tail", "mean")
WINDOW = 2048


def group_means(values: Sequence[float], window: int = WINDOW) -> NDArray[float64]:
    """The means of all runs of `window` values, left to right; of all values where they are fewer.

    The authors' online code rounds values and means to three decimals; this one does not.
    """
    import numpy

    array = numpy.asarray(values, dtype=float)
    if len(array) <= window:
        return numpy.full(1, array.mean())
    sums = numpy.concatenate(([0.0], numpy.cumsum(array)))
    means: NDArray[float64] = (sums[window:] - sums[:-window]) / window
    return means


def confidence(
    values: Sequence[float], of: str = "lowest_group", window: int = WINDOW, share: float = 0.1
) -> float | None:
    """One number for a text from its tokens' confidences, as the module says; None without any.

    `share` is rounded down to whole groups, as in the authors' code. Raises ValueError for an unknown `of`.
    """
    if of not in KINDS:
        raise ValueError(f"no such confidence: {of}")
    if not len(values):
        return None
    if of == "mean":
        return math.fsum(values) / len(values)
    if of == "tail":
        tail = values[-window:]
        return math.fsum(tail) / len(tail)
    means = group_means(values, window)
    if of == "lowest_group":
        return float(means.min())
    import numpy

    count = max(1, int(len(means) * share))
    return float(numpy.sort(means)[:count].mean())


def surest(numbers: Sequence[float | None], share: float = 0.1) -> list[int]:
    """The positions of the `share` with the highest numbers, in order: at or above the quantile 1 - share.

    The quantile lies between neighbours as in NumPy's default, so that ceil(share * (n - 1)) or one more stay; equal
    numbers at the threshold all stay, and the highest always does. DeepConf's offline filter (top 10%), which likewise
    looks at candidates with a readable answer only: give None for the others.
    """
    known = sorted(x for x in numbers if x is not None)
    if not known:
        return []
    place = (1 - share) * (len(known) - 1)
    low = math.floor(place)
    high = min(low + 1, len(known) - 1)
    threshold = known[low] + (known[high] - known[low]) * (place - low)
    slack = 1e-12 * max(1.0, abs(threshold))
    return [i for i, x in enumerate(numbers) if x is not None and x >= threshold - slack]
