"""The executor: order, sharing, seeds, budgets with an answer at any time, failures, and stopping."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from running import FakeEngine, answer, kinds, pipeline, plan_of
from ttscale.compiler.ir import Budget
from ttscale.compiler.said import inputs_of
from ttscale.runtime.engines.base import Completion, Engine, EngineError, Scored
from ttscale.runtime.executor import execute, input_excess
from ttscale.runtime.result import BudgetExhausted, RunError

GGUF = 'model m = gguf("m.gguf")'
VOTE = pipeline("return generate(ask(question), from: m, n: 8) |> vote()", GGUF)


def by_seed(request: object, place: int) -> str:
    """An answer that depends on the seed alone, as a real sample does."""
    seed = request.seeds[place]  # type: ignore[attr-defined]
    return "so " * (seed % 5) + f"Answer: {seed % 3}"


def test_the_fake_engine_follows_the_protocol() -> None:
    assert isinstance(FakeEngine(), Engine)


async def test_the_majority_wins_and_the_result_says_so() -> None:
    text = pipeline(
        "return generate(ask(question), from: m, n: 4) |> vote()",
        'model m = script("Answer: 42", "so 41. Answer: 41", "Answer: 42.0")',
    )
    result = await answer(text)
    assert (result.answer, result.text, result.decided) == (42, "42", "3 of 4 agree")
    assert [c.answer for c in result.pool] == [42, 41, 42, 42]
    assert result.cost.calls == result.trace.calls == 4
    assert not result.cut and result.cut_reason == ""
    assert kinds(result)[0] == "run_started" and kinds(result)[-1] == "run_finished"


async def test_samples_of_one_prompt_are_one_request_with_different_seeds() -> None:
    engine = FakeEngine(by_seed)
    await answer(VOTE, {"m": engine})
    (request,) = engine.requests
    assert len(set(request.seeds)) == 8


async def test_the_first_samples_of_a_larger_run_are_those_of_a_smaller_one() -> None:
    few = await answer(
        pipeline("return generate(ask(question), from: m, n: 3) |> vote()", GGUF), {"m": FakeEngine(by_seed)}
    )
    named = pipeline("drafts = generate(ask(question), from: m, n: 8, max_tokens: 99)\nreturn drafts |> vote()", GGUF)
    many = await answer(named, {"m": FakeEngine(by_seed)})
    assert [c.text for c in few.pool] == [c.text for c in many.pool][:3]


async def test_seeds_differ_by_run_seed_series_and_temperature() -> None:
    seen = []
    for body, seed in [
        ("generate(ask(question), from: m)", 0),
        ("generate(ask(question), from: m)", 1),
        ("generate(ask(question), from: m, series: 1)", 0),
        ("generate(ask(question), from: m, temperature: 0.3)", 0),
    ]:
        engine = FakeEngine()
        await answer(pipeline(f"return {body}", GGUF), {"m": engine}, run_seed=seed)
        seen.append(engine.requests[0].seeds[0])
    assert len(set(seen)) == 4


async def test_branches_run_side_by_side() -> None:
    both = asyncio.Event()
    arrived: list[str] = []

    class Meeting(FakeEngine):
        async def generate(self, request):  # type: ignore[no-untyped-def]
            arrived.append(self.digest)
            if len(arrived) == 2:
                both.set()
            await asyncio.wait_for(both.wait(), 30)
            yield Completion(0, "Answer: 1", "stop", 1, 1)

    text = pipeline(
        "x = generate(ask(question), from: a)\nz = generate(ask(question), from: b)\nreturn x + z |> vote()",
        'model a = gguf("a.gguf")\nmodel b = gguf("b.gguf")',
    )
    result = await answer(text, {"a": Meeting(digest="a"), "b": Meeting(digest="b")})
    assert result.answer == 1


async def test_scripted_replies_go_by_plan_order_even_where_branches_could_run_side_by_side() -> None:
    text = pipeline(
        "x = generate(ask(question), from: m, n: 2)\ny = generate(ask(question), from: m, temperature: 0.3)\n"
        "z = generate(ask(question), from: m, temperature: 0.1)\nreturn z + y + x",
        'model m = script("1", "2", "3", "4")',
        "Answers[Number]",
    )
    result = await answer(text)
    assert result.answer == [4, 3, 1, 2]


async def test_every_run_starts_its_script_anew() -> None:
    from pathlib import Path

    from ttscale.runtime.models import EngineHouse

    plan = plan_of(pipeline("return generate(ask(question), from: m)", 'model m = script("1", "2")'))
    house = EngineHouse(Path.cwd())
    runs = [execute(plan.graph, plan, {"question": "?"}, house.for_run()) for _ in range(3)]
    assert [result.answer for result in await asyncio.gather(*runs)] == [1, 1, 1]


# --- run-time conditions ---------------------------------------------------------------------------------


async def test_a_stage_whose_condition_fails_is_the_identity_and_a_source_is_empty() -> None:
    text = pipeline(
        "x = generate(ask(question), from: m, n: 2)\n"
        "y = generate(ask(question), from: m, series: 1, n: 2) when agreement(x) < 1\nreturn x + y |> vote()",
        'model m = script({"": ["1", "1", "2", "2"]})',
    )
    agreed = await answer(text)
    assert (agreed.cost.calls, agreed.decided) == (2, "2 of 2 agree")
    differ = await answer(text.replace('["1", "1", "2", "2"]', '["1", "2", "2", "2"]'))
    assert (differ.cost.calls, differ.answer, differ.decided) == (4, 2, "3 of 4 agree")


async def test_only_the_arm_that_a_value_picks_runs() -> None:
    text = 'prompt kind(question: Text) -> Choice(easy, hard) = """Kind {{ question }}"""\n' + pipeline(
        "which = classify(kind(question), from: m)\nreturn match which {\n"
        "  easy => generate(ask(question), from: m) |> vote()\n"
        "  _ => generate(ask(question), from: m, n: 3) |> vote()\n}",
        'model m = script({"Kind": ["KIND"], "": ["Answer: 5"]})',
    )
    easy = await answer(text.replace("KIND", "easy"))
    assert easy.answer == 5 and len(easy.trace.of("candidate")) == 2
    hard = await answer(text.replace("KIND", "hard"))
    assert hard.answer == 5 and len(hard.trace.of("candidate")) == 4
    skipped = {event.path for event in easy.trace.of("stage_skipped")}
    assert skipped and skipped.isdisjoint({event.path for event in easy.trace.of("stage_started")})


# --- budgets ---------------------------------------------------------------------------------------------


async def test_calls_beyond_the_budget_are_refused_and_the_rest_decides() -> None:
    text = pipeline("return generate(ask(question), from: m, n: 8) |> vote()", GGUF)
    result = await answer(text, {"m": FakeEngine()}, budget=Budget(calls=3))
    assert (result.answer, result.cut, result.cut_reason) == (1, True, "calls")
    assert result.decided == "3 of 3 agree" and len(result.trace.of("call_refused")) == 5


async def test_a_sample_that_the_budget_shortened_is_not_read() -> None:
    text = pipeline("return generate(ask(question), from: m, n: 2, max_tokens: 40) |> vote()", GGUF)
    engine = FakeEngine(lambda request, place: "Answer: 7 " + "and so " * 10 + "on")
    result = await answer(text, {"m": engine}, budget=Budget(tokens=60))
    assert [c.finish for c in result.pool] == ["stop", "cut"]
    assert [c.answer for c in result.pool] == [7, None] and result.answer == 7
    assert result.cost.tokens <= 60 and result.cut


async def test_no_answer_at_all_is_the_budgets_error() -> None:
    text = pipeline("return generate(ask(question), from: m)", GGUF, head="budget { tokens <= 600 }")
    with pytest.raises(BudgetExhausted) as raised:
        await answer(text, {"m": FakeEngine()}, question="x" * 2000)
    assert raised.value.diagnostic.code == "R0704" and "tokens" in raised.value.diagnostic.message
    assert raised.value.trace.of("call_refused")


async def test_a_text_that_was_cut_short_is_better_than_nothing() -> None:
    text = pipeline("return generate(say(question), from: m, max_tokens: 100)", GGUF, "Text", "budget { tokens <= 40 }")
    result = await answer(text, {"m": FakeEngine(lambda request, place: "word " * 90)}, question="hello")
    assert result.cut and str(result.answer).startswith("word word")


async def test_the_clock_stops_what_runs_and_keeps_what_is_done() -> None:
    def delay(request: object) -> float:
        return 0.0 if request.sampling.temperature == 0.5 else 60.0  # type: ignore[attr-defined]

    text = pipeline(
        "x = generate(ask(question), from: m, n: 2, temperature: 0.5)\n"
        "y = generate(ask(question), from: m, n: 2, temperature: 0.9)\nreturn x + y |> vote()",
        GGUF,
        head="budget { seconds <= 0.2s }",
    )
    engine = FakeEngine(delay=delay)
    result = await answer(text, {"m": engine})
    assert (result.answer, result.cut_reason, engine.cancelled) == (1, "seconds", 1)
    assert [c.finish for c in result.pool] == ["stop", "stop", "cancelled", "cancelled"]


async def test_stopping_answers_with_what_is_there() -> None:
    stop = asyncio.Event()
    engine = FakeEngine(delay=lambda request: 0.0 if request.sampling.temperature == 0.5 else 60.0)

    def listener(event: object) -> None:
        if event.kind == "candidate":  # type: ignore[attr-defined]
            stop.set()

    text = pipeline(
        "x = generate(ask(question), from: m, temperature: 0.5)\ny = generate(ask(question), from: m, temperature: 0.9)"
        "\nreturn x + y |> vote()",
        GGUF,
    )
    result = await answer(text, {"m": engine}, stop=stop, listener=listener)
    assert (result.answer, result.cut, result.cut_reason) == (1, True, "stopped")


def stop_after(turns: int, stop: asyncio.Event) -> Callable[[object], None]:
    """A listener that stops the run `turns` turns of the event loop after a sample is there."""

    def wait(left: int) -> None:
        if left:
            asyncio.get_running_loop().call_soon(wait, left - 1)
        else:
            stop.set()

    return lambda event: wait(turns) if event.kind == "candidate" else None  # type: ignore[attr-defined]


@pytest.mark.parametrize("turns", range(24))
async def test_a_stop_between_admission_and_the_engine_is_not_missed(turns: int) -> None:
    stop = asyncio.Event()
    engine = FakeEngine(delay=lambda request: 0.0 if request.sampling.temperature == 0.5 else 600.0)
    text = pipeline(  # calls of a scripted model start one after the other
        "x = generate(ask(question), from: m, temperature: 0.5)\ny = generate(ask(question), from: m, temperature: 0.9)"
        "\nreturn x + y |> vote()"
    )
    async with asyncio.timeout(20):
        result = await answer(text, {"m": engine}, stop=stop, listener=stop_after(turns, stop))
    assert (result.answer, result.cut, result.cut_reason) == (1, True, "stopped")


class NeverScores(FakeEngine):
    """Samples at once; a judgement never comes back."""

    async def score(self, *arguments: object, **more: object) -> list[Scored]:
        await asyncio.sleep(600.0)
        return []


@pytest.mark.parametrize("turns", range(24))
async def test_a_stop_between_admission_and_a_judgement_is_not_missed(turns: int) -> None:
    stop = asyncio.Event()
    text = pipeline("return generate(ask(question), from: m) |> score(by: yes_no, from: m) |> vote()", GGUF)
    async with asyncio.timeout(20):
        result = await answer(text, {"m": NeverScores()}, stop=stop, listener=stop_after(turns, stop))
    assert (result.answer, result.cut, result.cut_reason) == (1, True, "stopped")


async def test_stopping_before_any_answer_says_so() -> None:
    stop = asyncio.Event()
    stop.set()
    with pytest.raises(BudgetExhausted) as raised:
        await answer(VOTE, {"m": FakeEngine(delay=lambda request: 60.0)}, stop=stop)
    assert raised.value.diagnostic.code == "R0709"


async def test_cancelling_a_run_cancels_its_requests() -> None:
    engine = FakeEngine(delay=lambda request: 60.0)
    task = asyncio.create_task(answer(VOTE, {"m": engine}))
    while not engine.requests:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert engine.cancelled == 1


@given(st.integers(0, 12), st.integers(0, 900), st.integers(0, 2**32))
@settings(max_examples=40, deadline=None)
def test_whatever_the_timing_a_budget_holds_and_the_answer_is_the_same(calls: int, tokens: int, chance: int) -> None:
    text = pipeline(
        "x = generate(ask(question), from: a, n: 4, max_tokens: 30)\n"
        "y = generate(ask(question), from: b, n: 4, max_tokens: 20)\n"
        "z = x |> fuse(using: merge, from: b, n: 3, max_tokens: 20)\nreturn x + y + z",
        'model a = gguf("a.gguf")\nmodel b = gguf("b.gguf")\n'
        'prompt merge(answers: Answers[Text]) -> Number = """{% for a in answers %}{{ a.text }} {% endfor %}"""',
        "Answers[Number]",
    )
    budget = Budget(calls=calls, tokens=tokens)

    def run(chooser: random.Random) -> list[tuple[str, str]] | str:
        def delay(request: object) -> float:
            return chooser.choice([0.0, 0.0005, 0.001])

        engines = {name: FakeEngine(by_seed, delay, digest=name) for name in "ab"}
        try:
            result = asyncio.run(answer(text, engines, budget=budget))
        except BudgetExhausted as error:
            assert error.trace.tokens <= tokens
            return "nothing"
        assert result.cost.calls <= calls and result.cost.tokens <= tokens
        return [(c.text, c.finish) for c in result.pool]

    assert run(random.Random(chance)) == run(random.Random(chance + 1))


# --- failures --------------------------------------------------------------------------------------------


async def test_a_failed_sample_keeps_its_place_and_is_tried_again_as_often_as_wished() -> None:
    tries: list[int] = []

    def reply(request: object, place: int) -> object:
        tries.append(request.seeds[place])  # type: ignore[attr-defined]
        if len(tries) < 3:
            return Completion(place, "", "failed", 5, 0, error="the server was busy")
        return "Answer: 3"

    text = pipeline("return generate(ask(question), from: m, retry: RETRY)", GGUF)
    result = await answer(text.replace("RETRY", "2"), {"m": FakeEngine(reply)})
    assert result.answer == 3 and len(set(tries)) == 3
    assert [event.data["attempt"] for event in result.trace.of("call_failed")] == [0, 1]
    tries.clear()
    with pytest.raises(RunError) as raised:
        await answer(text.replace("RETRY", "1"), {"m": FakeEngine(reply)})
    assert raised.value.diagnostic.code == "R0703" and "the server was busy" in raised.value.diagnostic.message
    assert raised.value.diagnostic.primary is not None


async def test_another_model_is_asked_where_the_first_one_fails() -> None:
    text = pipeline(
        "return generate(ask(question), from: a, or_else: b)", 'model a = gguf("a.gguf")\nmodel b = gguf("b.gguf")'
    )
    broken = FakeEngine(lambda request, place: EngineError("it is gone", fatal=True))
    result = await answer(text, {"a": broken, "b": FakeEngine(lambda request, place: "Answer: 8")})
    assert (result.answer, result.pool.candidates[0].model) == (8, "b")
    assert any("it is gone" in note for note in result.notes) or result.trace.of("call_failed")
    missing = await answer(text, {"b": FakeEngine(lambda request, place: "Answer: 8")})
    assert missing.answer == 8


async def test_a_model_that_cannot_be_had_is_an_error_at_its_stage() -> None:
    with pytest.raises(RunError) as raised:
        await answer(VOTE, {})
    assert raised.value.diagnostic.code == "R0701" and raised.value.diagnostic.primary is not None


async def test_a_question_longer_than_the_context_is_said_plainly() -> None:
    with pytest.raises(RunError) as raised:
        await answer(VOTE, {"m": FakeEngine()}, question="x" * 5000)
    assert raised.value.diagnostic.code == "R0702" and "4096" in raised.value.diagnostic.message
    assert raised.value.diagnostic.hint


async def test_one_failure_among_many_samples_is_told_and_does_not_stop_the_rest() -> None:
    def reply(request: object, place: int) -> object:
        return Completion(place, "", "failed", 5, 0, error="no") if place == 1 else "Answer: 4"

    result = await answer(VOTE, {"m": FakeEngine(reply)})
    assert result.answer == 4 and result.decided == "7 of 8 agree"
    assert result.pool.candidates[1].finish == "failed" and any("failed: no" in note for note in result.notes)


async def test_unreadable_answers_are_none_and_not_an_error() -> None:
    result = await answer(VOTE, {"m": FakeEngine(lambda request, place: "who knows")})
    assert result.answer is None and result.decided == "none of 8 answers could be read"


async def test_a_slow_call_ends_by_its_own_timeout() -> None:
    engine = FakeEngine(lambda request, place: Completion(place, "so far", "cancelled", 3, 2))
    with pytest.raises(RunError) as raised:
        await answer(pipeline("return generate(ask(question), from: m, timeout: 5s)", GGUF), {"m": engine})
    assert "5 seconds" in raised.value.diagnostic.message
    assert engine.requests[0].timeout_seconds == 5


# --- inputs ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("inputs", "words"),
    [({}, "needs its input `question`"), ({"question": "a", "n": 1}, "has no input `n`")],
)
async def test_wrong_inputs_are_named(inputs: dict[str, object], words: str) -> None:
    plan = plan_of(VOTE)
    with pytest.raises(RunError, match="R0708") as raised:
        await execute(plan.graph, plan, inputs, {"m": FakeEngine()})
    assert words in raised.value.diagnostic.message


# --- failures that are no sample's -----------------------------------------------------------------------


class Refusing(FakeEngine):
    """Cannot count the prompts that contain "poison", as where a template refuses them."""

    async def count_tokens(self, messages):  # type: ignore[no-untyped-def]
        if any("poison" in message.content for message in messages):
            raise EngineError("the template refuses this", hint="say it otherwise", fatal=False)
        return await super().count_tokens(messages)


async def test_a_prompt_that_cannot_be_counted_is_a_failed_sample_that_another_model_may_answer() -> None:
    models = 'model a = gguf("a.gguf")\nmodel b = gguf("b.gguf")'
    engines = {"a": Refusing(), "b": FakeEngine(lambda request, place: "Answer: 8")}
    text = pipeline("return generate(ask(question), from: a, or_else: b)", models)
    assert (await answer(text, engines, question="poison")).answer == 8
    result = await answer(pipeline("return generate(ask(question), from: [a, b]) |> vote()", models), engines, "poison")
    assert result.answer == 8 and any("the template refuses this" in note for note in result.notes)
    with pytest.raises(RunError) as raised:
        await answer(VOTE, {"m": Refusing()}, question="poison")
    assert raised.value.diagnostic.hint == "say it otherwise" and raised.value.diagnostic.primary is not None
    assert raised.value.__cause__ is not None and not raised.value.__cause__.fatal  # type: ignore[attr-defined]


async def test_prompts_are_counted_at_the_same_time() -> None:
    counted: set[str] = set()
    all_asked = asyncio.Event()

    class Meeting(FakeEngine):
        async def count_tokens(self, messages):  # type: ignore[no-untyped-def]
            if "Meet" in messages[0].content:
                counted.add(messages[0].content)
                if len(counted) == 3:
                    all_asked.set()
                await asyncio.wait_for(all_asked.wait(), 30)  # counted one by one, the first waits here for ever
            return await super().count_tokens(messages)

    prompts = "\n".join(f'prompt p{n}(question: Text) -> Number = "Meet {n} {{{{ question }}}}"' for n in range(3))
    body = "return generate([p0(question), p1(question), p2(question)], from: m, n: 2) |> vote()"
    result = await answer(f"{prompts}\n{pipeline(body, GGUF)}", {"m": Meeting()})
    assert result.answer == 1
    counted.clear()
    all_asked.clear()
    judge = 'prompt like(answer: Text) -> Bool = "Meet {{ answer }}"'
    body = "return generate(ask(question), from: m, n: 3) |> score(by: yes_no, using: like, from: m) |> vote()"
    engine = Meeting(lambda request, place: f"Answer: {place}")
    assert (await answer(f"{judge}\n{pipeline(body, GGUF)}", {"m": engine})).answer in (0, 1, 2)


# --- scripts ---------------------------------------------------------------------------------------------

CRITICS = """prompt crit(question: Text, answer: Text) -> Text = "Review {{ question }} {{ answer }}"
model gen = script("x", "y", "x")
model critic = script("first", "second", "third")"""


async def test_scripted_replies_go_to_equal_prompts_in_the_order_of_the_asks() -> None:
    body = "return generate(say(question), from: gen, n: 3) |> critique(using: crit, from: critic)"
    result = await answer(pipeline(body, CRITICS, "Answers[Text]"))
    assert [(c.text, c.critique) for c in result.pool] == [("x", "first"), ("y", "second"), ("x", "third")]
    other = 'prompt other(question: Text) -> Text = "Other {{ question }}"\nmodel m = script("a1", "a2", "a3")'
    body = "return generate([say(question), other(question), say(question)], from: m)"
    assert (await answer(pipeline(body, other, "Answers[Text]"))).answer == ["a1", "a2", "a3"]


async def test_scripted_calls_that_wait_for_the_budget_do_not_wait_for_each_other() -> None:
    body = "return generate(say(question), from: gen, n: 3, max_tokens: 4)"
    body += " |> critique(using: crit, from: critic, max_tokens: 20)"
    found = []
    for tokens in range(24, 120, 3):
        text = pipeline(body, CRITICS, "Answers[Text]")
        async with asyncio.timeout(60):  # where they did, this never ended
            result = await answer(text, budget=Budget(tokens=tokens))
        assert result.cost.tokens <= tokens
        found.append(tuple(c.critique for c in result.pool))
    assert found[-1] == ("first", "second", "third")


# --- none as an answer -----------------------------------------------------------------------------------


async def test_none_is_an_answer_even_where_a_call_was_refused() -> None:
    text = 'prompt maybe(question: Text) -> Number? = "Maybe {{ question }}"\n' + pipeline(
        "return generate(maybe(question), from: m, n: 3) |> vote()", 'model m = script("none")', "Number?"
    )
    result = await answer(text, budget=Budget(calls=2))
    assert result.answer is None and result.cut and result.decided.startswith("2 of 2")
    with pytest.raises(BudgetExhausted):
        await answer(text, budget=Budget(calls=0))


@pytest.mark.parametrize(
    ("kind", "value"), [("[Text]", ["word " * 300, "word " * 300]), ("Chat", "word " * 1500), ("Text(max: 9)", "short")]
)
def test_the_executor_assumes_what_the_plan_assumes_of_inputs(kind: str, value: object) -> None:
    text = f'model m = script("1")\npipeline main(question: Text, more: {kind}) -> Number {{\n'
    graph = plan_of(text + "return generate(ask(question), from: m)\n}\n").graph
    assumed = inputs_of(graph, {})["more"].high
    assert input_excess(graph, {"question": "", "more": value}) == max(0, len(str(value)) // 2 - assumed)
