"""Forms of judgements: what grammars allow, when replies are kept to them, and lists in shuffled orders."""

from __future__ import annotations

import re
from itertools import permutations
from typing import Any

import pytest
from running import FakeEngine, answer, pipeline
from ttscale.compiler import types as t
from ttscale.runtime.engines.base import Capabilities
from ttscale.runtime.result import Judgements
from ttscale.runtime.stages import forms
from ttscale.runtime.stages.rank import parse_ranking
from ttscale.runtime.stages.rubric import parse_grades

TWO = 'model m = gguf("m.gguf")\nmodel j = gguf("j.gguf")'
KEEPS = Capabilities(context=4096, grammar=True)


def drafts() -> FakeEngine:
    """Answers 0, 1, 2, …"""
    return FakeEngine(lambda request, place: f"Answer: {place}")


def over(stage: str, before: str = "", n: int = 3) -> str:
    body = f"x = generate(ask(question), from: m, n: {n})\nreturn x |> {stage}"
    return pipeline(body, f"{TWO}\n{before}", "Answers[Number]")


def written(grammar: str, rule: str = "root") -> set[str]:
    """Every text of a grammar of literals, references, alternatives, brackets and `?`."""
    rules = dict(line.split(" ::= ", 1) for line in grammar.splitlines())

    def texts(expression: str) -> set[str]:
        found: set[str] = set()
        for arm in expression.split(" | "):
            ends = {""}
            for literal, optional, name in re.findall(r'"([^"]*)"(\?)?|([\w-]+)', arm):
                more = texts(rules[name]) if name else {literal, ""} if optional else {literal}
                ends = {end + one for end in ends for one in more}
            found |= ends
        return found

    return texts(rules[rule])


@pytest.mark.parametrize(("count", "wanted"), [(2, 2), (3, 3), (4, 2), (5, 1)])
def test_an_order_is_every_permutation_and_nothing_else(count: int, wanted: int) -> None:
    found = {text.strip() for text in written(forms.order_of(count, wanted).grammar)}
    assert found == {", ".join(map(str, own)) for own in permutations(range(1, count + 1), wanted)}
    for text in found:
        order = parse_ranking(text, count, wanted)
        assert order is not None and ", ".join(str(place + 1) for place in order[:wanted]) == text


def test_long_orders_are_bounded() -> None:
    assert len(forms.order_of(9, 9).grammar.splitlines()) == 2**9
    assert len(forms.order_of(40, 2).grammar.splitlines()) == 42
    wide = forms.order_of(40, 30).grammar
    assert len(wide.splitlines()) == 2 and "{29}" in wide


def test_forms_end_in_what_is_read() -> None:
    assert forms.grades(3, 200).grammar.startswith('root ::= .{0,477} "\\nGrades: " g (", " g){2}')
    assert parse_grades("well\nGrades: 7, 10, 1", 3) == (7, 10, 1)
    assert forms.verdict(("yes", "no"), 4_000).grammar == 'root ::= .{0,1000} "\\nAnswer: " ("yes" | "no")\n'
    assert forms.reviews(2, 100).grammar == 'root ::= "- " line ("\\n- " line){1}\nline ::= [^\\n]{1,125}\n'


@pytest.mark.parametrize(
    ("stage", "reply", "grammar"),
    [
        ("rank(from: j)", "2, 1, 3", forms.order_of(3, 3).grammar),
        ("rank(from: j, keep: 1)", "2", forms.order_of(3, 1).grammar),
        ("score(by: rubric(1), from: j)", "Grades: 1, 2, 3", forms.grades(3, 256).grammar),
        ("score(by: verdicts(1), from: j)", "Answer: yes", forms.verdict(("yes", "no"), 256).grammar),
        ("verify(from: j, verdicts: 1, max_tokens: 99)", "Answer: yes", forms.verdict(("yes", "no"), 99).grammar),
        ("critique(using: p.critique_answers, from: j)", "- a\n- b\n- c", forms.reviews(3, 256).grammar),
        ("critique(from: j)", "good", ""),
    ],
)
async def test_standard_prompts_are_kept_to_their_forms(stage: str, reply: str, grammar: str) -> None:
    judge = FakeEngine(lambda request, place: reply, capabilities=KEEPS)
    text = f"use std/prompts@1 as p\n{over(stage)}"
    result = await answer(text, {"m": drafts(), "j": judge})
    own = {request.constraint.grammar if request.constraint else "" for request in judge.requests}
    assert own == {grammar}
    assert all(judged.unreadable == 0 for judged in result.judgements.values())


