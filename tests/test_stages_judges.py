"""Judges: what `score verify critique rank fuse` show, how they are read, what is left when they cannot be."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from running import FakeEngine, answer, pipeline
from ttscale.compiler.ir import Budget
from ttscale.runtime.engines.base import Capabilities, Completion, ContextExceeded, EngineError, Message
from ttscale.runtime.pool import Candidate
from ttscale.runtime.result import Judgements, RunError
from ttscale.runtime.stages.judging import Label, normalised
from ttscale.runtime.stages.rank import parse_ranking

TWO = 'model m = gguf("m.gguf")\nmodel j = gguf("j.gguf")'
DRAFTS = "x = generate(ask(question), from: m, n: 3)\n"


def drafts() -> FakeEngine:
    """Three answers: 0, 1, 2."""
    return FakeEngine(lambda request, place: f"Answer: {place}")


def likes(number: int) -> object:
    """A verdict of 0.8 for yes where the prompt shows that answer, else of 0.2."""

    def verdict(messages: Sequence[Message], continuation: str) -> float:
        shown = any(f"Answer: {number}" in message.content for message in messages)
        yes = continuation.strip().lower() == "yes"
        return math.log((0.8 if shown else 0.2) if yes else (0.2 if shown else 0.8)) - 3

    return verdict


def pool_text(stage: str, end: str = "") -> str:
    return pipeline(f"{DRAFTS}return x |> {stage}{end}", TWO, "Answers[Number]" if not end else "Number")


# --- score -----------------------------------------------------------------------------------------------


async def test_yes_no_scores_are_probabilities_and_ask_nothing_to_be_written() -> None:
    judge = FakeEngine(verdict=likes(1))
    result = await answer(pool_text("score(by: yes_no, from: j)"), {"m": drafts(), "j": judge})
    assert [c.scores["yes_no"] for c in result.pool] == [pytest.approx(p) for p in (0.2, 0.8, 0.2)]
    assert not judge.requests and len(judge.scored) == 3
    assert result.cost.calls == 3 + 3 * 2
    assert result.judgements["main/score"] == Judgements(3, 0)


async def test_the_best_scored_answer_is_selected_under_its_own_name() -> None:
    text = pool_text("score(by: yes_no, from: j, as: judge)", ' |> select(by: score("judge"))')
    result = await answer(text, {"m": drafts(), "j": FakeEngine(verdict=likes(2))})
    assert result.answer == 2 and result.decided.startswith("the best of 3 by score")


async def test_likelihood_and_length_ask_nobody() -> None:
    result = await answer(pool_text("score(by: likelihood)"), {"m": drafts()})
    assert result.cost.calls == 3
    assert all(c.scores["likelihood"] == pytest.approx(math.exp(-0.25)) for c in result.pool)


async def test_where_no_label_can_be_scored_a_verdict_is_sampled_and_read() -> None:
    replies = iter(["Yes.", "no", "I would rather not say"])
    judge = FakeEngine(lambda request, place: next(replies), capabilities=Capabilities(scoring=None))
    result = await answer(pool_text("score(by: yes_no, from: j)"), {"m": drafts(), "j": judge})
    assert [dict(c.scores) for c in result.pool] == [{"yes_no": 1.0}, {"yes_no": 0.0}, {}]
    assert result.judgements["main/score"] == Judgements(3, 1)
    assert [event.data["text"] for event in result.trace.of("unreadable")] == ["I would rather not say"]


async def test_scores_that_the_budget_refuses_are_absent_and_the_choice_goes_on_without() -> None:
    text = pool_text("score(by: yes_no, from: j)", " |> select(by: score)")
    some = await answer(text, {"m": drafts(), "j": FakeEngine(verdict=likes(1))}, budget=Budget(calls=7))
    assert some.answer == 1 and some.cut
    none = await answer(text, {"m": drafts(), "j": FakeEngine(verdict=likes(1))}, budget=Budget(calls=3))
    assert none.answer == 0 and none.cut and any("without its rule" in note for note in none.notes)


async def test_a_judge_never_sees_thoughts_and_is_not_asked_about_what_failed() -> None:
    def reply(request: object, place: int) -> object:
        if place == 0:
            return Completion(0, "", "failed", 3, 0, error="no")
        return Completion(place, f"Answer: {place}", "stop", 3, 2, thoughts="SECRET")

    judge = FakeEngine(verdict=likes(1))
    result = await answer(pool_text("score(by: yes_no, from: j)"), {"m": FakeEngine(reply), "j": judge})
    assert len(judge.scored) == 2 and result.pool.candidates[1].thoughts == "SECRET"
    assert not any("SECRET" in message.content for messages, _ in judge.scored for message in messages)


def test_spellings_of_one_label_add_up_and_labels_share_one() -> None:
    assert set(Label("yes", ("yes",)).spellings) == {"yes", " yes", "Yes", " Yes"}
    both = normalised([[math.log(0.3), math.log(0.1)], [math.log(0.1)]])
    assert both is not None and both[0] == pytest.approx(0.8)
    assert normalised([[-math.inf], [-math.inf]]) is None
    tiny = normalised([[-2000.0], [-2001.0]])
    assert tiny is not None and tiny[0] == pytest.approx(1 / (1 + math.exp(-1)))


# --- verify ----------------------------------------------------------------------------------------------


async def test_verify_keeps_what_is_accepted() -> None:
    result = await answer(pool_text("verify(from: j)"), {"m": drafts(), "j": FakeEngine(verdict=likes(1))})
    assert result.answer == [1] and result.pool.candidates[0].verified is True


async def test_verify_keeps_all_when_nothing_is_accepted_unless_told_otherwise() -> None:
    engines = {"m": drafts(), "j": FakeEngine(verdict=likes(9))}
    result = await answer(pool_text("verify(from: j)"), engines)
    assert result.answer == [0, 1, 2] and [c.verified for c in result.pool] == [False] * 3
    assert any("no answer was accepted, so all 3 stay" in note for note in result.notes)
    emptied = await answer(pool_text("verify(from: j, otherwise: none)"), engines)
    assert emptied.answer == []


@pytest.mark.parametrize("stage", ["score(by: yes_no, using: {}, from: j)", "verify(using: {}, from: j)"])
async def test_a_judge_is_shown_the_reference_that_is_bound_in_place(stage: str) -> None:
    judge = FakeEngine(verdict=likes(2))
    with_reference = pool_text(stage.format('agrees(reference: "two of them")'))
    own = 'prompt agrees(question: Text, reference: Text, answer: Text) -> Choice(yes, no) = """'
    own += '{{ question }} {{ reference }} {{ answer }}"""\n'
    result = await answer(with_reference.replace("pipeline main", own + "pipeline main"), {"m": drafts(), "j": judge})
    assert len(judge.scored) == 3 and all("two of them" in messages[-1].content for messages, _ in judge.scored)
    assert 2 in result.answer if isinstance(result.answer, list) else False
    without = FakeEngine(verdict=likes(2))
    await answer(pool_text(stage.replace("using: {}, ", "")), {"m": drafts(), "j": without})
    assert not any("two of them" in messages[-1].content for messages, _ in without.scored)


