"""Runs: who asked the bank for what, so that two of them can be compared key by key.

A run is a name, a label and one line for each question, stage and draw: which samples it asked for, how many of them
were there, how many were made. Texts and keys stand in their own tables, once.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
import time
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from ttscale.compiler.ir import Graph
from ttscale.runtime.bank.keys import Key, Spot
from ttscale.runtime.bank.schema import BankError
from ttscale.runtime.bank.store import Bank, enter
from ttscale.runtime.trace import plain


class BankRun:
    """One run at a bank: an evaluation, a file of questions, or one question. `id` is its name in `ttscale why`."""

    def __init__(self, bank: Bank, label: Mapping[str, object]) -> None:
        self.bank = bank
        self.id = secrets.token_hex(4)
        self._label = json.dumps(plain(label), ensure_ascii=False)
        self._started = time.time()

    def asked(
        self, question: Mapping[str, object], stage: str, key: Key, spot: Spot, *, kept: bool, new_tokens: int = 0
    ) -> None:
        """Note that a stage asked for one sample or judgement, and whether the bank had it."""

        def work(connection: sqlite3.Connection) -> None:
            draw = connection.execute("SELECT id FROM draws WHERE digest = ?", (key.digest,)).fetchone()
            if draw is None:
                return  # nothing was ever kept of it
            connection.execute("INSERT OR IGNORE INTO runs VALUES (?, ?, ?)", (self.id, self._started, self._label))
            number = question_number(connection, question)
            connection.execute(
                "INSERT INTO asked VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET "
                "low = min(low, excluded.low), high = max(high, excluded.high), kept = kept + excluded.kept, "
                "fresh = fresh + excluded.fresh, new_tokens = new_tokens + excluded.new_tokens",
                (
                    self.id, number, stage, draw[0], spot.series, spot.attempt, spot.position, spot.position,
                    int(kept), int(not kept), new_tokens,
                ),
            )  # fmt: skip

        try:
            self.bank.write(work)
        except (BankError, sqlite3.Error) as error:
            self.bank.trouble = str(error)


class BankRuns:
    """The bank of one program, if it has one: every pipeline, assignment of parameters and seed is a run of its own.

    Pipelines are told apart by what they do, so those of one name in several files that are compared are runs of their
    own too.

    A bank given by its file is opened at once and closed by `close`; one that is given open stays open. Raises
    BankError.
    """

    def __init__(self, bank: str | Path | Bank | None) -> None:
        self._is_ours = bank is not None and not isinstance(bank, Bank)
        self._bank = bank if bank is None or isinstance(bank, Bank) else Bank(bank)
        self._runs: dict[tuple[str, str, int], list[tuple[Graph, BankRun]]] = {}
        if self._bank is not None:
            self._bank.reader()

    @property
    def is_there(self) -> bool:
        """Whether there is a bank at all."""
        return self._bank is not None

    def of(self, graph: Graph, seed: int) -> BankRun | None:
        """The run of a pipeline with these parameters; None without a bank."""
        if self._bank is None:
            return None
        params = {name: plain(value) for name, value in graph.params.items()}
        key = (graph.pipeline, repr(sorted(params.items())), seed)
        namesakes = self._runs.setdefault(key, [])
        for other, run in namesakes:
            if other is graph or other == graph:
                return run
        namesakes.append((graph, BankRun(self._bank, {"pipeline": graph.pipeline, "params": params, "seed": seed})))
        return namesakes[-1][1]

    def close(self) -> None:
        """Close the bank if it was opened here; idempotent."""
        if self._bank is not None and self._is_ours:
            self._bank.close()


def question_number(connection: sqlite3.Connection, inputs: Mapping[str, object]) -> int:
    """The number of a question, which is known by its inputs."""
    text = json.dumps(plain(inputs), ensure_ascii=False, sort_keys=True)
    digest = sha256(text.encode("utf-8", "replace")).hexdigest()
    return enter(connection, "questions", "digest", digest, inputs=text.encode("utf-8", "replace").decode())
