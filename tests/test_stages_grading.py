"""Judges by digit, by argued verdicts and by rubric: what they ask, how they are read, and what the scores are."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from running import PROMPTS, FakeEngine, answer, pipeline, plan_of
from ttscale.compiler.diagnostics import CompileError
from ttscale.compiler.driver import compile_source
from ttscale.compiler.ir import Budget
from ttscale.compiler.source import SourceFile
from ttscale.library.loader import FileLoader
from ttscale.runtime.engines.base import Capabilities, Message
from ttscale.runtime.result import Judgements
from ttscale.runtime.stages.rubric import parse_grades
from ttscale.runtime.strategies.code_agreement import consensus_scores
from ttscale.runtime.strategies.judgements import digit_mean, rubric_totals, verdict_mean
from ttscale.runtime.strategies.weights import by_origin

VECTORS = Path(__file__).resolve().parents[2] / "shared" / "vectors"
TWO = 'model m = gguf("m.gguf")\nmodel j = gguf("j.gguf")'
DRAFTS = "x = generate(ask(question), from: m, n: 3)\n"


def drafts() -> FakeEngine:
    """Three answers: 0, 1, 2."""
    return FakeEngine(lambda request, place: f"Answer: {place}")


def pool_text(stage: str, before: str = "") -> str:
    return pipeline(f"{DRAFTS}return x |> {stage}", f"{TWO}\n{before}", "Answers[Number]")


def shown(request: Any) -> str:
    return "\n".join(message.content for message in request.messages)


def vectors(name: str) -> list[Any]:
    path = VECTORS / f"{name}.json"
    if not path.exists():
        return [pytest.param({}, marks=pytest.mark.skip(reason=f"{name}.json is not beside the project"))]
    return list(json.loads(path.read_text(encoding="utf-8"))["cases"])


# --- pure rules ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", vectors("specreason_score"))
def test_reference_digit_means(case: dict[str, Any]) -> None:
    known = {token: math.exp(value) for token, value in case["input"]["top_logprobs"] if token.isdigit()}
    probabilities = [known.get(str(digit), 0.0) for digit in range(10)]
    assert digit_mean(probabilities) == pytest.approx(case["expected"]["average"], rel=1e-9)


@pytest.mark.parametrize("case", vectors("grm_voting"))
def test_reference_rubric_totals(case: dict[str, Any]) -> None:
    sets, expected = case["input"]["scores_[k_samples][n_responses]_1..10"], case["expected"]
    assert list(rubric_totals(sets).totals) == expected["vote_sum"]
    found = rubric_totals(sets, case["input"]["meta_rm_scores"], case["input"]["k_meta"])
    assert list(found.kept) == expected["meta_kept_samples"]
    assert list(found.totals) == expected["meta_vote_sum"]
    best = [i for i, total in enumerate(found.totals) if total == max(found.totals)]
    assert best == expected["meta_argmax_indices"]


def test_totals_of_few_sets() -> None:
    assert rubric_totals([]).totals == ()
    assert rubric_totals([[1, 2], [3, 4]], [None, 0.1], 1).totals == (3, 4)
    assert rubric_totals([[1, 2], [3, 4]], [0.5, 0.5], 1).totals == (1, 2)
    with pytest.raises(ValueError, match="all candidates"):
        rubric_totals([[1], [1, 2]])
    with pytest.raises(ValueError, match="no digit"):
        digit_mean([0.0] * 10)
    assert verdict_mean([1, None, 0, 1], 3) == 0.5


@pytest.mark.parametrize(
    ("text", "count", "grades"),
    [
        ("Principles: clarity 40%, truth 60%.\nCandidate 1 is clear.\nGrades: 7, 3, 5", 3, (7, 3, 5)),
        ("Grades: [7, 3.5, 10]", 3, (7, 3.5, 10)),
        ("**Grades:** 7/10, 3/10", 2, (7, 3)),
        ("Candidate 1: 8/10\nCandidate 2: 2/10", 2, (8, 2)),
        ("candidate [2] gets 4. Candidate (1) gets 9.", 2, (9, 4)),
        ("Grades: 3, 4\nso: Grades: 5, 6", 2, (5, 6)),
        ("Grade: 6", 1, (6,)),
        ("Grades: 7, 3", 3, None),
        ("Grades: 7, 30", 2, None),
        ("Grades: 0, 5", 2, None),
        ("In 2019 and 2020 both are fine.", 2, None),
        ("Candidate 1: 8", 2, None),
        ("6", 1, None),
        ("", 2, None),
    ],
)
def test_grades_are_read(text: str, count: int, grades: tuple[float, ...] | None) -> None:
    assert parse_grades(text, count) == grades


# --- digit -----------------------------------------------------------------------------------------------


def grader(messages: Sequence[Message], continuation: str) -> float:
    """Half of the grade's probability at 2 and half at 8 for the answer 1, all at 3 for the others."""
    digit = int(continuation)
    good = any("Answer: 1" in message.content for message in messages)
    chance = 0.5 if good and digit in (2, 8) else 1.0 if not good and digit == 3 else 0.0
    return math.log(chance) if chance else -math.inf


