"""What a search reads from its records: bins of difficulty, what judges are worth, and which budget would be enough."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from searching import TEXT, Dice, opened, searched, write
from ttscale.runtime.program import load
from ttscale.runtime.search.api import Wishes
from ttscale.runtime.search.book import Limits
from ttscale.runtime.search.diagnosis import short_finals
from ttscale.runtime.search.pages import as_html, as_text, headline
from ttscale.runtime.search.theory import by_difficulty, difficulty_lines, is_judged, judge_worth, questions_of

optuna = pytest.importorskip("optuna")


def record(
    name: int, classes: list[int | None], likely: list[float], judged: list[float] | None = None
) -> dict[str, Any]:
    """A slim record: class 0 is right."""
    stages = [{"path": "main/verify", "judged": [[i, v] for i, v in enumerate(judged or [])], "calls": 4, "tokens": 80}]
    return {
        "id": str(name),
        "cost": {"calls": 4 + (4 if judged else 0), "tokens": 160 + (80 if judged else 0)},
        "candidates": [
            {"class": c, "score": float(c == 0), "tokens": 10, "logprob_mean": lp}
            for c, lp in zip(classes, likely, strict=True)
        ],
        "samples": [0, 1, 2, 3],
        "stages": stages if judged else [],
    }


def test_bins_name_the_rule_that_is_best_in_each_and_compare_it_on_other_questions() -> None:
    # Where samples agree the majority is right; where they do not, the likeliest of them is.
    easy = [record(i, [0, 0, 0, 1], [-2.0, -2.0, -2.0, -0.01]) for i in range(16)]
    hard = [record(16 + i, [1, 1, 0, 2], [-1.0, -1.0, -0.7, -1.0]) for i in range(16)]
    found = by_difficulty([*easy, *hard])
    assert found is not None
    assert [(own["questions"], own["rule"], own["accuracy"]) for own in found["bins"]] == [
        (16, "vote()", 1.0),
        (16, "select(by: likelihood)", 1.0),
    ]
    assert [(own["from"], own["one_sample"], own["coverage"]) for own in found["bins"]] == [
        (0.75, 0.75, 1),
        (0.5, 0.25, 1),
    ]
    assert found["by_bin"] == 1.0 and found["one_rule"] == 0.5
    assert "a `match` on `agreement(…)`" in difficulty_lines(found)[0]
    assert "one rule is enough" in difficulty_lines({**found, "one_rule": 1.0})[0]
    assert by_difficulty(easy) is None, "too few questions"


def test_a_judge_is_told_by_its_verdicts_as_a_verifier_that_errs() -> None:
    records = [record(i, [0, 0, 1, 2], [-1.0] * 4, [1.0, 1.0, 0.0, float(i % 2)]) for i in range(8)]
    assert is_judged(records) and not is_judged([record(0, [0] * 4, [-1.0] * 4)])
    assert [c.scores for c in questions_of(records)[1].pool] == [{"main/verify": v} for v in (1.0, 1.0, 0.0, 1.0)]
    worth, attempts, split = judge_worth(records)
    assert "accepts 100% of right samples and rejects 75% of wrong ones" in worth and "tends to 80% right" in worth
    assert "times with it and then abstain" in attempts
    assert split.startswith("For the tokens of 4 samples, ")
    assert judge_worth([record(0, [0] * 4, [-1.0] * 4)]) == [] == judge_worth([])


def test_a_search_without_a_bank_shares_samples_all_the_same(tmp_path: Path) -> None:
    path = write(tmp_path, "trials 24 sampler exhaustive", rows=10)
    for folder in (tmp_path / "study", None):
        dice = Dice()
        program = load(path)
        with program, opened(path, dice) as other:
            program._house = other._house
            program.search(None, Wishes(str(path), folder, limits=Limits(), ablate=False, racing=False))
        assert dice.made == 10 * (3 * 8 + 1) and len(dice.asked) == len(set(dice.asked))
    assert (tmp_path / "study" / "bank.sqlite").is_file()


def test_a_recipe_leaves_no_comments_on_what_is_gone(tmp_path: Path) -> None:
    text = TEXT.replace("= most\n", "= most  ## which answer is taken\n").replace(
        "pipeline main", "# how it is answered\npipeline main"
    )
    path = write(tmp_path, "trials 2", rows=30, text=text)
    path.write_text(
        path.read_text(encoding="utf-8").replace("search tune", "# on few rows\nsearch tune"), encoding="utf-8"
    )
    outcome = searched(path, Dice(), ablate=False)
    assert outcome.document["verdict"]["is_baseline"] and outcome.recipe is not None
    assert "which answer is taken" not in outcome.recipe and "on few rows" not in outcome.recipe
    assert "# how it is answered\npipeline main" in outcome.recipe


def test_short_finals_name_the_limits_that_pay_for_all_of_them() -> None:
    found = short_finals(16, 100, Limits(seconds=1800, calls=1000), 34, 0.3, "ttscale search a.tts tune")
    assert "16 of 100 questions" in found.text and "35%" in found.text
    assert found.command == "ttscale search a.tts tune --calls 2600 --seconds 4700 --trials 34"


def test_an_ended_search_tells_the_best_so_far() -> None:
    trial = {"number": 3, "params": {"n": 4}, "values": {"accuracy": 0.4, "tokens": 9.0}, "questions": 40}
    said = headline({"verdict": None, "ended": "stopped", "trials": [trial], "front": [3]})
    assert said[1].startswith("Best so far: n = 4, with accuracy 0.4 on the 40 questions of the search")


def test_bins_are_in_the_report(tmp_path: Path) -> None:
    document = searched(write(tmp_path, "trials 2", rows=30), Dice(), ablate=False).document
    assert sum(own["questions"] for own in document["difficulty"]["bins"]) == 30
    assert "Questions by how far their samples agree" in as_text(document) and "best rule" in as_text(document)


def test_pages_show_commands_as_code_and_say_what_colours_mean(tmp_path: Path) -> None:
    page = as_html(searched(write(tmp_path, "trials 3", rows=12), Dice(), ablate=False).document)
    assert "<code>ttscale " in page and "red the baselines" in page
