"""What the bank needs of the llama engine: going on from given tokens, and reports of running samples."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from engine_files import embedded_weights
from ttscale.runtime.bank.rows import Row as BankRow
from ttscale.runtime.bank.rows import Want, packed
from ttscale.runtime.engines.base import Completion, EngineError, Given, Message, Request, Sampling
from ttscale.runtime.engines.llama.engine import LlamaEngine

pytestmark = pytest.mark.model
ASK = (Message("user", "Explain why the sky is blue."),)
HOT = Sampling(temperature=1.0)


@pytest.fixture(scope="module")
def engine() -> Iterator[LlamaEngine]:
    opened = LlamaEngine(embedded_weights(), threads=1, ctx=1024)
    yield opened
    asyncio.run(opened.close())


async def made(engine: LlamaEngine, request: Request) -> tuple[list[Completion], list[Completion]]:
    """Finished completions by index, and reports of running ones in the order in which they came."""
    found = [completion async for completion in engine.generate(request)]
    finished = sorted((c for c in found if c.finish != "running"), key=lambda c: c.index)
    return finished, [c for c in found if c.finish == "running"]


async def test_reports_of_running_samples_are_their_tokens(engine: LlamaEngine) -> None:
    request = Request(ASK, (1, 2, 3), max_tokens=40, sampling=HOT, report_every=16)
    finished, reports = await made(engine, request)
    for completion in finished:
        mine = [report for report in reports if report.index == completion.index]
        assert [report.new_tokens for report in mine] == [n for n in (16, 32) if n < completion.new_tokens]
        ids = [token for report in mine for token in report.token_ids]
        logprobs = [value for report in mine for value in report.logprobs]
        assert tuple(ids) == completion.token_ids[: len(ids)]
        assert tuple(logprobs) == completion.logprobs[: len(ids)]


async def test_a_sample_goes_on_from_given_tokens(engine: LlamaEngine) -> None:
    (whole, other), _ = await made(engine, Request(ASK, (1, 2), max_tokens=32, sampling=HOT))
    assert engine.capabilities.resumes
    before = engine.stats().new_tokens
    given = (Given(whole.token_ids[:20], whole.logprobs[:20]), None)
    finished, _ = await made(engine, Request(ASK, (1, 2), max_tokens=32, sampling=HOT, given=given))
    assert finished[0].token_ids[:20] == whole.token_ids[:20]
    assert finished[0].logprobs[:20] == whole.logprobs[:20]
    assert finished[0].text.startswith(whole.text[:40])
    assert finished[0].new_tokens == 32 and len(finished[0].logprobs) == 32
    assert finished[1].new_tokens == other.new_tokens
    assert engine.stats().new_tokens - before == 12 + finished[1].new_tokens


async def test_all_tokens_given_is_nothing_to_compute(engine: LlamaEngine) -> None:
    (whole,), _ = await made(engine, Request(ASK, (1,), max_tokens=24, sampling=HOT))
    before = engine.stats().new_tokens
    given = (Given(whole.token_ids[:10], whole.logprobs[:10]),)
    (short,), _ = await made(engine, Request(ASK, (1,), max_tokens=10, sampling=HOT, given=given))
    assert (short.finish, short.token_ids) == ("length", whole.token_ids[:10])
    assert engine.stats().new_tokens == before


async def test_a_view_is_what_the_engine_makes_of_the_same_tokens(engine: LlamaEngine) -> None:
    finished, _ = await made(engine, Request(ASK, (4, 5), max_tokens=48, sampling=Sampling(temperature=1.5)))
    for completion in finished:
        ids, logprobs, sizes, raw = packed(completion)
        row = BankRow(
            0, 0, 0, 0, completion.finish, completion.text, completion.thoughts, completion.thought_tokens,
            completion.prompt_tokens, completion.new_tokens, ids, logprobs, sizes, raw, 1.0, "",
        )  # fmt: skip
        for limit in range(1, completion.new_tokens, 7):
            given = (Given(completion.token_ids[:limit], completion.logprobs[:limit]),)
            (wanted,), _ = await made(engine, Request(ASK, (4,), max_tokens=limit, given=given))
            view = row.completion(0, Want(row.spot, limit))
            assert (view.text, view.finish, view.token_ids) == (wanted.text, wanted.finish, wanted.token_ids)


async def test_a_beginning_a_seed_is_needed(engine: LlamaEngine) -> None:
    with pytest.raises(EngineError, match="one beginning a seed"):
        await made(engine, Request(ASK, (1, 2), given=(None,)))
