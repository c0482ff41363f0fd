"""The bank: every sample and scored judgement ever made, found again by its key.

    bank = Bank("bank.sqlite")
    rows = bank.find(draw, [Spot(0, 0, 0), Spot(0, 0, 1)])      # what is there, at once
    grants = await bank.claim(draw, messages, wants, …)          # what is missing, and is now ours to generate
    bank.save(draw, spot, completion)                            # committed within a few milliseconds

Reading happens in the caller's thread, on a connection of its own; all writing in one thread, in batches. The file is
opened, and made, with the first use.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from ttscale.runtime.bank import claims
from ttscale.runtime.bank.claims import Grant
from ttscale.runtime.bank.keys import Draw, Key, Scoring, Spot, messages_text
from ttscale.runtime.bank.rows import Row, Want, pack_events, packed
from ttscale.runtime.bank.schema import BankError, connect, open_file
from ttscale.runtime.bank.writer import Writer
from ttscale.runtime.engines.base import Completion, Given, Message, Scored

T = TypeVar("T")
LEASE_SECONDS = 12.0
KNOWN_DRAWS = 100_000
SPARSE = 4
"""Places that are this many times as far apart as there are of them are looked up one by one."""
SCORED = Spot(-1, 0, 0)
"""The spot that stands for a scored judgement where samples have theirs."""


class Bank:
    """An open bank. Safe to use from several threads; close it, or use it as a context manager.

    `lease` is for how many seconds claims of a process that has vanished keep others waiting, at most.
    """

    def __init__(self, path: str | Path, *, lease: float = LEASE_SECONDS) -> None:
        self.path = Path(path).expanduser()
        self.trouble = ""
        self._lease = lease
        self._lock = threading.RLock()
        self._reader: sqlite3.Connection | None = None
        self._writer: Writer | None = None
        self._owner = 0
        self._draws: dict[bytes, int] = {}
        self._provenance: dict[str, int] = {}
        self._closed = False

    # --- reading ---------------------------------------------------------------------------------------

    def find(self, draw: Draw, spots: Sequence[Spot]) -> dict[Spot, list[Row]]:
        """The rows at these spots, maybe at others between them, oldest first. Raises BankError."""
        with self._lock:
            reader = self.reader()
            number = self._number(draw.digest)
            if number is None:
                return {}
            found: dict[Spot, list[Row]] = {}
            for (series, attempt), places in _by_series(spots).items():
                low, high = min(places), max(places)
                if high - low < SPARSE * len(places):
                    rows = claims.rows_between(reader, number, series, attempt, low, high)
                else:
                    rows = [
                        row for place in places for row in claims.rows_at(reader, number, Spot(series, attempt, place))
                    ]
                for row in rows:
                    found.setdefault(row.spot, []).append(row)
        return found

    def find_scores(self, scoring: Scoring) -> list[Scored] | None:
        """A judgement made before, one entry a continuation. Raises BankError."""
        with self._lock:
            reader = self.reader()
            number = self._number(scoring.digest)
            if number is None:
                return None
            return scores_at(reader, number, scoring)

    def _number(self, digest: bytes) -> int | None:
        number = self._draws.get(digest)
        if number is None:
            found = self.reader().execute("SELECT id FROM draws WHERE digest = ?", (digest,)).fetchone()
            if found is not None:
                number = int(found[0])
                self._remember(digest, number)
        return number

    def _remember(self, digest: bytes, number: int) -> None:
        if len(self._draws) >= KNOWN_DRAWS:
            self._draws.clear()
        self._draws[digest] = number

    def reader(self) -> sqlite3.Connection:
        """The connection that reads; to be used under the bank's lock, by one thread at a time. Raises BankError."""
        with self._lock:
            if self._closed:
                raise BankError(f"the bank {self.path} is closed")
            if self._reader is None:
                open_file(self.path).close()
                self._reader = connect(self.path)
                self._reader.execute("PRAGMA mmap_size = 1073741824")
            return self._reader

    # --- writing ---------------------------------------------------------------------------------------

    def write(self, work: Callable[[sqlite3.Connection], T]) -> Future[T]:
        """Do something in the writing thread, in a transaction. Raises BankError where the file cannot be opened."""
        with self._lock:
            if self._closed:
                raise BankError(f"the bank {self.path} is closed")
            if self._writer is None:
                connection = open_file(self.path)
                self._owner = claims.enter_owner(connection, self._lease)
                self._writer = Writer(connection, self._beat, self._lease / 4)
            result = self._writer.do(work)
        result.add_done_callback(self._note_trouble)
        return result

    def _beat(self, connection: sqlite3.Connection) -> None:
        claims.renew(connection, self._owner, self._lease)

    def _note_trouble(self, result: Future[Any]) -> None:
        error = result.exception()
        if error is not None:
            self.trouble = f"the bank {self.path} could not be written: {error}"

    def claim(
        self,
        draw: Draw,
        messages: Sequence[Message],
        wants: Sequence[Want],
        *,
        label: str,
        context: int | None,
        resumes: bool,
    ) -> Future[list[Grant]]:
        """Ask for samples; what nobody has and nobody is making is from then on ours to make."""

        def work(connection: sqlite3.Connection) -> list[Grant]:
            number = self.draw_number(connection, draw, messages, label)
            return claims.claim(connection, self._owner, number, wants, context, resumes)

        return self.write(work)

    def claim_scores(self, scoring: Scoring, messages: Sequence[Message], label: str) -> Future[list[Scored] | bool]:
        """A judgement that somebody has made, or whether it is now ours to make."""

        def work(connection: sqlite3.Connection) -> list[Scored] | bool:
            number = self.draw_number(connection, scoring, messages, label)
            found = scores_at(connection, number, scoring)
            return found if found is not None else claims.take(connection, self._owner, number, SCORED)

        return self.write(work)

    def save(self, draw: Draw, spot: Spot, completion: Completion, provenance: Mapping[str, object]) -> Future[None]:
        """Keep a finished sample and give up its claim; the future is done once it is on the disk."""

        def work(connection: sqlite3.Connection) -> None:
            number = self._known(connection, draw)
            insert_sample(connection, number, spot, completion, self._facts(connection, provenance))
            claims.forget_running(connection, number, spot)
            claims.release(connection, self._owner, number, spot)

        return self.write(work)

    def save_scores(self, scoring: Scoring, scored: Sequence[Scored], provenance: Mapping[str, object]) -> Future[None]:
        """Keep a judgement and give up its claim."""
        values = json.dumps([list(item.logprobs) for item in scored])
        prompt = scored[0].prompt_tokens if scored else 0

        def work(connection: sqlite3.Connection) -> None:
            number = self._known(connection, scoring)
            facts = self._facts(connection, provenance)
            connection.execute(
                "INSERT OR IGNORE INTO scores VALUES (?, ?, ?, ?, ?)", (number, prompt, values, facts, time.time())
            )
            claims.release(connection, self._owner, number, SCORED)

        return self.write(work)

    def journal(self, draw: Draw, spot: Spot, tokens: Given) -> Future[None]:
        """Keep what a running sample has so far."""
        return self.write(lambda connection: claims.journal(connection, self._known(connection, draw), spot, tokens))

    def release(self, key: Key, spots: Sequence[Spot]) -> Future[None]:
        """Let others make what will not be made here."""

        def work(connection: sqlite3.Connection) -> None:
            number = self._known(connection, key)
            for spot in spots:
                claims.release(connection, self._owner, number, spot)

        return self.write(work)

    def flush(self) -> None:
        """Wait until all that was given to be written is on the disk, or has failed."""
        with self._lock:
            writer = self._writer
        if writer is not None:
            writer.do(lambda _: None).exception()

    def vacuum(self) -> None:
        """Give the space of what was thrown away back to the disk."""
        self.flush()
        connection = connect(self.path)
        try:
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            connection.close()

    def close(self) -> None:
        """Write what is left, give up all claims, and close the file; idempotent."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            writer, self._writer = self._writer, None
            reader, self._reader = self._reader, None
        if writer is not None:
            writer.do(lambda connection: claims.leave(connection, self._owner))
            writer.close()
        if reader is not None:
            reader.close()

    def __enter__(self) -> Bank:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.close()

    # --- inside a transaction --------------------------------------------------------------------------

    def draw_number(self, connection: sqlite3.Connection, key: Key, messages: Sequence[Message], label: str) -> int:
        """The number of a key, entered if it is new; in the writing thread."""
        found = connection.execute("SELECT id FROM draws WHERE digest = ?", (key.digest,)).fetchone()
        if found is not None:
            return int(found[0])
        return enter_draw(connection, key.digest, key.fields(), _sound(messages_text(messages)), label)

    def _known(self, connection: sqlite3.Connection, key: Key) -> int:
        """The number of a key that was claimed before."""
        found = connection.execute("SELECT id FROM draws WHERE digest = ?", (key.digest,)).fetchone()
        if found is None:
            raise BankError("a sample was to be kept whose key is not in the bank", hint="please report this")
        return int(found[0])

    def _facts(self, connection: sqlite3.Connection, provenance: Mapping[str, object]) -> int:
        return enter(connection, "provenance", "facts", json.dumps(provenance, ensure_ascii=False, sort_keys=True))


def _by_series(spots: Sequence[Spot]) -> dict[tuple[int, int], list[int]]:
    """Places by series and attempt."""
    found: dict[tuple[int, int], list[int]] = {}
    for series, attempt, place in spots:
        found.setdefault((series, attempt), []).append(place)
    return found


def enter(connection: sqlite3.Connection, table: str, column: str, value: object, **others: object) -> int:
    """The number of the row of `table` whose `column` is `value`, made with `others` if there is none."""
    found = connection.execute(f"SELECT id FROM {table} WHERE {column} = ?", (value,)).fetchone()
    if found is not None:
        return int(found[0])
    names = ", ".join((column, *others))
    marks = ", ".join("?" * (1 + len(others)))
    made = connection.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", (value, *others.values()))
    return int(made.lastrowid or 0)


def enter_draw(
    connection: sqlite3.Connection, digest: bytes, fields: Mapping[str, Any], messages: str, label: str
) -> int:
    """The number of a draw given by its fields, with its model and prompt entered."""
    model = enter(connection, "models", "digest", fields["model"], label=label)
    prompt = enter(connection, "prompts", "digest", fields["prompt"], messages=messages)
    text = json.dumps(fields, ensure_ascii=False, sort_keys=True)
    return enter(connection, "draws", "digest", digest, prompt=prompt, model=model, kind=fields["kind"], fields=text)


def next_version(connection: sqlite3.Connection, draw: int, spot: Spot, finish: str, new_tokens: int) -> int | None:
    """The version that a new row at a spot gets; None where the same answer, of this length and end, is there."""
    rows = connection.execute(
        "SELECT version, finish, new_tokens FROM samples "
        "WHERE draw = ? AND series = ? AND attempt = ? AND position = ?",
        (draw, *spot),
    ).fetchall()
    if any((row[1], row[2]) == (finish, new_tokens) for row in rows):
        return None
    return 1 + max((int(row[0]) for row in rows), default=-1)


def insert_sample(
    connection: sqlite3.Connection, draw: int, spot: Spot, completion: Completion, provenance: int | None
) -> bool:
    """Add a row; whether it was new."""
    version = next_version(connection, draw, spot, completion.finish, completion.new_tokens)
    if version is None:
        return False
    ids, logprobs, sizes, raw = packed(completion)
    connection.execute(
        "INSERT INTO samples (draw, series, attempt, position, version, finish, text, thoughts, thought_tokens, "
        "prompt_tokens, new_tokens, token_ids, logprobs, sizes, raw, seconds, error, watched, routes, provenance, "
        f"made) VALUES ({', '.join('?' * 21)})",
        (
            draw, *spot, version, completion.finish, _sound(completion.text), _sound(completion.thoughts),
            completion.thought_tokens, completion.prompt_tokens, completion.new_tokens, ids, logprobs, sizes, raw,
            completion.seconds, completion.error, pack_events(completion.watched), completion.routes, provenance,
            time.time(),
        ),
    )  # fmt: skip
    return True


def scores_at(connection: sqlite3.Connection, draw: int, scoring: Scoring) -> list[Scored] | None:
    """The judgement under a number."""
    found = connection.execute("SELECT prompt_tokens, logprobs FROM scores WHERE draw = ?", (draw,)).fetchone()
    if found is None:
        return None
    values = json.loads(found[1])
    return [
        Scored(text, tuple(logprobs), int(found[0]))
        for text, logprobs in zip(scoring.continuations, values, strict=True)
    ]


def _sound(text: str) -> str:
    """A text that UTF-8 can hold."""
    return text.encode("utf-8", "replace").decode("utf-8")