async def test_digits_are_scored_from_one_prefill() -> None:
    judge = FakeEngine(verdict=grader)
    result = await answer(pool_text("score(by: digit, from: j)"), {"m": drafts(), "j": judge})
    assert [c.scores["digit"] for c in result.pool] == pytest.approx([3, 5, 3])
    assert not judge.requests and len(judge.scored) == 3
    assert result.cost.calls == 3 + 3 * 10


async def test_a_grade_is_sampled_where_labels_cannot_be_scored() -> None:
    replies = iter(["8", "Grade: 99", "hm"])
    judge = FakeEngine(lambda request, place: next(replies), capabilities=Capabilities(scoring=False))
    result = await answer(pool_text("score(by: digit, from: j, as: grade)"), {"m": drafts(), "j": judge})
    assert [dict(c.scores) for c in result.pool] == [{"grade": 8.0}, {"grade": 9.0}, {}]
    assert result.judgements["main/score"] == Judgements(3, 1)


# --- verdicts --------------------------------------------------------------------------------------------


async def test_argued_verdicts_are_averaged_over_those_that_can_be_read() -> None:
    said = {"Answer: 0": ["Answer: yes", "so no. Answer: no", "Answer: no", "?"], "Answer: 1": ["Answer: yes"] * 4}
    judge = FakeEngine(
        lambda request, place: next((own[place] for key, own in said.items() if key in shown(request)), "who knows")
    )
    result = await answer(pool_text("score(by: verdicts(4), from: j)"), {"m": drafts(), "j": judge})
    assert [dict(c.scores) for c in result.pool] == [{"verdicts": pytest.approx(1 / 3)}, {"verdicts": 1.0}, {}]
    assert result.judgements["main/score"] == Judgements(12, 5)
    assert result.cost.calls == 3 + 12 and not judge.scored
    # one request a candidate: its verdicts share their prompt, and are warm enough to differ
    assert [len(request.seeds) for request in judge.requests] == [4, 4, 4]
    assert all(request.sampling.temperature == 0.7 for request in judge.requests)
    assert "step by step" in shown(judge.requests[0])


async def test_genrm_is_a_name_for_verdicts_and_settings_are_the_calls() -> None:
    judge = FakeEngine(lambda request, place: "Answer: yes")
    text = pool_text("score(by: genrm(2), from: j, temperature: 0.2, max_tokens: 64)")
    result = await answer(text, {"m": drafts(), "j": judge})
    assert [c.scores["verdicts"] for c in result.pool] == [1, 1, 1]
    assert {(r.sampling.temperature, r.max_tokens) for r in judge.requests} == {(0.2, 64)}


async def test_verify_by_argued_verdicts() -> None:
    judge = FakeEngine(
        lambda request, place: "Answer: yes" if place < (3 if "Answer: 1" in shown(request) else 1) else "Answer: no"
    )
    result = await answer(pool_text("verify(from: j, verdicts: 4)"), {"m": drafts(), "j": judge})
    assert result.answer == [1] and result.cost.calls == 3 + 12
    lenient = await answer(
        pool_text("verify(from: j, verdicts: 4, min_probability: 0.25)"), {"m": drafts(), "j": judge}
    )
    assert lenient.answer == [0, 1, 2]


# --- rubric ----------------------------------------------------------------------------------------------


def places(request: Any) -> list[int]:
    """The answers in the order in which a judge was shown them."""
    return [int(line[-1]) for line in shown(request).splitlines() if line.startswith("Answer: ")]


def fair(request: Any, place: int) -> str:
    """Grades each answer by its number, wherever it stands: 0 gets 2, 1 gets 5, 2 gets 8."""
    return "Grades: " + ", ".join(str(2 + 3 * number) for number in places(request))


