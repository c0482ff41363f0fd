"""From a name to the text of a module: files beside the importing one, and `std`, which ships with the tool.

    load_source("examples/vote.tts")                              # SourceFile("examples/vote.tts", …)
    FileLoader()("std/prompts", "1", "examples/vote.tts")          # SourceFile("std/prompts@1", …)
    FileLoader()("./judges", "", "examples/vote.tts")              # SourceFile("examples/judges.tts", …)

Codes:
    E0002  a file that is not text in UTF-8
    E0003  a file that is too large
    E0004  a file that is not there, is a folder, or cannot be read
    E0410  a schema file that is missing, or cannot be read as text
    E0413  a recipe that is not as it was installed, or that links to files outside its folder
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Collection, Iterable
from importlib import resources
from pathlib import Path, PurePosixPath
from typing import Protocol

from ttscale.compiler.capabilities import Told
from ttscale.compiler.columns import ColumnReader
from ttscale.compiler.diagnostics import CompileError, Diagnostic, suggest
from ttscale.compiler.python_names import LoadFault, PythonModule, PythonReader
from ttscale.compiler.source import SourceFile, Span
from ttscale.library.recipes import Recipe, files_in, find, hashes_of, said_by

LIMIT = 1 << 20
"""Bytes that a source file may have; the rest of a larger one is not even read."""
STD_VERSIONS = ("1",)
EVERYTHING = frozenset({"*"})
"""Granted where a program that was granted what it needs is compiled again."""


class SourceError(CompileError):
    """A file cannot be read as the text of a program: `code`, `message` and `hint` as in its one diagnostic."""

    def __init__(self, code: str, message: str, name: str, *, hint: str = "") -> None:
        self.code = code
        self.message = message
        self.hint = hint
        self.name = name
        super().__init__([Diagnostic(code, message, Span(name, 0, 0), hint=hint)], {name: SourceFile(name, "")})


class PythonAccess(Protocol):
    """Reads Python files where that is permitted; implemented by the runtime, which may run them."""

    def file(self, path: Path, written: str, *, own: bool) -> PythonModule:
        """The functions of a file; `own` is False for one that an imported recipe names. Raises LoadFault."""
        ...

    def package(self, name: str) -> PythonModule:
        """The functions that an installed package offers. Raises LoadFault."""
        ...


class FileLoader:
    """Finds imported modules: `std/…` in the package, `./x` and `../x` beside the file that imports them, others in
    installed recipes.

    A module that does not exist gives None. One that exists but cannot be read raises SourceError. Each file is
    read once; the same file has the same name from everywhere. `python` reads Python files; without it they are left
    alone, and what they declare is not known. `columns` tells what data files have, where that is to be checked.
    `allow` are the capabilities that the user grants to recipes (see `ttscale.compiler.check_trust`), `locked` those
    versions of recipes, as `name@version`, that are taken before newer ones. `told` says what is known of models.
    """

    def __init__(
        self,
        python: PythonAccess | None = None,
        columns: ColumnReader | None = None,
        allow: Iterable[str] = (),
        locked: Collection[str] = (),
        told: Told | None = None,
    ) -> None:
        self._locked = locked
        self._allow = frozenset(allow)
        self._intact: set[Path] = set()
        self._read: dict[str, SourceFile] = {}
        self._recipes: dict[str, tuple[Recipe, str]] = {}
        self._python = python
        self._schemas: dict[str, str] = {}
        self.columns = columns
        self.told = told
        self.python: PythonReader | None = None if python is None else self._python_module

    def __call__(self, path: str, version: str, importing_file: str, /) -> SourceFile | None:
        if path.startswith("std/"):
            return _std(path, version)
        if not path.startswith(("./", "../")):
            return self._recipe(*find(path, version, self._locked))
        if importing_file in self._recipes:
            return self._beside_in_recipe(path, importing_file)
        name = _beside(path, importing_file)
        if name not in self._read:
            if not Path(name).is_file():
                return None
            self._read[name] = load_source(name)
        return self._read[name]

    def entry(self, path: str, version: str) -> tuple[SourceFile, Recipe]:
        """The program that a recipe's name stands for, to be compiled as the first file. Raises LoadFault."""
        recipe, file = find(path, version)
        return self._recipe(recipe, file), recipe

    def granted(self, module: str) -> frozenset[str] | None:
        """The capabilities of a module; None for the user's own, which may do what it likes.

        Recipes that ship with the tool have what their manifests ask for.
        """
        if module not in self._recipes or self._allow >= EVERYTHING:
            return None
        recipe, _ = self._recipes[module]
        asked = said_by(recipe.folder).get("needs") if recipe.origin == "library" else ()
        return self._allow | frozenset(map(str, asked if isinstance(asked, list) else ()))

    def _recipe(self, recipe: Recipe, file: str) -> SourceFile:
        """A file of an installed recipe, named by recipe, file and version."""
        name = f"{recipe.name}/{file.removesuffix('.tts')}@{recipe.version}"
        if name not in self._read:
            if recipe.folder not in self._intact:
                require_intact(recipe)
                self._intact.add(recipe.folder)
            self._recipes[name] = (recipe, file)
            self._read[name] = SourceFile(name, load_source(inside(recipe, file)).text)
        return self._read[name]

    def _beside_in_recipe(self, path: str, importing_file: str) -> SourceFile | None:
        """What a file of a recipe imports from beside it; nothing outside the recipe's folder."""
        recipe, file = self._recipes[importing_file]
        wanted = _joined(path if path.endswith(".tts") else f"{path}.tts", file)
        is_there = ".." not in wanted.parts and (recipe.folder / wanted).is_file()
        return self._recipe(recipe, wanted.as_posix()) if is_there else None

    def _python_module(self, path: str, importing_file: str) -> PythonModule:
        """The functions of a Python file beside the importing one, or of an installed package."""
        assert self._python is not None
        if not path.startswith(("./", "../")):
            granted = self.granted(importing_file)
            if granted is not None and "python" not in granted:
                hint = "read what it does, then grant it with `--allow-python` or `load(…, allow_python=True)`"
                message = f"{path} would run Python code, and an imported recipe names it"
                raise LoadFault("E0405", message, label="not run", hint=hint)
            if path.endswith(".py") or "/" in path:
                hint = f"write `./{path}`: paths are relative to this file"
                raise LoadFault("E0401", f"{path} is neither a file beside this one nor a package", hint=hint)
            return self._python.package(path)
        if importing_file in self._recipes:
            recipe, file = self._recipes[importing_file]
            return self._python.file(recipe.folder / _joined(path, file), path, own=False)
        return self._python.file(_joined(path, importing_file), path, own=True)

    def metrics(self) -> list[str]:
        """The names of the metrics that installed packages offer; nothing of them is loaded."""
        from importlib import metadata

        return sorted(entry.name for entry in metadata.entry_points(group="ttscale.metrics"))

    def schema(self, path: str, importing_file: str, /) -> tuple[str, str] | None:
        """The name and the text of a schema file beside the importing one. Raises LoadFault."""
        if importing_file in self._recipes:
            recipe, own = self._recipes[importing_file]
            beside = _joined(path, own)
            name = f"{recipe.name}/{beside.as_posix()}@{recipe.version}"
            if ".." in beside.parts or beside.is_absolute():
                raise LoadFault("E0410", f"{path} lies outside the recipe `{recipe.name}`")
            file = inside(recipe, beside.as_posix())
        else:
            file = _joined(path, importing_file)
            name = str(file)
        if name not in self._schemas:
            self._schemas[name] = _schema_text(file, path)
        return name, self._schemas[name]


