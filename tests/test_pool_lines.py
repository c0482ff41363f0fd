"""Runs written as pool files: all that is known of samples stands there, and a replay picks what the run picked."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from cli_runs import tts, write
from ttscale.compiler import types as t
from ttscale.runtime.answers import coerce
from ttscale.runtime.pool import Candidate, Comparison, Pool
from ttscale.runtime.pool_lines import line_of
from ttscale.runtime.replay import parse_selector, read_pool, replay
from ttscale.runtime.strategies import StrategyError

JUDGED = """tts 1
model small = script({
  "passes": ["no", "yes", "yes", "yes", "no", "yes"],
  "": ["Answer: 41", "Answer: 42", "so. Answer: 42.0"],
})
prompt solve(question: Text) -> Number = "{{ question }}"
prompt met(question: Text, answer: Text, test: Text) -> Choice(yes, no) = "passes {{ question }} {{ test }}{{ answer }}"

pipeline main(question: Text, points: [Text]) -> Number {
  drafts = generate(solve(question), from: small, n: 3)
  return drafts |> run_tests(with: points, method: judged, using: met, from: small) |> select(by: tests)
}
"""
WHOLE = Candidate(
    "so 42", "42", coerce(t.NUMBER, 42)[1], stage="main/generate", model="small", prompt="solve", tokens=3,
    logprob_mean=-0.25, logprob_sum=-0.75, scores={"judge": 0.5, "tests": 1.0}, rank=2, step_scores=(0.5, 1.0),
    tests=(True, False), outputs=("3", "!ValueError"), token_logprobs=(-0.5, -0.25, 0.0),
    token_confidences=(12.0, 13.5, 9.0),
)  # fmt: skip


def written(folder: Path, *lines: dict[str, object]) -> Path:
    path = folder / "pool.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def test_everything_that_rules_read_comes_back(tmp_path: Path) -> None:
    other = replace(WHOLE, text="no", answer=None, key=None, tests=(False, False), outputs=("", ""), rank=None)
    compared = (Comparison(0, 1, 0.75, "small", 2.0), Comparison(1, 0, 0.5))
    pool = Pool((WHOLE, other), t.NUMBER, compared)
    (question,) = read_pool(written(tmp_path, line_of("q1", pool, "6 * 7?", "42")))
    found = question.pool
    assert found.comparisons == compared and question.correct == (True, False) and question.question == "6 * 7?"
    for before, after in zip(pool, found, strict=True):
        assert replace(after, key=before.key, stage=before.stage) == before
    (plain,) = read_pool(written(tmp_path, line_of("q1", pool)))
    assert plain.correct == (None, None)


def test_records_and_lists_come_back_as_they_are(tmp_path: Path) -> None:
    kind = t.ListOf(t.TEXT)
    pool = Pool(tuple(Candidate(str(own), own, coerce(kind, own)[1]) for own in (["b", "a"], ["a", "b"])), kind)
    (question,) = read_pool(written(tmp_path, line_of("q1", pool, gold=["a", "b"])))
    assert question.correct == (False, True) and question.shown == (["b", "a"], ["a", "b"])


def test_a_run_writes_its_samples_with_their_tests(tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    row = {"id": "q1", "question": "6 * 7?", "points": ["even", "short"], "answer": 42}
    rows.write_text(json.dumps(row) + "\n", encoding="utf-8")
    pools = tmp_path / "pool.jsonl"
    ran = tts("run", write(tmp_path, JUDGED), "--input", rows, "--gold", "answer", "--pools", pools, "--no-bank")
    assert ran.code == 0, ran.err
    (question,) = read_pool(pools)
    assert [c.tests for c in question.pool] == [(False, True), (True, True), (False, True)]
    assert [c.scores["tests"] for c in question.pool] == pytest.approx([0.5, 0.9, 0.5])
    assert question.correct == (False, True, True)
    table = tts("replay", pools, "--select", "select(by: tests)", "--json").json
    assert json.loads(ran.out.splitlines()[0])["answer"] == 42.0 and "1.0" in json.dumps(table)


def test_pools_belong_to_rows(tmp_path: Path) -> None:
    ran = tts("run", write(tmp_path), "?", "--pools", tmp_path / "pool.jsonl")
    assert ran.code == 2 and "--pools belongs to --input or --on" in ran.err


def test_the_order_nearest_to_all_answers_is_found_in_a_pool_file(tmp_path: Path) -> None:
    orders = [list(letters) for letters in ("cba", "abc", "acb", "bac")]
    pool = written(tmp_path, {"id": "q1", "gold": ["a", "b", "c"], "samples": [{"answer": one} for one in orders]})
    rows = tts("replay", pool, "--select", "all", "--json").json["rules"]
    found = {row["select"]: row["accuracy"] for row in rows}
    assert found["select(by: bayes_risk(kendall))"] == 1 and found["vote()"] == 0  # 5 apart in all, "cba" is 7
    with pytest.raises(StrategyError, match="answers that are lists"):
        replay(
            read_pool(written(tmp_path, {"id": "q1", "samples": [{"answer": "a"}]})),
            parse_selector("select(by: bayes_risk(kendall))"),
        )


RANKED = """tts 1
model small = script({
  "order them": ["2, 1, 3", "3, 1, 2", "2, 3, 1"],
  "": ["Answer: 41", "Answer: 42", "Answer: 43"],
})
prompt solve(question: Text) -> Number = "{{ question }}"
prompt order(question: Text, answers: Text, keep: Int) -> [Int] = "order them: {{ question }} {{ answers }} {{ keep }}"

