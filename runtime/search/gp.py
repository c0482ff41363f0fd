"""Bayesian optimisation with a Gaussian process over pipelines, and expected improvement, per token where that is
wanted.

Unlike Optuna's own it knows what cannot run, what is one pipeline twice, and what samples exist already. Numbers are
placed between 0 and 1, names are one-hot, a parameter that does not matter is in a place of its own. The kernel is
Matérn 5/2 with a length scale for each parameter, chosen by marginal likelihood. Several goals are weighed anew for
each proposal (ParEGO, Knowles 2006), so that the whole front is approached.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from statistics import NormalDist
from typing import Any

from ttscale.runtime.search.history import Tried, signed
from ttscale.runtime.search.proposers import unseen
from ttscale.runtime.search.space import SearchSpace

FIRST = 8
"""How many pipelines are tried at random before there is a model; more where there are many parameters."""
COMPARED = 8
"""Among how many of these at once the cheapest is taken."""
MOST_LISTED = 4_000
MOST_POINTS = 160
PRICED = 100
"""Of how many of the most promising pipelines the price is looked at."""
SCALES = (0.15, 0.3, 0.6, 1.2, 3.0)
NOISES = (1e-3, 1e-2, 1e-1)

Price = Callable[[dict[str, object]], float]


class GaussianProposer:
    """Proposes the pipeline of which most is expected; `price` gives its new tokens (None: all are alike)."""

    def __init__(
        self,
        space: SearchSpace,
        directions: Sequence[bool],
        seed: int,
        price: Price | None = None,
        first_price: Price | None = None,
    ) -> None:
        self._space, self._directions, self._seed, self._price = space, directions, seed, price
        self._first_price = first_price
        self._is_listed = space.combinations <= MOST_LISTED
        self._all = list(space.all()) if self._is_listed else []
        self._vectors: dict[tuple[tuple[str, object], ...], list[float]] = {}
        self._scales: tuple[Any, float] | None = None
        self._fit_again = 0
        self._parts: list[int] = []
        for place, axis in enumerate(space.axes.values()):
            width = 1 if axis.ordered else len(self._members(axis.values or ()))
            self._parts += [place] * (width + 1)

    def propose(self, history: Sequence[Tried]) -> dict[str, object] | None:
        source = random.Random(f"{self._seed}/{len(history)}")
        known = [t for t in history if t.values is not None and t.outcome in ("done", "pruned")]
        if len(known) < max(FIRST, len(self._space.axes) + 2):
            if not history:
                default = self._space.canonical(self._space.default)
                return default if not self._space.why_not(default) else unseen(self._space, history, source)
            return self._first(history, source)
        seen = {t.key for t in history}
        candidates = [own for own in self._candidates(known, source) if tuple(own.items()) not in seen]
        if not candidates:
            return unseen(self._space, history, source)
        for own in self._ranked(known, candidates, source):
            if not self._space.why_not(own):
                return own
        return unseen(self._space, history, source)

    def _first(self, history: Sequence[Tried], source: random.Random) -> dict[str, object] | None:
        """A pipeline at random, before there is a model: of several that need new samples the one that needs fewest.

        A small pool is the beginning of a larger one, so that little is lost where the larger one turns out better.
        """
        found = unseen(self._space, history, source)
        if found is None or self._first_price is None:
            return found
        seen = {tried.key for tried in history}
        drawn = [found, *(self._space.draw(source) for _ in range(COMPARED - 1))]
        able = [own for own in drawn if tuple(own.items()) not in seen and not self._space.why_not(own)]
        costly = [own for own in able if self._first_price(own) > 0]
        return min(costly, key=self._first_price, default=found)

    # --- candidates ------------------------------------------------------------------------------

    def _candidates(self, known: Sequence[Tried], source: random.Random) -> list[dict[str, object]]:
        if self._is_listed:
            return self._all
        drawn = [self._space.draw(source) for _ in range(300)]
        best = sorted(known, key=lambda t: signed(t.values or (), self._directions)[0], reverse=True)[:5]
        for tried in best:
            for _ in range(60):
                name = source.choice(list(self._space.axes))
                near = {**tried.assignment, name: self._space.axes[name].draw(source)}
                if not self._space.breaks_rule(near):
                    drawn.append(self._space.canonical(near))
        return list({tuple(own.items()): own for own in drawn}.values())

    def _members(self, values: Sequence[object]) -> list[object]:
        """The names that a categorical parameter's values are made of: members of sets, or the values themselves."""
        flat = [part for value in values for part in (value if isinstance(value, tuple) else (value,))]
        return list(dict.fromkeys(flat))

    def vector(self, assignment: dict[str, object]) -> list[float]:
        """The coordinates of a pipeline."""
        key = tuple(assignment.items())
        if key not in self._vectors:
            found: list[float] = []
            for name, axis in self._space.axes.items():
                is_there = name in assignment
                if axis.ordered:
                    found += [axis.place(assignment[name]) if is_there else 0.5]
                else:
                    own = assignment.get(name)
                    held = own if isinstance(own, tuple) else (own,)
                    found += [
                        0.6 * (member in held) if is_there else 0.0 for member in self._members(axis.values or ())
                    ]
                found.append(0.0 if is_there else 0.6)
            self._vectors[key] = found
        return self._vectors[key]

    # --- the model -------------------------------------------------------------------------------

    def _ranked(
        self, known: Sequence[Tried], candidates: list[dict[str, object]], source: random.Random
    ) -> list[dict[str, object]]:
        """The candidates, those from which most is expected first."""
        import numpy as np

        points = list(known)
        targets = self._targets(points, source)
        if len(points) > MOST_POINTS:
            best = sorted(range(len(points)), key=lambda i: -targets[i])[: MOST_POINTS // 2]
            chosen = sorted({*best, *range(len(points) - MOST_POINTS // 2, len(points))})
            points, targets = [points[i] for i in chosen], [targets[i] for i in chosen]
        x = np.array([self.vector(dict(t.assignment)) for t in points])
        y = np.array(targets)
        mean, spread = float(y.mean()), float(y.std()) or 1.0
        y = (y - mean) / spread
        if len(known) >= self._fit_again or self._scales is None:
            self._scales = _fitted(x, y, np.array(self._parts), len(self._space.axes))
            self._fit_again = len(known) + 1 + len(known) // 8
        model = _model(x, y, *self._scales)
        z = np.array([self.vector(own) for own in candidates])
        gains = _improvement(model, z, float(y.max()))
        order = sorted(range(len(candidates)), key=lambda i: (-float(gains[i]), source.random()))[:PRICED]
        if self._price is not None:
            prices = {i: self._price(candidates[i]) for i in order}
            paid = sorted(price for price in prices.values() if price > 0)
            usual = paid[len(paid) // 2] if paid else 1.0
            # What is free would divide by nothing: a tenth of a usual trial stands for the time that it takes.
            order.sort(key=lambda i: -float(gains[i]) / (prices[i] + 0.1 * usual))
        return [candidates[i] for i in order]

    def _targets(self, known: Sequence[Tried], source: random.Random) -> list[float]:
        """One number a trial: its only goal, or its goals weighed at random."""
        values = [signed(t.values or (), self._directions) for t in known]
        if len(self._directions) == 1:
            return [own[0] for own in values]
        lows = [min(column) for column in zip(*values, strict=True)]
        highs = [max(column) for column in zip(*values, strict=True)]
        draws = [source.expovariate(1.0) for _ in lows]
        weights = [draw / sum(draws) for draw in draws]
        scaled = [[(v - lo) / ((hi - lo) or 1) for v, lo, hi in zip(own, lows, highs, strict=True)] for own in values]
        return [
            min(w * (v - 1) for w, v in zip(weights, own, strict=True))
            + 0.05 * sum(w * v for w, v in zip(weights, own, strict=True))
            for own in scaled
        ]


def _kernel(a: Any, b: Any, scales: Any) -> Any:
    """Matérn 5/2 between the rows of two arrays."""
    import numpy as np

    u, v = a / scales, b / scales
    squared = np.maximum(0.0, (u * u).sum(1)[:, None] + (v * v).sum(1)[None, :] - 2 * u @ v.T)
    r = np.sqrt(5 * squared)
    return (1 + r + r * r / 3) * np.exp(-r)


def _model(x: Any, y: Any, scales: Any, noise: float) -> tuple[Any, ...]:
    """The observations, the root of their covariance, their weights, and the length scales."""
    import numpy as np

    lower = np.linalg.cholesky(_kernel(x, x, scales) + noise * np.eye(len(x)))
    return x, lower, np.linalg.solve(lower.T, np.linalg.solve(lower, y)), scales


def _fitted(x: Any, y: Any, parts: Any, count: int) -> tuple[Any, float]:
    """The length scale of each coordinate, alike within a parameter, and the noise under which `y` is likeliest."""
    import numpy as np

    def likelihood(own: list[float], noise: float) -> float:
        scales = np.array(own)[parts]
        covariance = _kernel(x, x, scales) + noise * np.eye(len(x))
        try:
            lower = np.linalg.cholesky(covariance)
        except np.linalg.LinAlgError:
            return -math.inf
        alpha = np.linalg.solve(lower.T, np.linalg.solve(lower, y))
        # Long scales are likelier before anything is seen: most parameters matter little.
        prior = -0.1 * float(np.sum(np.abs(np.log(np.array(own) / 1.2))))
        return float(-0.5 * y @ alpha - np.log(np.diag(lower)).sum()) + prior

    value, scale, noise = max((likelihood([s] * count, n), s, n) for s in SCALES for n in NOISES)
    own = [scale] * count
    for _ in range(2):
        for place in range(count):
            for other in SCALES:
                if other == own[place]:
                    continue
                tried = [*own[:place], other, *own[place + 1 :]]
                found = likelihood(tried, noise)
                if found > value:
                    value, own = found, tried
    return np.array(own)[parts], noise


def _improvement(model: tuple[Any, ...], z: Any, best: float) -> Any:
    """The expected improvement over the best so far of each row of `z`."""
    import numpy as np

    x, lower, alpha, scales = model
    cross = _kernel(z, x, scales)
    mean = cross @ alpha
    solved = np.linalg.solve(lower, cross.T)
    deviation = np.sqrt(np.maximum(1e-12, 1 - (solved * solved).sum(0)))
    score = (mean - best) / deviation
    normal = NormalDist()
    cdf = np.array([normal.cdf(float(s)) for s in score])
    density = np.exp(-0.5 * score * score) / np.sqrt(2 * np.pi)
    return deviation * (score * cdf + density)
