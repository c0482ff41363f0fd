"""Expanding pipelines: golden graphs, paths, sizes, settings, what only a run can decide."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from programs import SPECS, bound, graph_of, main, raw_graph
from ttscale.compiler import ir
from ttscale.compiler.emit import emit
from ttscale.compiler.verify import verify

GOLDEN = Path(__file__).parent / "golden" / "ir"
PROGRAMS = sorted(path.stem for path in GOLDEN.glob("*.tts"))
EXPANDED = (
    "adaptive",
    "archon",
    "code",
    "debate",
    "distill_refine",
    "extract",
    "finish",
    "hello",
    "router",
    "self_consistency",
)

Golden = Callable[[str | Path, str], None]


@pytest.mark.parametrize("name", PROGRAMS)
def test_golden_graph(name: str, golden: Golden) -> None:
    graph = raw_graph((GOLDEN / f"{name}.tts").read_text(encoding="utf-8"))
    verify(graph)
    golden(f"ir/{name}.ir", emit("ir", graph))


def test_no_golden_graph_is_left_over(no_leftovers: Callable[[str, str, str], None]) -> None:
    no_leftovers("ir", ".tts", ".ir")


@pytest.mark.parametrize("name", EXPANDED)
def test_golden_graph_of_a_specification(name: str, golden: Golden) -> None:
    file = SPECS / f"{name}.tts"
    if not file.is_file():
        pytest.skip("the specifications are not beside this checkout")
    graph = raw_graph(file.read_text(encoding="utf-8"))
    verify(graph)
    golden(f"ir/specs/{name}.ir", emit("ir", graph))


def paths(graph: ir.Graph) -> list[str]:
    return [stage.path for stage in graph.stages]


def test_paths_survive_unrelated_edits() -> None:
    short = main("drafts = generate(solve(question), from: small, n: 2)\nreturn drafts |> vote()")
    long = main(
        "other = generate(solve(question), from: large)\ndrafts = generate(solve(question), from: small, n: 2)\n"
        "return drafts + other |> vote()"
    )
    assert set(paths(graph_of(short))) <= set(paths(graph_of(long)))


def test_the_second_stage_of_a_name_has_a_number() -> None:
    text = main("return generate(solve(question), from: small) + generate(solve(question), from: large) |> vote()")
    assert paths(raw_graph(text)) == ["main/generate", "main/generate#2", "main/concat", "main/vote"]


def test_a_settled_when_leaves_no_stage() -> None:
    text = main(
        "param judge: Bool = false\n"
        "drafts = generate(solve(question), from: small, n: 4)\n"
        "more = generate(solve(question), from: large) when judge\n"
        "return drafts + more |> verify(from: large) when judge |> vote()"
    )
    assert paths(raw_graph(text)) == ["main/drafts", "main/vote"]
    assert paths(raw_graph(text, {"judge": True})) == [
        "main/drafts",
        "main/more",
        "main/concat",
        "main/verify",
        "main/vote",
    ]


def test_sizes_are_bounds() -> None:
    text = main(
        "drafts = generate(solve(question), from: [small, large], n: up to 12, start: 3, until: agreement > 0.5)\n"
        "kept = drafts |> verify(from: large) |> rank(from: large, keep: 5)\n"
        "return kept |> fuse(from: large, n: 3) |> vote()"
    )
    sizes = {stage.path: stage.size for stage in graph_of(text).stages}
    assert sizes["main/drafts"] == ir.Bounds(6, 24)
    assert sizes["main/kept/verify"] == ir.Bounds(1, 24)
    assert sizes["main/kept"] == ir.Bounds(1, 5)
    assert sizes["main/fuse"] == ir.Bounds(3, 3)
    assert sizes["main/vote"] == ir.Bounds(1, 1)


def test_facets_follow_the_candidates() -> None:
    text = main(
        "drafts = generate(solve(question), from: small, n: 4) |> score(by: likelihood) |> critique(from: large)\n"
        "fused = drafts |> fuse(from: large, n: 2)\n"
        "return drafts + fused |> vote()"
    )
    facets = {stage.path: stage.facets for stage in graph_of(text).stages}
    assert facets["main/drafts"] == {"scored", "critiqued"}
    assert facets["main/fused"] == frozenset()
    assert facets["main/concat"] == frozenset()


def test_every_argument_has_its_default() -> None:
    stage = graph_of(main("return generate(solve(question), from: small)")).stage("main/generate")
    assert stage.args["temperatures"] == (ir.Const(0.8),)
    expected = {"top_p": 0.95, "top_k": 0, "min_p": 0.0, "repeat_penalty": 1.0, "max_tokens": 512, "n": 1, "series": 0}
    assert {name: stage.args[name] for name in expected} == {name: ir.Const(value) for name, value in expected.items()}
    assert stage.args["stop"] == ir.Const(())


def test_a_judge_is_greedy_unless_it_is_told_otherwise() -> None:
    drafts = "drafts = generate(solve(question), from: small, n: 4)\n"
    warm = 'model warm = gguf("warm.gguf", temperature: 1.1, max_tokens: 99)\n'
    greedy = graph_of(main(drafts + "return drafts |> rank(from: warm) |> vote()", before=warm))
    assert greedy.stage("main/rank").args["temperature"] == ir.Const(0.0)
    assert greedy.stage("main/rank").args["max_tokens"] == ir.Const(99)
    told = graph_of(main(drafts + "return drafts |> rank(from: warm, temperature: 0.4) |> vote()", before=warm))
    assert told.stage("main/rank").args["temperature"] == ir.Const(0.4)


def test_the_question_is_the_argument_of_that_name() -> None:
    text = main(
        "a = generate(ask(text: letter, question: wish), from: small, n: 2)\n"
        "b = generate(plain(letter), from: small, n: 2)\n"
        "return a + b |> rank(from: large) |> vote()",
        inputs="letter: Text, wish: Text",
        before='prompt ask(text: Text, question: Text) -> Number = "{{ text }} {{ question }}"\n'
        'prompt plain(letter: Text) -> Number = "{{ letter }}"',
    )
    graph = graph_of(text)
    assert graph.stage("main/a").question == ir.Input("wish")
    assert graph.stage("main/b").question == ir.Input("letter")
    assert graph.stage("main/rank").question == ir.Input("wish")


def test_a_default_fuse_prompt_keeps_the_answer_type() -> None:
    text = main("return generate(solve(question), from: small, n: 2) |> fuse(from: large)")
    using = graph_of(text).stage("main/fuse").args["using"]
    assert isinstance(using, ir.Filled)
    assert str(using.prompt.result) == "Number"


def test_the_only_model_need_not_be_named() -> None:
    text = 'tts 1\nmodel only = gguf("x.gguf")\nprompt ask(question: Text) -> Text = "{{ question }}"\n'
    text += "pipeline main(question: Text) -> Text { return generate(ask(question)) }"
    assert list(graph_of(text).models) == ["only"]


def test_a_strategy_parameter_stands_for_its_label() -> None:
    text = main(
        "param rule: Choice in {likelihood, length} = length\n"
        "return generate(solve(question), from: small, n: 4) |> vote(weight: rule)"
    )
    weight = graph_of(text).stage("main/vote").args["weight"]
    assert isinstance(weight, ir.Strategy) and weight.name == "length"
    weight = graph_of(text, {"rule": "likelihood"}).stage("main/vote").args["weight"]
    assert isinstance(weight, ir.Strategy) and weight.named == (("of", ir.Const("mean")),)


def test_origins_lead_through_calls() -> None:
    text = main(
        "return inner(question)",
        before="pipeline inner(question: Text) -> Number {\n"
        "  return generate(solve(question), from: small, n: 2) |> vote()\n}",
    )
    graph = graph_of(text)
    assert paths(graph) == ["main/inner/generate", "main/inner/vote"]
    spans = graph.stage("main/inner/vote").origin
    assert [text[span.start : span.end] for span in spans] == ["inner(question)"]


def test_an_adaptive_source_needs_one_set_of_settings() -> None:
    text = main(
        "return generate(solve(question), from: [small, warm], n: up to 8, until: agreement > 0.5) |> vote()",
        before='model warm = gguf("warm.gguf", temperature: 1.1)',
    )
    graph, found = bound(text)
    assert graph is None
    assert [d.code for d in found] == ["E0253"]


def test_a_loop_over_known_values_is_computed() -> None:
    rounds = main("return repeat up to 3 with n = 1 until n > 2 { yield n + 1 }")
    assert graph_of(rounds).result == ir.Const(3)
    states = main("z = repeat 2 with x = 1, y = 2 { yield y, x + y }\nreturn z.x + z.y")
    assert graph_of(states).result == ir.Const(8)
    assert graph_of(states).stages == ()


def test_a_call_under_a_condition_is_chosen_at_run_time() -> None:
    text = main(
        "a = generate(solve(question), from: small, n: 2)\nb = inner(question) when agreement(a) < 1\n"
        "c = a |> judged() when agreement(a) < 1\nreturn c + b |> vote()",
        before="pipeline inner(question: Text) -> Answers[Number] {\n"
        "  return generate(solve(question), from: large, n: 3)\n}\n"
        "pipeline judged(pool: Answers[Number]) -> Answers[Number] { return pool |> score(by: yes_no, from: large) }",
    )
    graph = graph_of(text)
    assert graph.stage("main/b").args["arms"] == (ir.Ref("main/b/generate"),)
    assert graph.stage("main/b").size == ir.Bounds(0, 3)
    assert graph.stage("main/c").args["arms"] == (ir.Ref("main/c/score"), ir.Ref("main/a"))
    assert graph.stage("main/c/score").guards == graph.stage("main/b/generate").guards != ()


def test_a_match_on_a_number_has_a_guard_for_the_rest() -> None:
    text = main(
        "a = generate(solve(question), from: small, n: up to 8, start: 2, until: agreement > 0.5)\n"
        "b = match size(a) { 2 | 4 => a  _ => a |> filter(top: 1, by: length) }\nreturn b |> vote()"
    )
    graph = graph_of(text)
    assert graph.stage("main/b/2|4/same").guards[0].values == (2, 4)
    (rest,) = graph.stage("main/b/else/filter").guards
    assert rest.values == (False,) and isinstance(rest.operand, ir.Apply) and rest.operand.op == "or"
