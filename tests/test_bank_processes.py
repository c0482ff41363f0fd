"""Several processes at one bank: nothing is made twice, and what a killed one leaves is taken over."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from banks import draw_of
from engine_files import embedded_weights
from ttscale.runtime.bank import claims
from ttscale.runtime.bank.care import verify
from ttscale.runtime.bank.keys import Spot
from ttscale.runtime.bank.store import Bank

WORKER = Path(__file__).with_name("bank_worker.py")
needs_posix = pytest.mark.skipif(os.name != "posix", reason="processes are killed by signal here")


def start(bank: Path, model: str = "seeded", questions: int = 6, pause: float = 0.002) -> subprocess.Popen[str]:
    """A worker on its way."""
    command = [sys.executable, str(WORKER), str(bank), model, str(questions), str(pause)]
    path = os.pathsep.join([str(WORKER.parent), *sys.path])
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": path})


def lines(process: subprocess.Popen[str]) -> list[dict[str, Any]]:
    """What a worker said, once it has ended well."""
    out, _ = process.communicate(timeout=300)
    assert process.returncode == 0
    return [json.loads(line) for line in out.splitlines()]


def by_question(said: list[dict[str, Any]]) -> dict[str, list[str]]:
    return {line["question"]: line["texts"] for line in said if "question" in line}


def held(bank: Path) -> tuple[int, int]:
    """Finished samples in the bank, and tokens of those that are running, as another process sees them."""
    if not bank.is_file():
        return 0, 0
    connection = sqlite3.connect(f"file:{bank}?mode=ro", uri=True)
    try:
        (samples,) = connection.execute("SELECT count(*) FROM samples").fetchone()
        (running,) = connection.execute("SELECT coalesce(sum(length(token_ids)), 0) / 4 FROM running").fetchone()
    except sqlite3.OperationalError:  # its tables are not there yet
        return 0, 0
    finally:
        connection.close()
    return samples, running


def test_two_processes_make_no_sample_twice(tmp_path: Path) -> None:
    alone = lines(start(tmp_path / "alone.sqlite", pause=0))
    workers = [start(tmp_path / "shared.sqlite") for _ in range(2)]
    first, second = (lines(worker) for worker in workers)
    assert by_question(first) == by_question(second) == by_question(alone)
    made = [said[-1]["made"] for said in (alone, first, second)]
    assert made[1] + made[2] == made[0]
    calls = [sum(line.get("fresh_calls", 0) for line in said) for said in (first, second)]
    assert sum(calls) == 24
    with Bank(tmp_path / "shared.sqlite") as bank:
        assert bank.reader().execute("SELECT count(*), max(version) FROM samples").fetchone() == (24, 0)
        assert bank.reader().execute("SELECT count(*) FROM claims").fetchone() == (0,)
        assert verify(bank) == []


@needs_posix
def test_a_killed_process_loses_nothing_that_was_finished(tmp_path: Path) -> None:
    path = tmp_path / "bank.sqlite"
    alone = lines(start(tmp_path / "alone.sqlite", pause=0))
    chance = random.Random(5)
    for _ in range(5):
        worker = start(path)
        before = held(path)[0]
        deadline = time.monotonic() + 60
        while held(path)[0] <= before + chance.randrange(3) and worker.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        worker.send_signal(signal.SIGKILL)
        worker.communicate()
        assert held(path)[0] >= before
    kept, begun = held(path)
    last = lines(start(path, pause=0))
    assert by_question(last) == by_question(alone)
    with Bank(path) as bank:
        assert bank.reader().execute("SELECT count(*), max(version) FROM samples").fetchone() == (24, 0)
        assert bank.reader().execute("SELECT count(*) FROM running").fetchone() == (0,)
        assert verify(bank) == []
    assert sum(line.get("fresh_calls", 0) for line in last) == 24 - kept
    assert last[-1]["made"] == sum(line.get("fresh_tokens", 0) for line in last) <= alone[-1]["made"] - begun


@pytest.mark.model
@needs_posix
def test_a_killed_model_run_is_resumed_where_it_was(tmp_path: Path) -> None:
    weights = str(embedded_weights())
    path = tmp_path / "bank.sqlite"
    for _ in range(3):
        before = held(path)
        worker = start(path, weights, questions=3)
        deadline = time.monotonic() + 120
        while worker.poll() is None and time.monotonic() < deadline:
            now = held(path)
            if now[0] > before[0] or now[1] > before[1] + 64:
                break
            time.sleep(0.02)
        worker.send_signal(signal.SIGKILL)
        worker.communicate()
    kept, begun = held(path)
    assert kept or begun
    last = lines(start(path, weights, questions=3))[:-1]
    assert sum(line["fresh_calls"] for line in last) == 12 - kept
    assert len(last) == 3 and all(len(line["texts"]) == 4 for line in last)
    with Bank(path) as bank:
        total = sum(row[0] for row in bank.reader().execute("SELECT new_tokens FROM samples WHERE version = 0"))
        assert sum(line["new_tokens"] for line in last) == total
        assert verify(bank) == []
    again = lines(start(path, weights, questions=3))[:-1]
    assert by_question(again) == by_question(last)
    assert sum(line["fresh_calls"] for line in again) == 0


# --- leases ------------------------------------------------------------------------------------------------


def claimed(bank: Bank, other: Bank) -> list[bool]:
    """Whether each of two banks, one after the other, is given the same spot."""
    draw = draw_of()
    spot = [claims.Want(Spot(), 8)]
    return [one.claim(draw, (), spot, label="m", context=None, resumes=False).result()[0].mine for one in (bank, other)]


def test_a_claim_keeps_others_away_until_it_is_given_back(tmp_path: Path) -> None:
    with Bank(tmp_path / "b.sqlite") as first, Bank(tmp_path / "b.sqlite") as second:
        assert claimed(first, second) == [True, False]
        first.release(draw_of(), [Spot()]).result()
        assert claimed(second, first) == [True, False]


def test_closing_gives_all_claims_back(tmp_path: Path) -> None:
    with Bank(tmp_path / "b.sqlite") as second:
        with Bank(tmp_path / "b.sqlite") as first:
            assert claimed(first, second) == [True, False]
        assert claimed(second, second) == [True, False]


@pytest.mark.parametrize("how", ["expired", "gone", "elsewhere"])
def test_the_claim_of_an_owner_that_is_gone_is_taken_over(tmp_path: Path, how: str) -> None:
    with Bank(tmp_path / "b.sqlite") as first, Bank(tmp_path / "b.sqlite") as second:
        assert claimed(first, second) == [True, False]
        ended = subprocess.Popen([sys.executable, "-c", ""])
        ended.wait()
        change = {
            "expired": "UPDATE owners SET expires = 0",
            "gone": f"UPDATE owners SET pid = {ended.pid}",
            "elsewhere": f"UPDATE owners SET pid = {ended.pid}, place = 'another machine'",
        }[how]
        first.write(lambda connection: connection.execute(change)).result()
        grant = second.claim(draw_of(), (), [claims.Want(Spot(), 8)], label="m", context=None, resumes=False).result()
        assert grant[0].mine == (how != "elsewhere" and (how == "expired" or os.name == "posix"))


def test_a_lease_is_renewed_while_its_owner_lives(tmp_path: Path) -> None:
    with Bank(tmp_path / "b.sqlite", lease=0.4) as first:
        first.write(lambda connection: None).result()

        def expires() -> float:
            return float(first.reader().execute("SELECT expires FROM owners").fetchone()[0])

        began = expires()
        deadline = time.monotonic() + 30
        while expires() == began and time.monotonic() < deadline:
            time.sleep(0.02)
        assert expires() > began
