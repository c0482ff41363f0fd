"""Splitting questions: what replies are read as, parts answered in order, references, depth, groups and confidence."""

from __future__ import annotations

import math
from typing import Any

import pytest
from checking import body
from reference_vectors import WHY, cases
from running import FakeEngine, answer, pipeline, plan_of
from ttscale.compiler.ir import Budget
from ttscale.runtime.answers.reasoning import LEAST, marked, reasoning, reasoning_logprob
from ttscale.runtime.engines.base import EngineError
from ttscale.runtime.pool import Candidate, Pool
from ttscale.runtime.stages.decompose import parts_of
from ttscale.runtime.strategies.composing import composed, composed_logprob
from ttscale.runtime.strategies.parts import combinations, depth, fill

MODEL = 'model m = gguf("m.gguf")'
PROMPTS = '''
prompt step(question: Text, known: [Text]) -> Number = """{{ known }} Step {{ question }}"""
prompt own(question: Text, most: Int) -> [{question: Text, needs: [Int]}] = """Own {{ most }} {{ question }}"""
'''


def program(stages: str, returns: str = "Number") -> str:
    return PROMPTS + pipeline(stages, MODEL, returns)


def said(request: Any) -> str:
    return "\n".join(message.content for message in request.messages)


def splitting(reply: str, other: str = "Answer: 1") -> FakeEngine:
    return FakeEngine(lambda request, place: reply if "Split the question" in said(request) else other)


SPLIT = "return decompose(question, from: m, most: 3)"
MAP = """
parts = decompose(question, from: m, most: 4)
return map part in parts, max: 4 with known { yield generate(step(fill(part.question, known), known), from: m) }
"""

# --- what replies are read as ------------------------------------------------------------------------------


def test_parts_are_put_in_order() -> None:
    found = parts_of(["1. How old is A?", "2) How old is B?", "", "Q3: How old is a?", "What is #1 - <2>, not #9?"], 9)
    assert [part.question for part in found][-1] == "What is #1 - #2, not #9?"
    assert [(part.needs, part.level) for part in found] == [((), 0), ((), 0), ((1, 2), 1)]
    twice = parts_of(["How old is A?", "how  old is a?", "What is #2 + 1?"], 9)
    assert [(part.question, part.needs) for part in twice] == [("How old is A?", ()), ("What is #1 + 1?", (1,))]


def test_the_form_that_the_prompt_shows_is_no_part() -> None:
    copied = [
        "1. [what has to be known first]",
        "2. How old is A?",
        "3. [what follows from #1 and #2]",
        "4. Is #2 [in years] 6?",
    ]
    found = parts_of(copied, 9)
    assert [(part.question, part.needs) for part in found] == [("How old is A?", ()), ("Is #1 [in years] 6?", (1,))]
    assert parts_of(copied[:1], 9) == []


def test_needs_are_earlier_parts_only() -> None:
    listed = [
        {"question": "a", "needs": [2]},
        {"question": "b", "needs": [1, 2, 7, True, "1"]},
        {"question": "c #2", "needs": []},
        {"needs": [1]},
    ]
    found = parts_of(listed, 9)
    assert [part.needs for part in found] == [(), (1,), (2,)]
    assert [part.level for part in found] == [0, 1, 2]
    assert len(parts_of(listed, 2)) == 2 and parts_of([], 3) == [] and parts_of(["", "  "], 3) == []


async def test_the_parts_are_a_pool_of_records() -> None:
    result = await answer(
        program(SPLIT, "Answers[{question: Text, needs: [Int], level: Int}]"),
        {"m": splitting("1. What is 6?\n2. What is 7?\n3. What is #1 * #2?\n4. Too many?")},
    )
    assert [dict(one) for one in result.answer] == [
        {"question": "What is 6?", "needs": [], "level": 0},
        {"question": "What is 7?", "needs": [], "level": 0},
        {"question": "What is #1 * #2?", "needs": [1, 2], "level": 1},
    ]
    assert result.pool is not None and result.pool.candidates[0].text == "What is 6?" and result.cost.calls == 1
    assert {one.logprob_mean for one in result.pool} == {-0.25}


