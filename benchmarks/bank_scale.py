"""How fast a bank of a million samples is: filling it, opening it, looking samples up, keeping new ones.

    python benchmarks/bank_scale.py                       # a million rows, in a file that is thrown away
    python benchmarks/bank_scale.py --rows 100000 --bank scale.sqlite

Rows are like those of a real run: eight samples a prompt, 120 tokens each with log-probabilities and pieces. Look-ups
are of random prompts, in groups of eight as a run asks for them, and give completions, not raw rows.
"""

from __future__ import annotations

import argparse
import json
import random
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from ttscale.runtime.bank.keys import Draw, Spot
from ttscale.runtime.bank.rows import Want, best, packed
from ttscale.runtime.bank.store import Bank, enter
from ttscale.runtime.engines.base import Completion, Message, Sampling
from ttscale.runtime.seeds import messages_digest

SAMPLES, TOKENS = 8, 120


def main() -> None:
    """Measure and print, as JSON at the end."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--lookups", type=int, default=200_000)
    parser.add_argument("--bank", type=Path, help="keep the bank here, and use it if it is there already")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = arguments.bank or Path(folder) / "bank.sqlite"
        figures = measured(path, arguments.rows, arguments.lookups)
    print(json.dumps(figures, indent=2))


def measured(path: Path, rows: int, lookups: int) -> dict[str, float]:
    """All figures: seconds, samples a second, milliseconds, bytes a row."""
    found: dict[str, float] = {"rows": rows}
    prompts = rows // SAMPLES
    if not path.exists():
        began = time.perf_counter()
        fill(path, prompts)
        found["filled_rows_a_second"] = round(rows / (time.perf_counter() - began))
    found["bytes_a_row"] = round(path.stat().st_size / rows)
    began = time.perf_counter()
    bank = Bank(path)
    bank.find(draw_of(0), [Spot(0, 0, 0)])
    found["milliseconds_to_the_first_sample"] = round(1000 * (time.perf_counter() - began), 2)
    for name in ("cold", "warm"):
        chosen = [random.Random(name).randrange(prompts) for _ in range(lookups // SAMPLES)]
        draws = [draw_of(number) for number in chosen]
        wants = [Want(Spot(0, 0, index), 512) for index in range(SAMPLES)]
        spots = [want.spot for want in wants]
        began, worked = time.perf_counter(), time.process_time()
        hits = 0
        for draw in draws:
            there = bank.find(draw, spots)
            for want in wants:
                row = best(there[want.spot], want, None)
                assert row is not None
                hits += row.completion(0, want).new_tokens == TOKENS
        found[f"{name}_lookups_a_second"] = round(hits / (time.perf_counter() - began))
        found[f"{name}_lookups_a_processor_second"] = round(hits / (time.process_time() - worked))
    found.update(kept(bank, prompts))
    bank.close()
    return found


def kept(bank: Bank, prompts: int) -> dict[str, float]:
    """How long new samples take until they are on the disk: all at once, and one after the other."""
    messages = messages_of(prompts)
    draw = Draw("sha256:scale", messages_digest(messages), Sampling(), run_seed=time.time_ns())
    wants = [Want(Spot(0, 0, index), 512) for index in range(2000)]
    bank.claim(draw, messages, wants, label="scale", context=None, resumes=True).result()
    began = time.perf_counter()
    futures = [bank.save(draw, want.spot, completion(want.spot.position), {}) for want in wants[:1900]]
    for future in futures:
        future.result()
    together = len(futures) / (time.perf_counter() - began)
    alone = []
    for want in wants[1900:]:
        began = time.perf_counter()
        bank.save(draw, want.spot, completion(want.spot.position), {}).result()
        alone.append(1000 * (time.perf_counter() - began))
    alone.sort()
    return {
        "kept_together_a_second": round(together),
        "milliseconds_until_kept_median": round(alone[len(alone) // 2], 2),
        "milliseconds_until_kept_worst_of_100": round(alone[-1], 2),
    }


def messages_of(number: int) -> tuple[Message, ...]:
    """The prompt of one number."""
    return (Message("user", f"Question {number}: how many sheep are left of {number * 7 % 1009}? Think, then answer."),)


def draw_of(number: int) -> Draw:
    """The draw of one prompt."""
    return Draw("sha256:scale", messages_digest(messages_of(number)), Sampling())


def completion(number: int) -> Completion:
    """A sample of TOKENS tokens."""
    words = [f" w{(number * 31 + place * 17) % 997}" for place in range(TOKENS)]
    return Completion(
        0, "".join(words), "stop", 60, TOKENS, token_ids=tuple(range(TOKENS)),
        logprobs=tuple(-place / 997 for place in range(TOKENS)), pieces=tuple(word.encode() for word in words),
    )  # fmt: skip


def fill(path: Path, prompts: int) -> None:
    """Write the rows, a thousand prompts a transaction, without the checks that a running bank makes."""
    with Bank(path) as bank:
        for low in range(0, prompts, 1000):
            numbers = range(low, min(prompts, low + 1000))
            bank.write(lambda connection, numbers=numbers: write(bank, connection, numbers)).result()


def write(bank: Bank, connection: sqlite3.Connection, numbers: range) -> None:
    """Write the samples of these prompts."""
    facts = enter(connection, "provenance", "facts", "{}")
    records = [
        record for number in numbers
        for record in records_of(bank.draw_number(connection, draw_of(number), messages_of(number), "scale"), facts)
    ]  # fmt: skip
    columns = "draw, series, attempt, position, version, finish, text, thoughts, thought_tokens, prompt_tokens, "
    columns += "new_tokens, token_ids, logprobs, sizes, raw, seconds, error, provenance, made"
    connection.executemany(f"INSERT INTO samples ({columns}) VALUES ({', '.join('?' * 19)})", records)


def records_of(draw: int, facts: int) -> Iterator[tuple[object, ...]]:
    """The rows of one draw."""
    for index in range(SAMPLES):
        made, rest = ready((draw + index) % 64)
        yield (
            draw, 0, 0, index, 0, made.finish, made.text, "", 0, made.prompt_tokens, made.new_tokens, *rest,
            0.5, "", facts, 0.0,
        )  # fmt: skip


@cache
def ready(number: int) -> tuple[Completion, tuple[object, ...]]:
    """A sample and its packed parts."""
    made = completion(number)
    return made, packed(made)


if __name__ == "__main__":
    main()
