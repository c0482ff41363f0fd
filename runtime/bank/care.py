"""Looking after a bank: what is in it, whether all of it is sound, and how to make it smaller."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from ttscale.runtime.bank.claims import is_alive
from ttscale.runtime.bank.keys import digest_of
from ttscale.runtime.bank.rows import COLUMNS, Row
from ttscale.runtime.bank.store import Bank

DAY = 86400.0
SHOWN_PROBLEMS = 100


def stats(bank: Bank) -> dict[str, Any]:
    """What a bank holds: figures of the whole, by model, and of what is running now."""
    reader = bank.reader()

    def number(query: str) -> int:
        return int(reader.execute(query).fetchone()[0] or 0)

    models = [
        {"model": label, "digest": digest, "samples": samples, "new_tokens": tokens, "judgements": judgements}
        for label, digest, samples, tokens, judgements in reader.execute(
            "SELECT label, models.digest, "
            "(SELECT count(*) FROM samples JOIN draws ON draws.id = draw WHERE model = models.id), "
            "(SELECT total(new_tokens) FROM samples JOIN draws ON draws.id = draw WHERE model = models.id), "
            "(SELECT count(*) FROM scores JOIN draws ON draws.id = draw WHERE model = models.id) "
            "FROM models ORDER BY label"
        )
    ]
    for entry in models:
        entry["new_tokens"] = int(entry["new_tokens"])
    pages = number("PRAGMA page_count") * number("PRAGMA page_size")
    return {
        "bank": str(bank.path),
        "bytes": pages,
        "samples": number("SELECT count(*) FROM samples"),
        "new_tokens": number("SELECT sum(new_tokens) FROM samples"),
        "judgements": number("SELECT count(*) FROM scores"),
        "prompts": number("SELECT count(*) FROM prompts"),
        "runs": number("SELECT count(*) FROM runs"),
        "running": number("SELECT count(*) FROM running"),
        "claims": number("SELECT count(*) FROM claims"),
        "models": models,
    }


# --- verify ------------------------------------------------------------------------------------------------


def verify(bank: Bank) -> list[str]:
    """What is wrong with a bank, in sentences; none where it is sound. Looks at every row."""
    reader = bank.reader()
    found = [f"SQLite says: {row[0]}" for row in reader.execute("PRAGMA integrity_check(20)") if row[0] != "ok"]
    for problem in _problems(reader):
        found.append(problem)
        if len(found) >= SHOWN_PROBLEMS:
            return [*found, "… and maybe more"]
    return found


def _problems(reader: sqlite3.Connection) -> Iterator[str]:
    for number, digest, text in reader.execute("SELECT id, digest, messages FROM prompts"):
        if sha256(text.encode()).hexdigest() != digest:
            yield f"prompt {number} is not the text that its digest stands for"
    for number, digest, fields in reader.execute("SELECT id, digest, fields FROM draws"):
        if digest_of(json.loads(fields)) != digest:
            yield f"draw {number} has other fields than its digest stands for"
    for table, column, other in (
        ("draws", "prompt", "prompts"),
        ("draws", "model", "models"),
        ("samples", "draw", "draws"),
        ("scores", "draw", "draws"),
    ):
        query = f"SELECT count(*) FROM {table} WHERE {column} NOT IN (SELECT id FROM {other})"
        (lost,) = reader.execute(query).fetchone()
        if lost:
            yield f"{lost} rows of {table} belong to no row of {other}"
    for record in reader.execute(f"SELECT {COLUMNS}, id FROM samples"):
        problem = wrong_with(Row._make(record[:-1]))
        if problem:
            yield f"sample {record[-1]}: {problem}"
    for number, logprobs, fields in reader.execute(
        "SELECT draw, logprobs, fields FROM scores JOIN draws ON draws.id = draw"
    ):
        if len(json.loads(logprobs)) != len(json.loads(fields)["continuations"]):
            yield f"judgement {number} has not one entry a continuation"


def wrong_with(row: Row) -> str:
    """What is wrong with one sample; empty where nothing is."""
    if row.finish not in ("stop", "length"):
        return f"it ended with {row.finish!r}"
    if len(row.token_ids) not in (0, 4 * row.new_tokens):
        return f"it has {len(row.token_ids) / 4:g} token ids and {row.new_tokens} tokens"
    if len(row.logprobs) not in (0, 8 * row.new_tokens):
        return f"it has {len(row.logprobs) / 8:g} log-probabilities and {row.new_tokens} tokens"
    if row.sizes and len(row.sizes) != row.new_tokens:
        return f"it has {len(row.sizes)} pieces and {row.new_tokens} tokens"
    if row.sizes and sum(row.sizes) != len(row.raw if row.raw is not None else row.text.encode()):
        return "its pieces are not its text"
    return ""


# --- gc ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Rubbish:
    """What `gc` may throw away beside what nothing needs: samples by age in days, by model (a digest or a label).

    `superseded` means shorter rows of samples that were gone on with.
    """

    older_than_days: float | None = None
    model: str | None = None
    superseded: bool = False

    def where(self) -> tuple[str, list[object]]:
        """The condition on `samples` joined with `draws` and `models`, and its arguments; "" for none."""
        parts: list[str] = []
        values: list[object] = []
        if self.older_than_days is not None:
            parts.append("made < ?")
            values.append(time.time() - self.older_than_days * DAY)
        if self.model is not None:
            parts.append("(models.digest = ? OR models.label = ?)")
            values += [self.model, self.model]
        return " AND ".join(parts), values


def gc(bank: Bank, rubbish: Rubbish, *, dry_run: bool = False) -> dict[str, int]:
    """Throw away what `rubbish` names, then what nothing needs any more, and give the space back.

    The counts say what was, or with `dry_run` would be, thrown away.
    """

    def work(connection: sqlite3.Connection) -> dict[str, int]:
        connection.execute("SAVEPOINT before")
        found = _collect(connection, rubbish)
        if dry_run:
            connection.execute("ROLLBACK TO before")
        connection.execute("RELEASE before")
        return found

    counts = bank.write(work).result()
    if not dry_run and any(counts.values()):
        bank.vacuum()
    return counts


def _collect(connection: sqlite3.Connection, rubbish: Rubbish) -> dict[str, int]:
    counts = dict.fromkeys(("samples", "judgements", "running", "runs", "draws", "prompts"), 0)
    condition, values = rubbish.where()
    if condition:
        for table, name in (("samples", "samples"), ("scores", "judgements")):
            key = "id" if table == "samples" else "draw"
            counts[name] += connection.execute(
                f"DELETE FROM {table} WHERE {key} IN (SELECT {table}.{key} FROM {table} "
                f"JOIN draws ON draws.id = {table}.draw JOIN models ON models.id = draws.model WHERE {condition})",
                values,
            ).rowcount
    if rubbish.superseded:
        counts["samples"] += connection.execute(
            "DELETE FROM samples WHERE finish = 'length' AND EXISTS (SELECT 1 FROM samples AS longer "
            "WHERE longer.draw = samples.draw AND longer.series = samples.series AND longer.attempt = samples.attempt "
            "AND longer.position = samples.position AND longer.new_tokens > samples.new_tokens "
            "AND substr(longer.token_ids, 1, length(samples.token_ids)) = samples.token_ids "
            "AND length(samples.token_ids) > 0 AND length(longer.sizes) = longer.new_tokens "
            "AND longer.thought_tokens = 0)"
        ).rowcount
    for owner, place, pid, expires in connection.execute("SELECT id, place, pid, expires FROM owners").fetchall():
        if not is_alive(place, pid, expires):
            connection.execute("DELETE FROM claims WHERE owner = ?", (owner,))
            connection.execute("DELETE FROM owners WHERE id = ?", (owner,))
    connection.execute("DELETE FROM claims WHERE owner NOT IN (SELECT id FROM owners)")
    counts["running"] = connection.execute(
        "DELETE FROM running WHERE changed < ? AND NOT EXISTS (SELECT 1 FROM claims WHERE claims.draw = running.draw)",
        (time.time() - DAY,),
    ).rowcount
    if rubbish.older_than_days is not None:
        before = time.time() - rubbish.older_than_days * DAY
        counts["runs"] = connection.execute("DELETE FROM runs WHERE started < ?", (before,)).rowcount
        connection.execute("DELETE FROM asked WHERE run NOT IN (SELECT id FROM runs)")
        connection.execute("DELETE FROM questions WHERE id NOT IN (SELECT question FROM asked)")
    used = " AND ".join(
        f"id NOT IN (SELECT draw FROM {table})" for table in ("samples", "scores", "running", "claims", "asked")
    )
    counts["draws"] = connection.execute(f"DELETE FROM draws WHERE {used}").rowcount
    counts["prompts"] = connection.execute("DELETE FROM prompts WHERE id NOT IN (SELECT prompt FROM draws)").rowcount
    connection.execute("DELETE FROM models WHERE id NOT IN (SELECT model FROM draws)")
    connection.execute(
        "DELETE FROM provenance WHERE id NOT IN (SELECT provenance FROM samples WHERE provenance NOT NULL "
        "UNION SELECT provenance FROM scores WHERE provenance NOT NULL)"
    )
    return counts
