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
from ttscale.runtime.search.diagnosis import rounded_up
from ttscale.runtime.search.errors import SearchError
from ttscale.runtime.search.forecast import baselines_need
from ttscale.runtime.search.history import Tried
from ttscale.runtime.search.loop import State
from ttscale.runtime.search.outlook import as_text, outlook
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


def test_a_budget_that_ends_among_the_baselines_still_gives_the_best_of_them(tmp_path: Path) -> None:
    # A single sample, a greedy one and a majority of 8 share 9 calls a question, for 30 questions.
    path = write(tmp_path, "trials 4 budget { calls <= 100 }", rows=30, all_rows=40)
    dice = Dice()
    outcome = searched(path, dice)
    document = outcome.document
    verdict = document["verdict"]
    asked = verdict["standings"][0]["questions"]
    assert verdict["is_baseline"] and verdict["compared"] == 0 and 5 <= asked <= 11
    assert {own["questions"] for own in verdict["standings"]} == {asked}
    assert verdict["how"] == f"{asked} of the 30 questions of the search"
    assert "nothing else was measured to the end" in verdict["text"]
    (told,) = document["diagnosis"]
    assert f"answered {asked} of 30 questions" in told["text"] and "--calls 600" in told["command"]
    evidence = evidence_of(outcome.recipe or "")
    assert evidence is not None and evidence["accuracy"].endswith(f"on sums[0:30], {verdict['how']}")
    assert dice.made <= 100
    again = searched(path, dice, limits={"calls": 600}, ablate=False).document
    assert again["trials"] and again["verdict"]["compared"] > 0
    assert len(dice.asked) == len(set(dice.asked)), "nothing is made twice"


def test_where_the_baselines_took_all_they_are_tested_on_the_holdout(tmp_path: Path) -> None:
    # 10 calls a question with the few-shot baseline: 300 of the 301 that are not kept for the holdout.
    path = write(tmp_path, "holdout sums[30:130] trials 4 seed 2 sampler random budget { calls <= 430 }", rows=30,
                 all_rows=140)  # fmt: skip
    document = searched(path, Dice()).document
    verdict = document["verdict"]
    assert document["trials"] == [] and verdict["how"] == "holdout" and verdict["compared"] == 0
    assert verdict["standings"][0]["questions"] == document["held_out_asked"] > 5
    assert "on the questions that were held out; nothing else" in verdict["text"]
    assert document["diagnosis"][0]["text"].startswith("The baselines were measured, and the budget is spent before")


def test_a_dry_run_foretells_what_the_baselines_need(tmp_path: Path) -> None:
    path = write(tmp_path, "holdout sums[30:130] trials 4 budget { calls <= 100 seconds <= 60 }", rows=30, all_rows=140)
    with opened(path, Dice()) as program:
        stage = prepared(program, named(program, None), Wishes(str(path)))
        need = baselines_need(stage)
        said = as_text(outlook(stage))
    assert need.labels == ("single sample", "greedy", "majority of 8", "single sample after 4 examples")
    assert need.calls == 30 * 10, "the single sample is the first of the eight"
    assert need.there.calls == 70 and need.pays == 7
    assert "pays for about 7 of 30 questions" in said and "429% of 70 calls" in said
    assert "in 42 s a model that writes" in said and "then it pays" not in said
    with opened(write(tmp_path, "trials 4 budget { calls <= 900 }", rows=30), Dice()) as program:
        said = as_text(outlook(prepared(program, named(program, None), Wishes(str(path)))))
    assert "then it pays about 4 trials; 4 if each ran alone" in said and "30% of 900 calls" in said


@pytest.mark.parametrize(("value", "up"), [(333, 340), (330, 330), (0.0123, 0.013), (5, 5), (1001, 1100), (0, 0)])
def test_a_suggested_limit_has_two_digits(value: float, up: float) -> None:
    assert rounded_up(value) == up


def test_prices_are_those_of_questions_as_long_as_the_rows(tmp_path: Path) -> None:
    path = write(tmp_path, "trials 4", rows=30)
    with opened(path, Dice()) as program:
        stage = prepared(program, named(program, None), Wishes(str(path)))
        space = stage.space
        assert (stage.space.sizes.mean["question"].expected, space.sizes.bounds["question"].high >= 4) == (2, True)
        assert space.price(space.default).maximum.prompt_tokens < space.plan(space.default).maximum.prompt_tokens / 4
        assert space.price(space.default).minimum.calls == space.plan(space.default).minimum.calls


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
