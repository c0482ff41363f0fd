"""Replay with rules of Python files: from a file, a program and a package's name, and what is said of wrong ones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli_runs import tts

MINE = """
from typing import Annotated

from ttscale.plugin import Between, Candidate, Numbers, Pool, metric, scorer, selector


@selector
def briefest(pool: Pool, m: Annotated[int, Between(low=1)] = 1) -> int:
    places = sorted(range(len(pool)), key=lambda place: pool.candidates[place].tokens)[:m]
    keys = [pool.candidates[place].key for place in places]
    return max(places, key=lambda place: keys.count(pool.candidates[place].key))


@scorer
def brief(candidate: Candidate, weight: float = 1.0) -> float:
    return -weight * candidate.tokens


@scorer
def needs(candidate: Candidate, least: int) -> float:
    return float(candidate.tokens >= least)


@selector
def best(pool: Pool, by: Numbers) -> Candidate:
    return max(zip(pool, by), key=lambda pair: pair[1] or 0.0)[0]


@selector
def fails(pool: Pool) -> int:
    raise KeyError("no such place")


@metric
def right(pred: object, row: dict[str, object]) -> bool:
    return pred == row["answer"]
"""
PROGRAM = """tts 1
use python("./mine.py") { briefest as quick }

model small = script("1")

prompt ask(question: Text) -> Number = "{{ question }}"

pipeline main(question: Text) -> Number {
  return generate(ask(question), from: small, n: 2) |> select(by: quick)
}
"""


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    """One question with three samples, the middle one the shortest, beside a Python file and a program that uses it."""
    samples = [
        {"answer": answer, "tokens": tokens, "scores": {"r": score}}
        for answer, tokens, score in (("4", 90, 0.2), ("5", 10, 0.1), ("4", 20, 0.9))
    ]
    file = tmp_path / "pool.jsonl"
    file.write_text(json.dumps({"id": "q", "gold": "4", "samples": samples}) + "\n", encoding="utf-8")
    (tmp_path / "mine.py").write_text(MINE, encoding="utf-8")
    (tmp_path / "main.tts").write_text(PROGRAM, encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("source", "select", "index"),
    [
        ("mine.py", "select(by: briefest)", 1),
        ("mine.py", "select(by: briefest(m: 3))", 2),
        ("mine.py", "select(by: brief)", 1),
        ("mine.py", "select(by: brief(weight: -1))", 0),
        ("mine.py", "filter(top: 2, by: brief) |> select(by: score)", 2),
        ("mine.py", "vote(weight: needs(least: 20))", 0),
        ("mine.py", 'select(by: best(score("r")))', 2),
        ("mine.py", "select(by: best(brief))", 1),
        ("main.tts", "select(by: quick)", 1),
    ],
)
def test_rules_of_python_choose_as_in_a_run(pool: Path, source: str, select: str, index: int) -> None:
    done = tts("replay", pool, "--python", pool.parent / source, "--select", select, "--json")
    assert done.code == 0, done.err
    assert done.json["questions"][0]["index"] == index


@pytest.mark.parametrize(
    ("source", "select", "said"),
    [
        ("mine.py", "select(by: briefes)", "did you mean `briefest`?"),
        ("mine.py", "select(by: briefest(m: 0))", "`m` must be at least 1"),
        ("mine.py", "select(by: briefest(k: 1))", "`briefest` has no argument `k`"),
        ("mine.py", "vote(weight: needs)", "`needs` needs `least`"),
        ("mine.py", "vote(weight: briefest)", "`briefest` cannot be used in `vote`"),
        ("mine.py", "select(by: right)", "`right` is a metric, not a rule"),
        ("mine.py", "select(by: fails)", "question q: `fails` failed with KeyError: 'no such place' (mine.py:"),
        ("main.tts", "select(by: briefest)", "there is no rule `briefest`"),
        ("other.py", "vote()", "there is no file"),
        ("no-such-package-here", "vote()", "is not installed"),
    ],
)
def test_what_is_said_of_mistakes(pool: Path, source: str, select: str, said: str) -> None:
    named = source if source.startswith("no-") else pool.parent / source
    done = tts("replay", pool, "--python", named, "--select", select)
    assert done.code == 1 and said in done.err, done.err
