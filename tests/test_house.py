"""Rules of the house that a reader would otherwise have to police."""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("grammar", "compiler", "library", "runtime", "tests", "benchmarks", "examples")


def sources() -> list[Path]:
    """Every Python file of ours."""
    return sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py") if "__pycache__" not in path.parts)


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_modules_stay_short(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 500


def test_no_module_is_called_by_a_word_that_says_nothing() -> None:
    assert not [path for path in sources() if path.stem in {"utils", "util", "helpers", "helper", "misc", "common"}]


def test_nothing_is_left_for_later_in_the_code() -> None:
    words = re.compile(r"\b(?:TO" + "DO|FIX" + "ME|XX" + r"X)\b|NotImplementedError")
    for path in sources():
        if path == Path(__file__).resolve():
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            assert not words.search(line), f"{path.relative_to(ROOT)}:{number}: {line.strip()}"


def test_no_exception_is_swallowed_in_silence() -> None:
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ExceptHandler) and node.type is None:
                raise AssertionError(f"{path.relative_to(ROOT)}:{node.lineno} catches everything")
            if isinstance(node, ast.ExceptHandler) and isinstance(node.type, ast.Name):
                silent = len(node.body) == 1 and isinstance(node.body[0], ast.Pass)
                assert not (silent and node.type.id in {"Exception", "BaseException"}), (path, node.lineno)


def test_public_functions_of_the_package_say_what_they_do() -> None:
    missing = []
    for room in ("grammar", "compiler", "library", "runtime"):
        for path in (ROOT / room).rglob("*.py"):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            if not ast.get_docstring(tree) and tree.body:
                missing.append(str(path.relative_to(ROOT)))
            for node in tree.body:
                is_public = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_")
                is_overload = is_public and any(getattr(one, "id", "") == "overload" for one in node.decorator_list)
                if is_public and not is_overload and not ast.get_docstring(node):
                    missing.append(f"{path.relative_to(ROOT)}:{node.name}")
    assert not missing


def test_the_licence_is_there_and_named() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in text and "Version 2.0, January 2004" in text and "END OF TERMS AND CONDITIONS" in text
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["license"] == "Apache-2.0"
    assert project["license-files"] == ["LICENSE"]


def test_the_changelog_knows_this_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert f"## {project['version']}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_no_large_or_binary_file_is_tracked() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    for name in filter(None, listed.stdout.split("\0")):
        path = ROOT / name
        if path.is_file() and not path.is_symlink():
            assert path.stat().st_size < 1_000_000, f"{name} is larger than 1 MB"
            assert path.suffix not in {".gguf", ".bin", ".safetensors"}, name
