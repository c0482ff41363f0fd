"""Order prefixes: stand stages with one beginning of their prompts side by side, as far as dependencies allow.

The order of stages is the order in which a budget admits calls, so neighbours that share a prefill are asked together
and find it warm.
"""

from __future__ import annotations

from dataclasses import replace

from ttscale.compiler import ir
from ttscale.compiler.prefixes import prefix_groups

Place = tuple[int, int]
"""Where a stage stands: behind which original place, and how many moved ones before it."""


def order_prefixes(graph: ir.Graph) -> ir.Graph:
    """Move a stage up to the last earlier one of its group, past stages that it does not need.

    Stages move only beside ones under the same guards, so the order between branches stays as written.
    """
    groups = prefix_groups(graph)
    if len(groups) < 2:
        return graph
    places: dict[str, Place] = {}
    latest: dict[str, ir.Stage] = {}
    for index, stage in enumerate(graph.stages):
        group = groups.get(stage.path, "")
        before = latest.get(group)
        if before is not None and _can_move(stage, before, places):
            places[stage.path] = (places[before.path][0], index)
        else:
            places[stage.path] = (index, -1)
        if group:
            latest[group] = stage
    return replace(graph, stages=tuple(sorted(graph.stages, key=lambda stage: places[stage.path])))


def _can_move(stage: ir.Stage, before: ir.Stage, places: dict[str, Place]) -> bool:
    """Whether a stage may stand right behind another one."""
    if before.guards != stage.guards:
        return False
    return all(places[path] <= places[before.path] for path in stage.needs())
