"""Selection rules: pure functions over pools, used by runs and by replays of recorded samples alike.

    outcome = apply_stage("vote", {"weight": Strategy("likelihood")}, pool)
    outcome.pool          # at most one candidate
    outcome.picked        # its position in the pool that came in

Numbers come from `sources`, picks from `choosing`, pruning from `mixture`, measures of pools from `measures`.
"""

from ttscale.runtime.strategies.applying import Outcome, apply_stage, class_ids, item_type
from ttscale.runtime.strategies.choosing import (
    Choice,
    best_of_majority,
    first,
    frequent_classes,
    highest,
    majority_of_bests,
    min_max,
    vote,
    weighted_best_of_n,
)
from ttscale.runtime.strategies.measures import agreement, best_of_k, margin, mean_at_k, pass_at_k, readable_share
from ttscale.runtime.strategies.mixture import Mixture, Pruning, fit_mixture, likelihood_mixture
from ttscale.runtime.strategies.sources import StrategyError, aggregate, numbers

__all__ = [
    "Choice",
    "Mixture",
    "Outcome",
    "Pruning",
    "StrategyError",
    "aggregate",
    "agreement",
    "apply_stage",
    "best_of_k",
    "best_of_majority",
    "class_ids",
    "first",
    "fit_mixture",
    "frequent_classes",
    "highest",
    "item_type",
    "likelihood_mixture",
    "majority_of_bests",
    "margin",
    "mean_at_k",
    "min_max",
    "numbers",
    "pass_at_k",
    "readable_share",
    "vote",
    "weighted_best_of_n",
]
