"""From what a stage wants asked to requests at engines, under the ledger.

A stage hands over its asks in order. Each becomes a call that waits for admission; calls that may start together and
have one prompt become one request, so that they share its prefill. What an engine cannot serve is tried again and then
asked of another model, as the stage says; every attempt is a call of its own in the ledger and the trace.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass, replace
from itertools import groupby

from ttscale.compiler.ir import Model, Stage
from ttscale.compiler.models import prices
from ttscale.compiler.plan import Cost
from ttscale.runtime.bank.asking import Drawn, is_local, plainly
from ttscale.runtime.bank.keys import Spot
from ttscale.runtime.desk import Ask, Desk, Judgement, Prompt, Reply, ReplyState, Verdict, prompt_sizes, together
from ttscale.runtime.engines.base import Completion, ContextExceeded, Engine, EngineError, Request
from ttscale.runtime.ledger import Call, CallKey, Decision, Price
from ttscale.runtime.seeds import messages_digest, sample_seed
from ttscale.runtime.verdicts import score_labels
from ttscale.runtime.watch import WatchingEngine

_GRACE_SECONDS = 1.0
"""How much longer than a call's own `timeout:` we wait for an engine to end it by itself."""


@dataclass(slots=True)
class _Pending:
    """An ask on its way: its place in the ledger and the engine it goes to."""

    place: int
    ask: Ask
    model: Model
    engine: Engine
    attempt: int
    key: CallKey
    prompt_tokens: int
    seed: int
    decision: Decision | None = None


