"""Figures over many answers, against values that SciPy 1.17 and scikit-learn 1.9 gave once, or closed forms."""

from __future__ import annotations

import json
import math
from itertools import combinations, pairwise
from pathlib import Path
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ttscale.runtime.metrics import (
    accuracy_at_coverage,
    auc,
    brier,
    compare,
    confusion,
    ece,
    holm,
    log_loss,
    macro_f1,
    mcnemar,
    mean_interval,
    mean_of_k,
    per_class,
    reliability,
    smallest_difference,
    smallest_mean_difference,
    variance_parts,
)

GOLDS, PREDICTED = "aababccbacbbaca", "abababccaacbbca"
CONFIDENCES = [
    *(0.24, 0.54, 0.37, 0.6, 0.63, 0.07, 0.01, 0.84, 0.26, 0.23),
    *(1.0, 0.47, 0.84, 0.48, 0.64, 0.15, 0.63, 0.87, 0.52, 0.74),
]
RIGHT = [bool(int(digit)) for digit in "01011101001010100111"]


# --- classes ----------------------------------------------------------------------------------------


def test_confusion_and_figures_a_class() -> None:
    matrix = confusion(GOLDS, PREDICTED, "abc")
    assert matrix.labels == ("a", "b", "c")
    assert matrix.counts == ((3, 3, 0), (2, 1, 2), (1, 1, 2))
    figures = per_class(matrix)
    assert [(f.precision, f.recall, f.f1, f.support) for f in figures.values()] == [
        (0.5, 0.5, 0.5, 6),
        (0.2, 0.2, 0.2, 5),
        (0.5, 0.5, 0.5, 4),
    ]
    assert macro_f1(matrix) == pytest.approx(0.4) and matrix.accuracy == pytest.approx(6 / 15)


def test_an_unreadable_answer_is_a_missed_gold_and_no_prediction() -> None:
    matrix = confusion(["a", "a", "b"], ["a", None, "b"])
    assert matrix.unreadable == (1, 0) and matrix.accuracy == pytest.approx(2 / 3)
    assert (per_class(matrix)["a"].recall, per_class(matrix)["a"].precision) == (0.5, 1.0)
    assert macro_f1(matrix) == pytest.approx((2 / 3 + 1) / 2)
    assert macro_f1(confusion(["a"], ["a"], ["a", "never"])) == 1.0
    assert macro_f1(confusion([], [])) == 0.0 == confusion([], []).accuracy
    with pytest.raises(ValueError, match="do not go with"):
        confusion("ab", "a")


def test_log_loss() -> None:
    given = [(0.7, 0.2, 0.1), (0.1, 0.8, 0.1), (0.3, 0.3, 0.4), (0.05, 0.05, 0.9)]
    rows = [dict(zip("abc", own, strict=True)) for own in given]
    assert log_loss("abca", rows) == pytest.approx(1.1229603751702721)
    doubled = [{label: 2 * p for label, p in row.items()} for row in rows]
    assert log_loss("abca", doubled) == pytest.approx(1.1229603751702721)
    assert log_loss("a", [{"b": 1.0}]) == pytest.approx(-math.log(1e-15))
    for golds, bad in (("", []), ("a", [{"a": 0.0}]), ("a", [{}]), ("a", [{"a": 2.0, "b": -1.0}])):
        with pytest.raises(ValueError):
            log_loss(golds, bad)


# --- confidence -------------------------------------------------------------------------------------


def test_auc_and_brier() -> None:
    assert auc(CONFIDENCES, RIGHT) == pytest.approx(0.8838383838383838)
    assert brier(CONFIDENCES, RIGHT) == pytest.approx(0.152745)
    assert auc([1.0, 1.0, 1.0], [True, False, True]) == 0.5
    assert auc([0.1, 0.2], [True, True]) is None


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=1, max_size=20))
def test_auc_counts_pairs(rows: list[tuple[int, bool]]) -> None:
    pairs = [(x > y) + (x == y) / 2 for x, good in rows if good for y, bad in rows if not bad]
    found = auc([score for score, _ in rows], [right for _, right in rows])
    assert found is None if not pairs else found == pytest.approx(fmean(pairs))


