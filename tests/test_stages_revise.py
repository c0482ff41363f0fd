"""Revising: what each rewrite is shown, how many there are, what stays where none came, rounds and their plans."""

from __future__ import annotations

from typing import Any

from checking import body
from running import FakeEngine, answer, pipeline, plan_of
from ttscale.compiler.ir import Budget
from ttscale.runtime.engines.base import EngineError

TWO = 'model m = gguf("m.gguf")\nmodel j = gguf("j.gguf")'
PROMPTS = '''
prompt mend(question: Text, answer: Text, critique: Text) -> Text = """Mend {{ answer }} as {{ critique }} says"""
prompt again(answer: Number, critique: Text?) -> Number = """Again {{ answer }}{% if critique %}!{% endif %}"""
'''


def revised(stages: str, n: int = 2, returns: str = "Answers[Number]") -> str:
    return PROMPTS + pipeline(f"return generate(ask(question), from: m, n: {n}) |> {stages}", TWO, returns)


def drafts() -> FakeEngine:
    return FakeEngine(lambda request, place: f"Answer: {place}")


def said(request: Any) -> str:
    return "\n".join(message.content for message in request.messages)


def next_number(request: Any, place: int) -> str:
    """One more than the answer that is shown."""
    shown = said(request).split("Answer: ")[1].split()[0]
    return f"Answer: {int(shown) + 10}"


async def test_every_candidate_is_written_again_and_is_the_parent() -> None:
    writer = FakeEngine(next_number)
    result = await answer(revised("revise(from: j)"), {"m": drafts(), "j": writer})
    assert result.answer == [10, 11] and result.cost.calls == 4
    assert [one.parents[0].answer for one in result.pool] == [0, 1]
    assert {one.stage for one in result.pool} == {"main/revise"}
    assert "6 * 7" in said(writer.requests[0]) and "Review" not in said(writer.requests[0])


async def test_several_rewrites_of_each_are_other_samples() -> None:
    writer = FakeEngine(next_number)
    text = revised("revise(from: j, n: 3)")
    result = await answer(text, {"m": drafts(), "j": writer})
    assert result.answer == [10, 10, 10, 11, 11, 11]
    assert [one.index for one in result.pool] == [0, 1, 2, 3, 4, 5]
    assert [one.parents[0].answer for one in result.pool] == [0, 0, 0, 1, 1, 1]
    plan = plan_of(text)
    assert (plan.minimum.calls, plan.maximum.calls) == (8, 8)
    assert plan.graph.stages[-1].size.high == 6


async def test_the_critique_is_shown_and_then_gone() -> None:
    critic = FakeEngine(
        lambda request, place: "too small" if "Review" not in said(request) else next_number(request, 0)
    )
    result = await answer(revised("critique(from: j) |> revise(from: j)"), {"m": drafts(), "j": critic})
    assert any("too small" in said(request) for request in critic.requests)
    assert result.answer == [10, 11] and all(one.critique is None for one in result.pool)
    mended = FakeEngine(lambda request, place: "bad" if "Mend" not in said(request) else "good")
    text = revised("critique(from: j) |> revise(using: mend, from: j)", 1, "Answers[Text]")
    result = await answer(text, {"m": drafts(), "j": mended})
    assert result.answer == ["good"] and "Mend Answer: 0 as bad says" in said(mended.requests[-1])


async def test_typed_prompts_and_rounds() -> None:
    writer = FakeEngine(lambda request, place: f"Answer: {float(said(request).split()[1].strip('!')) + 1:g}")
    text = PROMPTS + pipeline(
        "xs = generate(ask(question), from: m)\n"
        "return repeat 3 with x = xs { yield x |> revise(using: again, from: j) }",
        TWO,
    )
    result = await answer(text, {"m": drafts(), "j": writer})
    assert result.answer == 3
    line = []
    (last,) = result.pool
    while last.parents:
        (last,) = last.parents
        line.append(last.answer)
    assert line == [2, 1, 0]
    until = text.replace("repeat 3", "repeat up to 3").replace("{ yield", "until size(x) == 1 { yield")
    assert (await answer(until, {"m": drafts(), "j": writer})).answer == 0


async def test_what_cannot_be_rewritten_stays() -> None:
    def fails(request: Any, place: int) -> object:
        return "" if "Answer: 0" in said(request) else EngineError("no memory")

    text = revised("score(by: length) |> revise(from: j)")
    result = await answer(text, {"m": drafts(), "j": FakeEngine(fails)})
    assert result.answer == [0, 1] and all(not one.scores for one in result.pool)
    assert any("nothing new of 2 of 2" in note for note in result.notes)
    only = FakeEngine(lambda request, place: "" if "Answer: 0" in said(request) else "Answer: 9")
    assert (await answer(text, {"m": drafts(), "j": only})).answer == [0, 9]
    empty = await answer(revised("revise(from: j)"), {"m": FakeEngine(lambda request, place: ""), "j": only})
    assert empty.answer == [None, None] and empty.cost.calls == 2  # there is nothing to write again


async def test_a_budget_ends_revisions_and_leaves_an_answer() -> None:
    text = PROMPTS + pipeline(
        "return repeat 4 with x = generate(ask(question), from: m) { yield x |> revise(from: j) }",
        TWO,
    )
    engines = {"m": drafts(), "j": FakeEngine(next_number)}
    result = await answer(text, engines, budget=Budget(calls=3))
    assert result.answer == 20 and result.cut and result.cost.calls == 3


def test_mistakes_are_told() -> None:
    four = "xs = generate(p.solve_number(question), from: small, n: 4)\nreturn xs |> "
    assert body(four + "critique() |> revise() |> vote()", "Number") == []
    assert body(four + "critique() |> revise() |> filter(min_score: 1, by: score) |> vote()", "Number") == ["E0221"]
    assert body(four + "revise(m: 2) |> vote()", "Number") == ["E0211"]
    assert body(four + "revise(using: p.unit_tests) |> vote()", "Number") == ["E0238"]
    assert body(four + "revise(n: 2) |> rank(keep: 9, from: small) |> vote()", "Number") == ["E0214"]


async def test_a_text_that_came_back_as_it_was_is_asked_for_anew() -> None:
    def writes(request: Any, place: int) -> str:
        seen.append(request.seeds)
        return "Answer: 0" if len(seen) < 3 else "Answer: 7"

    loop = "return repeat 4 with x = generate(ask(question), from: m) { yield x |> revise(from: j%s) }"
    seen: list[object] = []
    result = await answer(PROMPTS + pipeline(loop % "", TWO), {"m": drafts(), "j": FakeEngine(writes)})
    assert result.answer == 7 and len(seen) == 4 and len({str(seeds) for seeds in seen[:3]}) == 3
    (last,) = result.pool
    assert last.series == 0  # nobody was asked about this text before
    # A greedy rewrite of the same text is the same text: the same sample is asked for.
    seen = []
    await answer(PROMPTS + pipeline(loop % ", temperature: 0", TWO), {"m": drafts(), "j": FakeEngine(writes)})
    assert str(seen[0]) == str(seen[1])


async def test_a_text_of_which_nothing_came_is_asked_for_anew() -> None:
    replies = ["", "Answer: 5"]
    loop = "return repeat 2 with x = generate(ask(question), from: m) { yield x |> revise(from: j) }"
    writer = FakeEngine(lambda request, place: replies.pop(0))
    result = await answer(PROMPTS + pipeline(loop, TWO), {"m": drafts(), "j": writer})
    assert result.answer == 5 and len({str(request.seeds) for request in writer.requests}) == 2
