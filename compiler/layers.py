"""Placing a drawing's nodes: layers by longest path, order within a layer by the middle of the neighbours.

Edges that span several layers run through points of their own in each layer between, so that they bend around boxes.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence

from ttscale.compiler.frozen import dataclass

SWEEPS = 8


@dataclass(frozen=True, slots=True)
class Slot:
    """A node, or a point of a long edge (`node` ""), in one layer."""

    id: str
    node: str


@dataclass(frozen=True)
class Layout:
    """Slots layer by layer, left to right, and each edge as the slots it passes."""

    layers: tuple[tuple[Slot, ...], ...]
    routes: Mapping[tuple[str, str], tuple[str, ...]]


def layered(
    nodes: Sequence[str],
    edges: Sequence[tuple[str, str]],
    top: Collection[str] = (),
    bottom: Collection[str] = (),
    tall: Mapping[str, float] | None = None,
) -> Layout:
    """A layout of an acyclic graph; `nodes` stand in topological order.

    Those in `top` have the first layer for themselves, those in `bottom` the last one. Of `tall` ones, given with their
    heights, as many as can be stand beside each other.
    """
    ports = {*top, *bottom}
    inner = [node for node in nodes if node not in ports]
    depth = _depths(inner, [(start, end) for start, end in edges if start not in ports and end not in ports])
    if tall:
        _lower(inner, edges, depth, tall)
    if top:
        depth = {node: level + 1 for node, level in depth.items()} | dict.fromkeys(top, 0)
    depth |= dict.fromkeys(bottom, max(depth.values(), default=-1) + 1)
    layers: list[list[Slot]] = [[] for _ in range(max(depth.values(), default=0) + 1)]
    for node in nodes:
        layers[depth[node]].append(Slot(node, node))
    routes: dict[tuple[str, str], tuple[str, ...]] = {}
    links: list[tuple[str, str]] = []
    for number, (start, end) in enumerate(dict.fromkeys(edges)):
        route = [start]
        for level in range(depth[start] + 1, depth[end]):
            slot = Slot(f"\0{number}.{level}", "")
            layers[level].append(slot)
            route.append(slot.id)
        route.append(end)
        routes[start, end] = tuple(route)
        links += list(itertools.pairwise(route))
    return Layout(tuple(tuple(layer) for layer in _ordered(layers, links)), routes)


def _depths(nodes: Sequence[str], edges: Sequence[tuple[str, str]]) -> dict[str, int]:
    """Layers by longest path from the start, then each node without a source moved down to its first reader."""
    before: dict[str, list[str]] = {node: [] for node in nodes}
    after: dict[str, list[str]] = {node: [] for node in nodes}
    for start, end in edges:
        before[end].append(start)
        after[start].append(end)
    depth: dict[str, int] = {}
    for node in nodes:
        depth[node] = max((depth[other] + 1 for other in before[node]), default=0)
    for node in reversed(nodes):
        if after[node] and not before[node]:
            depth[node] = max(0, min(depth[other] for other in after[node]) - 1)
    return depth


def _lower(
    nodes: Sequence[str], edges: Sequence[tuple[str, str]], depth: dict[str, int], tall: Mapping[str, float]
) -> None:
    """Move tall nodes, and what reads them, down to where they add least to the height of the whole."""
    after: dict[str, list[str]] = {node: [] for node in nodes}
    before: dict[str, list[str]] = {node: [] for node in nodes}
    for start, end in edges:
        if start in after and end in after:
            after[start].append(end)
            before[end].append(start)
    last = max(depth.values(), default=0)
    for node in reversed(nodes):
        if node not in tall and not any(other in tall for other in before[node]):
            continue
        lowest = min((depth[other] for other in after[node]), default=last + 1) - 1
        choices = range(lowest, depth[node] - 1, -1)
        others = [other for other in nodes if other != node]

        def added(level: int, node: str = node, others: Sequence[str] = others) -> float:
            there = max((tall.get(other, 0.0) for other in others if depth[other] == level), default=0.0)
            return max(0.0, tall.get(node, 0.0) - there)

        depth[node] = min(choices, key=added)


def _ordered(layers: list[list[Slot]], links: Sequence[tuple[str, str]]) -> list[list[Slot]]:
    """Barycentre sweeps down and up; the order with the fewest crossings is kept."""
    above: dict[str, list[str]] = {}
    below: dict[str, list[str]] = {}
    for start, end in links:
        below.setdefault(start, []).append(end)
        above.setdefault(end, []).append(start)
    best, fewest = [list(layer) for layer in layers], _crossings(layers, below)
    for sweep in range(SWEEPS):
        down = sweep % 2 == 0
        neighbours = above if down else below
        order = range(1, len(layers)) if down else range(len(layers) - 2, -1, -1)
        for level in order:
            place = {slot.id: index for index, slot in enumerate(layers[level - 1 if down else level + 1])}
            layers[level] = _by_middle(layers[level], place, neighbours)
        crossings = _crossings(layers, below)
        if crossings < fewest:
            best, fewest = [list(layer) for layer in layers], crossings
    return best


def _by_middle(layer: list[Slot], place: Mapping[str, int], neighbours: Mapping[str, list[str]]) -> list[Slot]:
    def middle(pair: tuple[int, Slot]) -> float:
        index, slot = pair
        places = [place[other] for other in neighbours.get(slot.id, ()) if other in place]
        return sum(places) / len(places) if places else float(index)

    return [slot for _, slot in sorted(enumerate(layer), key=middle)]


def _crossings(layers: Sequence[Sequence[Slot]], below: Mapping[str, list[str]]) -> int:
    """How many links cross between neighbouring layers; wide graphs are not counted (0)."""
    total = 0
    for upper, lower in itertools.pairwise(layers):
        place = {slot.id: index for index, slot in enumerate(lower)}
        ends = [
            place[end]
            for slot in upper
            for end in sorted(below.get(slot.id, ()), key=lambda e: place.get(e, 0))
            if end in place
        ]
        if len(ends) > 2000:
            continue
        total += sum(ends[i] > ends[j] for i in range(len(ends)) for j in range(i + 1, len(ends)))
    return total
