"""The policies of step-wise search on tables of steps: what they go on from, what they keep, when they end."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

import pytest
from explored import ROOMY, Table, Tells, explored, texts
from ttscale.compiler.policy_signatures import POLICIES, reach_of
from ttscale.runtime.explore import Explored, Limits, Shape, policy_named
from ttscale.runtime.explore.chance import (
    Chance,
    alphazero,
    effective_size,
    multinomial,
    rain_score,
    softmax,
    swap_chance,
    systematic,
)
from ttscale.runtime.explore.montecarlo import MonteCarlo, Settling, Visits
from ttscale.runtime.explore.tree import Node, Tree

SMALL = Shape(width=2, branch=2, steps=4)


def table(steps: dict[str, list[Tells]]) -> Table:
    return Table(lambda before: steps.get(before, []))


def run(
    name: str, steps: dict[str, list[Tells]], shape: Shape = SMALL, limits: Limits = ROOMY, **own: object
) -> tuple[Explored, list[str]]:
    """A search by a policy's name over a table; the wishes made are in the table."""
    tells = table(steps)
    found = explored(policy_named(name, own, shape, Chance(7)), tells, limits=limits)
    return found, [wish.before for wish in tells.asked]


# a falls behind b; under a lies the best answer, under b a middling one
TWO_WAYS: dict[str, list[Tells]] = {
    "": [("a", False, 0.4), ("b", False, 0.6)],
    "a": [("1", True, 0.9), ("2", True, 0.8)],
    "b": [("1", False, 0.3), ("2", False, 0.2)],
    "b1": [("!", True, 0.3), ("?", True, 0.1)],
    "b2": [("!", True, 0.2), ("?", True, 0.1)],
}


def test_best_first_leaves_a_branch_that_falls_behind() -> None:
    found, asked = run("best_first", TWO_WAYS)
    assert asked == ["", "", "b", "b", "a", "a"]  # b's continuations are worse than a, so it goes back
    assert texts(found) == ["a1", "a2"]


def test_a_star_adds_up_rises_of_the_distance() -> None:
    # b: h = 0.4. b1: h = 0.7, so g = 0.3 and f = 1.0. a: h = 0.6 = f, which comes before it.
    found, asked = run("astar", TWO_WAYS)
    assert asked == ["", "", "b", "b", "a", "a"]
    assert texts(found)[0] == "a1"  # h = 0.1 and g = 0, since h did not rise
    greedy, _ = run(
        "astar", {"": [("a", False, 0.2)], "a": [("b", False, 0.5)], "ab": [("c", True, 0.9)]}, Shape(1, 1, 9)
    )
    assert texts(greedy) == ["abc"]


def test_diverse_trees_give_the_continuations_of_their_last_steps() -> None:
    found, asked = run("dvts", TWO_WAYS, Shape(2, 2, 4))
    # Both trees draw from the root: the first gets a and b, the second the next two, which cycle.
    assert asked[:4] == ["", "", "", ""]
    assert texts(found) == ["b1!", "b1?"] * 2
    assert len(found.answers) == 4


def test_lookahead_judges_where_greedy_steps_lead() -> None:
    tells = table({"": [("a", False, 0.1), ("b", False, 0.9)], "a": [("x", True, 0.8)], "b": [("y", True, 0.2)]})
    found = explored(policy_named("lookahead", {"ahead": 1}, Shape(1, 2, 4), Chance(0)), tells)
    assert "ax" in tells.judged and "by" in tells.judged
    assert "a" not in tells.judged  # its continuation stands for it
    assert texts(found) == ["ax"]
    assert [wish.greedy for wish in tells.asked[:4]] == [False, False, True, True]


def test_depth_first_prunes_and_comes_back() -> None:
    found, asked = run("depth_first", TWO_WAYS, Shape(3, 2, 4), prune=0.4)
    assert asked[:6] == ["", "", "b", "b", "b1", "b1"]
    means = [sum(found.tree.scores(node)) for node in found.answers]
    assert len(means) == 4 and means[0] == max(means) and means[-1] == min(means)  # two were finished at once
    found, asked = run("depth_first", TWO_WAYS, Shape(3, 2, 4), least=0.35)
    assert asked == ["", "", "b", "b", "a", "a"]  # both continuations of b are too bad
    assert texts(found) == ["a1", "a2"]


