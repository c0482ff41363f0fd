"""Metrics: whether an answer is right, measures of one's own, and figures over many answers. See docs/metrics.md."""

from ttscale.runtime.metrics.classes import (
    ClassFigures,
    Confusion,
    confusion,
    log_loss,
    macro_f1,
    per_class,
)
from ttscale.runtime.metrics.comparison import (
    Comparison,
    McNemar,
    Variance,
    compare,
    holm,
    mcnemar,
    smallest_difference,
    smallest_mean_difference,
    variance_parts,
)
from ttscale.runtime.metrics.confidence import Bin, accuracy_at_coverage, auc, brier, ece, reliability
from ttscale.runtime.metrics.correctness import accuracy, gold_key, is_correct
from ttscale.runtime.metrics.declared import evaluate_metric
from ttscale.runtime.metrics.errors import MetricError
from ttscale.runtime.metrics.grading import Grade, Metric, grade
from ttscale.runtime.metrics.intervals import mean_interval, mean_of_k, paired_bootstrap, wilson
from ttscale.runtime.metrics.judge import Ruling, asker, load_judge, prefer
from ttscale.runtime.metrics.named import NAMES, declared_metric, metric_named
from ttscale.runtime.strategies.measures import best_of_k, mean_at_k, pass_at_k

__all__ = [
    "NAMES",
    "Bin",
    "ClassFigures",
    "Comparison",
    "Confusion",
    "Grade",
    "McNemar",
    "Metric",
    "MetricError",
    "Ruling",
    "Variance",
    "accuracy",
    "accuracy_at_coverage",
    "asker",
    "auc",
    "best_of_k",
    "brier",
    "compare",
    "confusion",
    "declared_metric",
    "ece",
    "evaluate_metric",
    "gold_key",
    "grade",
    "holm",
    "is_correct",
    "load_judge",
    "log_loss",
    "macro_f1",
    "mcnemar",
    "mean_at_k",
    "mean_interval",
    "mean_of_k",
    "metric_named",
    "paired_bootstrap",
    "pass_at_k",
    "per_class",
    "prefer",
    "reliability",
    "smallest_difference",
    "smallest_mean_difference",
    "variance_parts",
    "wilson",
]
