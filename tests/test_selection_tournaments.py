"""Tournaments and abduction: facts of the authors' code, cases worked out by hand, and what must never change."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lettered_pools import choose, pool
from ttscale.compiler import types as t
from ttscale.compiler.selectors import parse_selector
from ttscale.runtime import answers
from ttscale.runtime.pool import Candidate, Comparison, Pool
from ttscale.runtime.strategies import (
    StrategyError,
    abduce,
    apply_stage,
    both_orders,
    bradley_terry,
    inconsistency,
    reputations,
    tournament,
)

# --- pairwise tournaments ----------------------------------------------------------------------------

CYCLE = [Comparison(0, 1, 1), Comparison(1, 2, 1), Comparison(2, 0, 1), Comparison(0, 2, 1, weight=2)]


def test_bradley_terry() -> None:
    # Fortytwo's likelihood, two solvers
    assert bradley_terry(3, CYCLE, l2=0) == pytest.approx([0.6383156, 0.0, -0.6383156], abs=1e-5)
    assert bradley_terry(3, CYCLE, l2=0.1) == pytest.approx([0.5919839, 0.0, -0.5919839], abs=1e-5)
    clear = [Comparison(0, 1, 1), Comparison(0, 2, 1), Comparison(1, 2, 1)]
    assert bradley_terry(3, clear, l2=0.1) == pytest.approx([1.7583603, 0.0, -1.7583603], abs=1e-5)
    with pytest.raises(ValueError, match="must have won and lost"):
        bradley_terry(3, clear, l2=0)
    found = tournament(3, CYCLE, l2=0)
    # derived: both games of 0 and 2 are one pair, in which 0 has two thirds of the weight
    assert found.ranking == (0, 1, 2) and sum(found.shares) == pytest.approx(1)
    assert bradley_terry(1, []) == (0.0,) and bradley_terry(0, []) == ()


def test_both_orders_cancel_a_liking_for_a_place() -> None:
    always_first = [Comparison(0, 1, 0.9), Comparison(1, 0, 0.9)]
    (merged,) = both_orders(always_first)
    assert (merged.first, merged.second, merged.weight) == (0, 1, 2.0) and merged.share == pytest.approx(0.5)
    of = replace(pool("AB"), comparisons=tuple(always_first))
    assert choose("select(by: bradley_terry)", of) == 0  # equally strong: the first
    of = replace(pool("?BC"), comparisons=(Comparison(0, 1, 1), Comparison(0, 2, 1), Comparison(1, 2, 0.2)))
    assert choose("select(by: fortytwo)", of) == 2  # the strongest cannot be read
    with pytest.raises(StrategyError, match="which candidates are better"):
        choose("select(by: bradley_terry)", pool("AB"))


def test_reputation_takes_weight_from_judges_that_disagree() -> None:
    good = [Comparison(i, j, 1.0, f"good {k}") for i, j in ((0, 1), (1, 2), (0, 2)) for k in range(3)]
    bad = [Comparison(i, j, 0.0, "bad") for i, j in ((0, 1), (1, 2), (0, 2))]
    found = tournament(3, [*good, *bad], memory=0.5)
    assert found.reputations["bad"] == pytest.approx(0.125) and found.reputations["good 0"] == pytest.approx(1.0)
    assert found.theta[0] > tournament(3, [*good, *bad]).theta[0]
    # derived: R <- 0.9 R + 0.1 accuracy
    assert reputations({"j": 1.0}, [Comparison(0, 1, 0.75, "j")], (0.0, 1.0), 0.9)["j"] == pytest.approx(0.925)


@st.composite
def tournaments(draw: st.DrawFn) -> tuple[int, list[Comparison]]:
    n = draw(st.integers(2, 5))
    pairs = list(itertools.permutations(range(n), 2))
    games = draw(
        st.lists(st.tuples(st.sampled_from(pairs), st.floats(0, 1), st.floats(0.1, 3)), min_size=1, max_size=9)
    )
    return n, [Comparison(i, j, share, weight=weight) for (i, j), share, weight in games]


@given(tournaments(), st.randoms())
@settings(max_examples=40)
def test_strengths_do_not_depend_on_order_or_on_who_is_shown_first(
    given_: tuple[int, list[Comparison]], random: object
) -> None:
    n, games = given_
    theta = bradley_terry(n, games)
    assert sum(theta) == pytest.approx(0, abs=1e-7)
    turned = [Comparison(c.second, c.first, 1 - c.share, weight=c.weight) for c in reversed(games)]
    assert bradley_terry(n, turned) == pytest.approx(theta, abs=1e-6)
    renamed = [Comparison(n - 1 - c.first, n - 1 - c.second, c.share, weight=c.weight) for c in games]
    assert bradley_terry(n, renamed)[::-1] == pytest.approx(theta, abs=1e-6)


# --- consistency-based abduction ---------------------------------------------------------------------


def test_abduction_by_hand() -> None:
    one, two, other = {"a": 1, "b": 1}, {"a": 1}, {"a": 2, "b": 1}
    assert inconsistency([one, two, other]) == pytest.approx(1 / 5) and inconsistency([{}]) == 0.0
    assert abduce([one, other, two]) == (0, 2)  # two agree with each other, and `other` with neither about a
    assert abduce([one, other, two], threshold=0.2) == (0, 1, 2)
    assert abduce([one, other]) == (0,)  # alike: the first
    assert abduce([one, other, two], weights=[0.1, 1.0, None]) == (1,)
    assert abduce([one, other], weights=[0.0, -1.0]) == ()
    many = [{"a": i % 3} for i in range(16)]
    assert abduce(many) == tuple(range(0, 16, 3))


@given(
    st.lists(st.fixed_dictionaries({}, optional={"a": st.integers(0, 2), "b": st.integers(0, 2)}), max_size=15),
    st.floats(0, 1),
)
@settings(max_examples=60, deadline=None)
def test_abduction_keeps_to_the_threshold(statements: list[dict[str, int]], threshold: float) -> None:
    kept = abduce(statements, threshold)
    assert list(kept) == sorted(set(kept)) and bool(kept) == bool(statements)
    assert inconsistency([statements[i] for i in kept]) <= threshold + 1e-6
    if threshold >= inconsistency(statements):
        assert kept == tuple(range(len(statements)))


def test_abduction_of_records() -> None:
    kind = t.Record("R", (t.Field("a", t.NUMBER), t.Field("b", t.Optional(t.TEXT))))
    texts = ['{"a": 1, "b": "x"}', '{"a": 2, "b": "y"}', '{"a": 1, "b": null}', "unreadable"]
    made = [Candidate(text, *answers.read(kind, text)) for text in texts]
    (stage,) = parse_selector("filter(by: abduction)")
    assert apply_stage(stage.op, stage.args, Pool(tuple(made), kind)).kept == (0, 2)
