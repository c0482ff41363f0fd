"""Drawing a graph as SVG, with a layout of our own, so that no other program is needed.

Colours are set by style sheet for light pages, and again for dark ones (`prefers-color-scheme`).
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from html import escape

from ttscale.compiler.frames import Frame
from ttscale.compiler.graph import Drawing, Edge, Node
from ttscale.compiler.nest import Box, Point, arranged

TITLE, LINE = 13, 11
ROW, PAD = 16, 10
CHARACTER = 0.58
"""Width of an average character in units of the font's size."""

STYLE = """
    .page { fill: #ffffff } text { font-family: system-ui, -apple-system, "Segoe UI", sans-serif; fill: #1f2328 }
    .title { font-size: 13px; font-weight: 600 } .line { font-size: 11px; fill: #57606a }
    .label { font-size: 10px; fill: #57606a; stroke: #ffffff; stroke-width: 3px; paint-order: stroke }
    .head { font-size: 11px; fill: #57606a; stroke: #ffffff; stroke-width: 4px; paint-order: stroke }
    .box { stroke: #8c959f; stroke-width: 1.2 } .model { fill: #ddf4ff } .rule { fill: #f6f8fa }
    .choice { fill: #fff8c5 } .input { fill: #dafbe1 } .result { fill: #dafbe1 }
    .group { fill: none; stroke: #afb8c1; stroke-dasharray: 5 4 }
    .edge { fill: none; stroke: #6e7781; stroke-width: 1.3 } .dashed { stroke-dasharray: 4 4 }
    .tip { fill: #6e7781 }
    @media (prefers-color-scheme: dark) {
      .page { fill: #0d1117 } text { fill: #e6edf3 } .line, .label, .head { fill: #9198a1 }
      .label, .head { stroke: #0d1117 } .box { stroke: #6e7681 } .model { fill: #10304d } .rule { fill: #21262d }
      .choice { fill: #3b2f0b } .input, .result { fill: #12361f }
      .group { stroke: #484f58 } .edge { stroke: #8b949e } .tip { fill: #8b949e }
    }
"""


def svg(drawing: Drawing) -> str:
    """The picture as one SVG document."""
    sizes = {node.id: _size(node) for node in drawing.nodes}
    heads: dict[str, float] = {}
    _heads(drawing.frames, heads)
    links = {edge: (edge.start, edge.end, f"{edge.label}{'-' if edge.dashed else ''}") for edge in drawing.edges}
    block = arranged(drawing.frames, list(links.values()), sizes, heads)
    ways = {edge: block.ways[link] for edge, link in links.items()}
    width, height = round(block.width), round(block.height)
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
        f' role="img" aria-label="pipeline {escape(drawing.title, quote=True)}">',
        f"  <style>{STYLE}  </style>",
        '  <defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path class="tip" d="M0 0 L8 4 L0 8 z"/></marker></defs>',
        f'  <rect class="page" width="{width}" height="{height}"/>',
    ]
    out += [_frame(box) for _, box in block.frames]
    out += [_edge(edge, way) for edge, way in ways.items()]
    out += [_head(name, box) for name, box in block.frames]
    out += _labels(ways)
    out += [line for node in drawing.nodes for line in _node(node, block.boxes[node.id])]
    return "\n".join([*out, "</svg>"]) + "\n"


def _heads(frame: Frame, found: dict[str, float]) -> None:
    """How wide the titles of all frames are, by path."""
    for item in frame.items:
        if isinstance(item, Frame):
            found[item.path] = len(item.title) * LINE * CHARACTER
            _heads(item, found)


def _size(node: Node) -> tuple[float, float]:
    widest = max([len(node.title) * TITLE * 1.04, *(len(line) * LINE for line in node.lines)]) * CHARACTER
    return max(90.0, widest + 2 * PAD), PAD * 2 + ROW * (1 + len(node.lines)) - 4


# --- marks ---------------------------------------------------------------------------------------


def _frame(box: Box) -> str:
    place = f'x="{box.x:.1f}" y="{box.y:.1f}" width="{box.width:.1f}" height="{box.height:.1f}"'
    return f'  <rect class="group" {place} rx="8"/>'


def _head(name: str, box: Box) -> str:
    """A frame's title, drawn over what enters the frame there."""
    return f'  <text class="head" x="{box.x + 8:.1f}" y="{box.y + 13:.1f}">{escape(name)}</text>'


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


def _edge(edge: Edge, way: list[Point]) -> str:
    """One arrow: straight where it goes straight down, bent where it changes its column."""
    points = [way[0], *(point for before, point in itertools.pairwise(way) if point != before)]
    points[-1] = (points[-1][0], points[-1][1] - 1)
    path = f"M{points[0][0]:.1f} {points[0][1]:.1f}"
    for (x0, y0), (x1, y1) in itertools.pairwise(points):
        if abs(x1 - x0) < 0.05:
            path += f" L{x1:.1f} {y1:.1f}"
        else:
            half = (y1 - y0) / 2
            path += f" C{x0:.1f} {y0 + half:.1f} {x1:.1f} {y1 - half:.1f} {x1:.1f} {y1:.1f}"
    style = "edge dashed" if edge.dashed else "edge"
    return f'  <path class="{style}" d="{path}" marker-end="url(#tip)"/>'


def _labels(ways: Mapping[Edge, list[Point]]) -> list[str]:
    """What edges say, beside their tips on the side they come from; drawn after all edges, so that none crosses it."""
    out: list[str] = []
    taken: dict[tuple[Point, bool], int] = {}
    for edge, way in ways.items():
        if not edge.label:
            continue
        (x, y), before = way[-1], next((point[0] for point in reversed(way) if point[0] != way[-1][0]), way[-1][0])
        is_left = before < x
        rank = taken.get((way[-1], is_left), 0)
        taken[way[-1], is_left] = rank + 1
        place = f'x="{x - 6 if is_left else x + 6:.1f}" y="{y - 5 - 11 * rank:.1f}"'
        anchor = ' text-anchor="end"' if is_left else ""
        out.append(f'  <text class="label" {place}{anchor}>{escape(edge.label)}</text>')
    return out