def test_monte_carlo_visits_both_ways_and_counts() -> None:
    found, asked = run("mcts", TWO_WAYS, Shape(2, 2, 4))
    assert set(asked) >= {"", "a", "b"}
    assert texts(found)[0] in ("a1", "a2")
    assert alphazero(0.5, 2, 9) == pytest.approx(0.5 + (1.25 + math.log(19662 / 19652)) * 3 / 3)


def test_monte_carlo_by_the_rule_of_rain() -> None:
    tree = Tree()
    for number, logprob in ((1, -1.0), (2, -2.0)):
        tree.add(Node(number, 0, "ab"[number - 1], 1, 0.5, logprobs=(logprob,)))
    state = Visits({0: 9, 1: 2, 2: 1}, {0: 4.0, 1: 1.2, 2: 0.3})
    shape, chance = Shape(2, 2, 4), Chance(7)

    def scores(name: str, **own: object) -> list[float]:
        policy = policy_named(name, own, shape, chance)
        assert isinstance(policy, MonteCarlo)
        return policy.rule(state, tree, 0, (1, 2))

    low, high = 0.3, 0.6
    priors = [0.75 * share + 0.25 / 2 for share in softmax((-1.0, -2.0))]
    means = ((0.6, 2), (0.3, 1))
    for constant in (2.0, 0.7):
        wanted = [rain_score(q, n, p, 9, low, high, constant) for (q, n), p in zip(means, priors, strict=True)]
        told = {} if constant == 2.0 else {"explore": constant}
        assert scores("rain", **told) == pytest.approx(wanted)
        assert scores("mcts", scale=True, prior="likelihood", **told) == pytest.approx(wanted)
    assert scores("mcts") == pytest.approx([alphazero(q, n, 9, 1.25) for q, n in means])
    assert scores("rain", explore=0.0, prior="uniform") == pytest.approx([1.0, 0.0], abs=1e-4)


def test_rain_settles_steps_and_leaves_what_lies_beside_them() -> None:
    steps: dict[str, list[Tells]] = {"": [("a", False, 0.9), ("b", False, 0.2)]}
    steps |= {"a": [("1", False, 0.95), ("2", False, 0.9)], "b": [("1", True, 1.0), ("2", True, 1.0)]}
    steps |= {"a1": [("!", True, 0.95), ("?", True, 0.9)], "a2": [("!", True, 0.5), ("?", True, 0.5)]}
    shape = Shape(8, 2, 4)
    # Seen twice a is sure enough: b, of which a search of the whole tree finds that it leads to better, is left alone.
    settled, asked = run("rain", steps, shape, visits=1, sure=0.9, prior="uniform")
    assert "b" not in asked and texts(settled)[0] == "a1!"
    whole, asked = run("rain", steps, shape, sure=1.0, settle=10_000, prior="uniform")
    assert "b" in asked and whole.expansions > settled.expansions
    # Where nothing is sure, the root's visits settle the most visited step; `fresh` of them are new ones.
    old, asked = run("mcts", steps, shape, settle=3, fresh=2)
    assert texts(old)[0].startswith("a") and old.expansions < 32
    never, _ = run("mcts", steps, shape)
    assert "b" in {text[0] for text in texts(never)}
    policy = policy_named("rain", {}, shape, Chance(0))
    assert isinstance(policy, MonteCarlo)
    assert policy.settling == Settling(sure=0.9, visits=6, after=50, fresh=15)


def test_monte_carlo_leaves_dead_ends() -> None:
    found, asked = run("mcts", {"": [("a", False, 0.9), ("b", False, 0.1)], "b": [("!", True, 0.1)]}, Shape(2, 2, 3))
    assert texts(found) == ["b!", "b!"]
    assert asked.count("a") == 2  # tried once, both samples failed, never again


def test_a_cascade_has_the_large_model_rewrite_what_the_judge_refuses() -> None:
    steps = {
        "": [("bad ", False, 2.0), ("good ", False, 8.0)],
        "bad ": [("end", True, 9.0)],
        "good ": [("end", True, 9.0)],
    }
    tells = table(steps)
    shape = Shape(1, 1, 4, top=9.0)
    found = explored(policy_named("cascade", {}, shape, Chance(0)), tells)
    assert [(wish.before, wish.writer, wish.index) for wish in tells.asked] == [("", 0, 0), ("", 1, 0), ("bad ", 0, 0)]
    assert texts(found) == ["bad end"]  # what the large model writes stays, whatever the judge says
    tells = table(steps)
    explored(policy_named("cascade", {"first": 1, "accept": 1.0}, shape, Chance(0)), tells)
    assert [wish.writer for wish in tells.asked] == [1, 0]


