"""The book of a study: what all its workers together have spent, and what they may still spend.

A worker *takes* an amount before it spends it and *gives back* what it did not need, so that no set of workers, on
one machine or several, ever passes a limit. What a killed worker had taken counts as spent. The book is a table beside
Optuna's own, in the same database where there is one.

    book = Book("sqlite:///study.sqlite", "tune-6f61", Limits(tokens=2_000_000))
    book.take(Amount(1, 900, 0.0))         # True, or False where that does not fit any more
    book.settle(Amount(1, 900, 0.0), Amount(1, 412, 0.0))
"""

from __future__ import annotations

import contextlib
import os
import platform
import secrets
from dataclasses import dataclass
from typing import Any

from ttscale.runtime.ledger import NOTHING, Amount

FAR = 2**62
FOR_FINALS = 0.3
"""The share of a budget that is kept for the finals, where there are rows held out for them."""


@dataclass(frozen=True)
class Limits:
    """What a search may spend at most: None is no limit. `trials` counts those that were begun."""

    calls: int | None = None
    tokens: int | None = None
    seconds: float | None = None
    usd: float | None = None
    trials: int | None = None

    @property
    def is_none(self) -> bool:
        """Whether nothing is limited."""
        return self == Limits()


def shared_out(limits: Limits, share: float) -> Limits:
    """A share of every limit but that of the trials."""
    return Limits(
        None if limits.calls is None else int(limits.calls * share),
        None if limits.tokens is None else int(limits.tokens * share),
        None if limits.seconds is None else limits.seconds * share,
        None if limits.usd is None else limits.usd * share,
        limits.trials,
    )


@dataclass(frozen=True)
class Spent:
    """What a study has spent so far."""

    calls: int = 0
    tokens: int = 0
    usd: float = 0.0
    seconds: float = 0.0
    trials: int = 0