@pytest.mark.parametrize("reply", ["", EngineError("no memory")])
async def test_a_question_that_cannot_be_split_is_its_only_part(reply: object) -> None:
    engine = FakeEngine(lambda request, place: reply)
    result = await answer(program(SPLIT, "Answers[{question: Text, needs: [Int], level: Int}]"), {"m": engine})
    assert [one["question"] for one in result.answer] == ["6 * 7"]
    assert any("its only part" in note for note in result.notes)
    assert len(engine.requests) == (2 if reply == "" else 1)  # what cannot be read is asked for again, a little warmer
    if reply == "":
        assert [request.sampling.temperature for request in engine.requests] == [0.0, 0.2]


async def test_a_prompt_of_ones_own_may_say_what_is_needed() -> None:
    reply = '[{"question": "a", "needs": []}, {"question": "b", "needs": [1]}]'
    engine = FakeEngine(lambda request, place: reply)
    text = program(
        "return decompose(question, using: own, from: m)", "Answers[{question: Text, needs: [Int], level: Int}]"
    )
    result = await answer(text, {"m": engine})
    assert [one["needs"] for one in result.answer] == [[], [1]]
    assert "Own 6 6 * 7" in said(engine.requests[0])


# --- parts answered in order -------------------------------------------------------------------------------


async def test_later_items_see_what_earlier_ones_gave() -> None:
    def writes(request: Any, place: int) -> str:
        if "Split the question" in said(request):
            return "1. What is 6?\n2. What is #1 + 1?\n3. What is #1 * #2?"
        return {"What is 6?": "Answer: 6", "What is 6 + 1?": "Answer: 7"}.get(
            said(request).split("Step ")[1], "Answer: 42"
        )

    engine = FakeEngine(writes)
    result = await answer(program(MAP, "[Number]"), {"m": engine})
    assert result.answer == [6, 7, 42]
    assert said(engine.requests[-1]) == "- Answer: 6\n- Answer: 7 Step What is 6 * 7?"
    plan = plan_of(program(MAP, "[Number]"))
    assert (plan.minimum.calls, plan.maximum.calls) == (2, 6)
    joined = [stage for stage in plan.graph.stages if "/known" in stage.path]
    assert [stage.size.high for stage in joined if "apart" not in stage.args] == [2, 3]
    assert [stage.size.high for stage in joined if "apart" in stage.args] == [2, 3]


async def test_a_budget_ends_a_map_and_leaves_its_answers() -> None:
    engine = splitting("1. a\n2. b\n3. c")
    result = await answer(program(MAP, "[Number]"), {"m": engine}, budget=Budget(calls=3))
    assert result.answer == [1, 1] and result.cut and result.cost.calls == 3


def test_mistakes_are_told() -> None:
    split = "parts = decompose(question, from: small, most: 3)\n"
    order = split + "return map part in parts, max: 3 with known { yield %s } |> vote()"
    fine = "generate(p.solve_number(fill(part.question, known)), from: small)"
    assert body(order % fine, "Number") == []
    assert "E0267" in body((order % "size(known) + 1").replace(" |> vote()", ""), "[Int]")
    assert body(order % fine.replace("part.question", "part.text"), "Number") == ["E0240"]
    assert body(order % fine.replace(", known)", ")"), "Number") == ["E0212"]
    assert body(split + "return depth(question)", "Int") == ["E0215"]
    assert "E0215" not in body(split + "return depth(parts)", "Int")
    assert body("parts = decompose(question, using: p.solve_number, from: small)\nreturn size(parts)", "Int") == [
        "E0226"
    ]
    assert body("return size(decompose(question, from: small, most: 0))", "Int") == ["E0216"]
    wrong = (
        "return map g in combinations(question, 2), max: 3 { yield generate(p.solve_number(question), from: small) }"
    )
    assert "E0215" in body(wrong + " |> vote()", "Number")


# --- references, depth, groups -----------------------------------------------------------------------------


