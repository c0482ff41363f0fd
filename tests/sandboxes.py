"""Running programs in each sandbox that a machine has: what the tests of the sandbox share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ttscale.runtime.sandbox import Backend, Finished, Limits, Program, backends, run, run_program, why_not

MIB = 2**20
SMALL = Limits(wall=20, cpu=10, memory=256 * MIB, scratch=4 * MIB, output=20_000, processes=16)
SYSTEM_PYTHON = backends.Interpreter(str(Path("/usr/bin/python3").resolve()), "/usr")
SAFE = (Backend.BUBBLEWRAP, Backend.NAMESPACES)


async def usable(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> Backend:
    """The backend, or a skip that says why not; where root's own Python lies hidden, the system's is taken."""
    if backend is Backend.BUBBLEWRAP and os.geteuid() == 0 and backends.user_inside() is None:
        if not Path(SYSTEM_PYTHON.path).is_file():
            pytest.skip("root's Python is hidden from other users, and the system has none")
        monkeypatch.setattr(backends, "own_interpreter", lambda: SYSTEM_PYTHON)
        monkeypatch.setattr(run, "own_interpreter", lambda: SYSTEM_PYTHON)
        monkeypatch.setattr(run, "_found", {})
    reason = await why_not(backend)
    if reason:
        pytest.skip(f"{backend.value} does not work here: {reason}")
    return backend


async def go(backend: Backend, source: str, limits: Limits = SMALL, **more: object) -> Finished:
    return await run_program(Program(source, **more), limits, backend=backend, unsafe=True)  # type: ignore[arg-type]


def running(mark: str) -> list[str]:
    """Processes of this machine with `mark` in their command line."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if mark.encode() in words:
            found.append(folder.name)
    return found
