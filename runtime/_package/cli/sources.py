"""From file names to checked programs."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ttscale.cli.options import python_allowed
from ttscale.compiler.diagnostics import CompileError, Diagnostic
from ttscale.compiler.source import SourceFile

if TYPE_CHECKING:
    from ttscale.compiler.driver import Checked


@dataclass
class Findings:
    """What was said about several files: every diagnostic once, with the sources they point at."""

    diagnostics: list[Diagnostic] = field(default_factory=list)
    sources: dict[str, SourceFile] = field(default_factory=dict)

    @property
    def has_errors(self) -> bool:
        """Whether any of it is an error."""
        return any(d.severity == "error" for d in self.diagnostics)

    def add(self, diagnostics: tuple[Diagnostic, ...], sources: dict[str, SourceFile]) -> None:
        """Take in what was said about one file; what two files share is said once."""
        self.diagnostics += [d for d in diagnostics if d not in self.diagnostics]
        self.sources.update(sources)


def check_file(name: str) -> Checked:
    """Read and check one file. Raises CompileError where it cannot be read as text."""
    from ttscale.compiler.driver import compile_source
    from ttscale.library.loader import FileLoader, load_source
    from ttscale.runtime.data_columns import DataColumns
    from ttscale.runtime.python_files import PythonFiles

    home = None if name == "-" else Path(name).resolve().parent
    return compile_source(load_source(name), FileLoader(PythonFiles(home, allow=python_allowed()), DataColumns()))


def check_files(names: tuple[str, ...]) -> tuple[Findings, list[Checked]]:
    """Check several files; what cannot even be read is among the findings."""
    findings = Findings()
    programs = []
    for name in dict.fromkeys(names):
        try:
            checked = check_file(name)
        except CompileError as failure:
            findings.add(failure.diagnostics, failure.sources)
            continue
        programs.append(checked)
        findings.add(checked.diagnostics, dict(checked.sources))
    return findings, programs
