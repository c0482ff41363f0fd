"""Running an evaluation: records on disk, resuming, stopping early, what counts as the same run."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from evaluations import FIRST, HEAD, VOTE, program, rows, scripted
from running import FakeEngine
from ttscale.runtime.evaluate.api import arm_of, evaluate
from ttscale.runtime.evaluate.arms import questions_at_once
from ttscale.runtime.evaluate.folder import FolderError, RunFolder
from ttscale.runtime.evaluate.summary import load_report
from ttscale.runtime.executor import NamedEngines
from ttscale.runtime.metrics import MetricError
from ttscale.runtime.program import Program, load
from ttscale.runtime.result import RunError

GOLDS = {f"q{i:02d}": 1 for i in range(12)}
ANSWERS = {name: [1, 2, 1] for name in GOLDS}


def new_calls(report: Any) -> int:
    return int(report.document["state"]["new"]["calls"])


def lines(folder: Path) -> list[str]:
    return (folder / "rows.jsonl").read_text(encoding="utf-8").splitlines()


def test_a_second_run_asks_nothing(tmp_path: Path) -> None:
    with program(ANSWERS, VOTE) as own:
        first = own.evaluate(rows(GOLDS), folder=tmp_path)
        second = own.evaluate(rows(GOLDS), folder=tmp_path)
    assert (new_calls(first), new_calls(second)) == (36, 0)
    assert second.document["state"]["kept"] == 12 and len(lines(tmp_path)) == 12
    assert first.document["arms"] == second.document["arms"]


def test_what_a_kill_leaves_is_taken_over_and_the_broken_line_is_made_again(tmp_path: Path) -> None:
    with program(ANSWERS, VOTE) as own:
        whole = own.evaluate(rows(GOLDS), folder=tmp_path / "a")
        text = (tmp_path / "a" / "rows.jsonl").read_bytes()
        for cut in (0, 1, len(text) // 2, len(text) - 1):
            folder = tmp_path / f"cut{cut}"
            folder.mkdir()
            (folder / "rows.jsonl").write_bytes(text[:cut])
            again = own.evaluate(rows(GOLDS), folder=folder)
            assert new_calls(again) == 3 * (12 - text[:cut].count(b"\n"))
            assert again.accuracy == whole.accuracy and len(lines(folder)) == 12


def test_what_another_process_leaves_when_it_dies_in_a_line_spoils_no_record(tmp_path: Path) -> None:
    """Two processes write to one folder; one is killed within a line, and the other goes on."""
    first = RunFolder(tmp_path, "accuracy")
    with (tmp_path / "rows.jsonl").open("a", encoding="utf-8") as dying:
        dying.write('{"arm": "half a li')
    first.add({"arm": "a", "id": "q", "asked": "x", "seed": 0})
    first.close()
    again = RunFolder(tmp_path, "accuracy")
    again.close()
    assert again.of("a", "q", "x", 0) is not None and again.dropped == 0
    assert (tmp_path / "rows.jsonl").read_text(encoding="utf-8").count("\n") == 1


def test_other_parameters_and_seeds_are_other_records_in_the_same_folder(tmp_path: Path) -> None:
    with program(ANSWERS, VOTE) as own:
        own.evaluate(rows(GOLDS), folder=tmp_path)
        assert new_calls(own.evaluate(rows(GOLDS), folder=tmp_path, params={"n": 1})) == 12
        assert new_calls(own.evaluate(rows(GOLDS), folder=tmp_path, seeds=2)) == 36
        assert new_calls(own.evaluate(rows(GOLDS), folder=tmp_path)) == 0
        other = [{**row, "answer": 2} for row in rows(GOLDS)]
        report = own.evaluate(other, folder=tmp_path)
    assert new_calls(report) == 36 and report.accuracy == 0


def test_records_of_another_measure_are_left_alone(tmp_path: Path) -> None:
    def score(body: str, metric: str = "close") -> float | None:
        text = f"metric close(pred: Number, row: Row) -> Bool = {body}\n"
        with program(ANSWERS, VOTE, text) as own:
            return own.evaluate(rows(GOLDS), metric, folder=tmp_path).accuracy

    assert score("pred == row.answer") == 1
    assert score("pred == row.answer + 1") == 0
    assert score("pred == row.answer", "accuracy") == 1
    assert len(lines(tmp_path)) == 36


class House:
    """Engines of a program, all of them one that a test watches."""

    def __init__(self, engine: FakeEngine) -> None:
        self.engine = engine

    def for_run(self, **_: object) -> NamedEngines:
        return NamedEngines({"small": self.engine})

    async def close(self) -> None:
        """Nothing to close."""


def test_what_a_bank_has_is_not_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = FakeEngine()
    monkeypatch.setattr("ttscale.runtime.program.EngineHouse", lambda folder: House(engine))
    text = HEAD + 'model small = openai("http://127.0.0.1:9/v1", name: "m")\n' + VOTE
    with load(text, bank=tmp_path / "bank.sqlite") as own:
        first, second = own.evaluate(rows(GOLDS)), own.evaluate(rows(GOLDS))
    assert (new_calls(first), new_calls(second)) == (36, 0)
    assert first.accuracy == second.accuracy == 1
    costs = [report.arms[0]["figures"]["cost"]["mean"]["tokens"] for report in (first, second)]
    assert costs[0] == costs[1] and len(engine.requests) == 12


def test_layout_comments_and_other_declarations_do_not_change_what_is_known() -> None:
    def digest(text: str) -> str:
        with load(text) as own:
            return arm_of(own, "main", {}).digest

    text = HEAD + scripted({"q": [1]}) + VOTE
    same = HEAD.replace("tts 1", "tts 1\n# a comment") + scripted({"q": [1]}) + FIRST + VOTE
    assert digest(text) == digest(same)
    assert digest(text) != digest(text.replace("= 3", "= 4"))
    assert digest(text) != digest(text.replace("{{ question }}", "{{ question }}?"))


def test_it_stops_when_it_knows_enough(tmp_path: Path) -> None:
    golds = {f"q{i:03d}": 1 for i in range(200)}
    with program({name: [1] for name in golds}, FIRST) as own:
        report = own.evaluate(rows(golds), pipelines=["one"], precision=0.06, concurrency=4, folder=tmp_path)
        state = report.document["state"]
        assert state["early"] and state["done"] == 60
        low, high = report.interval or (0, 1)
        assert (high - low) / 2 <= 0.06
        assert "Stopped early" in report.text() and "10 times, after 30 to 200 answers" in report.markdown()
        assert report.document["settings"]["level"] > 0.99
        on = own.evaluate(rows(golds), pipelines=["one"], folder=tmp_path)
    assert on.document["state"]["kept"] == state["done"] and on.document["state"]["done"] == 200


async def test_stopping_reports_on_what_is_done(tmp_path: Path) -> None:
    stop = asyncio.Event()
    with program(ANSWERS, VOTE) as own:
        report = await evaluate(
            own, rows(GOLDS), folder=tmp_path, stop=stop, concurrency=1, heard=lambda *_: stop.set()
        )
    state = report.document["state"]
    assert state["interrupted"] and 0 < state["done"] < 12
    assert "the same command goes on" in report.text()
    assert load_report(tmp_path).document["state"] == state


def test_arms_share_the_questions_that_are_done_first() -> None:
    seen: list[tuple[str, str]] = []

    async def ask(own: Program) -> None:
        await evaluate(
            own,
            rows(GOLDS),
            pipelines=["main", "one"],
            concurrency=1,
            heard=lambda job, *_: seen.append((job.item.id, job.arm.label)),
        )

    with program(ANSWERS, VOTE, FIRST) as own:
        asyncio.run(ask(own))
    assert seen[:4] == [("q00", "main"), ("q00", "one"), ("q01", "main"), ("q01", "one")]


def test_a_question_without_an_answer_is_wrong_and_is_tried_again(tmp_path: Path) -> None:
    limited = FIRST.replace("= 1\n", "= 1\n  budget { tokens <= 1200 }\n")
    asked = [*rows({"good": 1}), {"id": "long", "question": "good " * 3000, "answer": 1}]
    with program({"good": [1]}, limited) as own:
        report = own.evaluate(asked, pipelines=["one"], folder=tmp_path)
        state = report.document["state"]
        assert state["failed"] == 1 and report.accuracy == 0.5
        assert "R0704" in report.records["one"][1]["error"]
        assert "1 answer ended in an error and counts as wrong" in report.text()
        again = own.evaluate(asked, pipelines=["one"], folder=tmp_path)
    assert again.document["state"]["kept"] == 1


def test_a_model_that_cannot_be_loaded_ends_the_run(tmp_path: Path) -> None:
    text = HEAD + 'model small = gguf("missing.gguf")\n' + FIRST
    path = tmp_path / "gone.tts"
    path.write_text(text, encoding="utf-8")
    with load(path) as own, pytest.raises(Exception, match=r"missing\.gguf") as caught:
        own.evaluate(rows({"q": 1}), pipelines=["one"])
    assert isinstance(caught.value, RunError) or hasattr(caught.value, "hint")


def test_golds_are_read_before_anything_is_spent(tmp_path: Path) -> None:
    with program(ANSWERS, VOTE) as own:
        with pytest.raises(MetricError, match="cannot be read as Number"):
            own.evaluate(rows({**GOLDS, "q11": "many"}), folder=tmp_path)
        with pytest.raises(MetricError, match="has no `question`"):
            own.evaluate([{"query": "q00", "answer": 1}])
        with pytest.raises(MetricError, match="there is no metric `acuracy`"):
            own.evaluate(rows(GOLDS), "acuracy")
        with pytest.raises(MetricError, match="two rows have the id `x`"):
            own.evaluate([{"id": "x", "question": "q00", "answer": 1}] * 2)
    assert lines(tmp_path) == []


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"id": "a row of data"}\n', encoding="utf-8")
    with pytest.raises(FolderError, match="no record of an evaluation"):
        RunFolder(tmp_path)
    with pytest.raises(FolderError, match="no run folder"):
        load_report(tmp_path / "none")


def test_equal_rows_without_an_id_are_told_apart() -> None:
    with program(ANSWERS, VOTE) as own:
        report = own.evaluate([{"question": "q00", "answer": 1}] * 2)
    names = [question["id"] for question in report.document["questions"]]
    assert len(set(names)) == 2 and report.document["state"]["done"] == 2


def test_a_record_holds_all_candidates_once_with_what_was_found_out() -> None:
    judged = """
    model judge = script("yes", "no", "yes")
    pipeline main(question: Text) -> Number {
      drafts = generate(solve(question), from: small, n: 3)
      return drafts |> score(by: yes_no, using: check, from: judge, as: fit) |> filter(top: 2, by: score("fit"))
        |> vote()
    }
    """
    with program({"q": [1, 2, 1]}, judged) as own:
        (record,) = own.evaluate(rows({"q": 1})).records["main"]
    assert [c["class"] for c in record["candidates"]] == [0, 1, 0]
    assert [c["score"] for c in record["candidates"]] == [1, 0, 1]
    assert all("fit" in c["scores"] for c in record["candidates"])
    assert [(s["op"], s["pool"]) for s in record["stages"]] == [
        ("generate", [0, 1, 2]),
        ("score", [0, 1, 2]),
        ("filter", [0, 2]),
        ("vote", [0]),
    ]
    assert record["samples"] == [0, 1, 2]
    assert json.loads(json.dumps(record)) == record


def test_pipelines_of_few_calls_are_asked_more_questions_at_once() -> None:
    with program(ANSWERS, VOTE.replace("{1, 2, 3, 4}", "[1 .. 64]")) as own:
        seen = {n: questions_at_once([arm_of(own, None, {"n": n})]) for n in (1, 2, 4, 8, 64)}
    assert seen == {1: 16, 2: 16, 4: 8, 8: 4, 64: 4}


NOTED = '''
prompt read(question: Text, notes: [Text]) -> Number = """{{ notes }} {{ question }}"""
pipeline noted(question: Text, papers: [Text]) -> Number {
  notes = retrieve(question, among: papers, k: 1)
  return generate(read(question, notes), from: small, n: 3) |> vote()
}
'''


def test_pipelines_with_other_inputs_are_measured_side_by_side_and_look_ups_hide_no_samples(tmp_path: Path) -> None:
    asked = [{**row, "papers": ["one", f"about {row['question']}"]} for row in rows(GOLDS)]
    with program(ANSWERS, VOTE, NOTED) as own:
        report = own.evaluate(asked, pipelines=["main", "noted"], folder=tmp_path)
    for records in report.records.values():
        assert [(r.get("error"), r["score"]) for r in records] == [(None, 1.0)] * 12
        assert [[r["candidates"][place]["answer"] for place in r["samples"]] for r in records] == [["1", "2", "1"]] * 12
