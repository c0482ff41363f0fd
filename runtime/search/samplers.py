"""Which way of choosing fits a space, and Optuna's samplers among them.

`tpe` (multivariate, grouped by conditions) for large or continuous spaces, `gp` for listed ones and few trials, `nsga2`
for several goals and many trials, `exhaustive` where everything can be tried; `random` and `greedy` to compare with.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

from ttscale.runtime.search.gp import MOST_LISTED, GaussianProposer, Price
from ttscale.runtime.search.proposers import ExhaustiveProposer, GreedyProposer, Proposer, RandomProposer
from ttscale.runtime.search.space import SearchSpace

PLACE = " (place)"
"""What is added to the name of a parameter of which Optuna sees the places of its values."""
GP_TRIALS = 200


def chosen(space: SearchSpace, goals: int, trials: int | None) -> str:
    """The sampler for a space, where nobody names one."""
    size = space.combinations
    if trials is not None and size <= trials:
        return "exhaustive"
    if size <= 16:
        return "exhaustive"
    if size <= MOST_LISTED and (trials is None or trials <= GP_TRIALS):
        return "gp"
    if goals > 1 and trials is not None and trials > GP_TRIALS:
        return "nsga2"
    return "tpe"


def proposer(
    name: str,
    space: SearchSpace,
    directions: Sequence[bool],
    seed: int,
    price: Price | None = None,
    first_price: Price | None = None,
) -> Proposer | None:
    """The way to choose of that name; None where it is one of Optuna's. Prices are of a question's new tokens."""
    match name:
        case "random":
            return RandomProposer(space, seed)
        case "exhaustive":
            return ExhaustiveProposer(space, seed)
        case "greedy":
            return GreedyProposer(space, directions)
        case "gp":
            return GaussianProposer(space, directions, seed, price, first_price)
    return None


def optuna_sampler(name: str, seed: int) -> Any:
    """Optuna's sampler of that name, None for the ways that are our own."""
    import optuna

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # `group` is marked as experimental
        if name == "tpe":
            return optuna.samplers.TPESampler(
                multivariate=True, group=True, constant_liar=True, seed=seed, warn_independent_sampling=False
            )
        if name == "nsga2":
            return optuna.samplers.NSGAIISampler(population_size=16, seed=seed)
    return None


def proposed_sampler(proposal: dict[str, object] | None = None) -> Any:
    """An Optuna sampler that gives the values it was made with, as Optuna's distributions have them."""
    import optuna

    told = dict(proposal or {})

    class Proposed(optuna.samplers.BaseSampler):
        def infer_relative_search_space(self, study: Any, trial: Any) -> dict[str, Any]:
            return {}

        def sample_relative(self, study: Any, trial: Any, search_space: Any) -> dict[str, Any]:
            return {}

        def sample_independent(self, study: Any, trial: Any, param_name: str, param_distribution: Any) -> Any:
            return told[param_name.removesuffix(PLACE)]

    return Proposed()
