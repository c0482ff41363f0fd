"""Linking: what names stand for, across files; what is said about imports; and what types mean."""

from __future__ import annotations

import pytest
from checking import codes, compiled
from ttscale.compiler import ast_expressions, ir, types
from ttscale.compiler.diagnostics import CompileError, Diagnostic
from ttscale.compiler.driver import compile_source
from ttscale.compiler.resolve import is_broken, lookup, prompt_ir, prompt_type, resolve, type_of
from ttscale.compiler.source import SourceFile, Span

JUDGES = """tts 1
prompt numeric(question: Text) -> Number = "{{ question }}"
record Invoice { vendor: Text  total: Number? }
"""


def test_a_name_leads_to_its_declaration_across_files() -> None:
    checked = compiled("tts 1\nuse ./judges { numeric as n, Invoice }\nuse ./judges as j\n", {"./judges": JUDGES})
    main = checked.linked.main
    assert main.names["n"].module == "judges.tts"
    assert main.names["n"].name == "numeric"
    assert main.names["j"].kind == "module"
    span = Span("main.tts", 0, 0)
    member = lookup(ast_expressions.Attribute(ast_expressions.Name("j", span), "numeric", span), main, checked.linked)
    assert member == main.names["n"]
    assert (
        lookup(ast_expressions.Attribute(ast_expressions.Name("j", span), "nothing", span), main, checked.linked)
        is None
    )


def test_a_file_is_read_once_however_many_use_it() -> None:
    asked: list[str] = []
    texts = {"./a": "tts 1\nuse ./c\n", "./b": "tts 1\nuse ./c\n", "./c": "tts 1\n"}

    def load(path: str, version: str, importing_file: str) -> SourceFile | None:
        asked.append(path)
        return SourceFile(path, texts[path])

    linked, found = resolve(SourceFile("main.tts", "tts 1\nuse ./a\nuse ./b\n"), load)
    assert [d.code for d in found] == []
    assert set(linked.modules) == {"main.tts", "./a", "./b", "./c"}
    assert next(iter(linked.modules)) == "./c", "a module stands after what it imports"


def test_imports_are_not_passed_on() -> None:
    judges = "tts 1\nuse std/prompts@1 { solve_number }\n" + JUDGES.partition("\n")[2]
    checked = compiled("tts 1\nuse ./judges { solve_number }\n", {"./judges": judges})
    found = [d for d in checked.diagnostics if d.primary is not None and d.primary.file == "main.tts"]
    assert [d.code for d in found] == ["E0402"]
    assert "declares itself" in found[0].hint


def test_a_circle_of_imports_is_told_with_its_path() -> None:
    modules = {"./a": "tts 1\nuse ./b as b\n", "./b": "tts 1\nuse ./a as a\n"}
    found = [d for d in compiled("tts 1\nuse ./a as a\n", modules).diagnostics if d.code == "E0403"]
    assert len(found) == 1
    assert found[0].label == "a.tts -> b.tts -> a.tts"


@pytest.mark.parametrize(
    ("text", "code", "hint"),
    [
        ("use std/prompt@1 as p", "E0401", "std/prompts"),
        ("use std/prompts@7 as p", "E0401", "std/prompts@1"),
        ("use ./gone as g", "E0401", "gone.tts"),
        ("use someone/recipe@1 as r", "E0401", "installed as a package"),
        ("use ./judges { numerc }", "E0402", "numeric"),
        ('use ./judges { numeric }\nmodel numeric = script("1")', "E0201", "another name"),
    ],
)
def test_what_is_wrong_with_an_import(text: str, code: str, hint: str) -> None:
    found = [d for d in compiled(f"tts 1\n{text}\n", {"./judges": JUDGES}).diagnostics if d.code == code]
    assert len(found) == 1
    assert hint in found[0].hint


def test_a_failed_import_is_told_once() -> None:
    text = """tts 1
use ./gone { judge, solve }
use ./gone as g
model small = script("1")
pipeline main(question: Text) -> Number {
  a = generate(solve(question), from: small)
  b = generate(g.solve(question), from: small)
  return a + b |> judge() |> vote()
}
"""
    assert codes(text) == ["E0401", "E0401"]


def test_a_broken_declaration_keeps_its_name() -> None:
    text = """tts 1
model small = script("1")
prompt solve(question: Text) -> = "{{ question }}"
pipeline main(question: Text) -> Number {
  return generate(solve(question), from: small)
}
"""
    checked = compiled(text)
    assert len(checked.diagnostics) == 1
    assert checked.diagnostics[0].code.startswith("E01")
    assert is_broken(checked.linked.main.names["solve"])


def test_an_unreadable_module_brings_its_own_diagnostic() -> None:
    trouble = Diagnostic("E0002", "not text", Span("x.tts", 0, 0))

    def load(path: str, version: str, importing_file: str) -> SourceFile | None:
        raise CompileError([trouble], {"x.tts": SourceFile("x.tts", "")})

    checked = compile_source(SourceFile("main.tts", "tts 1\nuse ./x { y }\n"), load)
    assert trouble in checked.diagnostics
    assert [d.code for d in checked.diagnostics if d.severity == "error"] == ["E0002"]
    assert "x.tts" in checked.sources


