"""The parser: all of the language without conflicts, names that keywords do not take away, one message a mistake."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable
from pathlib import Path

import lark
import pytest
from ttscale import grammar
from ttscale.compiler import parser_tables
from ttscale.compiler.diagnostics import Diagnostic
from ttscale.compiler.format import format_module
from ttscale.compiler.lower import lower
from ttscale.compiler.parse import MAX_CHARACTERS, parse
from ttscale.compiler.parser import key, load_parser
from ttscale.compiler.render import render, summary
from ttscale.compiler.source import SourceFile

HERE = Path(__file__).resolve().parent
ERRORS = HERE / "golden" / "syntax_errors"
CASES = sorted(path.stem for path in ERRORS.glob("*.tts"))
SPECS = HERE.parent.parent / "shared" / "design" / "specs"


def problems(text: str, name: str = "case.tts") -> list[Diagnostic]:
    """Everything that parsing and lowering say about a text."""
    source = SourceFile(name, text)
    parsed = parse(source)
    return [*parsed.diagnostics, *lower(parsed, source)[1]]


def accepted(text: str) -> None:
    """Assert that a text is a correct module."""
    found = problems(text)
    assert not found, render(found[0], {"case.tts": SourceFile("case.tts", text)})


def in_pipeline(body: str) -> str:
    """A module whose only pipeline has this body."""
    return f"pipeline main(question: Text) -> Text {{\n{body}\n}}\n"


# --- the grammar ---------------------------------------------------------------------------------


def test_the_grammar_has_no_conflicts(caplog: pytest.LogCaptureFixture) -> None:
    lark.logger.addHandler(caplog.handler)
    try:
        with caplog.at_level(logging.DEBUG, logger=lark.logger.name):
            parser_tables.plain_parser(debug=True)
    finally:
        lark.logger.removeHandler(caplog.handler)
    assert not [record for record in caplog.records if "onflict" in record.getMessage()]


def test_the_words_are_those_of_the_grammar() -> None:
    text = grammar.grammar_text()
    terminals = set(re.findall(r'^[A-Z_]+(?:\.\d)?: "([a-z]+)"', text, re.MULTILINE)) | {"python", "up", "to"}
    assert terminals == set(grammar.KEYWORDS)
    reserved = re.search(r"NAME: /\(\?!\(\?:([a-z|]+)\)", text)
    assert reserved is not None and set(reserved[1].split("|")) == set(grammar.RESERVED)
    assert "\\d" not in text


def test_the_tables_are_those_of_the_grammar(update: bool) -> None:
    text = grammar.tables_text()
    stored = json.loads(text) if text is not None else {}
    if stored.get("key") != key() and update:
        path = Path(grammar.__file__).with_name("tables.json")
        path.write_text(parser_tables.serialize_tables(parser_tables.build_parser()), encoding="utf-8", newline="\n")
        return
    assert stored.get("key") == key(), "the grammar has changed; run pytest --update"


def test_loaded_tables_and_built_ones_read_alike() -> None:
    text = (HERE / "golden" / "format" / "layout.tts").read_text(encoding="utf-8")
    loaded, built = load_parser(), parser_tables.build_parser()
    assert loaded is not built
    assert loaded.parse(text) == built.parse(text)


@pytest.mark.skipif(not SPECS.is_dir(), reason="the design documents are not beside this checkout")
def test_the_programs_of_the_design_are_accepted() -> None:
    found = sorted(SPECS.glob("*.tts"))
    assert found
    for path in found:
        accepted(path.read_text(encoding="utf-8"))


def test_the_examples_are_accepted() -> None:
    found = sorted((HERE.parent / "examples").glob("*.tts"))
    assert found
    for path in found:
        accepted(path.read_text(encoding="utf-8"))


# --- names and lines -----------------------------------------------------------------------------


@pytest.mark.parametrize("word", [word for word in grammar.KEYWORDS if word not in grammar.RESERVED])
def test_a_contextual_keyword_is_a_name_elsewhere(word: str) -> None:
    accepted(
        in_pipeline(
            f"  a = question\n  {word} = a\n  b = {word}.{word}\n  return f({word}, {word}: {word}) |> {word}()"
        )
    )
    accepted(
        in_pipeline(
            f"  param a: Int = 1\n  {word} = a\n  return match a {{\n    x => a\n    {word} | y => {word}\n  }}"
        )
    )
    accepted(f"record {word} {{\n  a: Text\n  {word}: Text\n  b: [{word}]\n}}\n")
    accepted(f'prompt {word}({word}: Text) -> Text = "x"\nmodel {word} = {word}({word}: {word})\n')
    accepted(
        f"pipeline {word}({word}: {word}) -> {word} {{\n  budget {{ calls <= 1 {word} <= 2 }}\n  return {word}\n}}\n"
    )


@pytest.mark.parametrize("word", grammar.RESERVED)
def test_a_reserved_word_is_never_a_name(word: str) -> None:
    assert problems(f'prompt {word}(q: Text) -> Text = "x"\n')[0].code == "E0108"


@pytest.mark.parametrize("word", ["sampler", "seed", "temperature", "user_name"])
def test_settings_of_a_prompt_may_be_called_like_clauses(word: str) -> None:
    accepted(f'prompt p(q: Text) -> Text {{\n  top_p: 0.9\n  {word}: 7\n  user "x"\n}}\n')


def test_brackets_continue_only_on_the_same_line() -> None:
    accepted(in_pipeline("  a = f(\n    (1),\n    [2],\n  )\n  b = a[\n 0]\n  return b"))
    for opener, closer in ("()", "[]"):
        assert problems(in_pipeline(f"  a = f\n  {opener}1{closer}\n  return a"))[0].code == "E0133"


def test_a_fence_closes_only_with_as_many_quotes() -> None:
    accepted('prompt p(q: Text) -> Text = """"\nsay """ and ""\n""""\n')
    assert [d.code for d in problems('prompt p(q: Text) -> Text = """\nx\n""""\n')] == ["E0102"]


# --- mistakes ------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES)
def test_a_mistake_is_explained(case: str, golden: Callable[[str, str], None]) -> None:
    text = (ERRORS / f"{case}.tts").read_bytes().decode("utf-8")
    name = f"{case}.tts"
    found = problems(text, name)
    assert found, "nothing is wrong here"
    source = {name: SourceFile(name, text)}
    golden(f"syntax_errors/{case}.err", "\n\n".join(render(d, source) for d in found) + f"\n\n{summary(found)}\n")


def test_no_golden_is_left_over(no_leftovers: Callable[[str, str, str], None]) -> None:
    no_leftovers("syntax_errors", ".tts", ".err")


def test_one_broken_declaration_hides_no_other_mistake() -> None:
    broken = [
        "model a = gguf('x')",
        'prompt b(q) -> Text = "x"',
        "pipeline c(q: Text) -> Text { return f(q, n = 4) }",
        "search d over c { maximise accuracy }",
        'test "e" { expect 1 == }',
        "eval c on gsm[0:1] { seeds }",
        "record f { x Text }",
        "use ./g { h as }",
        'dataset i jsonl("x")',
        "metric j(pred: Text, row: Row) -> Bool = pred ==",
    ]
    fine = "\n\nmodel fine = gguf(1)\n\n"
    source = SourceFile("case.tts", fine.join(broken) + fine)
    parsed = parse(source)
    assert len(parsed.diagnostics) == len(broken)
    lines = [source.position(d.primary.start)[0] for d in parsed.diagnostics if d.primary is not None]
    assert lines == [1 + 4 * index for index in range(len(broken))]
    module, _ = lower(parsed, source)
    assert sum(type(declaration).__name__ == "ModelDecl" for declaration in module.declarations) == len(broken)


def test_an_open_fence_ends_where_the_next_declaration_begins() -> None:
    text = (
        'prompt a(q: Text) -> Text = """\nuse the form\n\nprompt b(q: Text) -> Text = """\nfine\n"""\n\nmodel c = = 1\n'
    )
    assert [d.code for d in problems(text)] == ["E0102", "E0138"]