async def test_verify_takes_its_own_least_probability() -> None:
    engines = {"m": drafts(), "j": FakeEngine(verdict=likes(1))}
    result = await answer(pool_text("verify(from: j, min_probability: 0.15)"), engines)
    assert result.answer == [0, 1, 2]


# --- critique --------------------------------------------------------------------------------------------


async def test_a_critique_is_written_for_each_and_shown_to_the_next_stage() -> None:
    def write(request: object, place: int) -> str:
        shown = request.messages[-1].content  # type: ignore[attr-defined]
        return f"about {shown.split('Answer: ')[1][0]}" if "You review" in shown else "2, 1, 3"

    judge = FakeEngine(write)
    result = await answer(pool_text("critique(from: j) |> rank(from: j)"), {"m": drafts(), "j": judge})
    assert [c.critique for c in result.pool] == ["about 1", "about 0", "about 2"]
    assert "about 0" in judge.requests[-1].messages[0].content


async def test_an_empty_critique_is_unreadable() -> None:
    judge = FakeEngine(lambda request, place: "  ")
    result = await answer(pool_text("critique(from: j)"), {"m": drafts(), "j": judge})
    assert [c.critique for c in result.pool] == [None] * 3
    assert result.judgements["main/critique"] == Judgements(3, 3)


