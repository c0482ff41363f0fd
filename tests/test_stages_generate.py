"""`generate` and `classify`: what is sampled, in what order, and when sampling stops."""

from __future__ import annotations

import math

import pytest
from running import FakeEngine, answer, pipeline
from ttscale.compiler.ir import Budget
from ttscale.runtime.engines.base import Capabilities

GGUF = 'model m = gguf("m.gguf")'
TWO = 'model a = gguf("a.gguf")\nmodel b = gguf("b.gguf")\n'
TWO += 'prompt other(question: Text) -> Number = """Other {{ question }}"""'


def echo(request: object, place: int) -> str:
    """Says which prompt it was asked, at which temperature."""
    return f"{request.messages[0].content.split()[0]} {request.sampling.temperature}"  # type: ignore[attr-defined]


async def test_prompts_then_models_then_temperatures_then_samples() -> None:
    body = "return generate([ask(question), other(question)], from: [a, b], temperature: [0.2, 0.9], n: 2)"
    result = await answer(pipeline(body, TWO, "Answers[Number]"), {"a": FakeEngine(echo), "b": FakeEngine(echo)})
    seen = [(c.prompt, c.model, c.text.split()[1], c.index) for c in result.pool]
    assert seen == [
        (prompt, model, heat, index)
        for prompt in ("ask", "other")
        for model in ("a", "b")
        for heat in ("0.2", "0.9")
        for index in (0, 1)
    ]


async def test_a_model_listed_twice_gives_other_samples() -> None:
    engine = FakeEngine()
    result = await answer(
        pipeline("return generate(ask(question), from: [m, m])", GGUF, "Answers[Number]"), {"m": engine}
    )
    assert [c.series for c in result.pool] == [0, 1]
    assert len({seed for request in engine.requests for seed in request.seeds}) == 2


async def test_the_hedge_is_one_greedy_sample_at_the_end() -> None:
    body = "return generate(ask(question), from: m, n: 2, temperature: 0.7, hedge: true)"
    result = await answer(pipeline(body, GGUF, "Answers[Number]"), {"m": FakeEngine(echo)})
    assert [c.text.split()[1] for c in result.pool] == ["0.7", "0.7", "0.0"]


async def test_rounds_double_until_the_condition_holds_on_a_complete_one() -> None:
    body = "return generate(ask(question), from: m, n: up to 16, start: 2, until: agreement >= 0.7) |> vote()"
    replies = ["1", "2", "3", "1", "1", "1", "1", "1"]
    text = pipeline(body, f"model m = script({', '.join(repr(r).replace(chr(39), chr(34)) for r in replies)})")
    result = await answer(text)
    assert len(result.pool) == 8 and result.decided == "6 of 8 agree"
    assert any("stopped at 8 of at most 16" in note for note in result.notes)
    never = await answer(text.replace("0.7", "0.99"))
    assert len(never.pool) == 16


async def test_rounds_end_where_the_budget_does() -> None:
    body = "return generate(ask(question), from: m, n: up to 16, start: 2, until: agreement >= 0.9) |> vote()"
    text = pipeline(body, 'model m = script("1", "2", "1")')
    result = await answer(text, budget=Budget(calls=5))
    assert len(result.pool) == 5 and result.cut and result.answer == 1


async def test_settings_reach_the_engine() -> None:
    body = (
        "return generate(ask(question), from: m, temperature: 0.3, top_p: 0.5, top_k: 7, min_p: 0.1,"
        ' repeat_penalty: 1.2, max_tokens: 33, stop: ["END"], thinking: off, typical_p: 0.9,'
        " frequency_penalty: 0.5, presence_penalty: -0.25)"
    )
    engine = FakeEngine()
    await answer(pipeline(body, GGUF.replace('")', '", penalty_window: 128)')), {"m": engine})
    (request,) = engine.requests
    assert (request.sampling.temperature, request.sampling.top_p, request.sampling.top_k) == (0.3, 0.5, 7)
    assert (request.sampling.min_p, request.sampling.repeat_penalty) == (0.1, 1.2)
    assert (request.sampling.typical_p, request.sampling.penalty_window) == (0.9, 128)
    assert (request.sampling.frequency_penalty, request.sampling.presence_penalty) == (0.5, -0.25)
    assert (request.max_tokens, request.stop, request.thinking) == (33, ("END",), "off")


async def test_likelihoods_are_those_of_a_candidates_own_tokens() -> None:
    result = await answer(pipeline("return generate(ask(question), from: m)", GGUF), {"m": FakeEngine()})
    (candidate,) = result.pool
    assert candidate.logprob_mean == pytest.approx(-0.25) and candidate.logprob_sum == pytest.approx(-0.5)


