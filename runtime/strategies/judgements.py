"""What judgements come to: the mean of digits, of verdicts, and the sums of graded sets.

All are pure functions of what a judge said; who asks it stands in `runtime/stages`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


def digit_mean(probabilities: Sequence[float]) -> float:
    """The mean of the digits 0, 1, 2, … by their probabilities, which are normalised over the digits.

    SpecReason (Pan et al., 2025), the option `average`: sum_d d p(d) / sum_d p(d). The authors take the ten likeliest
    tokens of a server and leave out those that are no digits; here every digit is scored. Their default, the likeliest
    digit, gives 0 where the likeliest token is none. Raises ValueError where no digit has any probability.
    """
    total = math.fsum(probabilities)
    if not total > 0:
        raise ValueError("no digit has any probability")
    return math.fsum(digit * p for digit, p in enumerate(probabilities)) / total


def verdict_mean(verdicts: Sequence[float | None], used: int | None = None) -> float:
    """The mean of the readable ones among the first `used` verdicts (1 yes, 0 no, None unreadable); 0 for none.

    GenRM-CoT as Singhi et al., "When To Solve, When To Verify", 2025, score a solution. In a run a candidate without a
    readable verdict has no score, which weighs 0 in a vote and comes last in a choice.
    """
    known = [verdict for verdict in verdicts[:used] if verdict is not None]
    return math.fsum(known) / len(known) if known else 0.0


@dataclass(frozen=True, slots=True)
class Graded:
    """The summed grades of each candidate, and the sets that counted, the best-judged first."""

    totals: tuple[float, ...]
    kept: tuple[int, ...]


def rubric_totals(
    sets: Sequence[Sequence[float]], meta: Sequence[float | None] | None = None, keep: int | None = None
) -> Graded:
    """S*_i = sum_j S_ij over sets of grades, one grade a candidate in each.

    DeepSeek-GRM (Liu et al., "Inference-Time Scaling for Generalist Reward Modeling", 2025, eq. 12 to 14). With `meta`,
    a judge's score of each set, only the `keep` best sets count (the authors keep half); the earlier of equals comes
    first, and a set without a score last. Ties between candidates are resolved by the order in which they stand: the
    authors shuffle candidates for each set, which the stage does when it asks. Raises ValueError for sets of different
    length.
    """
    if len({len(one) for one in sets}) > 1:
        raise ValueError("every set grades all candidates")
    places = list(range(len(sets)))
    if meta is not None:
        judged = [-math.inf if score is None else score for score in meta]
        places.sort(key=lambda place: -judged[place])
        places = places[: len(places) if keep is None else keep]
    count = len(sets[0]) if sets else 0
    return Graded(tuple(math.fsum(sets[place][i] for place in places) for i in range(count)), tuple(places))
