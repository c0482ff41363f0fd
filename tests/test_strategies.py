"""The rules that choose among candidates, on small pools that can be checked by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ttscale.compiler import types as t
from ttscale.compiler.ir import Argument, Const, Strategy
from ttscale.runtime import answers
from ttscale.runtime.pool import Candidate, Pool
from ttscale.runtime.strategies import (
    Outcome,
    StrategyError,
    agreement,
    apply_stage,
    best_of_majority,
    class_ids,
    highest,
    likelihood_mixture,
    majority_of_bests,
    margin,
    mean_at_k,
    numbers,
    pass_at_k,
    readable_share,
    vote,
    weighted_best_of_n,
)
from ttscale.runtime.strategies.choosing import tied

SCORE = Strategy("score")
LIKELIHOOD = Strategy("likelihood")


def pool(keys: str, scores: list[float | None] | None = None, logprobs: list[float] | None = None) -> Pool:
    """A pool from letters, one a candidate, `?` being unreadable."""
    candidates = []
    for i, key in enumerate(keys):
        read = None if key == "?" else key
        candidate = Candidate(f"text {i}", read, read, index=i)
        if scores is not None and scores[i] is not None:
            candidate = replace(candidate, scores={"r": scores[i]})
        if logprobs is not None:
            candidate = replace(candidate, logprob_mean=logprobs[i], logprob_sum=10 * logprobs[i], tokens=10)
        candidates.append(candidate)
    return Pool(tuple(candidates), t.TEXT)


def apply(op: str, of: Pool, **args: Argument) -> Outcome:
    return apply_stage(op, args, of)


def test_a_vote() -> None:
    outcome = apply("vote", pool("ABBA?B"))
    assert (outcome.picked, outcome.weight, outcome.kept) == (1, 3.0, (1,))
    assert [c.text for c in outcome.pool] == ["text 1"]
    assert apply("vote", pool("AABB"), weight=Const(None)).picked == 0


def test_ties_go_to_the_first_and_are_told() -> None:
    outcome = apply("vote", pool("?BAAB"))
    assert outcome.picked == 1
    assert outcome.tied == (1, 2)


def test_an_unreadable_answer_wins_only_alone() -> None:
    assert apply("vote", pool("???A")).picked == 3
    assert apply("select", pool("?A", [9.0, 0.1]), by=SCORE).picked == 1
    assert apply("select", pool("??A"), by=Strategy("first")).picked == 2
    assert apply("filter", pool("?A", [9.0, 0.1]), top=Const(1)).kept == (1,)
    alone = apply("vote", pool("??"))
    assert alone.picked == 0 and "read" in alone.note
    assert apply("vote", pool("")).picked is None


def test_weighted_votes() -> None:
    scored = pool("AABC", [0.1, 0.2, 0.9, None])
    outcome = apply("vote", scored, weight=SCORE)
    assert (outcome.picked, outcome.weight) == (2, 0.9)
    assert apply("vote", scored, weight=Strategy("score", (Const("r"),))).picked == 2
    with pytest.raises(StrategyError, match="no candidate has such a score"):
        apply("vote", scored, weight=Strategy("score", (), (("name", Const("other")),)))
    assert apply("vote", pool("AAB", [-1.0, -1.0, -3.0]), weight=SCORE).picked == 0


def test_equal_texts_count_once_in_votes_by_likelihood() -> None:
    of = pool("AAAB", logprobs=[-1.0, -1.0, -1.0, -0.1])
    assert apply("vote", of, weight=LIKELIHOOD).picked == 0
    same = Pool(tuple(replace(c, text="same" if c.key == "A" else c.text) for c in of), t.TEXT)
    outcome = apply("vote", same, weight=LIKELIHOOD)
    assert outcome.picked == 3 and outcome.weight == pytest.approx(math.exp(-0.1))
    textless = Pool(tuple(replace(c, text="") for c in of), t.TEXT)
    assert apply("vote", textless, weight=LIKELIHOOD).picked == 0


def test_sources_of_numbers() -> None:
    of = pool("AB", [0.5, None], [-1.0, -2.0])
    assert numbers(LIKELIHOOD, of) == pytest.approx([math.exp(-1), math.exp(-2)])
    summed = Strategy("likelihood", (), (("of", Const("sum")),))
    assert numbers(summed, of) == pytest.approx([math.exp(-10), math.exp(-20)])
    assert numbers(SCORE, of) == [0.5, None]
    assert numbers(Strategy("length"), of) == [10.0, 10.0]
    stepped = [replace(of.candidates[0], step_scores=(0.5, 0.2, 0.4)), of.candidates[1]]
    for name, value in (("min", 0.2), ("last", 0.4), ("mean", 1.1 / 3), ("prod", 0.04)):
        assert numbers(Strategy("steps", (Const(name),)), stepped) == pytest.approx([value, -1.0])
    one, two = of.candidates
    latest = [replace(one, scores={"r": 0.5, "judge": 0.1}), replace(two, scores={"r": math.nan})]
    assert numbers(SCORE, latest) == [0.1, None]
    with pytest.raises(StrategyError, match="gives no number"):
        numbers(Strategy("yes_no"), of)


def test_selection_by_number() -> None:
    of = pool("ABC", [0.2, 0.7, 0.7])
    outcome = apply("select", of, by=SCORE)
    assert (outcome.picked, outcome.weight) == (1, 0.7)
    assert apply("select", pool("AB", logprobs=[-2.0, -1.0]), by=LIKELIHOOD).picked == 1
    assert highest([0, None, 1], [None, 5.0, None]).index == 0


def test_best_of_majority() -> None:
    classes, rewards = [0, 0, 0, 1], [0.5, 0.55, 0.6, 0.99]
    choice = best_of_majority(classes, rewards, share=0.5)
    assert choice.index == 2 and choice.weight == pytest.approx(0.55)
    assert best_of_majority(classes, rewards, share=0.25).index == 3
    relaxed = best_of_majority([0, 1, 2], [0.1, 0.4, 0.3], share=0.5)
    assert relaxed.index == 1 and "all were kept" in relaxed.note
    # The gate counts unreadable candidates: 2 of 5 is no half.
    assert best_of_majority([0, 0, None, None, 1], [0.1, 0.1, None, None, 0.9], share=0.4).index == 0
    by = Strategy("best_of_majority", (), (("by", Strategy("score")), ("share", Const(0.5))))
    assert apply("select", pool("AAAB", [0.5, 0.55, 0.6, 0.99]), by=by).picked == 2


def test_majority_of_bests_is_the_chance_of_being_the_best_drawn() -> None:
    classes, rewards = [0, 1, 1, 0, 2], [0.9, 0.8, 0.7, 0.1, 0.85]
    m, n = 2, 5
    wins = [0, 0, 0]
    for a in range(n):
        for b in range(n):
            wins[classes[max((a, b), key=lambda i: rewards[i])]] += 1
    choice = majority_of_bests(classes, rewards)
    assert [choice.weights[c] for c in range(3)] == pytest.approx([w / n**m for w in wins])
    assert choice.index == 0
    assert majority_of_bests(classes, rewards, m=1).weights == pytest.approx({0: 0.4, 1: 0.4, 2: 0.2})


def test_weighted_best_of_n_picks_the_best_member_of_the_best_class() -> None:
    assert weighted_best_of_n([0, 1, 0], [0.3, 0.5, 0.4]).index == 2


@given(st.lists(st.sampled_from("AB?"), min_size=1, max_size=8), st.data())
def test_every_pick_is_readable_if_any_is(keys: list[str], data: st.DataObject) -> None:
    scores = [data.draw(st.none() | st.floats(-1, 1)) for _ in keys]
    classes = answers.classes(t.TEXT, [None if k == "?" else k for k in keys])
    for choice in (
        vote(classes),
        vote(classes, scores),
        highest(classes, scores),
        best_of_majority(classes, scores),
        majority_of_bests(classes, scores),
        weighted_best_of_n(classes, scores),
    ):
        assert choice.index is not None
        assert classes[choice.index] is not None or set(keys) == {"?"}


def test_filters() -> None:
    of = pool("ABACA?", [0.1, 0.9, 0.5, 0.2, 0.3, 0.8])
    assert apply("filter", of, top=Const(2), by=SCORE).kept == (1, 2)
    assert apply("filter", of, min_share=Const(0.5)).kept == (0, 2, 4)
    assert apply("filter", of, min_score=Const(0.5)).kept == (1, 2, 5)
    assert apply("filter", of, unique=Const(True)).kept == (0, 1, 3, 5)
    assert apply("filter", of, unique=Const(True), top=Const(2)).kept == (1, 3)
    many = apply("filter", of, top=Const(20))
    assert len(many.pool) == 6 and "keeps 6" in many.note
    none = apply("filter", of, min_score=Const(2.0))
    assert len(none.pool) == 6 and "left out" in none.note
    assert apply("filter", pool("AB"), top=Const(1)).kept == (0,)


def test_pruning_drops_the_unlikely_part() -> None:
    pytest.importorskip("scipy")
    low, high = [-1.60, -1.61, -1.57, -1.59, -1.63, -1.58, -1.54, -1.55], [-0.29, -0.27, -0.25, -0.32, -0.26, -0.28]
    of = pool("AAAAAAAABBBBBB", logprobs=[*low, *high])
    outcome = apply("filter", of, by=Strategy("likelihood_mixture"))
    assert outcome.kept == (8, 9, 10, 11, 12, 13)
    assert apply("vote", outcome.pool, weight=LIKELIHOOD).pool.candidates[0].key == "B"
    few = apply("filter", pool("AB", logprobs=[-2.0, -0.1]), by=Strategy("rpc"))
    assert few.kept == (0, 1) and "too few" in few.note
    same = likelihood_mixture([0.5] * 9)
    assert same.kept == tuple(range(9)) and "equally likely" in same.note
    with pytest.raises(StrategyError, match="log-probabilities"):
        apply("filter", pool("AB"), by=Strategy("likelihood_mixture"))


def test_records_are_voted_on_field_by_field() -> None:
    kind = t.Record("R", (t.Field("a", t.NUMBER), t.Field("b", t.TEXT)))

    def candidate(text: str) -> Candidate:
        value, key = answers.read(kind, text)
        return Candidate(text, value, key)

    texts = ['{"a": 1, "b": "x"}', '{"a": 2, "b": "y"}', '{"a": 1, "b": "y"}', "unreadable", '{"a": 1.0, "b": "z"}']
    outcome = apply_stage("vote", {}, Pool(tuple(map(candidate, texts)), kind))
    assert outcome.pool.candidates[0].answer == {"a": 1, "b": "y"} and outcome.picked == 2
    split = ['{"a": 1, "b": "x"}', '{"a": 1, "b": "z"}', '{"a": 2, "b": "y"}', '{"a": 3, "b": "y"}']
    outcome = apply_stage("vote", {}, Pool(tuple(map(candidate, split)), kind))
    (made,) = outcome.pool
    assert made.answer == {"a": 1, "b": "y"} and "several candidates" in outcome.note
    assert answers.read(kind, made.text)[1] == made.key


def test_measures() -> None:
    classes = class_ids(pool("AABC?"))
    assert agreement(classes) == 0.4
    assert margin(classes) == pytest.approx(0.2)
    assert readable_share(classes) == 0.8
    assert agreement([]) == margin([]) == readable_share([]) == 0.0
    assert mean_at_k([True, False, True], 2) == 0.5
    assert tied({0: 0.1 + 0.2, 1: 0.3, 2: 0.1}) == [0, 1]
    for n, c, k in ((3, 4, 1), (3, 1, 0), (3, 1, 4)):
        with pytest.raises(ValueError, match="not defined"):
            pass_at_k(n, c, k)


@given(st.integers(1, 12), st.data())
def test_pass_at_k_counts_subsets(n: int, data: st.DataObject) -> None:
    correct, k = data.draw(st.integers(0, n)), data.draw(st.integers(1, n))
    assert pass_at_k(n, correct, k) == pytest.approx(1 - math.comb(n - correct, k) / math.comb(n, k))


def test_other_stages_do_not_choose() -> None:
    with pytest.raises(StrategyError, match="does not choose"):
        apply("generate", pool("A"))