class Caller:
    """The calls of one stage. `sequential_tokens` grows by the longest new text of each round."""

    def __init__(self, desk: Desk, stage: Stage, position: int) -> None:
        self._desk = desk
        self._stage = stage
        self._position = position
        self._order = 0
        self._done: Callable[[int, Reply], None] | None = None
        self.sequential_tokens = 0

    @property
    def limits_met(self) -> bool:
        """Whether a limit has refused or shortened any call of this run."""
        return bool(self._desk.limits_met)

    @property
    def run_seed(self) -> int:
        """The run's seed."""
        return self._desk.run_seed

    async def engine(self, model: Model) -> Engine:
        """The engine of a model; with a bank, weights may not be loaded yet. Raises EngineError."""
        return await self._desk.engines.get(model)

    async def sample(self, asks: Sequence[Ask], done: Callable[[int, Reply], None] | None = None) -> list[Reply]:
        """Ask for samples; one reply an ask, in order.

        `done` hears of each sample, by its place in `asks`, as soon as it is there. Raises EngineError where a model
        cannot be opened.
        """
        places = [self._order + offset for offset in range(len(asks))]
        self._done = None if done is None else lambda place, reply: done(place - places[0], reply)
        self._order += len(asks)
        replies = await self._round([(place, ask, 0) for place, ask in zip(places, asks, strict=True)])
        most_retries = max((ask.retry for ask in asks), default=0)
        for attempt in range(1, most_retries + 1):
            again = [
                (place, ask, attempt)
                for place, ask in zip(places, asks, strict=True)
                if replies[place].state == "failed" and replies[place].can_retry and ask.retry >= attempt
            ]
            if again:
                replies.update(await self._round(again))
        instead = [
            (place, replace(ask, model=ask.or_else, or_else=None), ask.retry + 1)
            for place, ask in zip(places, asks, strict=True)
            if replies[place].state == "failed" and ask.or_else is not None
        ]
        if instead:
            replies.update(await self._round(instead))
        return [replies[place] for place in places]

    async def score(self, model: Model, judgements: Sequence[Judgement]) -> list[Verdict]:
        """Score labels after prompts; one verdict a judgement, in order.

        Raises EngineError where a model cannot be opened.
        """
        first = self._order
        self._order += len(judgements)
        keys = [(self._position, first + offset) for offset in range(len(judgements))]
        engine = await self.engine(model)
        return await score_labels(self._desk, self._stage, model, engine, keys, judgements)

    # --- one round of samples --------------------------------------------------------------------------

    async def _round(self, wanted: Sequence[tuple[int, Ask, int]]) -> dict[int, Reply]:
        replies: dict[int, Reply] = {}
        pending: list[_Pending] = []
        opened: list[tuple[int, Ask, int, Engine]] = []
        known: dict[tuple[int, Prompt], int] = {}
        for place, ask, attempt in wanted:
            engine = await self._open(ask, attempt, known)
            if isinstance(engine, Reply):
                replies[place] = engine
            else:
                opened.append((place, _kept(ask, engine), attempt, engine))
        sizes = await prompt_sizes(((engine, ask.messages) for _, ask, _, engine in opened), known)
        for place, ask, attempt, engine in opened:
            tokens, context = sizes[id(engine), ask.messages], engine.capabilities.context
            if isinstance(tokens, int) and context is not None and tokens >= context:
                tokens = ContextExceeded(tokens, context)
            if isinstance(tokens, EngineError):
                self._failed(ask, attempt, str(tokens))
                replies[place] = Reply(ask, "failed", reason=str(tokens), can_retry=_can_retry(tokens), error=tokens)
                continue
            key = (self._position, place) if attempt == 0 else (self._position, place, attempt)
            digest = messages_digest(ask.messages)
            seed = sample_seed(self._desk.run_seed, engine.digest, digest, ask.sampling, ask.series, attempt, ask.index)
            pending.append(_Pending(place, ask, ask.model, engine, attempt, key, tokens, seed))
        calls = [(p.key, _call(p)) for p in pending]
        tickets = self._desk.admission.ask(calls)
        ordered = any(item.model.kind == "script" for item in pending)
        await together([self._group(group, tickets, replies) for group in _requests(pending, ordered)], ordered=ordered)
        self.sequential_tokens += max(
            (reply.completion.new_tokens for reply in replies.values() if reply.completion is not None), default=0
        )
        return replies

    async def _open(self, ask: Ask, attempt: int, known: dict[tuple[int, Prompt], int]) -> Engine | Reply:
        """The engine of an ask; a failed reply where it cannot be opened and `or_else` names another.

        It is not started for a sample that the bank has, whose prompt's tokens are then `known`.
        """
        try:
            engine = await self.engine(ask.model)
            bank = self._desk.bank
            if bank is not None and is_local(ask.model):
                tokens = bank.prompt_tokens(engine, _kept(ask, engine), attempt, self._desk.run_seed)
                if tokens is not None:
                    known[id(engine), ask.messages] = tokens
                    return engine
            await engine.start()
            return engine
        except EngineError as error:
            if ask.or_else is None:
                raise
            self._failed(ask, 0, str(error))
            return Reply(ask, "failed", reason=str(error), can_retry=False, error=error)

    async def _group(
        self, group: Sequence[_Pending], tickets: Mapping[CallKey, asyncio.Future[Decision]], replies: dict[int, Reply]
    ) -> None:
        """Send what of one prompt may start, whenever something may."""
        by_ticket = {tickets[item.key]: item for item in group}
        news: asyncio.Queue[asyncio.Future[Decision]] = asyncio.Queue()
        for ticket in by_ticket:
            ticket.add_done_callback(news.put_nowait)
        undecided = len(by_ticket)
        async with asyncio.TaskGroup() as streams:
            while undecided:
                decided = [await news.get()]
                while not news.empty():  # what was decided together goes to the engine together
                    decided.append(news.get_nowait())
                undecided -= len(decided)
                admitted: list[_Pending] = []
                for future in decided:
                    item, decision = by_ticket[future], future.result()
                    item.decision = decision
                    if decision.started:
                        admitted.append(item)
                    else:
                        replies[item.place] = self._refused(item, decision.reason)
                if admitted:
                    self._desk.track(streams.create_task(self._stream(admitted, replies)))
        for item in group:
            if item.place not in replies:  # its request was cancelled before its first step and left no word
                replies[item.place] = self._lost(item, "cancelled", self._desk.admission.expired, None)

    async def _stream(self, items: Sequence[_Pending], replies: dict[int, Reply]) -> None:
        """One request at an engine: note every sample as it finishes, then what is missing."""
        ask = items[0].ask
        limits = tuple(item.decision.limit if item.decision else ask.most_tokens for item in items)
        request = Request(
            ask.messages,
            tuple(item.seed for item in items),
            ask.max_tokens,
            ask.sampling,
            ask.stop,
            ask.thinking,
            limits if any(limit != ask.most_tokens for limit in limits) else None,
            ask.timeout,
            (-self._position,),
            constraint=ask.constraint,
            stop_patterns=ask.stop_patterns,
            keep=tuple(item.ask.keep for item in items) if items[0].engine.capabilities.keeps else None,
            watch=ask.watched_by,
        )
        missing = dict(enumerate(items))
        state: ReplyState = "failed"
        error: EngineError | None = None
        reason = "the engine gave no answer"
        try:
            async with asyncio.timeout(None if ask.timeout is None else ask.timeout + _GRACE_SECONDS):
                async with aclosing(self._drawn(items, request)) as stream:
                    async for drawn in stream:
                        item = missing.pop(drawn.completion.index)
                        reply = replies[item.place] = self._completed(item, drawn)
                        if reply.state == "done" and self._done is not None:
                            self._done(item.place, reply)
        except TimeoutError:
            reason = f"it took longer than {ask.timeout:g} seconds"
        except EngineError as caught:
            error, reason = caught, str(caught)
        except asyncio.CancelledError:
            if not self._desk.admission.expired:
                for item in missing.values():
                    self._desk.admission.finish(item.key, 0)
                raise
            state, reason = "cancelled", self._desk.admission.expired
        for item in missing.values():
            replies[item.place] = self._lost(item, state, reason, error)

    def _drawn(self, items: Sequence[_Pending], request: Request) -> AsyncGenerator[Drawn, None]:
        """The completions of a request, from the bank where there is one; scripts reply in the order of their calls."""
        bank, first = self._desk.bank, items[0]
        engine = first.engine if first.ask.watch is None else WatchingEngine(first.engine, first.ask.watch)
        if bank is None or first.model.kind == "script":
            return plainly(engine, request)
        spots = [Spot(item.ask.series, item.attempt, item.ask.index) for item in items]
        return bank.samples(self._stage.path, first.model, engine, request, spots, self._desk.run_seed)

    # --- what became of a call -------------------------------------------------------------------------

    def _completed(self, item: _Pending, drawn: Drawn) -> Reply:
        completion = drawn.completion
        made = completion.made_tokens
        prompt_tokens = completion.read_tokens or item.prompt_tokens
        further = _further(item, completion, prompt_tokens)
        more_read, more_made = (sum(each) for each in zip(*further, strict=True)) if further else (0, 0)
        actual = self._desk.admission.finish(item.key, made, completion.read_tokens or None, more_read + more_made)
        decision = item.decision
        cut = decision is not None and decision.cut and completion.finish == "length"
        if decision is not None and decision.cut:
            self._desk.limits_met[decision.reason] = None
            self._desk.recorder.emit(
                "call_cut", self._stage, cause=decision.reason, data={"limit": decision.limit, **_names(item)}
            )
        failed = completion.finish == "failed" or (completion.finish == "cancelled" and item.ask.timeout is not None)
        self._desk.recorder.emit(
            "call_failed" if failed else "call_finished",
            self._stage,
            cause=completion.error,
            cost=Cost(1, prompt_tokens + more_read, made + more_made, made, actual.usd),
            fresh=_fresh(item, drawn, prompt_tokens, further),
            seconds=completion.seconds,
            data={
                "finish": completion.finish,
                "sampling": asdict(item.ask.sampling),
                **_names(item),
                **({"from": drawn.source} if drawn.source != "fresh" else {}),
                **({} if completion.routed_tokens is None else {"routed_tokens": completion.routed_tokens}),
                **({"tokens_by_model": [prompt_tokens + made, *map(sum, further)]} if further else {}),
                **({"lost_tokens": completion.lost_tokens} if completion.lost_tokens else {}),
            },
        )
        for event in completion.watched:
            self._desk.recorder.emit(
                "watched",
                self._stage,
                cause=event.cause,
                data={**asdict(event), "dropped": event.dropped, **_names(item)},
            )
        if failed:
            reason = completion.error or f"it took longer than {item.ask.timeout or 0:g} seconds"
            return Reply(item.ask, "failed", completion, cut, reason)
        return Reply(item.ask, "cancelled" if completion.finish == "cancelled" else "done", completion, cut)

    def _lost(self, item: _Pending, state: ReplyState, reason: str, error: EngineError | None) -> Reply:
        actual = self._desk.admission.finish(item.key, 0)
        self._desk.recorder.emit(
            "call_failed",
            self._stage,
            cause=reason,
            cost=Cost(1, item.prompt_tokens * (1 + len(item.model.beside)), 0, 0, actual.usd),
            data=_names(item),
        )
        return Reply(item.ask, state, None, reason=reason, can_retry=_can_retry(error), error=error)

    def _refused(self, item: _Pending, reason: str) -> Reply:
        self._desk.limits_met[reason] = None
        self._desk.recorder.emit("call_refused", self._stage, cause=reason, data=_names(item))
        return Reply(item.ask, "refused", reason=reason)

    def _failed(self, ask: Ask, attempt: int, reason: str) -> None:
        data = {"model": ask.model.name, "series": ask.series, "index": ask.index, "attempt": attempt}
        self._desk.recorder.emit("call_failed", self._stage, cause=reason, data=data)


