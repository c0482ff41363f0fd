"""Drawings of a report, as SVG whose colours the page's style decides, so that they follow light and dark."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from ttscale.runtime.evaluate.report.sections import Document, amount, measure_name, percent, points, seconds, whole

WIDTH, HEIGHT = 460, 290
LEFT, RIGHT, TOP, BOTTOM = 52, 16, 14, 44
_SHADES = 8

Point = tuple[float, float]


def plots_of(document: Document) -> dict[tuple[str, str], str]:
    """All drawings by name and pipeline ("" for all pipelines)."""
    found = {("cost", ""): cost(document), ("differences", ""): differences(document)}
    for arm in whole(document):
        label, own = arm["label"], arm["figures"]
        found["losses", label] = losses(own["attribution"]) if own["attribution"] else ""
        found["curves", label] = curves(own["curves"]) if own["curves"] else ""
        found["reliability", label] = reliability(own["calibration"]) if own["calibration"] else ""
    return found


# --- the frame -------------------------------------------------------------------------------------------


class _Frame:
    """Axes of a drawing: from values to places, with lines and labels."""

    def __init__(self, xs: tuple[float, float], ys: tuple[float, float], *, log: bool = False) -> None:
        self.low, self.high = xs
        self.bottom, self.top = ys
        self.log = log
        self.parts: list[str] = []

    def x(self, value: float) -> float:
        low, high, value = (
            (math.log2(v) for v in (self.low, self.high, value)) if self.log else (self.low, self.high, value)
        )
        return LEFT + (value - low) / (high - low or 1) * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        return HEIGHT - BOTTOM - (value - self.bottom) / (self.top - self.bottom or 1) * (HEIGHT - TOP - BOTTOM)

    def axes(self, x_ticks: Sequence[tuple[float, str]], x_name: str, y_ticks: Sequence[float], y_name: str) -> None:
        """Lines across at the ticks of y, labels at both, names at the ends."""
        for value in y_ticks:
            y = self.y(value)
            self.parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
            self.parts.append(f'<text class="tick" x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:.0%}</text>')
        for value, shown in x_ticks:
            x = self.x(value)
            self.parts.append(
                f'<text class="tick" x="{x:.1f}" y="{HEIGHT - BOTTOM + 17}" text-anchor="middle">{shown}</text>'
            )
        self.parts.append(
            f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{HEIGHT - BOTTOM}" y2="{HEIGHT - BOTTOM}"/>'
        )
        middle = (LEFT + WIDTH - RIGHT) / 2
        self.parts.append(
            f'<text class="name" x="{middle}" y="{HEIGHT - 7}" text-anchor="middle">{escape(x_name)}</text>'
        )
        self.parts.append(
            f'<text class="name" transform="translate(13 {(HEIGHT - BOTTOM + TOP) / 2}) rotate(-90)" '
            f'text-anchor="middle">{escape(y_name)}</text>'
        )

    def svg(self, told: str) -> str:
        return _svg(self.parts, HEIGHT, told)


def _svg(parts: Sequence[str], height: float, told: str) -> str:
    inside = "".join(parts)
    return f'<svg viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="{escape(told)}">{inside}</svg>'


def _ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Round numbers from `low` to `high`, about `count` of them."""
    if high <= low:
        return [low]
    rough = (high - low) / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * m for m in (1, 2, 2.5, 5, 10) if power * m >= rough)
    first = math.ceil(low / step - 1e-9)
    return [i * step for i in range(first, math.floor(high / step + 1e-9) + 1)]


def _shares(lows: Sequence[float], highs: Sequence[float]) -> tuple[float, float]:
    """The range of an axis of shares, with some room around what is drawn."""
    low, high = min(lows, default=0.0), max(highs, default=1.0)
    room = max(0.02, (high - low) * 0.08)
    return max(0.0, low - room), min(1.0, high + room)


def _legend(entries: Sequence[tuple[str, str]]) -> str:
    keys = "".join(f'<li><span class="key {shade}"></span>{escape(name)}</li>' for name, shade in entries)
    return f'<ul class="legend">{keys}</ul>'


