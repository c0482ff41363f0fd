"""Diagnostics as the command line shows them: for people, for programs, for GitHub."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from ttscale.cli.console import plural
from ttscale.compiler.diagnostics import Diagnostic
from ttscale.compiler.render import render, to_github, to_json
from ttscale.compiler.source import SourceFile


def rendered(diagnostic: Diagnostic, sources: Mapping[str, SourceFile], color: bool, width: int) -> str:
    """A diagnostic with its lines of source, ending in an empty line."""
    return render(diagnostic, sources, color=color, width=width).rstrip("\n") + "\n"


def as_data(diagnostics: Iterable[Diagnostic], sources: Mapping[str, SourceFile]) -> list[Any]:
    """Diagnostics as plain data with lines and columns."""
    return [plain(to_json(diagnostic, sources)) for diagnostic in diagnostics]


def plain(value: object) -> Any:
    """Data, whether it came as data or as a text of JSON."""
    return json.loads(value) if isinstance(value, str) else value


def for_github(diagnostics: Iterable[Diagnostic], sources: Mapping[str, SourceFile]) -> list[str]:
    """Diagnostics as workflow commands, which GitHub shows at the line."""
    return [to_github(diagnostic, sources) for diagnostic in diagnostics]


def summary(diagnostics: Iterable[Diagnostic], files: int) -> str:
    """`2 errors, 1 warning in 3 files`."""
    counts = {"error": 0, "warning": 0, "lint": 0}
    for diagnostic in diagnostics:
        counts[diagnostic.severity] += 1
    parts = [
        plural(counts["error"], "error") if counts["error"] else "no errors",
        plural(counts["warning"], "warning") if counts["warning"] else "",
        plural(counts["lint"], "remark") if counts["lint"] else "",
    ]
    return ", ".join(part for part in parts if part) + f" in {plural(files, 'file')}"
