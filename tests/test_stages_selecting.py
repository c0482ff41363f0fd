"""Selection rules in pipelines: tournaments of judges, checklists, another try, evidence of another prompt."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from running import FakeEngine, answer, pipeline, plan_of
from ttscale.compiler.ir import Const, Model
from ttscale.runtime.engines.base import Message
from ttscale.runtime.result import RunError

MODELS = 'model m = gguf("m.gguf")\nmodel j = gguf("j.gguf")\nmodel k = gguf("k.gguf")'
DRAFTS = "x = generate(ask(question), from: m, n: 3)\n"


def drafts() -> FakeEngine:
    """Three answers: 0, 1, 2."""
    return FakeEngine(lambda request, place: f"Answer: {place}")


def text(body: str, returns: str = "Number") -> str:
    return pipeline(f"{DRAFTS}return x |> {body}", MODELS, returns)


def duel(best: int, sure: float = 0.9) -> FakeEngine:
    """A judge of pairs by label who prefers one answer, and of others the one that is shown first."""

    def verdict(messages: Sequence[Message], continuation: str) -> float:
        shown = messages[-1].content
        first, second = shown.find("Answer: "), shown.rfind("Answer: ")
        wins = shown[second:].startswith(f"Answer: {best}")
        share = 1 - sure if wins else sure
        assert first < second
        return math.log(share if continuation.strip().lower() == "first" else 1 - share) - 1

    return FakeEngine(verdict=verdict)


PAIR = '''
prompt pair(question: Text, first: Text, second: Text) -> Choice(first, second) = """{{ first }} or {{ second }}?"""
'''


async def test_a_tournament_of_two_judges() -> None:
    stages = (
        "rank(using: pair, from: j, method: pairwise) |> rank(using: pair, from: k, method: pairwise) "
        "|> select(by: pairwise(memory: 0.5))"
    )
    engines = {"m": drafts(), "j": duel(2), "k": duel(2)}
    result = await answer(PAIR + text(stages), engines)
    assert result.answer == 2 and "bradley_terry" in result.decided
    assert [c.rank for c in result.pool] == [1, 2, 3] and len(result.pool.comparisons) == 12
    assert {one.judge for one in result.pool.comparisons} == {"j", "k"}


async def test_comparisons_follow_candidates_through_ranks_and_filters() -> None:
    stages = "rank(using: pair, from: j, method: pairwise, keep: 2) |> score(by: length) |> select(by: bradley_terry)"
    result = await answer(PAIR + text(stages), {"m": drafts(), "j": duel(1), "k": duel(1)})
    assert result.answer == 1
    lists = FakeEngine(lambda request, place: "2, 1, 3")
    with pytest.raises(RunError, match="which candidates are better"):
        await answer(text("rank(from: j) |> select(by: bradley_terry)"), {"m": drafts(), "j": lists, "k": lists})


async def test_a_checklist_is_one_call_and_its_last_numbers_count() -> None:
    reply = "1. It must be a number.\n2. It must be even.\nCandidate 1: no.\nCandidate 2: no.\nBest: 3"
    judge = FakeEngine(lambda request, place: reply)
    for form in (
        "select(by: checklist, from: j)",
        "select(by: chops(from: j))",
        "rank(method: checklist, keep: 1, from: j)",
    ):
        engines = {"m": drafts(), "j": judge, "k": judge}
        result = await answer(text(form), engines)
        assert result.answer == 2 and result.cost.calls == 4
    (request, *_) = judge.requests
    shown = request.messages[-1].content
    assert "checklist" in shown and all(f"Answer: {i}" in shown for i in range(3))
    assert request.max_tokens == 768 and request.messages[-1].role == "user"
    vague = FakeEngine(lambda request, place: "1. Even.\n2. Right.\nI cannot tell.")
    result = await answer(text("select(by: checklist, from: j)"), {"m": drafts(), "j": vague, "k": vague})
    assert result.answer == 0 and sum(one.unreadable for one in result.judgements.values()) == 1


def test_a_checklist_is_planned_as_one_call() -> None:
    plan = plan_of(text("select(by: checklist, from: j)"))
    stage = next(s for s in plan.graph.stages if s.op == "rank")
    assert stage.args["keep"] == Const(1) and isinstance(stage.args["from"], Model) and stage.args["from"].name == "j"
    assert stage.args["max_tokens"] == Const(768) and len(plan.graph.stages) == 2


async def test_another_try_is_the_chance_that_starting_over_is_no_better() -> None:
    def verdict(messages: Sequence[Message], continuation: str) -> float:
        good = any("Answer: 1" in message.content for message in messages)
        better = 0.1 if good else 0.7
        return math.log(better if continuation.strip().lower() == "yes" else 1 - better) - 3

    judge = FakeEngine(verdict=verdict)
    scored = text("score(by: another_try, from: j)", "Answers[Number]")
    result = await answer(scored, {"m": drafts(), "j": judge, "k": judge})
    assert [c.scores["another_try"] for c in result.pool] == [pytest.approx(p) for p in (0.3, 0.9, 0.3)]
    best = text('score(by: self_evaluation, from: j) |> select(by: adaptive(score("another_try"), threshold: 0.8))')
    assert (await answer(best, {"m": drafts(), "j": judge, "k": judge})).answer == 1


async def test_samples_of_another_prompt_are_evidence_and_never_the_answer() -> None:
    body = (
        f"{DRAFTS}other = generate(say(question), from: k, n: 2)\n"
        "numbers = generate(ask(question), from: k, n: 4)\n"
        "return x |> select(by: bayes_risk(equal, evidence: numbers))"
    )
    engine = FakeEngine(lambda request, place: f"Answer: {(2, 2, 9, 9)[place % 4]}")
    result = await answer(pipeline(body, MODELS), {"m": drafts(), "j": engine, "k": engine})
    assert result.answer == 2  # two samples say 9 too, which no candidate does


async def test_token_log_probabilities_reach_the_rules() -> None:
    result = await answer(text("select(by: deepconf(mean, share: 0.5))"), {"m": drafts(), "j": drafts(), "k": drafts()})
    assert result.answer == 0
    assert all(len(c.token_logprobs) > 0 for c in result.samples)
    assert "token_logprobs" not in str([event.to_json() for event in result.trace])


async def test_a_pipeline_may_have_the_name_of_the_rule_that_it_chooses_by() -> None:
    body = "return generate(ask(question), from: m, n: 3) |> score(by: length) |> select(by: adaptive(score))"
    named = pipeline(body, MODELS).replace("pipeline main", "pipeline adaptive")
    main = "pipeline main(question: Text) -> Number {\nreturn adaptive(question)\n}\n"
    assert (await answer(named + main, {"m": drafts(), "j": drafts(), "k": drafts()})).answer == 0


async def test_a_tournament_of_some_pairs() -> None:
    stages = "rank(using: pair, from: j, method: pairwise, pairs: 5) |> select(by: bradley_terry)"
    judge = duel(3)
    body = f"{DRAFTS.replace('n: 3', 'n: 5')}return x |> {stages}"
    result = await answer(PAIR + pipeline(body, MODELS), {"m": drafts(), "j": judge, "k": judge})
    assert len(judge.scored) == 10 and result.answer == 3
    shown = {frozenset((one.first, one.second)) for one in result.pool.comparisons}
    assert len(shown) == 5 and len(result.pool.comparisons) == 10  # each pair in both orders
    assert frozenset().union(*shown) == set(range(5))  # everyone is compared
    again = await answer(PAIR + pipeline(body, MODELS), {"m": drafts(), "j": duel(3), "k": judge})
    assert again.pool.comparisons == result.pool.comparisons
