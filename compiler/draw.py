"""Drawing a graph as SVG, with a layout of our own, so that no other program is needed.

Colours are set by style sheet for light pages, and again for dark ones (`prefers-color-scheme`).
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape

from ttscale.compiler.graph import Drawing, Edge, Node
from ttscale.compiler.layers import Layout, layered

TITLE, LINE = 13, 11
ROW, PAD = 16, 10
GAP_X, GAP_Y = 28, 44
MARGIN = 24
POINT_WIDTH = 14
CHARACTER = 0.58
"""Width of an average character in units of the font's size."""

STYLE = """
    .page { fill: #ffffff } text { font-family: system-ui, -apple-system, "Segoe UI", sans-serif; fill: #1f2328 }
    .title { font-size: 13px; font-weight: 600 } .line { font-size: 11px; fill: #57606a }
    .label { font-size: 10px; fill: #57606a; stroke: #ffffff; stroke-width: 3px; paint-order: stroke }
    .head { font-size: 11px; fill: #57606a }
    .box { stroke: #8c959f; stroke-width: 1.2 } .model { fill: #ddf4ff } .rule { fill: #f6f8fa }
    .choice { fill: #fff8c5 } .input { fill: #dafbe1 } .result { fill: #dafbe1 }
    .group { fill: none; stroke: #afb8c1; stroke-dasharray: 5 4 }
    .edge { fill: none; stroke: #6e7781; stroke-width: 1.3 } .dashed { stroke-dasharray: 4 4 }
    .tip { fill: #6e7781 }
    @media (prefers-color-scheme: dark) {
      .page { fill: #0d1117 } text { fill: #e6edf3 } .line, .label, .head { fill: #9198a1 }
      .label { stroke: #0d1117 } .box { stroke: #6e7681 } .model { fill: #10304d } .rule { fill: #21262d }
      .choice { fill: #3b2f0b } .input, .result { fill: #12361f }
      .group { stroke: #484f58 } .edge { stroke: #8b949e } .tip { fill: #8b949e }
    }
"""


@dataclass(slots=True)
class Box:
    """A slot's place: left, top, width, height."""

    x: float
    y: float
    width: float
    height: float

    @property
    def middle(self) -> float:
        """The x of its centre."""
        return self.x + self.width / 2


def svg(drawing: Drawing) -> str:
    """The picture as one SVG document."""
    nodes = {node.id: node for node in drawing.nodes}
    layout = layered(list(nodes), [(edge.start, edge.end) for edge in drawing.edges])
    boxes = _placed(layout, nodes)
    groups = _groups(drawing, boxes)
    left = min((box.x for box in [*boxes.values(), *(g for _, g in groups)]), default=0.0)
    right = max((box.x + box.width for box in [*boxes.values(), *(g for _, g in groups)]), default=0.0)
    bottom = max((box.y + box.height for box in [*boxes.values(), *(g for _, g in groups)]), default=0.0)
    for box in [*boxes.values(), *(g for _, g in groups)]:
        box.x += MARGIN - left
    width, height = round(right - left + 2 * MARGIN), round(bottom + MARGIN)
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
        f' role="img" aria-label="pipeline {escape(drawing.title, quote=True)}">',
        f"  <style>{STYLE}  </style>",
        '  <defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path class="tip" d="M0 0 L8 4 L0 8 z"/></marker></defs>',
        f'  <rect class="page" width="{width}" height="{height}"/>',
    ]
    out += [line for name, box in groups for line in _group(name, box)]
    out += [line for edge in drawing.edges for line in _edge(edge, layout, boxes)]
    out += [line for edge in drawing.edges for line in _label(edge, layout, boxes)]
    out += [line for node in drawing.nodes for line in _node(node, boxes[node.id])]
    return "\n".join([*out, "</svg>"]) + "\n"


# --- places --------------------------------------------------------------------------------------


def _size(node: Node) -> tuple[float, float]:
    widest = max([len(node.title) * TITLE * 1.04, *(len(line) * LINE for line in node.lines)]) * CHARACTER
    return max(90.0, widest + 2 * PAD), PAD * 2 + ROW * (1 + len(node.lines)) - 4


def _placed(layout: Layout, nodes: Mapping[str, Node]) -> dict[str, Box]:
    """Each slot's box: layers below each other, boxes of a layer side by side, pulled towards their neighbours."""
    boxes: dict[str, Box] = {}
    top = float(MARGIN)
    for layer in layout.layers:
        sizes = [_size(nodes[slot.node]) if slot.node else (float(POINT_WIDTH), 0.0) for slot in layer]
        tallest = max((height for _, height in sizes), default=0.0)
        x = -(sum(width for width, _ in sizes) + GAP_X * (len(layer) - 1)) / 2
        for slot, (width, height) in zip(layer, sizes, strict=True):
            boxes[slot.id] = Box(x, top, width, height if slot.node else tallest)
            x += width + GAP_X
        top += tallest + GAP_Y
    links = [pair for route in layout.routes.values() for pair in itertools.pairwise(route)]
    above: dict[str, list[str]] = {}
    below: dict[str, list[str]] = {}
    for start, end in links:
        below.setdefault(start, []).append(end)
        above.setdefault(end, []).append(start)
    for sweep in range(6):
        down = sweep % 2 == 0
        for layer in layout.layers if down else reversed(layout.layers):
            _pull([slot.id for slot in layer], boxes, above if down else below)
    return boxes


