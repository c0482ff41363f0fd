"""The rules that choose among candidates: facts of the authors' code, cases of our own, and what must never change.

Cases named after a paper hold inputs and outputs of its code or formulas; "derived" ones were worked out by hand.
"""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lettered_pools import choose, classes, pool
from ttscale.compiler import types as t
from ttscale.compiler.selectors import parse_selector
from ttscale.runtime.pool import Candidate, Pool
from ttscale.runtime.strategies import (
    StrategyError,
    adaptive,
    aggregate,
    apply_stage,
    best_of_majority,
    borda,
    by_rank,
    confidence,
    features_of,
    frequent_classes,
    group_means,
    highest,
    linear,
    majority,
    majority_of_bests,
    min_max,
    no_better,
    shortest,
    surest,
    temperature_of,
    token_f1,
    tries_used,
    vote,
    weighted_best_of_n,
)
from ttscale.runtime.strategies.choosing import gate_of, samples_of_gate

# --- the seven of the compute-optimal study ----------------------------------------------------------

BASIC = [(0.9, 0.2), (0.8, 0.7), (0.6, 0.5), (0.95, 0.9)]


@pytest.mark.parametrize(
    ("rule", "letters", "steps", "answer"),
    [
        # "Can 1B LLM Surpass 405B LLM?", code
        ("majority_vote", "ABAC", BASIC, "A"),
        ("prm_min_max", "ABAC", BASIC, "C"),
        ("prm_min_vote", "ABAC", BASIC, "C"),
        ("prm_last_max", "ABAC", BASIC, "C"),
        ("prm_last_vote", "ABAC", BASIC, "C"),
        ("prm_avg_max", "ABAC", BASIC, "C"),
        ("prm_avg_vote", "ABAC", BASIC, "A"),
        ("majority_vote", "AAB", [(), (), (0.01,)], "A"),
        ("prm_avg_vote", "AAB", [(), (), (0.01,)], "B"),  # no steps count as -1: the mass of A is negative
        # derived
        ("prm_last_max", "?A", [(0.9,), (0.1,)], "A"),
        ("prm_min_vote", "AB", [(0.5,), (0.5,)], "A"),
    ],
)
def test_the_seven_ways_to_choose_by_step_scores(
    rule: str, letters: str, steps: list[tuple[float, ...]], answer: str
) -> None:
    index = choose(f"select(by: {rule})", pool(letters, step_scores=steps))
    assert index is not None and letters[index] == answer


def test_step_scores_put_together() -> None:
    steps = (0.5, 0.2, 0.4)
    assert [aggregate(steps, of) for of in ("min", "last", "mean", "avg")] == pytest.approx(
        [0.2, 0.4, 1.1 / 3, 1.1 / 3]
    )
    assert aggregate(steps, "prod") == aggregate(steps, "product") == pytest.approx(0.04)
    assert aggregate((), "min") == -1


# --- weights -----------------------------------------------------------------------------------------


def test_min_max_weights() -> None:
    assert min_max([0.1, None, 0.5, 0.9]) == pytest.approx([0.0, None, 0.5, 1.0])
    assert min_max([0.4, 0.4]) == [1.0, 1.0]
    # Bag of Tricks, code: B alone beats two As, the worse of which counts nothing
    of = pool("AAB", scores=[{"r": 0.1}, {"r": 0.5}, {"r": 0.9}])
    assert choose("vote(weight: min_max(score))", of) == 2
    # and its best member stands for the winning answer: A#2 of A 0.094 0.433 0.479 0.16, C 0.735 0.114, B 0.391
    values = [0.094, 0.433, 0.479, 0.16, 0.735, 0.114, 0.391]
    assert (
        choose("select(by: weighted_best_of_n(min_max(score)))", pool("AAAACCB", scores=[{"r": x} for x in values]))
        == 2
    )


