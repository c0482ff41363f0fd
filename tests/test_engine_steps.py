"""Answers that grow step by step: extended, forked, injected into and dropped, with nothing computed twice."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tiny_models import hybrid_model, plain_model
from ttscale.runtime.engines.base import (
    Completion,
    EngineError,
    EngineStats,
    Given,
    Keeping,
    Message,
    Request,
    Sampling,
)
from ttscale.runtime.engines.llama.engine import LlamaEngine

pytest.importorskip("llama_cpp")
pytestmark = pytest.mark.model

ASK = (Message("user", "the quick brown fox jumps over the lazy dog"),)


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[LlamaEngine]:
    made = LlamaEngine(plain_model(tmp_path / "plain.gguf"), ctx=512, threads=1, max_sequences=8)
    yield made
    await made.close()


async def drawn(engine: LlamaEngine, *seeds: int, **more: Any) -> list[Completion]:
    request = Request(ASK, seeds, sampling=Sampling(1.0, 1.0), **more)
    return sorted([one async for one in engine.generate(request)], key=lambda one: one.index)


def since(before: EngineStats, after: EngineStats) -> tuple[int, int, int]:
    """Prompt tokens asked and computed, and rows computed again."""
    return (
        after.prompt_asked - before.prompt_asked,
        after.prompt_computed - before.prompt_computed,
        after.recomputed - before.recomputed,
    )


def goes_on(one: Completion, *more: int) -> Given:
    return Given((*one.token_ids, *more), (*one.logprobs, *(0.0 for _ in more)), stops=False)


async def test_a_sample_in_steps_is_the_sample_and_computes_nothing_twice(engine: LlamaEngine) -> None:
    whole = await drawn(engine, 1, 2, max_tokens=24)
    first = await drawn(engine, 1, 2, max_tokens=8, keep=("a", "b"))
    for place, (name, one) in enumerate(zip(("a", "b"), first, strict=True)):
        before = engine.stats()
        seeds = (place + 1, 50, 51)
        more = await drawn(engine, *seeds, max_tokens=24, given=(goes_on(one),) * 3, keep=(f"{name}0", "", ""))
        assert more[0].token_ids == whole[place].token_ids
        assert all(other.token_ids[:8] == one.token_ids for other in more)
        asked, computed, again = since(before, engine.stats())
        assert (computed, again) == (1, 0), "the last token of a sample has never been computed"
        assert asked == 3 * (one.prompt_tokens + 8)
        assert sum(other.computed_tokens or 0 for other in more) == 1


async def test_text_is_put_in_and_computed_once(engine: LlamaEngine) -> None:
    assert isinstance(engine, Keeping) and engine.capabilities.keeps
    (one,) = await drawn(engine, 1, max_tokens=8, keep=("a",))
    words = await engine.tokens("wait: <|endoftext|>")
    assert b"".join(bytes([token]) if token < 256 else b"th" for token in words) == b"wait: <|endoftext|>"
    before = engine.stats()
    more = await drawn(engine, 5, 6, max_tokens=40, given=(goes_on(one, *words),) * 2)
    assert all(other.pieces[8 : 8 + len(words)] == more[0].pieces[8 : 8 + len(words)] for other in more)
    assert all(other.logprobs[8] == 0.0 for other in more)
    assert since(before, engine.stats())[1:] == (1 + len(words), 0)


async def test_what_is_kept_stays_and_what_is_dropped_goes(engine: LlamaEngine) -> None:
    (one,) = await drawn(engine, 1, max_tokens=40, keep=("a",))
    other = Request((Message("user", "something else, and quite long"),), (1, 2, 3), max_tokens=60)
    _ = [made async for made in engine.generate(other)]  # answers nobody keeps would be gone now
    before = engine.stats()
    await drawn(engine, 1, max_tokens=41, given=(goes_on(one),))
    assert since(before, engine.stats())[1] == 1
    engine.release(["a", "unknown"])
    _ = [made async for made in engine.generate(other)]
    before = engine.stats()
    await drawn(engine, 1, max_tokens=41, given=(goes_on(one),))
    assert since(before, engine.stats())[1] > 30


async def test_a_state_that_cannot_be_cut_is_kept_whole(tmp_path: Path) -> None:
    engine = LlamaEngine(hybrid_model(tmp_path / "hybrid.gguf"), ctx=512, threads=1, max_sequences=8)
    try:
        whole = await drawn(engine, 1, max_tokens=24)
        (one,) = await drawn(engine, 1, max_tokens=8, keep=("a",))
        before = engine.stats()
        more = await drawn(engine, 1, 9, max_tokens=24, given=(goes_on(one),) * 2)
        assert more[0].token_ids == whole[0].token_ids
        assert since(before, engine.stats())[1:] == (1, 0)
    finally:
        await engine.close()


async def test_a_pattern_ends_a_step_and_the_next_goes_on_behind_it(engine: LlamaEngine) -> None:
    (whole,) = await drawn(engine, 3, max_tokens=200)
    (one,) = await drawn(engine, 3, max_tokens=200, stop_patterns=("[a-m]",), keep=("a",))
    assert one.finish == "stop" and one.stopped_by == "[a-m]"
    assert one.token_ids == whole.token_ids[: len(one.token_ids)]
    assert not set(one.text) & set("abcdefghijklm") and chr(one.token_ids[-1]) in "abcdefghijklm"
    (two,) = await drawn(engine, 3, max_tokens=200, stop_patterns=("[a-m]",), given=(goes_on(one),))
    assert len(two.token_ids) > len(one.token_ids) and two.token_ids == whole.token_ids[: len(two.token_ids)]
    with pytest.raises(EngineError, match="empty text"):
        await drawn(engine, 3, stop_patterns=("a*",))


async def test_likely_tokens_are_told_with_their_probabilities(engine: LlamaEngine) -> None:
    (one,) = await drawn(engine, 1, max_tokens=6, top_logprobs=3)
    assert engine.capabilities.top_logprobs and len(one.top) == one.new_tokens
    for place, likely in enumerate(one.top):
        (whole,) = await engine.next_tokens(ASK, one.token_ids[:place])
        best = sorted(range(len(whole)), key=lambda token: (-whole[token], token))[:3]
        assert [token for token, _ in likely] == best
        assert [value for _, value in likely] == pytest.approx([whole[token] for token in best], abs=1e-3)
    (more,) = await drawn(engine, 1, max_tokens=9, top_logprobs=1, given=(goes_on(one),))
    assert [len(likely) for likely in more.top] == [0] * 6 + [1] * 3
    assert (await drawn(engine, 1, max_tokens=6))[0].top == ()
