"""Concept memory: short texts that a program learned, kept in an SQLite file that outlives its runs.

    memories = Memories()                                # the user's own store, or TTSCALE_MEMORY
    view = memories.view()                               # one run: it sees what was there when it began
    view.read(Place("sums"))                             # [Concept, …], the oldest first
    view.write(Place("sums"), [Concept("Carry the ten.", question="17 + 25?")])

ArcMemo (Ho et al. 2025) writes what solved a puzzle as concepts and shows them to later puzzles. A concept stays as it
was written: one that is learned again is counted, and nothing of it changes, so that reading what was there at the
start of a run gives the same whatever other runs write meanwhile. Every operation opens the file, does its work in one
transaction and closes it: threads and processes may read and write at once.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from ttscale.compiler.types import TEXT
from ttscale.runtime.answers import coerce
from ttscale.runtime.sqlite_files import FileKind

VARIABLE = "TTSCALE_MEMORY"
OFF = ("off", "none", "0", "")
APPLICATION_ID = 0x5454534D
BUSY_SECONDS = 30.0
TABLE = """
CREATE TABLE concepts (
    id INTEGER PRIMARY KEY AUTOINCREMENT, memory TEXT NOT NULL, key TEXT NOT NULL, text TEXT NOT NULL,
    question TEXT NOT NULL, answer TEXT NOT NULL, model TEXT NOT NULL, prompt TEXT NOT NULL, pipeline TEXT NOT NULL,
    score REAL, accepted REAL NOT NULL, times INTEGER NOT NULL, UNIQUE (memory, key))
"""
COLUMNS = "id, text, question, answer, model, prompt, pipeline, score, accepted, times"


class MemoryFault(Exception):
    """A memory cannot be opened, read or written; the message is for the user, `hint` says what to do."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Place:
    """A memory by its name, in a file of its own or (None) in the user's store."""

    name: str
    file: Path | None = None


@dataclass(frozen=True, slots=True)
class Concept:
    """One concept with where it comes from: the question and answer that taught it, the model that wrote it.

    `score` is the latest one of that answer when it was accepted, None where it had none; `accepted` is in seconds
    since 1970, `times` how often it was learned. `id` grows with every concept of a file; 0 is one not kept yet.
    """

    text: str
    question: str = ""
    answer: str = ""
    model: str = ""
    prompt: str = ""
    pipeline: str = ""
    score: float | None = None
    accepted: float = 0.0
    times: int = 1
    id: int = 0


def default_memory() -> Path | None:
    """The user's own store: what TTSCALE_MEMORY names (None for `off`), else a file beside the bank of the user."""
    named = os.environ.get(VARIABLE)
    if named is not None:
        return None if named.strip().lower() in OFF else Path(named).expanduser()
    import platformdirs

    return Path(platformdirs.user_data_dir("ttscale", appauthor=False)) / "memory.sqlite"


class Memories:
    """The memories that a program reads and writes.

    Without `kept` they are in this process only and end with it, as those of a test do.
    """

    def __init__(self, *, kept: bool = True) -> None:
        self._kept = kept
        self._lock = threading.Lock()
        self._passing: sqlite3.Connection | None = None

    def view(self) -> View:
        """The memories as one run sees them."""
        return View(self)

    def file_of(self, place: Place) -> Path | None:
        """The file that a memory is in; None where nothing is kept."""
        return place.file if place.file is not None else default_memory()

    def is_off(self, place: Place) -> bool:
        """Whether the user wants no memory: nothing is read, and nothing is written."""
        return self._kept and self.file_of(place) is None

    def last(self, place: Place) -> int:
        """The number of the newest concept of the file that a memory is in; 0 where there is none."""
        with self._lock, self._opened(place, create=False) as connection:
            if connection is None:
                return 0
            (number,) = connection.execute("SELECT coalesce(max(id), 0) FROM concepts").fetchone()
            return int(number)

    def read(self, place: Place, most: int | None = None) -> list[Concept]:
        """The concepts of a memory up to number `most`, the oldest first. Raises MemoryFault."""
        with self._lock, self._opened(place, create=False) as connection:
            if connection is None:
                return []
            return concepts(connection, self._name(place), most)

    def write(self, place: Place, learned: Sequence[Concept]) -> int:
        """Keep concepts; how many of them are new, the others being learned again. Raises MemoryFault."""
        if self.is_off(place):
            return 0
        with self._lock, self._opened(place, create=True) as connection:
            assert connection is not None
            connection.execute("BEGIN IMMEDIATE")
            try:
                new = sum(_kept(connection, self._name(place), one) for one in learned)
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")
            return new

    def _name(self, place: Place) -> str:
        """The name under which concepts stand: memories that pass keep files apart by their paths."""
        return place.name if self._kept or place.file is None else str(place.file)

    def _opened(self, place: Place, *, create: bool) -> _Opened:
        if not self._kept:
            if self._passing is None:
                self._passing = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
                self._passing.execute(TABLE)
            return _Opened(None, create, self._passing)
        return _Opened(self.file_of(place), create)


