"""`replay --select all`: which rules a pool permits, what each row says, and that no model is needed."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cli_runs import tts
from ttscale.compiler.ir import Strategy
from ttscale.compiler.rule_signatures import RULES
from ttscale.compiler.selectors import parse_selector
from ttscale.runtime.metrics import paired_bootstrap
from ttscale.runtime.poolfile import PoolFileError, read_pool
from ttscale.runtime.selections import BASELINE, every_rule, recorded, resampled, rules_for

MINE = """
from ttscale.plugin import Candidate, Pool, scorer, selector


@selector
def last(pool: Pool) -> int:
    return len(pool.candidates) - 1


@scorer
def brief(candidate: Candidate) -> float:
    return 1 / (1 + candidate.tokens)


@scorer
def picky(candidate: Candidate, least: int) -> float:
    return float(candidate.tokens > least)
"""


def write(folder: Path, questions: list[dict[str, Any]]) -> Path:
    path = folder / "pool.jsonl"
    path.write_text("".join(json.dumps(q) + "\n" for q in questions), encoding="utf-8")
    return path


@pytest.fixture
def full(tmp_path: Path) -> Path:
    """Six questions with nine samples that have every field there is."""
    draw = random.Random(5)
    questions: list[dict[str, Any]] = []
    for number in range(6):
        samples = []
        for place in range(9):
            right = draw.random() < 0.5
            logprobs = [-draw.random() * (1 if right else 2) for _ in range(12)]
            samples.append(
                {
                    "text": f"so it is {place}, therefore {'yes' if right else 'no'}",
                    "answer": "a" if right else draw.choice("bc"),
                    "tokens": draw.randint(5, 50),
                    "token_logprobs": logprobs,
                    "scores": {"judge": draw.random(), "points": draw.randint(0, 10)},
                    "step_scores": [draw.random() for _ in range(3)],
                    "rank": place + 1,
                    "tests": [draw.random() < 0.5 for _ in range(3)],
                    "outputs": [draw.choice(["1", "2", "!ValueError"]) for _ in range(3)],
                }
            )
        pairs = [
            {"first": i, "second": j, "winner": 0, "judge": name}
            for i, j, name in ((0, 1, "x"), (2, 1, "y"), (0, 2, "x"))
        ]
        questions.append(
            {"id": number, "gold": "a", "samples": samples, "comparisons": pairs, "evidence": [{"answer": "a"}]}
        )
    return write(tmp_path, questions)


def names_in(value: object) -> set[str]:
    if not isinstance(value, Strategy):
        return set()
    return {value.name}.union(*(names_in(part) for _, part in value.named))


def test_a_pool_that_has_everything_shows_every_rule(full: Path) -> None:
    pytest.importorskip("scipy")
    questions = read_pool(full)
    texts = rules_for(recorded(questions))
    shown = {
        name
        for text in texts
        for stage in parse_selector(text)
        for arg in stage.args.values()
        for name in names_in(arg)
    }
    without = {rule.name for rule in RULES.values() if rule.judge}
    # `length` is `brevity` turned, `grounded` a score, `origin` wants weights, `composed` parts; no records here
    wanting = {"length", "grounded", "abduction", "origin", "reward", "likeness", "composed"}
    assert set(RULES) - without - shown <= wanting
    found = every_rule(questions)
    assert found["left_out"] == {} and [row["select"] for row in found["rules"]] == list(texts)
    assert all(row["paper"] for row in found["rules"])


def test_what_a_row_says(full: Path) -> None:
    pytest.importorskip("scipy")
    found = every_rule(read_pool(full))
    rows = {row["select"]: row for row in found["rules"]}
    assert rows[BASELINE]["difference"] == 0 and rows[BASELINE]["difference_interval"] == [0.0, 0.0]
    for row in rows.values():
        low, high = row["difference_interval"]
        assert low <= row["difference"] + 1e-9 and row["difference"] <= high + 1e-9
        assert row["difference"] == pytest.approx(row["accuracy"] - rows[BASELINE]["accuracy"])
        assert row["difference"] == pytest.approx((row["better"] - row["worse"]) / 6)
        assert row["accuracy"] <= found["oracle"]["any"] and row["interval"][0] <= row["accuracy"] <= row["interval"][1]
    assert found["oracle"]["samples"] == 9 and 0 < found["one_sample"] < 1


@pytest.mark.parametrize(
    ("sample", "there", "absent"),
    [
        ({"answer": "a"}, "select(by: first)", "likelihood"),
        ({"answer": "a", "tokens": 3}, "filter(by: shortest(share: 0.5)) |> vote()", "features"),
        ({"text": "Answer: a"}, "vote(weight: features)", "score"),
        ({"answer": "a", "logprob_mean": -1}, "select(by: rpc)", "likelihood(sum)"),
        ({"answer": "a", "logprob_mean": -1, "tokens": 9}, "select(by: likelihood(sum))", "confidence"),
        ({"answer": "a", "scores": {"r": 3}}, 'select(by: best_of_n(score("r")))', "adaptive"),
        ({"answer": "a", "scores": {"r": 0.3}}, 'select(by: adaptive(score("r"), threshold: 0.9))', "steps"),
        ({"answer": "a", "step_scores": [0.1]}, "select(by: prm_min_vote)", "rank"),
        (
            {"answer": "a", "token_confidences": [9, 8]},
            "select(by: deepconf(tail, window: 1, share: 0.1))",
            "likelihood",
        ),
        ({"answer": "a", "rank": 1}, "vote(weight: rank)", "bradley_terry"),
    ],
)
def test_rules_are_those_that_the_fields_permit(
    tmp_path: Path, sample: dict[str, Any], there: str, absent: str
) -> None:
    texts = rules_for(recorded(read_pool(write(tmp_path, [{"id": 1, "samples": [sample, sample]}]))))
    assert there in texts and not any(absent in text for text in texts if text != there)


def test_the_command_prints_a_table_and_loads_no_model(full: Path) -> None:
    pytest.importorskip("scipy")
    (full.parent / "mine.py").write_text(MINE, encoding="utf-8")
    done = tts("replay", full, "--python", full.parent / "mine.py", "--select", "all")
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    assert lines[0] == "6 questions" and lines[1].split()[:2] == ["rule", "accuracy"]
    assert any(line.startswith("select(by: last)") and line.endswith("your own") for line in lines)
    assert any(line.startswith("vote(weight: brief)") for line in lines)
    assert not any("picky" in line for line in lines)  # it needs an argument
    assert any(line.startswith("oracle: any of 9 right") for line in lines)
    code = (
        "import sys; from ttscale.cli import main\n"
        f"sys.argv = ['ttscale', 'replay', {str(full)!r}, '--select', 'all', '--json']\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "assert 'llama_cpp' not in sys.modules, 'a model was loaded'"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    document = json.loads(run.stdout)
    assert set(document) == {"questions", "baseline", "rules", "oracle", "one_sample", "left_out"}


def test_a_pool_that_does_not_say_what_is_right(tmp_path: Path) -> None:
    path = write(tmp_path, [{"id": 1, "samples": [{"answer": "a"}, {"answer": "b"}]}])
    found = every_rule(read_pool(path))
    assert found["oracle"]["any"] is None and {row["accuracy"] for row in found["rules"]} == {None}
    assert "accuracy is unknown" in tts("replay", path, "--select", "all").out


def test_intervals_are_those_of_the_plain_bootstrap() -> None:
    a, b = [1.0] * 30 + [0.0] * 20, [0.0] * 10 + [1.0] * 20 + [0.0] * 20
    differences = [x - y for x, y in zip(a, b, strict=True)]
    assert resampled(differences) == pytest.approx(paired_bootstrap(a, b), abs=0.03)
    assert resampled(differences) == resampled(differences)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"comparisons": [{"first": 0, "second": 2, "winner": 0}]}, "samples 0 to 1 only"),
        ({"comparisons": [{"first": 0, "second": 0, "winner": 0}]}, "positions of two samples"),
        ({"comparisons": [{"first": 0, "second": 1}]}, "needs `first`, `second`"),
        ({"comparisons": [{"first": 0, "second": 1, "share": 1.5}]}, "from 0 to 1"),
        ({"comparisons": {}}, "not a list"),
        ({"evidence": "a"}, "not a list of samples"),
    ],
)
def test_broken_comparisons_and_evidence(tmp_path: Path, more: dict[str, Any], says: str) -> None:
    path = write(tmp_path, [{"id": 1, "samples": [{"answer": "a"}, {"answer": "b"}], **more}])
    with pytest.raises(PoolFileError, match=says):
        read_pool(path)


def test_comparisons_follow_the_candidates_that_a_filter_keeps(tmp_path: Path) -> None:
    samples = [{"answer": x, "tokens": n} for x, n in (("a", 9), ("b", 1), ("c", 2))]
    games = [{"first": 0, "second": 1, "winner": 0}, {"first": 2, "second": 1, "share": 0.9}]
    path = write(tmp_path, [{"id": 1, "gold": "c", "samples": samples, "comparisons": games}])
    done = tts("replay", path, "--select", "filter(by: shortest(share: 0.6)) |> select(by: bradley_terry)", "--json")
    assert done.json["questions"][0]["index"] == 2


def test_the_rules_are_listed_without_a_pool() -> None:
    done = tts("replay", "--rules")
    assert done.code == 0, done.err
    listed = {line.split("(")[0].split()[0] for line in done.out.splitlines()[1:]}
    assert listed == set(RULES)
    (line,) = [line for line in done.out.splitlines() if line.startswith("best_of_majority(by, share, k)")]
    assert "bom" in line and "arXiv 2510.03199" in line and "select filter" in line
