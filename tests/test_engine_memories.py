"""Classes of memory on small random weights: what shares a prefix, or follows on, is what it would be alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from tiny_models import TEMPLATE, TOKENS, hybrid_model, sliding_window_model
from ttscale.compiler.ir import Model
from ttscale.runtime.engines.base import Completion, Engine, EngineStats, Message, Request, Sampling
from ttscale.runtime.models import open_engine

pytest.importorskip("llama_cpp")
pytestmark = pytest.mark.model

START = "the quick brown fox jumps over the lazy dog and runs away from all of it"  # longer than the window
PROMPTS = (START, START[:40] + "tired cat", START + " again", "something else", START[:40] + "tired cow")
SAMPLES = 3


def opened(path: Path, **options: object) -> Engine:
    given = {"ctx": 512, "threads": 1, "slots": 6, "chat_template": TEMPLATE, **options}
    return open_engine(Model("m", "gguf", str(path), tuple(given.items())), Path())


async def collected(engine: Engine, prompt: str, seeds: tuple[int, ...]) -> list[Completion]:
    limits = tuple(24 - 7 * (place % 3) for place in range(len(seeds)))  # they end one by one, and others move up
    request = Request((Message("user", prompt),), seeds, sampling=Sampling(1.0), limits=limits)
    return sorted([one async for one in engine.generate(request)], key=lambda one: one.index)


async def together(path: Path, **options: object) -> tuple[list[list[Completion]], EngineStats]:
    """Samples of all prompts, asked at once, and once more the first with more samples after it."""
    engine = opened(path, **options)
    try:
        seeds = tuple(range(SAMPLES))
        found = await asyncio.gather(*(collected(engine, prompt, seeds) for prompt in PROMPTS))
        again = await collected(engine, PROMPTS[0], seeds)
        return [*found, again], engine.stats()
    finally:
        await engine.close()


async def alone(path: Path) -> list[list[Completion]]:
    """The same, each prompt with an engine that knows nothing else."""
    found = []
    for prompt in PROMPTS:
        engine = opened(path, slots=1)
        found.append(await collected(engine, prompt, tuple(range(SAMPLES))))
        await engine.close()
    return [*found, found[0]]


def common(first: tuple[int, ...], second: tuple[int, ...]) -> int:
    """Tokens that both begin with."""
    return next((at for at, (one, other) in enumerate(zip(first, second, strict=False)) if one != other), len(first))


@pytest.mark.parametrize(
    ("make", "options"),
    [
        (sliding_window_model, {}),
        (sliding_window_model, {"swa_full": False}),
        (sliding_window_model, {"kv_unified": False}),
        (sliding_window_model, {"kv_unified": False, "swa_full": False}),
        (hybrid_model, {}),
        (hybrid_model, {"kv_unified": False}),
    ],
    ids=["window", "window-moving", "window-separate", "window-moving-separate", "hybrid", "hybrid-separate"],
)
async def test_what_is_shared_changes_nothing(
    tmp_path: Path, make: Callable[[Path], Path], options: dict[str, object]
) -> None:
    path = make(tmp_path / "tiny.gguf")
    expected = await alone(path)
    found, stats = await together(path, **options)
    alike = 0.0
    for ours, theirs in zip(found, expected, strict=True):
        for one, other in zip(ours, theirs, strict=True):
            same = common(one.token_ids, other.token_ids)
            alike += same / len(other.token_ids)
            assert list(one.logprobs[:same]) == pytest.approx(list(other.logprobs[:same]), abs=0.02)
    assert alike >= 0.8 * len(PROMPTS + PROMPTS[:1]) * SAMPLES, "a last digit may tip one draw, and texts part there"
    assert stats.prompt_computed < stats.prompt_asked / 2, "samples share their prompt"


@pytest.mark.parametrize(
    ("make", "options"), [(sliding_window_model, {"swa_full": False}), (hybrid_model, {})], ids=["window", "hybrid"]
)
async def test_judgements_share_the_state_where_they_part(
    tmp_path: Path, make: Callable[[Path], Path], options: dict[str, object]
) -> None:
    engine = opened(make(tmp_path / "tiny.gguf"), **options)
    asked = [(Message("user", START + f" number {number} {'abcdef'[number]}"),) for number in range(6)]
    try:
        together = await asyncio.gather(*(engine.score(one, ["yes", "no"]) for one in asked))
        stats = engine.stats()
        # What has arrived is planned together, which the scheduler's test counts; here some may come a step too late.
        assert stats.prompt_computed < 6 * len(START), "the common beginning was not computed for each"
        assert sum(item.computed_tokens or 0 for one in together for item in one) == stats.prompt_computed
    finally:
        await engine.close()
    engine = opened(make(tmp_path / "tiny.gguf"), **options)
    try:
        for one, scored in zip(asked, together, strict=True):
            alone = await engine.score(one, ["yes", "no"])
            for first, second in zip(scored, alone, strict=True):
                assert first.logprobs == pytest.approx(second.logprobs, abs=0.02)
    finally:
        await engine.close()


async def test_a_cache_for_each_sequence_shares_parts_of_prompts_as_one_cache_does(tmp_path: Path) -> None:
    path = sliding_window_model(tmp_path / "tiny.gguf")
    counts = []
    for unified in (True, False):
        engine = opened(path, kv_unified=unified)
        try:
            for prompt in PROMPTS:
                await collected(engine, prompt, (1, 2))
            counts.append(engine.stats().prompt_computed)
        finally:
            await engine.close()
    assert counts[0] == counts[1] < sum(map(len, PROMPTS)) - 2 * 40


MARKS = ("<|start|>", "<|channel|>", "<|message|>", "<|end|>", "<|return|>", "<|call|>")
CHANNELS = (
    "{% for m in messages %}{{ '<|start|>' + m.role + '<|message|>' + m.content + '<|end|>' }}{% endfor %}"
    "{# analysis comes before <|channel|>final #}{% if add_generation_prompt %}<|start|>assistant{% endif %}"
)
BLOCKS = "{% for m in messages %}{{ m.content }}{% endfor %}{% if add_generation_prompt %}<think>{% endif %}"


@pytest.mark.parametrize(
    ("marks", "template", "begun", "ending"),
    [
        (MARKS, CHANNELS, "<|channel|>analysis<|message|>", ("<|end|>", "<|start|>", "<|channel|>", "<|message|>")),
        (("<think>", "</think>"), BLOCKS, "", ("</think>",)),
    ],
    ids=["gpt-oss", "think"],
)
async def test_thoughts_are_ended_with_the_vocabularys_own_marks(
    tmp_path: Path, marks: tuple[str, ...], template: str, begun: str, ending: tuple[str, ...]
) -> None:
    path = sliding_window_model(tmp_path / "tiny.gguf", marks, template)
    engine = opened(path, chat_template=template)
    asked = (Message("user", "six times seven"), *([Message("assistant", begun)] if begun else []))
    try:
        request = Request(asked, (1, 2, 3), max_tokens=16, thinking="up to 400", sampling=Sampling(1.0, top_p=0.9))
        found = [one async for one in engine.generate(request)]
    finally:
        await engine.close()
    ids = {mark: len(TOKENS) + place for place, mark in enumerate(marks)}
    forced = [one for one in found if "I have thought about this" in one.thoughts]
    assert forced and all(one.thought_tokens <= 400 and one.new_tokens <= 416 for one in found)
    for one in forced:
        put_in = [token for token, logprob in zip(one.token_ids, one.logprobs, strict=True) if logprob == 0]
        assert [token for token in put_in if token in ids.values()] == [ids[mark] for mark in ending]
