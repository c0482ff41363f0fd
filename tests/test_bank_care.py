"""Looking after a bank: figures, checks, throwing away, pool files, merging, comparing runs; and their commands."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from banks import MODEL, SeededEngine
from cli_runs import tts, write
from running import FakeEngine, answer, pipeline
from ttscale.runtime.bank.care import Rubbish, gc, stats, verify
from ttscale.runtime.bank.exchange import Selection, exported, imported, merged
from ttscale.runtime.bank.place import default_bank
from ttscale.runtime.bank.runs import BankRun
from ttscale.runtime.bank.schema import BankError
from ttscale.runtime.bank.store import Bank
from ttscale.runtime.bank.why import run_named, runs, why
from ttscale.runtime.poolfile import read_pool

VOTE = "return generate(ask(question), from: m, n: {n}, max_tokens: 40{more}) |> vote()"
JUDGED = "return generate(ask(question), from: m, n: 2) |> score(by: yes_no, from: m) |> select(by: score)"


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    with Bank(tmp_path / "bank.sqlite") as opened:
        yield opened


async def fill(
    bank: Bank, n: int = 3, more: str = "", questions: tuple[str, ...] = ("6 * 7", "8 * 9"), **settings: object
) -> BankRun:
    """One run over some questions."""
    run = BankRun(bank, {"pipeline": "main", "n": n})
    text = pipeline(VOTE.format(n=n, more=more), models=MODEL)
    for question in questions:
        await answer(text, {"m": SeededEngine()}, question, bank=run, **settings)  # type: ignore[arg-type]
    bank.flush()
    return run


async def judge(bank: Bank) -> None:
    await answer(pipeline(JUDGED, models=MODEL), {"m": FakeEngine()}, "9?", bank=BankRun(bank, {}))
    bank.flush()


def counted(bank: Bank, table: str) -> int:
    return int(bank.reader().execute(f"SELECT count(*) FROM {table}").fetchone()[0])


# --- figures and checks ------------------------------------------------------------------------------------


async def test_stats_count_what_is_there(bank: Bank) -> None:
    await fill(bank)
    await judge(bank)
    found = stats(bank)
    assert (found["samples"], found["judgements"], found["prompts"], found["running"]) == (8, 1, 4, 0)
    assert [(m["samples"], m["judgements"]) for m in found["models"]] == [(8, 1)]
    assert found["models"][0]["model"] == "small.gguf"
    assert found["bytes"] > 0 and found["new_tokens"] == found["models"][0]["new_tokens"] > 0


async def test_a_sound_bank_is_sound(bank: Bank) -> None:
    await fill(bank)
    await judge(bank)
    assert verify(bank) == []


@pytest.mark.parametrize(
    ("table", "change", "said"),
    [
        ("prompts", 'messages = \'[["user","other"]]\'', "is not the text"),
        ("draws", "fields = replace(fields, '0.8', '0.9')", "other fields"),
        ("samples", "new_tokens = new_tokens + 1", "token ids"),
        ("samples", "text = text || '!', raw = NULL", "its pieces are not its text"),
        ("samples", "draw = 99", "belong to no row of draws"),
        ("samples", "finish = 'failed'", "ended with"),
        ("scores", "logprobs = '[]'", "one entry a continuation"),
    ],
    ids=str,
)
async def test_verify_finds_what_was_changed(bank: Bank, table: str, change: str, said: str) -> None:
    await fill(bank)
    await judge(bank)

    def work(connection: object) -> None:
        connection.execute(f"DROP TRIGGER {table}_never_change")  # type: ignore[attr-defined]
        connection.execute(f"UPDATE {table} SET {change} WHERE rowid = 1 OR '{table}' = 'scores'")  # type: ignore[attr-defined]

    bank.write(work).result()
    assert any(said in problem for problem in verify(bank)), verify(bank)


# --- throwing away -----------------------------------------------------------------------------------------


async def test_gc_throws_nothing_away_that_is_not_named(bank: Bank) -> None:
    await fill(bank)
    assert not any(gc(bank, Rubbish()).values())
    assert counted(bank, "samples") == 6


async def test_gc_by_age_and_model_and_what_they_leave_alone(bank: Bank) -> None:
    await fill(bank)
    assert gc(bank, Rubbish(model="other.gguf"))["samples"] == 0
    assert gc(bank, Rubbish(older_than_days=1))["samples"] == 0
    tried = gc(bank, Rubbish(model="small.gguf"), dry_run=True)
    assert tried["samples"] == 6 and counted(bank, "samples") == 6
    assert gc(bank, Rubbish(older_than_days=0)) == {**tried, "runs": 1, "draws": 2, "prompts": 2}
    assert [counted(bank, table) for table in ("samples", "draws", "prompts", "models", "asked")] == [0] * 5
    assert verify(bank) == []
    run = await fill(bank)
    assert run.bank.trouble == "" and counted(bank, "samples") == 6


async def test_gc_of_beginnings_keeps_what_can_still_be_read(bank: Bank) -> None:
    text = "return generate(ask(question), from: m, n: 2, max_tokens: {}) |> vote()"
    for limit in (5, 30):
        engines = {"m": SeededEngine()}
        await answer(pipeline(text.format(limit), models=MODEL), engines, bank=BankRun(bank, {}))
    bank.flush()
    assert counted(bank, "samples") == 4
    assert gc(bank, Rubbish(superseded=True))["samples"] == 2
    engine = SeededEngine()
    result = await answer(pipeline(text.format(5), models=MODEL), {"m": engine}, bank=BankRun(bank, {}))
    assert engine.requests == [] and result.fresh.calls == 0


# --- pool files and merging --------------------------------------------------------------------------------


async def test_an_exported_run_is_a_pool_file(bank: Bank, tmp_path: Path) -> None:
    await fill(bank, n=2)
    run = await fill(bank, n=3)
    file = tmp_path / "pool.jsonl"
    golds = {json.dumps({"question": "6 * 7"}): 42}
    written = list(exported(bank, Selection(run=run.id), golds=golds.get))
    file.write_text("".join(json.dumps(line) + "\n" for line in written))
    questions = read_pool(file)
    assert [question.question for question in questions] == ["6 * 7", "8 * 9"]
    assert [len(question.pool) for question in questions] == [3, 3]
    assert questions[0].gold == 42 and questions[1].gold is None
    assert all(c.logprob_mean is not None and c.tokens for question in questions for c in question.pool)
    assert [len(line["samples"]) for line in exported(bank, Selection())] == [3, 3]
    with pytest.raises(BankError, match="has no stage main/other"):
        list(exported(bank, Selection(run=run.id, stage="main/other")))
    with pytest.raises(BankError, match="no samples of a model other"):
        list(exported(bank, Selection(model="other")))


async def test_what_is_exported_in_full_can_be_imported(bank: Bank, tmp_path: Path) -> None:
    await fill(bank)
    file = tmp_path / "all.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in exported(bank, Selection(), full=True)))
    with Bank(tmp_path / "other.sqlite") as other:
        assert imported(other, file) == {"added": 6, "known": 0}
        assert imported(other, file) == {"added": 0, "known": 6}
        assert verify(other) == []
        await fill(other)
        assert counted(other, "samples") == 6


async def test_a_file_without_keys_cannot_be_imported(bank: Bank, tmp_path: Path) -> None:
    await fill(bank)
    file = tmp_path / "pool.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in exported(bank, Selection())))
    with pytest.raises(BankError, match="its key is not known"):
        imported(bank, file)
    file.write_text("no json\n")
    with pytest.raises(BankError, match=r"pool\.jsonl:1"):
        imported(bank, file)


async def test_merging_adds_what_is_missing(bank: Bank, tmp_path: Path) -> None:
    await fill(bank, n=2)
    with Bank(tmp_path / "other.sqlite") as other:
        await fill(other, n=4)
        await judge(other)
        other.flush()
    assert merged(bank, tmp_path / "other.sqlite") == {"added": 6, "known": 4, "judgements": 1, "runs": 2}
    assert merged(bank, tmp_path / "other.sqlite") == {"added": 0, "known": 10, "judgements": 0, "runs": 0}
    assert verify(bank) == [] and len(runs(bank)) == 3
    with pytest.raises(BankError, match="itself"):
        merged(bank, bank.path)
    with pytest.raises(BankError, match="no bank"):
        merged(bank, tmp_path / "nowhere.sqlite")


# --- why ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "field", "first", "second"),
    [
        ({"more": ", temperature: 0.25"}, "sampling.temperature", 0.8, 0.25),
        ({"more": ', stop: "x"'}, "stop", [], ["x"]),
        ({"run_seed": 5}, "run_seed", 0, 5),
        ({"more": ", series: 1"}, "series", 0, 1),
        ({"n": 5}, "index", "up to 2", "up to 4"),
        ({"questions": ("6 * 8",)}, "prompt", "user: Solve 6 * 7", "user: Solve 6 * 8"),
    ],
    ids=str,
)
async def test_why_names_the_field(
    bank: Bank, settings: dict[str, object], field: str, first: object, second: object
) -> None:
    one = await fill(bank)
    two = await fill(bank, **settings)  # type: ignore[arg-type]
    (reason,) = why(bank, one.id, two.id)
    assert (reason.field, reason.first, reason.second) == (field, first, second)
    assert reason.stage == "main/generate" and reason.samples > 0 and reason.new_tokens > 0


async def test_why_says_nothing_where_nothing_was_made(bank: Bank) -> None:
    one, two = await fill(bank), await fill(bank)
    assert why(bank, one.id, two.id) == []
    assert why(bank, "last~1", "last") == []
    assert [run["run"] for run in runs(bank)] == [two.id, one.id]
    assert [(run["kept"], run["fresh"], run["questions"]) for run in runs(bank)] == [(6, 0, 2), (0, 6, 2)]
    assert run_named(bank, one.id[:7]) == one.id
    for name in ("zzz", "last~9", "last~x"):
        with pytest.raises(BankError):
            run_named(bank, name)


# --- commands ----------------------------------------------------------------------------------------------


@pytest.fixture
async def file(tmp_path: Path) -> Path:
    """The file of a bank with two runs."""
    path = tmp_path / "bank.sqlite"
    with Bank(path) as opened:
        await fill(opened)
        await fill(opened, more=", temperature: 0.25")
    return path


def test_the_commands_for_people_and_programs(file: Path, tmp_path: Path) -> None:
    here = ("--bank", file)
    assert "12 samples" in tts("bank", "stats", *here).out
    assert tts("bank", "stats", *here, "--json").json["samples"] == 12
    assert len(tts("bank", "runs", *here, "--json").json["runs"]) == 2
    assert tts("bank", "runs", *here).out.splitlines()[0].startswith("run ")
    assert "`sampling.temperature` was 0.8, is 0.25" in tts("why", "last~1", "last", *here).out
    assert tts("why", "last~1", "last", *here, "--json").json["reasons"][0]["samples"] == 6
    assert tts("bank", "verify", *here, "--json").json == {"sound": True, "problems": []}
    assert "sound" in tts("bank", "verify", *here).out
    assert tts("bank", "gc", *here, "--older-than", 0, "--dry-run", "--json").json["samples"] == 12
    assert "nothing" in tts("bank", "gc", *here).out
    rows, pool, whole = tmp_path / "rows.jsonl", tmp_path / "pool.jsonl", tmp_path / "all.jsonl"
    rows.write_text('{"question": "6 * 7", "right": 42, "level": 1}\n')
    found = tts("bank", "export", *here, "--run", "last", "--rows", rows, "--gold", "right", "--output", pool, "--json")
    assert found.json == {"output": str(pool), "questions": 2, "samples": 6, "with_gold": 1}
    assert tts("replay", pool, "--select", "vote()", "--json").code == 0
    assert "12 samples" in tts("bank", "export", *here, "--full", "--output", whole).out
    other = tmp_path / "new" / "other.sqlite"
    assert tts("bank", "import", whole, "--bank", other, "--json").json == {"added": 12, "known": 0}
    assert "0 samples added" in tts("bank", "merge", other, *here).out


def test_right_answers_are_read_from_published_rows(file: Path, tmp_path: Path) -> None:
    """GSM8K's `answer` is a solution; what is compared is the number behind its mark."""
    rows, pool = tmp_path / "test.jsonl", tmp_path / "pool.jsonl"
    rows.write_text('{"question": "6 * 7", "answer": "six times seven\\n#### 42"}\n')
    asked = ("--run", "last", "--rows", rows, "--gold", "answer", "--output", pool)
    assert tts("bank", "export", "--bank", file, *asked, "--json").json["with_gold"] == 1
    assert [json.loads(line).get("gold") for line in pool.read_text().splitlines()] == ["42", None]
    picked = tts("replay", pool, "--select", "vote()", "--json").json["questions"]
    assert isinstance(picked[0]["answer"], int | float)  # the samples are read as the number that is wanted


