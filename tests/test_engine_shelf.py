"""States of long system prompts on disk: taken by the next process, changed in nothing, never trusted blindly."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_models import plain_model
from ttscale.runtime.engines.base import Completion, EngineStats, Message, Request, Sampling
from ttscale.runtime.engines.llama import facts
from ttscale.runtime.engines.llama.engine import LlamaEngine
from ttscale.runtime.engines.llama.options import LoadOptions
from ttscale.runtime.engines.llama.shelf import Shelf

SYSTEM = Message("system", "You answer in few words. " * 20)


def test_a_shelf_gives_back_what_it_was_given_and_nothing_broken(tmp_path: Path) -> None:
    shelf, other = Shelf(tmp_path, "one"), Shelf(tmp_path, "two")
    assert shelf.read([1, 2]) is None
    shelf.write([1, 2], b"state")
    assert shelf.read([1, 2]) == b"state"
    assert shelf.read([1, 2, 3]) is None and other.read([1, 2]) is None
    (file,) = tmp_path.glob("*.state")
    for data in (file.read_bytes()[:-1], b"", file.read_bytes()[:-1] + b"x"):
        file.write_bytes(data)
        assert shelf.read([1, 2]) is None and not file.exists()
        shelf.write([1, 2], b"state")


def test_a_shelf_that_is_full_drops_what_was_used_least_lately(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, "one", limit=3000)
    for number in range(5):
        shelf.write([number], bytes(1000))
        shelf.read([0])
    assert [number for number in range(5) if shelf.read([number])] == [0, 4]


def test_a_shelf_that_cannot_be_written_is_empty(tmp_path: Path) -> None:
    place = tmp_path / "file"
    place.write_text("x")
    shelf = Shelf(place, "one")
    shelf.write([1], b"x")
    assert shelf.read([1]) is None


async def asked(path: Path, text: str, **options: object) -> tuple[list[Completion], EngineStats]:
    """Two samples by an engine of their own, and what it computed."""
    engine = LlamaEngine(path, ctx=1024, threads=1, max_sequences=4, options=LoadOptions(**options))  # type: ignore[arg-type]
    request = Request((SYSTEM, Message("user", text)), (1, 2), max_tokens=16, sampling=Sampling(1.0, 1.0))
    try:
        found = sorted([one async for one in engine.generate(request)], key=lambda one: one.index)
        return found, engine.stats()
    finally:
        await engine.close()


@pytest.mark.model
async def test_the_next_process_computes_only_what_is_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("llama_cpp")
    monkeypatch.setattr(facts, "default_folder", lambda: tmp_path / "prompts")
    path = plain_model(tmp_path / "m.gguf")
    first, cold = await asked(path, "hello", keep_prompts=True)
    assert cold.prompt_computed == first[0].prompt_tokens > 480
    (file,) = (tmp_path / "prompts").iterdir()
    again, warm = await asked(path, "something else", keep_prompts=True)
    assert warm.prompt_computed <= len("something else") + 2
    plain, _ = await asked(path, "something else")
    assert [one.token_ids[:6] for one in again] == [one.token_ids[:6] for one in plain]
    assert again[0].logprobs[:6] == pytest.approx(plain[0].logprobs[:6], abs=0.02)
    file.write_bytes(file.read_bytes()[:-100])
    broken, stats = await asked(path, "something else", keep_prompts=True)
    assert stats.prompt_computed > 480 and [one.token_ids[:6] for one in broken] == [one.token_ids[:6] for one in plain]
