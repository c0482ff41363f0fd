"""Planners: the reference vectors, cases worked out by hand, and what they say of small pools."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path
from typing import Any

import pytest
from ttscale.runtime import planners as p
from ttscale.runtime.planners.difficulty import bin_of

FOLDER = Path(__file__).resolve().parents[2] / "shared" / "vectors"


def vectors(name: str) -> list[Any]:
    """The cases of a reference file, or one that is skipped with the reason where the files are absent."""
    path = FOLDER / f"{name}.json"
    if not path.exists():
        return [pytest.param({}, marks=pytest.mark.skip(reason=f"{name}.json is not beside the project"))]
    return list(json.loads(path.read_text(encoding="utf-8"))["cases"])


# --- coverage --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", vectors("coverage_power_law"))
def test_the_reference_law_is_found_again(case: dict[str, Any]) -> None:
    given, expected = case["input"], case["expected"]
    law = p.fit_power_law(given["k"], given["coverage"])
    assert law is not None
    assert (law.a, law.b) == pytest.approx(expected["fit_exact"], rel=1e-4)
    assert [law.at(k) for k in given["k"]] == pytest.approx(given["coverage"], rel=1e-6)
    assert law.samples_for(0.9) == pytest.approx(expected["k_for_90pct"], rel=1e-3)
    noisy = p.fit_power_law(given["k"], given["noisy_coverage"])
    assert noisy is not None and (noisy.a, noisy.b) == pytest.approx(expected["fit_noisy"], rel=1e-4)


@pytest.mark.parametrize("case", vectors("pass_at_k"))
def test_coverage_of_one_question_is_pass_at_k(case: dict[str, Any]) -> None:
    given = case["input"]
    assert p.coverage_curve([(given["n"], given["c"])], given["k"]) == pytest.approx(case["expected"], rel=1e-9)


@pytest.mark.parametrize("case", vectors("best_of_k_expected_accuracy"))
def test_expected_best_of_k_of_distinct_scores(case: dict[str, Any]) -> None:
    flags = case["input"]["correct_flags_sorted_by_score_desc"]
    scores = [float(len(flags) - i) for i in range(len(flags))]
    shuffled = list(range(len(flags)))
    random.Random(3).shuffle(shuffled)
    found = [
        p.expected_best_of_k([scores[i] for i in shuffled], [flags[i] for i in shuffled], k) for k in case["input"]["k"]
    ]
    assert found == pytest.approx(case["expected"], abs=1e-8)  # the authors add 1e-9 to the denominator


def test_equal_scores_share_their_place() -> None:
    # Any of two equally scored samples may be taken: one of them is right.
    assert p.expected_best_of_k([1.0, 1.0], [True, False], 2) == pytest.approx(0.5)
    assert p.expected_best_of_k([0.5, 0.5, 0.1], [True, False, True], 3) == pytest.approx(0.5)
    # of two: the pairs (a, b) 1/2, (a, c) 1, (b, c) 0
    assert p.expected_best_of_k([0.5, 0.5, 0.1], [True, False, True], 2) == pytest.approx(0.5)
    with pytest.raises(ValueError, match="best of 3"):
        p.expected_best_of_k([1.0], [True], 3)


def test_the_fit_is_the_one_that_scipy_finds() -> None:
    optimize = pytest.importorskip("scipy.optimize")
    draw = random.Random(5)
    for _ in range(20):
        a, b = -draw.uniform(0.2, 4), -draw.uniform(0.05, 1.2)
        ks = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0]
        measured = [min(1.0, max(0.0, math.exp(a * k**b) + draw.gauss(0, 0.02))) for k in ks]
        found = p.fit_power_law(ks, measured)
        (wanted_a, wanted_b), _ = optimize.curve_fit(
            lambda k, a, b: [math.exp(a * x**b) for x in k], ks, measured, p0=[a, b], maxfev=10_000
        )
        if wanted_a < 0 and wanted_b < 0:
            assert found is not None and (found.a, found.b) == pytest.approx((wanted_a, wanted_b), rel=1e-3)


@pytest.mark.parametrize("curve", [[0.0, 0.0, 0.0], [1.0, 1.0, 1.0], [0.5, 1.0, 1.0], [0.6, 0.5, 0.4]])
def test_curves_without_a_law(curve: list[float]) -> None:
    assert p.fit_power_law([1, 2, 4], curve) is None


def test_the_law_says_how_many_samples_a_coverage_needs() -> None:
    law = p.PowerLaw(-2.0, -0.5)
    assert law.samples_for(law.at(50)) == pytest.approx(50)
    assert p.PowerLaw(-2.0, -1e-3).samples_for(0.999) == math.inf
    for impossible in (0.0, 1.0, 1.5):
        with pytest.raises(ValueError, match="between 0 and 1"):
            law.samples_for(impossible)


# --- saturation ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", vectors("ttspm_saturation"))
def test_reference_saturation(case: dict[str, Any]) -> None:
    given, expected = case["input"], case["expected"]
    curve = p.Saturation(given["F_max"], given["p"])
    for n, value in expected["F_N"].items():
        assert curve.at(int(n)) == pytest.approx(value, rel=1e-9)
    for n, value in expected["marginal_gain_dF_N=F(N+1)-F(N)"].items():
        assert curve.gain(int(n)) == pytest.approx(value, rel=1e-9)
    assert curve.enough(given["epsilon"]) == expected["N_star"]
    ns = [1, 2, 4, 8, 16, 32]
    fitted = p.fit_saturation(ns, [curve.at(n) for n in ns])
    assert fitted is not None and (fitted.ceiling, fitted.chance) == pytest.approx(
        (given["F_max"], given["p"]), rel=1e-4
    )


def test_enough_is_the_first_small_gain() -> None:
    draw = random.Random(1)
    for _ in range(200):
        curve = p.Saturation(draw.uniform(0.05, 1), draw.uniform(0.01, 1))
        epsilon = draw.choice([0.1, 0.01, 0.001])
        n = curve.enough(epsilon)
        assert curve.gain(n) <= epsilon and (n == 0 or curve.gain(n - 1) > epsilon)
    assert p.Saturation(0.5, 1.0).enough(0.01) == 1
    # the quotient of logarithms is 2 but for rounding
    assert p.Saturation(1.0, 0.5).enough(0.125) == 2
    with pytest.raises(ValueError, match="above 0"):
        p.Saturation(0.5, 0.5).enough(0)


def test_saturation_that_cannot_be_fitted() -> None:
    assert p.fit_saturation([1], [0.5]) is None
    assert p.fit_saturation([1, 2], [0.0, 0.0]) is None
    always = p.fit_saturation([1, 2, 4], [1.0, 1.0, 1.0])
    assert always is not None and (always.ceiling, always.chance) == pytest.approx((1, 1))


# --- attempts --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", vectors("flaws_optimal_k"))
def test_reference_attempts(case: dict[str, Any]) -> None:
    given, expected = case["input"], case["expected"]
    tasks = [p.Task(given["p_easy"], given["r_easy"]), p.Task(1 - given["p_easy"], given["r_hard"])]
    verifier = p.Verifier(given["completeness_c"], given["soundness_s"])
    worth = {"right": given["V_correct"], "wrong": given["V_false_positive"], "most": given["K_max"]}
    assert [verifier.rejected(task.success) for task in tasks] == pytest.approx(expected["beta"])
    for k, wanted in enumerate(expected["beliefs"]):
        assert list(p.beliefs(tasks, verifier, k)) == pytest.approx(wanted, rel=1e-9)
    found = p.optimal_attempts(tasks, verifier, **worth)
    assert list(found.values) == pytest.approx(expected["cumulative_value_exact"], rel=1e-9)
    assert found.attempts == expected["k_opt_exact"]
    notebook = p.notebook_values(tasks, verifier, **worth)
    assert list(notebook) == pytest.approx(expected["cumulative_value_official"], rel=1e-9)
    best = max(notebook)
    assert (notebook.index(best) + 1 if best >= 0 else 0) == expected["k_opt_official"]


def test_attempts_agree_with_a_simulation() -> None:
    tasks = [p.Task(0.6, 0.8), p.Task(0.4, 0.2)]
    verifier = p.Verifier(0.9, 0.7)
    found = p.optimal_attempts(tasks, verifier, wrong=-1.0, most=20)
    draw = random.Random(0)
    ends = {"right": 0, "wrong": 0, "abstained": 0}
    rounds = 40_000
    for _ in range(rounds):
        success = 0.8 if draw.random() < 0.6 else 0.2
        end = "abstained"
        for _ in range(found.attempts):
            right = draw.random() < success
            if draw.random() < (0.9 if right else 0.3):
                end = "right" if right else "wrong"
                break
        ends[end] += 1
    shares = (found.right, found.wrong, found.abstained)
    assert shares == pytest.approx([n / rounds for n in ends.values()], abs=0.01)
    assert found.value == pytest.approx(found.right - found.wrong)


def test_a_bad_verifier_is_best_left_alone() -> None:
    found = p.optimal_attempts([p.Task(1.0, 0.1)], p.Verifier(0.5, 0.5), wrong=-10)
    assert (found.attempts, found.value, found.right, found.wrong, found.abstained) == (0, 0, 0, 0, 1)
    perfect = p.optimal_attempts([p.Task(1.0, 0.1)], p.Verifier(1.0, 1.0), wrong=-10, most=30)
    assert perfect.attempts == 30 and perfect.wrong == 0
    with pytest.raises(ValueError, match="at least one task"):
        p.optimal_attempts([], p.Verifier(1, 1))


def test_no_number_of_attempts_passes_the_bound() -> None:
    tasks = [p.Task(0.5, 0.9), p.Task(0.5, 0.05)]
    verifier = p.Verifier(0.95, 0.8)
    bound = p.precision_bound(tasks, verifier)
    assert bound == pytest.approx((0.855 / (0.855 + 0.02) + 0.0475 / (0.0475 + 0.19)) / 2)
    endless = p.optimal_attempts(tasks, verifier, wrong=0.0, most=500)
    assert endless.right == pytest.approx(bound, abs=1e-6) and endless.right <= bound
    assert p.accepted_accuracy(0.0, p.Verifier(1, 1)) is None
    assert p.precision_bound([p.Task(1, 0.0)], p.Verifier(1, 1)) == 0


def test_a_verifier_is_measured_on_judged_samples() -> None:
    found = p.measured_verifier([True, True, False, True, False], [True, True, True, False, False])
    assert found == p.Verifier(2 / 3, 0.5)
    assert p.measured_verifier([True], [True]) is None


# --- solving and verifying -------------------------------------------------------------------------------


@pytest.mark.parametrize("case", vectors("genrm_verification"))
def test_reference_verifications(case: dict[str, Any]) -> None:
    given = case.get("input", {})
    if "p_yes" in given:
        assert p.yes_probability(given["p_yes"], given["p_no"]) == pytest.approx(case["expected"])
    elif "verifications" in given:
        found = p.verdict_mean(given["verifications"], given["num_used"])
        assert found == pytest.approx(case["expected_score"])
    elif "S" in given:
        assert p.cost_in_solutions(given["S"], given["V"], given["lambda"]) == case["expected_cost_units"]
    else:  # reading verdicts and weighted votes are in test_vectors.py
        assert "text" in given or "predicted_answers" in given


def test_the_best_split_keeps_to_its_budget() -> None:
    def accuracy(s: int, v: int) -> float:
        return 1 - 0.9**s * 0.85**v

    found = p.best_split(accuracy, 8, solutions=[1, 2, 4, 8], verifications=[0, 1, 3])
    assert found is not None and (found.solutions, found.verifications, found.cost) == (8, 0, 8)
    cheap = p.best_split(accuracy, 8, ratio=0.1, solutions=[1, 2, 4, 8], verifications=[0, 1, 3])
    assert cheap is not None and (cheap.solutions, cheap.verifications) == (4, 3)
    assert p.best_split(accuracy, 0.5, solutions=[1], verifications=[0]) is None
    # of equally good ones the cheapest
    same = p.best_split(lambda s, v: 0.5, 8, solutions=[1, 8], verifications=[0, 1])
    assert same is not None and same.cost == 1


def test_a_split_grows_by_the_law() -> None:
    known = p.Split(8, 3, 32.0)
    larger = p.split_by_law(320, known)
    assert larger.solutions == round(8 * 10**0.57) and larger.cost <= 320
    assert p.cost_in_solutions(larger.solutions, larger.verifications + 1) > 320
    assert p.split_by_law(1, known) == p.Split(1, 0, 1.0)
    with pytest.raises(ValueError, match="less than one"):
        p.split_by_law(0.5, known)
    made = [(c, p.Split(round(2 * c**0.6), round(c**0.4), c)) for c in (1e4, 1e5, 1e6)]
    assert p.fit_split_law(made) == pytest.approx((0.6, 0.4), abs=0.01)
    assert p.fit_split_law(made[:1]) is None
    assert p.flops(1e9, 100, 8, 32, 2) == pytest.approx(2e9 * 100 * 520)


# --- difficulty ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", [c for c in vectors("search_and_learn_aggregation") if "metric_value" in str(c)])
def test_reference_levels(case: dict[str, Any]) -> None:
    given = case["input"]
    assert bin_of(given["metric_value"], given["quintiles"][::-1]) + 1 == case["expected_level"]


def test_bins_hold_equal_shares_and_equal_values_together() -> None:
    assert p.quantile_bins([0.9, 0.1, 0.5, 0.7, 0.3], 5) == [0, 4, 2, 1, 3]
    assert p.quantile_bins([1.0, 1.0, 1.0, 0.0, 0.0], 5) == [0, 0, 0, 3, 3]
    assert p.quantile_bins([0.5] * 4, 3) == [0, 0, 0, 0]
    assert [p.level(x) for x in (1.0, 0.5, 0.49, 0.1, 0.09)] == ["easy", "easy", "medium", "medium", "hard"]
    with pytest.raises(ValueError, match="one bin"):
        p.quantile_bins([1.0], 0)


def test_the_table_measures_each_choice_on_the_other_fold() -> None:
    bins = [0] * 8 + [1] * 8
    credits = {"careful": [1.0] * 8 + [0.0] * 8, "bold": [0.0] * 8 + [0.75] * 8}
    table = p.strategy_table(credits, bins)
    assert table.best == {0: ("careful", 1.0, 8), 1: ("bold", 0.75, 8)}
    assert table.overall == ("careful", 0.5)
    assert (table.adaptive, table.fixed) == (0.875, 0.5)


def test_a_choice_that_only_fits_its_own_fold_gains_nothing() -> None:
    # In each fold another rule looks best: held out, the choice is always the wrong one.
    credits = {"even": [1.0, 0.0] * 4, "odd": [0.0, 1.0] * 4}
    table = p.strategy_table(credits, [0] * 8)
    assert table.adaptive == 0.0 and table.best[0][1] == 0.5
    with pytest.raises(ValueError, match="rules and questions"):
        p.strategy_table({}, [0])


# --- long context ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", vectors("drag_allocation_model"))
def test_reference_allocation(case: dict[str, Any]) -> None:
    given, expected = case["input"], case["expected"]
    model = p.Allocation(tuple(given["a"]), tuple(given["b"]), given["c"], given["eps"])
    theta, gains = given["theta=(k_docs,m_shots,n_iters)"], given["i=(i_doc,i_shot,0)"]
    assert model.logit(theta, gains) == pytest.approx(expected["logit_performance"])
    assert model.performance(theta, gains) == pytest.approx(expected["performance"])


def test_an_allocation_is_fitted_and_spends_its_budget() -> None:
    pytest.importorskip("numpy")
    true = p.Allocation((0.2, 0.1, 0.3), (0.1, 0.05, 0.0), -1.0)
    gains = [(0.5, 0.2, 0.0), (0.1, 0.4, 0.0), (-0.2, 0.1, 0.0)]
    thetas = [(float(k), float(m), float(n)) for k in (0, 1, 5, 20) for m in (0, 2, 8) for n in (1, 3, 5)]
    measured = [(theta, gain, true.performance(theta, gain)) for theta in thetas for gain in gains]
    found = p.fit_allocation(measured)
    assert [*found.a, *found.b, found.c] == pytest.approx([*true.a, *true.b, true.c], abs=1e-6)
    best = found.best(thetas, gains[0], lambda t: t[2] * (t[0] * 200 + t[1] * 50 + 100), 5_000)
    fitting = [t for t in thetas if t[2] * (t[0] * 200 + t[1] * 50 + 100) <= 5_000]
    assert best == max(fitting, key=lambda t: true.logit(t, gains[0]))
    assert found.best(thetas, gains[0], lambda t: 1e9, 5_000) is None
    far = p.Allocation((50.0, 0.0, 0.0), (0.0, 0.0, 0.0), 0.0)
    assert far.performance((1e6, 0, 1), (0, 0, 0)) == 1.0 and far.performance((0, 0, 1), (0, 0, 0)) < 1e-90
    with pytest.raises(ValueError, match="measurements"):
        p.fit_allocation([])
