"""A probe of a server: known answers, what is kept of them, and servers that cut prompts or promise too much."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cli_runs import tts
from openai_servers import Served, served
from ttscale import load
from ttscale.compiler.diagnostics import CompileError
from ttscale.compiler.ir import Model
from ttscale.lsp.programs import Programs
from ttscale.runtime.engines.base import EngineError
from ttscale.runtime.engines.openai_gate import Gate
from ttscale.runtime.engines.openai_probe import probe
from ttscale.runtime.model_facts import known, look
from ttscale.runtime.models import open_engine
from ttscale.runtime.probes import Probed, keep, kept, probes_file

SECRET = "sk-very-secret"


@pytest.fixture
def server() -> Iterator[Served]:
    with served() as found:
        yield found


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TTSCALE_PROBES", str(tmp_path / "kept" / "probes.json"))
    return tmp_path / "kept" / "probes.json"


async def test_a_server_that_does_everything(server: Served) -> None:
    assert await probe(server.url, "m") == Probed(
        logprobs=True,
        scoring=True,
        prompt_logprobs=True,
        seeds=True,
        many=True,
        schema=True,
        grammar=True,
        continuation=True,
        streams=True,
        context=4096,
        held=4032,
    )


async def test_a_server_that_takes_every_field_and_heeds_none(server: Served) -> None:
    server.heeds = set()
    found = await probe(server.url, "m")
    assert found == Probed(
        logprobs=False,
        scoring=False,
        prompt_logprobs=False,
        seeds=False,
        many=False,
        schema=False,
        grammar=False,
        continuation=False,
        streams=False,
        context=4096,
        held=4032,
    )


async def test_a_server_that_refuses_fields_can_none_of_it(server: Served) -> None:
    server.refuses = {"logprobs", "n", "grammar", "response_format", "seed", "echo"}
    found = await probe(server.url, "m")
    assert [found.logprobs, found.many, found.grammar, found.schema, found.seeds, found.prompt_logprobs] == [False] * 6
    assert found.continuation is True


async def test_cutting_a_prompt_silently_is_an_error(server: Served) -> None:
    server.cuts = True
    with pytest.raises(EngineError, match=r"cuts prompts without saying so.*read 4,096") as caught:
        await probe(server.url, "m")
    assert "larger context" in caught.value.hint


async def test_a_context_that_is_too_small(server: Served) -> None:
    with pytest.raises(EngineError, match="does not hold 6,000 tokens: it holds 4,096"):
        await probe(server.url, "m", context=6000)
    assert (await probe(server.url, "m", context=2000)).held is not None


async def test_no_server_is_an_error() -> None:
    with pytest.raises(EngineError, match="no answer from"):
        await probe("http://127.0.0.1:9/v1", "m", timeout=2)


def test_what_is_found_is_kept_for_checks_and_runs(server: Served, file: Path, tmp_path: Path) -> None:
    ran = tts("models", "probe", f"{server.url}#m", "--json")
    assert ran.json["found"]["grammar"] is True
    far = Model("far", "openai", server.url, (("name", "m"),))
    other = Model("other", "openai", server.url, (("name", "another"),))
    facts = look({"far": far, "other": other}, tmp_path)
    assert list(facts) == ["far"] and known(facts)["far"].context == 4096 and known(facts)["far"].logprobs is True
    engine = open_engine(far, tmp_path)
    assert (engine.capabilities.context, engine.capabilities.grammar) == (4096, True)
    assert open_engine(other, tmp_path).capabilities.grammar is None


def test_checks_and_plans_know_what_a_server_cannot_do(server: Served, file: Path, tmp_path: Path) -> None:
    program = tmp_path / "p.tts"
    program.write_text(
        f'tts 1\nmodel far = openai("{server.url}", name: "m")\n'
        'prompt ask(question: Text) -> Text = "{{ question }}"\n'
        "pipeline main(question: Text) -> Text {\n"
        "  return generate(ask(question), from: far, n: 4) |> select(by: likelihood)\n}\n"
    )
    keep(server.url, "m", Probed(logprobs=True, scoring=False, seeds=False, context=2048))
    plan = tts("plan", str(program))
    assert plan.code == 0 and "4 samples read their prompt 4 times instead of once" in plan.out
    assert "does not keep to seeds" in plan.out
    assert tts("plan", str(program), "--json").json["servers"]["far"]["context"] == 2048
    assert "W0280" not in tts("check", str(program)).out
    keep(server.url, "m", Probed(logprobs=False, scoring=False))
    refused = tts("plan", str(program))
    assert refused.code == 1 and "E0280" in refused.err and "`far` gives none" in refused.err
    checked = tts("check", str(program))
    assert checked.code == 1 and "E0280" in checked.out and "`far` gives none" in checked.out
    with pytest.raises(CompileError, match="gives none"):
        load(program)
    keep(server.url, "m", Probed(logprobs=True, context=300))
    assert "E0602" in tts("check", str(program)).out or "W0602" in tts("check", str(program)).out


def test_an_editor_knows_what_was_probed_while_it_is_open(server: Served, file: Path) -> None:
    text = (
        f'tts 1\nmodel far = openai("{server.url}", name: "m")\n'
        'prompt ask(question: Text) -> Text = "{{ question }}"\n'
        "pipeline main(question: Text) -> Text {\n"
        "  return generate(ask(question), from: far, n: 4) |> select(by: likelihood)\n}\n"
    )
    programs = Programs()
    programs.put("main.tts", text)

    def codes() -> set[str]:
        programs.checked("main.tts")
        while not programs.is_whole("main.tts"):
            programs.look("main.tts")
        checked = programs.checked("main.tts")
        assert checked is not None
        return {diagnostic.code for diagnostic in checked.diagnostics}

    assert codes() == {"W0280"}
    keep(server.url, "m", Probed(logprobs=False))
    assert codes() == {"E0280"}
    keep(server.url, "m", Probed(logprobs=True))
    assert codes() == set()


def test_keys_are_neither_kept_nor_shown(server: Served, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server.status = 401
    server.says = f"no such key: {SECRET}"
    monkeypatch.setenv("FAR_KEY", SECRET)
    ran = tts("models", "probe", f"{server.url}#m", "--key", "FAR_KEY")
    assert ran.code != 0 and SECRET not in ran.out + ran.err and "401" in ran.err
    keep(server.url.replace("http://", f"http://me:{SECRET}@"), "m", Probed(seeds=True))
    assert SECRET not in file.read_text(encoding="utf-8") and kept(server.url, "m") == Probed(seeds=True)


def test_a_broken_file_keeps_nothing(file: Path) -> None:
    file.parent.mkdir()
    for text in ("{", "[]", '{"http://h/v1#m": 3}', '{"http://h/v1#m": {"seeds": "yes", "later": 1}}'):
        file.write_text(text, encoding="utf-8")
        assert (kept("http://h/v1", "m") or Probed()) == Probed()
    keep("http://h/v1/", "m", Probed(many=True))
    assert kept("http://h/v1", "m") == Probed(many=True) and probes_file() == file


async def test_a_gate_halves_once_for_a_round_and_grows_again() -> None:
    gate = Gate(8)
    rounds = [await gate.__aenter__() for _ in range(8)]
    waiting = asyncio.create_task(gate.__aenter__())
    await asyncio.sleep(0)
    for begun in rounds:
        gate.refused(begun)
    assert gate.limit == 4 and not waiting.done()
    for _ in range(4):
        await gate.__aexit__(None, None, None)
    await asyncio.sleep(0)
    assert not waiting.done()  # four still run
    await gate.__aexit__(None, None, None)
    assert await waiting == 1
    for _ in range(4):
        gate.answered()
    assert gate.limit == 5
    for _ in range(100):
        gate.answered()
    assert gate.limit == 8


async def test_a_call_that_no_longer_waits_leaves_its_turn_to_the_next() -> None:
    gate = Gate(1)
    await gate.__aenter__()
    first, second = asyncio.create_task(gate.__aenter__()), asyncio.create_task(gate.__aenter__())
    await asyncio.sleep(0)
    await gate.__aexit__(None, None, None)
    first.cancel()
    await asyncio.wait_for(second, 5)
    assert first.cancelled() and gate.running == 1


@pytest.mark.model
async def test_the_real_llama_server(tmp_path: Path) -> None:
    binary = os.environ.get("LLAMA_SERVER") or shutil.which("llama-server")
    if binary is None:
        pytest.skip("no llama-server: install one, or name it in LLAMA_SERVER")
    from openai_servers import llama_server
    from tiny_models import plain_model

    with llama_server(binary, plain_model(tmp_path / "tiny.gguf"), context=2048) as url:
        found = await probe(url, "tiny")
    assert found.context == 2048 and found.held is not None and found.held > 1800
    assert found.logprobs and found.scoring and found.seeds and found.schema and found.grammar and found.streams


def test_rows_are_json(file: Path) -> None:
    keep("http://h/v1", "m", Probed(held=5))
    rows: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    assert rows["http://h/v1#m"]["held"] == 5 and rows["http://h/v1#m"]["seeds"] is None
