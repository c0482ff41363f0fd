"""Reads Python files that programs name, where that is permitted: `FileLoader(PythonFiles(entry, allow=False))`.

A file in the folder of the program, or below it, is the user's own and may run. Any other one needs permission
(`--allow-python`, `load(…, allow_python=True)`), and so does every one that an imported recipe names. A path without
`./` is the name of an installed package, which offers functions as entry points in the groups `ttscale.stages`,
`ttscale.metrics` and `ttscale.engines`; installing it was the permission.

What runs is the text that was hashed: a file is read once and compiled from memory. It may import installed packages;
its own neighbours are not on the path, since their text would not count in its hash.

Codes:
    E0401  a Python file that is not there
    E0405  a Python file that may not run without permission
    E0406  a Python file that fails while it is loaded
    E0407  a function whose signature no program can use
"""

from __future__ import annotations

import hashlib
import inspect
import sys
import traceback
from pathlib import Path
from types import ModuleType

from ttscale.compiler.python_names import LoadFault, PythonModule, PythonSignature
from ttscale.runtime.plugins import mark_of, register

GROUPS = ("ttscale.stages", "ttscale.metrics", "ttscale.engines")
_MODULES: dict[tuple[str, str], ModuleType] = {}
"""Files that were loaded, by path and hash."""


class PythonFiles:
    """Reads the Python files of one program; `home` is the user's own folder, None where there is none."""

    def __init__(self, home: Path | None, *, allow: bool = False) -> None:
        self._home = None if home is None else home.resolve()
        self._allow = allow

    def file(self, path: Path, written: str, *, own: bool) -> PythonModule:
        """The functions of a file; `own` is False for one that an imported recipe names. Raises LoadFault."""
        if not path.is_file():
            raise no_file(path, written)
        real = path.resolve()
        inside = own and self._home is not None and real.is_relative_to(self._home)
        if not (inside or self._allow):
            whose = "it does not stand in the program's own folder" if own else "an imported recipe names it"
            hint = "read it, then run with `--allow-python` or `load(…, allow_python=True)`"
            raise LoadFault("E0405", f"{written} would run Python code, and {whose}", label="not run", hint=hint)
        try:
            source = real.read_bytes()
        except OSError as error:
            raise LoadFault("E0401", f"{written} cannot be read: {error.strerror or error}") from error
        digest = f"sha256:{hashlib.sha256(source).hexdigest()}"
        module = _loaded(path, source, digest, written)
        return _functions(vars(module), digest, str(path), module.__name__)

    def package(self, name: str) -> PythonModule:
        """The functions that an installed package offers as entry points. Raises LoadFault."""
        import importlib.metadata  # takes long, and most programs use no Python

        try:
            distribution = importlib.metadata.distribution(name)
        except (importlib.metadata.PackageNotFoundError, ValueError):
            hint = f"install it with `pip install {name}`, or write `./{name}` for a file beside this one"
            raise LoadFault("E0401", f"the package {name} is not installed", hint=hint) from None
        entries = [entry for entry in distribution.entry_points if entry.group in GROUPS]
        found: dict[str, PythonSignature] = {}
        digests: list[str] = []
        for entry in entries:
            try:
                function = entry.load()
            except Exception as error:  # an entry point may fail in any way; it is the package's mistake
                message = f"`{entry.name}` of the package {name} cannot be loaded: {error}"
                raise LoadFault("E0406", message, hint="ask its authors, or install another version") from error
            if mark_of(function) is None:
                message = f"`{entry.name}` of the package {name} is not marked as something that programs may use"
                raise LoadFault("E0407", message, hint="its authors must mark it with `ttscale.plugin`")
            file = inspect.getsourcefile(inspect.unwrap(function)) or name
            text = Path(file).read_bytes() if Path(file).is_file() else f"{name} {distribution.version}".encode()
            digest = f"sha256:{hashlib.sha256(text).hexdigest()}"
            digests.append(digest)
            found[entry.name] = register(function, digest, file)
        whole = hashlib.sha256("".join([name, distribution.version, *sorted(digests)]).encode()).hexdigest()
        return PythonModule(f"{name}@{distribution.version}", f"sha256:{whole}", found)


def no_file(path: Path, written: str) -> LoadFault:
    """The fault for a Python file that is not there."""
    near = sorted(entry.name for entry in path.parent.glob("*.py")) if path.parent.is_dir() else []
    hint = f"its folder has {', '.join(near[:5])}" if near else "the path is relative to this file"
    return LoadFault("E0401", f"there is no file {written}", hint=hint)


def _loaded(path: Path, source: bytes, digest: str, written: str) -> ModuleType:
    """The module of a file, run once for each text that it has had."""
    key = (str(path), digest)
    if key in _MODULES:
        return _MODULES[key]
    name = f"_ttscale_{digest.removeprefix('sha256:')[:16]}"
    module = ModuleType(name)
    module.__file__ = str(path)
    before = sys.modules.get(name)
    sys.modules[name] = module  # dataclasses and pickles look their module up here
    try:
        exec(compile(source, str(path), "exec", dont_inherit=True), vars(module))
    except BaseException as error:
        if before is None:
            sys.modules.pop(name, None)
        if isinstance(error, KeyboardInterrupt):
            raise
        raise _failed(error, path, written) from error
    _MODULES[key] = module
    return module


def _failed(error: BaseException, path: Path, written: str) -> LoadFault:
    if isinstance(error, SyntaxError):
        place = f"{path.name}:{error.lineno}"
        return LoadFault("E0406", f"{written} is not Python: {error.msg}", label=place, hint="mend that line")
    lines = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    place = f"{path.name}:{lines[-1].lineno}: {lines[-1].line}" if lines else path.name
    said = " ".join(str(error).split())
    hint = "mend that line"
    if isinstance(error, ModuleNotFoundError):
        hint = "install that package; files beside this one cannot be imported, so keep what it needs in one file"
    return LoadFault("E0406", f"{written} fails with {type(error).__name__}: {said}", label=place, hint=hint)


def _functions(names: dict[str, object], digest: str, file: str, module: str) -> PythonModule:
    """The marked functions of a file, and the names of its own others."""
    found: dict[str, PythonSignature] = {}
    others: list[str] = []
    for name, value in names.items():
        if callable(value) and mark_of(value) is not None:
            if getattr(value, "__name__", name) == name:
                found[name] = register(value, digest, file)
        elif inspect.isfunction(value) and value.__module__ == module:
            others.append(name)
    return PythonModule(file, digest, found, tuple(others))
