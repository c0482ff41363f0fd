"""Several models in little memory: the one that was used least lately makes room, and comes back when it is asked."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest
from engine_files import write_gguf
from ttscale.compiler.ir import Model
from ttscale.runtime.engines.base import EngineError, EngineStats, Message
from ttscale.runtime.engines.llama import digest, facts, link
from ttscale.runtime.engines.llama import engine as engine_module
from ttscale.runtime.engines.llama.engine import LlamaEngine
from ttscale.runtime.engines.llama.messages import Ask, Inbound, Ready, Report
from ttscale.runtime.engines.llama.runner import Settings
from ttscale.runtime.models import EngineHouse

ASK = (Message("user", "Say something."),)
ROOM = 2


class CountingLink:
    """A loaded model that counts prompts at once, or never where `silent`; `live` has those that are loaded."""

    live: ClassVar[list[str]] = []
    loads: ClassVar[list[str]] = []
    silent: ClassVar[set[str]] = set()

    def __init__(self, settings: Settings, on_messages: link.OnMessages, on_end: link.OnEnd) -> None:
        self.name = Path(settings.path).stem
        self.on_messages, self.on_end, self.asked = on_messages, on_end, 0
        threading.Thread(target=self.begin, daemon=True).start()

    def begin(self) -> None:
        CountingLink.live.append(self.name)
        CountingLink.loads.append(self.name)
        self.on_messages(self, [Ready(True, True, 100, 100)])

    def send(self, message: Inbound) -> None:
        if isinstance(message, Ask) and self.name not in CountingLink.silent:
            self.asked += 1
            self.on_messages(self, [EngineStats(requests=self.asked), Report(message.key, 7, None, True)])

    def close(self) -> None:
        CountingLink.live.remove(self.name)
        self.on_messages(self, [EngineStats(requests=99)])  # too late
        self.on_end(self, "it was told to stop")


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EngineHouse:
    """Three models, and memory for two of them."""
    monkeypatch.setattr(digest, "cache_file", lambda: tmp_path / "digests.json")
    monkeypatch.setattr(engine_module, "open_link", lambda in_process: CountingLink)
    for name in ("live", "loads"):
        monkeypatch.setattr(CountingLink, name, [])
    monkeypatch.setattr(CountingLink, "silent", set())

    def check(self: facts.ModelFacts) -> None:
        if len(CountingLink.live) >= ROOM:
            raise facts.NoMemory(f"{self.path.name} does not fit", hint="close other programs")

    monkeypatch.setattr(facts.ModelFacts, "check_memory", check)
    for name in "abc":
        write_gguf(tmp_path / f"{name}.gguf")
    return EngineHouse(tmp_path)


async def opened(house: EngineHouse, name: str) -> LlamaEngine:
    engine = await house.get(Model(name, "gguf", f"{name}.gguf"), load=False)
    assert isinstance(engine, LlamaEngine)
    return engine


async def test_what_was_used_least_lately_makes_room_and_comes_back(house: EngineHouse) -> None:
    engines = {name: await opened(house, name) for name in "abc"}
    for name in "abac":  # b was used least lately when c comes
        assert await engines[name].count_tokens(ASK) == 7
    assert sorted(CountingLink.live) == ["a", "c"]
    assert await engines["b"].count_tokens(ASK) == 7
    assert CountingLink.loads == ["a", "b", "c", "b"] and sorted(CountingLink.live) == ["b", "c"]
    assert [engines[name].stats().requests for name in "abc"] == [2, 2, 1], "counters go on over an unload"
    await house.close()
    assert CountingLink.live == []


async def test_what_is_at_work_stays_and_the_newcomer_is_refused_with_the_reason(house: EngineHouse) -> None:
    CountingLink.silent |= {"a", "b"}
    engines = {name: await opened(house, name) for name in "abc"}
    waiting = [asyncio.create_task(engines[name].count_tokens(ASK)) for name in "ab"]
    while sorted(CountingLink.live) != ["a", "b"] or not all(engines[name].used for name in "ab"):
        await asyncio.sleep(0.01)
    with pytest.raises(EngineError, match=r"c\.gguf does not fit"):
        await engines["c"].count_tokens(ASK)
    assert sorted(CountingLink.live) == ["a", "b"]
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert await engines["c"].count_tokens(ASK) == 7
    await house.close()


async def test_an_engine_of_its_own_is_refused(house: EngineHouse, tmp_path: Path) -> None:
    CountingLink.live += ["x", "y"]
    with pytest.raises(facts.NoMemory):
        await LlamaEngine(tmp_path / "a.gguf").start()


async def test_nothing_is_unloaded_that_is_not_loaded(house: EngineHouse, tmp_path: Path) -> None:
    engine = LlamaEngine(tmp_path / "a.gguf")
    assert not await engine.unload()
    await engine.start()
    assert await engine.unload() and not await engine.unload()
    await engine.close()
    assert not await engine.unload()


def test_counters_add_up() -> None:
    one = EngineStats(requests=2, steps=3, decode_seconds=0.5)
    assert one + replace(one, new_tokens=4) == EngineStats(requests=4, steps=6, decode_seconds=1.0, new_tokens=4)
