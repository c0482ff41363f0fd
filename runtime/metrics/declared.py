"""A metric that a program declares, or brings from Python, for one answer."""

from __future__ import annotations

import math
from collections.abc import Mapping

from ttscale.compiler import ir
from ttscale.compiler import types as t
from ttscale.compiler.diagnostics import suggest
from ttscale.runtime import answers
from ttscale.runtime.evaluate_expr import EvaluationError, evaluate
from ttscale.runtime.metrics.errors import MetricError, short
from ttscale.runtime.plugins import PluginFault, measured


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
    raise MetricError(f"metric `{metric.name}` gives {short(value)}, not a number or a truth value")
