"""Draw tokens from rows of logits, with numpy, and tell their probabilities.

Sorting a vocabulary of 150,000 for top_p costs more than computing the row, so a threshold first finds the few
tokens that can matter: whatever has less than (1 - top_p) / vocabulary cannot be in the nucleus. The uniform
number for token t is a function of (seed, t), so that resuming or forking a sample needs no generator state.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from ttscale.runtime.engines.base import Sampling

Floats = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int64]

BLOCK = 256
FOLD = 64
GUESSES = (32, 2048)  # the first thresholds assume that this many tokens share the tail
REACHES = (0.5, 1.0, 2.0, 4.0)  # nats from the entropy, in which a typical set is looked for
SAFE = 60.0  # logits up to here can be exponentiated in 32 bits without subtracting the largest
LOG2_E = np.float32(math.log2(math.e))
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


def penalised(row: Floats, sampling: Sampling, recent: Sequence[int]) -> Floats:
    """The logits after the penalties for tokens that were there before: the row itself where there are none.

    A logit is divided by `repeat_penalty` (multiplied where it is negative; Keskar and others 2019, arXiv 1909.05858),
    then loses `frequency_penalty` for every time the token is in the window, and `presence_penalty` once.
    """
    if not (sampling.penalises and recent and sampling.penalty_window > 0):
        return row
    used = row.copy()
    window, times = np.unique(np.asarray(recent[-sampling.penalty_window :], np.int64), return_counts=True)
    chosen = used[window]
    chosen = np.where(chosen > 0, chosen / sampling.repeat_penalty, chosen * sampling.repeat_penalty)
    used[window] = chosen - times * sampling.frequency_penalty - sampling.presence_penalty
    return used


def draw_among(tokens: Indices, row: Floats, sampling: Sampling, number: float) -> int:
    """The token at this uniform number if these tokens were all there are, with all settings of `sampling`.

    `row` are logits after penalties. Uses no buffer of the sampler.
    """
    few = row[tokens].astype(np.float64)
    order = np.argsort(-few, kind="stable")
    tokens, few = tokens[order], few[order]
    if sampling.temperature <= 0:
        return int(tokens[0])
    kept = np.exp(few - few[0])
    if sampling.top_k:
        tokens, kept = tokens[: sampling.top_k], kept[: sampling.top_k]
    if sampling.typical_p < 1:
        tokens, kept = _typical(tokens, kept, sampling.typical_p)
    tokens, kept = _nucleus(tokens, kept, float(kept.sum()), sampling)
    cumulative = np.cumsum(kept ** (1.0 / sampling.temperature))
    place = int(np.searchsorted(cumulative, number * float(cumulative[-1]), side="right"))
    return int(tokens[min(place, len(tokens) - 1)])


def _typical(tokens: Indices, kept: npt.NDArray[np.float64], mass: float) -> tuple[Indices, npt.NDArray[np.float64]]:
    """The locally typical set (Meister and others 2023, arXiv 2202.00666) of tokens in order of their weights.

    Tokens whose surprise, -ln p in nats, is nearest to the entropy of all, the fewest whose probabilities sum to more
    than `mass`; at a tie the likelier one, then the earlier.
    """
    chances = kept / kept.sum()
    surprise = -np.log(np.maximum(chances, 1e-300))
    distance = np.abs(surprise - float(np.dot(chances, surprise)))
    return _nearest(tokens, kept, distance, mass * float(kept.sum()))


def _nearest(
    tokens: Indices, kept: npt.NDArray[np.float64], distance: npt.NDArray[np.float64], wanted: float
) -> tuple[Indices, npt.NDArray[np.float64]]:
    """The fewest tokens by distance whose weights sum to more than is wanted, in the order in which they were given."""
    order = np.argsort(distance, kind="stable")
    count = int(np.searchsorted(np.cumsum(kept[order]), wanted, side="right")) + 1
    chosen = np.sort(order[:count])
    return tokens[chosen], kept[chosen]


def _nucleus(
    tokens: Indices, kept: npt.NDArray[np.float64], total: float, sampling: Sampling
) -> tuple[Indices, npt.NDArray[np.float64]]:
    """What top_p and min_p leave of tokens that are in order of their weights."""
    if sampling.top_p < 1:
        count = int(np.searchsorted(np.cumsum(kept), sampling.top_p * total, side="left")) + 1
        tokens, kept = tokens[:count], kept[:count]
    if sampling.min_p > 0:
        count = max(1, int((kept >= sampling.min_p * kept[0]).sum()))
        tokens, kept = tokens[:count], kept[:count]
    return tokens, kept


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

    @property
    def row(self) -> Floats:
        """The logits."""
        return self._row

    def likeliest(self, count: int) -> tuple[tuple[int, float], ...]:
        """So many of the likeliest tokens with their log-probabilities, the likeliest first, at a tie the lower id."""
        count = min(count, len(self._row))
        found = np.sort(np.argpartition(-self._row, count - 1)[:count])
        order = found[np.argsort(-self._row[found], kind="stable")]
        return tuple((int(token), self.log_probability(int(token))) for token in order)

    def log_probability(self, token: int) -> float:
        """Natural log of the token's probability at temperature 1, without penalties and truncation."""
        return min(0.0, float(self._row[token]) - self._base)