def test_borda_weights() -> None:
    assert borda([0.9, 0.5, 0.7]) == pytest.approx([1.0, 1 / 3, 2 / 3])
    assert borda([0.5, 0.5, None, 0.1]) == pytest.approx([2.5 / 3, 2.5 / 3, None, 1 / 3])
    assert borda([0.9, 0.5, 0.7], power=2) == pytest.approx([1.0, 1 / 9, 4 / 9])
    assert by_rank([2, 1, None, 9], 4) == [0.75, 1.0, None, 0.0]
    # derived: places 1 and 4 against 2 and 3, which weigh the same; a lower power favours the middle
    of = pool("ABBA", scores=[{"r": x} for x in (0.9, 0.8, 0.7, 0.1)])
    assert choose("vote(weight: borda(score))", of) == 0
    assert choose("vote(weight: borda(score, power: 0.5))", of) == 1
    assert choose("vote(weight: rank)", pool("ABB", rank=[1, 2, 3])) == 0


def test_summed_log_probabilities_of_long_texts_do_not_vanish() -> None:
    of = pool("ABB", logprob_mean=[-1.0] * 3, logprob_sum=[-2000.0, -1999.0, -2005.0])
    assert choose("vote(weight: likelihood(sum))", of) == 1
    assert choose("select(by: likelihood(sum))", of) == 1
    assert choose("vote(weight: likelihood)", of) == 1
    assert choose("select(by: perplexity_consistency(sum))", of) == 1


# --- best of majority, majority of the bests ---------------------------------------------------------


def test_best_of_majority_with_k() -> None:
    # Best-of-Majority, algorithm 3
    rewards = [0.5, 0.55, 0.6, 0.99]
    assert frequent_classes(classes("AAAB"), rewards, 0.5) == [0]
    assert frequent_classes(classes("ABCD"), [0.1, 0.4, 0.3, 0.2], 0.5)[:2] == [1, 2]  # nothing passes: all do
    assert best_of_majority(classes("AAAB"), [0.1, 0.1, 0.1, 0.9], 0.25).index == 3  # the bound counts
    # derived: two answers pass, and the best member of each is kept
    of = pool("AABBC", scores=[{"r": x} for x in (0.1, 0.3, 0.9, 0.2, 1.0)])
    (stage,) = parse_selector("filter(by: best_of_majority(score, share: 0.4, k: 2))")
    assert apply_stage(stage.op, stage.args, of).kept == (1, 2)
    with pytest.raises(StrategyError, match="one answer"):
        choose("select(by: best_of_majority(score, k: 2))", of)
    assert gate_of(0.08) == pytest.approx(0.06)
    assert samples_of_gate(0.08) == pytest.approx(1426.1797660592692)


def test_majority_of_bests_between_majority_and_best() -> None:
    letters, rewards = classes("AABBBC"), [0.9, 0.8, 0.3, 0.2, 0.1, 0.85]
    assert majority_of_bests(letters, rewards, m=1).index == 2  # of the majority, the best member
    assert majority_of_bests(letters, rewards, m=50).index == highest(letters, rewards).index == 0


# --- reasoning pruning -------------------------------------------------------------------------------

LOW = [-1.593713, -1.606605, -1.567979, -1.594755, -1.626783, -1.58192, -1.5348, -1.552646, -1.635187]
HIGH = [-0.287963, -0.268698, -0.24876, -0.319751, -0.256564, -0.287377, -0.271968]


def test_rpc_prunes_and_then_sums_likelihoods() -> None:
    pytest.importorskip("scipy")
    # RPC, code: nine unlikely As are pruned, B is left
    of = pool("A" * 9 + "B" * 7, logprob_mean=[*LOW, *HIGH])
    assert choose("select(by: rpc)", of) == 9
    assert choose("filter(by: rpc) |> vote(weight: likelihood)", of) == 9
    assert choose("vote()", of) == 0
    # derived: what is pruned does not win even if nothing readable is left beside it
    of = pool("A" * 9 + "?" * 7, logprob_mean=[*LOW, *HIGH])
    assert choose("select(by: rpc)", of) == 0
    few = pool("AB", logprob_mean=[-2.0, -0.1])
    (stage,) = parse_selector("select(by: rpc)")
    assert "too few" in apply_stage(stage.op, stage.args, few).note


