"""With `reproducible: true` a sample is the same whatever else goes on: alone, among others, cold and warm."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from engine_files import embedded_weights
from ttscale.compiler.ir import Model
from ttscale.runtime.engines.base import Engine, Message, Request, Sampling
from ttscale.runtime.models import REPRODUCIBLE, load_options, open_engine

PROMPT = "Name a colour and say why you like it."
Found = dict[int, tuple[tuple[int, ...], tuple[float, ...]]]


def opened() -> Engine:
    options = {"reproducible": True, "ctx": 512, "slots": 16, "threads": 1}
    return open_engine(Model("m", "gguf", str(embedded_weights()), tuple(options.items())), Path())


async def drawn(engine: Engine, text: str, count: int, tokens: int = 6) -> Found:
    request = Request((Message("user", text),), tuple(range(count)), max_tokens=tokens, sampling=Sampling(1.0))
    return {one.index: (one.token_ids, one.logprobs) async for one in engine.generate(request)}


@pytest.mark.model
async def test_samples_are_the_same_to_the_last_digit_at_1_5_and_16_cold_and_warm() -> None:
    found: list[Found] = []
    for count in (1, 5, 16):
        engine = opened()
        try:
            found.append(await drawn(engine, PROMPT, count))
            if count == 5:  # warm, and beside others
                again, *_ = await asyncio.gather(drawn(engine, PROMPT, 5), drawn(engine, "Something else.", 3, 4))
                found.append(again)
        finally:
            await engine.close()
    one, five, warm, sixteen = found
    assert one == {0: five[0]}
    assert warm == five
    assert {index: sixteen[index] for index in range(5)} == five
    assert len({tokens for tokens, _ in sixteen.values()}) > 8, "they are different samples"


def test_it_can_be_wished_for_all_models_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Model("m", "gguf", "weights.gguf", ())
    assert not load_options(model, Path()).reproducible
    monkeypatch.setenv(REPRODUCIBLE, "1")
    options = load_options(model, Path())
    assert options.reproducible and not options.kv_unified and options.flash_attention == "off"
