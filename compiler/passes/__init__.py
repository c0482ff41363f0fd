"""Optimising passes: functions from a graph to an equal graph that costs no more, applied in order.

**Must** keep the value of the result for every input, and the path of every stage that stays; **must not** change
what a stage asks of a model.
"""

from __future__ import annotations

from collections.abc import Callable

from ttscale.compiler.ir import Graph
from ttscale.compiler.passes.fold import fold
from ttscale.compiler.passes.merge_equal_stages import merge_equal_stages
from ttscale.compiler.passes.order_memory import order_memory
from ttscale.compiler.passes.order_prefixes import order_prefixes
from ttscale.compiler.passes.prune import prune

__all__ = ["PASSES", "fold", "merge_equal_stages", "optimise", "order_memory", "order_prefixes", "prune"]

PASSES: tuple[Callable[[Graph], Graph], ...] = (fold, merge_equal_stages, prune, order_memory, order_prefixes)


def optimise(graph: Graph) -> Graph:
    """The graph after all passes."""
    for step in PASSES:
        graph = step(graph)
    return graph