async def test_a_pool_is_its_texts_where_a_prompt_takes_a_list() -> None:
    models = GGUF + '\nprompt both(texts: [Text]) -> Number = """{% for t in texts %}<{{ t }}>{% endfor %}"""'
    body = "x = generate(ask(question), from: m, n: 2)\nreturn generate(both(x), from: m)"
    engine = FakeEngine(lambda request, place: f"Answer: {place}")
    await answer(pipeline(body, models), {"m": engine})
    assert engine.requests[1].messages[0].content.strip() == "<Answer: 0><Answer: 1>"


CLASSIFY = 'prompt kind(question: Text) -> Choice(maths, code, other) = """Kind of {{ question }}"""\n' + pipeline(
    "return classify(kind(question), from: m OPTION)", GGUF, "Choice(maths, code, other)"
)


def prefers(word: str) -> object:
    """A verdict that gives `word` 0.6 in one spelling and 0.1 in another, and the rest little."""

    def verdict(messages: object, continuation: str) -> float:
        return math.log({word: 0.6, " " + word.capitalize(): 0.1}.get(continuation, 0.01))

    return verdict


async def test_classify_scores_all_labels_in_all_spellings_from_one_prompt() -> None:
    engine = FakeEngine(verdict=prefers("code"))
    result = await answer(CLASSIFY.replace("OPTION", ""), {"m": engine})
    assert result.answer == "code" and len(engine.scored) == 1
    (candidate,) = result.pool
    assert list(candidate.scores)[-1] == "code" and sum(candidate.scores.values()) == pytest.approx(1)
    assert candidate.scores["code"] == pytest.approx(0.72 / 0.8)
    assert result.cost.calls == 3 and not engine.requests
    assert set(engine.scored[0][1]) >= {"code", " code", "Code", " Code"}


async def test_classify_abstains_below_its_least_probability() -> None:
    engine = FakeEngine(verdict=prefers("code"))
    result = await answer(CLASSIFY.replace("OPTION", ", min_probability: 0.95"), {"m": engine})
    assert result.answer is None and any("0.95" in note for note in result.notes)


async def test_classify_samples_where_the_engine_cannot_score() -> None:
    engine = FakeEngine(lambda request, place: "maths, I think", capabilities=Capabilities(scoring=False))
    result = await answer(CLASSIFY.replace("OPTION", ""), {"m": engine})
    assert result.answer == "maths" and len(engine.requests) == 1 and engine.requests[0].sampling.temperature == 0


@pytest.mark.parametrize("chosen", ["", ", n: 2) |> vote(", ", n: 2) |> select(by: first"])
@pytest.mark.parametrize(
    ("kind", "reply", "value"), [("[Number]", "[1, 2]", [1, 2]), ("[Text]", "- a\\n- b", ["a", "b"])]
)
async def test_one_answer_that_is_a_list_is_returned_as_that_list(
    chosen: str, kind: str, reply: str, value: list[object]
) -> None:
    head = f'prompt many(question: Text) -> {kind} = """List {{{{ question }}}}"""\nmodel m = script("{reply}")'
    result = await answer(pipeline(f"return generate(many(question), from: m{chosen})", head, kind))
    assert result.answer == value
    listed = await answer(pipeline(f"return generate(many(question), from: m{chosen})", head, f"[{kind}]"))
    assert listed.answer == [value]


@pytest.mark.parametrize(("kind", "reply"), [("[Number]", "[1, 2]"), ("[Text]", "- 1\\n- 2")])
async def test_one_answer_that_is_a_list_is_a_prompts_argument_as_that_list(kind: str, reply: str) -> None:
    head = (
        f'prompt many(question: Text) -> {kind} = """List {{{{ question }}}}"""\n'
        f'prompt count(xs: {kind}) -> Text = """Got {{% for x in xs %}}<{{{{ x }}}}>{{% endfor %}}"""\n'
        f'model m = script({{"Got <1><2>": ["both"], "Got": ["one"], "": ["{reply}"]}})'
    )
    text = pipeline("return generate(count(generate(many(question), from: m)), from: m)", head, "Text")
    assert (await answer(text)).answer == "both"


async def test_a_text_that_may_be_none_is_none() -> None:
    head = 'prompt due(question: Text) -> Text? = """When? {{ question }}"""\nmodel m = script("None.")'
    assert (await answer(pipeline("return generate(due(question), from: m)", head, "Text?"))).answer is None
    said = await answer(pipeline("return generate(due(question), from: m)", head.replace("None.", "May 1"), "Text?"))
    assert said.answer == "May 1"
