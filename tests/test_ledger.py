"""The ledger: what it admits is what one call after the other would admit, and no limit is ever passed."""

from __future__ import annotations

import asyncio
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ttscale.compiler.diagnostics import InternalError
from ttscale.compiler.ir import Budget
from ttscale.runtime.ledger import Admission, Amount, Call, CallKey, Ledger, Price

Work = tuple[Call, int]
"""A call and how many new tokens it would make if nothing stopped it."""


@st.composite
def works(draw: st.DrawFn) -> list[list[Work]]:
    """Calls of one to four stages."""
    stages = []
    for _ in range(draw(st.integers(1, 4))):
        calls = []
        for _ in range(draw(st.integers(0, 6))):
            price = Price(1e-6, 2e-6) if draw(st.booleans()) else Price()
            new = draw(st.integers(1, 60))
            can_shorten = draw(st.booleans())
            count = 1 if can_shorten else draw(st.integers(1, 3))
            call = Call(draw(st.integers(0, 40)), new, price, count, can_shorten)
            calls.append((call, draw(st.integers(0, new))))
        stages.append(calls)
    return stages


budgets = st.builds(
    Budget,
    calls=st.none() | st.integers(0, 14),
    tokens=st.none() | st.integers(0, 500),
    seconds=st.none(),
    cost=st.none() | st.floats(0, 0.0006),
)


def total(calls: list[Call]) -> Amount:
    found = Amount()
    for call in calls:
        found = found + call.worst
    return found


def within(spent: Amount, budget: Budget) -> bool:
    return (
        (budget.calls is None or spent.calls <= budget.calls)
        and (budget.tokens is None or spent.tokens <= budget.tokens)
        and (budget.cost is None or spent.usd <= budget.cost + 1e-9)
    )


def sequential(stages: list[list[Work]], budget: Budget) -> dict[CallKey, tuple[bool, int]]:
    """What a run that asks one call after the other would do: started or not, and the limit on new tokens."""
    spent = Amount()
    outcome: dict[CallKey, tuple[bool, int]] = {}
    for position, calls in enumerate(stages):
        for order, (call, natural) in enumerate(calls):
            limits = [call.new_tokens] if not call.can_shorten else list(range(call.new_tokens, 0, -1))
            limit = next((one for one in limits if within(spent + call.cost(one), budget)), None)
            outcome[(position, order)] = (limit is not None, limit or 0)
            if limit is not None:
                spent = spent + call.cost(min(limit, natural))
    return outcome


def concurrent(
    stages: list[list[Work]], budget: Budget, chooser: random.Random, slack: int
) -> dict[CallKey, tuple[bool, int]]:
    """The same with calls that finish in random order and stages that say late what they ask, checked at every step."""
    bounds = [total([call for call, _ in calls]) for calls in stages]
    bounds = [Amount(b.calls + slack, b.tokens + 7 * slack, b.usd) for b in bounds]
    ledger = Ledger(budget, bounds)
    unasked = list(range(len(stages)))
    running: list[CallKey] = []
    outcome: dict[CallKey, tuple[bool, int]] = {}
    while unasked or running or len(outcome) < sum(map(len, stages)):
        if unasked and (not running or chooser.random() < 0.5):
            position = unasked.pop(chooser.randrange(len(unasked)))
            for order, (call, _) in enumerate(stages[position]):
                ledger.ask((position, order), call)
            ledger.seal(position)
        elif running:
            key = running.pop(chooser.randrange(len(running)))
            ledger.finish(key, min(outcome[key][1], stages[key[0]][key[1]][1]))
        for decision in ledger.decide():
            outcome[decision.key] = (decision.started, decision.limit)
            if decision.started:
                running.append(decision.key)
        assert within(ledger.spent, budget)
        assert unasked or running or len(outcome) == sum(map(len, stages)), "nothing runs and something waits"
    return outcome


@given(works(), budgets, st.randoms(use_true_random=False), st.integers(0, 3))
@settings(max_examples=300, deadline=None)
def test_what_is_admitted_is_what_one_after_the_other_would_admit(
    stages: list[list[Work]], budget: Budget, chooser: random.Random, slack: int
) -> None:
    assert concurrent(stages, budget, chooser, slack) == sequential(stages, budget)


@given(works(), budgets, st.randoms(use_true_random=False))
@settings(max_examples=150, deadline=None)
def test_limits_hold_even_where_a_plan_foresaw_too_little(
    stages: list[list[Work]], budget: Budget, chooser: random.Random
) -> None:
    ledger = Ledger(budget, [Amount()] * len(stages))  # bounds of nothing: later stages start too early
    order = list(range(len(stages)))
    chooser.shuffle(order)
    running: list[tuple[CallKey, int]] = []
    decided = 0
    while order or running:
        if order and (not running or chooser.random() < 0.5):
            position = order.pop()
            for place, (call, _) in enumerate(stages[position]):
                ledger.ask((position, place), call)
            ledger.seal(position)
        else:
            key, limit = running.pop(chooser.randrange(len(running)))
            ledger.finish(key, min(limit, stages[key[0]][key[1]][1]))
        for decision in ledger.decide():
            decided += 1
            if decision.started:
                running.append((decision.key, decision.limit))
        assert within(ledger.spent, budget)
    assert decided == sum(map(len, stages))


