"""`ttscale fit`: what it says of pools whose figures are known."""

from __future__ import annotations

import json
import random
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest
from cli_runs import tts
from ttscale.compiler.diagnostics import CompileError
from ttscale.runtime.planners import PlannerError, plan_pool
from ttscale.runtime.planners.drawing import as_svg
from ttscale.runtime.planners.pool_text import as_text
from ttscale.runtime.poolfile import read_pool
from ttscale.runtime.selections import recorded, rules_for
from ttscale.runtime.strategies import pass_at_k


def sampled(questions: int, samples: int, *, seed: int = 0, scores: bool = True) -> list[dict[str, Any]]:
    """Questions of growing difficulty; a judge's score is usually higher for a right answer."""
    draw = random.Random(seed)
    found: list[dict[str, Any]] = []
    for number in range(questions):
        chance = 1 - number / questions
        own = []
        for _ in range(samples):
            right = draw.random() < chance
            sample: dict[str, Any] = {
                "text": "so 42" if right else f"so {draw.randrange(4)}",
                "answer": "42" if right else str(draw.randrange(4)),
                "tokens": 100,
                "logprob_mean": -0.2 if right else -0.4,
            }
            if scores:
                sample["scores"] = {"judge": draw.uniform(0.4, 1) if right else draw.uniform(0, 0.6)}
            own.append(sample)
        found.append({"id": f"q{number}", "gold": "42", "samples": own})
    return found


def write(folder: Path, questions: list[dict[str, Any]]) -> Path:
    path = folder / "pool.jsonl"
    path.write_text("".join(json.dumps(q) + "\n" for q in questions), encoding="utf-8")
    return path


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    return write(tmp_path, sampled(20, 8))


def test_the_curve_is_that_of_the_pool(pool: Path) -> None:
    questions = read_pool(pool)
    document = plan_pool(questions, targets=(0.6, 0.999999), token_budgets=(50, 250, 10_000))
    counts = [sum(map(bool, q.correct)) for q in questions]
    own = document["coverage"]
    assert own["k"] == [1, 2, 4, 8]
    wanted = [sum(pass_at_k(8, right, k) for right in counts) / 20 for k in own["k"]]
    assert own["measured"] == pytest.approx(wanted)
    assert all(low <= value <= high for value, (low, high) in zip(own["measured"], own["interval"], strict=True))
    assert own["tokens"] == [100, 200, 400, 800]
    reached, beyond = document["targets"]
    k = reached["samples"]
    assert reached["by"] == "measured" and reached["tokens"] == 100 * k
    assert sum(pass_at_k(8, right, k) for right in counts) / 20 >= 0.6
    assert k == 1 or sum(pass_at_k(8, right, k - 1) for right in counts) / 20 < 0.6
    assert beyond["by"] == "law" and beyond["samples"] > 8
    none, two, many = document["budgets"]
    assert (none["samples"], none["coverage"]) == (0, None)
    assert two["samples"] == 2 and two["coverage"] == pytest.approx(wanted[1])
    assert many["samples"] == 100 and many["by"] == "law" and many["coverage"] > wanted[-1]
    assert json.loads(json.dumps(document)) == document


def test_rules_are_measured_at_every_size(pool: Path) -> None:
    questions = read_pool(pool)
    document = plan_pool(questions)
    own = document["rules"]
    mean = sum(sum(map(bool, q.correct)) for q in questions) / 160
    assert set(own["accuracy"]) >= {
        "select(by: first)",
        "vote()",
        'select(by: score("judge"))',
        "vote(weight: likelihood)",
    }
    assert all(values[0] == pytest.approx(mean) for values in own["accuracy"].values())
    assert own["accuracy"]["select(by: first)"] == pytest.approx([mean] * 4)
    best = own["accuracy"]['select(by: score("judge"))']
    assert best == sorted(best) and best[-1] > mean + 0.1
    # all eight: the rule itself, on every question
    whole = sum(
        max(zip(q.pool, q.correct, strict=True), key=lambda c: c[0].scores["judge"])[1] is True for q in questions
    )
    assert best[-1] == pytest.approx(whole / 20)
    assert all(
        value <= any_right + 1e-9
        for values in own["accuracy"].values()
        for value, any_right in zip(values, document["coverage"]["measured"], strict=True)
    )
    only = plan_pool(questions, rules=["vote()", 'vote(weight: score("critic"))'])["rules"]
    assert list(only["accuracy"]) == ["vote()"] and "critic" in str(only["missing"])
    with pytest.raises(CompileError):
        plan_pool(questions, rules=["vote(by: nothing)"])