async def test_prompts_of_ones_own_are_not_and_nor_are_engines_that_know_no_grammar() -> None:
    own = 'prompt mine(question: Text, answers: Answers[Text]) -> [Int] = "{{ question }} {{ answers }}"'
    judge = FakeEngine(lambda request, place: "thinking ... [2] > [1] > [3]", capabilities=KEEPS)
    result = await answer(over("rank(using: mine, from: j)", own), {"m": drafts(), "j": judge})
    assert result.answer == [1, 0, 2] and judge.requests[0].constraint is None
    plain = FakeEngine(lambda request, place: "2, 1, 3")
    await answer(over("rank(from: j)"), {"m": drafts(), "j": plain})
    assert plain.requests[0].constraint is None


# --- lists in shuffled orders ----------------------------------------------------------------------------


def listed(request: Any) -> list[int]:
    lines = request.messages[0].content.splitlines()
    return [int(line.removeprefix("Answer: ")) for line in lines if line.startswith("Answer: ")]


async def test_orders_are_put_together_by_mean_places() -> None:
    def best_first(request: Any, place: int) -> str:
        shown = listed(request)
        return ", ".join(str(shown.index(number) + 1) for number in sorted(shown, reverse=True))

    judge = FakeEngine(best_first)
    result = await answer(over("rank(from: j, orders: 5, keep: 2)", n=4), {"m": drafts(), "j": judge})
    assert result.answer == [3, 2] and [c.rank for c in result.pool] == [1, 2]
    assert len({tuple(listed(request)) for request in judge.requests}) > 1
    assert result.cost.calls == 4 + 5 and result.judgements["main/rank"] == Judgements(5, 0)


async def test_a_judge_that_likes_the_first_place_decides_little() -> None:
    judge = FakeEngine(lambda request, place: "1, 2, 3")
    result = await answer(over("rank(from: j, orders: 30)"), {"m": drafts(), "j": judge})
    places = [[listed(request).index(number) for request in judge.requests] for number in range(3)]
    assert all(0.6 < sum(own) / len(own) < 1.4 for own in places)
    assert sorted(result.answer) == [0, 1, 2]  # type: ignore[call-overload]


async def test_orders_that_cannot_be_read_are_left_out() -> None:
    turns = iter(["none of them", "3, 2, 1", "well"])
    judge = FakeEngine(lambda request, place: next(turns))
    result = await answer(over("rank(from: j, orders: 3)"), {"m": drafts(), "j": judge})
    assert result.judgements["main/rank"] == Judgements(3, 2) and result.pool.candidates[0].rank == 1
    silent = FakeEngine(lambda request, place: "well")
    kept = await answer(over("rank(from: j, orders: 2)"), {"m": drafts(), "j": silent})
    assert kept.answer == [0, 1, 2] and any("is the one it was given" in note for note in kept.notes)


# --- with weights ----------------------------------------------------------------------------------------


@pytest.mark.model
async def test_a_small_model_cannot_break_a_form() -> None:
    from engine_files import embedded_weights
    from ttscale.runtime.answers import read
    from ttscale.runtime.engines.base import Constraint, Message, Request, Sampling
    from ttscale.runtime.engines.llama.engine import LlamaEngine

    engine = LlamaEngine(embedded_weights(), ctx=512, threads=1)

    async def replies(form: Constraint, max_tokens: int) -> list[str]:
        asked = (Message("user", "Judge the three answers above, and take your time."),)
        # hot enough to write nonsense
        request = Request(asked, (1, 2), max_tokens, Sampling(1.5, top_p=1.0), constraint=form)
        found = [one async for one in engine.generate(request)]
        assert [one.finish for one in found] == ["stop", "stop"], [(one.error, one.text) for one in found]
        return [one.text for one in found]

    try:
        assert all(parse_ranking(text, 3, 3) for text in await replies(forms.order_of(3, 3), 16))
        assert all(len(text.split(", ")) == 5 for text in await replies(forms.order_of(40, 5), 40))
        assert all(parse_grades(text, 3) for text in await replies(forms.grades(3, 40), 120))
        choice = t.Choice(("yes", "no"))
        assert all(read(choice, text)[0] for text in await replies(forms.verdict(("yes", "no"), 30), 120))
        lists = [read(t.ListOf(t.Text()), text)[0] for text in await replies(forms.reviews(3, 40), 120)]
        assert [len(own) for own in lists if isinstance(own, list | tuple)] == [3, 3]
    finally:
        await engine.close()
