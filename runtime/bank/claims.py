"""Who generates what: claims with a lease, so that several processes share a bank and make nothing twice.

A claim belongs to an owner, one for each open bank. An owner renews its lease while it lives; a claim whose owner's
lease is over, or whose process is gone from this machine, is taken over by whoever wants it next.
All functions run inside the writer's transaction.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ttscale.runtime.bank.keys import Spot
from ttscale.runtime.bank.rows import (
    COLUMNS,
    Row,
    Want,
    base,
    best,
    figures,
    first,
    numbers,
    pack_figures,
    pack_numbers,
)
from ttscale.runtime.engines.base import Given


@dataclass(frozen=True, slots=True)
class Grant:
    """What became of a want: somebody's finished `row`, or `mine` to generate from `given` on, or another's for now."""

    row: Row | None = None
    mine: bool = False
    given: Given | None = None


def this_place() -> str:
    """Where process numbers mean what they mean here: this host, and in it this process namespace."""
    namespace = ""
    with contextlib.suppress(OSError):
        namespace = str(Path("/proc/self/ns/pid").readlink())
    return f"{socket.gethostname()} {namespace}".strip()


def enter_owner(connection: sqlite3.Connection, lease: float) -> int:
    """A new owner of claims; its number."""
    row = connection.execute(
        "INSERT INTO owners (place, pid, expires) VALUES (?, ?, ?)", (this_place(), os.getpid(), time.time() + lease)
    )
    return int(row.lastrowid or 0)


def renew(connection: sqlite3.Connection, owner: int, lease: float) -> None:
    """Move the end of an owner's lease."""
    connection.execute("UPDATE owners SET expires = ? WHERE id = ?", (time.time() + lease, owner))


def leave(connection: sqlite3.Connection, owner: int) -> None:
    """Give up all claims of an owner, and the owner."""
    connection.execute("DELETE FROM claims WHERE owner = ?", (owner,))
    connection.execute("DELETE FROM owners WHERE id = ?", (owner,))


def rows_at(connection: sqlite3.Connection, draw: int, spot: Spot) -> list[Row]:
    """The rows of one spot, oldest first."""
    found = connection.execute(
        f"SELECT {COLUMNS} FROM samples WHERE draw = ? AND series = ? AND attempt = ? AND position = ? "
        "ORDER BY version",
        (draw, *spot),
    )
    return list(map(Row._make, found))


def rows_between(
    connection: sqlite3.Connection, draw: int, series: int, attempt: int, low: int, high: int
) -> list[Row]:
    """The rows at neighbouring places, the oldest of each first."""
    found = connection.execute(
        f"SELECT {COLUMNS} FROM samples WHERE draw = ? AND series = ? AND attempt = ? AND position BETWEEN ? AND ? "
        "ORDER BY position, version",
        (draw, series, attempt, low, high),
    )
    return list(map(Row._make, found))


def claim(
    connection: sqlite3.Connection, owner: int, draw: int, wants: Sequence[Want], context: int | None, resumes: bool
) -> list[Grant]:
    """One grant a want, in order. `context` is the engine's; with `resumes` it goes on from given tokens."""
    grants: list[Grant] = []
    for want in wants:
        rows = rows_at(connection, draw, want.spot)
        row = best(rows, want, context)
        if row is not None:
            grants.append(Grant(row=row))
        elif not take(connection, owner, draw, want.spot):
            grants.append(Grant())
        else:
            given = beginning(connection, draw, want, rows) if resumes and not want.answer_only else None
            grants.append(Grant(mine=True, given=given))
    return grants


def take(connection: sqlite3.Connection, owner: int, draw: int, spot: Spot) -> bool:
    """Whether the spot is now claimed by `owner`: it was free, or its owner is gone."""
    place = (draw, *spot)
    mine = connection.execute("INSERT OR IGNORE INTO claims VALUES (?, ?, ?, ?, ?)", (*place, owner))
    if mine.rowcount:
        return True
    found = connection.execute(
        "SELECT owners.id, place, pid, expires FROM claims LEFT JOIN owners ON owners.id = claims.owner "
        "WHERE draw = ? AND series = ? AND attempt = ? AND position = ?",
        place,
    ).fetchone()
    if found is None or found[0] == owner or is_alive(*found[1:]):
        return False
    if found[0] is not None:
        leave(connection, found[0])
    connection.execute("INSERT OR REPLACE INTO claims VALUES (?, ?, ?, ?, ?)", (*place, owner))
    return True


def is_alive(place: str | None, pid: int, expires: float) -> bool:
    """Whether an owner still holds its claims."""
    if place is None or expires < time.time():
        return False
    if os.name != "posix" or place != this_place():
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def release(connection: sqlite3.Connection, owner: int, draw: int, spot: Spot) -> None:
    """Let others have a spot."""
    connection.execute(
        "DELETE FROM claims WHERE draw = ? AND series = ? AND attempt = ? AND position = ? AND owner = ?",
        (draw, *spot, owner),
    )


# --- running samples ---------------------------------------------------------------------------------------


def journal(connection: sqlite3.Connection, draw: int, spot: Spot, tokens: Given) -> None:
    """Keep the tokens that a running sample has so far."""
    connection.execute(
        "INSERT OR REPLACE INTO running VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (draw, *spot, pack_numbers(tokens.token_ids), pack_figures(tokens.logprobs), time.time(), tokens.routes),
    )


def forget_running(connection: sqlite3.Connection, draw: int, spot: Spot) -> None:
    """Drop what was kept of a sample while it ran."""
    connection.execute(
        "DELETE FROM running WHERE draw = ? AND series = ? AND attempt = ? AND position = ?", (draw, *spot)
    )


def beginning(connection: sqlite3.Connection, draw: int, want: Want, rows: Sequence[Row]) -> Given | None:
    """The longest beginning that is known of a sample, no longer than wanted: of a row, or of one that was running."""
    row = base(rows)
    found = None if row is None else row.given(want.limit)
    record = connection.execute(
        "SELECT token_ids, logprobs, routes FROM running "
        "WHERE draw = ? AND series = ? AND attempt = ? AND position = ?",
        (draw, *want.spot),
    ).fetchone()
    if record is not None and (found is None or len(record[0]) // 4 > len(found.token_ids)):
        ids, logprobs = numbers(record[0])[: want.limit], figures(record[1])[: want.limit]
        return Given(ids, logprobs, routes=first(record[2], want.limit))
    return found
