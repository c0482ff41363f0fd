"""The figures of one pipeline: accuracy, costs, attribution, judges, curves, classes, fields, confidence."""

from __future__ import annotations

import math
from typing import Any

import pytest
from evaluations import FIRST, HEAD, VOTE, program, rows, scripted
from ttscale.runtime.evaluate import Report
from ttscale.runtime.evaluate.attribution import attribution
from ttscale.runtime.evaluate.curves import curves
from ttscale.runtime.evaluate.figures import calibration, cost_of, judges, measure, standard_errors
from ttscale.runtime.metrics import wilson
from ttscale.runtime.program import load

FOUR = {"a?": [1, 1, 2], "b?": [1, 2, 2], "c?": [3, 3, 3], "d?": [1, "none of them", "no idea"]}
GOLDS = {"a?": 1, "b?": 1, "c?": 1, "d?": 1}


def figures(report: Report, arm: int = 0) -> dict[str, Any]:
    found = report.arms[arm]["figures"]
    assert isinstance(found, dict)
    return found


def test_accuracy_has_its_interval_and_costs_count_everything() -> None:
    with program(FOUR, VOTE) as own:
        report = own.evaluate(rows(GOLDS))
    found = figures(report)
    assert (found["questions"], found["answers"], report.accuracy) == (4, 4, 0.5)
    assert report.interval == pytest.approx(wilson(2, 4))
    mean, right = found["cost"]["mean"], found["cost"]["per_right"]
    assert mean["calls"] == 3 and mean["tokens"] == mean["prompt_tokens"] + mean["new_tokens"]
    assert right["calls"] == 6
    assert found["unreadable_samples"] == pytest.approx(2 / 12)
    assert found["unreadable_answers"] == 0


def test_a_vote_is_blamed_for_what_it_threw_away_and_sampling_for_what_was_never_made() -> None:
    with program(FOUR, VOTE) as own:
        found = figures(own.evaluate(rows(GOLDS)))["attribution"]
    assert (found["right"], found["never_made"], found["elsewhere"]) == (0.5, 0.25, 0)
    drawn, vote = found["stages"]
    assert (drawn["before"], drawn["after"], drawn["blamed"]) == (None, 0.75, 0)
    assert (vote["before"], vote["after"], vote["lost"], vote["blamed"]) == (0.75, 0.5, 0.25, 0.25)
    assert "main/vote threw away the right answer in 25% of questions" in found["sentences"]
    assert "in 25% of questions no right answer was ever made" in found["sentences"]


def stage(path: str, op: str, needs: list[str], pool: list[int]) -> dict[str, Any]:
    return {"path": path, "op": op, "needs": needs, "pool": pool, "calls": 0, "tokens": 0}


def test_of_two_losses_the_later_one_is_blamed_and_a_fusion_can_gain() -> None:
    right, wrong = {"score": 1.0}, {"score": 0.0}
    regained = {
        "score": 0.0,
        "candidates": [right, wrong, right, wrong],
        "stages": [
            stage("g", "generate", [], [0, 1]),
            stage("rank", "rank", ["g"], [1]),
            stage("fuse", "fuse", ["rank"], [2, 3]),
            stage("vote", "vote", ["fuse"], [3]),
        ],
    }
    found = attribution([regained])
    assert found is not None
    by_path = {own["path"]: own for own in found["stages"]}
    assert (by_path["rank"]["lost"], by_path["rank"]["blamed"]) == (1.0, 0.0)
    assert by_path["fuse"]["gained"] == 1.0
    assert by_path["vote"]["blamed"] == 1.0
    assert found["never_made"] == 0


def test_nothing_is_attributed_without_gold() -> None:
    with program(FOUR, VOTE) as own:
        report = own.evaluate([{"question": "a?"}, {"question": "b?"}])
    assert report.accuracy is None and report.interval is None
    assert figures(report)["attribution"] is None and figures(report)["curves"] is None
    assert "accuracy" in report.text()


def test_curves_are_exact_where_all_subsets_can_be_tried() -> None:
    with program({"a?": [1, 1, 2]}, VOTE) as own:
        found = figures(own.evaluate(rows({"a?": 1})))["curves"]
    assert found["k"] == [1, 2, 3]
    assert found["pass"] == pytest.approx([2 / 3, 1, 1])
    assert found["mean"] == pytest.approx([2 / 3] * 3)
    assert found["majority"] == pytest.approx([2 / 3, 1, 1])  # of one each, the first made wins: 1 before 2
    assert found["pipeline"] is None


