"""The scripted engine."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
from ttscale.runtime.engines.base import EngineError, Message, Request
from ttscale.runtime.engines.script import ScriptEngine
from ttscale.testing import EngineContract, collect


def ask(text: str) -> tuple[Message, ...]:
    return (Message("user", text),)


class TestContract(EngineContract):
    @pytest.fixture
    def engine(self) -> Iterator[ScriptEngine]:
        yield ScriptEngine(["The sea is wide and blue and never still."])


async def test_replies_follow_the_order_of_calls_not_of_reading() -> None:
    engine = ScriptEngine(["a", "b", "c", "d"])
    first = engine.generate(Request(ask("x"), seeds=(0, 1)))
    second = engine.generate(Request(ask("y"), seeds=(0, 1)))
    assert [completion.text async for completion in second] == ["c", "d"]
    assert [completion.text async for completion in first] == ["a", "b"]


async def test_lists_cycle_and_once_does_not() -> None:
    texts = [item.text for item in await collect(ScriptEngine(["a", "b"]), Request(ask("x"), seeds=(0, 1, 2)))]
    assert texts == ["a", "b", "a"]
    with pytest.raises(EngineError, match="used up its 2 replies"):
        await collect(ScriptEngine(["a", "b"], once=True), Request(ask("x"), seeds=(0, 1, 2)))


async def test_the_first_key_in_the_last_user_message_decides() -> None:
    engine = ScriptEngine({"rank": ["2, 1"], "solve": ["7", "8"], "": ["else"]})
    assert (await collect(engine, Request(ask("solve and rank"), seeds=(0,))))[0].text == "2, 1"
    solved = [(await collect(engine, Request(ask("solve it"), seeds=(0,))))[0].text for _ in range(3)]
    assert solved == ["7", "8", "7"]
    earlier = (*ask("rank"), Message("assistant", "1"), *ask("hello"))
    assert (await collect(engine, Request(earlier, seeds=(0,))))[0].text == "else"


async def test_no_key_fits() -> None:
    with pytest.raises(EngineError, match="the keys are 'rank', 'solve'"):
        await collect(ScriptEngine({"rank": ["1"], "solve": ["2"]}), Request(ask("other"), seeds=(0,)))


async def test_thoughts_limits_and_stops() -> None:
    engine = ScriptEngine(["<think>two words</think>\n\none two three four"])
    whole, short, nothing = await collect(engine, Request(ask("x"), seeds=(0, 1, 2), limits=(9, 4, 2)))
    assert (whole.thoughts, whole.thought_tokens, whole.text, whole.new_tokens) == (
        "two words",
        2,
        "one two three four",
        6,
    )
    assert (short.text, short.new_tokens, short.finish) == ("one two", 4, "length")
    assert (nothing.text, nothing.new_tokens, nothing.finish) == ("", 2, "length")
    assert whole.logprobs == (-0.5,) * 6
    (stopped,) = await collect(engine, Request(ask("x"), seeds=(0,), stop=(" three",)))
    assert (stopped.text, stopped.finish) == ("one two", "stop")


async def test_a_score_prefers_the_next_reply() -> None:
    engine = ScriptEngine([" yes\n", "neither"])
    yes, no = await engine.score(ask("x"), ["Yes", "No"])
    assert math.exp(sum(yes.logprobs)) == pytest.approx(0.9)
    assert math.exp(sum(no.logprobs)) == pytest.approx(0.1)
    even = await engine.score(ask("x"), ["Yes", "No"])
    assert [math.exp(sum(item.logprobs)) for item in even] == pytest.approx([0.5, 0.5])


def test_the_digest_is_that_of_the_replies() -> None:
    assert ScriptEngine(["a"]).digest == ScriptEngine(["a"]).digest
    assert len({ScriptEngine(["a"]).digest, ScriptEngine(["b"]).digest, ScriptEngine(["a"], once=True).digest}) == 3


def test_a_script_without_replies_is_refused() -> None:
    with pytest.raises(EngineError, match="no replies"):
        ScriptEngine([])
