"""Watched samples in the engine of the process: they go on in place, and the bank knows them again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from banks import SeededEngine
from tiny_models import plain_model
from ttscale.compiler import types
from ttscale.compiler.ir import Model
from ttscale.runtime.bank.asking import Asking
from ttscale.runtime.bank.keys import Spot
from ttscale.runtime.bank.runs import BankRun
from ttscale.runtime.bank.store import Bank
from ttscale.runtime.engines.base import Completion, EngineError, Given, Message, Pause, Request, Sampling
from ttscale.runtime.engines.llama.engine import LlamaEngine
from ttscale.runtime.watch import Watch, WatchingEngine
from ttscale.runtime.watch.agreement import reader_of
from ttscale.runtime.watch.follower import Watching
from ttscale.runtime.watch.watchers import Confidence, Deepen, Repetition, Stable

pytest.importorskip("llama_cpp")
pytestmark = pytest.mark.model

ASK = (Message("user", "the quick brown fox jumps over the lazy dog"),)
DEEPEN = Watching("deepen", Deepen("again", 5, 2.0, 2), "inject", most=2)
NEVER = Watching("stable", Stable(reader_of(types.BOOL, marked=False, sentences=0), 2, 3))


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[LlamaEngine]:
    made = LlamaEngine(plain_model(tmp_path / "plain.gguf"), ctx=512, threads=1, max_sequences=8)
    yield made
    await made.close()


def watch(*watchings: Watching) -> Watch:
    return Watch(watchings, repr([one.name for one in watchings]))


async def drawn(engine: Any, *seeds: int, **more: Any) -> list[Completion]:
    request = Request(ASK, seeds, sampling=Sampling(1.0, 1.0), **more)
    await engine.start()
    return sorted([one async for one in engine.generate(request)], key=lambda one: one.index)


async def test_a_sample_pauses_and_a_watched_one_is_the_same(engine: LlamaEngine) -> None:
    whole = await drawn(engine, 1, 2, 3, max_tokens=24)
    paused = await drawn(engine, 1, 2, max_tokens=24, pause=Pause(at=(4, 0)))
    assert [one.finish for one in paused] == ["paused", whole[1].finish]
    assert paused[0].token_ids == whole[0].token_ids[:4]
    before = engine.stats()
    seen = await drawn(WatchingEngine(engine, watch(NEVER)), 1, 2, 3, max_tokens=24)
    assert [(one.token_ids, one.text, one.finish) for one in seen] == [
        (one.token_ids, one.text, one.finish) for one in whole
    ]
    assert seen[0].logprobs == pytest.approx(whole[0].logprobs, abs=1e-2)
    after = engine.stats()
    assert after.recomputed == before.recomputed
    looks = sum((len(one.token_ids) - 1) // 3 for one in seen)
    assert after.prompt_computed - before.prompt_computed <= 1 + looks, "one row a look: the token drawn last"
    assert after.new_tokens - before.new_tokens == sum(one.new_tokens for one in seen)


async def test_what_is_put_in_is_computed_once(engine: LlamaEngine) -> None:
    said = await engine.tokens("again")
    before = engine.stats()
    (one,) = await drawn(WatchingEngine(engine, watch(DEEPEN)), 7, max_tokens=40)
    first, second = one.watched
    assert (first.at, first.tokens) == (5, len(said))
    assert one.token_ids[5 : 5 + len(said)] == said and second.at <= 5 + len(said) + 10
    assert set(one.logprobs[5 : 5 + len(said)]) == {0.0}
    after = engine.stats()
    computed = after.prompt_computed - before.prompt_computed
    rows = [
        len(said) + (0 if event.dropped else 1) for event in one.watched
    ]  # the token before an end has been computed
    assert computed == one.prompt_tokens + sum(rows) and after.recomputed == before.recomputed
    assert one.computed_tokens == computed


async def test_a_repetition_is_cut_and_counted(engine: LlamaEngine) -> None:
    copies = Watching("repetition", Repetition(1, 2))
    (one,) = await drawn(WatchingEngine(engine, watch(copies)), 3, max_tokens=60)
    (event,) = one.watched
    assert one.finish == "stop" and one.new_tokens == event.at
    assert one.made_tokens == event.seen <= 60
    assert b"".join(one.pieces).decode("utf-8", "replace").startswith(one.text)


async def test_a_branch_shares_what_is_computed(engine: LlamaEngine) -> None:
    unsure = Watching("confidence", Confidence(-0.0001, 4), "branch")
    seen = watch(unsure)
    (one,) = await drawn(WatchingEngine(engine, seen), 5, max_tokens=30)
    assert [event.what for event in one.watched] == ["branch"] and len(seen.held) == 1
    at = 4
    begun = replace(seen, begun=Given(one.token_ids[:at], one.logprobs[:at], free=at))
    before = engine.stats()
    (other,) = await drawn(WatchingEngine(engine, begun), 6, max_tokens=30)
    assert other.token_ids[:at] == one.token_ids[:at] and not other.watched
    assert engine.stats().prompt_computed - before.prompt_computed == 1
    engine.release(tuple(seen.held))


async def test_limits_and_times_hold(engine: LlamaEngine) -> None:
    for limit in (1, 5, 6, 7, 9, 30):
        (one,) = await drawn(WatchingEngine(engine, watch(DEEPEN)), 7, max_tokens=limit)
        assert one.made_tokens <= limit
    (late,) = await drawn(WatchingEngine(engine, watch(NEVER)), 8, max_tokens=400, timeout_seconds=0.0001)
    assert late.finish == "cancelled" and late.error


async def test_a_watched_sample_that_is_cancelled_leaves_nothing(engine: LlamaEngine) -> None:
    watching = WatchingEngine(engine, watch(NEVER))
    task = asyncio.create_task(drawn(watching, 1, 2, max_tokens=400))
    await asyncio.sleep(0.2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(await drawn(watching, 1, max_tokens=6)) == 1


async def test_an_engine_that_cannot_pause_says_so() -> None:
    exact = SeededEngine()
    with pytest.raises(EngineError, match="cannot be watched"):
        await WatchingEngine(exact, watch(NEVER)).start()


async def test_the_bank_knows_a_watched_sample_again(engine: LlamaEngine, tmp_path: Path) -> None:
    model, spots = Model("m", "gguf", "plain.gguf"), [Spot(0, 0, 0), Spot(0, 0, 1)]

    async def asked(seen: Watch, **more: Any) -> list[tuple[str, Completion]]:
        with Bank(tmp_path / "bank.db") as bank:
            asking = Asking(BankRun(bank, "test"), {"question": "q"})
            request = Request(ASK, (1, 2), sampling=Sampling(1.0, 1.0), watch=seen.key, **more)
            stream = asking.samples("main", model, WatchingEngine(engine, seen), request, spots, 0)
            found = [(one.source, one.completion) async for one in stream]
        return sorted(found, key=lambda one: one[1].index)

    first = await asked(watch(DEEPEN), max_tokens=30)
    again = await asked(watch(DEEPEN), max_tokens=30)
    assert [source for source, _ in first] == ["fresh"] * 2 and [source for source, _ in again] == ["bank"] * 2
    for (_, made), (_, kept) in zip(first, again, strict=True):
        assert (made.token_ids, made.text, made.watched) == (kept.token_ids, kept.text, kept.watched) and kept.watched
    other = await asked(watch(NEVER), max_tokens=30)
    assert [source for source, _ in other] == ["fresh"] * 2
    cut = await asked(watch(DEEPEN), max_tokens=30, limits=(9, 9))  # a budget: nothing is read, nothing is kept
    assert [(source, one.new_tokens) for source, one in cut] == [("fresh", 9)] * 2
