"""The meter of a search: every call that really reaches an engine is paid for before it starts.

It stands between the runs and their engines, behind the bank: what the bank has never comes here, so shared samples are
paid once. A call's worst case is taken from the book before, and what it did not need is given back after; a call that
does not fit is refused, and from then on the meter is `spent`. To spare the book, amounts are taken a little ahead.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence

from ttscale.compiler.ir import Model
from ttscale.compiler.models import prices
from ttscale.runtime.desk import Engines
from ttscale.runtime.engines.base import (
    Capabilities,
    Completion,
    Embedding,
    Engine,
    EngineError,
    EngineStats,
    Message,
    Reading,
    Request,
    Scored,
)
from ttscale.runtime.ledger import NOTHING, Amount, Price
from ttscale.runtime.search.book import Book

AHEAD = 0.005
"""The share of a limit that is taken at once."""


class BudgetSpent(EngineError):
    """A call that the search's budget has no room for."""

    def __init__(self) -> None:
        super().__init__("the search's budget is spent", hint="raise its limits and run it again: it goes on")


class Meter:
    """What one worker may spend. All its methods run on one event loop; `spent_here` counts this process alone."""

    def __init__(self, book: Book) -> None:
        self.book = book
        self.is_spent = False
        self.spent_here = NOTHING
        self._taken = NOTHING
        self._running = NOTHING
        self._used = NOTHING
        self._settled = asyncio.Event()

    async def admit(self, worst: Amount) -> None:
        """Wait until a call may start. Raises BudgetSpent."""
        while not self.is_spent:
            free = self._taken - self._used - self._running
            if _fits(worst, free) or self._take(worst, free):
                self._running = self._running + worst
                return
            if self._running == NOTHING:
                break
            self._settled.clear()
            await self._settled.wait()
        self.is_spent = True
        raise BudgetSpent

    def _take(self, worst: Amount, free: Amount) -> bool:
        """Take what is missing from the book, a little more where there is plenty."""
        missing = (worst - free).at_least(NOTHING)
        limits = self.book.limits
        ahead = Amount(int((limits.calls or 0) * AHEAD), int((limits.tokens or 0) * AHEAD), (limits.usd or 0.0) * AHEAD)
        for wanted in dict.fromkeys((missing + ahead, missing)):
            if self.book.take(wanted):
                self._taken = self._taken + wanted
                return True
        return False

    def settle(self, worst: Amount, actual: Amount) -> None:
        """Enter what a call did cost; idempotent for the caller's own pair only."""
        self._running = self._running - worst
        self._used = self._used + actual
        self.spent_here = self.spent_here + actual
        self._settled.set()

    def flush(self) -> None:
        """Enter what was spent in the book and give the rest back; calls that run keep what they need."""
        keep = self._running
        self.book.settle(self._taken - keep, self._used)
        self._taken, self._used = keep, NOTHING
        self._settled.set()

    def between(self, engines: Engines) -> Engines:
        """The engines of a run, each behind this meter."""
        return MeteredEngines(engines, self)


def _fits(worst: Amount, free: Amount) -> bool:
    return worst.calls <= free.calls and worst.tokens <= free.tokens and worst.usd <= free.usd + 1e-12


class MeteredEngines:
    """The engines of one run behind a meter."""

    def __init__(self, engines: Engines, meter: Meter) -> None:
        self._engines = engines
        self._meter = meter
        self._opened: dict[Model, MeteredEngine] = {}

    async def get(self, model: Model) -> Engine:
        """The started engine of a model. Raises EngineError."""
        if model not in self._opened:
            for_prompt, for_new = prices(model)
            engine = await self._engines.get(model)
            self._opened[model] = MeteredEngine(engine, self._meter, Price(for_prompt, for_new))
        return self._opened[model]


class MeteredEngine:
    """An engine whose calls are paid for before they start."""

    def __init__(self, engine: Engine, meter: Meter, price: Price) -> None:
        self._engine = engine
        self._meter = meter
        self._price = price

    @property
    def digest(self) -> str:
        return self._engine.digest

    @property
    def capabilities(self) -> Capabilities:
        return self._engine.capabilities

    async def start(self) -> None:
        await self._engine.start()

    async def count_tokens(self, messages: Sequence[Message]) -> int:
        return await self._engine.count_tokens(messages)

    def _cost(self, calls: int, prompt: int, new: int) -> Amount:
        tokens = (prompt + new) * self._engine.capabilities.models  # as if each computed all
        return Amount(calls, tokens, prompt * self._price.prompt + new * self._price.new)

    def generate(self, request: Request) -> AsyncIterator[Completion]:
        """As the engine's own, once it is paid for. Raises BudgetSpent."""
        return self._generate(request)

    async def _generate(self, request: Request) -> AsyncGenerator[Completion, None]:
        prompt = await self._engine.count_tokens(request.messages)
        given = [0 if own is None else len(own.token_ids) for own in request.given or (None,) * len(request.seeds)]
        most = [max(0, limit - own) for limit, own in zip(request.most, given, strict=True)]
        worst = self._cost(len(most), prompt * len(most), sum(most))
        await self._meter.admit(worst)
        open_calls = dict(enumerate(most))
        actual = NOTHING
        try:
            async for made in self._engine.generate(request):
                if made.finish != "running":
                    left = open_calls.pop(made.index, None)
                    if left is not None:
                        new = max(0, made.new_tokens - given[made.index])
                        actual = actual + self._cost(1, made.prompt_tokens or prompt, new)
                yield made
        finally:
            # What was begun and not finished may have cost anything up to its limit.
            for new in open_calls.values():
                actual = actual + self._cost(1, prompt, new)
            self._meter.settle(worst, actual)

    async def score(
        self, messages: Sequence[Message], continuations: Sequence[str], *, priority: tuple[int, ...] = ()
    ) -> list[Scored]:
        """As the engine's own, once it is paid for: each continuation is a call. Raises BudgetSpent."""
        prompt = await self._engine.count_tokens(messages)
        worst = self._cost(len(continuations), prompt * len(continuations), len(" ".join(continuations).encode()))
        await self._meter.admit(worst)
        actual = worst
        try:
            found = await self._engine.score(messages, continuations, priority=priority)
            tokens = sum(len(own.logprobs) for own in found)
            actual = self._cost(len(found), sum(own.prompt_tokens for own in found), tokens)
            return found
        finally:
            self._meter.settle(worst, actual)

    async def embed(self, texts: Sequence[str]) -> list[Embedding]:
        """As the engine's own: vectors are no calls. Raises EngineError."""
        assert isinstance(self._engine, Reading)
        return await self._engine.embed(texts)

    async def rank(self, query: str, documents: Sequence[str]) -> list[float]:
        """As the engine's own. Raises EngineError."""
        assert isinstance(self._engine, Reading)
        return await self._engine.rank(query, documents)

    def stats(self) -> EngineStats:
        return self._engine.stats()

    async def close(self) -> None:
        await self._engine.close()