class View:
    """The memories as one run sees them: of every file what was there when the run first asked for it."""

    def __init__(self, memories: Memories) -> None:
        self.memories = memories
        self._lock = threading.Lock()
        self._seen: dict[Path | None, int] = {}

    def is_off(self, place: Place) -> bool:
        """As that of Memories."""
        return self.memories.is_off(place)

    def read(self, place: Place, *, now: bool = False) -> list[Concept]:
        """The concepts that this run sees, the oldest first; with `now` those that are there. Raises MemoryFault."""
        most = None if now else self._limit(place)
        return self.memories.read(place, most)

    def write(self, place: Place, learned: Sequence[Concept]) -> int:
        """Keep concepts for later runs; how many of them are new. Raises MemoryFault."""
        self._limit(place)
        return self.memories.write(place, learned)

    def _limit(self, place: Place) -> int:
        file = self.memories.file_of(place)
        with self._lock:
            if file not in self._seen:
                self._seen[file] = self.memories.last(place)
            return self._seen[file]


# --- the file -------------------------------------------------------------------------------------


class _Opened:
    """A connection for one operation, closed behind it unless it is the process's own; None where there is no file."""

    def __init__(self, path: Path | None, create: bool, passing: sqlite3.Connection | None = None) -> None:
        self._path, self._create, self._passing = path, create, passing
        self._connection: sqlite3.Connection | None = None

    def __enter__(self) -> sqlite3.Connection | None:
        if self._passing is not None:
            return self._passing
        if self._path is None or not (self._create or self._path.is_file()):
            return None
        self._connection = open_file(self._path)
        return self._connection

    def __exit__(self, kind: object, error: BaseException | None, where: object) -> None:
        if self._connection is not None:
            self._connection.close()
        if isinstance(error, sqlite3.Error):
            message = f"the memory {self._path} cannot be used: {error}"
            raise MemoryFault(message, hint="look at the file, its disk and the rights on it") from error


def _first(connection: sqlite3.Connection) -> None:
    connection.execute(TABLE)


MEMORY = FileKind(
    "memory", APPLICATION_ID, (_first,), lambda said, hint: MemoryFault(said, hint=hint), "name another file"
)


def open_file(path: Path) -> sqlite3.Connection:
    """A connection to a file of memories, which is made where there is none. Raises MemoryFault."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
    except (OSError, sqlite3.Error) as error:
        message = f"the memory {path} cannot be opened: {error}"
        raise MemoryFault(message, hint=f"name another file, or set {VARIABLE}") from error
    try:
        MEMORY.bring_up(connection, path)
    except sqlite3.Error as error:
        connection.close()
        what = "cannot be opened" if isinstance(error, sqlite3.OperationalError) else "is no memory of ttscale"
        raise MemoryFault(f"the file {path} {what}: {error}", hint="name another file") from error
    except BaseException:
        connection.close()
        raise
    return connection


def concepts(connection: sqlite3.Connection, name: str, most: int | None = None) -> list[Concept]:
    """The concepts of a memory up to number `most`, the oldest first."""
    limit = 2**62 if most is None else most
    sql = f"SELECT {COLUMNS} FROM concepts WHERE memory = ? AND id <= ? ORDER BY id"
    return [_concept(row) for row in connection.execute(sql, (name, limit))]


def _concept(row: Sequence[object]) -> Concept:
    names = [name.strip() for name in COLUMNS.split(",")]
    return Concept(**dict(zip(names, row, strict=True)))  # type: ignore[arg-type]


def _kept(connection: sqlite3.Connection, name: str, one: Concept) -> bool:
    """Whether a concept is new; one whose text is there already, but for case and spacing, is learned again."""
    key = repr(coerce(TEXT, _whole(one.text))[1])
    again = "UPDATE concepts SET times = times + ? WHERE memory = ? AND key = ?"
    if connection.execute(again, (one.times, name, key)).rowcount:
        return False
    connection.execute(
        "INSERT INTO concepts (memory, key, text, question, answer, model, prompt, pipeline, score, accepted, times) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(name, key),
            *(_whole(text) for text in (one.text, one.question, one.answer, one.model, one.prompt, one.pipeline)),
            *(one.score, one.accepted or time.time(), one.times),
        ),
    )
    return True


def _whole(text: str) -> str:
    """A text without halves of characters, which a server may send and a file cannot hold."""
    return text.encode("utf-8", "replace").decode()


# --- looking after it -----------------------------------------------------------------------------


def names_in(path: Path) -> list[tuple[str, int]]:
    """The memories of a file with how many concepts each holds, by name. Raises MemoryFault where there is no file."""
    with closing(_existing(path)) as connection:
        sql = "SELECT memory, count(*) FROM concepts GROUP BY memory ORDER BY memory"
        return [(str(name), int(count)) for name, count in connection.execute(sql)]


def concepts_in(path: Path, name: str) -> list[Concept]:
    """All concepts of a memory, the oldest first. Raises MemoryFault where there is no file."""
    with closing(_existing(path)) as connection:
        return concepts(connection, name)


def forget(path: Path, name: str, numbers: Sequence[int] = ()) -> int:
    """Take concepts out: those of these numbers, or all of a memory; how many went. Raises MemoryFault."""
    with closing(_existing(path)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        if not numbers:
            count = connection.execute("DELETE FROM concepts WHERE memory = ?", (name,)).rowcount
        else:
            sql = "DELETE FROM concepts WHERE memory = ? AND id = ?"
            count = sum(connection.execute(sql, (name, number)).rowcount for number in numbers)
        connection.execute("COMMIT")
        return count


def _existing(path: Path) -> sqlite3.Connection:
    if not path.is_file():
        raise MemoryFault(f"there is no memory {path}", hint="`remember` makes one; name a file, or its name")
    return open_file(path)
