"""Golden files: outputs that a person has read once, kept beside their inputs and compared from then on."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sandboxes import SAFE, usable
from ttscale.runtime.sandbox import Backend

if TYPE_CHECKING:
    from openai_servers import Served
    from ttscale.runtime.engines.openai import OpenAIEngine

pytest.register_assert_rewrite("ttscale.testing")

os.environ["TTSCALE_BANK"] = "off"  # no test writes to the bank of whoever runs it, nor does a process that it starts
os.environ["TTSCALE_PROBES"] = os.devnull  # nor does one know which servers that person has

GOLDEN = Path(__file__).resolve().parent / "golden"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--update`, which rewrites golden files instead of comparing with them."""
    parser.addoption("--update", action="store_true", default=False, help="rewrite golden files and generated tables")


@pytest.fixture
def update(request: pytest.FixtureRequest) -> bool:
    """Whether generated files are to be rewritten."""
    return bool(request.config.getoption("--update"))


@pytest.fixture
def golden(update: bool) -> Callable[[str | Path, str], None]:
    """Compare a text with the golden file at a path below `golden/`, or rewrite the file with `--update`."""

    def compare(path: str | Path, text: str) -> None:
        file = GOLDEN / path
        if update:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8", newline="\n")
            return
        assert file.is_file(), f"no golden file {path}; run pytest --update and read it"
        assert text == file.read_text(encoding="utf-8")

    return compare


@pytest.fixture
def no_leftovers(update: bool) -> Callable[[str, str, str], None]:
    """Fail for golden outputs of an area that have no input any more (with `--update`, delete them)."""

    def check(area: str, source: str, output: str) -> None:
        left = [path for path in (GOLDEN / area).glob(f"*{output}") if not path.with_suffix(source).is_file()]
        for path in left if update else ():
            path.unlink()
        assert update or not left, f"golden files without an input: {[path.name for path in left]}"

    return check


@pytest.fixture(params=SAFE, ids=lambda backend: backend.value)
async def safe(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Backend:
    """Each sandbox that keeps programs in, as far as this machine has it."""
    return await usable(request.param, monkeypatch)


@pytest.fixture(params=Backend, ids=lambda backend: backend.value)
async def any_backend(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Backend:
    """Each sandbox that this machine has, limits alone too."""
    return await usable(request.param, monkeypatch)


@pytest.fixture
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test sees or changes the recipes of whoever runs it."""
    monkeypatch.setenv("TTSCALE_RECIPES", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home"


@pytest.fixture
def server() -> Iterator[Served]:
    """A server with the interface of OpenAI, whose faults a test gives; files with servers of their own override it."""
    from openai_servers import served

    with served() as server:
        yield server


@pytest.fixture
async def engine(server: Served) -> AsyncIterator[OpenAIEngine]:
    """An engine that asks that server, and tries again soon."""
    from ttscale.runtime.engines.openai import OpenAIEngine

    engine = OpenAIEngine(server.url, "m", retries=3, pause=0.01, timeout=20)
    yield engine
    await engine.close()
