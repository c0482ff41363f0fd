"""The coverage curve as an SVG that needs nothing else: measured points with intervals, the law, the rules."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import Any

from ttscale.runtime.planners.coverage import PowerLaw

WIDTH, HEIGHT = 720, 440
LEFT, RIGHT, TOP, BOTTOM = 58, 230, 24, 52
AHEAD = 4
"""How many times as many samples as were recorded the law is drawn for."""
STYLE = """
svg { --ground: #ffffff; --ink: #1b1f24; --soft: #5b6470; --rule: #dde1e7;
  --c0: #2563c9; --c1: #c2571a; --c2: #7a3fb5; --c3: #0f7d7d; --c4: #a8307c; --c5: #7a6a00; }
@media (prefers-color-scheme: dark) { svg { --ground: #14171b; --ink: #e6e9ed; --soft: #9aa4b0; --rule: #333a42;
  --c0: #6ea8ff; --c1: #f2a365; --c2: #c79bf2; --c3: #56c9c9; --c4: #ee8bc8; --c5: #d6c24a; } }
text { fill: var(--ink); font: 13px system-ui, sans-serif; }
.tick { fill: var(--soft); }
.grid { stroke: var(--rule); }
.line { fill: none; stroke-width: 2; }
.law { stroke-dasharray: 5 4; }
"""


def as_svg(document: dict[str, Any]) -> str:
    """Coverage over samples, on a logarithmic axis that goes beyond what was recorded where a law was found."""
    own = document["coverage"]
    sizes: list[int] = own["k"]
    law = None if document["law"] is None else PowerLaw(document["law"]["a"], document["law"]["b"])
    last = sizes[-1] * (AHEAD if law is not None else 1)
    parts = [*_axes(last)]
    entries = [("any right, measured", "c0")]
    if law is not None:
        ks = [last ** (i / 60) for i in range(61)]
        parts.append(_path([(k, law.at(k)) for k in ks], last, "c0", "line law"))
        entries.append(("any right, by the law", "c0"))
    for k, value, (low, high) in zip(sizes, own["measured"], own["interval"], strict=True):
        x = _x(k, last)
        parts.append(
            f'<g stroke="var(--c0)" fill="var(--c0)"><title>{k}: {value:.1%} ({low:.1%} to {high:.1%})</title>'
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{_y(low):.1f}" y2="{_y(high):.1f}"/>'
            f'<circle cx="{x:.1f}" cy="{_y(value):.1f}" r="4"/></g>'
        )
    for place, (rule, values) in enumerate(document["rules"]["accuracy"].items()):
        color = f"c{1 + place % 5}"
        parts.append(_path(list(zip(sizes, values, strict=True)), last, color, "line"))
        entries.append((rule, color))
    for place, (name, color) in enumerate(entries):
        y = TOP + 8 + 22 * place
        dashes = ' stroke-dasharray="5 4"' if "by the law" in name else ""
        parts.append(
            f'<line x1="{WIDTH - RIGHT + 18}" x2="{WIDTH - RIGHT + 40}" y1="{y}" y2="{y}" stroke="var(--{color})" '
            f'stroke-width="2"{dashes}/><text x="{WIDTH - RIGHT + 46}" y="{y + 4}">{escape(_short(name))}'
            f"<title>{escape(name)}</title></text>"
        )
    height = max(HEIGHT, TOP + 22 * len(entries) + 20)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-label="right answers over the number of samples"><style>{STYLE}</style>'
        f'<rect width="{WIDTH}" height="{height}" fill="var(--ground)"/>{"".join(parts)}</svg>\n'
    )


def _axes(last: int) -> list[str]:
    parts = []
    for i in range(6):
        share, y = i / 5, _y(i / 5)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="tick" x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{share:.0%}</text>')
    power = 0
    step = max(1, math.ceil(math.log2(max(last, 2)) / 8))
    while 2**power <= last:
        x = _x(2**power, last)
        parts.append(
            f'<text class="tick" x="{x:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{2**power}</text>'
        )
        power += step
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(f'<text x="{middle}" y="{HEIGHT - 12}" text-anchor="middle">samples a question</text>')
    return parts


def _path(points: Sequence[tuple[float, float]], last: int, color: str, sort: str) -> str:
    steps = " ".join(f"{'ML'[i > 0]}{_x(k, last):.1f} {_y(value):.1f}" for i, (k, value) in enumerate(points))
    return f'<path class="{sort}" stroke="var(--{color})" d="{steps}"/>'


def _x(k: float, last: int) -> float:
    reach = math.log(last) if last > 1 else 1.0
    return LEFT + math.log(k) / reach * (WIDTH - LEFT - RIGHT)


def _y(share: float) -> float:
    return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)


def _short(name: str) -> str:
    return name if len(name) <= 28 else name[:27] + "…"