def test_wrong_uses_are_said(file: Path, tmp_path: Path) -> None:
    none = tts("bank", "stats", "--bank", tmp_path / "no.sqlite")
    assert none.code == 1 and "there is no bank" in none.err
    assert tts("bank", "stats").code == 2  # TTSCALE_BANK is off in tests
    assert tts("bank", "export", "--bank", file, "--stage", "x", "--output", tmp_path / "p").code == 2
    assert tts("bank", "export", "--bank", file, "--gold", "x", "--output", tmp_path / "p").code == 2
    assert tts("why", "zz", "last", "--bank", file).code == 1
    assert tts("run", write(tmp_path), "6 * 7?", "--bank", file, "--no-bank").code == 2


def test_where_the_bank_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert default_bank() is None
    monkeypatch.setenv("TTSCALE_BANK", str(tmp_path / "mine.sqlite"))
    assert default_bank() == tmp_path / "mine.sqlite"
    monkeypatch.delenv("TTSCALE_BANK")
    place = default_bank()
    assert place is not None and place.name == "bank.sqlite" and "ttscale" in place.parts


def test_a_run_of_scripts_needs_no_bank(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TTSCALE_BANK", str(tmp_path / "mine.sqlite"))
    assert tts("run", write(tmp_path), "6 * 7?").code == 0
    assert not (tmp_path / "mine.sqlite").exists()


class Server(ThreadingHTTPServer):
    """A model behind the OpenAI interface that always answers the same and counts how often."""

    asked = 0

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert isinstance(self.server, Server)
            self.server.asked += 1
            self.rfile.read(int(self.headers["Content-Length"]))
            message = {"role": "assistant", "content": "so 42. Answer: 42"}
            usage = {"prompt_tokens": 9, "completion_tokens": 6}
            body = json.dumps({"choices": [{"message": message, "finish_reason": "stop"}], "usage": usage}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *_: object) -> None:
            """Nobody reads it."""


def test_the_second_run_of_a_command_asks_no_server(tmp_path: Path) -> None:
    server = Server(("127.0.0.1", 0), Server.Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://user:secret@127.0.0.1:{server.server_port}/v1"
    file = write(tmp_path)
    here = ("--bank", tmp_path / "bank.sqlite", "--model", f"small={address}#tiny")
    try:
        first = tts("run", file, "6 * 7?", *here)
        assert (first.code, first.out, server.asked) == (0, "42\n", 3)
        second = tts("run", file, "6 * 7?", *here)
        assert (second.out, server.asked) == ("42\n", 3) and "18 of 18 new tokens from the bank" in second.err
        found = tts("run", file, "6 * 7?", *here, "--param", "n=4", "--json").json
        assert server.asked == 4 and found["fresh"] == {"calls": 1, "new_tokens": 6, "usd": 0.0}
        rows = tmp_path / "rows.jsonl"
        rows.write_text('{"question": "6 * 7?"}\n{"question": "7 * 6?"}\n')
        many = tts("run", file, "--input", rows, *here)
        assert many.code == 0 and server.asked == 7 and "18 of 36 new tokens from the bank" in many.err
        assert tts("run", file, "6 * 7?", "--no-bank", *here[2:]).code == 0 and server.asked == 10
    finally:
        server.shutdown()
        server.server_close()
    assert tts("bank", "stats", *here[:2], "--json").json["models"][0]["model"] == "tiny at 127.0.0.1"
    assert b"secret" not in (tmp_path / "bank.sqlite").read_bytes()
