"""What is tried next, without Optuna: at random, all of it, or greedily. `gp` has the model-based way.

A proposer is given all that was tried, by every worker, and gives an assignment that was not, or None where there is
nothing left. All are repeatable: a seed and a history decide.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Protocol

from ttscale.runtime.search.history import Tried, signed
from ttscale.runtime.search.prices import Prices
from ttscale.runtime.search.space import SearchSpace

DRAWS = 200
"""How often a random proposal is drawn again because it was tried."""
COMPARED = 64
"""Among how many pipelines the cheapest is looked for."""


class Proposer(Protocol):
    """A way to choose what is tried next."""

    def propose(self, history: Sequence[Tried]) -> dict[str, object] | None:
        """An assignment that is not in the history and can run; None where there is none left."""
        ...


def unseen(space: SearchSpace, history: Sequence[Tried], source: random.Random) -> dict[str, object] | None:
    """A pipeline at random that was not tried; a listed space is gone through where drawing finds none."""
    seen = {tried.key for tried in history}
    for _ in range(DRAWS):
        drawn = space.draw(source)
        if tuple(drawn.items()) not in seen and not space.why_not(drawn):
            return drawn
    if space.combinations > DRAWS * 100:
        return None
    left = [own for own in space.all() if tuple(own.items()) not in seen]
    source.shuffle(left)
    return next((own for own in left if not space.why_not(own)), None)


class RandomProposer:
    """Uniformly at random, each pipeline once."""

    def __init__(self, space: SearchSpace, seed: int) -> None:
        self._space, self._seed = space, seed

    def propose(self, history: Sequence[Tried]) -> dict[str, object] | None:
        return unseen(self._space, history, random.Random(f"{self._seed}/{len(history)}"))


class ExhaustiveProposer:
    """Every pipeline of a listed space, each time the one that needs the fewest tokens that are not there yet."""

    def __init__(self, space: SearchSpace, seed: int) -> None:
        self._space = space
        self._all = list(space.all())
        random.Random(seed).shuffle(self._all)
        self._prices = Prices()
        self._added = 0

    def propose(self, history: Sequence[Tried]) -> dict[str, object] | None:
        for tried in history[self._added :]:
            if tried.outcome != "failed":
                self._prices.add(self._space.price(tried.assignment))
        self._added = len(history)
        seen = {tried.key for tried in history}
        left = [own for own in self._all if tuple(own.items()) not in seen]
        left = [own for own in left[:COMPARED] if not self._space.why_not(own)] or [
            own for own in left if not self._space.why_not(own)
        ][:1]
        return min(left, key=lambda own: self._prices.of(self._space.price(own))[1], default=None)


class GreedyProposer:
    """One parameter after the other: each takes its best value with the others as they are, until a round changes none.

    After the inference-time architecture search of Archon (Saad-Falcon and others 2024), which settles one kind of
    layer after the other. It ends by itself, perhaps in a local optimum.
    """

    def __init__(self, space: SearchSpace, directions: Sequence[bool]) -> None:
        self._space, self._directions = space, directions

    def propose(self, history: Sequence[Tried]) -> dict[str, object] | None:
        results = {t.key: signed(t.values, self._directions) for t in history if t.values is not None}
        seen = {t.key for t in history}
        best = self._space.canonical(self._space.default)
        if tuple(best.items()) not in seen:
            return best
        settled = 0
        names = [name for name in self._space.order]
        place = 0
        while settled < len(names):
            name = names[place % len(names)]
            place += 1
            tries = [self._with(best, name, value) for value in self._values(name)]
            for own in tries:
                if tuple(own.items()) not in seen and not self._space.why_not(own):
                    return own
            known = [(results[key][0], own) for own in tries if (key := tuple(own.items())) in results]
            top = max(known, key=lambda pair: pair[0], default=None)
            current = results.get(tuple(best.items()))
            if top is not None and (current is None or top[0] > current[0]):
                best, settled = top[1], 1
            else:
                settled += 1
        return None

    def _values(self, name: str) -> tuple[object, ...]:
        axis = self._space.axes[name]
        return axis.values if axis.values is not None else axis.domain.values()

    def _with(self, best: dict[str, object], name: str, value: object) -> dict[str, object]:
        return self._space.canonical({**best, name: value})
