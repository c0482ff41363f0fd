"""The formatter: one layout, every comment kept, nothing changed by a second run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from syntax_trees import modules
from ttscale.compiler import ast
from ttscale.compiler.canonical import canonical_hash
from ttscale.compiler.format import format_module
from ttscale.compiler.lower import lower
from ttscale.compiler.parse import parse
from ttscale.compiler.scan import scan
from ttscale.compiler.source import SourceFile

AREA = Path(__file__).resolve().parent / "golden" / "format"
CASES = sorted(path.stem for path in AREA.glob("*.tts"))
SLOW = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


def read(text: str, name: str = "case.tts") -> tuple[ast.Module, SourceFile]:
    """The module that a correct text says."""
    source = SourceFile(name, text)
    parsed = parse(source)
    assert parsed.diagnostics == (), text
    return lower(parsed, source)[0], source


def formatted(text: str) -> str:
    """The canonical layout of a correct text."""
    return format_module(*read(text))


def comments(text: str) -> list[str]:
    """The comments of a text without what layout may change: their order and the white space in them."""
    return sorted(" ".join(text[p.start : p.end].split()) for p in scan(text) if p.kind == "comment")


@pytest.mark.parametrize("case", CASES)
def test_layout_is_as_once_read(case: str, golden: Callable[[str, str], None]) -> None:
    text = (AREA / f"{case}.tts").read_text(encoding="utf-8")
    once = formatted(text)
    golden(f"format/{case}.fmt", once)
    assert formatted(once) == once
    assert comments(once) == comments(text)
    assert read(once)[0] == read(text)[0]


def test_no_golden_is_left_over(no_leftovers: Callable[[str, str, str], None]) -> None:
    no_leftovers("format", ".tts", ".fmt")


@SLOW
@given(modules())
def test_what_is_printed_reads_back_as_it_was(module: ast.Module) -> None:
    text = format_module(module, SourceFile("made.tts", ""))
    if not text:
        return
    again, source = read(text)
    assert again == module, text
    once = format_module(again, source)
    assert format_module(*read(once)) == once
    assert canonical_hash(read(once)[0]) == canonical_hash(module)
    assert read(once)[0] == module


def with_comments(text: str, random: Random) -> str:
    """`text` with comments at places where a line may end without a change of meaning."""
    out: list[str] = []
    position = 0
    for count, piece in enumerate(scan(text)):
        end = piece.end
        follower = text[end:].lstrip()[:1]
        line = text[text.rfind("\n", 0, end) + 1 : end]
        out.append(text[position:end])
        position = end
        apart = end < len(text) and text[end] in " \n"
        if piece.kind == "comment" or not apart or follower in "([" or line.startswith("use ") or line.endswith("up"):
            continue
        if random.random() < 0.15:
            before = random.choice([" ", "\n", "\n\n"])
            out.append(f"{before}{random.choice(['#', '##', '###', '#'])} note {count}\n{random.choice(['', chr(10)])}")
    out.append(text[position:])
    return "".join(out)


@SLOW
@given(modules(), st.integers(0, 2**16))
def test_comments_anywhere_are_kept(module: ast.Module, seed: int) -> None:
    text = with_comments(format_module(module, SourceFile("made.tts", "")), Random(seed))
    if not text.strip():
        return
    commented, source = read(text)
    once = format_module(commented, source)
    assert comments(once) == comments(text), f"{text}\n-----\n{once}"
    assert formatted(once) == once, f"{text}\n-----\n{once}\n-----\n{formatted(once)}"
    assert canonical_hash(read(once)[0]) == canonical_hash(commented)


def test_lines_are_broken_only_beyond_a_hundred_columns() -> None:
    call = "model m = gguf(" + ", ".join(f"a{i}: {i}" for i in range(10, 19)) + ")"
    assert len(call) <= 100
    assert formatted(call) == call + "\n"
    longer = call.replace("a10", "a_name_that_makes_this_line_longer_than_that")
    assert formatted(longer).splitlines()[1] == "  a_name_that_makes_this_line_longer_than_that: 10,"
    assert formatted(longer).splitlines()[-2:] == ["  a18: 18,", ")"]


def test_an_empty_line_between_statements_stays_and_two_become_one() -> None:
    text = "pipeline main(q: Text) -> Text {\n  a = q\n\n\n\n  b = a\n  return b\n}\n"
    assert formatted(text) == "pipeline main(q: Text) -> Text {\n  a = q\n\n  b = a\n  return b\n}\n"


def test_windows_line_ends_become_line_ends() -> None:
    text = 'prompt p(q: Text) -> Text = """\r\n  {{ q }}\r\n    more\r\n  """\r\n# end\r\n'
    assert formatted(text) == 'prompt p(q: Text) -> Text = """\n{{ q }}\n  more\n"""\n# end\n'


def test_a_broken_declaration_is_left_as_it_is() -> None:
    text = "model   a =  f(1)\n\nmodel b = = 3 # why\n\nmodel  c = g(2)\n"
    source = SourceFile("case.tts", text)
    module, _ = lower(parse(source), source)
    assert format_module(module, source) == "model a = f(1)\n\nmodel b = = 3 # why\n\nmodel c = g(2)\n"