def test_headers_inside_a_text_begin_nothing() -> None:
    text = 'prompt a(q: Text) -> Text = """\nmodel small = gguf("x")\n\ntest "me"\n"""\n\nmodel c = = 1\n'
    assert [d.code for d in problems(text)] == ["E0138"]


@pytest.mark.parametrize(
    "char", ["\x00", "\x07", "\u00a0", "\u200b", "é", "日", "😀", "\ud800", "$", "~", "`", ";", "\\"]
)
def test_a_stray_character_still_says_what_was_expected(char: str) -> None:
    found = problems(f"model small = {char}gguf(1)\n")
    assert "expected" in found[0].label and found[0].primary is not None and found[0].primary.start == 14


def test_files_that_hold_nothing_or_too_much() -> None:
    assert [d.code for d in problems("")] == ["E0001"]
    assert [d.code for d in problems(" \n\t\ufeff\r\n")] == ["E0001"]
    assert [d.code for d in problems("x" * (MAX_CHARACTERS + 1))] == ["E0003"]
    assert [d.code for d in problems("# only a comment\n")] == []


@pytest.mark.parametrize(
    "text",
    [
        "model m = " + "(" * 10_000 + "1" + ")" * 10_000,
        "model m = " + "[" * 10_000,
        "model m = " + "not " * 10_000 + "x",
        "model m = " + "-" * 10_000 + "1",
        "model m = a" + " + a" * 10_000,
        "model m = a" + " |> f()" * 10_000,
        "model m = a" + ".b" * 10_000,
        "model m = " + "f(" * 10_000,
        "model m = " + "match x { a => " * 5_000,
        "model m = = 1\nmodel n = " + "-" * 10_000 + "1",
    ],
    ids=range(10),
)
def test_deep_nesting_is_a_message(text: str) -> None:
    assert "E0106" in [d.code for d in problems(text)]


@pytest.mark.parametrize(
    "value",
    [
        "(" * 50 + "1" + ")" * 50,
        "[" * 50 + "]" * 50,
        "not " * 120 + "x",
        "-" * 120 + "1",
        "a" + " + a" * 120,
        "a" + " |> f()" * 120,
        "a" + ".b" * 120,
        "f(" * 40 + ")" * 40,
        "match x { a => " * 40 + "1" + "}" * 40,
    ],
    ids=range(9),
)
def test_nesting_below_the_limit_is_followed_to_the_end(value: str) -> None:
    source = SourceFile("case.tts", f"model m = {value}\n")
    parsed = parse(source)
    assert parsed.diagnostics == ()
    module, _ = lower(parsed, source)
    once = SourceFile("case.tts", format_module(module, source))
    assert lower(parse(once), once)[0] == module
