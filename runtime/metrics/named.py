"""Metrics by name: what `metric` in an `eval` may name beside `accuracy` and a program's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import metadata
from inspect import isclass, isroutine
from typing import cast

from ttscale.compiler import ir
from ttscale.compiler.diagnostics import suggest
from ttscale.runtime.metrics import plain
from ttscale.runtime.metrics.declared import evaluate_metric
from ttscale.runtime.metrics.errors import MetricError
from ttscale.runtime.metrics.game24 import Game24
from ttscale.runtime.metrics.grading import Metric
from ttscale.runtime.metrics.gym import GymVerifier
from ttscale.runtime.metrics.ifeval import IFEval
from ttscale.runtime.metrics.judge import Ask, PairwiseJudge, ReferenceJudge
from ttscale.runtime.metrics.plain import PlainMetric

GROUP = "ttscale.metrics"


def _code(*, share: bool) -> Metric:
    # They bring the sandbox, which other metrics do without.
    from ttscale.runtime.metrics.code import CodeTests, allowed_packages
    from ttscale.runtime.sandbox.packages import installed

    packages = allowed_packages()
    try:
        installed(packages)
    except ValueError as error:
        raise MetricError(str(error), hint="install it, or leave it out of --code-package") from error
    return CodeTests(share=share, packages=packages)


_MADE: Mapping[str, Callable[[], Metric]] = {
    "exact": lambda: PlainMetric("exact", plain.exact),
    "normalised_exact": lambda: PlainMetric("normalised_exact", plain.normalised_exact),
    "numeric": lambda: PlainMetric("numeric", plain.numeric),
    "math": lambda: PlainMetric("math", plain.mathematical),
    "choice": lambda: PlainMetric("choice", plain.choice),
    "token_f1": lambda: PlainMetric("token_f1", plain.token_f1),
    "gym": GymVerifier,
    "ifeval": IFEval,
    "ifeval_loose": lambda: IFEval(loose=True),
    "game24": Game24,
    "code": lambda: _code(share=False),
    "code_share": lambda: _code(share=True),
}
JUDGES = ("judge", "pairwise")
NAMES = (*_MADE, *JUDGES)
"""The metrics of the library. Those of other packages are found by their entry points."""


def metric_named(name: str, *, ask: Ask | None = None) -> Metric:
    """The metric of a name: the library's own, else that of an entry point in the group `ttscale.metrics`.

    `judge` and `pairwise` need `ask` (`runtime.metrics.judge.asker`). Raises MetricError.
    """
    if name in JUDGES:
        if ask is None:
            raise MetricError(f"`{name}` needs a model that judges", hint="name one")
        return ReferenceJudge(ask) if name == "judge" else PairwiseJudge(ask)
    made = _MADE.get(name)
    return made() if made is not None else _installed(name)


def declared_metric(metric: ir.Metric) -> Metric:
    """A metric that a program declares, or brings from Python, with the interface of all others."""
    return PlainMetric(metric.name, lambda answer, gold, row: evaluate_metric(metric, answer, row), unreadable=True)


def _installed(name: str) -> Metric:
    """A metric of another package: an object with `score`, a class that makes one, or a function of answer and row."""
    offered = {entry.name: entry for entry in metadata.entry_points(group=GROUP)}
    entry = offered.get(name)
    if entry is None:
        near = suggest(name, [*NAMES, *offered])
        hint = f"did you mean `{near}`?" if near else f"there are accuracy, {', '.join([*NAMES, *offered])}"
        raise MetricError(f"there is no metric `{name}`", hint=hint)
    try:
        found = entry.load()
        made = found() if isclass(found) else found
    except Exception as error:  # others' code, which may raise anything
        raise MetricError(f"metric `{name}` ({entry.value}) cannot be loaded: {error}") from error
    if isroutine(made):
        return PlainMetric(name, _called(name, made), unreadable=True)
    if not hasattr(made, "score"):
        raise MetricError(f"metric `{name}` ({entry.value}) has no `score`", hint="see docs/metrics.md")
    return cast(Metric, made)


def _called(name: str, function: Callable[[object, Mapping[str, object]], object]) -> plain.Measure:
    def measure(answer: object, gold: object, row: plain.Row) -> float:
        try:
            given = function(answer, row)
        except Exception as error:
            raise MetricError(f"metric `{name}` failed: {type(error).__name__}: {error}") from error
        if not isinstance(given, bool | int | float):
            raise MetricError(f"metric `{name}` gives {given!r}, not a number or a truth value")
        return float(given)

    return measure
