"""Lowering: what a text means as a tree, where its parts stand, what documents what."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ttscale.compiler import ast, ast_expressions
from ttscale.compiler.lower import lower
from ttscale.compiler.parse import parse
from ttscale.compiler.source import SourceFile, Span

AREA = Path(__file__).resolve().parent / "golden" / "parse"
CASES = sorted(path.stem for path in AREA.glob("*.tts"))


def module_of(text: str) -> ast.Module:
    """The module that a correct text says."""
    source = SourceFile("case.tts", text)
    parsed = parse(source)
    assert parsed.diagnostics == ()
    module, diagnostics = lower(parsed, source)
    assert diagnostics == []
    return module


def value_of(expression: str) -> ast_expressions.Expr:
    """The tree of an expression."""
    declaration = module_of(f"model m = {expression}\n").declarations[0]
    assert isinstance(declaration, ast.ModelDecl)
    return declaration.value


def bare(node: object) -> str:
    """An expression with all its brackets."""
    match node:
        case ast_expressions.Name(name=name):
            return name
        case ast_expressions.LiteralValue(raw=raw) | ast_expressions.Quantity(raw=raw):
            return raw
        case ast_expressions.Binary():
            return f"({bare(node.left)} {node.op} {bare(node.right)})"
        case ast_expressions.Compare():
            return (
                "("
                + " ".join(
                    map(
                        str,
                        [
                            bare(node.operands[0]),
                            *(f"{o} {bare(x)}" for o, x in zip(node.ops, node.operands[1:], strict=True)),
                        ],
                    )
                )
                + ")"
            )
        case ast_expressions.Unary():
            return f"({node.op} {bare(node.operand)})"
        case ast_expressions.Pipe():
            return f"({bare(node.left)} |> {bare(node.right)})"
        case ast_expressions.Call():
            when = f" when {bare(node.when)}" if node.when is not None else ""
            return f"{bare(node.callee)}({', '.join(bare(arg.value) for arg in node.args)}){when}"
        case ast_expressions.Attribute():
            return f"{bare(node.value)}.{node.name}"
    raise AssertionError(node)


def dump(node: object, text: str, depth: int = 0, name: str = "") -> Iterator[str]:
    """A tree as lines: the kind of each node, its plain values, and the text it stands for if that is short."""
    pad = "  " * depth + (f"{name}: " if name else "")
    if isinstance(node, tuple):
        for item in node:
            yield from dump(item, text, depth, name)
        return
    if not dataclasses.is_dataclass(node) or isinstance(node, type):
        yield f"{pad}{node!r}"
        return
    values = {f.name: getattr(node, f.name) for f in dataclasses.fields(node)}
    nested = {
        key: value
        for key, value in values.items()
        if dataclasses.is_dataclass(value) or (isinstance(value, tuple) and any(map(dataclasses.is_dataclass, value)))
    }
    plain = [f"{k}={v!r}" for k, v in values.items() if k not in nested and (v or type(v) is int)]
    span = values["span"]
    shown = text[span.start : span.end]
    quoted = f"  `{shown}`" if "\n" not in shown and len(shown) < 60 else f"  {span.start}-{span.end}"
    yield f"{pad}{type(node).__name__} {' '.join(plain)}".rstrip() + quoted
    for key, value in nested.items():
        if not isinstance(value, Span):
            yield from dump(value, text, depth + 1, key)


@pytest.mark.parametrize("case", CASES)
def test_trees_are_as_once_read(case: str, golden: Callable[[str, str], None]) -> None:
    text = (AREA / f"{case}.tts").read_text(encoding="utf-8")
    golden(f"parse/{case}.ast", "\n".join(dump(module_of(text), text)) + "\n")


def test_no_golden_is_left_over(no_leftovers: Callable[[str, str, str], None]) -> None:
    no_leftovers("parse", ".tts", ".ast")


# --- expressions ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("a or b and not c == d", "(a or (b and (not (c == d))))"),
        ("a - b - c", "((a - b) - c)"),
        ("a - (b - c)", "(a - (b - c))"),
        ("-a * b + c % d", "(((- a) * b) + (c % d))"),
        ("not a == b", "(not (a == b))"),
        ("1 <= n <= 4", "(1 <= n <= 4)"),
        ("1 <= n", "(1 <= n)"),
        ("a + b |> f() |> g(1)", "(((a + b) |> f()) |> g(1))"),
        ("x |> f when c |> p.g(1) when a or b", "((x |> f() when c) |> p.g(1) when (a or b))"),
        ("f(x) when a or b", "f(x) when (a or b)"),
        ("(f(x) when c) + g(x)", "(f(x) when c + g(x))"),
        ("a == b or c", "((a == b) or c)"),
        ("f(x).y.z(1)", "f(x).y.z(1)"),
    ],
)
def test_operators_bind_as_the_language_says(text: str, meant: str) -> None:
    assert bare(value_of(text)) == meant


@pytest.mark.parametrize(
    ("text", "amount", "unit"),
    [
        ("60s", 60, "seconds"),
        ("30min", 1800, "seconds"),
        ("2h", 7200, "seconds"),
        ("250ms", 0.25, "seconds"),
        ("1.5d", 129600, "seconds"),
        ("40k", 40_000, ""),
        ("2M", 2_000_000, ""),
        ("0.1k", 100, ""),
        ("8Ki", 8192, ""),
        ("4GiB", 4 * 2**30, "bytes"),
        ("1_000B", 1000, "bytes"),
        ("0.02usd", 0.02, "usd"),
    ],
)
def test_quantities_are_in_base_units(text: str, amount: float, unit: str) -> None:
    value = value_of(text)
    assert isinstance(value, ast_expressions.Quantity) and (value.amount, value.unit, value.raw) == (amount, unit, text)
    assert isinstance(value.amount, int) == (amount == int(amount))


@pytest.mark.parametrize(("text", "value"), [("7", 7), ("1_000", 1000), ("0.5", 0.5), ("2e3", 2000.0), ("true", True)])
def test_literals_have_their_values(text: str, value: object) -> None:
    literal = value_of(text)
    assert (
        isinstance(literal, ast_expressions.LiteralValue)
        and literal.value == value
        and type(literal.value) is type(value)
    )


def test_texts_resolve_their_escapes() -> None:
    literal = value_of(r'"a\n\t\"\\\u0041\u{1F600}é"')
    assert isinstance(literal, ast_expressions.LiteralValue) and literal.value == 'a\n\t"\\A😀é'


# --- templates -----------------------------------------------------------------------------------


def template_of(raw: str) -> tuple[ast.Template, str]:
    """The template of a prompt whose text is written as `raw`, and the whole text."""
    text = f"prompt p(q: Text) -> Text = {raw}\n"
    declaration = module_of(text).declarations[0]
    assert isinstance(declaration, ast.PromptDecl) and declaration.parts[0].template is not None
    return declaration.parts[0].template, text


@pytest.mark.parametrize(
    ("raw", "meant"),
    [
        ('"""\n  a\n    b\n\n  c\n  """', "a\n  b\n\nc"),
        ('"""one line"""', "one line"),
        ('"""  kept  """', "  kept  "),
        ('"""\n"""', ""),
        ('"""\na\n\n"""', "a\n"),
        ('"""first\n  second\n    third"""', "first\nsecond\n  third"),
        ('"""\r\n  a\r\n  b\r\n"""', "a\nb"),
        ('"""\n\ta\n\t  b\n"""', "a\n  b"),
        ('"""""\nsay """ twice\n"""""', 'say """ twice'),
        (r'"a\nb"', "a\nb"),
        ('""', ""),
    ],
)
def test_templates_lose_their_frame_and_indentation(raw: str, meant: str) -> None:
    assert template_of(raw)[0].text == meant


@pytest.mark.parametrize(
    "raw", ['"""\n  ab\n    cd\n\n  ef\n  """', r'"ab\ncd\u{a}ef"', '"""ab\n  cd\n  ef"""', '"""ab"""']
)
def test_each_line_of_a_template_knows_its_place(raw: str) -> None:
    template, text = template_of(raw)
    lines = template.text.split("\n")
    assert len(lines) == len(template.offsets)
    for line, offset in zip(lines, template.offsets, strict=True):
        assert text[offset : offset + len(line.lstrip())] == line.lstrip() or text[offset:].lstrip().startswith(
            line.lstrip()
        )


# --- documentation and comments ------------------------------------------------------------------


def test_documentation_finds_what_it_documents() -> None:
    module = module_of(
        """# licence
