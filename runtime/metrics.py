"""Metrics: whether an answer is right, a user's own measure, and how sure a mean is."""

from __future__ import annotations

import math
import random
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path

from ttscale.compiler import ir
from ttscale.compiler import types as t
from ttscale.compiler.diagnostics import suggest
from ttscale.runtime import answers
from ttscale.runtime.evaluate_expr import EvaluationError, evaluate
from ttscale.runtime.plugins import PluginFault, measured


class MetricError(Exception):
    """A measure cannot be taken; the message is for the user."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


def is_correct(type_: t.Type, key: Hashable, gold: object, *, folder: Path | None = None) -> bool:
    """Whether an answer's key equals the gold, which is read as the answer's type and compared by its equality.

    An unreadable answer is wrong. Raises MetricError where the gold cannot be read as `type_`.
    """
    return answers.equal(type_, key, gold_key(type_, gold, folder=folder))


def gold_key(type_: t.Type, gold: object, *, folder: Path | None = None) -> Hashable:
    """The key of a gold answer. Raises MetricError."""
    key = answers.coerce(type_, gold, folder=folder)[1]
    if key is None:
        hint = 'a dataset\'s `answer:` must give the answer alone, such as `after(answer, "####")`'
        raise MetricError(f"the gold answer {_short(gold)} cannot be read as {type_}", hint=hint)
    return key


def accuracy(type_: t.Type, keys: Sequence[Hashable], golds: Sequence[object]) -> float:
    """The share of right answers; keys and golds go together in order. 0 for none."""
    right = [is_correct(type_, key, gold) for key, gold in zip(keys, golds, strict=True)]
    return sum(right) / len(right) if right else 0.0


def evaluate_metric(metric: ir.Metric, pred: object, row: Mapping[str, object]) -> float:
    """A user's metric for one answer (None: unreadable) and its row, as a number; true counts 1, false and none 0.

    The metric's first parameter is the answer, one of type `Row` the row; others bind to the row's fields by name.
    Raises MetricError.
    """
    if metric.plugin:
        try:
            return measured(metric.plugin, pred, row, metric.span)
        except PluginFault as fault:
            raise MetricError(f"{fault}{f' ({fault.where})' if fault.where else ''}", hint=fault.hint) from fault
    inputs: dict[str, object] = {}
    waiting = [pred]
    for name, type_ in metric.params:
        if type_ == t.ROW:
            inputs[name] = row
        elif waiting:
            inputs[name] = waiting.pop()
        elif name in row:
            inputs[name] = answers.coerce(type_, row[name])[0]
        else:
            near = suggest(name, row)
            hint = f"did you mean `{near}`?" if near else f"the row has {', '.join(row) or 'no fields'}"
            raise MetricError(f"metric `{metric.name}` wants `{name}`, which the row does not have", hint=hint)
    try:
        value = evaluate(metric.body, inputs)
    except EvaluationError as error:
        raise MetricError(f"metric `{metric.name}`: {error}", hint=error.hint) from error
    if value is None:
        return 0.0
    if isinstance(value, bool | int | float) and math.isfinite(value):
        return float(value)
    raise MetricError(f"metric `{metric.name}` gives {_short(value)}, not a number or a truth value")


def wilson(successes: float, n: int, z: float = 1.959963984540054) -> tuple[float, float]:
    """The Wilson score interval of a share, 95% by default; (0, 1) for no observations."""
    if n == 0:
        return 0.0, 1.0
    share = successes / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return 0.0 if successes <= 0 else max(0.0, middle - half), 1.0 if successes >= n else min(1.0, middle + half)


def paired_bootstrap(
    a: Sequence[float], b: Sequence[float], seed: int = 0, *, rounds: int = 2_000, level: float = 0.95
) -> tuple[float, float]:
    """The percentile interval of mean(a) - mean(b) over resampled questions; a[i] and b[i] are of one question.

    Deterministic for a seed. Raises ValueError for lists of different or no length.
    """
    if len(a) != len(b) or not a:
        raise ValueError("a paired bootstrap needs two lists of one length, with at least one value")
    differences = [x - y for x, y in zip(a, b, strict=True)]
    n = len(differences)
    draw = random.Random(seed)
    means = sorted(sum(draw.choices(differences, k=n)) / n for _ in range(rounds))
    tail = (1 - level) / 2
    low, high = int(tail * rounds), min(rounds - 1, math.ceil((1 - tail) * rounds) - 1)
    return means[low], means[high]


def _short(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= 80 else f"{shown[:77]}…"