def test_perplexity_consistency_counts_equal_texts_once() -> None:
    # RPC, code: three times the same text of A counts once, so that B wins
    logprobs = [-0.5, -0.5, -0.5, -0.7, -0.4, -0.45]
    of = pool("AAAABB", logprob_mean=logprobs, text=["same", "same", "same", "c3", "c4", "c5"])
    assert choose("select(by: perplexity_consistency)", of) == 4
    assert choose("select(by: majority)", of) == 0
    apart = pool("AAAABB", logprob_mean=logprobs)
    assert choose("select(by: pc)", apart) == 0


# --- confidence --------------------------------------------------------------------------------------


def test_confidence_of_groups() -> None:
    values = [1.0, 2.0, 3.0, 4.0, 10.0]
    assert list(group_means(values, 2)) == pytest.approx([1.5, 2.5, 3.5, 7.0])
    assert list(group_means(values, 9)) == pytest.approx([4.0])
    # Deep Think with Confidence, by its definitions
    assert confidence(values, "lowest_group", 2) == pytest.approx(1.5)
    assert confidence(values, "tail", 2) == pytest.approx(7.0)
    assert confidence(values, "mean", 2) == pytest.approx(4.0)
    assert confidence(values, "bottom", 2, share=0.5) == pytest.approx(2.0)
    assert confidence(values, "bottom", 2, share=0.1) == pytest.approx(1.5)  # at least one group
    assert confidence([], "mean") is None
    with pytest.raises(ValueError, match="no such"):
        confidence(values, "middle")


@given(st.lists(st.floats(0, 30), min_size=1, max_size=40), st.integers(1, 50))
def test_the_parts_of_confidence_are_ordered(values: list[float], window: int) -> None:
    lowest, bottom, mean = (confidence(values, of, window) for of in ("lowest_group", "bottom", "mean"))
    assert lowest is not None and bottom is not None and mean is not None
    assert lowest <= bottom + 1e-9 and min(values) - 1e-9 <= lowest <= max(values) + 1e-9
    every = confidence(values, "bottom", window, share=1.0)
    assert every == pytest.approx(sum(group_means(values, window)) / len(group_means(values, window)))


def test_the_surest_share() -> None:
    assert surest([0.1, 0.9, None, 0.5, 0.7], 0.5) == [1, 4]
    assert surest([0.5] * 4, 0.1) == [0, 1, 2, 3]  # equal numbers at the threshold all stay
    assert surest([float(x) for x in range(11)], 0.1) == [9, 10]  # as numpy's quantile
    assert surest([None, None]) == []
    of = pool("AAB?", token_confidences=[(1.0, 1.0), (2.0,), (9.0, 8.0), (99.0,)])
    assert choose("select(by: deepconf(mean, share: 0.1))", of) == 2
    assert choose("vote(weight: confidence(mean))", of) == 2
    assert choose("filter(by: top_share(confidence(mean), share: 0.1)) |> vote()", of) == 2


def test_confidence_from_the_chosen_tokens_alone() -> None:
    of = pool("AB", token_logprobs=[(-0.1, -3.0, -0.1), (-0.5, -0.5, -0.5)])
    assert choose("select(by: confidence(lowest_group, window: 1))", of) == 1
    (stage,) = parse_selector("select(by: confidence(lowest_group, window: 1))")
    assert apply_stage(stage.op, stage.args, of).weight == pytest.approx(math.exp(-0.5))
    with pytest.raises(StrategyError, match="log-probabilities of its tokens"):
        choose("select(by: deepconf)", pool("AB"))


# --- length and features -----------------------------------------------------------------------------


