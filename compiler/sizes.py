"""How many candidates a stage may give, as bounds.

All functions are pure arithmetic on `Bounds`; what a bound depends on is settled by then, since a graph is
made for one assignment of the parameters.
"""

from __future__ import annotations

from collections.abc import Iterable

from ttscale.compiler.ir import Bounds

EMPTY = Bounds(0, 0)
ONE = Bounds(1, 1)


def exactly(count: int) -> Bounds:
    """Always `count`."""
    return Bounds(count, count)


def add(parts: Iterable[Bounds]) -> Bounds:
    """The size of pools joined."""
    low = high = 0
    for part in parts:
        low += part.low
        high += part.high
    return Bounds(low, high)


def either(parts: Iterable[Bounds]) -> Bounds:
    """The size of one of several pools, not known which."""
    listed = list(parts)
    if not listed:
        return EMPTY
    return Bounds(min(p.low for p in listed), max(p.high for p in listed))


def capped(size: Bounds, limit: int) -> Bounds:
    """The size of a pool of which at most `limit` stay."""
    return Bounds(min(size.low, limit), min(size.high, limit))


def some(size: Bounds, *, may_be_empty: bool = False) -> Bounds:
    """The size of a pool of which some stay: at least one of one or more, unless it `may_be_empty`."""
    return Bounds(0 if may_be_empty else min(size.low, 1), size.high)


def made_from(source: Bounds, count: int) -> Bounds:
    """The size of `count` new candidates made from a pool; an empty one gives none."""
    return Bounds(count if source.low > 0 else 0, count if source.high > 0 else 0)


def revised(source: Bounds, count: int) -> Bounds:
    """The size of `count` rewrites of every candidate; one that cannot be written again stays alone."""
    return Bounds(source.low, source.high * count)