async def test_a_rubric_grades_all_candidates_in_another_order_each_time() -> None:
    judge = FakeEngine(fair)
    result = await answer(pool_text("score(by: rubric(k: 6), from: j)"), {"m": drafts(), "j": judge})
    assert [c.scores["rubric"] for c in result.pool] == [12, 30, 48]
    orders = {tuple(places(request)) for request in judge.requests}
    assert len(orders) > 1 and all(sorted(order) == [0, 1, 2] for order in orders)
    assert result.cost.calls == 3 + 6 and result.judgements["main/score"] == Judgements(6, 0)
    again = FakeEngine(fair)
    await answer(pool_text("score(by: rubric(k: 6), from: j)"), {"m": drafts(), "j": again})
    assert [places(r) for r in again.requests] == [places(r) for r in judge.requests]


async def test_a_judge_that_favours_a_place_favours_no_candidate() -> None:
    # always ten for what stands first: over many orders every candidate gets about the same
    result = await answer(
        pool_text("score(by: rubric(k: 60), from: j)"),
        {"m": drafts(), "j": FakeEngine(lambda request, place: "Grades: 10, 1, 1")},
    )
    totals = [c.scores["rubric"] for c in result.pool]
    assert sum(totals) == 60 * 12 and max(totals) < 2 * min(totals)


async def test_unreadable_sets_are_counted_and_left_out() -> None:
    turns = iter(range(4))
    judge = FakeEngine(lambda request, place: fair(request, place) if next(turns) % 2 else "all are nice")
    result = await answer(pool_text("score(by: grm(4), from: j)"), {"m": drafts(), "j": judge})
    assert [c.scores["rubric"] for c in result.pool] == [4, 10, 16]
    assert result.judgements["main/score"] == Judgements(4, 2)
    silent = FakeEngine(lambda request, place: "all are nice")
    none = await answer(pool_text("score(by: rubric, from: j)"), {"m": drafts(), "j": silent})
    assert all(not c.scores for c in none.pool) and any("no grades" in note for note in none.notes)


async def test_a_judge_of_sets_chooses_which_count() -> None:
    turns = iter(range(4))

    def reply(request: Any, place: int) -> str:
        sound = next(turns) % 2 == 0
        return ("sound\n" if sound else "odd\n") + (fair(request, place) if sound else "Grades: 9, 9, 9")

    def verdict(messages: Sequence[Message], continuation: str) -> float:
        sound = any("sound\nGrades" in message.content for message in messages)
        return math.log(0.9 if (continuation.strip().lower() == "yes") is sound else 0.1)

    judge = FakeEngine(reply, verdict=verdict)
    result = await answer(pool_text("score(by: rubric(k: 4, keep: 2), from: j)"), {"m": drafts(), "j": judge})
    assert [c.scores["rubric"] for c in result.pool] == [4, 10, 16]
    assert result.cost.calls == 3 + 4 + 4 * 2 and len(judge.scored) == 4


async def test_a_budget_that_ends_leaves_fewer_sets() -> None:
    judge = FakeEngine(fair)
    text = pool_text("score(by: rubric(k: 4), from: j)")
    result = await answer(text, {"m": drafts(), "j": judge}, budget=Budget(calls=5))
    assert result.cut and [c.scores["rubric"] for c in result.pool] == [4, 10, 16]


# --- what is checked -------------------------------------------------------------------------------------


def codes(stage: str, before: str = "") -> list[str]:
    text = f"tts 1\n{PROMPTS}{pool_text(stage, before)}"
    checked = compile_source(SourceFile("main.tts", text), FileLoader())
    return [d.code for d in checked.diagnostics if d.severity in ("error", "warning")]


def test_prompts_of_judges_must_suit_their_rule() -> None:
    number = 'prompt own(question: Text, answer: Text) -> Int = "{{ question }} {{ answer }}"'
    label = 'prompt own(question: Text, answer: Text) -> Choice(yes, no) = "{{ question }} {{ answer }}"'
    listing = 'prompt own(question: Text, answers: Answers[Text]) -> [Int] = "{{ question }} {{ answers }}"'
    assert codes("score(by: digit, using: own, from: j)", number) == []
    assert codes("score(by: digit, using: own, from: j)", label) == ["E0226"]
    assert codes("score(by: verdicts, using: own, from: j)", label) == []
    assert codes("score(by: rubric, using: own, from: j)", listing) == []
    assert codes("score(by: rubric, using: own, from: j)", label) == ["E0225", "E0226"]
    assert codes("score(by: yes_no, using: own, from: j)", listing) == ["E0225", "E0226"]
    assert codes("score(by: likelihood, temperature: 0.2)") == ["E0211"]
    assert codes("score(by: rubric(k: 0), from: j)") == ["E0216"]


