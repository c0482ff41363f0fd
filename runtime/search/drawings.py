"""Drawings of a search's report, as SVG: the front, the best so far, the curve of samples, parameters' importance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from ttscale.compiler.searches import COSTS
from ttscale.runtime.search.space import shown

Document = Mapping[str, Any]


def figure(value: object) -> str:
    """A number for a table."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}" if value != int(value) else f"{value:.0f}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def params_text(params: Mapping[str, Any]) -> str:
    """An assignment as a person would write it."""
    return shown({name: tuple(value) if isinstance(value, list) else value for name, value in params.items()})


WIDTH, HEIGHT, LEFT, BOTTOM = 640, 320, 60, 40


def pareto(document: Document) -> str:
    """Trials and baselines by the first goal and the second (else by tokens a question), the best for each joined."""
    goals = document["goals"]
    y_name, *others = goals
    x_name = others[0] if others else "tokens"
    more_y, more_x = goals[y_name] == "maximize", goals.get(x_name) == "maximize"
    points = [
        (t["values"].get(x_name, t.get("tokens")), t["values"][y_name], "dot", params_text(t["params"]))
        for t in document["trials"]
        if t["values"] and t["outcome"] == "done"
    ]
    points += [
        (b["means"].get(x_name, b["tokens"]), b["means"][y_name], "base", b["label"]) for b in document["baselines"]
    ]
    known = [(float(x), float(y), kind, label) for x, y, kind, label in points if x is not None and y is not None]
    if not known:
        return ""
    line: list[tuple[float, float]] = []
    for x, y, kind, _ in sorted(known, key=lambda d: (-d[0] if more_x else d[0], -d[1] if more_y else d[1])):
        if kind == "dot" and (not line or (y > line[-1][1] if more_y else y < line[-1][1])):
            line.append((x, y))
    dots = [(x, y, "front" if kind == "dot" and (x, y) in line else kind, label) for x, y, kind, label in known]
    plot = _plot(f"{y_name} by {x_name}", f"{x_name} a question" if x_name in COSTS else x_name, y_name, dots, line)
    return f"<p>{escape(y_name)} by {escape(x_name)}: blue the front, red the baselines, grey other trials.</p>{plot}"


def progress(document: Document) -> str:
    """The best of the first goal so far, trial by trial."""
    goals = list(document["goals"])
    more = document["goals"][goals[0]] == "maximize"
    done = [t for t in document["trials"] if t["values"] and t["outcome"] == "done"]
    if len(done) < 2:
        return ""
    dots, line, best = [], [], None
    for own in done:
        value = own["values"][goals[0]]
        best = value if best is None else (max if more else min)(best, value)
        dots.append((float(own["number"]), value, "dot", params_text(own["params"])))
        line.append((float(own["number"]), best))
    plot = _plot(f"best {goals[0]} so far", "trial", goals[0], dots, line)
    return f"<p>{escape(goals[0])} of each trial, and the best so far.</p>{plot}"


def _plot(
    title: str,
    x_name: str,
    y_name: str,
    dots: Sequence[tuple[float, float, str, str]],
    line: Sequence[tuple[float, float]],
    others: Sequence[Sequence[tuple[float, float]]] = (),
) -> str:
    """Dots of a kind and a label, and lines: the first as the front is drawn, others apart from it."""
    xs, ys = [d[0] for d in dots], [d[1] for d in dots]
    x0, x1, y0, y1 = min(xs), max(xs), min(ys), max(ys)

    def at(x: float, y: float) -> tuple[float, float]:
        px = LEFT + (x - x0) / ((x1 - x0) or 1) * (WIDTH - LEFT - 20)
        return px, HEIGHT - BOTTOM - (y - y0) / ((y1 - y0) or 1) * (HEIGHT - BOTTOM - 20)

    parts = [
        f'<line class="axis" x1="{LEFT}" y1="{HEIGHT - BOTTOM}" x2="{WIDTH - 20}" y2="{HEIGHT - BOTTOM}"/>',
        f'<line class="axis" x1="{LEFT}" y1="20" x2="{LEFT}" y2="{HEIGHT - BOTTOM}"/>',
        f'<text x="{LEFT}" y="{HEIGHT - 22}">{figure(x0)}</text>',
        f'<text x="{WIDTH - 20}" y="{HEIGHT - 22}" text-anchor="end">{figure(x1)}</text>',
        f'<text x="{(LEFT + WIDTH) / 2}" y="{HEIGHT - 6}" text-anchor="middle">{escape(x_name)}</text>',
        f'<text x="{LEFT - 6}" y="{HEIGHT - BOTTOM}" text-anchor="end">{figure(y0)}</text>',
        f'<text x="{LEFT - 6}" y="28" text-anchor="end">{figure(y1)}</text>',
        f'<text x="{LEFT}" y="12">{escape(y_name)}</text>',
    ]
    for kind, own in zip(("line", "line other", "line third"), (line, *others), strict=False):
        if len(own) > 1:
            places = " ".join(f"{x:.1f},{y:.1f}" for x, y in (at(*p) for p in own))
            parts.append(f'<polyline class="{kind}" points="{places}"/>')
    for x, y, kind, label in dots:
        px, py = at(x, y)
        said = escape(f"{label}: {figure(x)}, {figure(y)}")
        parts.append(f'<circle class="dot {kind}" cx="{px:.1f}" cy="{py:.1f}" r="4"><title>{said}</title></circle>')
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">{"".join(parts)}</svg>'


def bars(document: Document) -> str:
    """The importance of each parameter."""
    known = [(own["name"], own["importance"]) for own in document["parameters"] if own["importance"] is not None]
    if not known:
        return ""
    parts = []
    for place, (name, share) in enumerate(sorted(known, key=lambda pair: -pair[1])):
        y = 18 * place
        parts.append(f'<text x="110" y="{y + 12}" text-anchor="end">{escape(name)}</text>')
        parts.append(f'<rect class="bar" x="118" y="{y + 2}" width="{max(1.0, 400 * share):.0f}" height="12"/>')
        parts.append(f'<text x="{124 + max(1.0, 400 * share):.0f}" y="{y + 12}">{share:.0%}</text>')
    height = 18 * len(known) + 4
    return f'<svg viewBox="0 0 640 {height}" role="img" aria-label="importance of parameters">{"".join(parts)}</svg>'


LINES = {"pass": "any sample right", "majority": "their majority", "mean": "one sample"}
"""The lines over the number of samples, by the names that `curves` of an evaluation has."""


def curve(document: Document) -> str:
    """What fewer samples reach on the rows of the search: any right, their majority, one alone."""
    own = document.get("curve")
    if not own:
        return ""
    lines = [[(float(k), value) for k, value in zip(own["k"], own[name], strict=True)] for name in LINES]
    dots = [(k, y, "dot", said) for said, line in zip(LINES.values(), lines, strict=True) for k, y in line]
    said = f"<p>Above, by the number of samples: {', '.join(LINES.values())} (blue, green, grey).</p>"
    return _plot("right answers by samples", "samples", "share right", dots, lines[0], lines[1:]) + said
