"""A run folder: `run.json` says what was asked, `rows.jsonl` keeps a record a line, appended when it is made.

A record is known by its arm's digest, its question (id and a hash of what it asks), its seed and the measures that
graded it. So one folder may hold records of several versions of a program: what fits is taken over, what does not stays
and is left alone, and a kill costs no more than the questions that were on their way. A last line without its end is
dropped. Several processes may write to one folder: a line is written, and an end cut off, under a lock.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ttscale.runtime.evaluate.arms import Arm, Item
from ttscale.runtime.evaluate.measuring import Record

ROWS = "rows.jsonl"
RUN = "run.json"

Key = tuple[str, str, str, int, str]


class FolderError(Exception):
    """A run folder that cannot be used; the message is for the user."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class RunFolder:
    """Records of an evaluation, on disk where a `path` is given, else in memory.

    `measured` is a hash of the measures; records of others are left alone. Raises FolderError.
    """

    def __init__(self, path: Path | None, measured: str = "") -> None:
        self.path = path
        self.measured = measured
        self._file: int | None = None
        self._records: dict[Key, Record] = {}
        self.dropped = 0
        if path is None:
            return
        try:
            path.mkdir(parents=True, exist_ok=True)
            rows = path / ROWS
            self._file = os.open(rows, os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0), 0o666)
            with _alone(self._file):
                self._read(rows)
        except OSError as error:
            raise FolderError(f"the run folder {path} cannot be used: {error.strerror or error}") from error

    def _read(self, rows: Path) -> None:
        assert self._file is not None
        self.dropped = int(_cut(self._file))
        for number, line in enumerate(rows.read_text(encoding="utf-8", errors="replace").split("\n"), 1):
            if not line.strip():
                continue
            try:
                record = json.loads(line)
                self._records[key_of(record)] = record
            except (ValueError, KeyError, TypeError):
                raise FolderError(
                    f"{rows}:{number} is no record of an evaluation", hint="name another folder with --out"
                ) from None

    def find(self, arm: Arm, item: Item, seed: int) -> Record | None:
        """The record of a question, if it was answered; one that ended in an error is tried again."""
        record = self.of(arm.digest, item.id, item.asked, seed)
        return None if record is None or record.get("error") else record

    def of(self, arm: str, question: str, asked: str, seed: int) -> Record | None:
        """The record of a question by its names, also of one that ended in an error."""
        return self._records.get((arm, question, asked, seed, self.measured))

    def add(self, record: Record) -> None:
        """Keep a record; it is handed to the system before this returns."""
        record["measured"] = self.measured
        self._records[key_of(record)] = record
        if self._file is not None:
            line = json.dumps(record, ensure_ascii=False, default=str) + "\n"
            with _alone(self._file):
                _cut(self._file)
                _write(self._file, line.encode("utf-8", "replace"))

    def write_run(self, document: Record) -> None:
        """Write `run.json`, whole or not at all."""
        if self.path is not None:
            write_whole(self.path / RUN, json.dumps(document, indent=1, ensure_ascii=False, default=str) + "\n")

    def close(self) -> None:
        """Close the file; idempotent."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


@contextmanager
def _alone(file: int) -> Iterator[None]:
    """Hold a file against other processes; where the system has no such locks, nothing is held."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    fcntl.flock(file, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(file, fcntl.LOCK_UN)


def _cut(file: int) -> bool:
    """Cut off a last line without its end, which a killed process has left; whether there was one."""
    size = os.fstat(file).st_size
    kept = size
    while kept:
        start = max(0, kept - 65_536)
        os.lseek(file, start, os.SEEK_SET)
        end = os.read(file, kept - start).rfind(b"\n")
        if end >= 0:
            kept = start + end + 1
            break
        kept = start
    if kept < size:
        os.ftruncate(file, kept)
    return kept < size


def _write(file: int, data: bytes) -> None:
    while data:
        data = data[os.write(file, data) :]


def key_of(record: Record) -> Key:
    """What names a record. Raises KeyError, TypeError, ValueError."""
    return (
        str(record["arm"]),
        str(record["id"]),
        str(record["asked"]),
        int(str(record["seed"])),
        str(record["measured"]),
    )


def read_run(path: Path) -> Record:
    """What `run.json` of a folder says. Raises FolderError."""
    file = path / RUN if path.is_dir() else path
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        hint = "`ttscale eval` writes run folders"
        raise FolderError(f"{path} is no run folder: {error.strerror or error}", hint=hint) from error
    except ValueError as error:
        raise FolderError(f"{file} is not JSON: {error}") from error
    if not isinstance(document, dict) or "arms" not in document:
        raise FolderError(f"{file} is not about an evaluation", hint="`ttscale eval` writes run folders")
    return document


def write_whole(path: Path, text: str) -> None:
    """Write a file beside its place and move it there, so that nobody reads half of it."""
    beside = path.with_name(path.name + ".part")
    beside.write_text(text, encoding="utf-8")
    beside.replace(path)
