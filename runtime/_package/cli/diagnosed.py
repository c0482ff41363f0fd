"""Diagnostics as the command line shows them: for people, for programs, for GitHub."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ttscale.cli.console import plural
from ttscale.compiler.diagnostics import Diagnostic
from ttscale.compiler.render import render, to_github, to_json
from ttscale.compiler.render import summary as counted
from ttscale.compiler.source import SourceFile


def rendered(diagnostic: Diagnostic, sources: Mapping[str, SourceFile], color: bool, width: int) -> str:
    """A diagnostic with its lines of source, ending in an empty line."""
    return render(diagnostic, sources, color=color, width=width).rstrip("\n") + "\n"


def as_data(diagnostics: Iterable[Diagnostic], sources: Mapping[str, SourceFile]) -> list[Any]:
    """Diagnostics as plain data with lines and columns."""
    return [to_json(diagnostic, sources) for diagnostic in diagnostics]


def for_github(diagnostics: Iterable[Diagnostic], sources: Mapping[str, SourceFile]) -> list[str]:
    """Diagnostics as workflow commands, which GitHub shows at the line."""
    return [to_github(diagnostic, sources) for diagnostic in diagnostics]


def summary(diagnostics: Iterable[Diagnostic], files: int) -> str:
    """`2 errors, 1 warning in 3 files`."""
    return f"{counted(diagnostics)} in {plural(files, 'file')}"