def test_bins_and_verifiers(pool: Path) -> None:
    document = plan_pool(read_pool(pool), bins=4, wrong=-3)
    bins = document["difficulty"]["bins"]
    assert sum(own["questions"] for own in bins) == 20
    assert [own["one_sample"] for own in bins] == sorted((own["one_sample"] for own in bins), reverse=True)
    assert sum(document["difficulty"]["levels"].values()) == 20
    (judge,) = document["verifiers"]
    scored = [
        (c.scores["judge"] >= 0.5, right) for q in read_pool(pool) for c, right in zip(q.pool, q.correct, strict=True)
    ]
    of_right = [accepted for accepted, right in scored if right]
    assert judge["completeness"] == pytest.approx(sum(of_right) / len(of_right))
    assert judge["threshold"] == 0.5 and judge["judged"] == 160 and judge["unjudged"] == 0
    assert judge["right"] + judge["wrong"] + judge["abstained"] == pytest.approx(1)
    assert judge["right"] <= judge["precision_bound"]
    assert judge["value"] == pytest.approx(judge["right"] - 3 * judge["wrong"])
    rows = judge["splits"]["rows"]
    assert [row["budget"] for row in rows] == [1, 2, 4, 8]
    assert all(row["solutions"] * (1 + row["verifications"]) <= row["budget"] for row in rows)
    assert all(row["accuracy"] >= row["votes_alone"] for row in rows)


def test_other_ways_to_tell_difficulty(pool: Path, tmp_path: Path) -> None:
    questions = read_pool(pool)
    assert plan_pool(questions, difficulty="agreement")["difficulty"]["by"] == "agreement"
    assert plan_pool(questions, difficulty="score")["difficulty"]["bins"][0]["from"] > 0.4
    (tmp_path / "plain").mkdir()
    bare = read_pool(write(tmp_path / "plain", sampled(4, 2, scores=False)))
    with pytest.raises(PlannerError, match="needs scores"):
        plan_pool(bare, difficulty="score")
    assert plan_pool(bare)["verifiers"] == []


def test_scores_that_are_no_shares_are_cut_where_they_tell_most(tmp_path: Path) -> None:
    questions = sampled(10, 6)
    for question in questions:
        for sample in question["samples"]:
            sample["scores"] = {"reward": 3.0 if sample["answer"] == "42" else -2.0}
    document = plan_pool(read_pool(write(tmp_path, questions)))
    (reward,) = document["verifiers"]
    assert (reward["threshold"], reward["completeness"], reward["soundness"], reward["splits"]) == (3.0, 1.0, 1.0, None)
    assert "or more times" in as_text(document)


def test_pools_that_say_little(tmp_path: Path) -> None:
    unknown = [{"id": 1, "samples": [{"answer": "a"}]}]
    with pytest.raises(PlannerError, match="which of its samples are right"):
        plan_pool(read_pool(write(tmp_path, unknown)))
    mixed = [*unknown, {"id": 2, "gold": "a", "samples": [{"answer": "a"}]}]
    document = plan_pool(read_pool(write(tmp_path, mixed)), token_budgets=(100,))
    assert (document["questions"], document["left_out"], document["law"], document["saturation"]) == (1, 1, None, None)
    text = as_text(document)
    assert "1 more were left out" in text and "law: none" in text and "does not say how long" in text
    hopeless = [{"id": 1, "gold": "a", "samples": [{"answer": "b"}] * 4}]
    document = plan_pool(read_pool(write(tmp_path, hopeless)))
    assert document["targets"][0]["samples"] is None and "out of reach" in as_text(document)


def test_the_drawing_is_whole(pool: Path) -> None:
    drawn = as_svg(plan_pool(read_pool(pool)))
    root = ElementTree.fromstring(drawn)
    assert root.tag.endswith("svg")
    titles = [e.text for e in root.iter() if e.tag.endswith("title")]
    assert 'select(by: score("judge"))' in titles
    assert sum(e.tag.endswith("circle") for e in root.iter()) == 4


def test_the_command(pool: Path, tmp_path: Path) -> None:
    shown = tts("fit", str(pool), "--target", "0.8", "--tokens", "400", "--svg", str(tmp_path / "c.svg"))
    assert shown.code == 0 and "COVERAGE" in shown.out and "coverage of 80.0%" in shown.out
    assert 'VERIFIER: THE SCORE "judge"' in shown.out and (tmp_path / "c.svg").stat().st_size > 1000
    document = json.loads(tts("fit", str(pool), "--rule", "vote()", "--json").out)
    assert list(document["rules"]["accuracy"]) == ["vote()"]
    wrong = tts("fit", str(pool), "--target", "1.5")
    assert wrong.code == 2
    lost = tts("fit", str(tmp_path / "nothing.jsonl"))
    assert lost.code == 1 and "nothing.jsonl" in lost.err


def test_models_are_compared_alone_and_together(tmp_path: Path) -> None:
    def question(number: int, answers: dict[str, str]) -> dict[str, Any]:
        samples = [{"answer": a, "model": name} for name, own in answers.items() for a in own]
        return {"id": number, "gold": "1", "samples": samples}

    rows = [question(0, {"a": "11", "b": "12"}), question(1, {"a": "23", "b": "11"}), question(2, {"b": "11"})]
    document = plan_pool(read_pool(write(tmp_path, rows)))
    first, second = document["sources"]
    assert (first["model"], first["questions"], first["one_sample"]) == ("b", 3, pytest.approx(2.5 / 3))
    assert (second["model"], second["questions"], second["one_sample"]) == ("a", 2, 0.5)
    assert second["together"] == {"questions": 3, "one_sample": pytest.approx(2.25 / 3), "majority": 1, "coverage": 1}
    assert "MODELS" in as_text(document)
    questions = read_pool(write(tmp_path, rows))
    every = plan_pool(questions, rules=["all"])["rules"]
    assert [*every["accuracy"], *every["missing"]] == list(rules_for(recorded(questions)))
