"""The ledger: what one question may still spend, and which call may start now.

Calls have a total order: the stage's position in the plan, then the order within the stage. A call starts once
its worst case fits what is left after all earlier calls, counting those that finished at their actual cost and the
others at their worst. It is refused only when that fails with all earlier ones finished. So what is admitted is what
a run that asks one call after the other would admit, whatever the timing. A stage that has not yet said which calls
it makes counts at its bound from the plan; if that blocks a later call, the call waits.

`Ledger` is pure and synchronous: no clock, no tasks. `Admission` hands its decisions to waiting coroutines and knows
the one limit that depends on the machine, wall time since the first admission.
"""

from __future__ import annotations

import asyncio
from bisect import insort
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from ttscale.compiler.diagnostics import InternalError
from ttscale.compiler.ir import Budget

_ROUNDING = 1e-12


@dataclass(frozen=True, slots=True)
class Amount:
    """Calls, tokens (prompt and new) and US dollars."""

    calls: int = 0
    tokens: int = 0
    usd: float = 0.0

    def __add__(self, other: Amount) -> Amount:
        return Amount(self.calls + other.calls, self.tokens + other.tokens, self.usd + other.usd)

    def __sub__(self, other: Amount) -> Amount:
        return Amount(self.calls - other.calls, self.tokens - other.tokens, self.usd - other.usd)

    def at_least(self, other: Amount) -> Amount:
        """The greater of both, figure by figure."""
        return Amount(max(self.calls, other.calls), max(self.tokens, other.tokens), max(self.usd, other.usd))


NOTHING = Amount()


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars a prompt token and a new token."""

    prompt: float = 0.0
    new: float = 0.0


@dataclass(frozen=True, slots=True)
class Call:
    """What a call asks for, at most.

    `calls` is 1 for a completion and the number of labels for a scored judgement; `prompt_tokens` counts all of them.
    A call that `can_shorten` may be admitted with fewer new tokens. All of its tokens count for each of the `models`
    that compute them; `price` is what they cost together.
    """

    prompt_tokens: int
    new_tokens: int
    price: Price = Price()
    calls: int = 1
    can_shorten: bool = True
    models: int = 1

    def cost(self, new_tokens: int, further: int | None = None) -> Amount:
        """What it costs when it makes `new_tokens` new tokens; `further` is what other models read, if not all."""
        usd = self.prompt_tokens * self.price.prompt + new_tokens * self.price.new
        own = self.prompt_tokens + new_tokens
        return Amount(self.calls, own * self.models if further is None else own + further, usd)

    @property
    def worst(self) -> Amount:
        """Its cost when every allowed token is made."""
        return self.cost(self.new_tokens)


CallKey = tuple[int, ...]
"""Stage position, then the order within the stage (a repeated attempt adds one more number)."""

State = Literal["waiting", "running", "finished", "refused"]


@dataclass(frozen=True, slots=True)
class Decision:
    """What became of a call: it starts with `limit` new tokens (`cut`: fewer than asked), or is refused."""

    key: CallKey
    started: bool
    limit: int = 0
    cut: bool = False
    reason: str = ""


@dataclass(slots=True)
class _Entry:
    call: Call
    state: State = "waiting"
    charge: Amount = NOTHING


@dataclass(slots=True)
class _StageBook:
    bound: Amount
    sealed: bool = False
    keys: list[CallKey] = field(default_factory=list)
    asked: Amount = NOTHING
    settled_keys: int = 0
    settled_cost: Amount = NOTHING

    def add(self, key: CallKey, call: Call) -> None:
        """Enter a call in its place; the settled keys at the front are counted anew if it stands among them."""
        insort(self.keys, key)
        self.asked = self.asked + call.worst
        if self.settled_keys and key < self.keys[self.settled_keys]:
            self.settled_keys, self.settled_cost = 0, NOTHING

    def still_to_come(self) -> Amount:
        """What calls not yet made may cost: the stage's bound without the worst case of those made."""
        if self.sealed:
            return NOTHING
        left = (self.bound - self.asked).at_least(NOTHING)
        if self.bound.calls and left.calls:
            share = left.calls / self.bound.calls
            average = Amount(left.calls, int(self.bound.tokens * share + 0.999), self.bound.usd * share)
            return left.at_least(average)
        return left


