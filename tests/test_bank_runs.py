"""Runs at a bank: nothing is made twice, and the answer does not depend on what the bank holds."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from banks import MODEL, SeededEngine
from running import FakeEngine, answer, pipeline
from ttscale.compiler.ir import Budget
from ttscale.runtime.bank.runs import BankRun
from ttscale.runtime.bank.schema import BankError
from ttscale.runtime.bank.store import Bank
from ttscale.runtime.engines.base import Completion, EngineError, Request
from ttscale.runtime.program import load
from ttscale.runtime.result import Result

VOTE = "return generate(ask(question), from: m, n: {n}, max_tokens: {limit}{more}) |> vote()"
JUDGED = "return generate(ask(question), from: m, n: 2) |> score(by: yes_no, from: m) |> select(by: score)"


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    with Bank(tmp_path / "bank.sqlite") as opened:
        yield opened


def run(bank: Bank) -> BankRun:
    return BankRun(bank, {"test": True})


async def vote(
    bank: Bank | None, engine: SeededEngine, n: int = 4, limit: int = 64, more: str = "", **settings: object
) -> Result:
    text = pipeline(VOTE.format(n=n, limit=limit, more=more), models=MODEL)
    chosen = None if bank is None else run(bank)
    return await answer(text, {"m": engine}, bank=chosen, **settings)


def texts(result: Result) -> list[str]:
    return [candidate.text for candidate in result.samples]


def sources(result: Result) -> list[object]:
    return [event.data.get("from", "fresh") for event in result.trace.of("call_finished")]


def count(bank: Bank, table: str) -> int:
    bank.flush()
    return int(bank.reader().execute(f"SELECT count(*) FROM {table}").fetchone()[0])


# --- nothing twice -----------------------------------------------------------------------------------------


async def test_a_second_run_makes_no_call(bank: Bank) -> None:
    first, second = SeededEngine(), SeededEngine()
    one, two = await vote(bank, first), await vote(bank, second)
    assert [len(request.seeds) for request in first.requests] == [4] and second.requests == []
    assert (two.answer, two.cost, two.samples) == (one.answer, one.cost, one.samples)
    assert (one.fresh.calls, one.fresh.new_tokens) == (4, first.made)
    assert (two.fresh.calls, two.fresh.new_tokens, two.fresh.usd) == (0, 0, 0)
    assert sources(one) == ["fresh"] * 4 and sources(two) == ["bank"] * 4
    assert two.to_json()["fresh"] == {"calls": 0, "new_tokens": 0, "usd": 0.0}


async def test_without_a_bank_all_is_fresh() -> None:
    result = await vote(None, SeededEngine())
    assert result.fresh == replace(result.cost, sequential_tokens=0)


async def test_a_larger_run_has_the_smaller_ones_samples(bank: Bank) -> None:
    engine = SeededEngine()
    few, many = await vote(bank, engine, n=2), await vote(bank, engine, n=5)
    assert texts(many)[:2] == texts(few)
    assert [len(request.seeds) for request in engine.requests] == [2, 3]
    assert sorted(sources(many)) == ["bank", "bank", "fresh", "fresh", "fresh"]  # type: ignore[type-var]
    assert many.fresh.calls == 3


@pytest.mark.parametrize(
    "other",
    [
        {"more": ", temperature: 0.1"},
        {"more": ", series: 1"},
        {"more": ', stop: "1 2"'},
        {"run_seed": 1},
        {"question": "7 * 6"},
    ],
    ids=str,
)
async def test_other_settings_are_other_samples(bank: Bank, other: dict[str, object]) -> None:
    engine = SeededEngine()
    await vote(bank, engine)
    result = await vote(bank, engine, **other)  # type: ignore[arg-type]
    assert result.fresh.calls == 4


async def test_scripted_models_pass_the_bank_by(bank: Bank) -> None:
    text = pipeline("return generate(ask(question), from: m, n: 2) |> vote()")
    await answer(text, bank=run(bank))
    assert count(bank, "draws") == 0


async def test_failed_samples_are_not_kept(bank: Bank) -> None:
    def broken(_: Request, place: int) -> object:
        return Completion(place, "", "failed", 5, 0, error="no") if place == 0 else "Answer: 1"

    text = pipeline(VOTE.format(n=2, limit=64, more=""), models=MODEL)
    result = await answer(text, {"m": FakeEngine(broken)}, bank=run(bank))
    assert result.answer == 1 and count(bank, "samples") == 1 and count(bank, "claims") == 0
    again = FakeEngine()
    assert (await answer(text, {"m": again}, bank=run(bank))).fresh.calls == 1
    assert [len(request.seeds) for request in again.requests] == [1]


async def test_an_engine_that_fails_gives_its_claims_back(bank: Bank) -> None:
    text = pipeline(VOTE.format(n=2, limit=64, more=""), models=MODEL)
    broken = FakeEngine(lambda request, place: EngineError("gone", fatal=False))
    with pytest.raises(Exception, match="gone"):
        await answer(text, {"m": broken}, bank=run(bank))
    assert count(bank, "claims") == 0


async def test_equal_questions_at_once_are_made_once(bank: Bank) -> None:
    engine = SeededEngine(pause=0.001)
    results = await asyncio.gather(*(vote(bank, engine) for _ in range(5)))
    assert sum(len(request.seeds) for request in engine.requests) == 4
    assert all(texts(result) == texts(results[0]) for result in results)
    assert sum(result.fresh.calls for result in results) == 4


# --- limits ------------------------------------------------------------------------------------------------


async def test_a_shorter_limit_reads_a_view(bank: Bank) -> None:
    engine = SeededEngine()
    await vote(bank, engine, limit=60)
    made = engine.made
    short = await vote(bank, engine, limit=9)
    assert engine.made == made and texts(short) == texts(await vote(None, SeededEngine(), limit=9))
    assert all(candidate.tokens <= 9 for candidate in short.samples)


async def test_a_longer_limit_goes_on_from_what_is_there(bank: Bank) -> None:
    engine = SeededEngine()
    short = await vote(bank, engine, limit=5)
    made = engine.made
    long = await vote(bank, engine, limit=60)
    whole = await vote(None, SeededEngine(), limit=60)
    assert texts(long) == texts(whole) and long.cost == whole.cost
    assert engine.made - made == whole.cost.new_tokens - short.cost.new_tokens == long.fresh.new_tokens
    assert sources(long) == ["continued"] * 4 and long.fresh.calls == 4
    assert [len(g.token_ids) if g else 0 for g in engine.requests[-1].given or ()] == [5, 5, 5, 5]
    assert texts(await vote(bank, engine, limit=5)) == texts(short)


async def test_an_engine_that_cannot_go_on_begins_anew(bank: Bank) -> None:
    engine = SeededEngine(resumes=False, with_pieces=False)
    await vote(bank, engine, limit=30)
    assert (await vote(bank, engine, limit=60)).fresh.calls == 4
    assert texts(await vote(bank, engine, limit=9)) == texts(await vote(None, SeededEngine(), limit=9))
    assert [len(request.seeds) for request in engine.requests] == [4, 4, 4]
    assert (await vote(bank, engine, limit=30)).fresh.calls == 0


async def test_what_a_row_cannot_be_cut_to_the_engine_reads_from_its_tokens(bank: Bank) -> None:
    engine = SeededEngine(with_pieces=False)
    await vote(bank, engine, limit=60)
    made = engine.made
    short = await vote(bank, engine, limit=9)
    assert engine.made == made and short.fresh.new_tokens == 0
    assert texts(short) == texts(await vote(None, SeededEngine(), limit=9))


async def test_a_budget_counts_what_the_bank_gives_as_when_it_was_made(bank: Bank) -> None:
    budget = Budget(tokens=60)
    alone = await vote(None, SeededEngine(), n=6, limit=30, budget=budget)
    await vote(bank, SeededEngine(), n=6, limit=30)
    with_bank = await vote(bank, SeededEngine(), n=6, limit=30, budget=budget)
    assert (with_bank.answer, with_bank.cost, with_bank.cut) == (alone.answer, alone.cost, alone.cut)
    assert texts(with_bank) == texts(alone) and alone.cut and with_bank.fresh.calls == 0


# --- judgements --------------------------------------------------------------------------------------------


async def test_judgements_are_kept_too(bank: Bank) -> None:
    text = pipeline(JUDGED, models=MODEL)
    first, second = FakeEngine(), FakeEngine()
    one = await answer(text, {"m": first}, bank=run(bank))
    two = await answer(text, {"m": second}, bank=run(bank))
    assert len(first.scored) == 1  # the two samples are equal, and so are their judgements
    assert second.scored == [] and second.requests == []
    assert [c.scores for c in two.pool] == [c.scores for c in one.pool]
    assert two.cost == one.cost and two.fresh.calls == 0


# --- crashes -----------------------------------------------------------------------------------------------


async def test_a_running_sample_is_resumed_from_its_journal(bank: Bank) -> None:
    dying = SeededEngine(die_after=200, pause=0.0001)
    seeded = await vote(None, SeededEngine(), n=8, limit=300)
    await vote(bank, dying, n=8, limit=300)
    kept = count(bank, "samples")
    left = sum(len(r[0]) // 4 for r in bank.reader().execute("SELECT token_ids FROM running"))
    engine = SeededEngine()
    result = await vote(bank, engine, n=8, limit=300)
    assert texts(result) == texts(seeded) and count(bank, "running") == 0
    assert kept and sources(result).count("bank") == kept
    assert engine.made == seeded.cost.new_tokens - sum(c.tokens for c in seeded.samples.candidates[:kept]) - left


async def test_a_run_cancelled_at_any_moment_leaves_no_claim(bank: Bank) -> None:
    for turn in range(12):
        task = asyncio.create_task(vote(bank, SeededEngine(pause=0.0005), n=4, limit=40, question=f"q{turn}"))
        await asyncio.sleep(0.0015 * turn)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    await asyncio.sleep(0.05)
    assert count(bank, "claims") == 0


# --- the bank itself fails ---------------------------------------------------------------------------------


async def test_a_run_goes_on_without_a_bank_that_cannot_be_written_and_says_so(tmp_path: Path) -> None:
    broken = Bank(tmp_path / "bank.sqlite")
    chosen = run(broken)
    broken.close()
    text = pipeline(VOTE.format(n=2, limit=64, more=""), models=MODEL)
    result = await answer(text, {"m": FakeEngine()}, bank=chosen)
    assert result.answer == 1
    assert any("may not have been kept" in note for note in result.notes)


# --- programs ----------------------------------------------------------------------------------------------


def test_a_program_has_the_bank_that_it_is_loaded_with(tmp_path: Path) -> None:
    text = 'tts 1\nmodel m = script("Answer: 1")\nprompt ask(q: Text) -> Number = "{{ q }}"\n'
    text += "pipeline main(q: Text) -> Number {\n return generate(ask(q), from: m) |> vote()\n}\n"
    path = tmp_path / "deep" / "bank.sqlite"
    with load(text, bank=path) as program:
        assert program.run("x").answer == 1
    assert path.is_file()
    (tmp_path / "other.txt").write_text("no bank at all, only a text that is long enough to be looked at")
    with pytest.raises(BankError, match="no bank"):
        load(text, bank=tmp_path / "other.txt")


def test_a_bank_of_a_later_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bank.sqlite"
    with Bank(path) as bank:
        bank.write(lambda connection: connection.execute("PRAGMA user_version = 99").fetchall()).result()
    with Bank(path) as bank, pytest.raises(BankError, match="version 99"):
        bank.reader()


def test_rows_never_change(bank: Bank) -> None:
    async def fill() -> None:
        await vote(bank, SeededEngine())

    asyncio.run(fill())
    for statement in ("UPDATE samples SET text = ''", "UPDATE draws SET kind = ''", "UPDATE prompts SET messages = ''"):
        failed = bank.write(lambda connection, one=statement: connection.execute(one)).exception()
        assert "never change" in str(failed)
