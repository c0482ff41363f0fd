"""Pipelines against each other: what is said to be better, equal spend, ablation."""

from __future__ import annotations

import random
from typing import Any

import pytest
from evaluations import FIRST, HEAD, VOTE, program, rows, scripted
from ttscale.compiler.ir import Graph
from ttscale.runtime.evaluate.ablation import without
from ttscale.runtime.evaluate.versus import before_spending, sentence, versus
from ttscale.runtime.program import load


def records(scores: dict[str, list[float]]) -> list[dict[str, Any]]:
    return [{"id": name, "seed": seed, "score": s} for name, own in scores.items() for seed, s in enumerate(own)]


def test_better_is_said_only_when_it_is() -> None:
    names = [f"q{i}" for i in range(40)]
    good = records({name: [1.0] for name in names})
    bad = records({name: [float(i < 20)] for i, name in enumerate(names)})
    near = records({name: [float(i < 38)] for i, name in enumerate(names)})
    sure, unsure = versus([("good", "bad"), ("good", "near")], {"good": good, "bad": bad, "near": near})
    assert (sure["verdict"], sure["difference"]) == ("better", 0.5)
    assert sure["adjusted_p"] == pytest.approx(2 * sure["p"])
    assert (unsure["verdict"], unsure["difference"]) == ("no difference shown", pytest.approx(0.05))
    (back,) = versus([("bad", "good")], {"good": good, "bad": bad})
    assert back["verdict"] == "worse" and back["interval"][1] < 0


def test_equal_pipelines_are_rarely_called_different() -> None:
    draw = random.Random(7)
    called = 0
    for _ in range(60):
        a, b, c = ({f"q{i}": [float(draw.random() < 0.5)] for i in range(30)} for _ in range(3))
        pairs = [("b", "a"), ("c", "a"), ("c", "b")]
        found = versus(pairs, {"a": records(a), "b": records(b), "c": records(c)})
        called += any(own["verdict"] != "no difference shown" for own in found)
    assert called <= 6


def test_several_seeds_count_as_one_question() -> None:
    draw = random.Random(1)
    names = [f"q{i}" for i in range(30)]
    a = records({name: [float(draw.random() < 0.8) for _ in range(3)] for name in names})
    b = records({name: [float(draw.random() < 0.3) for _ in range(3)] for name in names})
    (found,) = versus([("a", "b")], {"a": a, "b": b})
    assert found["questions"] == 30 and len(found["mcnemar_by_seed"]) == 3
    assert found["verdict"] == "better"
    assert found["errors"]["sampling"] > 0 and found["errors"]["seeds"] == 3


def test_only_questions_that_both_answered_are_compared() -> None:
    a = records({"x": [1.0], "y": [0.0], "z": [1.0]})
    b = records({"y": [1.0], "z": [1.0]})
    (found,) = versus([("a", "b")], {"a": a, "b": b})
    assert found["questions"] == 2 and found["difference"] == -0.5
    assert versus([("a", "b")], {"a": a, "b": []}) == []


def test_what_can_be_seen_is_said_before_anything_is_spent() -> None:
    many, few = before_spending(1000, 1, 1), before_spending(50, 1, 3)
    assert many["smallest"] < 0.06 < few["smallest"]
    assert many["half_width"] == pytest.approx(0.031, abs=0.001)
    assert "0.6% cannot be shown at all" in sentence(many)
    assert "corrected for 3 comparisons" in sentence(few)
    assert "too few to show any difference" in sentence(before_spending(4, 1, 1))
    assert "likely" not in sentence(before_spending(100, 1, 0))


# --- equal spend -------------------------------------------------------------------------------------------

ANSWERS = {f"q{i}": [1, 2, 1, 1] for i in range(10)}


def test_sizes_are_changed_until_all_spend_the_same() -> None:
    with program(ANSWERS, VOTE, FIRST) as own:
        report = own.evaluate(rows(dict.fromkeys(ANSWERS, 1)), pipelines=["main", "one"], match="tokens")
    assert [arm["label"] for arm in report.arms] == ["main", "one (n = 3)"]
    first, other = report.document["matching"]["arms"]
    assert (other["param"], other["before"], other["after"], other["ratio"]) == ("n", 1, 3, 1.0)
    assert first["reached"] == other["reached"]
    assert "within 0.0% of the first" in report.text()


def test_a_pipeline_without_a_size_is_left_as_it_is_and_that_is_said() -> None:
    fixed = (
        "pipeline fixed(question: Text) -> Number { return generate(solve(question), from: small, n: 1) |> vote() }\n"
    )
    with program(ANSWERS, VOTE, fixed) as own:
        report = own.evaluate(rows(dict.fromkeys(ANSWERS, 1)), pipelines=["main", "fixed"], match="tokens")
    note = report.document["matching"]["arms"][1]
    assert note["param"] == "" and "no whole-number parameter" in note["note"]
    assert note["ratio"] == pytest.approx(1 / 3)


# --- without one stage -------------------------------------------------------------------------------------

LAYERED = (
    HEAD
    + scripted({"q": [1, 2, 2]})
    + """
model judge = script("yes", "no", "no")
pipeline main(question: Text) -> Number {
  drafts = generate(solve(question), from: small, n: 3)
  return drafts |> score(by: yes_no, using: check, from: judge, as: fit) |> filter(min_score: 0.5) |> vote()
}
"""
)


def graph(text: str) -> Graph:
    with load(text) as own:
        return own.graph()


def test_a_stage_is_left_out_with_the_filter_that_needs_it() -> None:
    found, also = without(graph(LAYERED), "main/score")
    assert found is not None and also == "main/filter"
    assert [stage.op for stage in found.stages] == ["generate", "vote"]


def test_a_stage_that_a_choice_needs_stays() -> None:
    found, why = without(graph(LAYERED.replace("vote()", 'select(by: score("fit"))')), "main/score")
    assert found is None and why == "main/select needs it"


def test_a_vote_is_replaced_by_the_first_candidate() -> None:
    with load(LAYERED) as own:
        report = own.evaluate(rows({"q": 2}), ablate=True)
    by_label = {arm["label"]: arm["figures"] for arm in report.arms}
    assert by_label["main"]["accuracy"] == 0  # the judge accepts 1 alone
    assert by_label["main without main/filter"]["accuracy"] == 1
    assert by_label["main without main/score, main/filter"]["cost"]["mean"]["calls"] == 3
    assert by_label["main without main/vote"]["accuracy"] == 0
    assert {own["against"] for own in report.document["comparisons"]} <= {"main"}
    assert "WITHOUT ONE STAGE" in report.text()