class Ledger:
    """The books of one question: a budget, the bound of every stage in plan order, and every call made."""

    def __init__(self, budget: Budget, bounds: Sequence[Amount]) -> None:
        self._limits = Amount(
            budget.calls if budget.calls is not None else 2**62,
            budget.tokens if budget.tokens is not None else 2**62,
            budget.cost if budget.cost is not None else float("inf"),
        )
        self._open = budget.calls is None and budget.tokens is None and budget.cost is None
        self._stages = [_StageBook(bound) for bound in bounds]
        self._entries: dict[CallKey, _Entry] = {}
        self._waiting: list[CallKey] = []
        self._reserved = NOTHING
        self._running = 0
        self._closed = ""

    @property
    def spent(self) -> Amount:
        """What finished calls cost and running ones may cost at most."""
        return self._reserved

    def ask(self, key: CallKey, call: Call) -> None:
        """Enter a call. Its stage must not be sealed."""
        book = self._stages[key[0]]
        if book.sealed or key in self._entries:
            raise InternalError(f"call {key} came after its stage was sealed, or twice")
        self._entries[key] = _Entry(call)
        book.add(key, call)
        insort(self._waiting, key)

    def seal(self, position: int) -> None:
        """Say that the stage at `position` makes no further calls; idempotent."""
        self._stages[position].sealed = True

    def finish(
        self, key: CallKey, new_tokens: int, prompt_tokens: int | None = None, further: int | None = None
    ) -> Amount:
        """Enter a running call's actual cost and return it; `prompt_tokens` where they proved other than asked.

        `further` are the tokens that other models have read, where they have not read all.
        """
        entry = self._entries[key]
        if entry.state != "running":
            raise InternalError(f"call {key} finished while {entry.state}")
        call = entry.call if prompt_tokens is None else replace(entry.call, prompt_tokens=prompt_tokens)
        actual = call.cost(new_tokens, further)
        self._reserved = self._reserved - entry.charge + actual
        entry.state, entry.charge = "finished", actual
        self._running -= 1
        return actual

    def close(self, reason: str) -> None:
        """Admit nothing from now on: what waits, and what will be asked, is refused with `reason`."""
        self._closed = self._closed or reason

    def decide(self) -> list[Decision]:
        """Everything that can be decided now, in the order of calls; decisions are entered in the books."""
        if self._closed:
            return [self._refuse(key, self._closed) for key in list(self._waiting)]
        if self._open:
            return [self._start(key, self._entries[key].call.new_tokens, cut=False) for key in list(self._waiting)]
        if not self._waiting:
            return []
        return self._walk()

    def _walk(self) -> list[Decision]:
        decisions: list[Decision] = []
        before = NOTHING
        settled = True
        for book in self._stages:
            self._pass_settled(book)
            before = before + book.settled_cost
            for key in book.keys[book.settled_keys :]:
                entry = self._entries[key]
                if entry.state == "waiting":
                    decision = self._judge(key, entry.call, before, settled)
                    if decision is None:
                        return decisions
                    decisions.append(decision)
                before = before + entry.charge
                settled = settled and entry.state != "running"
            if not book.sealed:
                before = before + book.still_to_come()
                settled = False
            if not self._waiting:
                break
        return decisions

    def _pass_settled(self, book: _StageBook) -> None:
        """Add up, once, the calls at the front of a stage that are over."""
        while book.settled_keys < len(book.keys):
            entry = self._entries[book.keys[book.settled_keys]]
            if entry.state not in ("finished", "refused"):
                return
            book.settled_cost = book.settled_cost + entry.charge
            book.settled_keys += 1

    def _judge(self, key: CallKey, call: Call, before: Amount, settled: bool) -> Decision | None:
        """Start or refuse a waiting call, or None to let it wait. `before` is what earlier calls leave used."""
        # `_reserved` holds later calls too. With true bounds it adds nothing to `before`; it keeps the ceiling hard
        # where a stage's bound, made from assumed input sizes, proved too small and a later call already runs.
        if self._fits(before + call.worst) and self._fits(self._reserved + call.worst):
            return self._start(key, call.new_tokens, cut=False)
        if not settled:
            return None
        if not self._fits(self._reserved + call.worst) and self._running:
            return None
        used = before.at_least(self._reserved)
        limit = self._longest(call, used) if call.can_shorten else 0
        if limit >= 1:
            return self._start(key, limit, cut=True)
        return self._refuse(key, self._lacking(used + call.worst))

    def _longest(self, call: Call, used: Amount) -> int:
        """The most new tokens that `call` may make when `used` is gone."""
        if not self._fits(used + call.cost(0)):
            return 0
        room = self._limits - (used + call.cost(0))
        limit = min(call.new_tokens, room.tokens // call.models)
        if call.price.new > 0 and room.usd != float("inf"):
            limit = min(limit, int((room.usd + _ROUNDING) / call.price.new))
        return limit

    def _fits(self, amount: Amount) -> bool:
        return not self._lacking(amount)

    def _lacking(self, amount: Amount) -> str:
        """Which limit `amount` breaks: calls, tokens, cost, or none of them ("")."""
        if amount.calls > self._limits.calls:
            return "calls"
        if amount.tokens > self._limits.tokens:
            return "tokens"
        return "cost" if amount.usd > self._limits.usd + _ROUNDING else ""

    def _start(self, key: CallKey, limit: int, *, cut: bool) -> Decision:
        entry = self._entries[key]
        entry.state, entry.charge = "running", entry.call.cost(limit)
        self._running += 1
        self._reserved = self._reserved + entry.charge
        self._waiting.remove(key)
        return Decision(key, True, limit, cut, "tokens" if cut else "")

    def _refuse(self, key: CallKey, reason: str) -> Decision:
        self._entries[key].state = "refused"
        self._waiting.remove(key)
        return Decision(key, False, reason=reason)


class Admission:
    """A ledger that coroutines wait at.

    `on_expire` is called once when the wall time ends or `expire` is called, after all waiting calls were refused.
    """

    def __init__(self, ledger: Ledger, seconds: float | None, on_expire: Callable[[str], None]) -> None:
        self._ledger = ledger
        self._seconds = seconds
        self._on_expire = on_expire
        self._tickets: dict[CallKey, asyncio.Future[Decision]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self.expired = ""

    @property
    def spent(self) -> Amount:
        """What finished calls cost and running ones may cost at most."""
        return self._ledger.spent

    def ask(self, calls: Iterable[tuple[CallKey, Call]]) -> dict[CallKey, asyncio.Future[Decision]]:
        """Enter calls and return a future decision for each."""
        loop = asyncio.get_running_loop()
        asked: dict[CallKey, asyncio.Future[Decision]] = {}
        for key, call in calls:
            self._ledger.ask(key, call)
            asked[key] = self._tickets[key] = loop.create_future()
        self._settle()
        return asked

    def finish(
        self, key: CallKey, new_tokens: int, prompt_tokens: int | None = None, further: int | None = None
    ) -> Amount:
        """Enter the actual cost of a running call, let others start, and return it."""
        actual = self._ledger.finish(key, new_tokens, prompt_tokens, further)
        self._settle()
        return actual

    def seal(self, position: int) -> None:
        """Say that a stage makes no further calls."""
        self._ledger.seal(position)
        self._settle()

    def expire(self, reason: str) -> None:
        """Refuse all that waits and all that will be asked; idempotent."""
        if self.expired:
            return
        self.expired = reason
        self._ledger.close(reason)
        self._settle()
        self._on_expire(reason)

    def close(self) -> None:
        """Forget the timer; to be called when the run ends."""
        if self._timer is not None:
            self._timer.cancel()

    def _settle(self) -> None:
        for decision in self._ledger.decide():
            if decision.started and self._timer is None and self._seconds is not None:
                self._timer = asyncio.get_running_loop().call_later(self._seconds, self.expire, "seconds")
            future = self._tickets.pop(decision.key)
            if not future.done():
                future.set_result(decision)
            elif decision.started:  # its stage was cancelled while it waited
                self._ledger.finish(decision.key, 0)