pipeline main(question: Text) -> Number {
  drafts = generate(solve(question), from: small, n: 3)
  return drafts |> rank(using: order, from: small, orders: 3, combine: kendall, keep: 3) |> select(by: rank)
}
"""


def test_a_replay_picks_by_the_order_nearest_to_all_lists(tmp_path: Path) -> None:
    rows, pools = tmp_path / "rows.jsonl", tmp_path / "pool.jsonl"
    rows.write_text("".join(json.dumps({"question": f"{i}?"}) + "\n" for i in range(3)), encoding="utf-8")
    ran = tts("run", write(tmp_path, RANKED), "--input", rows, "--pools", pools, "--no-bank")
    assert ran.code == 0, ran.err
    run = {row["question"]: row["answer"] for row in map(json.loads, ran.out.splitlines())}
    chosen = replay(read_pool(pools), parse_selector("select(by: rank)"))["questions"]
    assert {q.question: float(str(one["answer"])) for q, one in zip(read_pool(pools), chosen, strict=True)} == run
    assert all(sorted(c.rank or 0 for c in q.pool) == [1, 2, 3] for q in read_pool(pools))


LANGUAGES = """tts 1
model small = script("Answer: 42", "Answer: 42", "Answer: 41", "Answer: 42")
model judge = script("9")
prompt solve(question: Text, language: Text) -> Number = "{{ question }} Think in {{ language }}."

pipeline main(question: Text) -> Number {
  drafts = generate([solve(question, "English"), solve(question, "German")], from: small, temperature: [0.2, 0.9], n: 1)
  return drafts |> score(by: digit, from: judge) |> select(by: score)
}
"""


def test_equal_samples_in_several_languages_and_temperatures_each_keep_their_scores(tmp_path: Path) -> None:
    rows, pools = tmp_path / "rows.jsonl", tmp_path / "pool.jsonl"
    rows.write_text(json.dumps({"question": "6 * 7?"}) + "\n", encoding="utf-8")
    ran = tts("run", write(tmp_path, LANGUAGES), "--input", rows, "--pools", pools, "--no-bank")
    assert ran.code == 0, ran.err
    (question,) = read_pool(pools)
    assert [c.answer for c in question.pool].count("42") == 3 and len(question.pool) == 4
    assert all(len(c.scores) == 1 for c in question.pool)


COMPARED = """tts 1
model small = script("Answer: 41", "Answer: 42", "Answer: 43")
model judge = script("2", "1", "2", "2", "1", "1")
model other = script("1", "1", "2", "1", "2", "1")
prompt solve(question: Text) -> Number = "{{ question }}"

pipeline main(question: Text) -> Number {
  drafts = generate(solve(question), from: small, n: 3)
  once = drafts |> rank(method: pairwise, from: judge)
  return once |> rank(method: pairwise, from: other) |> select(by: bradley_terry(memory: 0.5))
}
"""


def test_comparisons_of_several_judges_name_samples_by_their_place_in_the_file(tmp_path: Path) -> None:
    rows, pools = tmp_path / "rows.jsonl", tmp_path / "pool.jsonl"
    rows.write_text(json.dumps({"question": "6 * 7?"}) + "\n", encoding="utf-8")
    ran = tts("run", write(tmp_path, COMPARED), "--input", rows, "--pools", pools, "--no-bank")
    assert ran.code == 0, ran.err
    (question,) = read_pool(pools)
    compared = question.pool.comparisons
    assert Counter(one.judge for one in compared) == {"judge": 6, "other": 6}
    assert {(one.first, one.second) for one in compared} == {(i, j) for i in range(3) for j in range(3) if i != j}
    again = replay([question], parse_selector("select(by: bradley_terry(memory: 0.5))"))["questions"]
    assert [float(str(one["answer"])) for one in again] == [json.loads(ran.out)["answer"]]