def test_a_curve_follows_the_pipelines_own_choice() -> None:
    judged = """
    pipeline main(question: Text) -> Number {
      drafts = generate(solve(question), from: small, n: 3)
      return drafts |> score(by: yes_no, using: check, from: judge, as: fit) |> select(by: score("fit"))
    }
    """
    more = 'model judge = script("no", "yes", "no")\n'
    with program({"a?": [2, 1, 2]}, judged, more=more) as own:
        found = figures(own.evaluate(rows({"a?": 1})))["curves"]
    assert found["pipeline"] == pytest.approx([1 / 3, 2 / 3, 1])
    assert found["majority"] == pytest.approx([1 / 3, 1 / 3, 0])


def test_a_curve_weighs_samples_by_the_model_that_made_them() -> None:
    weighed = """
    pipeline main(question: Text) -> Number {
      return generate(solve(question), from: [small, other], n: 1) |> vote(weight: origin("other: 3"))
    }
    """
    with program({"a?": [2]}, weighed, more='model other = script("Answer: 1")\n') as own:
        found = figures(own.evaluate(rows({"a?": 1})))["curves"]
    assert found["pipeline"] == [0.5, 1] and found["majority"] == [0.5, 0]


def test_one_sample_makes_no_curve() -> None:
    with program({"a?": [1]}, FIRST) as own:
        assert figures(own.evaluate(rows({"a?": 1}), pipelines=["one"]))["curves"] is None
    assert curves([], None) is None


JUDGED = """
pipeline main(question: Text) -> Number {
  drafts = generate(solve(question), from: small, n: 4)
  return drafts |> verify(using: check, from: judge) |> vote()
}
"""


def test_a_judge_is_measured_against_gold() -> None:
    more = 'model judge = script("yes", "no", "yes", "no")\n'
    with program({"a?": [1, 1, 2, 2]}, JUDGED, more=more) as own:
        (found,) = figures(own.evaluate(rows({"a?": 1})))["judges"]
    assert (found["op"], found["asks"], found["judged"], found["right"]) == ("verify", True, 4, 0.5)
    assert found["auc"] == found["auc_within"] == 0.5
    assert found["agreement"] == 0.5
    assert (found["false_alarms"], found["misses"]) == (0.5, 0.5)


def test_what_verify_drops_counts_as_rejected() -> None:
    more = 'model judge = script("yes", "no", "yes", "no")\n'
    with program({"a?": [1, 2, 1, 2]}, JUDGED, more=more) as own:
        report = own.evaluate(rows({"a?": 1}))
    (found,) = figures(report)["judges"]
    assert (found["auc"], found["agreement"], found["judged"]) == (1.0, 1.0, 4)
    (record,) = report.records["main"]
    assert record["stages"][1]["judged"] == [[0, 1.0], [1, 0.0], [2, 1.0], [3, 0.0]]


def test_ranks_are_judged_within_their_question() -> None:
    record = {
        "candidates": [{"score": 1.0}, {"score": 0.0}],
        "stages": [{**stage("rank", "rank", ["g"], [0]), "judged": [[0, -1.0], [1, -2.0]]}],
    }
    (found,) = judges([record])
    assert found["auc"] is None and found["auc_within"] == 1.0 and found["agreement"] is None


def test_judgements_that_could_not_be_read_are_counted() -> None:
    rated = """
    prompt rate(question: Text, answer: Text) -> Number = "rate {{ answer }}"
    model judge = script("0.9", "hm", "hm", "0.1")
    pipeline main(question: Text) -> Number {
      drafts = generate(solve(question), from: small, n: 4)
      return drafts |> score(by: yes_no, using: rate, from: judge, as: rated) |> vote()
    }
    """
    with program({"a?": [1, 1, 2, 2]}, rated) as own:
        found = figures(own.evaluate(rows({"a?": 1})))
    (counted,) = found["judgements"]
    assert (counted["path"], counted["asked"], counted["unreadable"], counted["rate"]) == ("main/score", 4, 2, 0.5)
    assert found["judges"][0]["judged"] == 2 and found["judges"][0]["auc"] == 1.0


