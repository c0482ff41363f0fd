"""Banks to files and back: pool files for `ttscale replay`, and one bank into another.

A pool file has one question a line: of one run, each question that it asked; else each prompt of the bank. With `full`,
every sample also has the part `bank`, which holds all that the bank knows of it, so that the file can be imported.
"""

from __future__ import annotations

import base64
import json
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from ttscale.runtime.bank.keys import Spot, digest_of, messages_of, messages_text
from ttscale.runtime.bank.rows import COLUMNS, Row, events_of, figures, numbers
from ttscale.runtime.bank.schema import BankError, connect, open_file
from ttscale.runtime.bank.store import Bank, enter, enter_draw, insert_sample, next_version
from ttscale.runtime.bank.why import run_named
from ttscale.runtime.engines.base import Completion
from ttscale.runtime.seeds import messages_digest

T = TypeVar("T")
BATCH = 500
SAMPLE = "series, attempt, position, finish, text, thoughts, thought_tokens, prompt_tokens, new_tokens, token_ids, "
SAMPLE += "logprobs, sizes, raw, seconds, error, watched, routes"


@dataclass(frozen=True, slots=True)
class Selection:
    """Which samples are exported: of one run, one stage of it, one model (its digest or label); None for all."""

    run: str | None = None
    stage: str | None = None
    model: str | None = None


def exported(
    bank: Bank, selection: Selection, *, full: bool = False, golds: Callable[[str], object] | None = None
) -> Iterator[dict[str, Any]]:
    """The lines of a pool file, as plain data. `golds` gives the right answer to inputs as JSON, or None.

    Raises BankError where the run or the model is not there, or the run has no such stage.
    """
    reader = bank.reader()
    _check(reader, bank, selection)
    for name, question, inputs, draws in _questions(reader, bank, selection):
        samples = [
            _sample(row, fields, prompt, label, full)
            for draw, (low, high, series, attempt), fields, prompt, label in draws
            for row in _longest(reader, draw, low, high, series, attempt)
        ]
        if not samples:
            continue
        line: dict[str, Any] = {"id": name, "question": question}
        gold = golds(inputs) if golds is not None else None
        if gold is not None:
            line["gold"] = gold
        yield {**line, "samples": samples}


def _check(reader: sqlite3.Connection, bank: Bank, selection: Selection) -> None:
    """Refuse what would select nothing at all, and say what there is instead."""
    if selection.model is not None:
        models = dict(reader.execute("SELECT digest, label FROM models ORDER BY id"))
        if selection.model not in models and selection.model not in models.values():
            hint = f"it has {', '.join(dict.fromkeys(models.values())) or 'none'}"
            raise BankError(f"{bank.path} has no samples of a model {selection.model}", hint=hint)
    if selection.run is None or selection.stage is None:
        return
    run = run_named(bank, selection.run)
    stages = [name for (name,) in reader.execute("SELECT DISTINCT stage FROM asked WHERE run = ? ORDER BY 1", (run,))]
    if selection.stage in stages:
        return
    elsewhere = reader.execute(
        "SELECT id FROM runs WHERE EXISTS (SELECT 1 FROM asked WHERE run = runs.id AND stage = ?) "
        "ORDER BY started DESC, rowid DESC LIMIT 1",
        (selection.stage,),
    ).fetchone()
    hint = f"its stages: {', '.join(stages)}"
    if elsewhere is not None:
        hint += f"; {selection.stage} is a stage of the run {elsewhere[0]}, so write --run {elsewhere[0]}"
    raise BankError(f"the run {run} has no stage {selection.stage}", hint=hint)


def _questions(reader: sqlite3.Connection, bank: Bank, selection: Selection) -> Iterator[tuple[str, str, str, Any]]:
    """Name, text, inputs as JSON, and draws with the places asked for, question by question."""
    model = " AND (models.digest = ? OR models.label = ?)" if selection.model is not None else ""
    values = [selection.model, selection.model] if selection.model is not None else []
    joined = (
        "JOIN prompts ON prompts.id = draws.prompt JOIN models ON models.id = draws.model WHERE draws.kind = 'sample'"
    )
    if selection.run is None:
        for number, digest, text in reader.execute("SELECT id, digest, messages FROM prompts ORDER BY id"):
            found = reader.execute(
                f"SELECT draws.id, fields, messages, label FROM draws {joined} AND draws.prompt = ?{model} "
                "ORDER BY draws.id",
                [number, *values],
            ).fetchall()
            draws = [(d, (0, 2**62, None, None), json.loads(f), m, label) for d, f, m, label in found]
            asked = next((m.content for m in reversed(messages_of(text)) if m.role == "user"), "")
            yield digest[:16], asked, "", draws
        return
    run = run_named(bank, selection.run)
    stage = " AND stage = ?" if selection.stage is not None else ""
    values = [*([selection.stage] if selection.stage is not None else []), *values]
    query = "SELECT DISTINCT questions.id, digest, inputs FROM asked JOIN questions ON questions.id = question "
    for number, digest, inputs in reader.execute(query + "WHERE run = ? ORDER BY questions.id", (run,)).fetchall():
        found = reader.execute(
            "SELECT draws.id, low, high, series, attempt, fields, messages, label FROM asked "
            f"JOIN draws ON draws.id = asked.draw {joined} AND run = ? AND question = ?{stage}{model} "
            "ORDER BY stage, draws.id, series, attempt",
            [run, number, *values],
        ).fetchall()
        draws = [(d, (low, high, s, a), json.loads(f), m, label) for d, low, high, s, a, f, m, label in found]
        given = json.loads(inputs)
        shown = given.get("question") or next((v for v in given.values() if isinstance(v, str)), "")
        yield digest[:16], str(shown), inputs, draws


