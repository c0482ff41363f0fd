"""The parent's side alone: a stand-in for the model's process, which can die on demand."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import textwrap
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from engine_files import write_gguf
from ttscale.runtime.engines.base import ContextExceeded, EngineError, Message, Request
from ttscale.runtime.engines.llama import digest, link
from ttscale.runtime.engines.llama import engine as engine_module
from ttscale.runtime.engines.llama.engine import LlamaEngine
from ttscale.testing import collect

# Answers every sample with its seed; words in the prompt make it die, fail or hang.
STAND_IN = """
import os, sys, time
sys.path[:] = sys.argv[1:]
from ttscale.runtime.engines.base import Completion, ContextExceeded, EngineStats
from ttscale.runtime.engines.llama.messages import Ready, Report
from ttscale.runtime.engines.llama.worker import read_frame, write_frame
source, target = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
settings = read_frame(source)
if "loading" in settings.path:
    print("the file is strange", file=sys.stderr, flush=True)
    os.abort()
write_frame(target, [Ready(True, True, 100, 100)])
while True:
    try:
        ask = read_frame(source)
    except EOFError:
        os._exit(0)
    if ask is None:
        break
    if isinstance(ask, int):
        continue
    text = ask.messages[-1].content
    if ask.what == "count":
        write_frame(target, [Report(ask.key, len(text), None, True)])
        continue
    if "too long" in text:
        write_frame(target, [Report(ask.key, None, ContextExceeded(200, 100), True)])
        continue
    if "hang" in text:
        continue
    if "garbage" in text:
        target.write((9).to_bytes(8, "little") + b"no pickle")
        target.flush()
        continue
    seeds = ask.request.seeds
    once = "once" in text and not os.path.exists(settings.path + ".died")
    for index, seed in enumerate(seeds):
        if index == 1 and ("always" in text or once):
            open(settings.path + ".died", "w").close()
            time.sleep(0.2)
            print("GGML_ASSERT(something) failed", file=sys.stderr, flush=True)
            os.abort()
        last = index == len(seeds) - 1
        write_frame(target, [Report(ask.key, Completion(index, str(seed), "stop", 1, 1), None, last)])