def test_the_shortest_half() -> None:
    assert shortest([30, 10, 20, 40]) == [1, 2]
    assert shortest([10, 10, 10]) == [0, 1]  # half of three is two, ties to the first
    assert shortest([None, 5.0, None]) == [0, 1]
    of = pool("AAB?B", tokens=[90, 80, 20, 1, 30])
    assert choose("filter(by: shortest) |> vote()", of) == 2  # the unreadable one takes no place
    assert choose("select(by: majority(ties: brevity))", of) == 2
    assert choose("select(by: majority)", of) == 0
    assert majority(classes("ABB"), [9.0, 1.0, 2.0]).index == 2  # ties only settle ties


def test_features_of_texts() -> None:
    found = features_of("Wait, maybe it is 4. Hmm. Therefore it is 5.")
    assert (found.length, found.hedges, found.thinking, found.discourse) == pytest.approx((8.0, 1 / 8, 2 / 8, 1 / 8))
    texts = ["Wait, hmm, perhaps it is 4, or maybe it is 5 after all, but wait.", "First 2 + 2, therefore it is 4."]
    of = pool("AB", text=texts)
    assert choose("vote(weight: features)", of) == 1
    assert choose("vote(weight: features(length: 1, hedges: 0, thinking: 0, discourse: 0))", of) == 0