# --- rank ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "count", "wanted", "order"),
    [
        ("[2] > [1] > [3]", 3, 3, (1, 0, 2)),
        ("2, 1, 3", 3, 3, (1, 0, 2)),
        ("2,1,3.", 3, 3, (1, 0, 2)),
        ("The best is 2 > 3.", 4, 2, (1, 2, 0, 3)),
        ("First I thought 1 > 2 > 3. Final: 3 > 2 > 1", 3, 3, (2, 1, 0)),
        ("1. [3]\n2. [1]\n3. [2]", 3, 3, (2, 0, 1)),
        ("Answer 2", 3, 1, (1, 0, 2)),
        ("2", 3, 3, None),
        ("2 > 2 > 1", 3, 3, None),
        ("1, 2, 7", 3, 3, None),
        ("none of them", 3, 1, None),
        ("", 3, 1, None),
        ("0, 1, 2", 3, 3, None),
    ],
)
def test_rankings_are_read_or_said_to_be_unreadable(
    text: str, count: int, wanted: int, order: tuple[int, ...] | None
) -> None:
    assert parse_ranking(text, count, wanted) == order


async def test_rank_orders_and_keeps_the_best_with_one_call() -> None:
    judge = FakeEngine(lambda request, place: "3 > 1")
    result = await answer(pool_text("rank(from: j, keep: 2)"), {"m": drafts(), "j": judge})
    assert result.answer == [2, 0] and [c.rank for c in result.pool] == [1, 2]
    assert len(judge.requests) == 1 and judge.requests[0].sampling.temperature == 0


async def test_an_unreadable_ranking_keeps_the_order_and_is_counted() -> None:
    judge = FakeEngine(lambda request, place: "they are all fine")
    result = await answer(pool_text("rank(from: j, keep: 2)"), {"m": drafts(), "j": judge})
    assert result.answer == [0, 1] and [c.rank for c in result.pool] == [None, None]
    assert result.judgements["main/rank"] == Judgements(1, 1)


async def test_a_refused_ranking_keeps_the_order() -> None:
    result = await answer(
        pool_text("rank(from: j, keep: 2)"), {"m": drafts(), "j": FakeEngine()}, budget=Budget(calls=3)
    )
    assert result.answer == [0, 1] and result.cut


async def test_pairs_are_asked_in_both_orders() -> None:
    def prefers_larger(messages: Sequence[Message], continuation: str) -> float:
        first, second = (int(part[0]) for part in messages[0].content.split("Answer: ")[1:])
        wins = 0.9 if first > second else 0.1
        return math.log(wins if continuation.strip().lower() == "first" else 1 - wins)

    judge = FakeEngine(verdict=prefers_larger)
    duel = 'prompt duel(first: Text, second: Text) -> Choice(first, second) = """{{ first }} or {{ second }}"""'
    body = f"{DRAFTS}return x |> rank(using: duel, from: j, method: pairwise)"
    text = pipeline(body, f"{TWO}\n{duel}", "Answers[Number]")
    result = await answer(text, {"m": drafts(), "j": judge})
    assert result.answer == [2, 1, 0] and len(judge.scored) == 6
    with pytest.raises(RunError, match="R0710"):
        await answer(text.replace(", method: pairwise", ""), {"m": drafts(), "j": judge})


async def test_pairs_by_the_standard_prompt_are_kept_to_a_number() -> None:
    judge = FakeEngine(lambda request, place: "2", capabilities=Capabilities(context=4096, grammar=True))
    result = await answer(pool_text("rank(from: j, method: pairwise)"), {"m": drafts(), "j": judge})
    assert len(judge.requests) == 6 and result.judgements["main/rank"] == Judgements(6, 0)
    assert all(r.constraint is not None and '"1" | "2"' in r.constraint.grammar for r in judge.requests)