"""


@pytest.fixture
async def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[LlamaEngine]:
    monkeypatch.setattr(link, "BOOT", STAND_IN)
    monkeypatch.setattr(digest, "cache_file", lambda: tmp_path / "digests.json")
    engine = LlamaEngine(write_gguf(tmp_path / "m.gguf"))
    yield engine
    await engine.close()


def ask(text: str, *seeds: int) -> Request:
    return Request((Message("user", text),), seeds=seeds or (7,))


async def test_messages_go_there_and_back(engine: LlamaEngine) -> None:
    assert [item.text for item in await collect(engine, ask("hello", 4, 5))] == ["4", "5"]
    assert await engine.count_tokens((Message("user", "abc"),)) == 3
    assert engine.capabilities.context == 100
    assert engine.digest.startswith("sha256:")


async def test_typed_errors_cross_the_pipe(engine: LlamaEngine) -> None:
    with pytest.raises(ContextExceeded) as caught:
        await collect(engine, ask("too long"))
    assert (caught.value.needed, caught.value.available, caught.value.fatal) == (200, 100, False)


async def test_a_death_is_survived_and_nothing_is_answered_twice(engine: LlamaEngine) -> None:
    died, other = await asyncio.gather(collect(engine, ask("die once", 1, 2, 3)), collect(engine, ask("other", 10, 11)))
    assert [(item.index, item.text) for item in died] == [(0, "1"), (1, "2"), (2, "3")]
    assert [item.text for item in other] == ["10", "11"]


async def test_a_request_that_kills_twice_fails_alone(engine: LlamaEngine) -> None:
    results = await asyncio.gather(
        collect(engine, ask("die always", 1, 2, 3, 4)),
        *(collect(engine, ask(f"innocent {number}", number)) for number in range(5)),
        return_exceptions=True,
    )
    assert isinstance(results[0], EngineError)
    assert not results[0].fatal
    assert "GGML_ASSERT(something) failed" in str(results[0])
    assert [item[0].text for item in results[1:]] == [str(number) for number in range(5)]  # type: ignore[index]
    assert len(await collect(engine, ask("later"))) == 1


async def test_what_cannot_be_read_ends_the_process_and_leaves_nobody_waiting(engine: LlamaEngine) -> None:
    async with asyncio.timeout(60):
        odd, plain = await asyncio.gather(
            collect(engine, ask("garbage")), collect(engine, ask("plain", 4)), return_exceptions=True
        )
    assert isinstance(odd, EngineError) and "ended twice" in str(odd) and "UnpicklingError" in str(odd)
    assert not isinstance(plain, BaseException) and [one.text for one in plain] == ["4"]


async def test_a_death_while_loading_says_the_last_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "BOOT", STAND_IN)
    monkeypatch.setattr(digest, "cache_file", lambda: tmp_path / "digests.json")
    engine = LlamaEngine(write_gguf(tmp_path / "loading.gguf"))
    with pytest.raises(EngineError, match="ended while loading") as caught:
        await engine.start()
    assert "the file is strange" in str(caught.value)
    await engine.close()


async def test_closing_ends_what_waits(engine: LlamaEngine) -> None:
    await engine.start()
    waiting = asyncio.create_task(collect(engine, ask("hang")))
    await asyncio.sleep(0.1)
    await engine.close()
    with pytest.raises(EngineError, match="closed"):
        await waiting
    with pytest.raises(EngineError, match="closed"):
        await engine.start()


async def test_cancelling_leaves_the_engine_usable(engine: LlamaEngine) -> None:
    await engine.start()
    waiting = asyncio.create_task(collect(engine, ask("hang")))
    await asyncio.sleep(0.1)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert len(await collect(engine, ask("hello"))) == 1


def test_one_engine_serves_several_event_loops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "BOOT", STAND_IN)
    monkeypatch.setattr(digest, "cache_file", lambda: tmp_path / "digests.json")
    engine = LlamaEngine(write_gguf(tmp_path / "m.gguf"))
    for seed in (1, 2):
        assert asyncio.run(collect(engine, ask("hello", seed)))[0].text == str(seed)
    asyncio.run(engine.close())


async def test_restarts_count_only_while_nothing_is_answered(
    engine: LlamaEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "MAX_RESTARTS", 2)  # a request that kills costs two
    for round in range(2):
        with pytest.raises(EngineError, match="ended twice on this request"):
            await collect(engine, ask("dies always", 1, 2, 3, 4))
        assert [one.text for one in await collect(engine, ask("fine", round))] == [str(round)]
    with pytest.raises(EngineError, match="ended twice on this request"):
        await collect(engine, ask("dies always", 1, 2, 3, 4))
    with pytest.raises(EngineError, match="keeps ending"):
        await collect(engine, ask("dies always", 1, 2, 3, 4))


@pytest.mark.skipif(sys.platform == "win32", reason="looks for the child by its process id")
def test_the_child_ends_when_the_parent_is_killed(tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "m.gguf")
    program = textwrap.dedent(f"""
        import asyncio, sys, time
        from ttscale.runtime.engines.llama import link
        from ttscale.runtime.engines.llama.engine import LlamaEngine
        link.BOOT = {STAND_IN!r}
        engine = LlamaEngine({str(path)!r})
        asyncio.run(engine.start())
        print(engine._link.pid, flush=True)
        time.sleep(60)
    """)
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        parent.kill()
    for _ in range(200):
        try:
            os.kill(child, 0)
        except ProcessLookupError:
            return
        state = Path(f"/proc/{child}/stat")
        if state.exists() and state.read_text().rpartition(")")[2].split()[0] == "Z":
            return  # dead, and nobody has asked for its exit code yet
        time.sleep(0.05)
    pytest.fail("the child is still alive")


async def test_without_llama_cpp_the_install_line_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "llama_cpp", None)
    monkeypatch.setattr(digest, "cache_file", lambda: tmp_path / "digests.json")
    engine = LlamaEngine(write_gguf(tmp_path / "m.gguf"), in_process=True)
    with pytest.raises(EngineError, match="needs llama-cpp-python") as caught:
        await engine.start()
    assert "pip install 'ttscale[local]'" in caught.value.hint
    assert engine.capabilities.chat_template is True  # checking and planning go on without it
    await engine.close()


def test_nothing_native_is_imported_by_the_parent() -> None:
    program = (
        "import sys, ttscale.runtime.engines.llama.engine, ttscale.runtime.engines.openai;"
        "sys.exit('llama_cpp' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