def _pull(layer: list[str], boxes: dict[str, Box], neighbours: Mapping[str, list[str]]) -> None:
    """Move a layer's boxes towards the middle of their neighbours, keeping order and gaps."""
    wanted: list[float] = []
    for slot in layer:
        middles = [boxes[other].middle for other in neighbours.get(slot, ())]
        wanted.append((sum(middles) / len(middles) if middles else boxes[slot].middle) - boxes[slot].width / 2)
    blocks: list[tuple[float, list[int]]] = []
    offsets = [0.0]
    for index in range(1, len(layer)):
        offsets.append(offsets[-1] + boxes[layer[index - 1]].width + GAP_X)
    for index in range(len(layer)):
        blocks.append((wanted[index] - offsets[index], [index]))
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            (first, left), (second, right) = blocks[-2], blocks[-1]
            blocks[-2:] = [((first * len(left) + second * len(right)) / (len(left) + len(right)), left + right)]
    for shift, members in blocks:
        for index in members:
            boxes[layer[index]].x = shift + offsets[index]


def _groups(drawing: Drawing, boxes: Mapping[str, Box]) -> list[tuple[str, Box]]:
    """A frame around each loop round, arm or call of which the boxes stand apart from all others."""
    members: dict[str, list[Box]] = {}
    for node in drawing.nodes:
        if node.group:
            members.setdefault(node.group, []).append(boxes[node.id])
    found: list[tuple[str, Box]] = []
    for name, inside in members.items():
        left, top = min(box.x for box in inside) - 12, min(box.y for box in inside) - 20
        right = max(box.x + box.width for box in inside) + 12
        bottom = max(box.y + box.height for box in inside) + 10
        frame = Box(left, top, max(right - left, 8 + len(name) * LINE * CHARACTER), bottom - top)
        others = [boxes[node.id] for node in drawing.nodes if node.group != name]
        if not any(_overlap(frame, box) for box in others):
            found.append((name, frame))
    return found


def _overlap(a: Box, b: Box) -> bool:
    return a.x < b.x + b.width and b.x < a.x + a.width and a.y < b.y + b.height and b.y < a.y + a.height


# --- marks ---------------------------------------------------------------------------------------


def _group(name: str, box: Box) -> list[str]:
    return [
        f'  <rect class="group" x="{box.x:.1f}" y="{box.y:.1f}" width="{box.width:.1f}"'
        f' height="{box.height:.1f}" rx="8"/>',
        f'  <text class="head" x="{box.x + 8:.1f}" y="{box.y + 13:.1f}">{escape(name)}</text>',
    ]


def _node(node: Node, box: Box) -> list[str]:
    radius = min(box.height / 2, 18) if node.kind in ("input", "result") else 6
    out = [
        f"  <g><title>{escape(node.id)}</title>",
        f'    <rect class="box {node.kind}" x="{box.x:.1f}" y="{box.y:.1f}" width="{box.width:.1f}"'
        f' height="{box.height:.1f}" rx="{radius:g}"/>',
    ]
    y = box.y + PAD + TITLE - 2
    out.append(
        f'    <text class="title" x="{box.middle:.1f}" y="{y:.1f}" text-anchor="middle">{escape(node.title)}</text>'
    )
    for line in node.lines:
        y += ROW
        out.append(
            f'    <text class="line" x="{box.middle:.1f}" y="{y:.1f}" text-anchor="middle">{escape(line)}</text>'
        )
    return [*out, "  </g>"]


def _edge(edge: Edge, layout: Layout, boxes: Mapping[str, Box]) -> list[str]:
    route = layout.routes[edge.start, edge.end]
    first, last = boxes[route[0]], boxes[route[-1]]
    points = [(first.middle, first.y + first.height)]
    for slot in route[1:-1]:
        points += [(boxes[slot].middle, boxes[slot].y), (boxes[slot].middle, boxes[slot].y + boxes[slot].height)]
    points.append((last.middle, last.y - 1))
    path = f"M{points[0][0]:.1f} {points[0][1]:.1f}"
    for index, ((x0, y0), (x1, y1)) in enumerate(itertools.pairwise(points)):
        if index % 2 == 1:
            path += f" L{x1:.1f} {y1:.1f}"
        else:
            half = (y1 - y0) / 2
            path += f" C{x0:.1f} {y0 + half:.1f} {x1:.1f} {y1 - half:.1f} {x1:.1f} {y1:.1f}"
    style = "edge dashed" if edge.dashed else "edge"
    return [f'  <path class="{style}" d="{path}" marker-end="url(#tip)"/>']


def _label(edge: Edge, layout: Layout, boxes: Mapping[str, Box]) -> list[str]:
    """What an edge says, beside its tip; drawn after all edges, so that none crosses it."""
    if not edge.label:
        return []
    last = boxes[layout.routes[edge.start, edge.end][-1]]
    return [f'  <text class="label" x="{last.middle + 6:.1f}" y="{last.y - 7:.1f}">{escape(edge.label)}</text>']