async def test_a_pipeline_may_be_called_as_a_rule_that_asks() -> None:
    judge = FakeEngine(lambda request, place: "- right?\nBest: 2")
    text = pipeline(f"{DRAFTS}return x |> select(by: checklist, from: j)", TWO, "Number")
    other = text + "\npipeline checklist(question: Text) -> Number { return generate(ask(question), from: m) }\n"
    assert (await answer(other, {"m": drafts(), "j": judge})).answer == 1


async def test_pairs_are_read_where_the_prompt_gives_a_list() -> None:
    def larger(request: object, place: int) -> str:
        first, second = (int(part[0]) for part in request.messages[0].content.split("Answer: ")[1:3])  # type: ignore[attr-defined]
        return "1" if first > second else "2"

    judge = FakeEngine(larger)
    result = await answer(pool_text("rank(from: j, method: pairwise, keep: 2)"), {"m": drafts(), "j": judge})
    assert result.answer == [2, 1] and result.judgements["main/rank"] == Judgements(6, 0)


# --- fuse ------------------------------------------------------------------------------------------------


async def test_fuse_writes_new_answers_from_all_it_sees() -> None:
    judge = FakeEngine(lambda request, place: f"Answer: {10 + place}")
    result = await answer(pool_text("fuse(from: j, n: 2)"), {"m": drafts(), "j": judge})
    assert result.answer == [10, 11] and len(judge.requests) == 1
    shown = judge.requests[0].messages[0].content
    assert all(f"Answer: {number}" in shown for number in range(3))


async def test_fuse_passes_its_pool_on_where_it_cannot_write() -> None:
    result = await answer(
        pool_text("fuse(from: j)", " |> vote()"), {"m": drafts(), "j": FakeEngine()}, budget=Budget(calls=3)
    )
    assert result.answer == 0 and result.cut and any("stay" in note for note in result.notes)


def test_a_candidate_is_readable_by_its_key() -> None:
    assert Candidate("x", key="x").is_readable and not Candidate("x").is_readable


# --- engines that fail while they judge ------------------------------------------------------------------


class Narrow(FakeEngine):
    """Its context is too small for every prompt that it is to judge."""

    async def score(self, messages, continuations, *, priority=()):  # type: ignore[no-untyped-def]
        raise ContextExceeded(5000, 4096)


KINDS = 'prompt kind(question: Text) -> Choice(a, b) = "Kind of {{ question }}"\n'


@pytest.mark.parametrize(
    "body",
    [
        "return classify(kind(question), from: j)",
        "return match classify(kind(question), from: j) {\n a => PICK\n b => PICK\n}",
        "x = generate(say(question), from: m)\nreturn match classify(kind(x), from: j) {\n a => PICK\n b => PICK\n}",
    ],
)
async def test_a_classification_that_fails_is_an_error_and_no_empty_answer(body: str) -> None:
    text = KINDS + pipeline(body.replace("PICK", "generate(kind(question), from: m)"), TWO, "Choice(a, b)")
    with pytest.raises(RunError) as raised:
        await answer(text, {"m": FakeEngine(lambda request, place: "a"), "j": Narrow()})
    assert raised.value.diagnostic.code == "R0702" and "5000" in raised.value.diagnostic.message
    assert raised.value.diagnostic.hint and raised.value.diagnostic.primary is not None


async def test_a_scored_judgement_that_fails_is_told_and_the_rest_decides() -> None:
    text = pool_text("score(by: yes_no, from: j)", " |> select(by: score)")
    result = await answer(text, {"m": drafts(), "j": Narrow()})
    assert result.answer == 0 and any("score with j failed" in note and "5000" in note for note in result.notes)


async def test_a_prompt_that_cannot_be_counted_is_a_failed_judgement() -> None:
    class Uncounted(FakeEngine):
        async def count_tokens(self, messages):  # type: ignore[no-untyped-def]
            if any("Answer: 1" in message.content for message in messages):
                raise EngineError("the template refuses this", fatal=False)
            return await super().count_tokens(messages)

    judge = Uncounted(verdict=likes(2))
    result = await answer(pool_text("score(by: yes_no, from: j)"), {"m": drafts(), "j": judge})
    assert [bool(c.scores) for c in result.pool] == [True, False, True]
    assert any("the template refuses this" in note for note in result.notes) and result.trace.of("call_failed")
