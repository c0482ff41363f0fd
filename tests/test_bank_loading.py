"""What a bank has needs no model: weights are loaded when the first sample has to be made, and not before."""

from __future__ import annotations

from pathlib import Path

import pytest
from banks import SeededEngine
from ttscale.compiler.ir import Model
from ttscale.runtime import models
from ttscale.runtime.engines.base import EngineError
from ttscale.runtime.program import load
from ttscale.runtime.result import RunError

PROGRAM = '''tts 1

model small = gguf("weights.gguf")

prompt say(question: Text) -> Text = """{{ question }}"""
prompt ok(question: Text, answer: Text) -> Choice(yes, no) = """{{ question }} {{ answer }} ok?"""

pipeline main(question: Text) -> Text {
  param n: Int in {1, 2, 3, 4} = 2
  return generate(say(question), from: small, n: n, max_tokens: 40) |> score(by: yes_no, using: ok) |> select(by: score)
}

pipeline other(question: Text) -> Text {
  return generate(say(question), from: small, n: 2, max_tokens: 40, series: 7) |> select(by: first)
}
'''
ROWS = [{"id": f"q{i}", "question": f"{i} + {i}?", "answer": "0"} for i in range(4)]


class Weights(SeededEngine):
    """An engine that loads once, and only where it can."""

    loads = 0
    counted = 0
    is_broken = False

    async def start(self) -> None:
        if type(self).is_broken:
            raise EngineError("the weights cannot be loaded", hint="mend them")
        type(self).loads += 1

    async def count_tokens(self, messages: object) -> int:
        type(self).counted += 1
        return await super().count_tokens(messages)  # type: ignore[arg-type]


@pytest.fixture
def weights(monkeypatch: pytest.MonkeyPatch) -> type[Weights]:
    def opened(model: Model, base_dir: Path) -> Weights:
        return Weights()

    monkeypatch.setattr(models, "open_engine", opened)
    monkeypatch.setattr(models, "locate", lambda model, base_dir: base_dir / model.locator)
    monkeypatch.setattr("ttscale.runtime.evaluate.api.graph_digest", lambda graph, folder: graph.pipeline)
    monkeypatch.setattr(Weights, "loads", 0)
    monkeypatch.setattr(Weights, "counted", 0)
    monkeypatch.setattr(Weights, "is_broken", False)
    return Weights


def program_file(folder: Path) -> Path:
    path = folder / "main.tts"
    path.write_text(PROGRAM, encoding="utf-8")
    return path


def test_a_second_evaluation_loads_no_model(tmp_path: Path, weights: type[Weights]) -> None:
    file, bank = program_file(tmp_path), tmp_path / "bank.sqlite"
    with load(file, bank=bank) as own:
        first = own.evaluate(ROWS, "exact", folder=tmp_path / "one")
    assert first.document["state"]["new"]["calls"] == 4 * (2 + 2 * 2) and weights.loads and weights.counted
    weights.is_broken, weights.loads, weights.counted = True, 0, 0
    with load(file, bank=bank) as own:
        again = own.evaluate(ROWS, "exact", folder=tmp_path / "two")
    assert again.document["state"]["new"]["calls"] == 0 and again.document["state"]["failed"] == 0
    assert (weights.loads, weights.counted) == (0, 0)
    chosen = [[(r["answer"], r["cost"]["tokens"]) for r in report.records["main"]] for report in (first, again)]
    assert chosen[0] == chosen[1]


def test_a_missing_sample_loads_it(tmp_path: Path, weights: type[Weights]) -> None:
    file, bank = program_file(tmp_path), tmp_path / "bank.sqlite"
    with load(file, bank=bank) as own:
        own.run("1 + 1?")
    weights.is_broken = True
    with load(file, bank=bank) as own:
        assert own.run("1 + 1?").fresh.calls == 0
        with pytest.raises(RunError, match="cannot be loaded"):
            own.run("1 + 1?", n=3)
        with pytest.raises(RunError, match="cannot be loaded"):
            own.run("1 + 1?", pipeline="other")
        weights.is_broken = False
        assert own.run("1 + 1?", n=3).fresh.calls == 1 + 2  # one sample, and both labels of its judgement


def test_a_missing_judgement_loads_it(tmp_path: Path, weights: type[Weights]) -> None:
    """All samples are there, but they were never judged."""
    file, bank = program_file(tmp_path), tmp_path / "bank.sqlite"
    unjudged = PROGRAM.replace(" |> score(by: yes_no, using: ok) |> select(by: score)", " |> select(by: first)")
    file.write_text(unjudged, encoding="utf-8")
    with load(file, bank=bank) as own:
        own.run("1 + 1?")
    file.write_text(PROGRAM, encoding="utf-8")
    weights.loads = 0
    with load(file, bank=bank) as own:
        found = own.run("1 + 1?")
    assert found.fresh.calls == 2 * 2 and weights.loads


def test_without_a_bank_models_are_loaded_first(tmp_path: Path, weights: type[Weights]) -> None:
    weights.is_broken = True
    with load(program_file(tmp_path)) as own, pytest.raises(RunError, match="cannot be loaded"):
        own.run("1 + 1?")
