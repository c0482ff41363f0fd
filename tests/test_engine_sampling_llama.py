"""Drawing tokens: the distribution is that of llama.cpp's own samplers, setting by setting and together."""

from __future__ import annotations

import ctypes
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from ttscale.runtime.bank.keys import Draw
from ttscale.runtime.engines.base import Sampling
from ttscale.runtime.engines.llama.sampling import Sampler, draw_among, penalised
from ttscale.runtime.engines.llama.weights import native
from ttscale.runtime.seeds import sample_seed

VOCABULARY = 700
GRID = 3000


def theirs(row: np.ndarray, sampling: Sampling, recent: list[int]) -> np.ndarray:
    """The probabilities that llama.cpp's chain of samplers leaves, in its own order."""
    api: Any = native()
    chain = api.llama_sampler_chain_init(api.llama_sampler_chain_default_params())
    penalties = (sampling.repeat_penalty, sampling.frequency_penalty, sampling.presence_penalty)
    makes = api.llama_sampler_init_penalties
    sizes = (len(row),) if len(makes.argtypes) == 5 else ()  # newer ones want the vocabulary's size first
    parts = [
        makes(*sizes, sampling.penalty_window, *penalties),
        api.llama_sampler_init_top_k(sampling.top_k),
        api.llama_sampler_init_typical(sampling.typical_p, 1),
        api.llama_sampler_init_top_p(sampling.top_p, 1),
        api.llama_sampler_init_min_p(sampling.min_p, 1),
        api.llama_sampler_init_temp(sampling.temperature),
    ]
    for part in parts:
        api.llama_sampler_chain_add(chain, part)
    for token in recent:
        api.llama_sampler_accept(chain, token)
    data = np.zeros(len(row), dtype=[("id", "<i4"), ("logit", "<f4"), ("p", "<f4")])
    data["id"], data["logit"] = np.arange(len(row)), row
    pointer = ctypes.cast(data.ctypes.data, ctypes.POINTER(api.llama_token_data))
    array = api.llama_token_data_array(pointer, len(row), -1, False)
    api.llama_sampler_apply(chain, ctypes.byref(array))
    found = np.zeros(len(row))
    left = [(array.data[place].id, array.data[place].logit) for place in range(array.size)]
    api.llama_sampler_free(chain)
    most = max(logit for _, logit in left)
    for token, logit in left:
        found[token] = np.exp(float(logit) - float(most))
    return found / found.sum()


def ours(row: np.ndarray, sampling: Sampling, recent: list[int]) -> np.ndarray:
    """How often each token is drawn on a regular grid of uniform numbers."""
    distribution = Sampler(len(row)).distribution(row, sampling, recent)
    grid = (np.arange(GRID) + 0.5) / GRID
    return np.bincount([distribution.draw(float(number)) for number in grid], minlength=len(row)) / GRID


def rows(seed: int, scale: float) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, scale, VOCABULARY).astype(np.float32)


RECENT = [5, 9, 9, 3, 9, 5, 600, 601, 3, 3]
PLAIN = Sampling(temperature=1.0, top_p=1.0)


