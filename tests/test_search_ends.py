"""How searches end: budgets that give out in the middle, what is still free then, and evidence checked again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from searching import TEXT, Dice, opened, searched, write
from ttscale.cli.searching import standing
from ttscale.compiler.evidence import evidence_of, place_of
from ttscale.compiler.models import model_from_locator
from ttscale.compiler.source import SourceFile
from ttscale.runtime.evidence_files import check_evidence_files
from ttscale.runtime.program import load
from ttscale.runtime.search.api import Wishes, named, prepared
from ttscale.runtime.search.book import Limits, Spent
from ttscale.runtime.search.errors import SearchError
from ttscale.runtime.search.history import Tried
from ttscale.runtime.search.loop import State
from ttscale.runtime.search.recipe import written_model
from ttscale.runtime.search.spare import spare_rows

optuna = pytest.importorskip("optuna")


def test_a_budget_that_ends_in_the_finals_leaves_fewer_questions_and_all_pipelines(tmp_path: Path) -> None:
    path = write(tmp_path, "holdout sums[30:]  trials 4 sampler gp budget { calls <= 800 }", rows=30, all_rows=200)
    dice = Dice()
    outcome = searched(path, dice, ablate=False)
    verdict = outcome.document["verdict"]
    asked = outcome.document["held_out_asked"]
    assert verdict["how"] == "holdout" and 0 < asked < 170
    assert {own["questions"] for own in verdict["standings"]} == {asked}
    assert {own["label"] for own in verdict["standings"]} >= {"single sample", "greedy", "majority of 8"}
    assert sum(not own["is_baseline"] for own in verdict["standings"]) >= 2
    assert dice.made <= 800 and outcome.document["spent"]["calls"] == dice.made
    evidence = evidence_of(outcome.recipe or "")
    assert evidence is not None and f"{asked} questions" in evidence["accuracy"]


def test_where_nothing_new_can_be_paid_what_is_free_is_still_tried(tmp_path: Path) -> None:
    # The baselines need 8 samples and a greedy one for each of 30 questions, which leaves 50 calls.
    path = write(tmp_path, "trials 24 sampler gp seed 2 budget { calls <= 320 }", rows=30)
    dice = Dice()
    document = searched(path, dice, ablate=False, racing=False).document
    done = [t["params"] for t in document["trials"] if t["outcome"] == "done" and t["params"]["heat"] == 0.6]
    assert {(own["n"], own["rule"]) for own in done} == {(n, rule) for n in (1, 2, 4, 8) for rule in ("most", "one")}
    assert document["ended"] == "the budget is spent" and dice.made <= 320


def test_rows_that_are_not_needed_are_examples_for_a_baseline(tmp_path: Path) -> None:
    path = write(tmp_path, "trials 1", rows=8, all_rows=20)
    outcome = searched(path, Dice(), ablate=False)
    assert "single sample after 4 examples" in [own["label"] for own in outcome.document["baselines"]]
    with opened(path, Dice()) as program:
        search = named(program, None)
        stage = prepared(program, search, Wishes(str(path)))
        assert spare_rows(program, search, stage.items) == "sums[8:12]"
        asked_again = [replace(stage.items[0], inputs={"question": "q009"})]
        assert spare_rows(program, search, asked_again) == "sums[10:14]"


def test_evidence_is_compared_with_the_rows_that_are_there(tmp_path: Path) -> None:
    path = write(tmp_path, "trials 2", rows=10)
    outcome = searched(path, Dice(), ablate=False)
    recipe = tmp_path / "task.best.tts"
    recipe.write_text(outcome.recipe or "", encoding="utf-8")

    def found() -> list[str]:
        return [d.code for d in check_evidence_files(load(recipe).checked, tmp_path)]

    assert found() == []
    rows = (tmp_path / "rows.jsonl").read_text(encoding="utf-8")
    (tmp_path / "rows.jsonl").write_text(rows.replace("q003", "q3"), encoding="utf-8")
    assert found() == ["W0567"]
    (tmp_path / "rows.jsonl").unlink()
    assert found() == ["W0567"]


def test_evidence_is_compared_with_the_weights_that_are_there(tmp_path: Path) -> None:
    text = """# evidence {
#   model-small gguf a.gguf sha256:0123
# }
tts 1

model small = gguf("a.gguf")

pipeline main(question: Text) -> Text { return question }
"""
    recipe = tmp_path / "a.tts"
    recipe.write_text(text, encoding="utf-8")
    [missing] = check_evidence_files(load(recipe).checked, tmp_path)
    assert missing.code == "W0568" and "cannot be compared" in missing.message
    recipe.write_text(text.replace('gguf("a.gguf")', 'script("yes")'), encoding="utf-8")
    [other] = check_evidence_files(load(recipe).checked, tmp_path)
    assert other.code == "W0568" and "other weights" in other.message
    source = SourceFile("a.tts", text)
    span = place_of(source, "model-small")
    assert text[span.start : span.end].startswith("model-small gguf")


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ("a.gguf", 'gguf("a.gguf")'),
        ("/home/ann/models/b.gguf", 'gguf("models/b.gguf")'),
        ("/other/b.gguf", 'gguf("/other/b.gguf")'),
        ("http://localhost:8/v1#qwen", 'openai("http://localhost:8/v1", name: "qwen")'),
        ('gguf("b.gguf", ctx: 4096)', 'gguf("b.gguf", ctx: 4096)'),
        ('script("yes")', ""),
    ],
)
def test_a_model_from_outside_is_declared_in_the_recipe(given: str, written: str) -> None:
    assert written_model(model_from_locator("small", given), Path("/home/ann")) == written


def test_how_a_search_stands_is_told_on_one_line() -> None:
    best = Tried(3, {"n": 8}, "done", (0.25,), 50)
    said = standing(State(best, 2, Spent(10, 3_000, 0.0, 61.4, 4), Limits(tokens=10_000, seconds=1800, trials=40)), 7)
    assert said == (
        "7 answers; best 0.25 (n = 8); 2 on the front; 4 of 40 trials, 36 left; "
        "3,000 of 10,000 tokens, 7,000 left; 61 of 1,800 s, 1,739 left"
    )
    assert standing(State(None, 0, Spent(tokens=5), Limits()), 0) == "0 answers; 5 tokens"


def test_the_planner_holds_the_number_of_samples(tmp_path: Path) -> None:
    path = write(tmp_path, "trials 6 fix n = auto", rows=20)
    document = searched(path, Dice(), ablate=False).document
    assert {own["name"] for own in document["parameters"]} == {"heat", "rule"}
    assert document["planned"][-1].startswith("`n` is held at ")
    held = int(document["planned"][-1].removeprefix("`n` is held at ").partition(",")[0])
    assert held in (1, 2, 4, 8)
    said = next(line for line in document["planned"] if line.startswith("From "))
    enough = int(said.split()[1])
    assert held == min([n for n in (1, 2, 4, 8) if n >= enough], default=8)
    with pytest.raises(SearchError, match="how large `k` should be"):
        text = TEXT.replace("param rule", "param k: Int in {1, 2} = 1\n  param rule")
        text = text.replace("drafts |> vote()", "drafts |> filter(top: k, by: likelihood) |> vote()")
        (tmp_path / "other").mkdir()
        searched(write(tmp_path / "other", "trials 2 fix k = auto", text=text, rows=8), Dice())