def test_answers_are_put_into_texts() -> None:
    assert fill("Is #1 more than <2>? #3 #12", ["6", None]) == "Is 6 more than <2>? #3 #12"
    assert fill("#1 #1 #1", ["x"]) == "x x #1" and fill("no", []) == "no" and fill("a#1b #1", ["x"]) == "a#1b x"


@pytest.mark.parametrize("case", cases("aot_depth") or [pytest.param(None, marks=pytest.mark.skip(WHY))])
def test_depth_is_as_the_authors_code_has_it(case: dict[str, Any]) -> None:
    assert depth(case["input"]["depends"]) == case["expected_depth"]


def test_depth_of_all_small_graphs() -> None:
    assert depth([]) == 0 and depth([[], [0], [1], [2]]) == 3
    assert depth([[], [0], [0, 1]]) == 1  # the way over the second part is not the shortest
    assert depth([[5], [0]]) == 1  # a part that is not there is left out


@pytest.mark.parametrize("case", cases("plansearch_combos") or [pytest.param(None, marks=pytest.mark.skip(WHY))])
def test_groups_are_those_of_the_authors_code(case: dict[str, Any]) -> None:
    given, wanted = case["input"], case["expected"]
    most = given["max_observation_k"]
    first = combinations(given["first_layer"], most)
    assert sorted(map(list, first)) == wanted["layer1_combos_sorted"]
    assert len(first) == wanted["n_layer1_combos"]
    found = dict.fromkeys(first)
    for group in first:
        second = [f"{'|'.join(group)}>{suffix}" for suffix in given["second_layer_suffixes"]]
        found |= dict.fromkeys(combinations(second, most))
    assert sorted(map(list, found)) == wanted["combos_sorted"] and len(found) == wanted["n_distinct_combos_total"]


def test_groups_of_a_list() -> None:
    assert combinations("abc", 2) == [(), ("a",), ("b",), ("c",), ("a", "b"), ("a", "c"), ("b", "c")]
    assert combinations("aa", 2) == [(), ("a",)] and combinations("ab", 0) == [()] and combinations("", 2) == [()]
    assert len(combinations(range(200), 16)) == 10_000
    assert [len(combinations(range(10), k)) for k in (0, 1, 2)] == [1, 11, 56]


# --- confidence --------------------------------------------------------------------------------------------

CONFIDENCE = cases("probtree_confidence")


@pytest.mark.skipif(not CONFIDENCE, reason=WHY)
def test_confidence_is_as_the_authors_code_has_it() -> None:
    for case in CONFIDENCE:
        given = case["input"]
        if "response" in given:
            text, tokens = given["response"]["text"], given["response"]["logprobs"]
            pieces = [token.encode() for token in tokens["tokens"]]
            found = reasoning_logprob(text, pieces, tokens["token_logprobs"])
            wanted = case["expected_[answer,cot_mean_logprob,cot]"]
            assert found == pytest.approx(wanted[1])
            assert found == LEAST or marked(text) == wanted[0]
        elif "cot_logprob" in given:
            own, plan, children = given["cot_logprob"], given["qd_logprob"], given["sub_answer_scores"]
            assert composed_logprob(own, plan, children) == pytest.approx(case["expected"]["score2_mean(used)"])
            assert composed_logprob(own, None, children) == pytest.approx(case["expected"]["score3_no_qd"])
        else:
            wanted = case["expected"][0]
            both = [given["closed_book"], given["open_book"]]
            sure = [LEAST if reasoning(f"It is so. Answer: {one[0]}") is None else one[1] for one in both]
            assert (both[sure.index(max(sure))][0] if max(sure) > LEAST else "") == wanted


