"""Consistency-based abduction: the largest part of a pool whose statements go together.

"Consistency-based Abductive Reasoning over Perceptual Errors of Multiple Pre-trained Models in Novel Environments"
(Leiva et al. 2025): of the predictions of several models keep a subset as large as possible whose rate of
inconsistencies stays within a threshold, exactly (there by integer programming) or by a heuristic search. Here a
candidate is a model, its statements are the fields of its answer (a plain answer is one statement), and the
inconsistency of a subset is the share of its statements that differ from the most frequent one about the same field.
A field without a value states nothing. A candidate that breaks a rule of its own (weight 0 or less) is never kept.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from itertools import combinations

EXACT = 12
"""Up to so many candidates all subsets are looked at; beyond, candidates are dropped one by one."""
_SLACK = 1e-9

Statements = Mapping[Hashable, Hashable]


def inconsistency(statements: Sequence[Statements]) -> float:
    """The share of statements that contradict the most frequent one about the same field, in [0, 1]; 0 for none."""
    counts: dict[Hashable, dict[Hashable, int]] = {}
    for one in statements:
        for field, value in one.items():
            about = counts.setdefault(field, {})
            about[value] = about.get(value, 0) + 1
    total = sum(sum(about.values()) for about in counts.values())
    agreeing = sum(max(about.values()) for about in counts.values())
    return (total - agreeing) / total if total else 0.0


def abduce(
    statements: Sequence[Statements], threshold: float = 0.0, weights: Sequence[float | None] | None = None
) -> tuple[int, ...]:
    """The positions of the heaviest subset with an inconsistency of at most `threshold`, in order.

    Candidates weigh 1 each, or their `weights` (None weighs nothing). Among equally heavy subsets the one whose
    members appeared first wins. Exact for up to 12 candidates; for more, the one whose leaving lowers the
    inconsistency most for its weight goes, ties the last one, until the rest is consistent enough, and what still
    fits is taken back in order.
    """
    values = [1.0] * len(statements) if weights is None else [x or 0.0 for x in weights]
    able = [i for i, x in enumerate(values) if x > 0]
    if len(able) <= EXACT:
        return _exact(statements, threshold, values, able)
    kept = list(able)
    while len(kept) > 1 and inconsistency([statements[i] for i in kept]) > threshold + _SLACK:
        left = {i: inconsistency([statements[j] for j in kept if j != i]) for i in kept}
        now = inconsistency([statements[i] for i in kept])
        kept.remove(max(kept, key=lambda i: ((now - left[i]) / values[i], i)))
    for i in able:
        if i not in kept and inconsistency([statements[j] for j in sorted([*kept, i])]) <= threshold + _SLACK:
            kept = sorted([*kept, i])
    return tuple(kept)


def _exact(
    statements: Sequence[Statements], threshold: float, values: Sequence[float], able: Sequence[int]
) -> tuple[int, ...]:
    best: tuple[int, ...] = ()
    weight = 0.0
    for size in range(len(able), 0, -1):
        if sum(sorted((values[i] for i in able), reverse=True)[:size]) <= weight + _SLACK:
            break
        for subset in combinations(able, size):
            own = sum(values[i] for i in subset)
            if own > weight + _SLACK and inconsistency([statements[i] for i in subset]) <= threshold + _SLACK:
                best, weight = subset, own
    return best