def inside(recipe: Recipe, file: str) -> Path:
    """A file of a recipe. Raises LoadFault where a link leads out of the recipe's folder."""
    path = recipe.folder / file
    if not path.resolve().is_relative_to(recipe.folder.resolve()):
        message = f"{file} of the recipe `{recipe.name}` is a link to a file outside the recipe"
        raise LoadFault("E0413", message, hint="put the file itself into the recipe's folder")
    return path


def require_intact(recipe: Recipe) -> None:
    """Raises LoadFault where a file of an installed recipe is not as it was installed: changed, missing or new."""
    hashes = hashes_of(recipe)
    if hashes is None:
        return
    names = files_in(recipe)
    for name in (*hashes, *names):
        if name not in names or name not in hashes or sha256_of(names[name]) != hashes[name]:
            what = "is missing" if name not in names else "is new" if name not in hashes else "was changed"
            again = {"added": f"`ttscale recipe add` it again, or `ttscale recipe remove {recipe.name}`"}
            hint = again.get(recipe.origin, f"install it again: `pip install --force-reinstall {recipe.package}`")
            message = f"{name} of the recipe `{recipe.label}` {what} since it was installed; it is not used"
            raise LoadFault("E0413", message, hint=hint)


def sha256_of(file: Path) -> str:
    """The sha256 of a file's bytes, in hexadecimal digits."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _schema_text(file: Path, written: str) -> str:
    """The text of a schema file. Raises LoadFault."""
    try:
        return load_source(file).text
    except SourceError as error:
        folder = file.parent
        names = sorted(entry.name for entry in folder.glob("*.json"))[:1_000] if folder.is_dir() else []
        near = suggest(file.name, names)
        if file.exists():
            hint = error.hint if error.code == "E0002" else ""
            raise LoadFault("E0410", f"the schema {error.message}", hint=hint) from error
        if near:
            hint = f'did you mean `Json("{written.removesuffix(file.name)}{near}")`?'
        elif folder.is_dir():
            hint = "its path counts from the folder of this file"
        else:
            hint = f"there is no folder {folder} either; the path counts from the folder of this file"
        raise LoadFault("E0410", f"there is no schema file {file}", hint=hint) from error


def std_modules() -> tuple[str, ...]:
    """The names of the modules that ship with the tool, in order: `std/prompts`, …"""
    folder = resources.files("ttscale.library").joinpath("std")
    return tuple(sorted(f"std/{entry.name[:-4]}" for entry in folder.iterdir() if entry.name.endswith(".tts")))


def load_source(path: str | Path) -> SourceFile:
    """The file at `path` as text; "-" is the standard input. Raises SourceError.

    A byte order mark is dropped, and CR LF and CR become LF, so that offsets are the same on every system.
    """
    name = str(path)
    if name == "-":
        return SourceFile("<stdin>", _decoded(sys.stdin.buffer.read(LIMIT + 1), "<stdin>"))
    file = Path(path)
    try:
        if file.is_dir():
            inside = sorted(entry.name for entry in file.glob("*.tts"))
            hint = f"name a file in it, such as {file / inside[0]}" if inside else "name a .tts file"
            raise SourceError("E0004", f"{name} is a folder, not a program", name, hint=hint)
        with file.open("rb") as stream:
            data = stream.read(LIMIT + 1)
    except FileNotFoundError as error:
        raise SourceError("E0004", f"there is no file {name}", name, hint=_near(file)) from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SourceError("E0004", f"{name} cannot be read: {reason}", name) from error
    return SourceFile(name, _decoded(data, name))


def _decoded(data: bytes, name: str) -> str:
    if len(data) > LIMIT:
        hint = "a program is short; keep rows in a data file and name it in `dataset NAME = jsonl(...)`"
        raise SourceError("E0003", f"{name} is too large: more than {LIMIT:,} bytes", name, hint=hint)
    if data[:4] == b"GGUF":
        hint = 'name it in a program: `model small = gguf("…")`'
        raise SourceError("E0002", f"{name} is a weight file, not a program", name, hint=hint)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        hint = "save it as UTF-8"
        if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
            hint = "it looks like UTF-16; save it as UTF-8"
        message = f"{name} is not text in UTF-8: byte {error.start} does not belong"
        raise SourceError("E0002", message, name, hint=hint) from error
    if "\x00" in text:
        raise SourceError("E0002", f"{name} is not text: it holds zero bytes", name, hint="name a .tts file")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _near(file: Path) -> str:
    """A hint that names what the user may have meant."""
    folder = file.parent
    if not folder.is_dir():
        return f"there is no folder {folder} either"
    if file.suffix != ".tts" and file.with_name(file.name + ".tts").is_file():
        return f"did you mean {file.with_name(file.name + '.tts')}?"
    names = sorted(entry.name for entry in folder.glob("*.tts"))[:1_000]
    near = suggest(file.name, names)
    if near:
        return f"did you mean {folder / near}?"
    if not names:
        return "no .tts file is there; `ttscale new` writes one"
    return f"the folder has {', '.join(names[:5])}{', …' if len(names) > 5 else ''}"


def _std(path: str, version: str) -> SourceFile | None:
    module = path.removeprefix("std/")
    if not module.isidentifier() or (version and version.lstrip("~^").split(".")[0] not in STD_VERSIONS):
        return None
    file = resources.files("ttscale.library").joinpath("std", f"{module}.tts")
    if not file.is_file():
        return None
    return SourceFile(f"{path}@{STD_VERSIONS[-1]}", file.read_text(encoding="utf-8").replace("\r\n", "\n"))


def _beside(path: str, importing_file: str) -> str:
    """The `.tts` file that `path` means in `importing_file`."""
    return str(_joined(path if path.endswith(".tts") else f"{path}.tts", importing_file))


def _joined(path: str, importing_file: str) -> Path:
    """The file that `path` means in `importing_file`, with `..` and `.` taken out where that needs no disk."""
    base = PurePosixPath(Path(importing_file).parent.as_posix()) if importing_file != "<stdin>" else PurePosixPath()
    parts: list[str] = []
    for part in (base / path).parts:
        if part == ".":
            continue
        if part == ".." and parts and parts[-1] not in ("..", "/"):
            parts.pop()
        else:
            parts.append(part)
    return Path(*parts)