@given(
    st.lists(st.tuples(st.floats(1, 999), st.floats(0, 1), st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=8)
)
def test_feature_weights_are_positive_and_know_no_unit(rows: list[tuple[float, float, float, float]]) -> None:
    from ttscale.runtime.strategies import Features

    weights = {"length": -1.0, "hedges": -0.5, "thinking": -1.0, "discourse": 0.3}
    found = linear([Features(*row) for row in rows], weights)
    assert all(0 < x < 1 for x in found)
    halved = linear([Features(row[0] / 2, *row[1:]) for row in rows], weights)
    assert halved == pytest.approx(found, abs=1e-6)


# --- minimum Bayes risk ------------------------------------------------------------------------------


def test_bayes_risk_by_hand() -> None:
    found = token_f1(["a b c", "a b", ""], ["a b d", "A, b!", ""])
    assert found.flatten().tolist() == pytest.approx([4 / 6, 4 / 5, 0, 4 / 5, 1, 0, 0, 0, 1])
    assert token_f1(["a a"], ["a"])[0, 0] == pytest.approx(2 / 3)
    texts = ["the cat sat", "the cat sat down", "a dog ran", "the cat sat there"]
    of = Pool(tuple(Candidate(x, x, x) for x in texts), t.TEXT)
    assert choose("select(by: bayes_risk)", of) == 0
    assert choose("select(by: mbr(equal))", of) == 0


def test_bayes_risk_with_evidence_of_another_prompt() -> None:
    texts, further = ["one two", "three four"], ("three four five", "?", "three four")
    of = Pool(tuple(Candidate(x, x, x) for x in texts), t.TEXT)
    evidence = Pool(tuple(Candidate(x, None if x == "?" else x, None if x == "?" else x) for x in further), t.TEXT)
    for utility in ("token_f1", "equal"):
        (stage,) = parse_selector(f"select(by: x_mbr({utility}, evidence: evidence))")
        assert apply_stage(stage.op, stage.args, of, lambda operand: evidence).picked == 1
        with pytest.raises(StrategyError, match="no evidence"):
            apply_stage(stage.op, stage.args, of, lambda operand: None)


@given(st.text("ABC?", min_size=1, max_size=9))
def test_bayes_risk_of_equal_answers_is_the_majority(letters: str) -> None:
    assert choose("select(by: bayes_risk(equal))", pool(letters)) == choose("vote()", pool(letters))


# --- would another try do better ---------------------------------------------------------------------


def test_adaptive_sampling() -> None:
    assert no_better(0.2, 0.6) == pytest.approx(0.75) and no_better(0, 0) == 0.5
    assert [temperature_of(k) for k in (1, 2, 3)] == [0.0, 0.5, 0.75]
    with pytest.raises(ValueError, match="from 1"):
        temperature_of(0)
    assert tries_used([0.2, None, 0.95, 0.99], 0.9) == 3
    assert tries_used([0.2, 0.3], 0.9) == 2
    assert adaptive(classes("ABCD"), [0.2, 0.95, 0.99, 0.1], 0.9).index == 1
    assert adaptive(classes("A?CD"), [0.2, 0.95, 0.3, 0.1], 0.9).index == 2  # an unreadable try stops nothing
    of = pool("ABC", scores=[{"again": x} for x in (0.5, 0.7, 0.6)])
    assert choose('select(by: adaptive(score("again"), threshold: 0.65))', of) == 1


# --- what holds of every rule ------------------------------------------------------------------------

BY_SCORE = (
    "vote(weight: score)",
    "vote(weight: min_max(score))",
    "vote(weight: borda(score))",
    "select(by: best_of_n)",
    "select(by: weighted_best_of_n)",
    "select(by: best_of_majority)",
    "select(by: majority_of_bests)",
    "filter(by: top_share(score, share: 0.5)) |> vote()",
)
EVERY = (
    "vote()",
    "select(by: majority)",
    "select(by: bayes_risk)",
    "filter(by: shortest) |> vote()",
    "filter(by: abduction) |> vote()",
    "vote(weight: features)",
    *BY_SCORE,
)


@given(st.text("AB?", min_size=1, max_size=7), st.data())
@settings(max_examples=40, deadline=None)
def test_an_unreadable_answer_wins_only_where_none_can_be_read(letters: str, data: st.DataObject) -> None:
    scores = [{"r": data.draw(st.floats(-1, 1))} for _ in letters]
    of = pool(letters, scores=scores, tokens=[data.draw(st.integers(1, 9)) for _ in letters])
    for rule in EVERY:
        index = choose(rule, of)
        assert index is not None, rule
        assert letters[index] != "?" or set(letters) == {"?"}, rule


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_the_order_of_candidates_matters_to_ties_alone(data: st.DataObject) -> None:
    letters = data.draw(st.text("ABC?", min_size=2, max_size=7))
    values = data.draw(st.lists(st.integers(1, 10_000), min_size=len(letters), max_size=len(letters), unique=True))
    order = data.draw(st.permutations(range(len(letters))))
    # powers of an odd base: no two sums or means of different numbers are the same
    scores = [{"r": x + math.sqrt(x) / 7} for x in values]
    before = pool(letters, scores=scores)
    after = Pool(tuple(before.candidates[i] for i in order), t.TEXT)
    for rule in ("select(by: best_of_n)", "select(by: weighted_best_of_n)", "vote(weight: score)"):
        first, second = choose(rule, before), choose(rule, after)
        assert first is not None and second is not None
        if set(letters) != {"?"}:
            assert before.candidates[first].key == after.candidates[second].key, rule


@given(st.text("ABC", min_size=1, max_size=7), st.data(), st.integers(1, 6))
@settings(max_examples=40, deadline=None)
def test_the_unit_of_a_score_does_not_matter(letters: str, data: st.DataObject, power: int) -> None:
    values = [data.draw(st.integers(-8, 8)) / 4 for _ in letters]
    plain = pool(letters, scores=[{"r": x} for x in values])
    scaled = pool(letters, scores=[{"r": x * 2**power} for x in values])  # a power of two rounds nothing
    for rule in BY_SCORE:
        assert choose(rule, plain) == choose(rule, scaled), rule
    moved = pool(letters, scores=[{"r": x + 64} for x in values])
    for rule in ("vote(weight: min_max(score))", "vote(weight: borda(score))", "select(by: best_of_n)"):
        assert choose(rule, plain) == choose(rule, moved), rule


@given(st.text("AB?", min_size=1, max_size=8))
def test_equal_weights_are_a_plain_vote(letters: str) -> None:
    of = pool(letters, scores=[{"r": 1.0}] * len(letters))
    for rule in BY_SCORE[:3]:
        assert choose(rule, of) == choose("vote()", of)
    assert weighted_best_of_n(classes(letters), [1.0] * len(letters)).index == vote(classes(letters)).index
