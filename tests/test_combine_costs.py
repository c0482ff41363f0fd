"""What combined models cost: in plans, budgets and traces, fresh and from the bank."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from running import answer, pipeline, plan_of
from tiny_models import three_models
from ttscale.compiler.evidence import all_evidence, evidence_text
from ttscale.compiler.ir import Budget
from ttscale.runtime.bank.exchange import Selection, exported, imported, merged
from ttscale.runtime.bank.runs import BankRun
from ttscale.runtime.bank.store import Bank
from ttscale.runtime.ledger import Amount, Call, Ledger, Price
from ttscale.runtime.models import EngineHouse
from ttscale.runtime.result import Result

THREE = "".join(f'model {name} = gguf("{name}.gguf", ctx: 256, threads: 1)\n' for name in ("large", "small", "tuned"))
ROUTED = "combine: routing(large, below: 0.2)"
TUNED = "combine: emulated_tuning(tuned: tuned, base: large)"


def program(combine: str, n: int = 4, limit: int = 16) -> str:
    body = (
        f"return generate(say(question), from: small, n: {n}, max_tokens: {limit}, {combine}) |> select(by: likelihood)"
    )
    return pipeline(body, THREE, "Text")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    pytest.importorskip("llama_cpp")
    return three_models(tmp_path)


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    with Bank(tmp_path / "bank.sqlite") as opened:
        yield opened


@pytest.fixture
async def house(folder: Path) -> AsyncIterator[EngineHouse]:
    made = EngineHouse(folder)
    yield made
    await made.close()


async def run(house: EngineHouse, text: str, bank: Bank | None = None, budget: Budget | None = None) -> Result:
    chosen = None if bank is None else BankRun(bank, {"test": True})
    return await answer(text, house.for_run(with_bank=bank is not None), bank=chosen, budget=budget)


def charged(result: Result) -> list[object]:
    done = sorted(result.trace.of("call_finished"), key=lambda event: str(event.data["index"]))
    return [(event.data["tokens_by_model"], event.data.get("routed_tokens")) for event in done]


# --- the books ------------------------------------------------------------------------------------------------------


def test_a_call_of_several_models_costs_what_all_of_them_may_read() -> None:
    call = Call(10, 20, Price(1e-6, 2e-6), models=3)
    assert call.worst.tokens == 90 and call.worst.usd == pytest.approx(5e-5)
    ledger = Ledger(Budget(tokens=100), [Amount(2, 180)])
    ledger.ask((0, 0), call)
    ledger.ask((0, 1), Call(10, 20, models=2))
    (first,) = ledger.decide()
    assert (first.started, first.limit) == (True, 20)
    assert ledger.finish((0, 0), 20, None, further=25).tokens == 10 + 20 + 25
    (second,) = ledger.decide()
    assert (second.started, second.cut, second.limit) == (True, True, (100 - 55) // 2 - 10)
    assert ledger.finish((0, 1), second.limit).tokens == 2 * (10 + second.limit) <= 100 - 55


@pytest.mark.model
@pytest.mark.parametrize(("combine", "models"), [(ROUTED, 2), (TUNED, 3)])
async def test_a_run_keeps_to_its_plan_and_its_budget(house: EngineHouse, combine: str, models: int) -> None:
    plan, free = plan_of(program(combine)), await run(house, program(combine))
    assert plan.minimum.tokens <= free.trace.tokens <= plan.maximum.tokens
    assert plan.minimum.new_tokens <= free.trace.total.new_tokens <= plan.maximum.new_tokens
    for event in free.trace.of("call_finished"):
        of_each = event.data["tokens_by_model"]
        assert isinstance(of_each, list) and len(of_each) == models and sum(of_each) == event.cost.tokens
        assert all(0 <= one <= of_each[0] for one in of_each)
        assert models == 2 or set(of_each) == {of_each[0]}
    for tokens in (60, 100, 150):
        poor = await run(house, program(combine), budget=Budget(tokens=tokens))
        assert poor.cut and 0 < poor.trace.tokens <= tokens


def test_evidence_about_models_that_answer_together_is_read_as_it_was_written() -> None:
    said = {
        "program": "sha256:1",
        "model-routing(small, large, below: 0.6)": "gguf x sha256:2",
        "cost": "",
        "rows": "a (b) c",
    }
    assert all_evidence(evidence_text(said)) == [said]


# --- the bank -------------------------------------------------------------------------------------------------------


@pytest.mark.model
async def test_a_sample_from_the_bank_costs_what_it_did_and_a_cut_one_what_it_would(
    house: EngineHouse, bank: Bank
) -> None:
    first, again = [await run(house, program(ROUTED), bank) for _ in range(2)]
    assert again.fresh.calls == again.fresh.tokens == 0
    assert charged(again) == charged(first) and again.trace.tokens == first.trace.tokens
    assert any("larger model" in note for note in again.notes)
    short, afresh = await run(house, program(ROUTED, limit=7), bank), await run(house, program(ROUTED, limit=7))
    assert short.fresh.calls == 0 and charged(short) == charged(afresh)
    longer, whole = await run(house, program(ROUTED, limit=24), bank), await run(house, program(ROUTED, limit=24))
    assert charged(longer) == charged(whole), "what was routed before is known where a sample is gone on from"
    assert 0 < longer.fresh.new_tokens < whole.fresh.new_tokens


@pytest.mark.model
async def test_samples_that_do_not_say_who_wrote_what_count_in_full(house: EngineHouse, bank: Bank) -> None:
    """As those that were kept before the bank noted that."""
    await run(house, program(ROUTED), bank)
    bank.flush()

    def forget(connection: object) -> None:
        connection.execute("DROP TRIGGER samples_never_change")  # type: ignore[attr-defined]
        connection.execute("UPDATE samples SET routes = NULL")  # type: ignore[attr-defined]

    bank.write(forget).result()
    old = await run(house, program(ROUTED), bank)
    assert old.fresh.calls == 0
    for of_each, routed in charged(old):  # type: ignore[misc]
        assert of_each[0] == of_each[1] and routed is None
    longer = await run(house, program(ROUTED, n=1, limit=24), bank)
    assert longer.trace.tokens <= plan_of(program(ROUTED, n=1, limit=24)).maximum.tokens


@pytest.mark.model
async def test_who_wrote_what_is_exported_imported_and_merged(house: EngineHouse, bank: Bank, tmp_path: Path) -> None:
    first = await run(house, program(ROUTED), bank)
    bank.flush()
    lines = [json.dumps(line) for line in exported(bank, Selection(), full=True)]
    (tmp_path / "pool.jsonl").write_text("\n".join(lines), encoding="utf-8")
    with Bank(tmp_path / "second.sqlite") as second, Bank(tmp_path / "third.sqlite") as third:
        assert imported(second, tmp_path / "pool.jsonl")["added"] == 4
        assert merged(third, bank.path)["added"] == 4
        for other in (second, third):
            again = await run(house, program(ROUTED), other)
            assert again.fresh.calls == 0 and charged(again) == charged(first)


@pytest.mark.model
def test_a_run_says_what_each_model_has_computed(folder: Path) -> None:
    from click.testing import CliRunner
    from ttscale.cli.app import cli

    prompt = 'prompt say(question: Text) -> Text = """Say {{ question }}"""\n'
    file = folder / "routed.tts"
    file.write_text(f"tts 1\n{prompt}{program(ROUTED)}", encoding="utf-8")
    asked = ["run", str(file), "6 * 7", "--no-bank"]
    told = CliRunner().invoke(cli, [*asked, "--json"], catch_exceptions=False)
    result = json.loads(told.stdout)
    ((name, (small, large)),) = result["models"].items()
    assert name == "routing(small, large, below: 0.2)"
    routed = [event["data"] for event in result["trace"] if event["kind"] == "call_finished"]
    assert 0 < large["calls"] <= sum(one["routed_tokens"] for one in routed)
    assert 0 < large["rows"] <= small["rows"] and large["rows"] < sum(one["tokens_by_model"][1] for one in routed)
    shown = CliRunner().invoke(cli, asked, catch_exceptions=False)
    assert f"{name}: its models computed {small['rows']} tokens in {small['calls']} steps and" in shown.stderr
