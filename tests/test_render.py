"""Rendering: the look of a message, and that any span of any text can be shown."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st
from ttscale.compiler.diagnostics import Diagnostic, Label
from ttscale.compiler.render import render, summary, to_github, to_json
from ttscale.compiler.source import SourceFile, Span

TEXT = """pipeline main(question: Text) -> Number {
  drafts = generate(solve(question), from: small, n: width)
  a = 1
  b = 2
  c = 3
  return drafts |> rank(from: small, keep: 5)
}
"""
SOURCE = SourceFile("examples/main.tts", TEXT)
SOURCES = {SOURCE.name: SOURCE}


def span_of(part: str) -> Span:
    """Where `part` stands in the sample."""
    start = TEXT.index(part)
    return Span(SOURCE.name, start, start + len(part))


KEEP = Diagnostic(
    "W0214",
    "`rank` may keep more answers than it receives",
    span_of("keep: 5"),
    severity="warning",
    label="keeps 5",
    labels=(Label(span_of("generate(solve(question), from: small, n: width)"), "makes width answers"),),
    hint="add `require keep <= width`",
)


def test_a_message_shows_its_lines_in_order() -> None:
    assert render(KEEP, SOURCES) == (
        "warning[W0214]: `rank` may keep more answers than it receives\n"
        " --> examples/main.tts:6:38\n"
        "  |\n"
        "2 |   drafts = generate(solve(question), from: small, n: width)\n"
        "  |            ------------------------------------------------ makes width answers\n"
        "...\n"
        "6 |   return drafts |> rank(from: small, keep: 5)\n"
        "  |                                      ^^^^^^^ keeps 5\n"
        "hint: add `require keep <= width`"
    )


def test_tabs_and_wide_characters_keep_the_marks_in_place() -> None:
    source = SourceFile("w.tts", "\tx = 日本 + y")
    place = source.text.index("y")
    out = render(Diagnostic("E0201", "no `y`", Span("w.tts", place, place + 1)), {"w.tts": source})
    shown, marks = out.splitlines()[-2:]
    assert shown == "1 |     x = 日本 + y"
    assert marks == "  |                ^"


def test_a_long_line_is_shown_around_its_mark() -> None:
    source = SourceFile("l.tts", "x" * 500 + "HERE" + "y" * 500)
    out = render(Diagnostic("E0101", "m", Span("l.tts", 500, 504)), {"l.tts": source}, width=60)
    shown, marks = out.splitlines()[-2:]
    assert len(shown) <= 60 and shown.endswith("…")
    assert shown[marks.index("^") : marks.index("^") + 4] == "HERE"


def test_a_span_without_its_file_is_named() -> None:
    out = render(Diagnostic("E0101", "m", Span("gone.tts", 3, 9), label="x"), {})
    assert out == "error[E0101]: m\n --> gone.tts"
    assert render(Diagnostic("E0101", "m", None), {}) == "error[E0101]: m"


def test_a_label_in_another_file_has_an_excerpt_of_its_own() -> None:
    other = SourceFile("other.tts", "model small = gguf(1)\n")
    diagnostic = Diagnostic("E0201", "m", span_of("a = 1"), labels=(Label(Span("other.tts", 6, 11), "first here"),))
    out = render(diagnostic, {**SOURCES, "other.tts": other})
    assert " ::: other.tts:1:7\n  |\n1 | model small = gguf(1)\n  |       ----- first here" in out


def test_colours_only_add_escapes() -> None:
    coloured = render(KEEP, SOURCES, color=True)
    assert "\x1b[" in coloured
    plain = coloured
    for code in ("\x1b[1;33m", "\x1b[34m", "\x1b[1m", "\x1b[0m"):
        plain = plain.replace(code, "")
    assert plain == render(KEEP, SOURCES)


def test_the_summary_counts_in_words() -> None:
    error = Diagnostic("E0101", "m", None)
    lint = Diagnostic("L0001", "m", None, severity="lint")
    assert summary([error, error, KEEP]) == "2 errors, 1 warning"
    assert summary([lint, KEEP]) == "1 warning, 1 lint finding"
    assert summary([]) == "no problems"


def test_json_has_places_in_lines_and_columns() -> None:
    value = to_json(KEEP, SOURCES)
    assert json.loads(json.dumps(value)) == value
    assert (value["file"], value["line"], value["column"], value["end_line"], value["end_column"]) == (
        "examples/main.tts",
        6,
        38,
        6,
        45,
    )
    assert value["labels"][0]["line"] == 2 and value["labels"][0]["text"] == "makes width answers"
    assert value["severity"] == "warning" and value["code"] == "W0214"


def test_github_gets_one_escaped_line() -> None:
    odd = Diagnostic("E0101", "100%\nsure", Span("a,b:c.tts", 0, 1), hint="do: it")
    out = to_github(odd, {"a,b:c.tts": SourceFile("a,b:c.tts", "x")})
    assert (
        out == "::error file=a%2Cb%3Ac.tts,line=1,col=1,endLine=1,endColumn=2,title=E0101::100%25%0Asure%0Ahint: do: it"
    )
    assert to_github(Diagnostic("L0001", "m", None, severity="lint"), {}) == "::notice title=L0001::m"


ODD_TEXT = st.text(st.one_of(st.characters(), st.sampled_from("\t\r\n\x00日\u0301\ufeff\u2028")), max_size=60)
OFFSETS = st.integers(-5, 80)
WORDS = st.text(max_size=10)
SPANS = st.builds(Span, st.sampled_from(["one", "two", "none"]), OFFSETS, OFFSETS)


@settings(max_examples=300, deadline=None)
@given(
    st.builds(
        Diagnostic,
        WORDS,
        WORDS,
        st.one_of(st.none(), SPANS),
        st.sampled_from(["error", "warning", "lint"]),
        WORDS,
        st.lists(st.builds(Label, SPANS, WORDS), max_size=3).map(tuple),
        WORDS,
    ),
    ODD_TEXT,
    ODD_TEXT,
    st.integers(-3, 120),
    st.booleans(),
)
def test_anything_can_be_rendered(diagnostic: Diagnostic, one: str, two: str, width: int, color: bool) -> None:
    sources = {"one": SourceFile("one", one), "two": SourceFile("two", two)}
    out = render(diagnostic, sources, color=color, width=width)
    assert out
    json.dumps(to_json(diagnostic, sources))
    assert "\n" not in to_github(diagnostic, sources)
