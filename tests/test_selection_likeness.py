"""Likeness of answers and centres of rankings: chrF, Kendall's distance, behaviour, and a model that judges."""

from __future__ import annotations

import itertools
import math
import random
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from checking import body
from running import FakeEngine, answer, pipeline, plan_of
from ttscale.compiler import types as t
from ttscale.compiler.diagnostics import CompileError
from ttscale.compiler.ir import Const, Strategy
from ttscale.compiler.selectors import parse_selector
from ttscale.runtime.pool import Candidate, Pool
from ttscale.runtime.result import Judgements
from ttscale.runtime.strategies import StrategyError, apply_stage
from ttscale.runtime.strategies.consensus import behaviour, chrf
from ttscale.runtime.strategies.ordering import kendall_centre, kendall_likeness, mean_places, preferences

TWO = 'model m = gguf("m.gguf")\nmodel j = gguf("j.gguf")'
DRAFTS = "x = generate(ask(question), from: m, n: 3)\n"


def chrf_by_hand(text: str, reference: str) -> float:
    """Popović's chrF with b = 2, from counters of n-grams."""
    a, b = "".join(text.split()), "".join(reference.split())
    precisions, recalls = [], []
    for order in range(1, 7):
        own, other = (Counter(x[i : i + order] for i in range(len(x) - order + 1)) for x in (a, b))
        if not own or not other:
            continue
        common = sum((own & other).values())
        precisions.append(common / sum(own.values()))
        recalls.append(common / sum(other.values()))
    if not precisions:
        return float(a == b == "")
    p, r = sum(precisions) / len(precisions), sum(recalls) / len(recalls)
    return 5 * p * r / (4 * p + r) if p + r else 0.0


def test_chrf_is_what_counting_ngrams_gives() -> None:
    draw = random.Random(3)
    texts = ["".join(draw.choices("abc  ", k=draw.randint(0, 30))) for _ in range(12)]
    texts += ["the cat sat on the mat", "the cat sat on a mat", "Straße, 漢字!", ""]
    found = chrf(texts, texts[::-1])
    for i, text in enumerate(texts):
        for k, reference in enumerate(texts[::-1]):
            assert found[i, k] == pytest.approx(chrf_by_hand(text, reference), abs=1e-12)
    assert chrf(["abc"], []).shape == (1, 0)


def cost(order: Sequence[int], given: Sequence[Sequence[int]]) -> float:
    prefer = preferences(given, len(order))
    return sum(prefer[after][one] for place, one in enumerate(order) for after in order[place + 1 :])


@pytest.mark.parametrize("seed", range(20))
def test_the_centre_of_orders_is_the_nearest_of_all(seed: int) -> None:
    draw = random.Random(seed)
    given = [draw.sample(range(5), draw.randint(1, 5)) for _ in range(4)]
    centre = kendall_centre(given, 5)
    least = min(cost(order, given) for order in itertools.permutations(range(5)))
    assert sorted(centre) == list(range(5)) and cost(centre, given) == pytest.approx(least)


def test_the_centre_of_many_things_is_no_worse_than_mean_places() -> None:
    draw = random.Random(1)
    given = [draw.sample(range(14), 14) for _ in range(5)]
    assert cost(kendall_centre(given, 14), given) <= cost(mean_places(given, 14), given)
    assert kendall_centre([tuple(range(14))] * 3, 14) == tuple(range(14))
    assert kendall_centre([], 3) == (0, 1, 2) == mean_places([], 3)


def test_the_centre_keeps_to_the_majority_of_pairs_where_means_do_not() -> None:
    given = [(0, 1, 2, 3)] * 3 + [(1, 2, 3, 0)] * 2
    assert kendall_centre(given, 4) == (0, 1, 2, 3)  # three of five have 0 before each of the others
    assert mean_places(given, 4) == (1, 0, 2, 3)


def test_likeness_of_two_orders() -> None:
    assert kendall_likeness("abc", "abc") == 1 and kendall_likeness("abc", "cba") == 0
    assert kendall_likeness("abc", "acb") == pytest.approx(2 / 3)
    assert kendall_likeness("ab", "cd") == pytest.approx(1 - (4 + 2 * 0.5) / 6)  # two pairs are tied on one side
    assert kendall_likeness("a", "a") == 1 == kendall_likeness("", "")


def test_behaviour_counts_equal_outputs_that_are_no_errors() -> None:
    found = behaviour([("1", "2"), ("1", "!E"), ("", "!E"), ()], [("1", "3"), ("1", "!E")])
    assert found.tolist() == [[0.5, 0.5], [0.5, 0.5], [0, 0], [0, 0]]


