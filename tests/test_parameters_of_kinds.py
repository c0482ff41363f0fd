"""Parameters that are models, prompts and sets of models, run with scripts; and which parameters matter when."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_runs import tts
from programs import checked, graph_of
from ttscale.compiler import ir
from ttscale.compiler.active import active_params
from ttscale.compiler.diagnostics import CompileError
from ttscale.runtime.program import Program, load

PROGRAM = """tts 1

model a = script({"long": ["Answer: 11"], "short": ["Answer: 1"], "Right": ["yes"]})
model b = script({"long": ["Answer: 22"], "short": ["Answer: 2"], "Right": ["no"]})
model c = script({"long": ["Answer: 33"], "short": ["Answer: 3"]})

prompt long(question: Text) -> Number = "long {{ question }}"
prompt short(question: Text) -> Number = "short {{ question }}"
prompt right(question: Text, answer: Text) -> Choice(yes, no) = "Right? {{ question }} {{ answer }}"

pipeline main(question: Text) -> Number {
  param ask: Prompt in {long, short} = long
  param judge: Model in {a, b} = a
  param first: Model in {a, b, c} = c
  drafts = generate(ask(question), from: first, n: 2)
  return drafts |> verify(using: right, from: judge, otherwise: none) |> vote()
}

pipeline crowd(question: Text) -> Answers[Number] {
  param team: [Model] in subsets(a, b, c) = [a, b]
  param ask: Prompt in {long, short} = short
  return generate(ask(question), from: team)
}

pipeline inner(question: Text) -> Number {
  param ask: Prompt in {long, short} = long
  param from_whom: Model in {a, b} = a
  return generate(ask(question), from: from_whom)
}

pipeline outer(question: Text) -> Number {
  param whom: Model in {a, b} = a
  param how: Prompt in {long, short} = long
  return inner(question, from_whom: whom, ask: how)
}

pipeline matched(question: Text) -> Number {
  param whom: Model in {a, b} = a
  param team: [Model] in subsets(b, c) = [b]
  drafts = generate([long(question), short(question)], from: team)
  return drafts |> score(by: yes_no, using: right, from: whom, as: right) |> vote(weight: score("right"))
}
"""


@pytest.fixture
def program(tmp_path: Path) -> Program:
    (tmp_path / "main.tts").write_text(PROGRAM, encoding="utf-8")
    return load(tmp_path / "main.tts")


def test_a_prompt_and_a_model_are_chosen_from_outside(program: Program) -> None:
    with program:
        assert program.run("q").answer == 33
        assert program.run("q", ask="short").answer == 3
        assert program.run("q", first="b", ask="short").answer == 2
        assert program.run("q", judge="b").answer is None
    assert {m for stage in program.plan(params={"judge": "b"}).stages.values() for m in stage.models} == {"b", "c"}


def test_a_set_of_models_is_chosen_from_outside(program: Program) -> None:
    with program:
        assert program.run("q", pipeline="crowd").answer == [1, 2]
        for team in (["c", "a"], ("c", "a"), "c,a", "[c, a]"):
            assert program.run("q", pipeline="crowd", team=team).answer == [3, 1], team
        assert program.run("q", pipeline="crowd", team="b", ask="long").answer == [22]
    for wrong, code in (("d", "E0553"), ([], "E0552"), ("a,a", "E0553")):
        with pytest.raises(CompileError, match=code):
            program.plan("crowd", params={"team": wrong})


def test_they_are_passed_on_to_called_pipelines(program: Program) -> None:
    with program:
        assert program.run("q", pipeline="outer").answer == 11
        assert program.run("q", pipeline="outer", whom="b", how="short").answer == 2
        assert program.run("q", pipeline="matched").cost.calls >= 2


def test_the_command_line_sets_them(program: Program, tmp_path: Path) -> None:
    file = tmp_path / "main.tts"
    assert tts("run", file, "q", "--param", "ask=short", "--param", "first=b").out.strip() == "2"
    assert tts("run", file, "q", "--pipeline", "crowd", "--param", "team=c,a").out.split() == ["3", "1"]
    wrong = tts("run", file, "q", "--param", "judge=c")
    assert wrong.code != 0 and "E0553" in wrong.err and "one of a, b" in wrong.err
    assert "E0553" in tts("run", file, "q", "--param", "ask=right").err


def test_a_replaced_model_is_the_one_that_a_parameter_chooses(tmp_path: Path, program: Program) -> None:
    other = ir.Model("b", "script", "", (("replies", ("Answer: 9",)),))
    with load(tmp_path / "main.tts", {"b": other}) as changed:
        assert changed.run("q", first="b").answer == 9


# --- parameters that matter ----------------------------------------------------------------------

CONDITIONAL = """tts 1

model m = script("Answer: 1")

prompt ask(question: Text) -> Number = "{{ question }}"
prompt merge(question: Text, answers: [Text]) -> Number = "{{ question }} {{ answers }}"

pipeline inner(question: Text) -> Number {
  param k: Int in {1, 2} = 1
  return generate(ask(question), from: m, n: k) |> vote()
}

pipeline main(question: Text) -> Number {
  param width: Int in {1, 2, 4} = 2
  param critic: Bool = true
  param deep: Bool = false
  param depth: Int in {0, 1, 2} = 1
  param heat: Float in [0.2 .. 1.2] = 0.8
  param finish: Choice in {majority, best, other} = majority
  param inside: Int in {1, 2} = 1
  param tokens: Int in {4000, 8000} = 8000
  param unused: Int in {1, 2} = 1
  require depth <= 2
  budget { tokens <= tokens }
  drafts = generate(ask(question), from: m, n: width)
  looked = drafts |> critique(from: m, temperature: heat) when critic and deep
  fused = repeat depth with x = drafts { yield x |> fuse(using: merge, from: m, n: width) }
  return match finish {
    majority => fused |> vote()
    best => looked |> select(by: first)
    _ => inner(question, k: inside)
  }
}
"""
ALWAYS = {"width", "critic", "depth", "finish", "tokens"}


@pytest.mark.parametrize(
    ("assignment", "more"),
    [
        ({}, {"deep"}),
        ({"critic": False}, set()),
        ({"critic": False, "deep": True}, set()),
        ({"critic": True, "deep": True}, {"deep", "heat"}),
        ({"finish": "other"}, {"deep", "inside"}),
        ({"finish": "best", "critic": False, "depth": 0}, set()),
    ],
)
def test_parameters_that_matter(assignment: dict[str, object], more: set[str]) -> None:
    assert active_params(checked(CONDITIONAL), "main", assignment) == ALWAYS | more


def test_an_assignment_that_is_not_allowed_has_no_parameters_that_matter() -> None:
    for wrong in ({"width": 3}, {"widht": 2}):
        with pytest.raises(CompileError):
            active_params(checked(CONDITIONAL), None, wrong)


def test_what_does_not_matter_changes_no_graph() -> None:
    program = checked(CONDITIONAL)
    base = {"critic": False, "finish": "majority"}
    active = active_params(program, "main", base)
    graph = graph_of(CONDITIONAL, base, "main")
    for name, value in (("deep", True), ("heat", 0.4), ("inside", 2), ("unused", 2)):
        assert name not in active
        assert graph_of(CONDITIONAL, {**base, name: value}, "main").stages == graph.stages
    for name, value in (("width", 4), ("depth", 2)):
        assert name in active
        assert graph_of(CONDITIONAL, {**base, name: value}, "main").stages != graph.stages
