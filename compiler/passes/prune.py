"""Prune: drop stages that the result does not depend on, and models that no stage asks.

What outlives the run is kept too: a `remember` that nothing reads.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ttscale.compiler import ir

LASTING = "remember"


def prune(graph: ir.Graph) -> ir.Graph:
    """Only what the result needs, in the same order."""
    by_path = {stage.path: stage for stage in graph.stages}
    needed: set[str] = set()
    waiting = [*ir.refs(graph.result), *(stage.path for stage in graph.stages if stage.op == LASTING)]
    while waiting:
        path = waiting.pop()
        if path not in needed:
            needed.add(path)
            waiting += by_path[path].needs()
    stages = tuple(stage for stage in graph.stages if stage.path in needed)
    asked = {model.name for stage in stages for model in models_of(stage)}
    models = {name: model for name, model in graph.models.items() if name in asked}
    return replace(graph, stages=stages, models=models, capped=_left(graph, needed))


def _left(graph: ir.Graph, needed: set[str]) -> tuple[ir.Capped, ...]:
    """The loops whose items are still asked for; one all of whose stages go is none any more."""
    left: list[ir.Capped] = []
    for loop in graph.capped:
        kept = [stage.path in needed for stage in graph.stages if stage.path.startswith(f"{loop.path}[")]
        if any(kept) or not kept:
            left.append(loop)
    return tuple(left)


def models_of(stage: ir.Stage) -> Iterator[ir.Model]:
    """Every model that a stage may ask."""
    for argument in stage.args.values():
        if not isinstance(argument, ir.Const):
            yield from _models_in(argument)


def _models_in(value: ir.Argument) -> Iterator[ir.Model]:
    if isinstance(value, ir.Model):
        yield value
    elif isinstance(value, tuple):
        for part in value:
            yield from _models_in(part)
    elif isinstance(value, ir.Strategy):
        for part in value.args:
            yield from _models_in(part)
        for _, part in value.named:
            yield from _models_in(part)