def shade(place: int) -> str:
    """The class of the n-th colour."""
    return f"c{place % _SHADES}"


# --- drawings --------------------------------------------------------------------------------------------


def cost(document: Document) -> str:
    """Accuracy against tokens and against seconds, each with its interval."""
    arms = [arm for arm in whole(document) if arm["figures"]["accuracy"] is not None]
    if not arms:
        return ""
    drawn = [
        _cost_panel(arms, "tokens", "tokens a question", document),
        _cost_panel(arms, "seconds", "seconds a question", document),
    ]
    legend = _legend([(arm["label"], shade(i)) for i, arm in enumerate(arms)]) if len(arms) > 1 else ""
    return f'<div class="panels">{"".join(drawn)}</div>{legend}'


def _cost_panel(arms: Sequence[Mapping[str, Any]], what: str, name: str, document: Document) -> str:
    costs = [arm["figures"]["cost"]["mean"][what] for arm in arms]
    intervals = [arm["figures"]["interval"] for arm in arms]
    ys = _shares([low for low, _ in intervals], [high for _, high in intervals])
    most = max(costs) * 1.15 or 1.0
    frame = _Frame((0.0, most), ys)
    show = amount if what == "tokens" else seconds
    frame.axes([(v, show(v)) for v in _ticks(0, most)], name, _ticks(*ys), measure_name(document))
    for place, (arm, x, (low, high)) in enumerate(zip(arms, costs, intervals, strict=True)):
        own = arm["figures"]["accuracy"]
        at = frame.x(x)
        told = f"{arm['label']}: {percent(own)} at {show(x)} {what}"
        frame.parts.append(
            f'<g class="{shade(place)}"><title>{escape(told)}</title>'
            f'<line class="whisker" x1="{at:.1f}" x2="{at:.1f}" y1="{frame.y(low):.1f}" y2="{frame.y(high):.1f}"/>'
            f'<circle class="dot" cx="{at:.1f}" cy="{frame.y(own):.1f}" r="5"/></g>'
        )
    return frame.svg(f"{measure_name(document)} against {what}")


def differences(document: Document) -> str:
    """Every comparison as a line from the low to the high end of its interval."""
    plain = {arm["label"] for arm in whole(document)}
    found = [own for own in document["comparisons"] if own["of"] in plain]
    if not found:
        return ""
    reach: float = max(0.05, *(abs(end) for own in found for end in own["interval"])) * 1.1
    row, top = 46, 10
    height = top + row * len(found) + 34
    middle = WIDTH / 2

    def x(value: float) -> float:
        return middle + value / reach * (WIDTH / 2 - 24)

    parts = [f'<line class="axis" x1="{middle}" x2="{middle}" y1="{top}" y2="{height - 30}"/>']
    for place, own in enumerate(found):
        y = top + row * place + 30
        sort = {"better": "good", "worse": "bad"}.get(own["verdict"], "plain")
        low, high = (x(end) for end in own["interval"])
        told = f"{own['of']} against {own['against']}"
        parts.append(
            f'<text class="name" x="0" y="{y - 13}">{escape(told)}</text>'
            f'<g class="{sort}"><line class="whisker" x1="{low:.1f}" x2="{high:.1f}" y1="{y}" y2="{y}"/>'
            f'<circle class="dot" cx="{x(own["difference"]):.1f}" cy="{y}" r="5"/></g>'
        )
    for tick in _ticks(-reach, reach, 4):
        shown = points(tick).removesuffix(".0") if tick else "0"
        parts.append(f'<text class="tick" x="{x(tick):.1f}" y="{height - 10}" text-anchor="middle">{shown}</text>')
    return _svg(parts, height, "differences with their intervals, in points")


