"""The wheel holds every file of the mapped folders, and nothing else."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
import zipfile
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
MAPPING: dict[str, str] = PROJECT["tool"]["setuptools"]["package-dir"]
DATA: dict[str, list[str]] = PROJECT["tool"]["setuptools"]["package-data"]
ROOMS = ("grammar", "compiler", "library", "runtime")


def tracked() -> list[str]:
    """Files that git knows in the mapped folders and that are still there."""
    listed = subprocess.run(["git", "ls-files", "-z", "--", *ROOMS], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    return [name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def installed_name(name: str) -> str:
    """Where a file of the source tree stands in an installed package."""
    folder = Path(name).parent.as_posix()
    inner = ""
    while folder not in MAPPING.values():
        folder, last = str(Path(folder).parent.as_posix()), Path(folder).name
        assert folder != ".", f"{name} stands in no mapped folder"
        inner = f"{last}/{inner}"
    package = next(package for package, mapped in MAPPING.items() if mapped == folder)
    return f"{package.replace('.', '/')}/{inner}{Path(name).name}"


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from a copy of the tracked files, so that no build folder of this tree can leak into it."""
    tree = tmp_path_factory.mktemp("tree")
    for name in [*tracked(), "pyproject.toml", "LICENSE", "README.md"]:
        target = tree / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, target)
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(out), str(tree)]
    built = subprocess.run(command, capture_output=True, text=True)
    assert built.returncode == 0, built.stdout + built.stderr
    return next(out.glob("ttscale-*.whl"))


def test_every_folder_with_modules_is_a_listed_package() -> None:
    folders = {Path(name).parent.as_posix() for name in tracked() if name.endswith(".py")}
    assert folders <= set(MAPPING.values()), "add the folder to `packages` and `package-dir` in pyproject.toml"
    assert set(PROJECT["tool"]["setuptools"]["packages"]) == set(MAPPING)


def test_the_wheel_holds_what_git_holds(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        inside = {name for name in archive.namelist() if ".dist-info/" not in name}
    expected = {installed_name(name) for name in tracked() if not name.endswith(".gitignore")}
    assert inside == expected


def test_every_data_file_is_declared() -> None:
    for name in tracked():
        if name.endswith(".py"):
            continue
        target = installed_name(name)
        owners = [package for package in DATA if target.startswith(package.replace(".", "/") + "/")]
        patterns = [(p, pattern) for p in owners for pattern in DATA[p]]
        assert any(fnmatch(target, f"{p.replace('.', '/')}/{pattern}") for p, pattern in patterns), name


def test_the_wheel_carries_licence_types_and_command(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        entry = next(name for name in names if name.endswith(".dist-info/entry_points.txt"))
        metadata = archive.read(next(name for name in names if name.endswith(".dist-info/METADATA"))).decode()
        assert "ttscale = ttscale.cli:main" in archive.read(entry).decode()
    assert "ttscale/py.typed" in names
    assert any(name.endswith("/licenses/LICENSE") for name in names)
    assert "License-Expression: Apache-2.0" in metadata
    required = [line for line in metadata.splitlines() if line.startswith("Requires-Dist:") and "extra ==" not in line]
    assert not [line for line in required if "llama" in line], "the plain install needs no compiler"