class Book:
    """The shared account of one study. Methods are called from one thread of a process."""

    def __init__(self, url: str, study: str, limits: Limits) -> None:
        import sqlalchemy

        sql: Any = sqlalchemy
        self._sql = sql
        self.study = study
        self.limits = limits
        self.worker = secrets.token_hex(6)
        self._engine = sql.create_engine(url, **({"connect_args": {"timeout": 60}} if url.startswith("sqlite") else {}))
        if url.startswith("sqlite"):
            sql.event.listen(self._engine, "connect", _quick)
        meta = sql.MetaData()
        self._spent = sql.Table(
            "ttscale_spent",
            meta,
            sql.Column("study", sql.String(200), primary_key=True),
            *_amounts(sql),
            sql.Column("held_calls", sql.BigInteger, nullable=False, default=0),
            sql.Column("held_tokens", sql.BigInteger, nullable=False, default=0),
            sql.Column("held_usd", sql.Float, nullable=False, default=0.0),
            sql.Column("seconds", sql.Float, nullable=False, default=0.0),
            sql.Column("trials", sql.BigInteger, nullable=False, default=0),
        )
        self._held = sql.Table(
            "ttscale_held",
            meta,
            sql.Column("worker", sql.String(40), primary_key=True),
            sql.Column("study", sql.String(200), nullable=False),
            sql.Column("host", sql.String(200), nullable=False),
            sql.Column("process", sql.BigInteger, nullable=False),
            *_amounts(sql),
        )
        meta.create_all(self._engine)
        self._begin()

    def _begin(self) -> None:
        """Enter the study if it is new, and count what dead workers of this machine had taken as spent."""
        sql, spent, held = self._sql, self._spent, self._held
        with self._engine.begin() as connection:
            known = connection.execute(sql.select(spent.c.study).where(spent.c.study == self.study)).first()
            if known is None:
                # Another worker may have been first.
                with contextlib.suppress(sql.exc.IntegrityError), connection.begin_nested():
                    connection.execute(spent.insert().values(study=self.study))
            rows = connection.execute(sql.select(held).where(held.c.study == self.study)).mappings().all()
            for row in rows:
                if row["host"] != platform.node() or _is_alive(int(row["process"])):
                    continue
                if connection.execute(held.delete().where(held.c.worker == row["worker"])).rowcount:
                    lost = Amount(int(row["calls"]), int(row["tokens"]), float(row["usd"]))
                    connection.execute(self._moved(lost, lost))
            connection.execute(
                held.insert().values(
                    worker=self.worker, study=self.study, host=platform.node(), process=os.getpid(), calls=0, tokens=0,
                    usd=0.0,
                )
            )  # fmt: skip

    def _moved(self, held: Amount, spent: Amount) -> Any:
        """The statement that ends a hold."""
        table = self._spent
        return (
            table.update()
            .where(table.c.study == self.study)
            .values(
                calls=table.c.calls + spent.calls,
                tokens=table.c.tokens + spent.tokens,
                usd=table.c.usd + spent.usd,
                held_calls=table.c.held_calls - held.calls,
                held_tokens=table.c.held_tokens - held.tokens,
                held_usd=table.c.held_usd - held.usd,
            )
        )

    # --- taking and giving back ------------------------------------------------------------------

    def take(self, amount: Amount) -> bool:
        """Set an amount aside for this worker; False where that would pass a limit."""
        table, limits = self._spent, self.limits
        fits = [
            table.c.calls + table.c.held_calls + amount.calls <= _or_far(limits.calls),
            table.c.tokens + table.c.held_tokens + amount.tokens <= _or_far(limits.tokens),
        ]
        if limits.usd is not None:
            fits.append(table.c.usd + table.c.held_usd + amount.usd <= limits.usd + 1e-9)
        with self._engine.begin() as connection:
            took = connection.execute(
                table.update()
                .where(table.c.study == self.study, *fits)
                .values(
                    held_calls=table.c.held_calls + amount.calls,
                    held_tokens=table.c.held_tokens + amount.tokens,
                    held_usd=table.c.held_usd + amount.usd,
                )
            )
            if not took.rowcount:
                return False
            connection.execute(self._holding(amount))
        return True

    def _holding(self, amount: Amount) -> Any:
        table = self._held
        return (
            table.update()
            .where(table.c.worker == self.worker)
            .values(
                calls=table.c.calls + amount.calls, tokens=table.c.tokens + amount.tokens, usd=table.c.usd + amount.usd
            )
        )

    def settle(self, held: Amount, spent: Amount) -> None:
        """Give back what was taken and enter what of it was spent."""
        if held == NOTHING and spent == NOTHING:
            return
        with self._engine.begin() as connection:
            connection.execute(self._moved(held, spent))
            connection.execute(self._holding(NOTHING - held))

    def take_trial(self) -> bool:
        """Enter one more trial; False where all are used up."""
        table = self._spent
        with self._engine.begin() as connection:
            took = connection.execute(
                table.update()
                .where(table.c.study == self.study, table.c.trials < _or_far(self.limits.trials))
                .values(trials=table.c.trials + 1)
            )
        return bool(took.rowcount)

    def return_trial(self) -> None:
        """Take back a trial that was not made after all."""
        table = self._spent
        with self._engine.begin() as connection:
            connection.execute(
                table.update().where(table.c.study == self.study).values(trials=table.c.trials - 1)
            )  # fmt: skip

    def add_seconds(self, seconds: float) -> None:
        """Enter time that the search was at work."""
        table = self._spent
        with self._engine.begin() as connection:
            connection.execute(
                table.update().where(table.c.study == self.study).values(seconds=table.c.seconds + seconds)
            )

    # --- looking ---------------------------------------------------------------------------------

    def spent(self) -> Spent:
        """What all workers have spent, with what those at work have taken."""
        table = self._spent
        with self._engine.connect() as connection:
            row = connection.execute(self._sql.select(table).where(table.c.study == self.study)).mappings().one()
        return Spent(
            int(row["calls"]) + int(row["held_calls"]),
            int(row["tokens"]) + int(row["held_tokens"]),
            float(row["usd"]) + float(row["held_usd"]),
            float(row["seconds"]),
            int(row["trials"]),
        )

    def close(self) -> None:
        """Leave the study; what is still held counts as spent."""
        table = self._held
        with self._engine.begin() as connection:
            row = connection.execute(self._sql.select(table).where(table.c.worker == self.worker)).mappings().first()
            if row is not None:
                rest = Amount(int(row["calls"]), int(row["tokens"]), float(row["usd"]))
                if rest != NOTHING:
                    connection.execute(self._moved(rest, rest))
                connection.execute(table.delete().where(table.c.worker == self.worker))
        self._engine.dispose()


def _amounts(sql: Any) -> list[Any]:
    """Columns for an amount."""
    return [
        sql.Column("calls", sql.BigInteger, nullable=False, default=0),
        sql.Column("tokens", sql.BigInteger, nullable=False, default=0),
        sql.Column("usd", sql.Float, nullable=False, default=0.0),
    ]


def _or_far(limit: int | None) -> int:
    return FAR if limit is None else limit


def _quick(connection: Any, _record: object) -> None:
    """Several processes write to one file: wait for each other, and sync once a transaction."""
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.close()


def _is_alive(process: int) -> bool:
    if process == os.getpid():
        return False  # what this process left behind in an earlier study of its own is not at work any more
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
