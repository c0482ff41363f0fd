"""From file names to checked programs."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ttscale.cli.faults import Failure
from ttscale.cli.options import granted, python_allowed
from ttscale.compiler.diagnostics import CompileError, Diagnostic
from ttscale.compiler.source import SourceFile

if TYPE_CHECKING:
    from ttscale.compiler.driver import Checked
    from ttscale.library.loader import FileLoader
    from ttscale.library.recipes import Recipe


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


def check_file(name: str, *, newest: bool = False) -> Checked:
    """Read and check one file, or the recipe of that name. Raises CompileError where it cannot be read as text.

    Imported recipes are taken in the versions of the lock beside the file, unless the `newest` are wanted.
    """
    from ttscale.compiler.driver import compile_source
    from ttscale.library.loader import FileLoader, load_source
    from ttscale.runtime.data_columns import DataColumns
    from ttscale.runtime.probes import told
    from ttscale.runtime.python_files import PythonFiles

    recipe = recipe_named(name)
    file = file_named(name)
    home = None if name == "-" or recipe is not None else Path(file).resolve().parent
    locked = locked_beside(home) if home is not None and not newest else frozenset[str]()
    loader = FileLoader(PythonFiles(home, allow=python_allowed()), DataColumns(), granted(), locked, told)
    source = load_source(file) if recipe is None else entry_of(loader, recipe)
    return compile_source(source, loader)


def locked_beside(folder: Path) -> frozenset[str]:
    """The recipes that the lock in a folder pins."""
    if not (folder / "tts.lock").is_file():
        return frozenset()
    from ttscale.cli.lock_file import locked_recipes

    return locked_recipes(folder)


def entry_of(loader: FileLoader, recipe: Recipe) -> SourceFile:
    """The program of a recipe. Raises CompileError where it cannot be used."""
    from ttscale.compiler.python_names import LoadFault

    try:
        return loader.entry(recipe.name, f"={recipe.version}")[0]
    except LoadFault as fault:
        raise CompileError([Diagnostic(fault.code, str(fault), None, hint=fault.hint)], {}) from fault


def home_for(name: str) -> Path:
    """Where relative paths of a program are looked for: beside its file, in its recipe, or where the user stands."""
    if name == "-":
        return Path.cwd()
    recipe = recipe_named(name)
    return Path(file_named(name)).resolve().parent if recipe is None else recipe.folder


def file_named(name: str) -> str:
    """The file that an argument means: of a recipe's folder its `recipe.tts`."""
    from ttscale.library.names import FILE, MANIFEST

    folder = Path(name)
    return str(folder / FILE) if name != "-" and (folder / MANIFEST).is_file() else name


def recipe_named(name: str) -> Recipe | None:
    """The recipe that an argument means, such as `self-consistency`, `self_consistency@1` or an alias.

    None for a file, or what looks like one: files and recipes' folders come first. Raises Failure where a name that is
    no file's is no recipe's either.
    """
    from ttscale.compiler.python_names import LoadFault
    from ttscale.library.recipes import called

    if name == "-":
        return None
    try:
        return called(name)
    except LoadFault as fault:
        is_near = "did you mean" in fault.hint or "nearest is" in fault.hint or "@" in name
        hint = fault.hint if is_near else "`ttscale recipe list` shows those that there are"
        raise Failure(f"there is no file {name}, and {_lower(fault)}", hint) from None


def _lower(fault: Exception) -> str:
    text = str(fault)
    return text[:1].lower() + text[1:]


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
        findings.add(tuple(about_evidence(checked, name)), dict(checked.sources))
    return findings, programs


def about_evidence(checked: Checked, name: str) -> list[Diagnostic]:
    """What is wrong with a recipe's evidence that only its files can tell."""
    if not checked.ok or "# evidence {" not in checked.sources[checked.linked.main.tree.span.file].text:
        return []
    from ttscale.runtime.evidence_files import check_evidence_files

    return check_evidence_files(checked, home_for(name))