def _kept(ask: Ask, engine: Engine) -> Ask:
    """The ask as this engine can serve it: without a constraint where it knows no grammars."""
    return ask if ask.constraint is None or engine.capabilities.grammar else replace(ask, constraint=None)


def _requests(pending: Sequence[_Pending], ordered: bool) -> list[list[_Pending]]:
    """Calls that may be one request, together.

    With `ordered` only neighbours are: a group then holds no call that has to wait for one of a later group.
    """

    def settings(item: _Pending) -> tuple[object, ...]:
        ask = item.ask
        limits = (ask.max_tokens, ask.stop, ask.stop_patterns, ask.thinking, ask.timeout, ask.grammar)
        begun = None if ask.watch is None else ask.watch.begun
        watched = (ask.watched_by, None if begun is None else begun.token_ids)
        return (id(item.engine), ask.messages, ask.sampling, *limits, *watched)

    if ordered:
        return [list(group) for _, group in groupby(pending, settings)]
    groups: dict[object, list[_Pending]] = {}
    for item in pending:
        groups.setdefault(settings(item), []).append(item)
    return list(groups.values())


def _can_retry(error: EngineError | None) -> bool:
    """Whether the same request may succeed when it is asked again."""
    return error is None or not (error.fatal or isinstance(error, ContextExceeded))


