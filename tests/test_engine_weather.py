"""Bad weather for the engine: long queues, too little memory, killed processes, Ctrl-C in the middle of a batch."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from engine_files import write_gguf
from tiny_models import plain_model
from ttscale.runtime.engines.base import Completion, ContextExceeded, EngineError, Message, Request, Sampling
from ttscale.runtime.engines.llama import digest, facts
from ttscale.runtime.engines.llama.engine import LlamaEngine
from ttscale.runtime.engines.llama.machine import free_memory
from ttscale.runtime.engines.llama.options import LoadOptions

MANY = 400
linux = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")


def opened(folder: Path, **more: object) -> LlamaEngine:
    pytest.importorskip("llama_cpp")
    given = {"ctx": 256, "threads": 1, "max_sequences": 32, **more}
    return LlamaEngine(plain_model(folder / "tiny.gguf"), **given)  # type: ignore[arg-type]


async def drawn(engine: LlamaEngine, text: str, *seeds: int, tokens: int = 2) -> list[Completion]:
    request = Request((Message("user", text),), seeds or (1,), max_tokens=tokens, sampling=Sampling(1.0, 1.0))
    return sorted([one async for one in engine.generate(request)], key=lambda one: one.index)


def resident(pid: int) -> float:
    """Megabytes of memory that a process has."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS:"))


@linux
@pytest.mark.model
async def test_hundreds_queued_at_once_are_all_answered_and_leave_no_memory_behind(tmp_path: Path) -> None:
    engine = opened(tmp_path)
    sizes: list[tuple[float, float]] = []
    try:
        await engine.start()
        for _ in range(4):
            found = await asyncio.gather(*(drawn(engine, f"question {n % 9} of {n}", n) for n in range(MANY)))
            assert [len(one) for one in found] == [1] * MANY
            del found
            sizes.append((resident(os.getpid()), resident(engine._link.pid)))  # type: ignore[union-attr]
        assert not engine._pending and not engine._held
        assert engine.stats().requests == 4 * MANY
    finally:
        await engine.close()
    assert all(last - first < 6 for first, last in zip(sizes[1], sizes[3], strict=True)), sizes


@linux
@pytest.mark.model
async def test_a_killed_process_costs_a_restart_and_no_sample(tmp_path: Path) -> None:
    engine = opened(tmp_path, max_sequences=4)
    try:
        await engine.start()
        work = asyncio.gather(*(drawn(engine, f"question {n}", 1, 2, tokens=150) for n in range(6)))
        while engine.stats().new_tokens < 200:
            await asyncio.sleep(0.01)
        os.kill(engine._link.pid, signal.SIGKILL)  # type: ignore[union-attr]
        found = await work
        assert [[one.index for one in each] for each in found] == [[0, 1]] * 6
        assert all(one.finish in ("stop", "length") and not one.error for each in found for one in each)
    finally:
        await engine.close()


@linux
@pytest.mark.model
async def test_of_a_long_queue_only_what_was_being_worked_on_is_asked_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = opened(tmp_path, max_sequences=4)
    blamed: list[int] = []

    def blame(sent: list[Any]) -> list[Any]:
        blamed.append(len(sent))
        return []

    monkeypatch.setattr(engine, "_blame", blame)
    try:
        await engine.start()
        work = asyncio.gather(*(drawn(engine, f"question {n}", n, tokens=40) for n in range(60)))
        while engine.stats().new_tokens < 100:
            await asyncio.sleep(0.01)
        os.kill(engine._link.pid, signal.SIGKILL)  # type: ignore[union-attr]
        assert all(one.finish in ("stop", "length") for each in await work for one in each)
    finally:
        await engine.close()
    assert len(blamed) == 1 and 1 <= blamed[0] <= 8, "four at once, and what was being read in"


@linux
@pytest.mark.model
def test_ctrl_c_in_the_middle_of_a_batch_ends_both_processes(tmp_path: Path) -> None:
    pytest.importorskip("llama_cpp")
    script = tmp_path / "batch.py"
    script.write_text(
        textwrap.dedent(f"""
        import asyncio
        from ttscale.runtime.engines.base import Message, Request
        from ttscale.runtime.engines.llama.engine import LlamaEngine

        async def main():
            engine = LlamaEngine({str(plain_model(tmp_path / "tiny.gguf"))!r}, threads=1, max_sequences=8)
            try:
                request = Request((Message("user", "hello"),), tuple(range(400)), max_tokens=1000, report_every=4)
                async for one in engine.generate(request):
                    print(engine._link.pid, flush=True)
            finally:
                await engine.close()

        asyncio.run(main())
        """),
        encoding="utf-8",
    )
    process = subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout is not None
    child = int(process.stdout.readline())
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to parent and child
    _, errors = process.communicate(timeout=120)
    assert process.returncode != 0 and "KeyboardInterrupt" in errors
    assert not Path(f"/proc/{child}").exists() or "Z" in Path(f"/proc/{child}/stat").read_text().rsplit(")")[1]


@pytest.mark.model
async def test_a_prompt_and_an_answer_meet_the_end_of_the_context(tmp_path: Path) -> None:
    engine = opened(tmp_path, ctx=64, memory=1)
    try:
        with pytest.raises(ContextExceeded, match=r"has 300 tokens.*holds 64"):
            await drawn(engine, "x" * 300)
        (one,) = await drawn(engine, "x" * 50, 3, tokens=100)
        assert (one.finish, one.new_tokens) == ("length", 14) and "context of 64 tokens was full" in one.error
        assert len(await drawn(engine, "and it goes on", 1, 2, 3)) == 3
    finally:
        await engine.close()


async def test_what_cannot_fit_is_refused_with_the_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digest, "cache_file", lambda: tmp_path / "digests.json")
    monkeypatch.setattr(facts, "free_memory", lambda: 3 << 20)
    engine = LlamaEngine(write_gguf(tmp_path / "m.gguf"), options=LoadOptions(mmap=False))
    with pytest.raises(
        EngineError, match=r"does not fit: .* for 16,384 tokens of cache .* in all; 3 MiB are free"
    ) as said:
        await engine.start()
    assert "`ctx:`" in said.value.hint
    await engine.close()


def test_free_memory_is_less_than_all_of_it() -> None:
    free = free_memory()
    assert free is None or 0 < free < 1 << 50
