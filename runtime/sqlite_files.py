"""SQLite files of our own: told from others' by their application id, and brought up to the current version."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

Migration = Callable[[sqlite3.Connection], None]
"""Makes a file of version N, its place among the others, one of version N + 1; never edited once released."""


@dataclass(frozen=True)
class FileKind:
    """One kind of file: its name for people, the id in its header, how it came to be, and the errors about it.

    `fault` makes an error of a message and a hint, `elsewhere` is the hint that names another file.
    """

    name: str
    application_id: int
    migrations: tuple[Migration, ...]
    fault: Callable[[str, str], Exception]
    elsewhere: str

    def bring_up(self, connection: sqlite3.Connection, path: Path) -> None:
        """Apply the migrations that the file lacks, in one transaction, by whichever process comes first.

        The connection begins no transactions of its own (`isolation_level=None`). Raises `fault` for a file of
        another program or of a later version, sqlite3.Error where it cannot be read.
        """
        latest = len(self.migrations)
        if self._version(connection, path) == latest:
            return
        connection.execute("BEGIN IMMEDIATE")
        try:
            for migrate in self.migrations[self._version(connection, path) :]:
                migrate(connection)
            connection.execute(f"PRAGMA user_version = {latest}")
            connection.execute(f"PRAGMA application_id = {self.application_id}")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")

    def _version(self, connection: sqlite3.Connection, path: Path) -> int:
        """The file's version, 0 for an empty file."""
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if application != self.application_id and (tables or version):
            raise self.fault(f"{path} is no {self.name} of ttscale but another SQLite file", self.elsewhere)
        if version > len(self.migrations):
            message = f"the {self.name} {path} is of version {version}, and this ttscale knows {len(self.migrations)}"
            raise self.fault(message, f"pip install --upgrade ttscale, or {self.elsewhere}")
        return int(version)
