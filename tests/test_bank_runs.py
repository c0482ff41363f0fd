"""Runs at a bank: nothing is made twice, and the answer does not depend on what the bank holds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from running import FakeEngine, answer, pipeline
from ttscale.runtime.bank.runs import BankRun
from ttscale.runtime.bank.store import Bank
from ttscale.runtime.engines.base import Request

MODEL = 'model m = gguf("small.gguf")'
VOTE = "return generate(ask(question), from: m, n: {n}, max_tokens: {limit}) |> vote()"


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    with Bank(tmp_path / "bank.sqlite") as opened:
        yield opened


def seeded(request: Request, place: int) -> str:
    """A long answer that only its seed decides."""
    seed = request.seeds[place]
    return " ".join(f"w{(seed >> i) % 97}" for i in range(20)) + f" Answer: {seed % 3}"


def run(bank: Bank) -> BankRun:
    return BankRun(bank, {"test": True})


async def test_a_second_run_makes_no_call(bank: Bank) -> None:
    text = pipeline(VOTE.format(n=4, limit=64), models=MODEL)
    first, second = FakeEngine(seeded), FakeEngine(seeded)
    one = await answer(text, {"m": first}, bank=run(bank))
    two = await answer(text, {"m": second}, bank=run(bank))
    assert [len(request.seeds) for request in first.requests] == [4]
    assert second.requests == []
    assert (two.answer, two.cost, two.pool) == (one.answer, one.cost, one.pool)
    assert (one.fresh.calls, one.fresh.new_tokens) == (4, one.cost.new_tokens)
    assert (two.fresh.calls, two.fresh.new_tokens) == (0, 0)
    assert [event.data.get("from") for event in two.trace.of("call_finished")] == ["bank"] * 4