def _longest(
    reader: sqlite3.Connection, draw: int, low: int, high: int, series: int | None, attempt: int | None
) -> list[Row]:
    """The last row of every spot of a draw between two places."""
    where, values = "", []
    if series is not None and attempt is not None:
        where, values = " AND series = ? AND attempt = ?", [series, attempt]
    found = reader.execute(
        f"SELECT {COLUMNS} FROM samples WHERE draw = ? AND position BETWEEN ? AND ?{where} "
        "ORDER BY series, attempt, position, version",
        [draw, low, high, *values],
    )
    return list({row.spot: row for row in map(Row._make, found)}.values())


def _sample(row: Row, fields: Mapping[str, Any], prompt: str, label: str, full: bool) -> dict[str, Any]:
    logprobs = figures(row.logprobs)
    sample: dict[str, Any] = {
        "text": row.text,
        "tokens": row.new_tokens,
        "finish": row.finish,
        "model": label,
        "series": row.spot.series,
        "index": row.spot.position,
    }
    if logprobs:
        sample |= {"logprob_mean": sum(logprobs) / len(logprobs), "logprob_sum": sum(logprobs)}
    if full:
        pieces = base64.b64encode(b"".join(row.pieces())).decode() if row.has_pieces else None
        sample["bank"] = {
            "key": fields,
            "messages": json.loads(prompt),
            "spot": list(row.spot),
            "thoughts": row.thoughts,
            "thought_tokens": row.thought_tokens,
            "prompt_tokens": row.prompt_tokens,
            "token_ids": list(numbers(row.token_ids)),
            "logprobs": list(logprobs),
            "sizes": list(row.sizes) if pieces is not None else None,
            "pieces": pieces,
            "seconds": row.seconds,
            "error": row.error,
            **({"watched": json.loads(row.watched)} if row.watched else {}),
            **({"routes": list(row.routes)} if row.routes is not None else {}),
        }
    return sample


# --- import ------------------------------------------------------------------------------------------------


def imported(bank: Bank, path: Path) -> dict[str, int]:
    """Add the samples of a file that was exported in full. Counts what was new and what was there. Raises BankError."""
    return _added(bank, _samples_of(path), _add)


def _added(bank: Bank, samples: Iterable[T], add: Callable[[sqlite3.Connection, T], bool]) -> dict[str, int]:
    """Add samples, many in a transaction; `add` says whether one was new. Counts what was and what was not."""
    counts = {"added": 0, "known": 0}
    for batch in _batches(samples):

        def work(connection: sqlite3.Connection, batch: list[T] = batch) -> int:
            return sum(add(connection, sample) for sample in batch)

        added = bank.write(work).result()
        counts["added"] += added
        counts["known"] += len(batch) - added
    return counts


def _samples_of(path: Path) -> Iterator[dict[str, Any]]:
    try:
        with path.open(encoding="utf-8-sig") as stream:
            for number, line in enumerate(stream, 1):
                if not line.strip():
                    continue
                where = f"{path}:{number}"
                try:
                    samples = json.loads(line)["samples"]
                except (ValueError, KeyError, TypeError) as error:
                    raise BankError(f"{where}: no line of a pool file: {error}") from error
                for sample in samples:
                    if not isinstance(sample, dict) or not isinstance(sample.get("bank"), dict):
                        message = f"{where}: a sample without the part `bank`, so its key is not known"
                        raise BankError(message, hint="write the file with `ttscale bank export --full`")
                    yield sample
    except (OSError, UnicodeDecodeError) as error:
        raise BankError(f"{path} cannot be read: {error}") from error


