"""Answers read behind texts: products, mixtures, priors, and what is asked."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from checking import body
from running import FakeEngine, answer, pipeline, plan_of
from ttscale.runtime.engines.base import Message
from ttscale.runtime.strategies.forcing import best, mixed, mixture, product, shares

# p(a | x), p(b | x) by context: the first says a clearly, the second b a little
TABLE = {"one": (0.8, 0.2), "two": (0.3, 0.6), "": (0.1, 0.4)}
POOL = (
    'x = generate(say("one"), from: m)\ny = generate(say("two"), from: m)\n'
    "drafts = generate(say(question), from: m, n: 2)\n"
)


def test_products_and_mixtures() -> None:
    rows = [[math.log(p) for p in TABLE[name]] for name in ("one", "two")]
    assert product(rows) == pytest.approx([0.24 / 0.36, 0.12 / 0.36])
    assert mixture(rows) == pytest.approx([(0.8 + 1 / 3) / 2, (0.2 + 2 / 3) / 2])
    assert shares([-math.inf, -math.inf]) == [0.5, 0.5]
    assert shares([-1e4, -1e4 - math.log(3)]) == pytest.approx([0.75, 0.25])


def test_contexts_have_weights() -> None:
    rows = [[math.log(p) for p in TABLE[name]] for name in ("one", "two")]
    assert mixture(rows, [3, 1]) == pytest.approx([0.75 * 0.8 + 0.25 / 3, 0.75 * 0.2 + 0.25 * 2 / 3])
    assert mixture(rows, [3, 1], raw=True) == pytest.approx([2.7 / 3.9, 1.2 / 3.9])
    assert product(rows, [3, 1]) == pytest.approx(shares([1.5 * a + 0.5 * b for a, b in zip(*rows, strict=True)]))
    assert product(rows, [1, 1]) == pytest.approx(product(rows))
    assert best(rows) == pytest.approx([0.8 / (0.8 + 2 / 3), 2 / 3 / (0.8 + 2 / 3)])
    assert best(rows, raw=True) == pytest.approx([0.8 / 1.4, 0.6 / 1.4])
    assert best(rows, [0, 5]) == pytest.approx([1 / 3, 2 / 3])
    for put in (mixture, product, best):
        assert put(rows, [0, 0]) == pytest.approx(put(rows)), "all alike where no weight is above 0"
        assert put(rows, [-3, 2]) == pytest.approx(put(rows, [0, 2]))
        assert put([[-math.inf, -math.inf]], [1]) == [0.5, 0.5]
    assert mixture([[-900.0, -901.0], [-1e5, -1e5]], raw=True) == pytest.approx(shares([0, -1]))


def test_factors_are_a_product_of_experts() -> None:
    one, two = [[-1.0, -2.0], [-3.0, -4.0]], [[-5.0, -6.0], [-7.0, -8.0]]
    assert mixed([(2.0, one), (0.5, two), (0.0, [])]) == [[-4.5, -7.0], [-9.5, -12.0]]
    assert mixed([(1.0, [[-math.inf, 0.0]]), (-1.0, [[-math.inf, -1.0]])]) == [[-math.inf, 1.0]]
    assert mixed([]) == []


CHANNEL = {("one", "a"): 0.5, ("one", "b"): 0.25, ("two", "a"): 0.1, ("two", "b"): 0.4}
"""p(question | context, answer)"""
ALONE = {"one": (0.3, 0.7), "two": (0.5, 0.5)}
"""p(a | x), p(b | x) without the question"""


def engine() -> FakeEngine:
    def verdict(messages: Sequence[Message], continuation: str) -> float:
        text = messages[-2].content
        if "Which question" in text:
            assert continuation == " which?"
            return math.log(CHANNEL[text[:3], text.split('"')[1]])
        if "Question: \n" in text:
            return math.log(ALONE[text[:3]]["ab".index(continuation.strip())])
        name = next((name for name in ("one", "two") if text.startswith(name)), "")
        return math.log(TABLE[name]["ab".index(continuation.strip())])

    return FakeEngine(reply_of, verdict=verdict)


def reply_of(request: object, place: int) -> str:
    asked = str(request)
    return "one" if "Say one" in asked else "two" if "Say two" in asked else "ab"[place]


async def scores(rule: str) -> tuple[list[float], FakeEngine]:
    model = engine()
    text = pipeline(f"{POOL}return drafts |> score(by: {rule}, from: m)", 'model m = gguf("m.gguf")', "Answers[Text]")
    result = await answer(text, {"m": model}, question="which?")
    return [candidate.scores["forced"] for candidate in result.pool], model


async def test_answers_are_scored_behind_every_context() -> None:
    found, model = await scores("forced(x + y)")
    assert found == pytest.approx([2 / 3, 1 / 3])
    assert [continuations for _, continuations in model.scored] == [(" a", " b")] * 2, "one prefill a context"
    found, _ = await scores("forced(x + y, put: mixture)")
    assert found == pytest.approx([(0.8 + 1 / 3) / 2, (0.2 + 2 / 3) / 2])
    found, _ = await scores("forced(x + y, most: 1)")
    assert found == pytest.approx([1 / 3, 2 / 3])
    found, _ = await scores("forced")
    assert found == pytest.approx([0.2, 0.8])


async def test_noisy_channels_and_products_of_experts() -> None:
    channel = [[math.log(CHANNEL[name, answer]) for answer in "ab"] for name in ("one", "two")]
    alone = [[math.log(p) for p in ALONE[name]] for name in ("one", "two")]
    direct = [[math.log(p) for p in TABLE[name]] for name in ("one", "two")]
    found, model = await scores("forced(x + y, put: best, raw: true, direct: 0, channel: 1, alone: 1)")
    assert found == pytest.approx(best(mixed([(1, channel), (1, alone)]), raw=True))
    assert len(model.scored) == 2 + 4, "a prefill a context for the answers, one a pair for the question"
    found, _ = await scores("forced(x + y, put: mixture, direct: 0.5, channel: 2, alone: -1, prior: true)")
    prior = [[math.log(p) for p in TABLE[""]]] * 2
    wanted = mixed([(0.5, direct), (2, channel), (-1, alone), (-1, prior)])
    assert found == pytest.approx(mixture(wanted))


def weighing(messages: Sequence[Message], continuation: str) -> float:
    if continuation in (" one", " two"):
        return math.log({" one": 0.75, " two": 0.25}[continuation])
    return math.log(TABLE[messages[-2].content[:3]]["ab".index(continuation.strip())])


@pytest.mark.parametrize(("weigh", "weights"), [("score", (3, 1)), ("softmax", (math.exp(0.75), math.exp(0.25)))])
async def test_contexts_count_by_their_scores(weigh: str, weights: tuple[float, float]) -> None:
    scored = 'z = x + y |> score(by: forced(["three"]), from: m, as: "w")\n'
    text = f"{POOL}{scored}return drafts |> score(by: forced(z, put: mixture, weigh: {weigh}), from: m)"
    result = await answer(
        pipeline(text, 'model m = gguf("m.gguf")', "Answers[Text]"),
        {"m": FakeEngine(reply_of, verdict=weighing)},
        question="which?",
    )
    rows = [[math.log(p) for p in TABLE[name]] for name in ("one", "two")]
    assert [one.scores["forced"] for one in result.pool] == pytest.approx(mixture(rows, weights))
    assert not result.notes


async def test_a_prior_takes_off_what_is_likely_anyway() -> None:
    found, model = await scores("forced(y, prior: true)")
    assert found == pytest.approx(shares([math.log(0.3 / 0.1), math.log(0.6 / 0.4)]))
    assert len(model.scored) == 2


def test_what_it_may_cost_is_known() -> None:
    text = pipeline(
        f"{POOL}return drafts |> score(by: forced(x + y, prior: true), from: m) |> select(by: score)",
        'model m = gguf("m.gguf")',
        "Text",
    )
    assert plan_of(text).maximum.calls == 4 + 3 * 2


@pytest.mark.parametrize(
    ("rule", "calls"),
    [
        ('forced(["a"])', 2),
        ('forced(["a", question])', 4),
        ("forced", 2),
        ("forced([])", 2),
        ("forced(x + y, most: 1)", 4),
        ("forced(x + y, direct: 0, channel: 1)", 6),
        ("forced(x + y, channel: 0.5, alone: 1)", 14),
        ('forced(["a"], channel: 1, prior: true)', 6),
    ],
)
def test_contexts_that_are_written_out_are_counted(rule: str, calls: int) -> None:
    text = pipeline(
        f"{POOL}return drafts |> score(by: {rule}, from: m) |> select(by: score)",
        'model m = gguf("m.gguf")',
        "Text",
    )
    assert plan_of(text).maximum.calls == 2 + calls


def test_lists_that_a_model_writes_may_be_of_any_length() -> None:
    text = pipeline(
        "d = generate(say(question), from: m)\nfacts = generate(list_facts(question), from: m)\n"
        "return d |> score(by: forced(facts), from: m) |> select(by: score)",
        'prompt list_facts(question: Text) -> [Text] = "Facts on {{ question }}"\nmodel m = gguf("m.gguf")',
        "Text",
    )
    assert plan_of(text).maximum.calls == 2 + 16


def test_mistakes_are_told() -> None:
    drafts = "d = generate(p.reply(question), from: small, n: 2)\n"
    assert body(f"{drafts}return d |> score(by: forced(d)) |> select(by: score)", "Text") == []
    assert body(f"{drafts}return d |> score(by: forced(3)) |> select(by: score)", "Text") == ["E0215"]
    assert body(f"{drafts}return d |> score(by: forced(put: sum)) |> select(by: score)", "Text") == ["E0217"]
    for rule, code in {
        "forced(d, weigh: score)": "E0221",
        "forced([question], weigh: score)": "E0215",
        "forced(weigh: softmax)": "E0216",
        "forced(d, direct: 0)": "E0216",
        "forced(d, alone: 20)": "E0216",
        "forced(d, channel: 1, asking: 3)": "E0215",
        "forced(d, channel: 1, asking: p.code_from_plan)": "E0225",
    }.items():
        assert body(f"{drafts}return d |> score(by: {rule}) |> select(by: score)", "Text") == [code], rule
    bound = "score(by: forced(d, alone: 1), using: p.reply(question: question))"
    assert body(f"{drafts}return d |> {bound} |> select(by: score)", "Text") == ["E0225"]
    own = "score(by: forced(d, channel: 1, asking: p.reply(question: question)))"
    assert body(f"{drafts}return d |> {own} |> select(by: score)", "Text") == []