def _call(item: _Pending) -> Call:
    """What a call asks for, at most: all tokens of all models that may compute them."""
    price = Price(*prices(item.model))
    return Call(item.prompt_tokens, item.ask.most_tokens, price, models=1 + len(item.model.beside))


def _further(item: _Pending, completion: Completion, prompt_tokens: int) -> list[tuple[int, int]]:
    """What each further model of a combination has read: tokens of the prompt, and of the answer."""
    if completion.routes is None:
        return [(prompt_tokens, completion.made_tokens) for _ in item.model.beside]
    return [completion.read_by(place) for place, _ in enumerate(item.model.beside, 1)]


def _fresh(item: _Pending, drawn: Drawn, prompt_tokens: int, further: Sequence[tuple[int, int]]) -> Cost:
    """What a completion cost now; nothing where it came from the bank."""
    if drawn.source == "bank":
        return Cost()
    prompt, new = prices(item.model)
    read, lost = drawn.completion.computed_tokens, drawn.completion.lost_prompt
    billed = min(read + lost, prompt_tokens) if read is not None and item.model.kind == "openai" else prompt_tokens
    usd = billed * prompt + drawn.fresh_tokens * new  # of samples that are one call, the first has the prompt
    known = drawn.completion.made_tokens - drawn.fresh_tokens
    read_too, made_too = sum(read for read, _ in further), sum(max(0, made - known) for _, made in further)
    return Cost(1, prompt_tokens + read_too, drawn.fresh_tokens + made_too, drawn.fresh_tokens, usd)


def _names(item: _Pending) -> dict[str, object]:
    return {
        "model": item.model.name,
        "series": item.ask.series,
        "index": item.ask.index,
        "attempt": item.attempt,
        "seed": item.seed,
    }