# --- particles ------------------------------------------------------------------------------------


def test_particles_that_score_higher_survive() -> None:
    steps: dict[str, list[Tells]] = {"": [("a", False, 0.99), ("b", False, 0.01)]}
    steps |= {"a": [("!", True, 0.9)], "b": [("!", True, 0.9)]}
    found, asked = run("particles", steps, Shape(6, 1, 4))
    assert asked[6:].count("a") > asked[6:].count("b")
    assert len(found.answers) == 6


def test_resampling_waits_for_the_effective_size() -> None:
    alike: dict[str, list[Tells]] = {
        "": [("a", False, 0.5), ("b", False, 0.5)],
        "a": [("!", True, 0.5)],
        "b": [("!", True, 0.5)],
    }
    found, _ = run("particles", alike, Shape(4, 1, 4), below=0.5)
    assert texts(found) == ["a!", "b!", "a!", "b!"]  # equal weights: nothing was resampled
    assert effective_size(softmax([1.0, 1.0])) == pytest.approx(2)


def test_gibbs_keeps_an_answer_of_the_pass_before() -> None:
    steps: dict[str, list[Tells]] = {
        "": [("a", False, 0.9), ("b", False, 0.9)],
        "a": [("!", True, 0.9)],
        "b": [("!", True, 0.9)],
    }
    _, asked_once = run("particles", steps, Shape(3, 1, 4))
    second, asked = run("gibbs", steps, Shape(3, 1, 4), iterations=2)
    assert asked[: len(asked_once)] == asked_once
    assert len(asked) == len(asked_once) + 4  # two free particles, two steps each
    assert len(second.answers) == 3
    assert second.answers[-1] in {node for node in range(len(asked_once) + 1)}  # the reference is an old state


def test_a_pass_that_a_limit_ends_leaves_the_answers_of_the_one_before() -> None:
    steps: dict[str, list[Tells]] = {"": [("a", False, 0.9), ("b", False, 0.8)]}
    steps |= {"a": [("!", True, 0.9)], "b": [("!", True, 0.9)]}
    once, asked = run("gibbs", steps, Shape(3, 1, 4), iterations=1)
    limits = Limits(10_000, len(asked) + 2, 10_000, 4, 1)
    cut, _ = run("gibbs", steps, Shape(3, 1, 4), limits, iterations=2)
    assert cut.reason == "steps"
    assert texts(cut) == texts(once)


def test_one_answer_may_be_drawn_by_its_weight() -> None:
    steps: dict[str, list[Tells]] = {"": [("a", True, 0.999), ("b", True, 0.001)]}
    for name in ("particles", "gibbs", "tempering"):
        found, _ = run(name, steps, Shape(4, 1, 4), give="draw")
        assert texts(found) == ["a"]
    alike: dict[str, list[Tells]] = {"": [("a", True, 0.5), ("b", True, 0.5)]}
    drawn = set()
    for seed in range(20):
        policy = policy_named("particles", {"give": "draw"}, Shape(2, 1, 4), Chance(seed))
        drawn |= set(texts(explored(policy, table(alike))))
    assert drawn == {"a", "b"}
    assert reach_of("particles", {"give": "draw"}, 4, 1, 3, None).answers == 1


def test_tempering_gives_the_coldest_chain() -> None:
    steps: dict[str, list[Tells]] = {
        "": [("a", False, 0.9), ("b", False, 0.2)],
        "a": [("!", True, 0.9)],
        "b": [("!", True, 0.2)],
    }
    found, asked = run("tempering", steps, Shape(3, 1, 4), chains=2, iterations=2)
    assert len(found.answers) == 3
    assert len(asked) == 2 * (3 + 3 + 2 + 2)
    assert swap_chance(1.0, 2.0, 0.0, 1.0) == 1.0
    assert swap_chance(1.0, 2.0, 1.0, 0.0) == pytest.approx(math.exp(-0.5))


def test_systematic_draws_hardly_vary() -> None:
    weights = (0.5, 0.3, 0.2)
    for uniform in (0.0, 0.3, 0.7, 0.999):
        drawn = systematic(weights, 10, uniform)
        assert [drawn.count(place) for place in range(3)] == [5, 3, 2]
        assert list(drawn) == sorted(drawn)
    assert multinomial((0.0, 1.0), (0.0, 0.999999)) == (1, 1)


