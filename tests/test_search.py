"""Searches as a whole: what is shared, what is never passed, what is kept, and what comes out."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest
from searching import NEW, PROMPT, TEXT, Dice, opened, searched, write
from ttscale.compiler.diagnostics import CompileError
from ttscale.compiler.evidence import evidence_of
from ttscale.runtime.program import load
from ttscale.runtime.search.errors import SearchError

optuna = pytest.importorskip("optuna")
WORKER = Path(__file__).with_name("search_worker.py")


def test_samples_are_made_once_and_a_choice_costs_nothing(tmp_path: Path) -> None:
    dice = Dice()
    path = write(tmp_path, "trials 24 sampler exhaustive", rows=10)
    document = searched(path, dice).document
    assert len(document["trials"]) == 24
    # 8 samples at three heats, and one greedy: what needs fewer, or chooses otherwise, is among them.
    assert len(dice.asked) == len(set(dice.asked))
    assert dice.made == 10 * (3 * 8 + 1)
    assert document["spent"]["calls"] == dice.made
    assert document["spent"]["tokens"] == dice.made * (PROMPT + NEW)
    assert sum(trial["new_tokens"] == 0 for trial in document["trials"]) >= 12
    reuse = {own["name"]: own["reuse"] for own in document["parameters"]}
    assert reuse["rule"] == 2 and reuse["heat"] == 1 and reuse["n"] == pytest.approx(15 / 8, abs=0.01)


@pytest.mark.parametrize("calls", [137, 180])
def test_a_budget_is_kept_to_the_last_call_and_the_study_goes_on(tmp_path: Path, calls: int) -> None:
    dice = Dice()
    path = write(tmp_path, f"trials 24 sampler random budget {{ calls <= {calls} }}", rows=10)
    document = searched(path, dice).document
    assert dice.made <= calls
    assert document["spent"]["calls"] == dice.made
    assert document["ended"] == "the budget is spent"
    before = len(document["trials"])
    again = searched(path, dice, limits={"calls": 10_000}).document
    assert len(again["trials"]) > before
    assert len(dice.asked) == len(set(dice.asked)), "nothing is made twice"
    assert again["spent"]["calls"] == dice.made


def test_a_budget_that_pays_no_trial_is_refused_before_anything_is_spent(tmp_path: Path) -> None:
    dice = Dice()
    with pytest.raises(SearchError, match="the cheapest trial needs 10 at least"):
        searched(write(tmp_path, "trials 4 budget { calls <= 5 }", rows=10), dice)
    assert dice.made == 0


def test_a_killed_search_leaves_a_whole_study_that_goes_on(tmp_path: Path) -> None:
    path = write(tmp_path, "trials 8 sampler random seed 3", rows=30)
    process = subprocess.Popen([sys.executable, WORKER, path, "0", "0.005"], stderr=subprocess.DEVNULL)
    log = tmp_path / "log"
    for _ in range(1200):
        if log.exists() and len(log.read_text(encoding="utf-8").splitlines()) > 400:
            break
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    before = log.read_text(encoding="utf-8").splitlines()
    assert len(before) > 400
    dice = Dice(log=log)
    document = searched(path, dice, ablate=False).document
    assert len(document["trials"]) == 8 and document["verdict"] is not None
    lines = log.read_text(encoding="utf-8").splitlines()
    # What was on its way when it was killed may be made again, and nothing else.
    assert len(lines) - len(set(lines)) <= 4 * 8
    numbers = [trial["number"] for trial in document["trials"]]
    assert len(set(map(str, (trial["params"] for trial in document["trials"])))) == len(numbers)


def test_two_workers_share_one_study(tmp_path: Path) -> None:
    path = write(tmp_path, "trials 8 sampler random seed 3", rows=20)
    other = subprocess.Popen([sys.executable, WORKER, path, "1", "0.001"], stderr=subprocess.PIPE)
    document = searched(path, Dice(pause=0.001), ablate=False).document
    _, said = other.communicate(timeout=300)
    assert other.returncode == 0, said.decode()
    study = optuna.load_study(study_name=document["study"], storage=document["storage"])
    done = [t for t in study.trials if t.state == optuna.trial.TrialState.COMPLETE]
    assert document["spent"]["trials"] == 8
    assert len(done) <= 8


def test_a_wider_domain_is_a_new_study_that_uses_the_old_one(tmp_path: Path) -> None:
    dice = Dice()
    path = write(tmp_path, "trials 6 sampler random", rows=10)
    first = searched(path, dice).document
    made = dice.made
    path.write_text(
        path.read_text(encoding="utf-8").replace("{0.2, 0.6, 1.0}", "{0.2, 0.6, 1.0, 1.4}"), encoding="utf-8"
    )
    second = searched(path, dice, limits={"trials": 4}).document
    assert second["study"] != first["study"]
    best = max(first["trials"], key=lambda trial: trial["values"]["accuracy"] if trial["values"] else 0)
    assert best["params"] in [trial["params"] for trial in second["trials"]]
    assert all(trial["new_tokens"] == 0 for trial in second["trials"])
    assert dice.made <= made + 10, "only what the finals add"


def test_a_search_is_the_same_again_with_its_seed(tmp_path: Path) -> None:
    found = []
    for place in ("a", "b"):
        folder = tmp_path / place
        folder.mkdir()
        document = searched(write(folder, "trials 14 sampler gp seed 5", rows=10), Dice()).document
        found.append([(trial["params"], trial["values"]) for trial in document["trials"]])
    assert found[0] == found[1]


# --- what comes out ------------------------------------------------------------------------------


def test_the_winner_is_tested_on_the_holdout_and_written_as_a_recipe(tmp_path: Path) -> None:
    path = write(tmp_path, "holdout sums[80:]  trials 10 sampler gp", rows=80, all_rows=200)
    outcome = searched(path, Dice())
    verdict = outcome.document["verdict"]
    assert verdict["how"] == "holdout" and verdict["compared"] <= 5
    assert {own["questions"] for own in verdict["standings"]} == {120}
    finalists = [own for own in verdict["standings"] if not own["is_baseline"]]
    assert all(own["against"] is not None for own in finalists)
    assert {own["label"] for own in outcome.document["baselines"]} >= {"single sample", "greedy", "majority of 8"}
    assert outcome.recipe is not None
    recipe = tmp_path / "task.best.tts"
    recipe.write_text(outcome.recipe, encoding="utf-8")
    program = load(recipe)
    assert not [d for d in program.diagnostics if d.code == "W0566"]
    evidence = evidence_of(outcome.recipe)
    assert evidence is not None and "120 questions" in evidence["accuracy"]
    assert "search" not in outcome.recipe.split("# }")[1]
    changed = outcome.recipe.replace("{{ question }}", "{{ question }}!")
    recipe.write_text(changed, encoding="utf-8")
    assert [d.code for d in load(recipe).diagnostics] == ["W0566"]


def test_where_nothing_is_better_the_baseline_is_the_recipe(tmp_path: Path) -> None:
    text = TEXT.replace("{1, 2, 4, 8} = 4", "{1, 2} = 1")
    outcome = searched(write(tmp_path, "trials 12", rows=30, text=text), Dice())
    verdict = outcome.document["verdict"]
    assert verdict["is_baseline"] and "nothing that was found is surely better" in verdict["text"]
    assert outcome.recipe is not None and "match" not in outcome.recipe and "param rule" not in outcome.recipe


def test_parameters_can_be_fixed_from_outside(tmp_path: Path) -> None:
    path = write(tmp_path, "trials 20 fix rule = most", rows=10)
    document = searched(path, Dice(), fixed={"n": "2"}).document
    assert [own["name"] for own in document["parameters"]] == ["heat"]
    with pytest.raises(CompileError):
        searched(path, Dice(), fixed={"n": "3"})


def test_several_goals_give_a_front(tmp_path: Path) -> None:
    document = searched(write(tmp_path, "minimize tokens trials 24", rows=12), Dice()).document
    front = [trial for trial in document["trials"] if trial["number"] in document["front"]]
    values = [(trial["values"]["accuracy"], trial["values"]["tokens"]) for trial in front]
    values.sort(reverse=True)
    assert all(a > b for (_, a), (_, b) in pairwise(values))


def test_a_program_without_a_search_says_so(tmp_path: Path) -> None:
    path = write(tmp_path)
    with opened(path, Dice()) as program, pytest.raises(SearchError, match="there is no search `tun`") as failure:
        program.search("tun")
    assert failure.value.hint == "did you mean `tune`?"
