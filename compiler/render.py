"""Diagnostics as text for people, as JSON for programs, as annotations for GitHub.

Rendering is total: any span of any file in any width gives some text, whatever made the span.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ttscale.compiler.diagnostics import Diagnostic
from ttscale.compiler.frozen import dataclass
from ttscale.compiler.source import SourceFile, Span

TAB = "    "
MIN_WINDOW = 20
NEAR = 3
"""Marked lines with fewer than this many lines between them stand together; more are shown as `...`."""

_COLORS = {"error": "\x1b[1;31m", "warning": "\x1b[1;33m", "lint": "\x1b[1;36m"}
_BLUE = "\x1b[34m"
_BOLD = "\x1b[1m"
_RESET = "\x1b[0m"
_GITHUB = {"error": "error", "warning": "warning", "lint": "notice"}


@dataclass(frozen=True, slots=True)
class _Mark:
    """A marked place: line and column from 1, length in characters on that line, and what to say about it."""

    line: int
    column: int
    length: int
    text: str
    primary: bool


class _Painter:
    """Adds colours, or leaves the text alone."""

    def __init__(self, color: bool, severity: str) -> None:
        self.on = color
        self.severity = _COLORS.get(severity, _BOLD)

    def paint(self, text: str, color: str) -> str:
        return f"{color}{text}{_RESET}" if self.on and text else text


def render(diagnostic: Diagnostic, sources: Mapping[str, SourceFile], *, color: bool = False, width: int = 100) -> str:
    """The message with the lines it is about; no newline at the end.

    `width` is that of the terminal in columns: longer source lines are shown in part. A span of a file that is
    not in `sources` is named without its text.
    """
    painter = _Painter(color, diagnostic.severity)
    title = painter.paint(f"{diagnostic.severity}[{diagnostic.code}]", painter.severity)
    out = [f"{title}{painter.paint(': ' + _one_line(diagnostic.message), _BOLD)}"]
    by_file = _marks_by_file(diagnostic, sources)
    numbers = [mark.line for marks in by_file.values() for mark in marks]
    gutter = len(str(max(numbers, default=1)))
    for index, (file, marks) in enumerate(by_file.items()):
        arrow = painter.paint("-->" if index == 0 else ":::", _BLUE)
        if file not in sources:
            out.append(f"{' ' * gutter}{arrow} {_one_line(file)}")
            continue
        first = next((mark for mark in marks if mark.primary), marks[0])
        out.append(f"{' ' * gutter}{arrow} {_one_line(file)}:{first.line}:{first.column}")
        out.extend(_excerpt(sources[file], marks, gutter, painter, width))
    if diagnostic.hint:
        first_line, *others = diagnostic.hint.splitlines() or [""]
        out.append(f"{painter.paint('hint', _BOLD)}: {first_line}")
        out.extend(f"      {line}".rstrip() for line in others)
    return "\n".join(out)


def summary(diagnostics: Iterable[Diagnostic]) -> str:
    """How many there are of each kind, in one line: `2 errors, 1 warning`; `no problems` if there are none."""
    names = {"error": "error", "warning": "warning", "lint": "lint finding"}
    counts = dict.fromkeys(names, 0)
    for diagnostic in diagnostics:
        counts[diagnostic.severity] += 1
    said = [f"{count} {names[kind]}{'s' if count > 1 else ''}" for kind, count in counts.items() if count]
    return ", ".join(said) or "no problems"


def to_json(diagnostic: Diagnostic, sources: Mapping[str, SourceFile]) -> dict[str, Any]:
    """The diagnostic as JSON values; lines and columns count from 1, ends are exclusive, unknown ones are None."""
    return {
        "code": diagnostic.code,
        "severity": diagnostic.severity,
        "message": diagnostic.message,
        **_place(diagnostic.primary, sources),
        "label": diagnostic.label,
        "labels": [{**_place(label.span, sources), "text": label.text} for label in diagnostic.labels],
        "hint": diagnostic.hint,
    }


def to_github(diagnostic: Diagnostic, sources: Mapping[str, SourceFile]) -> str:
    """The diagnostic as one workflow command of GitHub Actions."""
    place = _place(diagnostic.primary, sources)
    keys = (("file", "file"), ("line", "line"), ("column", "col"), ("end_line", "endLine"), ("end_column", "endColumn"))
    fields = [f"{name}={_github_value(str(place[key]))}" for key, name in keys if place[key] is not None]
    fields.append(f"title={_github_value(diagnostic.code)}")
    said = [diagnostic.message]
    if diagnostic.label:
        said.append(diagnostic.label)
    if diagnostic.hint:
        said.append(f"hint: {diagnostic.hint}")
    return f"::{_GITHUB[diagnostic.severity]} {','.join(fields)}::{_github_text(chr(10).join(said))}"


def _github_text(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _github_value(text: str) -> str:
    return _github_text(text).replace(":", "%3A").replace(",", "%2C")


def _place(span: Span | None, sources: Mapping[str, SourceFile]) -> dict[str, Any]:
    place: dict[str, Any] = dict.fromkeys(("file", "line", "column", "end_line", "end_column"))
    if span is None:
        return place
    place["file"] = span.file
    source = sources.get(span.file)
    if source is not None:
        place["line"], place["column"] = source.position(span.start)
        place["end_line"], place["end_column"] = source.position(max(span.start, span.end))
    return place


def _marks_by_file(diagnostic: Diagnostic, sources: Mapping[str, SourceFile]) -> dict[str, list[_Mark]]:
    """The marks of each file, that of the primary span first."""
    found: dict[str, list[_Mark]] = {}
    spans: list[tuple[Span, str, bool]] = []
    if diagnostic.primary is not None:
        spans.append((diagnostic.primary, diagnostic.label, True))
    spans.extend((label.span, label.text, False) for label in diagnostic.labels)
    for span, text, primary in spans:
        marks = found.setdefault(span.file, [])
        source = sources.get(span.file)
        if source is not None:
            line, column = source.position(span.start)
            end_line, end_column = source.position(max(span.start, span.end))
            # A span over several lines is marked on its first.
            end = end_column if end_line == line else len(source.line(line)) + 1
            marks.append(_Mark(line, column, max(1, end - column), _one_line(text), primary))
    return found


def _excerpt(source: SourceFile, marks: Sequence[_Mark], gutter: int, painter: _Painter, width: int) -> list[str]:
    """The marked lines in order, each with its marks below it."""
    bar = painter.paint("|", _BLUE)
    out = [f"{' ' * gutter} {bar}"]
    previous: int | None = None
    for number in sorted({mark.line for mark in marks}):
        if previous is not None and number - previous > NEAR:
            out.append(painter.paint("...", _BLUE))
        previous = number
        here = sorted((mark for mark in marks if mark.line == number), key=lambda mark: (not mark.primary, mark.column))
        shown, rows = _marked_line(source.line(number), here, max(MIN_WINDOW, width - gutter - 3), painter)
        label = painter.paint(f"{number:>{gutter}}", _BLUE)
        out.append(f"{label} {bar} {shown}".rstrip())
        out.extend(f"{' ' * gutter} {bar} {row}" for row in rows)
    return out


def _marked_line(text: str, marks: Sequence[_Mark], room: int, painter: _Painter) -> tuple[str, list[str]]:
    """A line cut to `room` columns around its first mark, and a row of `^` or `-` for each mark."""
    cells = [_cell(char) for char in text]
    # columns[i] is the screen column at which character i begins; one more for the end of the line.
    columns = [0]
    for cell in cells:
        columns.append(columns[-1] + _cell_width(cell))
    first, last = 0, len(cells)
    if columns[-1] > room:
        wanted = columns[min(marks[0].column - 1, len(cells))]
        while first < len(cells) and columns[first] < wanted - room // 3 and columns[-1] - columns[first] > room - 2:
            first += 1
        while last > first and columns[last] - columns[first] > room - 2:
            last -= 1
    before = "…" if first else ""
    shown = before + "".join(cells[first:last]) + ("…" if last < len(cells) else "")
    rows = []
    for mark in marks:
        start = min(max(mark.column - 1, first), last)
        end = min(max(mark.column - 1 + mark.length, start), last)
        left = len(before) + columns[start] - columns[first]
        line = ("^" if mark.primary else "-") * max(1, columns[end] - columns[start])
        row = f"{line} {mark.text}".rstrip()
        rows.append(" " * left + painter.paint(row, painter.severity if mark.primary else _BLUE))
    return shown, rows


def _cell(char: str) -> str:
    """What stands on the screen for one character of the source."""
    if char == "\t":
        return TAB
    category = unicodedata.category(char)
    return "\ufffd" if category in ("Cc", "Cs", "Co", "Zl", "Zp", "Cf") else char


def _cell_width(cell: str) -> int:
    if cell == TAB:
        return len(TAB)
    if unicodedata.category(cell) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(cell) in ("W", "F") else 1


def _one_line(text: str) -> str:
    return " ".join(text.splitlines()) if "\n" in text or "\r" in text else text
