"""What a Python file offers to programs, read from its text: an editor runs no Python.

Functions with a decorator of `ttscale.plugin` are found with their parameters, documentation and places. What only
running the file would tell, such as functions made by other functions, is missing here, so nothing is said of it.
"""

from __future__ import annotations

import ast as python
import importlib.metadata
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ttscale.compiler import ast
from ttscale.compiler.driver import Checked
from ttscale.compiler.scope import Symbol
from ttscale.compiler.signatures import Kind, Parameter
from ttscale.compiler.source import SourceFile, Span
from ttscale.runtime.python_files import GROUPS

MARKS = ("scorer", "selector", "metric", "policy", "stage", "engine")
MAX_BYTES = 1 << 20
_KINDS: dict[str, Kind] = {"int": "int", "float": "float", "bool": "bool", "str": "text"}


@dataclass(frozen=True)
class Offered:
    """A marked function: what it is, its head as Python writes it, what a program may give it, and its place."""

    name: str
    kind: str
    head: str
    parameters: tuple[Parameter, ...]
    doc: str
    source: SourceFile
    span: Span


@dataclass
class _Kept:
    """The functions of one file as it was at a time."""

    stamp: tuple[int, int]
    functions: dict[str, Offered] = field(default_factory=dict)


_FILES: dict[Path, _Kept] = {}


def function_of(symbol: Symbol | None, checked: Checked) -> Offered | None:
    """The function that a name imported from Python stands for; None where the text does not tell."""
    if symbol is None or symbol.kind != "python" or not isinstance(symbol.declaration, ast.Use):
        return None
    return offered_by(symbol.declaration.path, symbol.module).get(symbol.name)


def offered_functions(checked: Checked, *kinds: str) -> dict[str, Offered]:
    """The functions of some kinds that a program imports, by the names that it gives them."""
    found = {name: function_of(symbol, checked) for name, symbol in checked.linked.main.names.items()}
    return {name: one for name, one in found.items() if one is not None and one.kind in kinds}


def offered_by(path: str, importing: str) -> dict[str, Offered]:
    """The functions of the Python file or installed package that `use python("…")` names in a file."""
    if path.startswith(("./", "../")):
        return _functions(Path(importing).parent / path)
    return {name: one for name, file, function in _entries(path) if (one := _functions(file).get(function)) is not None}


def file_of(path: str, importing: str) -> Path | None:
    """The Python file of such a path; None for packages and files that are not there."""
    file = Path(importing).parent / path if path.startswith(("./", "../")) else None
    return file if file is not None and file.is_file() else None


def _entries(package: str) -> Iterator[tuple[str, Path, str]]:
    """Names, files and functions that an installed package has as entry points, without importing it."""
    try:
        distribution = importlib.metadata.distribution(package)
    except (importlib.metadata.PackageNotFoundError, ValueError):
        return
    for entry in distribution.entry_points:
        if entry.group in GROUPS:
            module, _, function = entry.value.partition(":")
            stem = module.strip().replace(".", "/")
            for name in (f"{stem}.py", f"{stem}/__init__.py"):
                file = Path(str(distribution.locate_file(name)))
                if file.is_file():
                    yield entry.name, file, function.strip()


def _functions(file: Path) -> dict[str, Offered]:
    try:
        status = file.stat()
        stamp = (status.st_mtime_ns, status.st_size)
        if file not in _FILES or _FILES[file].stamp != stamp:
            text = file.read_text(encoding="utf-8") if status.st_size <= MAX_BYTES else ""
            _FILES[file] = _Kept(stamp, {one.name: one for one in outlined(SourceFile(str(file), text))})
    except (OSError, UnicodeDecodeError):
        return {}
    return _FILES[file].functions


def outlined(source: SourceFile) -> Iterator[Offered]:
    """The marked functions of a Python text; nothing for one that does not parse."""
    try:
        tree = python.parse(source.text)
    except (SyntaxError, ValueError, RecursionError):
        return
    for node in tree.body:
        if not isinstance(node, python.FunctionDef | python.AsyncFunctionDef):
            continue
        kind = next((name for mark in node.decorator_list if (name := _called(mark)) in MARKS), "")
        if not kind:
            continue
        arguments = [*node.args.posonlyargs, *node.args.args]
        defaults = [None] * (len(arguments) - len(node.args.defaults)) + list(node.args.defaults)
        pairs = [*zip(arguments, defaults, strict=True), *zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)]
        first = {"metric": 2, "engine": 1 if arguments and _is_locator(arguments[0]) else 0}.get(kind, 1)
        parameters = tuple(_parameter(argument, default) for argument, default in pairs[first:])
        result = f" -> {python.unparse(node.returns)}" if node.returns is not None else ""
        start = source.line_starts[node.lineno - 1] + source.line(node.lineno).find(node.name)
        span = Span(source.name, start, start + len(node.name))
        head = f"def {node.name}({python.unparse(node.args)}){result}"
        yield Offered(node.name, kind, head, parameters, python.get_docstring(node) or "", source, span)


def _called(mark: python.expr) -> str:
    """The name of a decorator: `stage` of `@stage`, `@stage(…)` and `@plugin.stage`."""
    mark = mark.func if isinstance(mark, python.Call) else mark
    return mark.attr if isinstance(mark, python.Attribute) else mark.id if isinstance(mark, python.Name) else ""


def _is_locator(argument: python.arg) -> bool:
    kind, _ = _plain(argument.annotation)
    return isinstance(kind, python.Name) and kind.id in ("str", "Path")


def _plain(annotation: python.expr | None) -> tuple[python.expr | None, list[python.expr]]:
    """An annotation without `Annotated` and `| None`, and what stood beside it."""
    if isinstance(annotation, python.Subscript) and _called(annotation.value) == "Annotated":
        parts = annotation.slice.elts if isinstance(annotation.slice, python.Tuple) else [annotation.slice]
        return _plain(parts[0])[0], parts[1:]
    if isinstance(annotation, python.BinOp) and isinstance(annotation.op, python.BitOr):
        sides = [annotation.left, annotation.right]
        others = [side for side in sides if not (isinstance(side, python.Constant) and side.value is None)]
        return (others[0] if len(others) == 1 else annotation), []
    return annotation, []


def _parameter(argument: python.arg, default: python.expr | None) -> Parameter:
    """A parameter as a program sees it; a type that the text does not tell counts as a text."""
    annotation, extras = _plain(argument.annotation)
    doc = next((e.value for e in extras if isinstance(e, python.Constant) and isinstance(e.value, str)), "")
    value = default.value if isinstance(default, python.Constant) else None
    name = _called(annotation) if annotation is not None else ""
    choices: tuple[str, ...] = ()
    kind: Kind = "strategy" if name == "Numbers" else _KINDS.get(name, "text")
    if isinstance(annotation, python.Subscript) and _called(annotation.value) == "Literal":
        parts = annotation.slice.elts if isinstance(annotation.slice, python.Tuple) else [annotation.slice]
        choices = tuple(str(part.value) for part in parts if isinstance(part, python.Constant))
        kind = "name"
    shown = doc or (python.unparse(annotation) if annotation is not None and not choices else "")
    return Parameter(argument.arg, kind, value, default is None, choices=choices, doc=shown)