def losses(own: Mapping[str, Any]) -> str:
    """What became of all answers: right, lost at a stage, never made; one bar."""
    parts: list[tuple[str, float, str]] = [("right", own["right"], "good")]
    blamed = [stage for stage in own["stages"] if stage["blamed"]]
    parts += [(f"lost at {stage['path']}", stage["blamed"], shade(i + 1)) for i, stage in enumerate(blamed)]
    parts += [("never made", own["never_made"], "bad")] if own["never_made"] else []
    parts += [("elsewhere", own["elsewhere"], "plain")] if own["elsewhere"] else []
    drawn, at = [], 0.0
    for name, share, sort in parts:
        width = share * WIDTH
        label = f"{share:.0%}"
        drawn.append(
            f'<g class="{sort}"><title>{escape(name)}: {label}</title>'
            f'<rect class="bar" x="{at:.1f}" y="4" width="{width:.1f}" height="34"/>'
            + (
                f'<text class="inside" x="{at + width / 2:.1f}" y="26" text-anchor="middle">{label}</text>'
                if width > 34
                else ""
            )
            + "</g>"
        )
        at += width
    legend = _legend([(f"{name} {percent(share)}", sort) for name, share, sort in parts])
    return _svg(drawn, 42, "what became of all answers") + legend


def curves(own: Mapping[str, Any]) -> str:
    """Accuracy over the number of samples."""
    lines = [("any right (pass@k)", own["pass"]), ("majority", own["majority"]), ("one sample (mean@k)", own["mean"])]
    if own["pipeline"] is not None:
        lines.insert(1, ("as the pipeline chooses", own["pipeline"]))
    values = [value for _, line in lines for value in line]
    ys = _shares(values, values)
    sizes = own["k"]
    frame = _Frame((sizes[0], sizes[-1]), ys, log=True)
    frame.axes([(k, str(k)) for k in sizes], "samples", _ticks(*ys), "right")
    for place, (name, line) in enumerate(lines):
        points = [(frame.x(k), frame.y(value)) for k, value in zip(sizes, line, strict=True)]
        frame.parts.append(_line(points, shade(place), name, line, sizes))
    return frame.svg("accuracy over samples") + _legend([(name, shade(i)) for i, (name, _) in enumerate(lines)])


def _line(points: Sequence[Point], sort: str, name: str, values: Sequence[float], sizes: Sequence[int]) -> str:
    path = " ".join(f"{'ML'[i > 0]}{x:.1f} {y:.1f}" for i, (x, y) in enumerate(points))
    dots = "".join(
        f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="3.5">'
        f"<title>{escape(name)}, {k}: {percent(value)}</title></circle>"
        for (x, y), value, k in zip(points, values, sizes, strict=True)
    )
    return f'<g class="{sort}"><path class="line" d="{path}"/>{dots}</g>'


def reliability(found: Sequence[Mapping[str, Any]]) -> str:
    """Accuracy over confidence, bin by bin; the diagonal is what confidences promise."""
    frame = _Frame((0.0, 1.0), (0.0, 1.0))
    frame.axes([(v / 5, f"{v * 20}%") for v in range(6)], "confidence", [v / 5 for v in range(6)], "right")
    (x1, x2), (y1, y2) = (frame.x(0), frame.x(1)), (frame.y(0), frame.y(1))
    frame.parts.append(f'<line class="promise" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>')
    for place, own in enumerate(found):
        most = max(b["count"] for b in own["bins"])
        for b in own["bins"]:
            radius = 3 + 8 * math.sqrt(b["count"] / most)
            shares = f"confidence {percent(b['confidence'])}, right {percent(b['accuracy'])}"
            told = f"{own['source']}: {b['count']} answers, {shares}"
            frame.parts.append(
                f'<g class="{shade(place)}"><title>{escape(told)}</title><circle class="bubble" '
                f'cx="{frame.x(b["confidence"]):.1f}" cy="{frame.y(b["accuracy"]):.1f}" r="{radius:.1f}"/></g>'
            )
    return frame.svg("accuracy over confidence") + _legend([(own["source"], shade(i)) for i, own in enumerate(found)])
