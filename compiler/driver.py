"""The compiler, as a table of contents: each step is one function of one module.

    parse    text to a concrete tree            compiler/parse.py
    lower    concrete tree to `ast`             compiler/lower.py
    resolve  all files, every name's meaning    compiler/resolve.py
    check    names, types, facets, data         compiler/check.py
             then sizes and budgets, for the    compiler/assignments.py
             values that parameters may take

What follows needs values for the parameters and is in `bind`, `expand` and `plan`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from ttscale.compiler import ast
from ttscale.compiler.assignments import check_assignments
from ttscale.compiler.check import Each, check
from ttscale.compiler.diagnostics import CompileError, Diagnostic
from ttscale.compiler.frozen import dataclass
from ttscale.compiler.lint_allow import without_allowed
from ttscale.compiler.metric_names import MetricNames, check_metric_names
from ttscale.compiler.resolve import Loader, Reader, read_module, resolve
from ttscale.compiler.scope import Linked
from ttscale.compiler.source import SourceFile

if TYPE_CHECKING:
    from ttscale.compiler.capabilities import Told
    from ttscale.compiler.check_trust import Granted
    from ttscale.compiler.columns import ColumnReader


@dataclass(frozen=True)
class Checked:
    """A linked program and everything said about it; `pipelines` are those declared in the entry file, in order."""

    linked: Linked
    pipelines: Mapping[str, ast.PipelineDecl]
    diagnostics: tuple[Diagnostic, ...]
    silenced: tuple[Diagnostic, ...] = ()
    """Lint that a comment in the program allows."""

    @property
    def sources(self) -> Mapping[str, SourceFile]:
        """The text of every file, by the name that spans use."""
        return self.linked.sources

    @property
    def ok(self) -> bool:
        """Whether nothing among the diagnostics is an error."""
        return all(d.severity != "error" for d in self.diagnostics)

    def require_ok(self) -> Checked:
        """This value, or raise CompileError with its diagnostics."""
        if not self.ok:
            raise CompileError(self.diagnostics, self.sources)
        return self


Assignments = Callable[[Linked, str], list[Diagnostic]]
"""Checks one pipeline for all assignments of its parameters; an editor does that later, when the user pauses."""


def compile_source(
    source: SourceFile,
    load: Loader,
    read: Reader = read_module,
    assignments: Assignments = check_assignments,
    each: Each | None = None,
) -> Checked:
    """Resolve and check one file and what it imports; nothing is raised for a user's mistake.

    `read`, `assignments` and `each` are steps that an editor replaces by ones that remember their outcomes.
    """
    linked, resolving = resolve(source, load, read)
    found_of: Told | None = getattr(load, "told", None)
    if found_of is not None:
        linked = replace(linked, told=found_of)
    pipelines = _pipelines(linked)
    found = [*resolving, *_with_sense(check(linked, each), resolving)]
    if not any(diagnostic.severity == "error" for diagnostic in found):
        for name in pipelines:
            found += assignments(linked, name)
    columns: ColumnReader | None = getattr(load, "columns", None)
    if columns is not None and _reads_rows(linked):
        from ttscale.compiler.columns import check_columns

        found += check_columns(linked, columns, found)
    granted: Granted | None = getattr(load, "granted", None)
    if granted is not None and any(granted(name) is not None for name in linked.modules):
        from ttscale.compiler.check_trust import check_trust  # few programs have recipes

        found += check_trust(linked, granted, columns)
    metrics: MetricNames | None = getattr(load, "metrics", None)
    if metrics is not None:
        found += check_metric_names(linked, metrics)
    told, silenced = without_allowed(linked, found)
    return Checked(linked, pipelines, in_order(told, source.name), tuple(silenced))


def _with_sense(found: list[Diagnostic], resolving: list[Diagnostic]) -> list[Diagnostic]:
    """Diagnostics without unused imports of a file that has errors: what is unused may be what an error is about."""
    wrong = {d.primary.file for d in resolving if d.severity == "error" and d.primary is not None}
    return [d for d in found if d.code != "L005" or d.primary is None or d.primary.file not in wrong]


def _reads_rows(linked: Linked) -> bool:
    """Whether any file declares a dataset."""
    return any(isinstance(d, ast.DatasetDecl) for scope in linked.modules.values() for d in scope.tree.declarations)


def in_order(diagnostics: list[Diagnostic], entry: str) -> tuple[Diagnostic, ...]:
    """Diagnostics as a reader wants them: the entry file first, each file from top to bottom, none twice."""

    def place(diagnostic: Diagnostic) -> tuple[bool, str, int]:
        span = diagnostic.primary
        return (False, "", -1) if span is None else (span.file != entry, span.file, span.start)

    return tuple(sorted(dict.fromkeys(diagnostics), key=place))


def _pipelines(linked: Linked) -> dict[str, ast.PipelineDecl]:
    """The entry file's own pipelines by name; of two with one name the first counts."""
    found: dict[str, ast.PipelineDecl] = {}
    for declaration in linked.main.tree.declarations:
        if isinstance(declaration, ast.PipelineDecl):
            found.setdefault(declaration.name, declaration)
    return found
