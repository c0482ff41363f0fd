"""Passes: before-and-after fixtures, and what must hold for every graph."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from programs import graph_of, main, raw_graph
from programs_at_random import programs
from ttscale.compiler import ir
from ttscale.compiler.diagnostics import InternalError
from ttscale.compiler.emit import argument_text, operand_text
from ttscale.compiler.passes import PASSES, optimise, rewrite
from ttscale.compiler.source import Span
from ttscale.compiler.types import NUMBER, Answers
from ttscale.compiler.verify import problems, verify

GOLDEN = Path(__file__).parent / "golden" / "passes"
FIXTURES = sorted(path.stem for path in GOLDEN.glob("*.tts"))
BY_NAME = {step.__name__: step for step in PASSES}
SPAN = Span("main.tts", 0, 0)


def outline(graph: ir.Graph) -> str:
    """A graph in few words: what each stage reads and when it runs."""
    lines = []
    for stage in graph.stages:
        parts = [] if stage.source is None else [operand_text(stage.source)]
        parts += [argument_text(stage.args[name]) for name in ("sources", "arms", "value") if name in stage.args]
        line = f"{stage.path} = {stage.op}({', '.join(parts)})"
        line += f" after {argument_text(stage.args['after'])}" if "after" in stage.args else ""
        line += f" when {operand_text(stage.when)}" if stage.when is not None else ""
        line += "".join(f" if {operand_text(g.operand)} in {list(g.values)}" for g in stage.guards)
        lines.append(line)
    return "\n".join([*lines, f"result {operand_text(graph.result)}", f"models {' '.join(graph.models) or '-'}"])


def settled(graph: ir.Graph, path: str, label: str) -> ir.Graph:
    """The graph when the value of a stage is known, as it would be if an earlier pass had found it out."""
    change = rewrite.renaming({path: ir.Const(label)})
    stages = tuple(rewrite.stage(stage, change) for stage in graph.stages if stage.path != path)
    return replace(graph, stages=stages)


@pytest.mark.parametrize("name", FIXTURES)
def test_before_and_after(name: str, golden: Callable[[str | Path, str], None]) -> None:
    """A comment names the pass; `# settled: PATH = LABEL` puts a known value in place of a stage's."""
    text = (GOLDEN / f"{name}.tts").read_text(encoding="utf-8")
    step = next(line.removeprefix("# pass: ") for line in text.splitlines() if line.startswith("# pass: "))
    before = raw_graph(text)
    for line in text.splitlines():
        if line.startswith("# settled: "):
            path, _, label = line.removeprefix("# settled: ").partition(" = ")
            before = settled(before, path, label)
    after = BY_NAME[step](before)
    verify(after)
    golden(f"passes/{name}.passed", f"before\n{outline(before)}\n\nafter {step}\n{outline(after)}\n")


def test_every_pass_has_a_fixture(no_leftovers: Callable[[str, str, str], None]) -> None:
    no_leftovers("passes", ".tts", ".passed")
    texts = [(GOLDEN / f"{name}.tts").read_text(encoding="utf-8") for name in FIXTURES]
    assert all(any(f"# pass: {name}" in text for text in texts) for name in BY_NAME)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(programs())
def test_every_graph_keeps_the_rules_between_passes(text: str) -> None:
    graph = raw_graph(text)
    verify(graph)
    paths = {stage.path for stage in graph.stages}
    for step in PASSES:
        graph = step(graph)
        verify(graph)
        assert {stage.path for stage in graph.stages} <= paths
    assert optimise(graph) == graph


def test_equal_calls_are_one_stage_and_series_tell_them_apart() -> None:
    lines = "a = generate(solve(question), from: small, n: 2)\nb = generate(solve(question), from: small, n: 2{})\n"
    text = main(lines + "return a + b |> vote()")
    same = graph_of(text.replace("{}", ""))
    assert [stage.path for stage in same.stages] == ["main/a", "main/concat", "main/vote"]
    assert same.stage("main/concat").args["sources"] == (ir.Ref("main/a"), ir.Ref("main/a"))
    other = graph_of(text.replace("{}", ", series: 1"))
    assert [stage.path for stage in other.stages] == ["main/a", "main/b", "main/concat", "main/vote"]


def test_stages_under_different_guards_stay_apart() -> None:
    text = main(
        "which = classify(kind(question), from: small)\n"
        "return match which {\n  a => generate(solve(question), from: small)\n"
        "  _ => generate(solve(question), from: small)\n}",
        before='prompt kind(question: Text) -> Choice(a, b) = "{{ question }}"',
    )
    assert sum(stage.op == "generate" for stage in graph_of(text).stages) == 2


def test_values_that_are_written_otherwise_are_not_equal() -> None:
    text = main(
        "a = generate(ask(question, 1), from: small)\nb = generate(ask(question, 1.0), from: small)\n"
        "return a + b |> vote()",
        before='prompt ask(question: Text, mark: Number) -> Number = "{{ question }} {{ mark }}"',
    )
    assert sum(stage.op == "generate" for stage in graph_of(text).stages) == 2


# --- the verifier --------------------------------------------------------------------------------


def broken(**changes: object) -> list[str]:
    """What the verifier says of a good graph whose last stage is changed."""
    graph = graph_of(main("return generate(solve(question), from: small, n: 2) |> vote()"))
    stages = (*graph.stages[:-1], replace(graph.stages[-1], **changes))  # type: ignore[arg-type]
    return list(problems(replace(graph, stages=stages)))


def test_the_verifier_sees_what_is_wrong() -> None:
    assert broken() == []
    assert broken(source=ir.Ref("main/later")) == ["main/vote reads main/later, which does not stand before it"]
    assert broken(source=None) == ["main/vote has no source"]
    assert broken(source=ir.Input("answer")) == ["main/vote reads the input answer, which is not there"]
    none = ir.Const(None)
    args = {"by": none, "key": none, "lists": none, "weight": none}
    assert broken(args={name: value for name, value in args.items() if name != "weight"}) == [
        "main/vote lacks `weight`"
    ]
    assert broken(args={**args, "top": none}) == ["main/vote has `top`, which `vote` does not take"]
    assert broken(size=ir.Bounds(2, 1)) == ["main/vote has from 2 to 1 candidates"]
    assert broken(size=ir.Bounds(0, 3)) == ["main/vote may give 3 candidates"]
    assert broken(facets=frozenset({"liked"})) == ["main/vote has the facets ['liked']"]
    assert broken(guards=(ir.Guard(ir.Ref("main/generate"), ()),)) == ["main/vote has a guard that nothing meets"]
    assert broken(op="guess") == ["main/vote is a `guess`, which is no stage"]
    assert broken(when=ir.Own()) == ["main/vote reads the pool it makes outside `until:`"]
    assert "two stages at main/generate" in broken(path="main/generate")


def test_a_broken_graph_is_our_fault() -> None:
    stage = ir.Stage("main/x", "choose", None, {"arms": ()}, Answers(NUMBER), ir.Bounds(0, 1), frozenset(), SPAN)
    graph = ir.Graph("main", (), {}, ir.Budget(), (stage,), ir.Ref("main/y"), NUMBER, {})
    with pytest.raises(InternalError, match="main/y, which is not there"):
        verify(graph)