def test_a_missing_edition_is_lint() -> None:
    found = compiled('model small = script("1")\n').diagnostics
    assert [(d.code, d.severity) for d in found] == [("L001", "lint")]


@pytest.mark.parametrize(
    ("name", "kind"), [("vote", "pipeline"), ("size", "metric"), ("trace", "model"), ("Number", "record")]
)
def test_names_of_the_language_are_taken(name: str, kind: str) -> None:
    forms = {
        "pipeline": f"pipeline {name}(x: Text) -> Text {{ return x }}",
        "metric": f"metric {name}(pred: Text, row: Row) -> Bool = pred == row.answer",
        "model": f'model {name} = script("1")',
        "record": f"record {name} {{ a: Text }}",
    }
    assert "E0203" in codes(f"tts 1\n{forms[kind]}\n")


def test_a_prompt_may_have_the_name_of_a_stage() -> None:
    judges = 'tts 1\nprompt rank(question: Text, answers: [Text]) -> [Int] = "{{ question }} {{ answers }}"\n'
    text = """tts 1
use std/prompts@1 as p
use ./judges as j
model small = script("1")
pipeline main(question: Text) -> Number {
  return generate(p.solve_number(question), from: small, n: 2) |> rank(using: j.rank, keep: 1)
}
"""
    assert codes(text, {"./judges": judges}) == []


# --- types ---------------------------------------------------------------------------------------


def the_type(written: str) -> tuple[types.Type, list[str]]:
    """What a written type means, next to a record `Invoice`, and the codes of what is wrong with it."""
    checked = compiled(
        f"tts 1\nrecord Invoice {{ vendor: Text }}\npipeline main(x: {written}) -> Text {{ return x }}\n"
    )
    declaration = checked.pipelines["main"]
    found, diagnostics = type_of(declaration.inputs[0].type, checked.linked.main, checked.linked)
    return found, [d.code for d in diagnostics]


@pytest.mark.parametrize(
    ("written", "meaning"),
    [
        ("Text", types.TEXT),
        ("Text(max: 2k)", types.Text(2000)),
        ("[Number]", types.ListOf(types.NUMBER)),
        ("Int?", types.Optional(types.INT)),
        ("Answers[Math]", types.Answers(types.MATH)),
        ('Choice("A".."E")', types.Choice(("A", "B", "C", "D", "E"))),
        ("Choice(yes, no)", types.Choice(("yes", "no"))),
        ("Choice(1, 2)", types.Choice(("1", "2"))),
        ("Code(python)", types.Code("python")),
        ('Json("form.schema.json")', types.Json("form.schema.json")),
        ("Invoice", types.Record("Invoice", (types.Field("vendor", types.TEXT),))),
        (
            "{a: Text, b: Int?}",
            types.Record("", (types.Field("a", types.TEXT), types.Field("b", types.Optional(types.INT)))),
        ),
    ],
)
def test_written_types(written: str, meaning: types.Type) -> None:
    assert the_type(written) == (meaning, [])


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("Numbr", "E0204"),
        ("String", "E0204"),
        ("Choice", "E0205"),
        ("Choice(yes, yes)", "E0205"),
        ('Choice("E".."A")', "E0205"),
        ("Code", "E0205"),
        ("Json", "E0205"),
        ("Answers", "E0205"),
        ("Text(min: 2)", "E0205"),
        ("Text(max: 0)", "E0205"),
        ("Number(2)", "E0205"),
        ("[Answers[Number]]", "E0206"),
    ],
)
def test_types_that_are_wrong(written: str, code: str) -> None:
    assert the_type(written)[1] == [code]


def test_a_prompt_as_the_checker_and_the_runtime_see_it() -> None:
    text = '''tts 1
prompt solve(question: Text, hint: Text?) -> Choice(yes, no) {
  temperature: 0.2
  stop: ["END", "."]
  thinking: up to 2k
  system "Be brief."
  user """
  {{ question }}
  {{ hint }}
  """
}
'''
    checked = compiled(text)
    symbol = checked.linked.main.names["solve"]
    signature = prompt_type(symbol, checked.linked)
    assert [name for name, _ in signature.params] == ["question", "hint"]
    assert signature.result == types.Choice(("yes", "no"))
    prompt = prompt_ir(symbol, checked.linked)
    assert [(part.role, part.text) for part in prompt.parts] == [
        ("system", "Be brief."),
        ("user", "{{ question }}\n{{ hint }}"),
    ]
    assert text[prompt.parts[1].offsets[1] :].startswith("{{ hint }}")
    assert prompt.settings == (("temperature", 0.2), ("stop", ("END", ".")), ("thinking", ir.UpTo(2000)))
