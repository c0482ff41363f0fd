"""The standard library and the loader: every module compiles, and its prompts suit the stages that use them."""

from __future__ import annotations

from pathlib import Path

import pytest
from ttscale.compiler import ir
from ttscale.compiler import types as t
from ttscale.compiler.diagnostics import CompileError
from ttscale.compiler.driver import compile_source
from ttscale.compiler.format import format_module
from ttscale.compiler.lower import lower
from ttscale.compiler.parse import parse
from ttscale.compiler.resolve import prompt_ir
from ttscale.compiler.signatures import (
    ARGUED,
    CHANNEL,
    CHECKLIST,
    META,
    RULES,
    SIGNATURES,
    by_likeness,
    judging,
)
from ttscale.compiler.signatures import (
    testing as signature_of_tests,
)
from ttscale.compiler.source import SourceFile
from ttscale.compiler.step_judges import EXPLORE_JUDGES
from ttscale.library.loader import LIMIT, FileLoader, SourceError, load_source, std_modules
from ttscale.library.standard import stage_prompts
from ttscale.runtime.answers import read
from ttscale.runtime.prompts import check_prompt, render

CANDIDATES = [
    {"index": 1, "text": "It is 41.", "answer": 41, "critique": "Off by one.", "score": 0.2},
    {"index": 2, "text": "It is 42.", "answer": 42, "critique": "", "score": None},
]
SAMPLES: dict[str, object] = {
    "question": "What is 6 * 7?",
    "answer": "It is 42.",
    "answers": CANDIDATES,
    "keep": 1,
    "context": "Six sevens are forty-two.",
    "plan": "Multiply.",
    "mine": ["It is 42."],
    "theirs": ["It is 41."],
    "notes": "Six times seven.",
    "critique": "Good.",
    "steps": ["6 * 7"],
    "step": "= 42",
    "kept": [2, 1],
    "reference": "42",
    "entry": "product",
    "most": 3,
    "test": "assert product(6, 7) == 42",
}


def std(name: str) -> SourceFile:
    source = FileLoader()(name, "1", "main.tts")
    assert source is not None
    return source


def prompts(name: str) -> dict[str, ir.Prompt]:
    linked = compile_source(std(name), FileLoader()).require_ok().linked
    return {n: prompt_ir(s, linked) for n, s in linked.main.names.items() if s.kind == "prompt"}


ALL = {(module, name): prompt for module in std_modules() for name, prompt in prompts(module).items()}


@pytest.mark.parametrize("name", std_modules())
def test_modules_compile_and_are_formatted(name: str) -> None:
    source = std(name)
    assert source.name == f"{name}@1"
    assert compile_source(source, FileLoader()).diagnostics == ()
    module, _ = lower(parse(source), source)
    assert format_module(module, source) == source.text


@pytest.mark.parametrize(("module", "name"), list(ALL))
def test_prompts_can_be_filled(module: str, name: str) -> None:
    prompt = ALL[module, name]
    assert check_prompt(prompt) == []
    values = {parameter: SAMPLES[parameter] for parameter, _ in prompt.params}
    messages = render(prompt, values, prompt.result)
    text = "\n".join(m.content for m in messages)
    assert "\n\n\n" not in text and not text.startswith("\n") and not text.endswith("\n")
    for _, value in values.items():
        assert not isinstance(value, str) or value in text


def test_there_is_a_prompt_for_every_stage_that_wants_one() -> None:
    judges = [judging("score", rule.name) for rule in RULES.values() if rule.judge]
    wanted = {
        s.std_prompt: s
        for s in (*SIGNATURES.values(), by_likeness(), signature_of_tests(True), *judges)
        if s.std_prompt
    }
    offered = stage_prompts()
    assert {*wanted, META, CHANNEL, ARGUED[0], CHECKLIST, *filter(None, EXPLORE_JUDGES.values())} == set(offered)
    for name, signature in wanted.items():
        prompt = offered[name]
        assert {p for p, _ in prompt.params} <= {"question", *signature.offers}
        kind = str(prompt.result).partition("(")[0]
        assert not signature.prompt_results or kind in signature.prompt_results


def test_judges_decide_with_one_token() -> None:
    for name in ("judge_answer", "verify_answer"):
        prompt = stage_prompts()[name]
        assert prompt.result == t.Choice(("yes", "no")) and prompt.parts[-1].role == "assistant"


def test_ranking_and_fusing_share_what_stands_first() -> None:
    ranked, fused = (
        render(stage_prompts()[name], {k: SAMPLES[k] for k, _ in stage_prompts()[name].params}, t.NUMBER)[0].content
        for name in ("rank_answers", "fuse_answers")
    )
    shared = ranked[: next(i for i, (a, b) in enumerate(zip(ranked, fused, strict=False)) if a != b)]
    assert "Candidate 2:\nIt is 42." in shared and "Off by one." in shared
    assert fused.endswith('End with "Answer: <number>".')
    assert read(stage_prompts()["rank_answers"].result, " 2, 1")[0] == [2, 1]


# --- the loader -------------------------------------------------------------------------------------


def test_versions_of_std() -> None:
    load = FileLoader()
    assert load("std/prompts", "", "x.tts") == load("std/prompts", "1", "x.tts")
    for path, version in (("std/prompts", "2"), ("std/nothing", "1"), ("std/../loader", "1")):
        assert load(path, version, "x.tts") is None


def test_files_beside_the_importing_one(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "judges.tts").write_text("tts 1\n", encoding="utf-8")
    load = FileLoader()
    source = load("./lib/judges", "", str(tmp_path / "main.tts"))
    assert source is not None and source.name == str(tmp_path / "lib" / "judges.tts")
    assert load("./judges", "", str(tmp_path / "lib" / "other.tts")) is source
    assert load("../lib/judges", "", str(tmp_path / "lib" / "other.tts")) is source
    assert load("./missing", "", str(tmp_path / "main.tts")) is None


def test_offsets_do_not_depend_on_the_system(tmp_path: Path) -> None:
    path = tmp_path / "x.tts"
    path.write_bytes(b"\xef\xbb\xbftts 1\r\nmodel m = script()\r")
    assert load_source(path).text == "tts 1\nmodel m = script()\n"


@pytest.mark.parametrize(
    ("content", "code", "says"),
    [
        (b"a\xffb", "E0002", "byte 1 does not belong"),
        (b"a\x00b", "E0002", "zero bytes"),
        ("tts 1".encode("utf-16"), "E0002", "not text in UTF-8"),
        (b"GGUF\x03", "E0002", "weight file"),
        (b"#" * (LIMIT + 1), "E0003", "too large"),
    ],
)
def test_files_that_are_no_program(tmp_path: Path, content: bytes, code: str, says: str) -> None:
    path = tmp_path / "x.tts"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=says) as caught:
        load_source(path)
    assert caught.value.code == code and isinstance(caught.value, CompileError)
    assert [d.code for d in caught.value.diagnostics] == [code]


def test_paths_that_name_no_file(tmp_path: Path) -> None:
    (tmp_path / "hello.tts").write_text("tts 1\n", encoding="utf-8")
    for wrong, hint in (
        ("helo.tts", "hello.tts"),
        ("hello", "hello.tts"),
        ("", "hello.tts"),
        ("no/x.tts", "no folder"),
    ):
        with pytest.raises(SourceError) as caught:
            load_source(tmp_path / wrong)
        assert caught.value.code == "E0004" and hint in caught.value.hint, wrong
