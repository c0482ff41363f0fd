"""The public names of the package: lazy, complete, and usable as the documentation says."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import ttscale
from cli_runs import environment, write

ROOT = Path(__file__).resolve().parent.parent


def test_every_public_name_is_there() -> None:
    for name in ttscale.__all__:
        assert getattr(ttscale, name) is not None
    assert set(ttscale.__all__) <= set(dir(ttscale))
    with pytest.raises(AttributeError, match="no attribute 'lod'"):
        _ = ttscale.lod


def test_the_version_is_the_projects() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert ttscale.__version__ == project["version"]


def test_importing_the_package_is_cheap() -> None:
    code = "import ttscale, sys; print([m for m in sys.modules if m.startswith('ttscale.')])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment(), check=True)
    assert ran.stdout.strip() == "[]"


def test_a_program_is_loaded_and_run(tmp_path: Path) -> None:
    with ttscale.load(write(tmp_path)) as program:
        result = program.run("6 * 7?", n=2)
        assert result.answer == 42 and result.cost.calls == 2 and len(result.trace) > 0


async def test_a_program_runs_inside_an_event_loop_too(tmp_path: Path) -> None:
    with ttscale.load(write(tmp_path), models={"small": 'script("Answer: 5")'}) as program:
        assert program.run("?").answer == 5
        assert (await program.arun("?", n=1)).answer == 5


def test_a_wrong_program_raises_with_its_diagnostics(tmp_path: Path) -> None:
    with pytest.raises(ttscale.CompileError) as caught:
        ttscale.load(write(tmp_path, "tts 1\nmodel m = (\n"))
    assert caught.value.diagnostics[0].code.startswith("E01")


def test_what_an_engine_is_made_of_is_there_for_plugins() -> None:
    from ttscale import plugin
    from ttscale.runtime.engines import base

    assert sorted(plugin.__all__, key=lambda name: (name.islower(), name)) == plugin.__all__
    for name in plugin.__all__:
        assert getattr(plugin, name) is getattr(base, name, getattr(plugin, name))
    needed = {"Given", "Constraint", "Embedding", "Keeping", "Reading", "Foreseeing", "Pause", "Watched"}
    assert needed <= set(plugin.__all__)
