"""`ttscale eval`, `compare` and `report`."""

from __future__ import annotations

import json
import random
import re
import signal
import time
from pathlib import Path

import pytest
from cli_runs import start, tts
from evaluations import write_bench
from ttscale.runtime.program import load

EVAL = "eval main, one on sums[0:4] { fix n = 2  seeds 2 }\neval one on sums { metric exact }\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_an_eval_declaration_is_measured_and_reported(folder: Path) -> None:
    path = write_bench(folder, text=EVAL)
    ran = tts("eval", path, "1")
    assert ran.code == 0, ran.err
    assert "4 questions, 2 pipelines, 2 seeds: 16 of 16 answers" in ran.out
    assert "too few to show any difference" in ran.err
    (run,) = (folder / "evals").iterdir()
    assert {p.name for p in run.iterdir()} == {"rows.jsonl", "run.json", "report.html", "report.md", "report.json"}
    document = json.loads((run / "report.json").read_text(encoding="utf-8"))
    assert [arm["params"]["n"] for arm in document["arms"]] == [2, 2]
    assert len(document["records"]["main"]) == 8


def test_all_declarations_are_measured_where_none_is_named(folder: Path) -> None:
    path = write_bench(folder, text=EVAL)
    ran = tts("eval", path)
    assert ran.code == 0 and len(list((folder / "evals").iterdir())) == 2
    assert "EXACT AND COST" in ran.out
    assert tts("eval", path, "--out", "x").code == 2
    assert [own["measures"] for own in tts("eval", path, "--json").json] == [["accuracy"], ["exact"]]


def test_the_second_time_nothing_is_asked(folder: Path) -> None:
    path = write_bench(folder)
    first = tts("eval", path, "main", "--on", "sums", "--json").json
    second = tts("eval", path, "main", "--on", "sums", "--json").json
    assert (first["state"]["new"]["calls"], second["state"]["new"]["calls"]) == (18, 0)
    assert first["folder"] == second["folder"] and first["arms"] == second["arms"]


def test_pipelines_and_files_of_rows_may_be_named(folder: Path) -> None:
    path = write_bench(folder)
    named = ("eval", path, "main,one", "--on", "rows.jsonl", "--limit", 3, "--param", "n=1", "--metric", "numeric")
    found = tts(*named, "--match", "tokens", "--ablate", "--json").json
    assert found["settings"]["questions"] == 3 and found["measures"] == ["numeric"]
    assert found["matching"]["of"] == "tokens"
    assert all(arm["params"] == {"n": 1} for arm in found["arms"])


def test_mistakes_are_told(folder: Path) -> None:
    path = write_bench(folder)
    assert "has no `eval`" in tts("eval", path).err
    assert "there is no dataset `sum`" in tts("eval", path, "--on", "sum[0:2]").err
    assert "there is no pipeline `mian`" in tts("eval", path, "mian", "--on", "sums").err
    assert "no pipeline has a parameter `m`" in tts("eval", path, "--on", "sums", "--param", "m=1").err
    assert "there is no metric `accuracyy`" in tts("eval", path, "--on", "sums", "--metric", "accuracyy").err
    assert "no `eval` of" in tts("eval", write_bench(folder, text=EVAL), "three").err
    assert "no run folder" in tts("report", folder / "nothing").err
    assert tts("compare", path, "--on", "sums").code == 2


def test_a_pipeline_of_the_file_may_judge(folder: Path) -> None:
    judge = """
    pipeline same(question: Text, first: Text, second: Text) -> Choice(yes, no) {
      return generate(check(question, first), from: judge, n: 1) |> vote()
    }
    model judge = script("yes")
    """
    path = write_bench(folder, text=judge)
    ran = tts("eval", path, "one", "--on", "sums", "--metric", "judge", "--judge", "same", "--metric", "accuracy")
    assert ran.code == 0, ran.err
    assert "JUDGE AND COST" in ran.out and re.search(r"one +100\.0%", ran.out)
    assert "was asked 12 times" in ran.err
    assert "needs a model that judges" in tts("eval", path, "one", "--on", "sums", "--metric", "judge").err


def test_what_a_judge_could_not_grade_is_said(folder: Path) -> None:
    judge = """
    pipeline same(question: Text, first: Text, second: Text) -> Choice(yes, no) {
      return generate(check(question, first), from: judge, n: 1)
    }
    model judge = script({"q000": "hm", "q001": "hm", "": "yes"})
    """
    path = write_bench(folder, text=judge)
    ask = ["eval", path, "one", "--on", "sums", "--judge", "same", "--metric"]
    second = tts(*ask, "accuracy", "--metric", "judge", "--out", "a")
    assert "one: judge gave no grade to 2 of 6 answers" in second.out
    assert tts("report", "a", "--json").json["arms"][0]["figures"]["grades"]["judge"]["ungraded"] == 2
    assert "| grades by judge | 6 | 33.3% |" in tts("report", "a", "--markdown").out
    first = tts(*ask, "judge", "--out", "b")
    assert "one: judge gave no grade to 2 of 6 answers" in first.out
    path.write_text(path.read_text(encoding="utf-8").replace('"": "yes"', '"": "hm"'), encoding="utf-8")
    nothing = tts(*ask, "accuracy", "--metric", "judge", "--out", "c")
    assert "one: judge gave no grade to 6 of 6 answers" in nothing.out
    assert (
        json.loads((folder / "c" / "report.json").read_text())["arms"][0]["figures"]["grades"]["judge"]["mean"] is None
    )


