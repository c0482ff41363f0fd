"""What every engine must do, as tests; one class, run for each implementation, ours and those of other packages.

    import pytest_asyncio
    from ttscale.testing import EngineContract

    class TestMyEngine(EngineContract):
        @pytest_asyncio.fixture
        async def engine(self):
            made = MyEngine("small.onnx")
            await made.start()
            yield made
            await made.close()

A subclass provides the fixture `engine`, a started engine that answers short chat prompts, and may say with
`can_score` and `seeded` what its implementation promises. Needs pytest and pytest-asyncio in its mode `auto`; with
`pytest.register_assert_rewrite("ttscale.testing")` in a `conftest.py` a failed test shows its values.
"""

from __future__ import annotations

import asyncio
import math
import re
from dataclasses import replace

import pytest
from ttscale.runtime.engines.base import Completion, Engine, Given, Message, Reading, Request, Sampling

ASK = (Message("user", "Say something about the sea."),)


async def collect(engine: Engine, request: Request) -> list[Completion]:
    """All completions of a request, by index."""
    found = [completion async for completion in engine.generate(request)]
    return sorted(found, key=lambda completion: completion.index)


class EngineContract:
    """Tests of the protocol `Engine`.

    `can_score` False leaves out the tests of scores, `seeded` False those of repeated answers.
    """

    can_score = True
    seeded = True

    def test_is_an_engine(self, engine: Engine) -> None:
        assert isinstance(engine, Engine)
        assert engine.digest.partition(":")[1] == ":"
        assert engine.digest == engine.digest

    async def test_one_completion_a_seed(self, engine: Engine) -> None:
        found = await collect(engine, Request(ASK, seeds=(5, 6, 7), max_tokens=12))
        assert [completion.index for completion in found] == [0, 1, 2]
        for completion in found:
            assert completion.finish in ("stop", "length")
            assert 0 < completion.new_tokens <= 12
            assert completion.prompt_tokens > 0
            assert completion.error == ""
            assert all(value <= 0 for value in completion.logprobs)
            assert len(completion.logprobs) in (0, completion.new_tokens)

    async def test_no_seeds_no_completions(self, engine: Engine) -> None:
        assert await collect(engine, Request(ASK, seeds=())) == []

    async def test_limits_override_max_tokens(self, engine: Engine) -> None:
        found = await collect(engine, Request(ASK, seeds=(1, 2), max_tokens=50, limits=(1, 3)))
        assert found[0].new_tokens == 1
        assert 1 <= found[1].new_tokens <= 3

    async def test_the_same_load_gives_the_same_texts(self, engine: Engine) -> None:
        if not self.seeded:
            pytest.skip("this engine does not promise it")
        request = Request(ASK, seeds=(11, 12), max_tokens=10, sampling=Sampling(temperature=0))
        first = await collect(engine, request)
        assert first[0].text == first[1].text

    async def test_stop_texts_are_not_in_the_text(self, engine: Engine) -> None:
        whole = await collect(engine, Request(ASK, seeds=(3,), max_tokens=12, sampling=Sampling(temperature=0)))
        word = whole[0].text.strip()[2:5]
        cut = await collect(
            engine, Request(ASK, seeds=(3,), max_tokens=12, sampling=Sampling(temperature=0), stop=(word,))
        )
        assert word not in cut[0].text
        assert cut[0].finish == "stop"
        assert len(cut[0].text) < len(whole[0].text)

    async def test_patterns_end_a_text_before_their_match(self, engine: Engine) -> None:
        if not engine.capabilities.stop_patterns:
            pytest.skip("this engine takes no patterns")
        greedy = Request(ASK, seeds=(3,), max_tokens=12, sampling=Sampling(temperature=0))
        (whole,) = await collect(engine, greedy)
        word = whole.text.strip()[2:5]
        (cut,) = await collect(engine, replace(greedy, stop_patterns=(re.escape(word),)))
        assert cut.finish == "stop" and cut.text == whole.text[: whole.text.index(word)]

    async def test_given_tokens_are_gone_on_from(self, engine: Engine) -> None:
        if not engine.capabilities.resumes:
            pytest.skip("this engine does not go on from tokens")
        greedy = Request(ASK, seeds=(3, 4), max_tokens=12, sampling=Sampling(temperature=0))
        whole = await collect(engine, greedy)
        given = tuple(Given(one.token_ids[:5], one.logprobs[:5]) for one in whole)
        again = await collect(engine, replace(greedy, given=given))
        assert [one.token_ids[:5] for one in again] == [one.token_ids[:5] for one in whole]
        assert all(one.new_tokens <= 12 for one in again)

    async def test_vectors_have_length_one(self, engine: Engine) -> None:
        if not (engine.capabilities.embeds and isinstance(engine, Reading)):
            pytest.skip("this engine makes no vectors")
        found = await engine.embed(["The sea is blue.", "Tea is hot."])
        assert [math.hypot(*one.vector) for one in found] == pytest.approx([1.0, 1.0], abs=1e-4)
        assert all(one.tokens > 0 for one in found)

    async def test_requests_run_together(self, engine: Engine) -> None:
        requests = [Request((Message("user", f"Count to {n}."),), seeds=(n,), max_tokens=6) for n in range(6)]
        found = await asyncio.gather(*(collect(engine, request) for request in requests))
        assert [len(completions) for completions in found] == [1] * 6

    async def test_leaving_early_is_harmless(self, engine: Engine) -> None:
        stream = engine.generate(Request(ASK, seeds=(1, 2, 3, 4), max_tokens=30))
        async for _ in stream:
            break
        await stream.aclose()  # type: ignore[attr-defined]
        assert len(await collect(engine, Request(ASK, seeds=(9,), max_tokens=4))) == 1

    async def test_tokens_are_counted(self, engine: Engine) -> None:
        short = await engine.count_tokens(ASK)
        long = await engine.count_tokens((*ASK, Message("assistant", "It is blue."), Message("user", "Why is that?")))
        assert 0 < short < long

    async def test_scores_are_log_probabilities(self, engine: Engine) -> None:
        if not self.can_score:
            pytest.skip("this engine cannot score")
        scored = await engine.score((Message("user", "Is water wet? Answer Yes or No."),), ["Yes", "No"])
        assert [item.continuation for item in scored] == ["Yes", "No"]
        mass = sum(math.exp(sum(item.logprobs)) for item in scored)
        assert 0 < mass <= 1 + 1e-5

    async def test_stats_grow(self, engine: Engine) -> None:
        before = engine.stats()
        await collect(engine, Request(ASK, seeds=(21,), max_tokens=3))
        after = engine.stats()
        assert after.requests > before.requests
        assert after.new_tokens > before.new_tokens

    async def test_close_twice(self, engine: Engine) -> None:
        await engine.close()
        await engine.close()
