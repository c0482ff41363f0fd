"""Metrics: whether an answer is right, a user's own measure, and how sure a mean is."""

from ttscale.runtime.metrics.correctness import accuracy, gold_key, is_correct
from ttscale.runtime.metrics.declared import evaluate_metric
from ttscale.runtime.metrics.errors import MetricError
from ttscale.runtime.metrics.intervals import paired_bootstrap, wilson

__all__ = ["MetricError", "accuracy", "evaluate_metric", "gold_key", "is_correct", "paired_bootstrap", "wilson"]