def test_files_are_compared_on_the_same_questions(folder: Path) -> None:
    path = write_bench(folder, 40)
    other = folder / "worse.tts"
    other.write_text(path.read_text(encoding="utf-8").replace("Answer: 1", "Answer: 3"), encoding="utf-8")
    ran = tts("compare", path, other, "--on", "sums")
    assert ran.code == 0, ran.err
    assert "worse is worse than bench: −50.0 points" in ran.out
    same = tts("compare", f"{path}:main", f"{path}:one", "--on", "rows.jsonl", "--json").json
    assert [arm["label"] for arm in same["arms"]] == ["main", "one"]
    assert tts("compare", path, path, "--on", "sums").code == 2


def test_a_run_is_laid_out_again_and_beside_another(folder: Path) -> None:
    path = write_bench(folder)
    tts("eval", path, "main", "--on", "sums", "--out", "a")
    tts("eval", path, "one", "--on", "sums", "--out", "b")
    (folder / "a" / "report.html").unlink()
    again = tts("report", "a")
    assert again.code == 0 and (folder / "a" / "report.html").exists()
    both = tts("report", "a", "b", "--html", "both.html", "--markdown")
    assert "between B: one and A: main" in both.out and (folder / "both.html").exists()
    assert tts("report", "a", "--json").json["records"]["main"]
    (folder / "b" / "run.json").write_text('{"arms": [], "version": 0}', encoding="utf-8")
    assert "another version" in tts("report", "b").err


def test_a_run_that_is_killed_goes_on_and_keeps_every_answer(folder: Path) -> None:
    path = write_bench(folder, 150)
    rows, draw = folder / "run" / "rows.jsonl", random.Random(3)
    before = 0
    for _ in range(4):
        process = start("eval", path, "main", "--on", "sums", "--out", folder / "run", cwd=folder)
        deadline = time.monotonic() + 60
        wanted = before + draw.randint(1, 25)
        while process.poll() is None and time.monotonic() < deadline:
            if rows.exists() and rows.read_bytes().count(b"\n") >= wanted:
                break
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        kept = rows.read_bytes().count(b"\n")
        assert kept >= before
        before = kept
    found = tts("eval", path, "main", "--on", "sums", "--out", folder / "run", "--json").json
    assert found["state"]["done"] == 150 and found["state"]["kept"] >= before
    ids = [json.loads(line)["id"] for line in rows.read_text(encoding="utf-8").splitlines()]
    assert len(ids) == len(set(ids)) == 150


COUNTED = '''
import asyncio, os
from pathlib import Path
from ttscale.plugin import Capabilities, Completion, EngineStats, engine


class Counted:
    capabilities = Capabilities(scoring=False)
    digest = "counted:1"

    def __init__(self, log):
        self.log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    async def start(self): ...

    async def count_tokens(self, messages):
        return sum(len(message.content) for message in messages)

    async def generate(self, request):
        for index, seed in enumerate(request.seeds):
            await asyncio.sleep(0.02)
            os.write(self.log, f"{seed}\\n".encode())
            yield Completion(index, f"Answer: {seed % 2}", "stop", 1, 3)

    async def score(self, messages, continuations, *, priority=()):
        return []

    def stats(self):
        return EngineStats()

    async def close(self):
        os.close(self.log)


@engine(scoring=False)
def counted(log: Path) -> Counted:
    """Writes a line for every sample that it makes."""
    return Counted(log)
'''


