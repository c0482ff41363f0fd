"""Mid-generation pruning: which beginnings are finished, and what it may cost at most."""

from __future__ import annotations

import pytest
from explored import ROOMY, Table, Tells, explored, texts
from running import answer, pipeline, plan_of
from ttscale.compiler.ir import Const
from ttscale.compiler.policy_signatures import reach_of, survivors
from ttscale.runtime.explore import Explored, Limits, Shape, policy_named
from ttscale.runtime.explore.chance import Chance

BEGUN: dict[str, list[Tells]] = {
    "": [("a", False, 0.2), ("b", False, 0.9), ("c", True, 0.5), ("d", False, 0.9)],
    "a": [("1", True, 1.0)],
    "b": [("1", False, 0.1)],
    "b1": [("2", True, 0.3)],
    "d": [("1", True, 0.4)],
}


def run(width: int = 4, limits: Limits = ROOMY, **own: object) -> tuple[Explored, list[str]]:
    tells = Table(lambda before: BEGUN.get(before, []))
    found = explored(policy_named("prune", own, Shape(width, 1, 6), Chance(1)), tells, limits=limits)
    return found, [wish.before for wish in tells.asked]


def test_the_best_share_of_beginnings_is_finished() -> None:
    found, asked = run(keep=0.5)
    assert asked == [""] * 4 + ["b", "d", "b1"], "a and c are given up, and b goes on though it falls behind"
    assert sorted(texts(found)) == ["b12", "d1"]


def test_a_whole_answer_competes_and_a_second_round_prunes_again() -> None:
    found, _ = run(keep=0.75)
    assert sorted(texts(found)) == ["b12", "c", "d1"]
    found, asked = run(keep=0.75, rounds=2)
    assert sorted(texts(found)) == ["b12", "c", "d1"] and asked.count("b1") == 1
    found, _ = run(keep=0.5, rounds=2)
    assert texts(found) == ["d1"], "the second time one of two is left"


@pytest.mark.parametrize(
    ("count", "keep", "left"), [(8, 0.25, 2), (8, 0.3, 3), (1, 0.01, 1), (5, 1.0, 5), (10, 0.1, 1)]
)
def test_the_share_is_rounded_up(count: int, keep: float, left: int) -> None:
    assert survivors(count, keep) == left


def test_it_never_writes_more_than_its_reach() -> None:
    reach = reach_of("prune", {"keep": 0.5, "rounds": 1}, 4, 1, 3, None)
    assert (reach.written, reach.expansions, reach.rounds) == (4 + 2 + 2, 5, 3)
    assert reach_of("prune", {"keep": 0.5, "rounds": 2}, 8, 1, 4, None).written == 8 + 4 + 2 + 2
    assert reach_of("prune", {"keep": 0.5, "rounds": 1}, 4, 1, 3, 1).written == 4


async def test_the_model_itself_says_which_beginnings_are_worth_finishing() -> None:
    text = pipeline(
        "return explore(ask(question), from: m, policy: prune(keep: 0.5), width: 2, judge: another_try, steps: 3,"
        " boundary: line) |> select(by: score)",
        'model m = script({"another try": ["yes", "no"], "": ["bad\\n1", "good\\n2", "Answer: 2"]})',
    )
    result = await answer(text)
    assert result.answer == 2
    assert list(result.pool.candidates[0].scores) == ["another_try"]
    assert plan_of(text).maximum.calls >= 4


def test_an_option_is_meant_where_a_parameter_has_its_name() -> None:
    text = pipeline(
        "param tokens: Int in {32, 64} = 64\n"
        "return explore(ask(question), from: m, policy: prune, width: 2, boundary: tokens, step_tokens: tokens)"
        " |> select(by: score)"
    )
    (stage,) = (stage for stage in plan_of(text).graph.stages if stage.op == "explore")
    assert (stage.args["boundary"], stage.args["step_tokens"]) == (Const("tokens"), Const(64))