# --- programs and tests ----------------------------------------------------------------------------------


def test_programs_and_tests_confirm_each_other() -> None:
    passed = [[True, True, False], [True, True, False], [True, False, False], [False, False, False], [True] * 3]
    assert consensus_scores(passed) == [4, 4, 1, 0, 3]
    assert consensus_scores(passed, root=True) == pytest.approx([2 * 2**0.5, 2 * 2**0.5, 1, 0, 3])
    assert consensus_scores([]) == []
    with pytest.raises(ValueError, match="all tests"):
        consensus_scores([[True], [True, False]])


# --- judgements that run on --------------------------------------------------------------------------------


async def test_a_verdict_that_the_limit_cut_off_is_asked_for_alone() -> None:
    def reply(request: Any, place: int) -> str:
        last = request.messages[-1]
        if last.role == "assistant":
            assert last.content.endswith("so on\nAnswer:") and request.max_tokens == 8
            return " no" if "Answer: 1" in request.messages[-2].content else " yes"
        return " ".join(["so on"] * 40)

    judge = FakeEngine(reply)
    text = pool_text("score(by: verdicts(2), from: j, max_tokens: 16)")
    result = await answer(text, {"m": drafts(), "j": judge})
    assert [c.scores["verdicts"] for c in result.pool] == [1, 0, 1]
    assert result.judgements == {"main/score": Judgements(6, 0)}
    plan = plan_of(text)
    assert result.cost.calls == 3 + 6 + 6 == plan.maximum.calls and result.cost.tokens <= plan.maximum.tokens


async def test_grades_that_the_limit_cut_off_are_asked_for_alone() -> None:
    def reply(request: Any, place: int) -> str:
        return " 3, 9, 1" if request.messages[-1].content.endswith("\nGrades:") else " ".join(["clear"] * 40)

    result = await answer(
        pool_text("score(by: rubric(k: 1), from: j, max_tokens: 16)"), {"m": drafts(), "j": FakeEngine(reply)}
    )
    assert sorted(c.scores["rubric"] for c in result.pool) == [1, 3, 9]
    assert result.judgements == {"main/score": Judgements(1, 0)}


async def test_a_checklist_that_the_limit_cut_off_names_the_best_alone() -> None:
    def reply(request: Any, place: int) -> str:
        return " 3" if request.messages[-1].content.endswith("\nBest:") else " ".join(["point"] * 40)

    text = pipeline(f"{DRAFTS}return x |> rank(method: checklist, keep: 1, from: j, max_tokens: 16)", TWO, "Number")
    result = await answer(text, {"m": drafts(), "j": FakeEngine(reply)})
    assert result.answer == 2 and result.judgements == {"main/rank": Judgements(1, 0)}


async def test_a_server_that_cannot_go_on_leaves_a_cut_verdict_unread() -> None:
    judge = FakeEngine(
        lambda request, place: " ".join(["so on"] * 40), capabilities=Capabilities(context=4096, continuation=False)
    )
    text = pool_text("score(by: verdicts(1), from: j, max_tokens: 16)")
    assert (await answer(text, {"m": drafts(), "j": judge})).judgements == {"main/score": Judgements(3, 3)}


# --- weights by origin -----------------------------------------------------------------------------------


def test_weights_are_read_by_name() -> None:
    assert by_origin("large: 2, small: 0.5") == {"large": 2, "small": 0.5}
    assert [by_origin(text) for text in ("", "a", "a: x", "a: -1", "a: 1, a: 2", ": 3", "a: nan")] == [
        "", "a", "a: x", "a: -1", "a: 2", ": 3", "a: nan",
    ]  # fmt: skip


async def test_models_and_prompts_weigh_what_they_are_given() -> None:
    text = pipeline(
        "x = generate(ask(question), from: [m, m, j], n: 1)\nreturn x |> vote(weight: origin({}))", TWO, "Number"
    )
    engines = {"m": FakeEngine(lambda request, place: "Answer: 1"), "j": FakeEngine(lambda request, place: "Answer: 2")}
    assert (await answer(text.replace("{}", '"j: 1.5"'), engines)).answer == 1
    assert (await answer(text.replace("{}", '"j: 2.5"'), engines)).answer == 2
    assert (await answer(text.replace("{}", 'weights: "m: 0.2, ask: 3"'), engines)).answer == 2
    with pytest.raises(CompileError, match="E0296"):
        await answer(text.replace("{}", '"k: 2"'), engines)
    with pytest.raises(CompileError, match="E0296"):
        await answer(text.replace("{}", '"j = 2"'), engines)
