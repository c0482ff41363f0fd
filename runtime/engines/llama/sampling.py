"""Draw tokens from rows of logits, with numpy, and tell their probabilities.

Sorting a vocabulary of 150,000 for top_p costs more than computing the row, so a threshold first finds the few
tokens that can matter: whatever has less than (1 - top_p) / vocabulary cannot be in the nucleus. The uniform
number for token t is a function of (seed, t), so that resuming or forking a sample needs no generator state.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from ttscale.runtime.engines.base import Sampling

Floats = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int64]

PENALTY_WINDOW = 64  # tokens that repeat_penalty looks back on
BLOCK = 256
GUESS = 2048  # the first threshold assumes that this many tokens share the tail
MASK = (1 << 64) - 1
GOLDEN = 0x9E3779B97F4A7C15


def _mix(value: int) -> int:
    """The finaliser of SplitMix64 (Steele, Lea, Flood 2014)."""
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & MASK
    return value ^ (value >> 31)


def uniform(seed: int, index: int) -> float:
    """The number in [0, 1) that draws token `index` of the sample with this seed."""
    state = _mix((seed + GOLDEN) & MASK)
    return (_mix((state + (index + 1) * GOLDEN) & MASK) >> 11) * 2.0**-53


class Distribution:
    """What one row of logits says: a way to draw, and the model's own log-probabilities."""

    __slots__ = ("_base", "_cumulative", "_row", "_starts", "_tokens", "_weights")

    def __init__(
        self,
        row: Floats,
        base: float,
        tokens: Indices | None,
        cumulative: npt.NDArray[np.float64],
        weights: Floats | None = None,
        starts: Indices | None = None,
    ) -> None:
        self._row = row
        self._base = base
        self._tokens = tokens
        self._cumulative = cumulative
        self._weights = weights
        self._starts = starts

    def draw(self, number: float) -> int:
        """The token at this uniform number."""
        cumulative = self._cumulative
        target = number * float(cumulative[-1])
        place = min(int(np.searchsorted(cumulative, target, side="right")), len(cumulative) - 1)
        if self._weights is None:
            assert self._tokens is not None
            return int(self._tokens[place])
        assert self._starts is not None
        start = int(self._starts[place])
        inner = np.cumsum(self._weights[start : start + BLOCK], dtype=np.float64)
        rest = target - (float(cumulative[place - 1]) if place else 0.0)
        offset = min(int(np.searchsorted(inner, rest, side="right")), len(inner) - 1)
        return start + offset

    def log_probability(self, token: int) -> float:
        """Natural log of the token's probability at temperature 1, without penalties and truncation."""
        return min(0.0, float(self._row[token]) - self._base)


class Sampler:
    """Reused buffers for one vocabulary size; not for two threads at once."""

    def __init__(self, vocabulary: int) -> None:
        self._weights = np.empty(vocabulary, np.float32)
        self._other = np.empty(vocabulary, np.float32)
        self._ones = np.ones(vocabulary, np.float32)
        self._starts: Indices = np.arange(0, vocabulary, BLOCK)
        self._size = vocabulary

    def distribution(self, row: Floats, sampling: Sampling, recent: Sequence[int] = ()) -> Distribution:
        """What to draw from, valid until the next call. `recent` are tokens that repeat_penalty applies to."""
        weights, total, base = self._soften(row, self._weights)
        if sampling.repeat_penalty != 1.0 and recent:
            penalised = row.copy()
            window = np.unique(np.asarray(recent[-PENALTY_WINDOW:], np.int64))
            chosen = penalised[window]
            penalised[window] = np.where(chosen > 0, chosen / sampling.repeat_penalty, chosen * sampling.repeat_penalty)
            weights, total, _ = self._soften(penalised, self._weights)
        if sampling.temperature <= 0:
            best: Indices = np.array([int(weights.argmax())])
            return Distribution(row, base, best, np.ones(1))
        if not sampling.top_k and sampling.top_p >= 1 and sampling.min_p <= 0:
            return self._whole(row, base, weights, sampling.temperature)
        tokens, kept = self._truncate(weights, total, sampling)
        if sampling.temperature != 1:
            kept = kept ** (1.0 / sampling.temperature)
        return Distribution(row, base, tokens, np.cumsum(kept))

    def log_probabilities(self, row: Floats, tokens: Sequence[int]) -> list[float]:
        """Log-probabilities of some tokens at temperature 1."""
        _, _, base = self._soften(row, self._weights)
        return [min(0.0, float(row[token]) - base) for token in tokens]

    def _soften(self, row: Floats, out: Floats) -> tuple[Floats, float, float]:
        """exp(row - max), its sum, and max + log(sum)."""
        top = row.max()
        np.subtract(row, top, out=out)
        np.exp(out, out=out)
        total = float(np.dot(out, self._ones))
        return out, total, float(top) + math.log(total)

    def _whole(self, row: Floats, base: float, weights: Floats, temperature: float) -> Distribution:
        if temperature != 1:
            np.power(weights, 1.0 / temperature, out=self._other)
            weights = self._other
        sums = np.add.reduceat(weights, self._starts)
        return Distribution(row, base, None, np.cumsum(sums, dtype=np.float64), weights, self._starts)

    def _truncate(self, weights: Floats, total: float, sampling: Sampling) -> tuple[Indices, npt.NDArray[np.float64]]:
        """Tokens that survive top_k, top_p and min_p, most likely first, with their weights."""
        found = self._candidates(weights, total, sampling)
        few = weights[found]
        order = np.argsort(-few, kind="stable")
        tokens = found[order]
        kept = few[order].astype(np.float64)
        if sampling.top_k:
            tokens, kept = tokens[: sampling.top_k], kept[: sampling.top_k]
            total = float(kept.sum())
        if sampling.top_p < 1:
            count = int(np.searchsorted(np.cumsum(kept), sampling.top_p * total, side="left")) + 1
            tokens, kept = tokens[:count], kept[:count]
        if sampling.min_p > 0:
            count = max(1, int((kept >= sampling.min_p).sum()))
            tokens, kept = tokens[:count], kept[:count]
        return tokens, kept

    def _candidates(self, weights: Floats, total: float, sampling: Sampling) -> Indices:
        """Every token that can survive, and not many more; the largest weight is 1."""
        if sampling.top_k:
            return self._at_least(weights, sampling.top_k)
        if sampling.top_p >= 1:
            return np.flatnonzero(weights >= sampling.min_p)
        spare = (1.0 - sampling.top_p) * total
        found = np.flatnonzero(weights >= spare / GUESS)
        if len(found) and float(weights[found].sum(dtype=np.float64)) >= sampling.top_p * total * (1 + 1e-6):
            return found
        return np.flatnonzero(weights >= min(1.0, 0.99 * spare / self._size))

    def _at_least(self, weights: Floats, count: int) -> Indices:
        if count >= self._size:
            return np.arange(self._size)
        for floor in (1e-3, 1e-6):
            found = np.flatnonzero(weights >= floor)
            if len(found) >= count:
                return found
        least = np.partition(weights, self._size - count)[self._size - count]
        return np.flatnonzero(weights >= least)
