"""The loop's own care: a cache that stays full, beginnings that nobody waits for any more."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ttscale.runtime.engines.base import EngineError, Message
from ttscale.runtime.engines.llama import openings
from ttscale.runtime.engines.llama.loop import FULL_STEPS, Loop
from ttscale.runtime.engines.llama.openings import KNOWN, LEAST, Openings
from ttscale.runtime.engines.llama.runner import NoRoom
from ttscale.runtime.engines.llama.scheduler import Scheduler
from ttscale.runtime.engines.llama.shelf import Shelf
from ttscale.runtime.engines.llama.work import Group, Limits, Member


class Full:
    """A runner whose cache never has room, whatever is taken from it."""

    def __init__(self) -> None:
        self.cleared = 0

    def apply(self, operations: Any) -> None:
        """Nothing is there."""

    def decode(self, pieces: Any, idle: Any) -> Any:
        raise NoRoom

    def clear(self) -> None:
        self.cleared += 1


def test_a_cache_that_stays_full_is_an_error_and_no_endless_loop() -> None:
    loop: Any = Loop.__new__(Loop)
    loop.runner, loop.scheduler, loop._full = Full(), Scheduler(Limits(cells=256, sequences=4)), (0, 0)
    loop.board = SimpleNamespace(new=0, computed=0, steps=0, jobs={})
    loop._told, loop._at_work, loop._send = frozenset(), frozenset(), lambda out: None
    loop.scheduler.submit(Group(1, [1, 2, 3], [Member(0, 8)]))
    for _ in range(FULL_STEPS - 1):
        loop.step()
    assert loop.runner.cleared == FULL_STEPS - 1 and not loop.scheduler.idle
    loop.board.new += 1  # it gets on after all
    for _ in range(FULL_STEPS - 1):
        loop.step()
    with pytest.raises(EngineError, match="finds no room"):
        loop.step()


def test_beginnings_that_nobody_waits_for_any_more_are_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openings.Openings, "_length", lambda self, messages, thinking, prompt: LEAST)
    scheduler: Any = SimpleNamespace(holds=lambda tokens: False)
    nothing: Any = None
    found = Openings(Shelf(tmp_path, "one"), scheduler, nothing, nothing, nothing)
    for number in range(KNOWN + 9):
        found.before((Message("user", "hello"),), "auto", [number] * LEAST)
    assert [tokens[0] for tokens in found._wanted] == list(range(9, KNOWN + 9))