def test_calibration() -> None:
    # One bin: the difference of the means. Two: closed at the right, so 0.5 falls into the lower one.
    assert ece(CONFIDENCES, RIGHT, bins=1) == pytest.approx(abs(fmean(CONFIDENCES) - fmean(RIGHT)))
    assert ece([0.5, 0.5, 1.0, 0.0], [True, False, True, False], bins=2) == pytest.approx(0.75 * 0.0)
    assert ece([0.6, 0.9], [True, False], bins=2) == pytest.approx(0.25)
    assert [own.count for own in reliability([0.0, 0.1, 0.11, 1.0], [True] * 4)] == [2, 1, 0, 0, 0, 0, 0, 0, 0, 1]
    for confidences, right in (([1.5], [True]), ([], []), ([0.5], [])):
        with pytest.raises(ValueError):
            ece(confidences, right)


def test_accuracy_at_coverage() -> None:
    found = accuracy_at_coverage([0.9, 0.8, 0.7, 0.6], [True, True, False, False], (0.25, 0.5, 0.75, 1.0))
    assert found == {0.25: 1.0, 0.5: 1.0, 0.75: pytest.approx(2 / 3), 1.0: 0.5}
    tied = accuracy_at_coverage([0.9, 0.5, 0.5, 0.5], [True, True, False, False], (0.5,))
    assert tied == {0.5: pytest.approx((1 + 1 / 3) / 2)}
    assert accuracy_at_coverage([1.0] * 30, [True] * 30, (0.1,)) == {0.1: 1.0}
    with pytest.raises(ValueError, match="coverage"):
        accuracy_at_coverage([0.5], [True], (0.0,))


# --- comparisons ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("only_a", "only_b", "p"),
    [(3, 12, 0.03515625), (0, 7, 0.015625), (25, 41, 0.06401750413722565), (5, 5, 1.0), (0, 0, 1.0)],
)
def test_mcnemar(only_a: int, only_b: int, p: float) -> None:
    a = [1.0] * only_a + [0.0] * only_b + [1.0, 0.0]
    b = [0.0] * only_a + [1.0] * only_b + [1.0, 0.0]
    found = mcnemar(a, b)
    assert (found.only_a, found.only_b) == (only_a, only_b) and found.p == pytest.approx(p)
    assert mcnemar(b, a).p == found.p


def test_mcnemar_is_for_truth_values_of_the_same_questions() -> None:
    for a, b in (([0.5], [1.0]), ([1.0], [1.0, 0.0])):
        with pytest.raises(ValueError):
            mcnemar(a, b)
    assert mcnemar([1.0] * 5_000, [0.0] * 5_000).p == 0.0


