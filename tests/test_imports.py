"""The arrows between the rooms of the house, read from the imports of every module."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ORDER = ("grammar", "compiler", "library", "runtime", "face")
IMPURE = {
    "asyncio",
    "datetime",
    "glob",
    "io",
    "logging",
    "multiprocessing",
    "os",
    "pathlib",
    "random",
    "secrets",
    "shutil",
    "socket",
    "subprocess",
    "tempfile",
    "threading",
    "time",
    "urllib",
    "uuid",
    "httpx",
    "numpy",
}
POSIX_ONLY = {"crypt", "fcntl", "grp", "posix", "pty", "pwd", "resource", "syslog", "termios", "tty"}


def modules() -> list[Path]:
    """Every module of the package."""
    return sorted(
        path for room in ORDER[:-1] for path in (ROOT / room).rglob("*.py") if "__pycache__" not in path.parts
    )


def room_of_path(path: Path) -> str:
    """The room a file stands in."""
    parts = path.relative_to(ROOT).parts
    return "face" if parts[:2] == ("runtime", "_package") else parts[0]


def room_of_import(name: str) -> str | None:
    """The room that `ttscale…` names, None for other packages."""
    parts = name.split(".")
    if parts[0] != "ttscale":
        return None
    return parts[1] if len(parts) > 1 and parts[1] in ORDER else "face"


def imports(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Every imported module's full name with its line, wherever the import stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports name their module in full"
            yield node.module or "", node.lineno
            if node.module == "ttscale":
                for alias in node.names:
                    yield f"ttscale.{alias.name}", node.lineno


def top_level(tree: ast.Module) -> Iterator[str]:
    """Names imported when the module itself is imported, outside `if TYPE_CHECKING` and guarded branches."""
    for node in tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from (name for name, _ in imports(node))


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_one_way(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    own = ORDER.index(room_of_path(path))
    for name, line in imports(tree):
        room = room_of_import(name)
        if room is not None:
            # `import ttscale` alone is the face; inside the face it is at home.
            assert ORDER.index(room) <= own, f"{path.name}:{line} imports {name}, which stands above it"


def test_grammar_imports_nothing_of_the_project() -> None:
    for path in (ROOT / "grammar").rglob("*.py"):
        found = [name for name, _ in imports(ast.parse(path.read_text(encoding="utf-8"))) if name.startswith("ttscale")]
        assert not [name for name in found if not name.startswith("ttscale.grammar")], path


@pytest.mark.parametrize("path", sorted((ROOT / "compiler").rglob("*.py")), ids=lambda path: path.name)
def test_the_compiler_is_pure(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for name, line in imports(tree):
        assert name.split(".")[0] not in IMPURE, f"{path.name}:{line} imports {name}: no I/O, clock or random here"
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in {"open", "print", "input"}, f"{path.name}:{node.lineno} calls {node.func.id}"


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_needs_posix_to_be_imported(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for name in top_level(tree):
        assert name.split(".")[0] not in POSIX_ONLY, f"{path.name} imports {name} at module level"


def test_the_runtime_never_reads_the_parser() -> None:
    for path in (ROOT / "runtime" / "stages", ROOT / "runtime" / "strategies", ROOT / "runtime" / "engines"):
        for module in path.rglob("*.py"):
            for name, _ in imports(ast.parse(module.read_text(encoding="utf-8"))):
                assert name not in {"lark", "ttscale.compiler.parse", "ttscale.compiler.lower"}, module


def test_the_names_that_the_tests_watch_are_real() -> None:
    standard = IMPURE - {"httpx", "numpy"}
    assert standard <= sys.stdlib_module_names
