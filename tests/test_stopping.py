"""When a vote needs no more samples: the rules by themselves, and in `until:`."""

from __future__ import annotations

import itertools
import random

import pytest
from checking import body
from hypothesis import given
from hypothesis import strategies as st
from running import answer, pipeline, plan_of
from scipy.stats import beta  # type: ignore[import-untyped]
from ttscale.runtime.strategies.stopping import RULES, certainty, drawn, is_decided, streak


@given(st.lists(st.sampled_from([0, 1, 2, None]), max_size=9), st.integers(0, 4))
def test_a_decided_vote_stays_whatever_comes(classes: list[int | None], left: int) -> None:
    def winner(found: list[int | None]) -> int | None:
        known = [number for number in found if number is not None]
        return max(dict.fromkeys(known), key=known.count) if known else None

    if is_decided(classes, len(classes) + left):
        for more in itertools.product([0, 1, 2, 3, None], repeat=left):
            assert winner([*classes, *more]) == winner(classes)


def test_certainty_is_the_beta_posterior() -> None:
    for first in range(1, 12):
        for second in range(first + 1):
            classes = [0] * first + [1] * second + [2] * min(1, second) + [None]
            assert certainty(classes) == pytest.approx(beta.sf(0.5, first + 1, second + 1))
    assert certainty([]) == certainty([None]) == 0
    assert certainty([0, 1]) == pytest.approx(0.5)


def test_a_streak_counts_from_the_end() -> None:
    assert streak([0, 1, 1, 1]) == 3
    assert streak([1, 1, None]) == 0 and streak([]) == 0


def test_recorded_answers_are_drawn_in_rounds() -> None:
    same = [0] * 16
    assert drawn(same, "decided", 0, start=4, limit=16) == 16  # after 8 of 16 the other 8 could still tie
    assert drawn(same, "decided", 0, start=4, limit=16, further=1) == 9
    assert drawn(same, "certainty", 0.95, start=2, limit=16, further=1) == 4
    assert drawn(same, "streak", 5, start=1, limit=16, further=2) == 5
    assert drawn([0, 1] * 8, "agreement", 0.9, start=4, limit=16) == 16
    draw = random.Random(1)
    for rule in RULES:
        classes = [draw.choice([0, 0, 1, None]) for _ in range(16)]
        assert 1 <= drawn(classes, rule, 0.9, start=1, limit=16, further=1) <= 16
    with pytest.raises(ValueError, match="first round"):
        drawn(same, "decided", 0, start=0, limit=16)


def until(condition: str, more: str = "start: 2, round: 1") -> str:
    replies = ", ".join(f'"Answer: {number}"' for number in (1, 1, 2, 1, 1, 1, 1, 1, 1))
    return pipeline(
        f"return generate(ask(question), from: m, n: up to 9, {more}, until: {condition}) |> vote()",
        f"model m = script({replies})",
    )


@pytest.mark.parametrize(
    ("condition", "calls"),
    [("decided", 6), ("certainty >= 0.8", 2), ("certainty >= 0.9", 6), ("streak >= 3", 6), ("decided or size >= 4", 4)],
)
async def test_sampling_stops_when_the_rule_says_so(condition: str, calls: int) -> None:
    result = await answer(until(condition))
    assert (result.trace.calls, result.answer) == (calls, 1)


async def test_rounds_add_what_they_are_told_to() -> None:
    assert (await answer(until("agreement > 1", "start: 2, round: 3"))).trace.calls == 9
    plan = plan_of(until("decided", "start: 2, round: 3"))
    doubling = plan_of(until("decided", "start: 2"))
    assert plan.maximum.sequential_tokens == doubling.maximum.sequential_tokens  # four rounds either way
    assert plan_of(until("decided")).maximum.sequential_tokens == 2 * plan.maximum.sequential_tokens


def test_decided_is_about_what_is_being_sampled() -> None:
    drafts = "drafts = generate(p.solve_number(question), from: small, n: 4)\n"
    assert "E0210" in body(f"{drafts}return drafts |> vote() when decided(drafts)")
    assert body("return generate(p.solve_number(question), from: small, n: 4, round: 2) |> vote()") == ["E0248"]