def test_classes_have_a_matrix_and_macro_f1() -> None:
    text = """tts 1
    prompt sort(question: Text) -> Choice(spam, ham) = "{{ question }}"
    pipeline main(question: Text) -> Choice(spam, ham) { return generate(sort(question), from: small, n: 1) |> vote() }
    """
    with load(text + scripted({"a?": ["spam"], "b?": ["ham"], "c?": ["spam"], "d?": ["?"]})) as own:
        found = figures(own.evaluate(rows({"a?": "spam", "b?": "ham", "c?": "ham", "d?": "ham"})))["classes"]
    assert found["labels"] == ["spam", "ham"]
    assert found["counts"] == [[1, 0], [1, 1]] and found["unreadable"] == [0, 1]
    assert found["per_class"]["ham"]["recall"] == pytest.approx(1 / 3)
    assert found["macro_f1"] == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert found["log_loss"] is None


def test_records_are_measured_field_by_field() -> None:
    text = """tts 1
    record Bill { vendor: Text  total: Number }
    prompt read(question: Text) -> Bill = "{{ question }} {{ output_format }}"
    pipeline main(question: Text) -> Bill { return generate(read(question), from: small, n: 1) |> vote() }
    """
    replies = {"a?": ['{"vendor": "Ann", "total": 3}'], "b?": ['{"vendor": "Bob", "total": 5}']}
    golds = {"a?": {"vendor": "ann", "total": 3.0}, "b?": {"vendor": "Bob", "total": 4}}
    with load(text + scripted(replies)) as own:
        report = own.evaluate(rows(golds))
    assert figures(report)["fields"] == {"vendor": 1.0, "total": 0.5}
    assert report.accuracy == 0.5


def test_agreement_is_a_confidence_that_can_be_checked() -> None:
    scored = [{"score": 1.0, "confidences": {"agreement": 0.8}}, {"score": 0.0, "confidences": {"agreement": 0.4}}]
    (found,) = calibration(scored)
    assert found["source"] == "agreement"
    assert found["brier"] == pytest.approx((0.04 + 0.16) / 2)
    assert found["ece"] == pytest.approx(0.3)
    assert found["auc"] == 1.0 and found["coverage"]["0.5"] == 1.0


def test_question_and_sampling_variance_are_told_apart() -> None:
    same = standard_errors({"a": [1, 1], "b": [0, 0], "c": [1, 1]})
    assert same is not None and same["sampling"] == 0 and same["questions"] == pytest.approx(same["total"])
    mixed = standard_errors({"a": [1, 0], "b": [0, 1], "c": [1, 0]})
    assert mixed is not None and mixed["sampling"] > 0 and mixed["questions"] == 0
    assert standard_errors({"a": [1], "b": [0]}) is None


def test_several_answers_a_question_are_one_mean_with_a_bootstrap() -> None:
    records = [{"id": name, "score": score} for name, scores in {"a": (1, 0), "b": (1, 1)}.items() for score in scores]
    found = measure(records)
    assert found["accuracy"] == 0.75 and found["right"] == 1.5
    assert found["interval"][0] == 0.5 and found["interval"][1] == 1.0


def test_a_mean_cost_of_no_right_answer_is_not_said() -> None:
    costs = dict.fromkeys(
        ("calls", "tokens", "prompt_tokens", "new_tokens", "sequential_tokens", "usd", "seconds"), 2.0
    )
    found = cost_of([{"score": 0.0, "cost": costs, "stages": []}])
    assert found["per_right"] is None and math.isclose(found["mean"]["tokens"], 2)


def test_a_declared_metric_measures_shares() -> None:
    metric = "metric near(pred: Number, row: Row) -> Float = 1.0 - (pred - row.answer) / 2\n"
    text = HEAD + scripted({"a?": [2], "b?": [1]}) + metric + FIRST
    with load(text) as own:
        report = own.evaluate(rows({"a?": 1, "b?": 1}), ["near", "accuracy"], pipelines=["one"])
    found = figures(report)
    assert report.accuracy == 0.75
    assert found["grades"]["accuracy"]["mean"] == 0.5
