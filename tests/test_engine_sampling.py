"""Drawing tokens: against a plain implementation that sorts everything."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ttscale.runtime.engines.base import Sampling
from ttscale.runtime.engines.llama.sampling import Sampler, uniform

VOCABULARY = 3000


def reference(row: np.ndarray, sampling: Sampling) -> np.ndarray:
    """Probabilities by the book: top_k, top_p, min_p, then temperature, over the sorted vocabulary."""
    logits = row.astype(np.float64)
    order = np.argsort(-logits, kind="stable")
    kept = order[: sampling.top_k] if sampling.top_k else order
    chances = np.exp(logits[kept] - logits.max())
    chances /= chances.sum()
    if sampling.top_p < 1:
        kept = kept[: int(np.searchsorted(np.cumsum(chances), sampling.top_p)) + 1]
        chances = chances[: len(kept)]
    if sampling.min_p:
        kept = kept[chances >= sampling.min_p * chances[0]]
    weights = np.exp((logits[kept] - logits.max()) / sampling.temperature)
    result = np.zeros(len(row))
    result[kept] = weights / weights.sum()
    return result


def rows(seed: int, scale: float) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, scale, VOCABULARY).astype(np.float32)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    scale=st.sampled_from([0.01, 1.0, 3.0, 8.0]),
    lift=st.sampled_from([0.0, -30.0, 45.0, 200.0, -500.0]),
    sampling=st.builds(
        Sampling,
        temperature=st.sampled_from([0.3, 0.8, 1.0, 1.7]),
        top_p=st.sampled_from([0.1, 0.5, 0.95, 0.999, 1.0]),
        top_k=st.sampled_from([0, 1, 5, 200, 5000]),
        min_p=st.sampled_from([0.0, 0.02, 0.3]),
    ),
)
def test_the_distribution_is_that_of_the_plain_way(seed: int, scale: float, lift: float, sampling: Sampling) -> None:
    row = rows(seed, scale) + np.float32(lift)
    expected = reference(row, sampling)
    distribution = Sampler(VOCABULARY).distribution(row, sampling)
    grid = (np.arange(4000) + 0.5) / 4000
    drawn = np.bincount([distribution.draw(float(number)) for number in grid], minlength=VOCABULARY) / len(grid)
    # Drawing on a regular grid gives every token its probability up to one step of the grid, at the edge of a
    # nucleus up to one token more or less by rounding.
    assert np.abs(drawn - expected).max() <= 2 / 4000 + expected[expected > 0].min()


def test_log_probabilities_are_those_of_the_untouched_model() -> None:
    row = rows(1, 3.0)
    exact = row.astype(np.float64) - row.max()
    exact -= np.log(np.exp(exact).sum())
    sampler = Sampler(VOCABULARY)
    narrow = sampler.distribution(row, Sampling(temperature=0.2, top_p=0.3, repeat_penalty=1.5), [int(row.argmax())])
    for token in (0, 17, int(row.argmax())):
        assert narrow.log_probability(token) == pytest.approx(exact[token], abs=2e-4)
    assert sampler.log_probabilities(row, [3, 4]) == pytest.approx([exact[3], exact[4]], abs=2e-4)


def test_greedy_is_argmax() -> None:
    sampler = Sampler(VOCABULARY)
    for seed in range(20):
        row = rows(seed, 2.0)
        assert sampler.distribution(row, Sampling(temperature=0)).draw(0.99) == int(row.argmax())


def test_repeat_penalty_moves_greedy_away() -> None:
    row = np.zeros(VOCABULARY, np.float32)
    row[7], row[8] = 2.0, 1.9
    greedy = Sampling(temperature=0, repeat_penalty=1.2)
    sampler = Sampler(VOCABULARY)
    assert sampler.distribution(row, greedy, [1, 2]).draw(0.5) == 7
    assert sampler.distribution(row, greedy, [7, 7]).draw(0.5) == 8
    assert sampler.distribution(row, greedy, [7, *[1] * 64]).draw(0.5) == 7  # out of the window


def test_uniform_numbers_depend_on_seed_and_place_only() -> None:
    numbers = np.array([[uniform(seed, index) for index in range(200)] for seed in range(200)])
    assert uniform(3, 5) == uniform(3, 5)
    assert len(np.unique(numbers)) == numbers.size
    assert numbers.min() >= 0 and numbers.max() < 1
    assert numbers.mean() == pytest.approx(0.5, abs=0.01)
    counts = np.histogram(numbers, bins=20, range=(0, 1))[0]
    assert ((counts - 2000) ** 2 / 2000).sum() < 60
    assert abs(np.corrcoef(numbers[:, :-1].ravel(), numbers[:, 1:].ravel())[0, 1]) < 0.02
    assert abs(np.corrcoef(numbers[:-1].ravel(), numbers[1:].ravel())[0, 1]) < 0.02
    assert 0 <= uniform(-1, 0) < 1 and 0 <= uniform(2**70, 0) < 1
