"""Expanding many assignments with a memory gives what expanding each alone does."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from fuzzing import generated
from programs import MODELS
from ttscale.compiler import ast
from ttscale.compiler.assignments import assignments, axes_of
from ttscale.compiler.diagnostics import Diagnostic
from ttscale.compiler.driver import compile_source
from ttscale.compiler.expand import expand, stand_ins
from ttscale.compiler.expand_memory import Memory
from ttscale.compiler.scope import Linked, Symbol
from ttscale.compiler.source import SourceFile
from ttscale.compiler.space import bound_values, space_of
from ttscale.compiler.tally import Tally
from ttscale.library.loader import FileLoader

ROOT = Path(__file__).resolve().parent.parent
GOLDEN = [path for path in sorted((ROOT / "tests" / "golden").rglob("*.tts")) if path.parent.name != "syntax_errors"]
FILES = [*sorted((ROOT / "examples").glob("*.tts")), *GOLDEN]
MOST = 40
"""Assignments that are compared of one pipeline."""

LAYERS = f"""{MODELS}
prompt ask(question: Text) -> Number = "{{{{ question }}}}"
prompt more(question: Text, seen: [Text]) -> Number = "{{{{ question }}}} {{{{ seen }}}}"

pipeline inner(question: Text) -> Number {{
  param k: Int in [1 .. 3] = 1
  return generate(ask(question), from: small, n: k) |> vote()
}}

pipeline main(question: Text) -> Number {{
  param width: Int in {{1, 3}} = 3
  param depth: Int in [0 .. 2] = 1
  param keep: Int in [1 .. 3] = 1
  param heat: Float in {{0.5, 1.0}} = 1.0
  param judge: Bool in {{true, false}} = true
  param rule: Choice(first, longest) in {{first, longest}} = first
  param model: Model in {{small, large}} = small

  drafts = generate(ask(question), from: model, n: width, temperature: heat)
  same = generate(ask(question), from: model, n: width)
  fused = repeat depth with xs = drafts {{
    notes = xs |> critique(from: small)
    yield notes |> rank(from: large, keep: keep) when judge |> fuse(from: small, n: width)
  }}
  rounds = repeat up to 2 with ys = same until agreement(ys) > 0.5 {{
    yield ys |> fuse(from: model, n: keep)
  }}
  called = inner(question, k: keep)
  mapped = map one in same, max: 2 {{
    yield generate(ask(text(one)), from: small, n: keep)
  }}
  return drafts + fused + rounds + mapped |> verify(from: small) when judge |> vote()
}}
"""


def linked_of(text: str) -> tuple[Linked, list[Symbol]]:
    """A program with its pipelines; none where it is wrong before its assignments are tried."""

    def untried(linked: Linked, pipeline: str) -> list[Diagnostic]:
        return []

    checked = compile_source(SourceFile("case.tts", text), FileLoader(), assignments=untried)
    symbols = [checked.linked.main.names[name] for name in checked.pipelines] if checked.ok else []
    return checked.linked, [symbol for symbol in symbols if isinstance(symbol.declaration, ast.PipelineDecl)]


def compare(text: str) -> int:
    """Expand all pipelines of a program in both ways; how many expansions were compared."""
    linked, symbols = linked_of(text)
    compared = 0
    for symbol in symbols:
        space = space_of(linked, symbol)
        _, defaults, wrong = bound_values(space, {})
        if wrong:
            continue
        axes = axes_of(space, defaults)
        tally = Tally(space, defaults, stand_ins(), changing=frozenset(axes))
        every = list(assignments(space, defaults, axes))
        for assignment in Random(1).sample(every, min(MOST, len(every))):
            values = {name: tally.value(name, plain) for name, plain in assignment.items()}
            assert tally.memory is not None
            tally.memory.vary(values, tally.changing)
            alone = expand(linked, symbol, values, assignment, std=stand_ins(), named=space.expansion)
            shared = expand(
                linked, symbol, values, assignment, std=stand_ins(), named=space.expansion, memory=tally.memory
            )
            assert repr(shared) == repr(alone), assignment
            compared += 1
    return compared


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_files_expand_alike(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert compare(text) or not linked_of(text)[1], "a program without mistakes has expansions to compare"


def test_layers_of_everything_expand_alike() -> None:
    assert compare(LAYERS) > MOST


def test_generated_programs_expand_alike() -> None:
    random = Random(3)
    assert sum(compare(generated(random)) for _ in range(25)) > 20


def test_parts_are_found_again() -> None:
    linked, symbols = linked_of(LAYERS)
    symbol = next(symbol for symbol in symbols if symbol.name == "main")
    space = space_of(linked, symbol)
    _, defaults, _ = bound_values(space, {})
    tally = Tally(space, defaults, stand_ins(), changing=frozenset(axes_of(space, defaults)))
    stages, capped = [], []
    for keep in (1, 2):
        values = {name: tally.value(name, plain) for name, plain in {**defaults, "keep": keep}.items()}
        assert tally.memory is not None
        tally.memory.vary(values, tally.changing)
        graph, _, _ = expand(linked, symbol, values, {}, std=stand_ins(), named=space.expansion, memory=tally.memory)
        assert graph is not None
        stages.append({stage.path: stage for stage in graph.stages})
        capped.append([loop.text for loop in graph.capped])
    assert stages[0]["main/drafts"] is stages[1]["main/drafts"]
    assert stages[0]["main/fused[1]/rank"] is not stages[1]["main/fused[1]/rank"]
    assert capped == [["map one in same"]] * 2


def test_models_of_one_name_are_told_apart_without_a_memory(tmp_path: Path) -> None:
    (tmp_path / "inner.tts").write_text('tts 1\nmodel small = gguf("b.gguf")\n', encoding="utf-8")
    file = tmp_path / "outer.tts"
    for name, remembers in (("other", True), ("small", False)):
        text = f'tts 1\nuse ./inner as one\nmodel {name} = gguf("a.gguf")\n'
        linked = compile_source(SourceFile(str(file), text), FileLoader()).linked
        assert len(linked.modules) == 2
        assert (Memory.over(linked) is not None) is remembers
