"""The file of a bank: its tables, its version, and how older files become current.

One SQLite file in WAL mode: readers never wait for the writer, and what is committed outlives a killed process and a
power failure. Rows of `samples`, `scores`, `draws` and `prompts` never change once written; triggers see to it.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from ttscale.runtime.sqlite_files import FileKind, Migration

APPLICATION_ID = 0x54545342
BUSY_SECONDS = 30.0

FIRST = """
CREATE TABLE prompts (id INTEGER PRIMARY KEY, digest TEXT NOT NULL UNIQUE, messages TEXT NOT NULL);
CREATE TABLE models (id INTEGER PRIMARY KEY, digest TEXT NOT NULL UNIQUE, label TEXT NOT NULL);
CREATE TABLE provenance (id INTEGER PRIMARY KEY, facts TEXT NOT NULL UNIQUE);
CREATE TABLE draws (
    id INTEGER PRIMARY KEY AUTOINCREMENT, digest BLOB NOT NULL UNIQUE, prompt INTEGER NOT NULL REFERENCES prompts,
    model INTEGER NOT NULL REFERENCES models, kind TEXT NOT NULL, fields TEXT NOT NULL);
CREATE TABLE samples (
    id INTEGER PRIMARY KEY, draw INTEGER NOT NULL REFERENCES draws,
    series INTEGER NOT NULL, attempt INTEGER NOT NULL, position INTEGER NOT NULL, version INTEGER NOT NULL,
    finish TEXT NOT NULL, text TEXT NOT NULL, thoughts TEXT NOT NULL, thought_tokens INTEGER NOT NULL,
    prompt_tokens INTEGER NOT NULL, new_tokens INTEGER NOT NULL,
    token_ids BLOB NOT NULL, logprobs BLOB NOT NULL, sizes BLOB NOT NULL, raw BLOB,
    seconds REAL NOT NULL, error TEXT NOT NULL, provenance INTEGER REFERENCES provenance, made REAL NOT NULL,
    UNIQUE (draw, series, attempt, position, version));
CREATE TABLE scores (
    draw INTEGER PRIMARY KEY REFERENCES draws, prompt_tokens INTEGER NOT NULL, logprobs TEXT NOT NULL,
    provenance INTEGER REFERENCES provenance, made REAL NOT NULL);
CREATE TABLE running (
    draw INTEGER NOT NULL REFERENCES draws, series INTEGER NOT NULL, attempt INTEGER NOT NULL,
    position INTEGER NOT NULL, token_ids BLOB NOT NULL, logprobs BLOB NOT NULL, changed REAL NOT NULL,
    PRIMARY KEY (draw, series, attempt, position));
CREATE TABLE owners (id INTEGER PRIMARY KEY, place TEXT NOT NULL, pid INTEGER NOT NULL, expires REAL NOT NULL);
CREATE TABLE claims (
    draw INTEGER NOT NULL, series INTEGER NOT NULL, attempt INTEGER NOT NULL, position INTEGER NOT NULL,
    owner INTEGER NOT NULL, PRIMARY KEY (draw, series, attempt, position)) WITHOUT ROWID;
CREATE INDEX claims_of_owner ON claims (owner);
CREATE TABLE runs (id TEXT PRIMARY KEY, started REAL NOT NULL, label TEXT NOT NULL);
CREATE TABLE questions (id INTEGER PRIMARY KEY, digest TEXT NOT NULL UNIQUE, inputs TEXT NOT NULL);
CREATE TABLE asked (
    run TEXT NOT NULL REFERENCES runs, question INTEGER NOT NULL REFERENCES questions, stage TEXT NOT NULL,
    draw INTEGER NOT NULL REFERENCES draws, series INTEGER NOT NULL, attempt INTEGER NOT NULL,
    low INTEGER NOT NULL, high INTEGER NOT NULL, kept INTEGER NOT NULL, fresh INTEGER NOT NULL,
    new_tokens INTEGER NOT NULL,
    PRIMARY KEY (run, question, stage, draw, series, attempt)) WITHOUT ROWID;
CREATE INDEX draws_of_prompt ON draws (prompt);
"""
FROZEN = ("prompts", "draws", "samples", "scores")
COUNTED = ("samples", "scores")


def _first(connection: sqlite3.Connection) -> None:
    for statement in FIRST.split(";"):
        if statement.strip():
            connection.execute(statement)
    for table in FROZEN:
        connection.execute(
            f"CREATE TRIGGER {table}_never_change BEFORE UPDATE ON {table} "
            f"BEGIN SELECT RAISE(ABORT, 'rows of {table} never change'); END;"
        )


def _with_watchers(connection: sqlite3.Connection) -> None:
    """What watchers did with a sample, as JSON."""
    connection.execute("ALTER TABLE samples ADD COLUMN watched TEXT NOT NULL DEFAULT ''")


def _with_routes(connection: sqlite3.Connection) -> None:
    """Which of several models that take turns wrote each token, a byte a token; NULL where they do not, or unknown."""
    connection.execute("ALTER TABLE samples ADD COLUMN routes BLOB")
    connection.execute("ALTER TABLE running ADD COLUMN routes BLOB")


MIGRATIONS: tuple[Migration, ...] = (_first, _with_watchers, _with_routes)

VERSION = len(MIGRATIONS)


class BankError(Exception):
    """A bank cannot be opened, read or written; the message is for the user, `hint` says what to do."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


BANK = FileKind(
    "bank", APPLICATION_ID, MIGRATIONS, lambda said, hint: BankError(said, hint=hint), "name another with --bank"
)


def open_file(path: Path, *, create: bool = True) -> sqlite3.Connection:
    """A connection to a bank's file, brought to the current version. Raises BankError."""
    if not create and not path.is_file():
        raise BankError(f"there is no bank {path}", hint="`ttscale run` makes one; --bank names another")
    connection: sqlite3.Connection | None = None
    try:
        if create:
            path.parent.mkdir(parents=True, exist_ok=True)
        connection = connect(path)
        connection.execute("PRAGMA journal_mode = WAL")
        BANK.bring_up(connection, path)
    except BaseException as error:
        if connection is not None:
            connection.close()
        if isinstance(error, OSError | sqlite3.OperationalError):
            message = f"the bank {path} cannot be opened: {error}"
        elif isinstance(error, sqlite3.DatabaseError):
            message = f"{path} is no bank of ttscale: {error}"
        else:
            raise
        raise BankError(message, hint="name another with --bank") from error
    return connection


def connect(path: Path) -> sqlite3.Connection:
    """A connection in the mode that all of ours have: no transaction but those begun by hand."""
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA cache_size = -65536")
    return connection