def test_draws_are_the_same_again_and_elsewhere() -> None:
    assert Chance(3, "x").uniforms(3, "a", 1) == Chance(3, "x").uniforms(3, "a", 1)
    assert Chance(3, "x").uniform("a") != Chance(4, "x").uniform("a")
    values = [Chance(5).uniform("u", place) for place in range(4000)]
    assert 0.48 < sum(values) / 4000 < 0.52 and min(values) >= 0 and max(values) < 1


# --- every loop ends ------------------------------------------------------------------------------


def never(before: str) -> Sequence[Tells]:
    return [(f"{len(before)}.", False, 0.5), (f"{len(before)},", False, 0.6)]


def nothing(before: str) -> Sequence[Tells]:
    return [("", True, None)]


def failing(before: str) -> Sequence[Tells]:
    return []


def blank(before: str) -> Sequence[Tells]:
    return [("\n\n", False, 0.5)]


def unjudged(before: str) -> Sequence[Tells]:
    return [(f"{len(before)}.", len(before) > 4, None)]


MODELS: list[Callable[[str], Sequence[Tells]]] = [never, nothing, failing, blank, unjudged]
LIMITS = [
    ROOMY,
    Limits(1, 1, 1, 1, 1),
    Limits(3, 7, 5, 4, 1),
    Limits(1000, 1000, 0, 4, 1),
    Limits(1000, 1000, 1000, 6, 10, tokens=35),
    Limits(1000, 1000, 1000, 6, 10, tokens=1),
]


@pytest.mark.parametrize("name", ["beam", "particles", "dvts"])
def test_answers_of_the_round_that_a_limit_ends_are_given(name: str) -> None:
    steps = {
        "": [("a", True, 0.2), ("b", False, 0.9)],
        "b": [("1", True, 0.8), ("2", False, 0.7)],
    }
    found, _ = run(name, steps, Shape(2, 2, 4), Limits(10_000, 3 if name != "dvts" else 5, 10_000, 4, 1))
    assert found.reason == "steps" and "b1" in texts(found)
    assert all(not found.tree[node].is_open for node in found.answers)


def test_beginnings_are_given_as_far_as_they_were_written() -> None:
    steps = {"": [("a", False, 0.5), ("b", False, 0.9)], "b": [("1", False, 0.8), ("2", False, 0.7)]}
    found, _ = run("beam", steps, Shape(2, 2, 4), Limits(10_000, 4, 10_000, 4, 1))
    assert found.reason == "steps" and texts(found) == ["b1", "b2", "a"]  # and not b, which they begin with


@pytest.mark.parametrize(("name", "model"), list(itertools.product(POLICIES, MODELS)), ids=str)
def test_every_policy_ends_under_every_limit(name: str, model: Callable[[str], Sequence[Tells]]) -> None:
    for limits in LIMITS:
        shape = Shape(3, 2, min(limits.steps, 6))
        tells = Table(model, tokens={})
        held = Limits(limits.expansions, limits.written, limits.judged, shape.steps, limits.step_tokens, limits.tokens)
        found = explored(policy_named(name, {}, shape, Chance(1)), tells, limits=held)
        assert found.expansions <= held.expansions
        assert len(tells.asked) == found.written <= held.written
        assert len(tells.judged) == found.judged <= held.judged
        assert held.tokens is None or found.tokens <= held.tokens
        assert all(len(found.tree.path(node)) <= held.steps for node in range(len(found.tree)))
        assert model not in (nothing, failing, blank) or not any(text.strip() for text in texts(found))


@pytest.mark.parametrize("name", POLICIES)
def test_no_policy_does_more_than_its_plan_says(name: str) -> None:
    for width, branch, steps in itertools.product((1, 2, 4), (1, 3), (1, 3)):
        for expansions in (None, 1, 5):
            own = {parameter.name: parameter.default for parameter in POLICIES[name].parameters}
            reach = reach_of(name, own, width, branch, steps, expansions)
            tells = Table(never)
            shape = Shape(width, branch, steps)
            limits = Limits(reach.expansions if expansions else 10_000, 10_000, 10_000, steps, 1)
            found = explored(policy_named(name, {}, shape, Chance(1), expansions), tells, reach.answers, limits)
            assert found.expansions <= reach.expansions, (width, branch, steps, expansions)
            if name not in ("best_first", "astar", "depth_first") or expansions:
                assert found.written <= reach.written
                assert found.judged <= reach.judged
                assert found.rounds <= reach.rounds
            assert len(found.answers) <= reach.answers
