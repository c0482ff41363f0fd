"""Planners: what recorded samples say about how many to draw, how to check them, and which rule to use where.

    law = fit_power_law([1, 2, 4, 8], coverage)       # coverage(k) = exp(a k^b)
    law.samples_for(0.9)                              # how many samples reach 90%
    fit_saturation([1, 2, 4, 8], coverage).enough(0.005)
    optimal_attempts(tasks, Verifier(1.0, 0.75), right=1, wrong=-2).attempts
    plan_pool(read_pool("pool.jsonl"))                # all of it for one pool, as `ttscale fit` prints it

All are pure functions of numbers; none asks a model.
"""

from ttscale.runtime.planners.allocation import Allocation, fit_allocation
from ttscale.runtime.planners.attempts import (
    Attempts,
    Task,
    Verifier,
    accepted_accuracy,
    beliefs,
    measured_verifier,
    notebook_values,
    optimal_attempts,
    precision_bound,
)
from ttscale.runtime.planners.coverage import PowerLaw, coverage_curve, expected_best_of_k, fit_power_law
from ttscale.runtime.planners.difficulty import Table, level, quantile_bins, strategy_table
from ttscale.runtime.planners.pool_plan import PlannerError, plan_pool
from ttscale.runtime.planners.saturation import Saturation, fit_saturation
from ttscale.runtime.planners.verifying import (
    Split,
    best_split,
    cost_in_solutions,
    fit_split_law,
    flops,
    split_by_law,
    yes_probability,
)
from ttscale.runtime.strategies.judgements import verdict_mean
from ttscale.runtime.strategies.measures import best_of_k, pass_at_k

__all__ = [
    "Allocation",
    "Attempts",
    "PlannerError",
    "PowerLaw",
    "Saturation",
    "Split",
    "Table",
    "Task",
    "Verifier",
    "accepted_accuracy",
    "beliefs",
    "best_of_k",
    "best_split",
    "cost_in_solutions",
    "coverage_curve",
    "expected_best_of_k",
    "fit_allocation",
    "fit_power_law",
    "fit_saturation",
    "fit_split_law",
    "flops",
    "level",
    "measured_verifier",
    "notebook_values",
    "optimal_attempts",
    "pass_at_k",
    "plan_pool",
    "precision_bound",
    "quantile_bins",
    "split_by_law",
    "strategy_table",
    "verdict_mean",
    "yes_probability",
]
