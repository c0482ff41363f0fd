"""States of loops that are known before the run: temperatures that rise, counts that grow, rounds that differ."""

from __future__ import annotations

import pytest
from checking import body
from running import FakeEngine, answer, pipeline, plan_of
from ttscale.compiler.diagnostics import CompileError

MODEL = 'model m = gguf("m.gguf")'
FIRST = "first = generate(ask(question), from: m, temperature: 0)\n"
ROUND = """all = repeat %s with xs = first, heat = 0.5%s {
  yield xs + generate(ask(question), from: m, temperature: heat, more: xs), %s
}
return all.xs |> vote()
"""


def program(rounds: str = "3", until: str = "", then: str = "(1 + heat) / 2") -> str:
    return pipeline(FIRST + ROUND % (rounds, until, then), MODEL)


@pytest.mark.parametrize(("rounds", "until"), [("3", ""), ("up to 3", " until agreement(xs) > 1")])
async def test_a_temperature_rises_round_by_round(rounds: str, until: str) -> None:
    engine = FakeEngine(lambda request, place: f"Answer: {place}")
    await answer(program(rounds, until), {"m": engine})
    assert [request.sampling.temperature for request in engine.requests] == [0.0, 0.5, 0.75, 0.875]


async def test_a_loop_that_ends_early_ends_with_what_its_last_round_had() -> None:
    text = pipeline(
        FIRST + "all = repeat up to 3 with xs = first, n = 1 until size(xs) >= 3 {\n"
        "  yield xs + generate(ask(question), from: m, n: n, more: xs), n + 1\n}\nreturn size(all.xs) * 10 + all.n",
        MODEL,
        "Int",
    )
    engine = FakeEngine(lambda request, place: "Answer: 1")
    result = await answer(text, {"m": engine})
    assert result.answer == 43, "1 + 1 + 2 samples, and the third round would have asked for 3"
    assert plan_of(text).maximum.calls == 1 + 1 + 2 + 3


def test_a_temperature_that_comes_to_be_too_high_is_told() -> None:
    with pytest.raises(CompileError) as failed:
        plan_of(program(then="heat * 9"))
    (told,) = failed.value.diagnostics
    assert told.code == "E0216" and "at most 5" in told.message and "40.5" in told.message


def test_what_a_run_finds_is_no_temperature() -> None:
    assert body(
        (FIRST + ROUND % ("2", "", "agreement(xs)"))
        .replace("ask(", "p.solve_number(")
        .replace("from: m", "from: small"),
        "Number",
    ) == ["E0235"]


def test_a_condition_on_a_settled_state_is_settled() -> None:
    text = pipeline(
        FIRST + "all = repeat 3 with xs = first, n = 1 {\n"
        "  yield xs + (generate(ask(question), from: m, more: xs) when n == 2), n + 1\n}\nreturn all.xs |> vote()",
        MODEL,
    )
    assert plan_of(text).maximum.calls == 2 == plan_of(text).minimum.calls


@pytest.mark.parametrize(
    "source", ["decompose(question, from: m)", "retrieve(question, among: [question])", 'recall(question, memory: "x")']
)
def test_a_source_without_a_prompt_may_be_left_out_too(source: str) -> None:
    """`when` with a parameter that is false leaves an empty pool, also of stages that ask no prompt."""
    text = pipeline(f"param more: Bool = false\nfound = {source} when more\nreturn size(found)", MODEL, "Int")
    assert plan_of(text).maximum.calls == 0
