"""The one thread of a process that writes to a bank.

Work comes as functions of the connection. Whatever has come in while the last transaction was being committed goes into
the next one, so that many small writes cost one flush to the disk, and none waits longer than that.
"""

from __future__ import annotations

import contextlib
import queue
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")
BATCH = 512


@dataclass(frozen=True, slots=True)
class _Job:
    work: Callable[[sqlite3.Connection], Any]
    result: Future[Any]


class Writer:
    """Runs work in transactions, in the order in which it came.

    `beat` is called in a transaction of its own every `interval` seconds, idle or not. After `close` nothing is taken.
    """

    def __init__(
        self, connection: sqlite3.Connection, beat: Callable[[sqlite3.Connection], None], interval: float
    ) -> None:
        self._connection = connection
        self._beat = beat
        self._interval = interval
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="ttscale-bank", daemon=True)
        self._thread.start()

    def do(self, work: Callable[[sqlite3.Connection], T]) -> Future[T]:
        """Run `work` in the next transaction; the future has its value once that is committed."""
        job = _Job(work, Future())
        with self._lock:
            if self._closed:
                job.result.set_exception(sqlite3.ProgrammingError("the bank is closed"))
            else:
                self._jobs.put(job)
        return job.result

    def close(self) -> None:
        """Finish what has come in, and end."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._jobs.put(None)
        self._thread.join()
        self._connection.close()

    def _run(self) -> None:
        beaten = time.monotonic()
        while True:
            jobs, end = self._take()
            if jobs:
                self._commit(jobs)
            if end:
                return
            if time.monotonic() - beaten >= self._interval:
                with contextlib.suppress(sqlite3.Error):  # the next one may succeed, and leases last for several
                    self._transaction(self._beat)
                beaten = time.monotonic()

    def _take(self) -> tuple[list[_Job], bool]:
        """What has come in, after waiting for something; whether that was all that will ever come."""
        try:
            job = self._jobs.get(timeout=self._interval)
        except queue.Empty:
            return [], False
        jobs: list[_Job] = []
        while job is not None:
            jobs.append(job)
            if len(jobs) == BATCH:
                return jobs, False
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return jobs, False
        return jobs, True

    def _commit(self, jobs: list[_Job]) -> None:
        """One transaction for all jobs; where one of them fails, one for each."""
        try:
            values = self._transaction(lambda connection: [job.work(connection) for job in jobs])
        except Exception as error:
            if len(jobs) == 1:
                jobs[0].result.set_exception(error)
                return
            for job in jobs:
                self._commit([job])
            return
        for job, value in zip(jobs, values, strict=True):
            job.result.set_result(value)

    def _transaction(self, work: Callable[[sqlite3.Connection], T]) -> T:
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            value = work(connection)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        return value
