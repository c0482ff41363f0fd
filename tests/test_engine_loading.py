"""Loads that fail and engines closed while they load, on a fake link."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import pytest
from engine_files import write_gguf
from ttscale.runtime.engines.base import Completion, EngineError, Message, Request
from ttscale.runtime.engines.llama import digest, facts, link
from ttscale.runtime.engines.llama import engine as engine_module
from ttscale.runtime.engines.llama.engine import LlamaEngine
from ttscale.runtime.engines.llama.messages import Ask, Busy, Failed, Inbound, Ready, Report
from ttscale.runtime.engines.llama.runner import Settings
from ttscale.testing import collect


class FakeLink:
    """A run of the loop that does what `begin` says, and nothing else; `made` has them all."""

    made: ClassVar[list[FakeLink]] = []

    def __init__(self, settings: Settings, on_messages: link.OnMessages, on_end: link.OnEnd) -> None:
        self.on_messages, self.on_end = on_messages, on_end
        FakeLink.made.append(self)
        threading.Thread(target=self.begin, daemon=True).start()

    def begin(self) -> None:
        """Load without end."""

    def fail(self) -> None:
        """Say that loading failed, and end."""
        self.on_messages(self, [Failed(EngineError("it cannot be loaded"))])
        self.on_end(self, "exit code 0")

    def send(self, message: Inbound) -> None:
        pass

    def close(self) -> None:
        self.on_end(self, "it was told to stop")


class FailingLink(FakeLink):
    def begin(self) -> None:
        self.fail()


class DyingLink(FakeLink):
    """The first loads and dies, the second cannot load."""

    def begin(self) -> None:
        if len(FakeLink.made) > 1:
            self.fail()
            return
        self.on_messages(self, [Ready(True, True, 100, 100)])

    def send(self, message: Inbound) -> None:
        if isinstance(message, Ask):
            self.on_end(self, "signal 6")


@pytest.fixture
def faked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[type[FakeLink]], LlamaEngine]:
    """An engine on a kind of fake link."""
    monkeypatch.setattr(digest, "cache_file", lambda: tmp_path / "digests.json")
    monkeypatch.setattr(FakeLink, "made", [])

    def make(kind: type[FakeLink]) -> LlamaEngine:
        monkeypatch.setattr(engine_module, "open_link", lambda in_process: kind)
        return LlamaEngine(write_gguf(tmp_path / "m.gguf"))

    return make


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not holds():
            await asyncio.sleep(0.01)


Faked = Callable[[type[FakeLink]], LlamaEngine]


async def test_a_load_that_fails_is_not_tried_again_by_itself(faked: Faked) -> None:
    engine = faked(FailingLink)
    for tries in (1, 2):
        with pytest.raises(EngineError, match="it cannot be loaded"):
            await engine.start()
        await asyncio.sleep(0.3)
        assert len(FakeLink.made) == tries  # a later call may find the problem solved
    await engine.close()


async def test_a_restart_that_cannot_load_ends_what_waits(faked: Faked) -> None:
    engine = faked(DyingLink)
    with pytest.raises(EngineError, match="it cannot be loaded"):
        await collect(engine, Request((Message("user", "hello"),), seeds=(1,)))
    await asyncio.sleep(0.3)
    assert len(FakeLink.made) == 2
    await engine.close()


class GoneLink(DyingLink):
    """The first loads and dies, a second cannot be made."""

    def __init__(self, settings: Settings, on_messages: link.OnMessages, on_end: link.OnEnd) -> None:
        if FakeLink.made:
            raise OSError("cannot allocate memory")
        super().__init__(settings, on_messages, on_end)


async def test_a_restart_without_a_process_ends_what_waits(faked: Faked) -> None:
    engine = faked(GoneLink)
    with pytest.raises(EngineError, match="cannot be started again: cannot allocate memory"):
        async with asyncio.timeout(20):
            await collect(engine, Request((Message("user", "hello"),), seeds=(1,)))
    await engine.close()


class LateLink(FakeLink):
    """A first one cannot be made, a second can."""

    def __init__(self, settings: Settings, on_messages: link.OnMessages, on_end: link.OnEnd) -> None:
        FakeLink.made.append(self)
        if len(FakeLink.made) == 1:
            raise OSError("too many processes")
        FakeLink.made.pop()
        super().__init__(settings, on_messages, on_end)

    def begin(self) -> None:
        self.on_messages(self, [Ready(True, True, 100, 100)])


async def test_a_start_without_a_process_is_a_typed_error_and_may_be_tried_again(faked: Faked) -> None:
    engine = faked(LateLink)
    with pytest.raises(EngineError, match=r"m\.gguf cannot be started: too many processes") as caught:
        await engine.start()
    assert caught.value.hint
    await engine.start()
    await engine.close()


class FrailLink(FakeLink):
    """The first dies on what it is asked, the second as soon as it is loaded, the third answers."""

    def begin(self) -> None:
        self.number = len(FakeLink.made)
        self.on_messages(self, [Ready(True, True, 100, 100)])
        if self.number == 2:
            self.on_end(self, "signal 9")

    def send(self, message: Inbound) -> None:
        if not isinstance(message, Ask):
            return
        if len(FakeLink.made) == 1:
            self.on_end(self, "signal 6")
        elif self is FakeLink.made[-1] and len(FakeLink.made) == 3:
            self.on_messages(self, [Report(message.key, Completion(0, "here", "stop", 1, 1), None, True)])


async def test_a_second_death_before_anything_was_asked_again_loses_nothing(faked: Faked) -> None:
    engine = faked(FrailLink)
    async with asyncio.timeout(20):
        (found,) = await collect(engine, Request((Message("user", "hello"),), seeds=(1,)))
        assert found.text == "here" and not engine._pending
        (after,) = await collect(engine, Request((Message("user", "again"),), seeds=(1,)))
    assert after.text == "here" and len(FakeLink.made) == 3
    await engine.close()


class BusyLink(FakeLink):
    """The first says that it works on the second of four asks, and dies; the next answers a while later."""

    events: ClassVar[list[str]] = []

    def begin(self) -> None:
        self.asks: list[Ask] = []
        self.on_messages(self, [Ready(True, True, 100, 100)])

    def send(self, message: Inbound) -> None:
        if not isinstance(message, Ask):
            return
        self.asks.append(message)
        if len(FakeLink.made) > 1:
            BusyLink.events.append(f"asked {message.messages[0].content}")
            threading.Timer(0.1, self.tell, (message,)).start()
        elif len(self.asks) == 4:
            self.on_messages(self, [Busy((self.asks[1].key,))])
            self.on_end(self, "signal 6")

    def tell(self, ask: Ask) -> None:
        BusyLink.events.append(f"told {ask.messages[0].content}")
        self.on_messages(self, [Report(ask.key, Completion(0, "x", "stop", 1, 1), None, True)])


async def test_only_what_was_being_worked_on_is_asked_again_alone(faked: Faked) -> None:
    BusyLink.events.clear()
    engine = faked(BusyLink)
    requests = [Request((Message("user", str(at)),), seeds=(1,)) for at in range(4)]
    async with asyncio.timeout(20):
        found = await asyncio.gather(*(collect(engine, request) for request in requests))
    assert [one.text for (one,) in found] == ["x"] * 4
    assert BusyLink.events[:5] == ["asked 1", "told 1", "asked 0", "asked 2", "asked 3"]
    assert not engine._held and not engine._suspects
    await engine.close()


async def test_closing_while_loading_ends_start(faked: Faked) -> None:
    engine = faked(FakeLink)
    starting = asyncio.create_task(engine.start())
    await until(lambda: bool(FakeLink.made))
    await engine.close()
    with pytest.raises(EngineError, match="closed"):
        await asyncio.wait_for(starting, 20)


async def test_a_start_that_nobody_waits_for_any_more_ends_in_silence(
    faked: Faked, caplog: pytest.LogCaptureFixture
) -> None:
    engine = faked(FakeLink)
    starting = asyncio.create_task(engine.start())
    await until(lambda: bool(FakeLink.made))
    starting.cancel()
    await asyncio.gather(starting, return_exceptions=True)
    await engine.close()
    await asyncio.sleep(0.05)  # what was raised comes from another thread
    gc.collect()
    assert "never retrieved" not in caplog.text


async def test_closing_before_the_process_is_started_starts_none(faked: Faked, monkeypatch: pytest.MonkeyPatch) -> None:
    engine, hashing = faked(FakeLink), threading.Event()
    monkeypatch.setattr(facts, "file_digest", lambda path: str(hashing.wait(20)))
    starting = asyncio.create_task(engine.start())
    await asyncio.sleep(0)
    await engine.close()
    hashing.set()
    with pytest.raises(EngineError, match="closed"):
        await asyncio.wait_for(starting, 20)
    assert not FakeLink.made