def test_two_processes_on_one_evaluation_make_no_sample_twice(folder: Path) -> None:
    """Both end complete with the same figures; every sample is made by one of them, once."""
    (folder / "counted.py").write_text(COUNTED, encoding="utf-8")
    text = write_bench(folder, 12).read_text(encoding="utf-8")
    own = re.sub(
        r"model small = script.*", 'use python("./counted.py") { counted }\nmodel small = counted("made.log")', text
    )
    (folder / "shared.tts").write_text(own, encoding="utf-8")
    command = ["eval", "shared.tts", "main", "--on", "sums", "--bank", "bank.sqlite", "--out", "run", "--json"]
    both = [start(*command, cwd=folder) for _ in range(2)]
    said = [process.communicate(timeout=300) for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    first, second = (json.loads(out) for out, _ in said)
    assert first["state"]["done"] == second["state"]["done"] == 12
    assert first["arms"][0]["figures"]["accuracy"] == second["arms"][0]["figures"]["accuracy"]
    made = (folder / "made.log").read_text(encoding="utf-8").split()
    assert len(made) == len(set(made)) == 12 * 3
    asked = sum(found["state"]["new"]["calls"] for found in (first, second))
    assert asked == 12 * 3
    third = tts(*command).json
    assert third["state"]["new"]["calls"] == 0 and third["state"]["kept"] == 12


def counted(folder: Path, questions: int = 4) -> None:
    """A program `shared.tts` whose model counts its samples in made.log."""
    (folder / "counted.py").write_text(COUNTED, encoding="utf-8")
    model = 'use python("./counted.py") { counted }\nmodel small = counted("made.log")'
    text = write_bench(folder, questions).read_text(encoding="utf-8")
    (folder / "shared.tts").write_text(re.sub(r"model small = script.*", model, text), encoding="utf-8")


def test_samples_that_pipelines_share_are_exported_for_the_stage_of_each(folder: Path) -> None:
    counted(folder)
    asked = tts("eval", "shared.tts", "main,one", "--on", "sums", "--bank", "b.sqlite", "--out", "run", "--json")
    assert asked.json["state"]["new"]["calls"] == 4 * 3  # `one` reads what `main` made, or the other way round
    found = {own["pipeline"]: own["run"] for own in tts("bank", "runs", "--bank", "b.sqlite", "--json").json["runs"]}
    export = ["bank", "export", "--bank", "b.sqlite", "--output", "pool.jsonl"]
    for name, samples in (("main", 12), ("one", 4)):
        own = tts(*export, "--run", found[name], "--stage", f"{name}/generate", "--json").json
        assert (own["questions"], own["samples"]) == (4, samples)
    kept = (folder / "pool.jsonl").read_text(encoding="utf-8")
    wrong = tts(*export, "--run", found["one"], "--stage", "main/generate")
    assert wrong.code == 1 and f"the run {found['one']} has no stage main/generate" in wrong.err
    assert f"its stages: one/generate; main/generate is a stage of the run {found['main']}" in wrong.err
    assert "its stages: one/generate\n" in tts(*export, "--run", found["one"], "--stage", "nothing").err
    no_model = tts(*export, "--model", "nothing")
    assert no_model.code == 1 and "no samples of a model nothing" in no_model.err
    assert (folder / "pool.jsonl").read_text(encoding="utf-8") == kept


def test_pipelines_of_one_name_in_two_files_are_runs_of_their_own(folder: Path) -> None:
    counted(folder)
    text = (folder / "shared.tts").read_text(encoding="utf-8")
    (folder / "other.tts").write_text(
        text.replace('"""{{ question }}"""', '"""So: {{ question }}"""'), encoding="utf-8"
    )
    files = ["shared.tts:main", "other.tts:main"]
    assert tts("compare", *files, "--on", "sums", "--bank", "b.sqlite", "--out", "run").code == 0
    found = tts("bank", "runs", "--bank", "b.sqlite", "--json").json["runs"]
    assert [(own["pipeline"], own["fresh"]) for own in found] == [("main", 12), ("main", 12)]
    assert "`prompt`" in tts("why", "last~1", "last", "--bank", "b.sqlite").out


def test_the_help_shows_the_commands_and_examples() -> None:
    listed = tts("--help").out
    assert all(f"  {name} " in listed for name in ("eval", "compare", "report"))
    assert "--precision" in tts("eval", "--help").out and "compare old.tts new.tts" in tts("compare", "--help").out


def test_the_measure_of_a_published_shape_is_used_and_said(folder: Path) -> None:
    """GSM8K has its gold behind `####`; a pipeline of texts is measured as numbers without being asked to."""
    raw = [{"question": f"q{i:03d}", "answer": f"some steps\n#### {1 + i % 2}"} for i in range(4)]
    (folder / "gsm.jsonl").write_text("\n".join(map(json.dumps, raw)) + "\n", encoding="utf-8")
    text = write_bench(folder, 4).read_text(encoding="utf-8")
    shaped = text + '\ndataset gsm = jsonl("gsm.jsonl")\n'
    (folder / "shaped.tts").write_text(shaped.replace("-> Number", "-> Text"), encoding="utf-8")
    for rows_of in ("gsm", "gsm.jsonl"):
        ran = tts("eval", "shaped.tts", "main", "--on", rows_of, "--no-bank", "--json")
        assert ran.code == 0, ran.err
        assert ran.json["measures"] == ["numeric"] and ran.json["arms"][0]["figures"]["accuracy"] == 0.5
        assert f"note: {rows_of} is in the shape of GSM8K" in ran.err and "measured by `numeric`" in ran.err
    named = tts("eval", "shaped.tts", "main", "--on", "gsm", "--no-bank", "--json", "--metric", "exact")
    assert named.json["measures"] == ["exact"] and "shape" not in named.err
    with load(folder / "shaped.tts") as own:
        assert own.evaluate("gsm").document["measures"] == ["numeric"]