def test_reasoning_ends_before_the_sentence_that_marks_the_answer() -> None:
    assert reasoning("Six sevens. So the answer is 42.") == "Six sevens. "
    assert reasoning("Six sevens\nAnswer: 42") == "Six sevens\n" and reasoning("Answer: 42") == ""
    assert reasoning("42") is None and reasoning("So. Answer: Unknown") is None and reasoning("") is None
    assert marked("It is. Answer: **Paris**.").strip("*") == "Paris" and marked(" all of it ") == "all of it"
    pieces, numbers = [b"<t>x</t>", b"It", b" is.", b" An", b"swer: 4"], [-1.0, -2.0, -3.0, -9.0, -9.0]
    assert reasoning_logprob("It is. Answer: 4", pieces, numbers) == pytest.approx(-2.0)
    assert reasoning_logprob("It is. Answer: 4", (), numbers) is None
    assert reasoning_logprob("Answer: 4", [b"Answer: 4"], [-1.0]) == LEAST == reasoning_logprob("", (), ())
    assert reasoning_logprob("It is four", [b"It is", b" four"], [-1.0, -1.0]) == LEAST


def test_a_parent_is_as_sure_as_all_it_was_made_of() -> None:
    assert composed(math.exp(-1), -0.05, [math.exp(-0.1)]) == pytest.approx(math.exp(-1.15 / 3))
    assert composed(0.5, None, []) == pytest.approx(0.5)
    assert composed(0.5, None, [None]) == composed(0.5, None, [0.0]) < 1e-20  # one failed part, and all is in doubt


async def test_answers_are_compared_by_how_sure_they_are() -> None:
    own = 'prompt think(question: Text) -> Number = """Think {{ question }}"""\n'
    stages = """
    parts = decompose(question, from: m, most: 2)
    known = map part in parts, max: 2 {
      yield generate(step(part.question, []), from: m) |> score(by: likelihood(reasoning))
    }
    direct = generate(think(question), from: m) |> score(by: likelihood(reasoning), as: sure)
    made = generate(step(question, known), from: m)
      |> score(by: composed(answers: known, parts: parts, by: likelihood(reasoning)), as: sure)
    return direct + made
    """
    from ttscale.runtime.engines.base import Completion

    def writes(request: Any, place: int) -> object:
        if "Split" in said(request):
            return "1. a\n2. b"
        sure = -0.1 if "Think" not in said(request) else -2.0
        pieces = (b"So.", b" Answer: 4")
        return Completion(place, "So. Answer: 4", "stop", 5, 2, logprobs=(sure, -5.0), pieces=pieces)

    result = await answer(own + program(stages, "Answers[Number]"), {"m": FakeEngine(writes)})
    direct, made = (one.scores["sure"] for one in result.pool)
    assert direct == pytest.approx(math.exp(-2.0))
    assert made == pytest.approx(math.exp((-0.1 * 3 - 0.25) / 4))


async def test_functions_take_pools_and_lists() -> None:
    text = """prompt list(question: Text) -> [Text] = "List {{ question }}"
    prompt show(group: [Text]) -> Text = "Show {{ group | join('+') }}"
    """
    stages = """
    seen = generate(list(question), from: m)
    return map g in combinations(seen, 2), max: 9 { yield generate(show(g), from: m) }
    """
    engine = FakeEngine(lambda request, place: "1. a\n2. b" if "List" in said(request) else said(request))
    result = await answer(text + pipeline(stages, MODEL, "[Text]"), {"m": engine})
    assert [one.removeprefix("Show").strip() for one in result.answer] == ["", "a", "b", "a+b"]
    several = stages.replace("generate(list(question), from: m)", "generate(say(question), from: m, n: 2)")
    counted = iter("xy")
    engine = FakeEngine(lambda request, place: next(counted) if "Say" in said(request) else said(request))
    result = await answer(text + pipeline(several, MODEL, "[Text]"), {"m": engine})
    assert [one.removeprefix("Show").strip() for one in result.answer] == ["", "x", "y", "x+y"]


def test_a_pool_of_no_parts_has_no_depth() -> None:
    from ttscale.compiler.types import TEXT
    from ttscale.runtime.part_functions import depth as depth_of

    assert depth_of(()) == 0 and depth_of(Pool((Candidate("a", "a", "a"),), TEXT)) == 0 and depth_of("a") is None
