"""What the files of models tell before anything runs, and how `plan` and `run` use it."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from cli_runs import tts
from engine_files import META, write_gguf
from ttscale.compiler.capabilities import Abilities
from ttscale.compiler.ir import Model
from ttscale.runtime.model_facts import is_here, known, look, thinks

THINKER = {**META, "tokenizer.chat_template": "{% if enable_thinking %}<think>{% endif %}{{ messages }}"}
WIDE = 300 * 4 * 160
"""Bytes of the rows of logits over 300 tokens that are kept."""


def model(name: str, file: str, **options: object) -> Model:
    return Model(name, "gguf", file, tuple(options.items()))


def test_memory_is_weights_cache_and_rows_of_logits(tmp_path: Path) -> None:
    file = write_gguf(tmp_path / "tiny.gguf")
    facts = look({"tiny": model("tiny", "tiny.gguf")}, tmp_path)["tiny"]
    assert facts.memory is not None
    assert facts.memory.weights == file.stat().st_size
    assert facts.memory.cells == 16384 and facts.memory.context == 4096
    assert facts.memory.cache == 16384 * 2 * 2 * (16 + 16) * 2  # cells, layers, heads, key and value, bytes
    assert facts.memory.outputs == WIDE
    assert facts.memory.total == facts.memory.weights + facts.memory.cache + WIDE
    assert look({"tiny": model("tiny", "tiny.gguf", ctx=512)}, tmp_path)["tiny"].memory.context == 512  # type: ignore[union-attr]


def test_models_with_the_same_file_and_options_are_loaded_once(tmp_path: Path) -> None:
    write_gguf(tmp_path / "tiny.gguf")
    facts = look(
        {
            "a": model("a", "tiny.gguf"),
            "b": model("b", "./tiny.gguf", temperature=0.2),
            "c": model("c", "tiny.gguf", ctx=512),
            "far": Model("far", "openai", "http://127.0.0.1:9/v1"),
            "gone": model("gone", "gone.gguf"),
        },
        tmp_path,
    )
    assert [(name, one.shares) for name, one in facts.items()] == [("a", ""), ("b", "a"), ("c", ""), ("gone", "")]
    assert facts["gone"].memory is None and "there is no model file" in facts["gone"].missing
    assert set(known(facts)) == {"a", "b", "c"}
    assert known(facts)["c"] == Abilities(thinking=False, context=512)


def test_a_template_tells_whether_thoughts_are_written(tmp_path: Path) -> None:
    assert thinks("") is None
    assert thinks("{{ messages }}") is False
    assert thinks("{% if enable_thinking %}") and thinks("<|channel|>analysis") and thinks("Reasoning: high")
    write_gguf(tmp_path / "deep.gguf", THINKER)
    assert known(look({"deep": model("deep", "deep.gguf")}, tmp_path))["deep"].thinking is True


def test_nothing_is_downloaded_to_look(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    cached: list[tuple[str, str]] = []

    def from_cache(repository: str, file: str) -> str | None:
        cached.append((repository, file))
        return None

    monkeypatch.setitem(sys.modules, "huggingface_hub", SimpleNamespace(try_to_load_from_cache=from_cache))
    far = model("far", "hf:org/repo/sub/file.gguf")
    assert not is_here(far)
    assert cached == [("org/repo", "sub/file.gguf")]
    assert look({"far": far}, tmp_path)["far"].missing == "not downloaded yet"
    assert is_here(model("near", "near.gguf"))


PROGRAM = """tts 1
model small = gguf("tiny.gguf"{options})
prompt solve(question: Text) -> Number = "{{{{ question }}}} Answer:"
pipeline main(question: Text) -> Number {{
  param n: Int in {{2, 16}} = 2
  return generate(solve(question), n: n{more}) |> fuse() |> vote()
}}
"""


def program(folder: Path, options: str = "", more: str = "") -> Path:
    write_gguf(folder / "tiny.gguf")
    path = folder / "main.tts"
    path.write_text(PROGRAM.format(options=options, more=more), encoding="utf-8")
    return path


def test_plan_shows_contexts_and_memory(tmp_path: Path) -> None:
    ran = tts("plan", program(tmp_path))
    assert ran.code == 0 and ran.err == ""
    (peak,) = [line for line in ran.out.splitlines() if line.startswith("peak context")]
    assert " of 4,096, likely " in peak and peak.endswith(" with the longest answers (542 n + 1,173)")
    (memory,) = [line for line in ran.out.splitlines() if line.startswith("memory")]
    assert "cache of 16,384 tokens 4 MB" in memory
    found = tts("plan", program(tmp_path), "--json").json
    assert found["context"]["small"]["holds"] == 4096
    amounts = found["context"]["small"]
    assert amounts["minimum"] <= amounts["expected"] <= amounts["full"] <= amounts["maximum"]
    assert amounts["maximum"] == found["peak_context"]["small"]
    assert found["memory"]["small"]["cells"] == 16384 and found["warnings"] == []


def test_plan_warns_of_what_its_values_may_not_fit(tmp_path: Path) -> None:
    path = program(tmp_path)
    ran = tts("plan", path, "--param", "n=16")
    assert ran.code == 0
    assert "warning[W0602]: `fuse` may need" in ran.err and "holds 4,096" in ran.err
    (warning,) = tts("plan", path, "--param", "n=16", "--json").json["warnings"]
    assert warning["code"] == "W0602"


def test_plan_says_where_a_file_is_not_there(tmp_path: Path) -> None:
    path = program(tmp_path)
    (tmp_path / "tiny.gguf").unlink()
    ran = tts("plan", path)
    assert ran.code == 0 and "memory         small not known: there is no model file" in ran.out


def test_thoughts_of_a_model_without_any_are_an_error_before_it_loads(tmp_path: Path) -> None:
    path = program(tmp_path, more=", thinking: on")
    assert tts("check", path).code == 0
    for command in (["plan", path], ["run", path, "What?"]):
        ran = tts(*command)
        assert ran.code == 1 and "error[E0280]: `thinking: on` needs a model that writes thoughts" in ran.err
    assert tts("plan", program(tmp_path, options=", thinking: on", more=", thinking: up to 64")).code == 0
