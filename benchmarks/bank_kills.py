"""Kill a run with SIGKILL at random moments, resume it each time, and count what was computed twice.

    python benchmarks/bank_kills.py --kills 20                          # an engine that counts every token
    python benchmarks/bank_kills.py --weights smollm2.gguf --kills 20   # a model

The run answers questions with eight samples each, several at once. At the end every sample that was finished must be
there as it was. Tokens and prompts that were computed anew are counted: each leaves a byte in a file when it is
computed, written by the engine itself, with `--weights` by the model's own process (`bank_loop.py`), so a kill loses
none of the count. Beginnings of samples that went on are read like prompts, and counted apart. The exit code is 1
where anything is wrong.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import bank_loop
import ttscale
from ttscale.runtime.bank.care import verify
from ttscale.runtime.bank.store import Bank

ENGINE = Path(__file__).with_name("bank_engine.py")
WEIGHTS = 'model small = gguf("{path}", ctx: 1024)'
COUNTED = """use python("./bank_engine.py") {{ seeded }}

model small = seeded("{path}", pause: 0.01)"""
PROGRAM = '''tts 1

{model}

prompt tell(question: Text) -> Text = """
{{{{ question }}}} Explain step by step.
"""

pipeline main(question: Text) -> Text {{
  return generate(tell(question), from: small, n: 8, max_tokens: 200, temperature: 1.1) |> select(by: first)
}}
'''
QUESTIONS_AT_ONCE = 2
RUNNING_AT_MOST = 8 * QUESTIONS_AT_ONCE
JOURNAL = 64


def work(program: Path, bank: Path, log: Path, questions: int) -> None:
    """Answer all questions, two at a time; what a killed process was doing."""
    bank_loop.count_into(log)

    async def answer() -> None:
        with ttscale.load(program, bank=bank) as loaded:
            rows = [f"How many minutes are {number + 2} hours and {number} minutes?" for number in range(questions)]
            async for row in loaded.run_many(rows, concurrency=QUESTIONS_AT_ONCE):
                assert row.result is not None, row.error
                fresh = row.result.fresh
                print(json.dumps({"calls": fresh.calls, "new_tokens": fresh.new_tokens}), flush=True)

    asyncio.run(answer())


def held(bank: Path) -> tuple[dict[tuple[int, ...], str], int]:
    """Texts of finished samples by their place, and the tokens kept of running ones."""
    if not bank.is_file():
        return {}, 0
    connection = sqlite3.connect(f"file:{bank}?mode=ro", uri=True)
    try:
        finished = connection.execute("SELECT draw, series, attempt, position, version, text FROM samples").fetchall()
        (running,) = connection.execute("SELECT coalesce(sum(length(token_ids)), 0) / 4 FROM running").fetchone()
    except sqlite3.OperationalError:
        return {}, 0
    finally:
        connection.close()
    return {tuple(row[:-1]): row[-1] for row in finished}, running


def total(said: str, name: str) -> int:
    """A figure of a worker's questions, added up."""
    return sum(json.loads(line)[name] for line in said.splitlines())


def counted(log: Path, what: bytes) -> int:
    """How many bytes of a kind a log has."""
    return log.read_bytes().count(what) if log.is_file() else 0


def main() -> None:
    """Kill, resume, count, and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, help="a .gguf file; without one, an engine that counts every token")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--questions", type=int, default=12)
    parser.add_argument("--longest", type=float, default=8.0, help="seconds after the first token, at most")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--work", nargs=3, type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.work is not None:
        work(*arguments.work, arguments.questions)
        return
    with tempfile.TemporaryDirectory() as folder:
        found = measured(Path(folder), arguments)
    print(json.dumps(found, indent=2))
    sys.exit(0 if is_right(found) else 1)


def measured(folder: Path, arguments: argparse.Namespace) -> dict[str, object]:
    """Kill and resume until the kills are used up, then let the run end."""
    program, bank, log = folder / "kills.tts", folder / "bank.sqlite", folder / "made.bin"
    shutil.copy(ENGINE, folder)
    weights = arguments.weights
    model = COUNTED.format(path=log) if weights is None else WEIGHTS.format(path=weights.resolve())
    program.write_text(PROGRAM.format(model=model), encoding="utf-8")
    command = [sys.executable, __file__, "--questions", str(arguments.questions)]
    command += ["--work", str(program), str(bank), str(log)]
    chance = random.Random(arguments.seed)
    kept: dict[tuple[int, ...], str] = {}
    lost = changed = resumed = 0
    for number in range(arguments.kills):
        made = counted(log, bank_loop.TOKEN)
        worker = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        before = len(kept)
        while worker.poll() is None and counted(log, bank_loop.TOKEN) == made:
            time.sleep(0.05)
        until = time.monotonic() + chance.uniform(0.0, arguments.longest)
        while worker.poll() is None and time.monotonic() < until:
            time.sleep(0.01)
        ended = worker.poll() is not None
        worker.send_signal(signal.SIGKILL)
        worker.wait()
        now, running = held(bank)
        resumed += running
        lost += sum(place not in now for place in kept)
        changed += sum(now.get(place, text) != text for place, text in kept.items())
        kept = now
        print(f"kill {number + 1}: {len(kept) - before} new, {len(kept)} finished, {running} tokens running",
              file=sys.stderr, flush=True)  # fmt: skip
        if ended:
            break
    last = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    end, running = held(bank)
    again = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    with Bank(bank) as opened:
        reader = opened.reader()
        problems = verify(opened)
        (tokens,) = reader.execute("SELECT sum(new_tokens) FROM samples").fetchone()
    computed = counted(log, bank_loop.TOKEN)
    prompts, prompt_tokens = counted(log, bank_loop.PROMPT), counted(log, bank_loop.PROMPT_TOKEN)
    return {
        "kills": number + 1,
        "samples": len(end),
        "samples_wanted": 8 * arguments.questions,
        "finished_samples_lost": lost,
        "finished_samples_changed": changed,
        "left_running": running,
        "tokens_of_all_samples": tokens,
        "tokens_made_by_the_last_run": total(last, "new_tokens"),
        "tokens_made_by_all_runs": computed,
        "tokens_made_twice": computed - tokens,
        "tokens_allowed_to_be_made_twice": (number + 1) * RUNNING_AT_MOST * JOURNAL,
        "prompts_read_by_all_runs": prompts,
        "prompts_allowed": arguments.questions + (number + 1) * QUESTIONS_AT_ONCE,
        "prompt_tokens_read_by_all_runs": None if weights is None else prompt_tokens,
        "tokens_of_beginnings_read": None if weights is None else counted(log, bank_loop.RESUMED_TOKEN),
        "tokens_of_beginnings_kept_at_kills": resumed,
        "calls_of_a_second_run": total(again, "calls"),
        "problems": problems,
    }


def is_right(found: dict[str, object]) -> bool:
    """Whether nothing was lost and no more was computed twice than is allowed."""
    nothing = ("finished_samples_lost", "finished_samples_changed", "left_running", "calls_of_a_second_run")
    numbers = {name: value for name, value in found.items() if isinstance(value, int)}
    return (
        not found["problems"]
        and not any(numbers[name] for name in nothing)
        and numbers["samples"] == numbers["samples_wanted"]
        and numbers["tokens_made_twice"] <= numbers["tokens_allowed_to_be_made_twice"]
        and numbers["prompts_read_by_all_runs"] <= numbers["prompts_allowed"]
        and numbers.get("tokens_of_beginnings_read", 0) <= numbers["tokens_of_beginnings_kept_at_kills"]
    )


if __name__ == "__main__":
    main()
