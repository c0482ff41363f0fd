"""Selection rules: pure functions over pools, used by runs and by replays of recorded samples alike.

    outcome = apply_stage("vote", {"weight": Strategy("likelihood")}, pool)
    outcome.pool          # at most one candidate
    outcome.picked        # its position in the pool that came in

Which functions a rule's name stands for is in `sources` (numbers), `picks` and `keeps`; each of these calls pure
functions of plain data: `choosing`, `weights`, `confidence`, `features`, `consensus`, `tournament`, `abduction`,
`mixture`, `restarts`. Measures of pools are in `measures`.
"""

from ttscale.runtime.strategies.abduction import abduce, inconsistency
from ttscale.runtime.strategies.applying import Outcome, apply_stage, class_ids, item_type
from ttscale.runtime.strategies.choosing import (
    Choice,
    adaptive,
    best_of_majority,
    first,
    frequent_classes,
    highest,
    majority,
    majority_of_bests,
    vote,
    weighted_best_of_n,
)
from ttscale.runtime.strategies.confidence import confidence, group_means, surest
from ttscale.runtime.strategies.consensus import expected_utility, token_f1
from ttscale.runtime.strategies.features import Features, features_of, linear, shortest
from ttscale.runtime.strategies.measures import agreement, best_of_k, margin, mean_at_k, pass_at_k, readable_share
from ttscale.runtime.strategies.mixture import Mixture, Pruning, fit_mixture, likelihood_mixture
from ttscale.runtime.strategies.restarts import no_better, temperature_of, tries_used
from ttscale.runtime.strategies.sources import StrategyError, aggregate, numbers
from ttscale.runtime.strategies.tournament import Strengths, both_orders, bradley_terry, reputations, tournament
from ttscale.runtime.strategies.weights import borda, by_rank, min_max, relative_likelihoods

__all__ = [
    "Choice",
    "Features",
    "Mixture",
    "Outcome",
    "Pruning",
    "StrategyError",
    "Strengths",
    "abduce",
    "adaptive",
    "aggregate",
    "agreement",
    "apply_stage",
    "best_of_k",
    "best_of_majority",
    "borda",
    "both_orders",
    "bradley_terry",
    "by_rank",
    "class_ids",
    "confidence",
    "expected_utility",
    "features_of",
    "first",
    "fit_mixture",
    "frequent_classes",
    "group_means",
    "highest",
    "inconsistency",
    "item_type",
    "likelihood_mixture",
    "linear",
    "majority",
    "majority_of_bests",
    "margin",
    "mean_at_k",
    "min_max",
    "no_better",
    "numbers",
    "pass_at_k",
    "readable_share",
    "relative_likelihoods",
    "reputations",
    "shortest",
    "surest",
    "temperature_of",
    "token_f1",
    "tournament",
    "tries_used",
    "vote",
    "weighted_best_of_n",
]