def test_holm() -> None:
    # Holm 1979 by hand: 0.01 * 4, 0.02 * 3, max(0.06, 0.03 * 2), 0.04 * 1 raised to what came before.
    assert holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.5, 0.9]) == [1.0, 1.0] and holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_lies_between_the_raw_p_and_bonferroni(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    assert all(p <= q <= min(1.0, len(p_values) * p) + 1e-12 for p, q in zip(p_values, adjusted, strict=True))
    assert all(x <= y for x, y in pairwise(sorted(adjusted)))


def test_smallest_difference() -> None:
    # z(0.975) = 1.959964 and z(0.8) = 0.841621: solved by hand for 400 questions and a disagreement of 0.2.
    d = smallest_difference(400, 0.2)
    assert d * math.sqrt(400) == pytest.approx(
        1.9599639845 * math.sqrt(0.2) + 0.8416212336 * math.sqrt(0.2 - d * d), abs=1e-6
    )
    assert 0.06 < d < 0.065
    assert smallest_difference(1_600, 0.2) < d < smallest_difference(400, 0.4)
    assert smallest_difference(3, 0.5) == pytest.approx(0.5)
    assert smallest_mean_difference(100, 0.5) == pytest.approx(2.8015852181 * 0.05)
    with pytest.raises(ValueError):
        smallest_difference(0)


def test_the_smallest_difference_has_the_power_that_is_said() -> None:
    n, disagreement = 300, 0.3
    d = smallest_difference(n, disagreement)
    more, less = (disagreement + d) / 2, (disagreement - d) / 2
    power = 0.0  # exact: over how many questions differ, and how many of them favour A
    for differing in range(n + 1):
        chance = math.comb(n, differing) * disagreement**differing * (1 - disagreement) ** (n - differing)
        if chance < 1e-9:
            continue
        share = more / (more + less)
        power += chance * sum(
            math.comb(differing, k) * share**k * (1 - share) ** (differing - k)
            for k in range(differing + 1)
            if mcnemar([1.0] * k + [0.0] * (differing - k), [0.0] * k + [1.0] * (differing - k)).p <= 0.05
        )
    # The exact test is a little more careful than the approximation with which it is planned.
    assert 0.7 < power < 0.85


def test_variance_parts() -> None:
    parts = variance_parts([[1.0, 0.0], [1.0, 1.0], [0.0, 0.0]])
    # Within: 0.5 / 3; between the means 0.5, 1, 0: 0.25, less a half of what is within.
    assert parts.sampling == pytest.approx(0.5 / 3)
    assert parts.questions == pytest.approx(0.25 - 0.5 / 6)
    assert parts.of_mean == pytest.approx(0.25 / 3)
    assert variance_parts([[1.0], [0.0]]).sampling == 0.0
    for bad in ([[1.0]], [[1.0], [1.0, 0.0]], [[], []]):
        with pytest.raises(ValueError):
            variance_parts(bad)


def test_compare_says_better_only_where_it_is() -> None:
    better = ([1.0] * 40 + [0.0] * 60, [1.0] * 15 + [0.0] * 85)
    little = ([1.0] * 52 + [0.0] * 48, [1.0] * 50 + [0.0] * 50)
    first, second, third = compare([better, little, (better[1], better[0])])
    assert (first.verdict, second.verdict, third.verdict) == ("better", "no difference shown", "worse")
    assert first.p is not None and first.adjusted_p == pytest.approx(3 * first.p)
    assert first.low < first.difference < first.high and first.difference == pytest.approx(0.25)
    alone = compare([better])[0]
    assert alone.high - alone.low < first.high - first.low
    (shares,) = compare([([0.9, 0.8, 0.95] * 10, [0.1, 0.2, 0.15] * 10)])
    assert shares.p is None and shares.verdict == "better"


def test_means() -> None:
    low, high = mean_interval([1.0] * 50 + [0.0] * 50)
    assert 0.38 < low < 0.45 and 0.55 < high < 0.62
    right = [True, True, False, True, False]
    for k in (1, 2, 5):
        assert mean_of_k(5, 3, k) == pytest.approx(fmean(sum(own) / k for own in combinations(right, k)))
    with pytest.raises(ValueError):
        mean_of_k(5, 3, 6)


# --- against the authors' code ----------------------------------------------------------------------

VECTORS = Path(__file__).resolve().parents[2] / "shared" / "vectors" / "calibration_metrics.json"


@pytest.mark.skipif(not VECTORS.exists(), reason="the reference vectors are not beside the project")
def test_calibration_of_published_code() -> None:
    cases = json.loads(VECTORS.read_text(encoding="utf-8"))["cases"]
    for case in cases:
        problems = case["input"]["per_problem_[answer,prob,is_correct]"]
        best = [max(own, key=lambda answer: answer[1]) for own in problems]
        confidences, right = [p for _, p, _ in best], [bool(r) for _, _, r in best]
        error, score, published = case["expected"]["max_ECE_Brier_NLL"]
        assert (ece(confidences, right), brier(confidences, right)) == pytest.approx((error, score), abs=1e-9)
        loss = log_loss(right, [{True: p, False: 1 - p} for p in confidences])
        assert loss == pytest.approx(published, abs=1e-5)  # which adds 1e-6 to every probability
        each = [brier([p for _, p, _ in own], [bool(r) for _, _, r in own]) for own in problems]
        assert fmean(each) == pytest.approx(case["expected"]["avg_ECE_Brier_NLL"][1], abs=1e-9)
        accuracies, means, sizes = case["expected"]["bins_acc_conf_size"]
        bins = reliability(confidences, right)
        assert [own.count for own in bins] == sizes
        assert [own.accuracy for own in bins] == pytest.approx(accuracies)
        assert [own.confidence for own in bins] == pytest.approx(means)
