"""Where the command line writes: people's text, JSON, and whether colour and a live display are wanted."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Sequence
from typing import IO, Any


def out(text: str = "") -> None:
    """Write a line to standard output."""
    sys.stdout.write(text + "\n")


def err(text: str = "") -> None:
    """Write a line to standard error."""
    sys.stderr.write(text + "\n")


def out_json(value: Any) -> None:
    """Write one JSON document to standard output, readable by people too."""
    out(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def has_color(stream: IO[str]) -> bool:
    """Whether to colour what goes to `stream`: a terminal, unless NO_COLOR is set; FORCE_COLOR overrules."""
    if os.environ.get("FORCE_COLOR"):
        return True
    return is_terminal(stream) and not os.environ.get("NO_COLOR")


def is_terminal(stream: IO[str]) -> bool:
    """Whether a person looks at `stream` on a terminal that understands cursor movement."""
    return bool(getattr(stream, "isatty", lambda: False)()) and os.environ.get("TERM") != "dumb"


def width() -> int:
    """Columns to fill, between 40 and 120."""
    return max(40, min(120, shutil.get_terminal_size((100, 24)).columns))


def plural(count: int, noun: str) -> str:
    """`1 error`, `2 errors`."""
    return f"{count:,} {noun}" + ("" if count == 1 else "es" if noun.endswith("ss") else "s")


def duration(seconds: float) -> str:
    """A time for people: `0.8 s`, `2 min 5 s`, `1 h 3 min`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"


def table(rows: Sequence[tuple[str, ...]], right: frozenset[int] = frozenset()) -> list[str]:
    """Lines of a table whose first row is the header; the columns in `right` are set flush right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [
            cell.rjust(size) if i in right else cell.ljust(size)
            for i, (cell, size) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return lines