@pytest.mark.parametrize(
    "sampling",
    [
        replace(PLAIN, typical_p=0.2),
        replace(PLAIN, typical_p=0.7, temperature=0.6),
        replace(PLAIN, typical_p=0.95, temperature=1.6),
        replace(PLAIN, typical_p=0.9, top_p=0.8),
        replace(PLAIN, typical_p=0.6, top_k=40, top_p=0.95, min_p=0.05, temperature=0.8),
        replace(PLAIN, typical_p=0.99, min_p=0.02),
        replace(PLAIN, frequency_penalty=0.7),
        replace(PLAIN, presence_penalty=1.1),
        replace(PLAIN, frequency_penalty=-0.4, presence_penalty=-0.3),
        replace(PLAIN, repeat_penalty=1.4, frequency_penalty=0.5, presence_penalty=0.25),
        replace(PLAIN, repeat_penalty=1.2, frequency_penalty=0.5, penalty_window=4),
        replace(PLAIN, frequency_penalty=0.9, typical_p=0.8, top_p=0.9, top_k=100),
    ],
    ids=str,
)
@pytest.mark.parametrize("scale", [1.0, 3.5])
def test_it_is_that_of_the_samplers_of_llama_cpp(sampling: Sampling, scale: float) -> None:
    for seed in range(2):
        row = rows(seed, scale)
        expected, drawn = theirs(row, sampling, RECENT), ours(row, sampling, RECENT)
        # On a regular grid every token is drawn with its probability up to one step.
        assert np.abs(drawn - expected).max() <= 2 / GRID
        assert np.array_equal(expected > 2 / GRID, (drawn > 0) & (expected > 2 / GRID))


def test_a_typical_set_is_cut_where_the_sum_is_passed() -> None:
    # entropy of (.5, .25, .125, .125) is 1.213 nats; surprises .693, 1.386, 2.079: .25 is nearest, then .5, then .125
    row = np.log(np.array([0.5, 0.25, 0.125, 0.125], np.float32))
    for mass, kept in ((0.2, {1}), (0.3, {0, 1}), (0.74, {0, 1}), (0.8, {0, 1, 2}), (0.9, {0, 1, 2, 3})):
        drawn = ours(row, replace(PLAIN, typical_p=mass), [])
        assert {int(token) for token in np.flatnonzero(drawn)} == kept


def test_a_token_drawn_under_a_grammar_has_the_same_settings() -> None:
    row = rows(3, 2.0)
    sampling = replace(PLAIN, typical_p=0.5, frequency_penalty=0.6)
    used = penalised(row, sampling, RECENT)
    everything = np.arange(VOCABULARY)
    grid = (np.arange(400) + 0.5) / 400
    found = {draw_among(everything, used, sampling, float(number)) for number in grid}
    assert found <= set(np.flatnonzero(theirs(row, sampling, RECENT)).tolist())


def test_log_probabilities_and_greedy_with_penalties() -> None:
    row = np.zeros(VOCABULARY, np.float32)
    row[7], row[8] = 2.0, 1.9
    sampler = Sampler(VOCABULARY)
    for sampling, times, best in (
        (Sampling(0, presence_penalty=0.05), 3, 7),
        (Sampling(0, presence_penalty=0.2), 1, 8),
        (Sampling(0, frequency_penalty=0.05), 1, 7),
        (Sampling(0, frequency_penalty=0.05), 3, 8),
        (Sampling(0, frequency_penalty=0.05, penalty_window=1), 3, 7),
    ):
        found = sampler.distribution(row, sampling, [7] * times)
        assert found.draw(0.5) == best
        assert found.log_probability(7) == pytest.approx(sampler.log_probabilities(row, [7])[0])


def test_settings_that_are_not_set_leave_keys_and_seeds_as_they_were() -> None:
    plain = Sampling(0.7, 0.9, 40, 0.05, 1.1)
    assert list(plain.told()) == ["temperature", "top_p", "top_k", "min_p", "repeat_penalty"]
    assert sample_seed(1, "sha256:aa", "bb", plain, 0, 0, 2) == 3656621181808162017
    keys, seeds = {Draw("sha256:aa", "bb", plain).digest}, {sample_seed(1, "sha256:aa", "bb", plain, 0, 0, 2)}
    others = [{"typical_p": 0.9}, {"frequency_penalty": 0.1}, {"presence_penalty": 0.1}, {"penalty_window": 32}]
    for other in others:
        changed = replace(plain, **other)  # type: ignore[arg-type]
        keys.add(Draw("sha256:aa", "bb", changed).digest)
        seeds.add(sample_seed(1, "sha256:aa", "bb", changed, 0, 0, 2))
    assert len(keys) == len(seeds) == 1 + len(others)