def _add(connection: sqlite3.Connection, sample: Mapping[str, Any]) -> bool:
    try:
        part = sample["bank"]
        fields = part["key"]
        messages = messages_of(json.dumps(part["messages"]))
        if fields["prompt"] != messages_digest(messages):
            raise BankError("a sample's prompt is not the one that its key names")
        sizes = part["sizes"]
        completion = Completion(
            0, sample["text"], sample["finish"], part["prompt_tokens"], sample["tokens"], part["thoughts"],
            part["thought_tokens"], tuple(part["token_ids"]), tuple(part["logprobs"]), part["seconds"], part["error"],
            () if sizes is None else _cut_up(base64.b64decode(part["pieces"]), sizes),
            watched=events_of(json.dumps(part["watched"])) if part.get("watched") else (),
            routes=bytes(part["routes"]) if "routes" in part else None,
        )  # fmt: skip
        draw = enter_draw(connection, digest_of(fields), fields, messages_text(messages), str(sample["model"]))
        series, attempt, index = part["spot"]
    except (KeyError, TypeError, ValueError) as error:
        raise BankError(f"a sample's part `bank` is not whole: {error!r}") from error
    facts = enter(connection, "provenance", "facts", json.dumps({"imported": True}))
    return insert_sample(connection, draw, Spot(series, attempt, index), completion, facts)


def _cut_up(data: bytes, sizes: Iterable[int]) -> tuple[bytes, ...]:
    stream = iter(data)
    return tuple(bytes(islice(stream, size)) for size in sizes)


# --- merge -------------------------------------------------------------------------------------------------


def merged(bank: Bank, other: Path) -> dict[str, int]:
    """Add all samples, judgements and runs of another bank; counts what was new and what not. Raises BankError."""
    if other.resolve() == bank.path.resolve():
        raise BankError("a bank cannot be merged with itself")
    open_file(other, create=False).close()
    source = connect(other)
    try:
        numbers_here = _merge_draws(bank, source)
        query = f"SELECT draw, made, {SAMPLE} FROM samples ORDER BY draw, series, attempt, position, version"

        def copy(connection: sqlite3.Connection, record: tuple[Any, ...]) -> bool:
            return _copy(connection, numbers_here[record[0]], record)

        counts = _added(bank, source.execute(query), copy)
        judgements = bank.write(lambda connection: _merge_scores(connection, source, numbers_here)).result()
        runs = bank.write(lambda connection: _merge_runs(connection, source, numbers_here)).result()
    finally:
        source.close()
    return {**counts, "judgements": judgements, "runs": runs}


def _merge_draws(bank: Bank, source: sqlite3.Connection) -> dict[int, int]:
    found: dict[int, int] = {}
    query = (
        "SELECT draws.id, fields, messages, label FROM draws JOIN prompts ON prompts.id = prompt "
        "JOIN models ON models.id = model"
    )
    for batch in _batches(source.execute(query)):

        def work(connection: sqlite3.Connection, batch: list[Any] = batch) -> dict[int, int]:
            told = ((number, json.loads(text), messages, label) for number, text, messages, label in batch)
            return {n: enter_draw(connection, digest_of(own), own, asked, label) for n, own, asked, label in told}

        found.update(bank.write(work).result())
    return found


def _copy(connection: sqlite3.Connection, draw: int, record: tuple[Any, ...]) -> bool:
    """Add one row of another bank, unless a row of the same length and end is at its spot."""
    series, attempt, position, finish = record[2:6]
    version = next_version(connection, draw, Spot(series, attempt, position), finish, record[10])
    if version is None:
        return False
    marks = ", ".join("?" * (len(record) + 1))
    connection.execute(
        f"INSERT INTO samples (draw, made, {SAMPLE}, version) VALUES ({marks})", (draw, *record[1:], version)
    )
    return True


def _merge_scores(connection: sqlite3.Connection, source: sqlite3.Connection, here: Mapping[int, int]) -> int:
    added = 0
    for draw, prompt_tokens, logprobs in source.execute("SELECT draw, prompt_tokens, logprobs FROM scores"):
        added += connection.execute(
            "INSERT OR IGNORE INTO scores VALUES (?, ?, ?, NULL, ?)", (here[draw], prompt_tokens, logprobs, time.time())
        ).rowcount
    return added


def _merge_runs(connection: sqlite3.Connection, source: sqlite3.Connection, here: Mapping[int, int]) -> int:
    questions = {
        number: enter(connection, "questions", "digest", digest, inputs=inputs)
        for number, digest, inputs in source.execute("SELECT id, digest, inputs FROM questions")
    }
    added = 0
    for run in source.execute("SELECT id, started, label FROM runs"):
        added += connection.execute("INSERT OR IGNORE INTO runs VALUES (?, ?, ?)", run).rowcount
    for run, question, stage, draw, *rest in source.execute("SELECT * FROM asked"):
        connection.execute(
            "INSERT OR IGNORE INTO asked VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (run, questions[question], stage, here[draw], *rest),
        )
    return added


def _batches(records: Iterable[T]) -> Iterator[list[T]]:
    stream = iter(records)
    while batch := list(islice(stream, BATCH)):
        yield batch