@dataclass(frozen=True, slots=True)
class _Soft:
    """One row after the exponential: weights proportional to probabilities, in a reused buffer.

    `peak` is the largest weight, `total` their sum, `shift` what was subtracted from the logits before, and
    `columns` the largest logit of each column when the row is folded into FOLD lines.
    """

    weights: Floats
    columns: Floats
    peak: float
    total: float
    shift: float

    @property
    def base(self) -> float:
        """What to subtract from a logit for its log-probability."""
        return self.shift + math.log(self.total)


class Sampler:
    """Reused buffers for one vocabulary size; not for two threads at once."""

    def __init__(self, vocabulary: int) -> None:
        self._size = vocabulary
        self._width = vocabulary // FOLD
        self._weights = np.empty(vocabulary, np.float32)
        self._other = np.empty(vocabulary, np.float32)
        self._columns = np.empty(self._width, np.float32)
        self._ones = np.ones(vocabulary, np.float32)
        self._starts: Indices = np.arange(0, vocabulary, BLOCK)

    def distribution(self, row: Floats, sampling: Sampling, recent: Sequence[int] = ()) -> Distribution:
        """What to draw from, valid until the next call. `recent` are tokens that penalties apply to."""
        soft = self._soften(row)
        base = soft.base
        used = penalised(row, sampling, recent)
        if used is not row:
            soft = self._soften(used)
        if sampling.temperature <= 0:
            best: Indices = np.array([int(used.argmax())])
            return Distribution(row, base, best, np.ones(1))
        if not sampling.top_k and sampling.top_p >= 1 and sampling.min_p <= 0 and sampling.typical_p >= 1:
            return self._whole(row, base, soft, sampling.temperature)
        if sampling.typical_p < 1 and not sampling.top_k:
            tokens, kept = self._typical(soft, used, sampling.typical_p)
            tokens, kept = _nucleus(tokens, kept, float(kept.sum()), sampling)
        else:
            tokens, kept = self._truncate(soft, sampling)
        if sampling.temperature != 1:
            kept = (kept / kept[0]) ** (1.0 / sampling.temperature)
        return Distribution(row, base, tokens, np.cumsum(kept))

    def log_probabilities(self, row: Floats, tokens: Sequence[int]) -> list[float]:
        """Log-probabilities of some tokens at temperature 1."""
        base = self._soften(row).base
        return [min(0.0, float(row[token]) - base) for token in tokens]

    def _soften(self, row: Floats) -> _Soft:
        """Exponentiate a row; powers of two take half the time of powers of e."""
        width, out = self._width, self._weights
        folded = width * FOLD
        row[:folded].reshape(FOLD, width).max(0, out=self._columns, initial=-math.inf)
        top = max(float(self._columns.max(initial=-math.inf)), float(row[folded:].max(initial=-math.inf)))
        shift = 0.0
        if abs(top) > SAFE:
            shift = top
            np.subtract(row, np.float32(top), out=out)
            np.multiply(out, LOG2_E, out=out)
        else:
            np.multiply(row, LOG2_E, out=out)
        np.exp2(out, out=out)
        return _Soft(out, self._columns, math.exp(top - shift), float(np.dot(out, self._ones)), shift)

    def _whole(self, row: Floats, base: float, soft: _Soft, temperature: float) -> Distribution:
        weights = soft.weights
        if temperature != 1:
            np.divide(weights, np.float32(soft.peak), out=self._other)
            weights = np.power(self._other, np.float32(1.0 / temperature), out=self._other)
        sums = np.add.reduceat(weights, self._starts)
        return Distribution(row, base, None, np.cumsum(sums, dtype=np.float64), weights, self._starts)

    def _truncate(self, soft: _Soft, sampling: Sampling) -> tuple[Indices, npt.NDArray[np.float64]]:
        """Tokens that survive top_k, top_p and min_p, most likely first, with their weights."""
        found = self._candidates(soft, sampling)
        few = soft.weights[found]
        order = np.argsort(-few, kind="stable")
        tokens = found[order]
        kept = few[order].astype(np.float64)
        total = soft.total
        if sampling.top_k:
            tokens, kept = tokens[: sampling.top_k], kept[: sampling.top_k]
            if sampling.typical_p < 1:
                tokens, kept = _typical(tokens, kept, sampling.typical_p)
            total = float(kept.sum())
        return _nucleus(tokens, kept, total, sampling)

    def _typical(self, soft: _Soft, row: Floats, mass: float) -> tuple[Indices, npt.NDArray[np.float64]]:
        """The typical set of the whole vocabulary, most likely first, with weights; sorts only what is near.

        The entropy is ln(sum w) - sum(w ln w) / sum w, where ln w is the logit less what was subtracted from it.
        """
        logs = np.maximum(np.subtract(row, np.float32(soft.shift), out=self._other), np.float32(-200.0))
        mean = float(np.dot(soft.weights, logs)) / soft.total
        distance = np.abs(logs - np.float32(mean))  # of -ln p and the entropy: ln(sum w) is in both
        wanted = mass * soft.total
        found: Indices = np.arange(self._size)
        for reach in REACHES:
            near = np.flatnonzero(distance <= reach)
            if float(soft.weights[near].sum(dtype=np.float64)) > wanted * (1 + 1e-6):
                found = near
                break
        few = soft.weights[found]
        order = found[np.argsort(-few, kind="stable")]
        return _nearest(order, soft.weights[order].astype(np.float64), distance[order].astype(np.float64), wanted)

    def _candidates(self, soft: _Soft, sampling: Sampling) -> Indices:
        """Every token that can survive, and not many more."""
        if sampling.top_k:
            return self._at_least(soft, sampling.top_k)
        if sampling.top_p >= 1:
            return self._above(soft, min(1.0, sampling.min_p * 0.999) * soft.peak)
        spare = (1.0 - sampling.top_p) * soft.total
        for share in GUESSES:
            found = self._above(soft, spare / share)
            if len(found) and float(soft.weights[found].sum(dtype=np.float64)) >= sampling.top_p * soft.total * (
                1 + 1e-6
            ):
                return found
        return self._above(soft, min(0.999 * soft.peak, 0.99 * spare / self._size))

    def _above(self, soft: _Soft, cut: float) -> Indices:
        """Tokens with at least this weight, in order; looks only at columns that have one."""
        weights, width = soft.weights, self._width
        if cut <= 0:
            return np.arange(self._size)
        columns = np.flatnonzero(soft.columns >= np.float32(math.log(cut) + soft.shift - 1e-3))
        if len(columns) * 4 > width:
            return np.flatnonzero(weights >= cut)
        folded = width * FOLD
        lines, places = np.nonzero(weights[:folded].reshape(FOLD, width)[:, columns] >= cut)
        found = lines * width + columns[places]
        if folded < self._size:
            found = np.concatenate([found, folded + np.flatnonzero(weights[folded:] >= cut)])
        return found

    def _at_least(self, soft: _Soft, count: int) -> Indices:
        """At least this many of the most likely tokens."""
        if count >= self._size:
            return np.arange(self._size)
        for floor in (1e-2, 1e-4, 1e-7):
            found = self._above(soft, floor * soft.peak)
            if len(found) >= count:
                return found
        least = np.partition(soft.weights, self._size - count)[self._size - count]
        return np.flatnonzero(soft.weights >= least)