## Module-wide words before a declaration.

## The model.
model m = gguf(1)  ## small

record R {
  ## before
  a: Text,  ## behind
  b: Text   ##
  c: Text
}

pipeline main(
  q: Text,  ## the question
  ## the rest
  r: Text = "x",
) -> Text {
  param n: Int in {1, 2} = 1  ## samples
  ## why
  d = f(n)
  ## lost
  return d  ## lost too
}
"""
    )
    model, record, pipeline = module.declarations
    assert isinstance(model, ast.ModelDecl) and isinstance(record, ast.RecordDecl)
    assert isinstance(pipeline, ast.PipelineDecl)
    assert model.doc == "Module-wide words before a declaration.\nThe model.\nsmall"
    assert [field.doc for field in record.fields] == ["before\nbehind", "", ""]
    assert [field.doc for field in pipeline.inputs] == ["the question", "the rest"]
    assert pipeline.params[0].doc == "samples" and pipeline.bindings[0].doc == "why" and pipeline.doc == ""
    assert [comment.text for comment in module.comments] == ["# licence", "##", "## lost", "## lost too"]


def test_spans_cover_what_they_name() -> None:
    text = 'model small = gguf("x")\n\n## Doc.\npipeline main(q: Text) -> Text {\n  return (q)\n}\n'
    model, pipeline = module_of(text).declarations
    assert isinstance(model, ast.ModelDecl) and isinstance(pipeline, ast.PipelineDecl)

    def at(span: Span) -> str:
        return text[span.start : span.end]

    assert at(model.span) == 'model small = gguf("x")' and at(model.name_span) == "small"
    assert at(model.value.span) == 'gguf("x")'
    assert at(pipeline.span).startswith("pipeline") and at(pipeline.span).endswith("}")
    assert at(pipeline.name_span) == "main" and at(pipeline.value.span) == "(q)"


def test_spans_of_a_broken_files_other_declarations_are_exact() -> None:
    text = "model a = = 1\n\nmodel b = f(2)\n\npipeline c(q: Text) -> Text {\n}\n"
    source = SourceFile("case.tts", text)
    parsed = parse(source)
    module, diagnostics = lower(parsed, source)
    a, b, c = module.declarations
    assert isinstance(a, ast.BadDecl) and (a.keyword, a.name) == ("model", "a")
    assert isinstance(b, ast.ModelDecl) and text[b.value.span.start : b.value.span.end] == "f(2)"
    assert isinstance(c, ast.BadDecl) and (c.keyword, c.name) == ("pipeline", "c")
    assert [d.code for d in diagnostics] == ["E0116"]


def test_equality_ignores_where_things_stand() -> None:
    assert module_of("model a=f(1,x:[2])\n") == module_of("# c\n\nmodel a = f(\n  1,\n  x: [\n2],\n)\n")
    assert module_of("model a = f(1)\n") != module_of("model a = f(2)\n")
