"""Rules that pick one candidate of a pool, as functions of equality classes and numbers.

A pool comes as `classes`, one class id a candidate in order (None: unreadable), ids counting from 0 by first
appearance. An unreadable candidate is never picked while a readable one exists, and every tie goes to the
first. A choice says who, with what weight, and the weight of every class.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field

from ttscale.runtime.strategies.restarts import tries_used
from ttscale.runtime.strategies.sources import StrategyError

Classes = Sequence[int | None]
Numbers = Sequence[float | None]
MARGIN = 1e-9
"""Shares are compared with this slack, so that 4 of 40 is a tenth."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The position picked (None for an empty pool), its weight, and the weight of each class in order of appearance.

    `settled` says that a tie between classes was decided by something else than appearance.
    """

    index: int | None
    weight: float = 0.0
    weights: Mapping[int, float] = field(default_factory=dict)
    note: str = ""
    settled: bool = False


def vote(classes: Classes, weights: Numbers | None = None, once_per: Sequence[Hashable] | None = None) -> Choice:
    """The class with the largest summed weight (one each by default), represented by its first member.

    Self-consistency (Wang et al. 2022) without weights; weighted voting otherwise (a missing number weighs 0).
    `once_per` holds a text a candidate: within a class, members with equal texts count once, at the first one's
    number (perplexity consistency of RPC, Zhou et al. 2025; the authors' code keeps a set of probabilities a text,
    which differs only where one text came with two probabilities). An empty text never merges.
    """
    totals: dict[int, float] = {}
    first: dict[int, int] = {}
    counted: set[tuple[int, Hashable]] = set()
    for position, number in enumerate(classes):
        if number is None:
            continue
        first.setdefault(number, position)
        totals.setdefault(number, 0.0)
        if once_per is not None and once_per[position]:
            if (number, once_per[position]) in counted:
                continue
            counted.add((number, once_per[position]))
        weight = 1.0 if weights is None else weights[position]
        totals[number] += weight if weight is not None else 0.0
    if not totals:
        return _unreadable(classes)
    winner = best_key(totals)
    return Choice(first[winner], totals[winner], totals)


def majority(classes: Classes, ties: Numbers | None = None) -> Choice:
    """The class with the most members; `ties` settles equal ones by their best member's number, else the first wins.

    Self-consistency (Wang et al. 2022), with the tie-break by length of "Think Deep, Think Fast" where asked for. The
    member picked is the first, or with `ties` the one with that number.
    """
    choice = vote(classes)
    if ties is None or choice.index is None or not choice.weights:
        return choice
    tops = set(tied(choice.weights))
    index = max((i for i, c in enumerate(classes) if c in tops), key=lambda i: (_ranked(ties[i]), -i))
    return Choice(index, choice.weight, choice.weights, settled=True)


def only(classes: Classes, kept: Sequence[int]) -> Classes:
    """The classes with every candidate outside `kept` taken for unreadable; unchanged where that leaves none."""
    inside = set(kept)
    left = [c if i in inside else None for i, c in enumerate(classes)]
    return left if any(c is not None for c in left) else classes


def adaptive(classes: Classes, numbers: Numbers, threshold: float) -> Choice:
    """What adaptive sampling would have picked: the best of the tries up to the first that reaches `threshold`.

    Adaptive sampling with self-evaluation (Manvi et al. 2024): sample until p >= threshold or the pool ends, give the
    argmax of p. The candidates are the tries in order; an unreadable one is a try that does not stop.
    """
    seen = tries_used([x if c is not None else None for x, c in zip(numbers, classes, strict=True)], threshold)
    return highest(only(classes, range(seen)), numbers)


def highest(classes: Classes, numbers: Numbers) -> Choice:
    """The readable candidate with the highest number: best-of-n; ties go to the first, those without a number lose.

    Best-of-n (Cobbe et al. 2021, "Training Verifiers to Solve Math Word Problems"): argmax of s, in the score's own
    unit. The `*_max` picks of the compute-optimal study and the naive best-of-n of search-and-learn; their code lets an
    invalid answer win by its number, which never happens here while a readable one exists.
    """
    readable = [i for i, number in enumerate(classes) if number is not None]
    if not readable:
        return _unreadable(classes)
    winner = max(readable, key=lambda i: (_ranked(numbers[i]), -i))
    best: dict[int, float] = {}
    for i in readable:
        number = classes[i]
        assert number is not None
        best[number] = max(best.get(number, -math.inf), _ranked(numbers[i]))
    return Choice(winner, _weight(numbers[winner]), best)


def best_of_majority(classes: Classes, numbers: Numbers, share: float = 0.5) -> Choice:
    """The best-scored class among those that at least `share` of all candidates gave.

    Best-of-Majority (arXiv 2510.03199, algorithm 3, with k = 1): frequencies are over the whole pool, the gate
    includes its bound (share α; 0 is best-of-n by class), a class is scored by the mean of its members' numbers, and
    its best-scored member is the one picked. Where no class passes, the gate is dropped (the paper leaves this open)
    and the note says so. Ties go to the class that appeared first. The authors published no code.
    """
    ranked = frequent_classes(classes, numbers, share)
    if not ranked:
        return _unreadable(classes)
    means = class_means(classes, numbers)
    counts = _counts(classes)
    relaxed = all(count + MARGIN < share * len(classes) for count in counts.values())
    member = best_member(classes, numbers, ranked[0])
    note = f"no answer has a share of {share:g}, so all were kept" if relaxed else ""
    return Choice(member, means[ranked[0]], {c: means[c] for c in sorted(ranked)}, note)


def gate_of(probability: float) -> float:
    """The share that best-of-majority's theory asks of a class: 3 / (4 C*), where C* = 1 / P(right answer).

    In practice the paper takes 0.003 to 0.015 with 500 to 2,000 samples.
    """
    return 0.75 * probability


def samples_of_gate(probability: float, k: int = 1, reward_error: float = 0.1) -> float:
    """How many samples that theory wants: 16 C* log(k C* / ε²), ε being the root mean square error of the reward."""
    coverage = 1 / probability
    return 16 * coverage * math.log(k * coverage / reward_error**2)


def frequent_classes(classes: Classes, numbers: Numbers, share: float) -> list[int]:
    """The classes that pass the gate of best-of-majority, best mean first, ties by first appearance."""
    counts = _counts(classes)
    means = class_means(classes, numbers)
    passing = [c for c, count in counts.items() if count + MARGIN >= share * len(classes)] or list(counts)
    return sorted(passing, key=lambda c: (-means[c], c))


def majority_of_bests(classes: Classes, numbers: Numbers, m: int | None = None) -> Choice:
    """The answer that is most often the best one of `m` candidates drawn from the pool.

    With n readable candidates sorted by number, the one at rank t (from 0) is the best of m draws with replacement
    with probability ((n - t) / n)^m - ((n - t - 1) / n)^m; those are summed by class. `m` defaults to the whole root
    of n. Equal numbers rank by appearance, and equal sums go to the class that appeared first. "Majority of the Bests"
    as in the library scorio; m = 1 is the majority, a large m best-of-n.
    """
    readable = [i for i, number in enumerate(classes) if number is not None]
    if not readable:
        return _unreadable(classes)
    n = len(readable)
    draws = m if m is not None else max(1, math.isqrt(n))
    ranked = sorted(readable, key=lambda i: (-_ranked(numbers[i]), i))
    chances: list[float | None] = [None] * len(classes)
    for rank, i in enumerate(ranked):
        chances[i] = ((n - rank) / n) ** draws - ((n - rank - 1) / n) ** draws
    choice = vote(classes, chances)
    if choice.index is None:
        return choice
    return Choice(best_member(classes, numbers, classes[choice.index]), choice.weight, choice.weights)


def weighted_best_of_n(classes: Classes, numbers: Numbers) -> Choice:
    """The best-scored member of the class with the largest sum of numbers.

    Best-of-n weighted (Snell et al. 2024), and the `*_vote` picks of the compute-optimal study, which give the answer
    alone. A missing number counts 0, numbers may be negative (no step scores are -1). Ties go to the class, then to the
    member, that appeared first. search-and-learn always takes the last step's score here whatever it was told; give
    `steps(last)` for that.
    """
    choice = vote(classes, numbers)
    if choice.index is None or classes[choice.index] is None:
        return choice
    return Choice(best_member(classes, numbers, classes[choice.index]), choice.weight, choice.weights)


def first(classes: Classes) -> Choice:
    """The first readable candidate, else the first."""
    for position, number in enumerate(classes):
        if number is not None:
            return Choice(position, 1.0, {number: 1.0})
    return _unreadable(classes)


def class_means(classes: Classes, numbers: Numbers) -> dict[int, float]:
    """The mean number of each class over the members that have one; -inf where none has."""
    known: dict[int, list[float]] = {}
    for number, value in zip(classes, numbers, strict=True):
        if number is not None:
            known.setdefault(number, [])
            if value is not None:
                known[number].append(value)
    return {c: sum(values) / len(values) if values else -math.inf for c, values in known.items()}


def best_key(totals: Mapping[int, float]) -> int:
    """The class of the largest total; ties go to the class that appeared first, which has the lower id."""
    return max(totals, key=lambda c: (totals[c], -c))


def tied(weights: Mapping[int, float]) -> list[int]:
    """The classes that share the largest weight, to 9 digits."""
    if not weights:
        return []
    top = max(weights.values())
    return [c for c, weight in weights.items() if math.isclose(weight, top, rel_tol=1e-9, abs_tol=1e-12)]


def require_numbers(classes: Classes, numbers: Numbers, what: str, hint: str) -> None:
    """Raise StrategyError when candidates are readable but none of them has the number."""
    readable = [i for i, number in enumerate(classes) if number is not None]
    if readable and all(numbers[i] is None for i in readable):
        raise StrategyError(f"no candidate has {what}", hint=hint)


def _counts(classes: Classes) -> dict[int, int]:
    counts: dict[int, int] = {}
    for number in classes:
        if number is not None:
            counts[number] = counts.get(number, 0) + 1
    return counts


def best_member(classes: Classes, numbers: Numbers, wanted: int | None) -> int:
    """The position of a class's highest number, ties to the first."""
    members = [i for i, number in enumerate(classes) if number == wanted]
    return max(members, key=lambda i: (_ranked(numbers[i]), -i))


def _ranked(number: float | None) -> float:
    return -math.inf if number is None else number


def _weight(number: float | None) -> float:
    return 0.0 if number is None else number


def _unreadable(classes: Classes) -> Choice:
    """The first candidate of a pool without any readable answer; no candidate of an empty pool."""
    if not classes:
        return Choice(None, note="the pool is empty")
    return Choice(0, 0.0, {}, "no answer could be read")
