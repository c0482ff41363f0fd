"""Answers read behind texts: products, mixtures, priors, and what is asked."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from checking import body
from running import FakeEngine, answer, pipeline, plan_of
from ttscale.runtime.engines.base import Message
from ttscale.runtime.strategies.forcing import mixture, product, shares

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


def engine() -> FakeEngine:
    def verdict(messages: Sequence[Message], continuation: str) -> float:
        text = messages[-2].content
        name = next((name for name in ("one", "two") if text.startswith(name)), "")
        return math.log(TABLE[name]["ab".index(continuation.strip())])

    def reply(request: object, place: int) -> str:
        asked = str(request)
        return "one" if "Say one" in asked else "two" if "Say two" in asked else "ab"[place]

    return FakeEngine(reply, verdict=verdict)


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


def test_mistakes_are_told() -> None:
    drafts = "d = generate(p.reply(question), from: small, n: 2)\n"
    assert body(f"{drafts}return d |> score(by: forced(d)) |> select(by: score)", "Text") == []
    assert body(f"{drafts}return d |> score(by: forced(3)) |> select(by: score)", "Text") == ["E0215"]
    assert body(f"{drafts}return d |> score(by: forced(put: sum)) |> select(by: score)", "Text") == ["E0217"]