def test_a_later_call_waits_for_an_earlier_stage_that_has_not_asked_yet() -> None:
    ledger = Ledger(Budget(tokens=100), [Amount(1, 60), Amount(1, 60)])
    ledger.ask((1, 0), Call(10, 50))
    ledger.seal(1)
    assert ledger.decide() == []
    ledger.ask((0, 0), Call(10, 50))
    ledger.seal(0)
    (first,) = ledger.decide()
    assert first.key == (0, 0) and first.limit == 50
    ledger.finish((0, 0), 20)
    (second,) = ledger.decide()
    assert second.key == (1, 0) and second.limit == 50 and not second.cut


def test_a_call_is_shortened_once_and_marked_cut() -> None:
    ledger = Ledger(Budget(tokens=100), [Amount(2, 120)])
    ledger.ask((0, 0), Call(10, 50))
    ledger.ask((0, 1), Call(10, 50))
    ledger.seal(0)
    assert [d.key for d in ledger.decide()] == [(0, 0)]
    ledger.finish((0, 0), 50)
    (decision,) = ledger.decide()
    assert decision.started and decision.cut and decision.limit == 30


def test_a_judgement_is_not_shortened_but_refused() -> None:
    ledger = Ledger(Budget(tokens=100), [Amount(2, 120)])
    ledger.ask((0, 0), Call(10, 50))
    ledger.ask((0, 1), Call(10, 50, can_shorten=False))
    ledger.seal(0)
    ledger.decide()
    ledger.finish((0, 0), 50)
    (decision,) = ledger.decide()
    assert not decision.started and decision.reason == "tokens"


def test_finishing_cheaper_than_feared_lets_the_next_start() -> None:
    ledger = Ledger(Budget(cost=0.001), [Amount(2, 400, 0.0016)])
    for order in range(2):
        ledger.ask((0, order), Call(0, 100, Price(0, 8e-6)))
    ledger.seal(0)
    assert [d.key for d in ledger.decide()] == [(0, 0)]
    ledger.finish((0, 0), 10)
    (decision,) = ledger.decide()
    assert decision.started and not decision.cut


def test_a_repeated_attempt_stands_behind_the_first_one() -> None:
    ledger = Ledger(Budget(calls=2), [Amount(3, 0)])
    for order in range(2):
        ledger.ask((0, order), Call(1, 1))
    assert [d.key for d in ledger.decide()] == [(0, 0), (0, 1)]
    ledger.finish((0, 0), 0)
    ledger.finish((0, 1), 1)
    ledger.ask((0, 0, 1), Call(1, 1))
    ledger.seal(0)
    (decision,) = ledger.decide()
    assert not decision.started and decision.reason == "calls"


def test_asking_after_the_seal_or_finishing_twice_is_our_own_mistake() -> None:
    ledger = Ledger(Budget(), [Amount()])
    ledger.ask((0, 0), Call(1, 1))
    ledger.seal(0)
    ledger.decide()
    ledger.finish((0, 0), 1)
    with pytest.raises(InternalError):
        ledger.finish((0, 0), 1)
    with pytest.raises(InternalError):
        ledger.ask((0, 1), Call(1, 1))


async def test_the_wall_clock_refuses_what_waits_and_says_so_once() -> None:
    reasons: list[str] = []
    admission = Admission(Ledger(Budget(calls=1, seconds=0.01), [Amount(2, 4)]), 0.01, reasons.append)
    tickets = admission.ask([((0, 0), Call(1, 1)), ((0, 1), Call(1, 1))])
    assert (await tickets[(0, 0)]).started
    refused = await tickets[(0, 1)]
    assert not refused.started and refused.reason == "seconds"
    admission.expire("stopped")
    assert reasons == ["seconds"] and admission.expired == "seconds"


async def test_calls_wait_for_each_other_across_coroutines() -> None:
    admission = Admission(Ledger(Budget(calls=2, tokens=25), [Amount(2, 40)]), None, lambda _: None)
    tickets = admission.ask([((0, 0), Call(10, 10)), ((0, 1), Call(10, 10))])
    assert (await tickets[(0, 0)]).started
    await asyncio.sleep(0)
    assert not tickets[(0, 1)].done()
    admission.finish((0, 0), 0)
    admission.seal(0)
    decision = await tickets[(0, 1)]
    assert decision.started and decision.cut and decision.limit == 5
    assert admission.spent.tokens == 25
