"""Programs in tests: from a text or a file to checked modules, graphs and plans."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ttscale.compiler import ir
from ttscale.compiler.bind import bind, choose_pipeline
from ttscale.compiler.check import check
from ttscale.compiler.diagnostics import Diagnostic
from ttscale.compiler.driver import Checked, compile_source
from ttscale.compiler.expand import expand
from ttscale.compiler.resolve import resolve
from ttscale.compiler.scope import Linked
from ttscale.compiler.source import SourceFile
from ttscale.compiler.space import bound_values, space_of
from ttscale.library.loader import FileLoader
from ttscale.library.standard import stage_prompts

SPECS = Path(__file__).resolve().parents[2] / "shared" / "design" / "specs"
MODELS = """tts 1

model small = gguf("small.gguf")
model large = openai("http://127.0.0.1:8080/v1", name: "large", price: {input: 0.5usd, output: 2usd})

prompt solve(question: Text) -> Number = "{{ question }} Think, then answer."
"""


def checked(text: str, name: str = "main.tts") -> Checked:
    """A program that has no errors."""
    program = compile_source(SourceFile(name, text), FileLoader())
    errors = [d for d in program.diagnostics if d.severity == "error"]
    assert not errors, [(d.code, d.message, d.hint) for d in errors]
    return program


def linked_of(text: str, name: str = "main.tts") -> Linked:
    """A program that may have errors of size or budget, but none of names and types."""
    linked, found = resolve(SourceFile(name, text), FileLoader())
    errors = [d for d in [*found, *check(linked)] if d.severity == "error"]
    assert not errors, [(d.code, d.message, d.hint) for d in errors]
    return linked


def bound(
    text: str,
    params: Mapping[str, object] | None = None,
    *,
    pipeline: str | None = None,
    models: Mapping[str, ir.Model] | None = None,
) -> tuple[ir.Graph | None, list[Diagnostic]]:
    """What binding a program gives."""
    return bind(linked_of(text), pipeline, params, models, std=stage_prompts())


def graph_of(text: str, params: Mapping[str, object] | None = None, pipeline: str | None = None) -> ir.Graph:
    """The graph of a program that can be bound."""
    graph, found = bound(text, params, pipeline=pipeline)
    assert graph is not None, [(d.code, d.message, d.hint) for d in found]
    return graph


def raw_graph(text: str, params: Mapping[str, object] | None = None, name: str = "main.tts") -> ir.Graph:
    """The graph before any pass."""
    linked = linked_of(text, name)
    symbol, _ = choose_pipeline(linked, None)
    assert symbol is not None
    values, names, wrong = bound_values(space_of(linked, symbol), params or {})
    assert not wrong, wrong
    graph, found, _ = expand(linked, symbol, values, names, std=stage_prompts())
    assert graph is not None, [(d.code, d.message, d.hint) for d in found]
    return graph


def main(lines: str, *, inputs: str = "question: Text", result: str = "Number", before: str = "") -> str:
    """A program with two models, one prompt, and a pipeline of these lines."""
    return f"{MODELS}\n{before}\npipeline main({inputs}) -> {result} {{\n{lines}\n}}\n"