def picked(rule: str, candidates: Sequence[Candidate], kind: t.Type) -> int | None:
    (stage,) = parse_selector(f"select(by: {rule})")
    return apply_stage("select", stage.args, Pool(tuple(candidates), kind)).picked


def test_the_centre_of_rankings_and_of_texts_is_picked() -> None:
    lists = [Candidate("", list(x), tuple(x)) for x in ([3, 2, 1], [1, 2, 3], [1, 3, 2], [2, 1, 3])]
    assert picked("bayes_risk(kendall)", lists, t.ListOf(t.INT)) == 1
    texts = [Candidate(x, x, x) for x in ("grey", "colours", "colour", "color")]
    assert picked("bayes_risk(chrf)", texts, t.TEXT) == 1
    with pytest.raises(StrategyError, match="lists"):
        picked("mbr(kendall)", texts, t.TEXT)


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (Strategy("best_of_majority", (), (("shar", Const(0.5)),)), "no argument `shar`"),
        (Strategy("likelihood", (), (("of", Const("summ")),)), "cannot be summ"),
        (Strategy("mbr", (Const("chr"),)), "`utility` of `mbr` cannot be chr"),
        (Strategy("best_of_n", (Strategy("steps", (), (("off", Const("min")),)),)), "no argument `off`"),
        (Strategy("first", (Const(1),)), "takes 0 arguments"),
    ],
)
def test_a_misspelt_argument_of_a_rule_made_in_python_is_told(rule: Strategy, words: str) -> None:
    pool = Pool((Candidate("a", "a", "a", logprob_mean=-1.0, logprob_sum=-1.0, step_scores=(1.0,)),), t.TEXT)
    with pytest.raises(StrategyError, match=words):
        apply_stage("select", {"by": rule}, pool)


def test_a_replay_has_no_judge_of_likeness() -> None:
    with pytest.raises(CompileError, match="asks a model"):
        parse_selector("select(by: bayes_risk(utility: judge))")


async def test_a_model_may_judge_how_like_answers_are() -> None:
    def same(messages: Any, continuation: str) -> float:
        said = messages[0].content
        alike = ("Answer: 1" in said and "Answer: 2" in said) or said.count("Answer: 9") == 1
        return math.log(0.8 if (continuation.strip().lower() == "yes") == alike else 0.2)

    judge = FakeEngine(verdict=same)
    text = pipeline(f"{DRAFTS}return x |> select(by: bayes_risk(judge), from: j)", TWO)
    result = await answer(text, {"m": FakeEngine(lambda request, place: f"Answer: {place}"), "j": judge})
    assert result.answer == 1 and len(judge.scored) == 6
    assert result.judgements == {"main/rank": Judgements(6, 0)}
    assert plan_of(text).maximum.calls == 3 + 6 * 2


async def test_further_evidence_is_compared_with_and_never_picked() -> None:
    judge = FakeEngine(verdict=lambda messages, continuation: -1.0)
    lines = (
        "x = generate(ask(question), from: m, n: 2)\ny = generate(say(question), from: m, n: 3)\n"
        "return x |> select(by: bayes_risk(judge, evidence: y), from: j)"
    )
    text = pipeline(lines, TWO)
    result = await answer(text, {"m": FakeEngine(lambda request, place: f"Answer: {place}"), "j": judge})
    assert result.answer == 0 and len(judge.scored) == 2 * (1 + 3)
    assert plan_of(text).maximum.calls == 5 + 2 * (1 + 3) * 2


async def test_orders_of_shuffled_lists_are_put_together() -> None:
    judge = FakeEngine(lambda request, place: "2, 1, 3")
    engines = {"m": FakeEngine(lambda request, place: f"Answer: {place}"), "j": judge}
    text = pipeline(f"{DRAFTS}return x |> rank(from: j, orders: 5, combine: kendall)", TWO, "Answers[Number]")
    by_centre = await answer(text, engines)
    by_means = await answer(text.replace("kendall", "mean"), engines)
    assert sorted(by_centre.answer) == sorted(by_means.answer) == [0, 1, 2]  # type: ignore[call-overload]
    assert by_centre.judgements == {"main/rank": Judgements(5, 0)}


def test_what_a_judge_of_likeness_needs_is_told_before_the_run() -> None:
    drafts = "x = generate(p.solve_number(question), from: small, n: 3)\nreturn x |> "
    assert body(drafts + "select(by: bayes_risk(judge))") == []
    assert body(drafts + "select(by: bayes_risk(chrf), from: small)") == ["E0211"]
    assert body(drafts + "select(by: bayes_risk(chr))") == ["E0217"]
    assert body(drafts + "rank(method: likeness, evidence: 3) |> select(by: rank)") == ["E0215"]
