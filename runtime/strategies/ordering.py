"""Several orders of the same things put together: mean places, or the order that is nearest to all of them.

Tang et al., "Found in the Middle: Permutation Self-Consistency Improves Listwise Ranking in Large Language Models",
2023, take the centre by the Kendall tau of orders that a judge gave of shuffled lists (Kemeny and Young's order);
Borda's count is the mean of places. An order names places from 0; what it does not name is tied behind what it names.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

EXACT = 10
"""Up to so many things the nearest order is found exactly; beyond, by moving one after the other while that helps."""

Preferences = list[list[float]]


def mean_places(orders: Sequence[Sequence[int]], count: int) -> tuple[int, ...]:
    """The order by the mean of places, ties to the first; unnamed things share the mean of the places that are left."""
    sums = [0.0] * count
    for order in orders:
        rest = (len(order) + 1 + count) / 2
        for thing in range(count):
            sums[thing] += order.index(thing) + 1 if thing in order else rest
    return tuple(sorted(range(count), key=lambda thing: sums[thing]))


def kendall_centre(orders: Sequence[Sequence[int]], count: int) -> tuple[int, ...]:
    """The order with the smallest sum of Kendall distances to all `orders`; of several the lexically first.

    The distance counts the pairs that stand the other way round, those that are tied in one of both as a half (Fagin,
    Kumar and Sivakumar 2003). Exact for up to `EXACT` things (dynamic programming over sets), beyond that a local
    optimum from the order of mean places.
    """
    prefer = preferences(orders, count)
    return _exact(prefer) if count <= EXACT else _improved(list(mean_places(orders, count)), prefer)


def preferences(orders: Sequence[Sequence[int]], count: int) -> Preferences:
    """How many orders have thing i before thing j, a tie counting half."""
    found = [[0.0] * count for _ in range(count)]
    for order in orders:
        at = {thing: place for place, thing in enumerate(order)}
        last = len(order)
        for i in range(count):
            for j in range(i + 1, count):
                a, b = at.get(i, last), at.get(j, last)
                share = 0.5 if a == b else float(a < b)
                found[i][j] += share
                found[j][i] += 1 - share
    return found


def _exact(prefer: Preferences) -> tuple[int, ...]:
    """best[s]: the least cost of ordering the set s behind all others, and what comes first in it."""
    count = len(prefer)
    best: list[tuple[float, int]] = [(0.0, -1)] * (1 << count)
    for chosen in range(1, 1 << count):
        members = [thing for thing in range(count) if chosen >> thing & 1]
        costs = []
        for thing in members:
            against = sum(prefer[other][thing] for other in members if other != thing)
            costs.append((round(best[chosen ^ (1 << thing)][0] + against, 9), thing))
        best[chosen] = min(costs)
    order: list[int] = []
    left = (1 << count) - 1
    while left:
        order.append(best[left][1])
        left ^= 1 << order[-1]
    return tuple(order)


def _improved(order: list[int], prefer: Preferences) -> tuple[int, ...]:
    improved = True
    while improved:
        improved = False
        for place in range(len(order)):
            thing = order[place]
            others = order[:place] + order[place + 1 :]
            costs = [sum(prefer[o][thing] for o in others)]  # as the first of all
            for other in others:
                costs.append(costs[-1] - prefer[other][thing] + prefer[thing][other])
            least = min(range(len(costs)), key=lambda at: (round(costs[at], 9), abs(at - place)))
            if costs[least] < costs[place] - 1e-9:
                order = [*others[:least], thing, *others[least:]]
                improved = True
    return tuple(order)


def kendall_likeness(first: Sequence[Hashable], second: Sequence[Hashable]) -> float:
    """1 less the Kendall distance of two lists over the pairs of all that is in either; 1 for one thing or none.

    What only one of them has is tied behind the rest in the other; a pair that is tied in one of both counts half.
    """
    things = list(dict.fromkeys([*first, *second]))
    pairs = len(things) * (len(things) - 1) / 2
    if not pairs:
        return 1.0
    number = {thing: place for place, thing in enumerate(things)}
    one, other = (preferences([[number[x] for x in dict.fromkeys(order)]], len(things)) for order in (first, second))
    apart = sum(abs(one[i][j] - other[i][j]) for i in range(len(things)) for j in range(i + 1, len(things)))
    return 1 - apart / pairs
