"""An engine whose samples are watched: each goes on in place, so that no token is computed twice.

    WatchingEngine(engine, watch)      # gives what `engine.generate` gives, one completion a seed

A sample pauses where a watcher wants to look. What was computed of it stays in the engine's memory under a name until
the next part of it has been written; what a watcher says is put in as tokens behind it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from secrets import token_hex

from ttscale.runtime.engines.base import (
    Capabilities,
    Completion,
    Engine,
    EngineError,
    EngineStats,
    Given,
    Keeping,
    Message,
    Pause,
    Request,
    Scored,
    thoughts_limit,
)
from ttscale.runtime.watch.follower import Follower, Step, cut_back
from ttscale.runtime.watch.named import Watch


class WatchingEngine:
    """An engine seen through watchers. It gives no beginnings of samples and takes none but the watch's own."""

    def __init__(self, engine: Engine, watch: Watch) -> None:
        self._engine = engine
        self._watch = watch

    @property
    def digest(self) -> str:
        """That of the engine: what watchers do is part of a sample's identity by `Request.watch`."""
        return self._engine.digest

    @property
    def capabilities(self) -> Capabilities:
        """Those of the engine, but samples that were begun elsewhere are not gone on from."""
        return replace(self._engine.capabilities, resumes=False)

    async def start(self) -> None:
        """Load the model. Raises EngineError, also where the engine cannot pause."""
        await self._engine.start()
        if not self._engine.capabilities.pauses:
            raise EngineError(
                "this model's samples cannot be watched: it does not let them pause and go on",
                hint="`watch:` works with models that run in the process (`gguf`) and not with `reproducible: true`",
            )

    async def count_tokens(self, messages: Sequence[Message]) -> int:
        """As the engine does."""
        return await self._engine.count_tokens(messages)

    async def generate(self, request: Request) -> AsyncIterator[Completion]:
        """One completion a seed, as each ends. Raises EngineError or ContextExceeded."""
        run = _Run(self._engine, self._watch, request)
        try:
            async for completion in run.completions():
                yield completion
        finally:
            await run.close()

    async def score(
        self, messages: Sequence[Message], continuations: Sequence[str], *, priority: tuple[int, ...] = ()
    ) -> list[Scored]:
        """As the engine does."""
        return await self._engine.score(messages, continuations, priority=priority)

    def stats(self) -> EngineStats:
        """Those of the engine."""
        return self._engine.stats()

    async def close(self) -> None:
        """The engine is closed by whoever opened it."""


@dataclass(slots=True)
class _Sample:
    """One sample on its way: its follower, what is kept of it, up to where its tokens end nothing, and its costs."""

    follower: Follower
    kept: str = ""
    free: int = 0
    seconds: float = 0.0
    computed: int = 0


class _Run:
    """The samples of one request."""

    def __init__(self, engine: Engine, watch: Watch, request: Request) -> None:
        self._engine = engine
        self._watch = watch
        self._request = request
        self._begun = time.monotonic()
        self._prefix = f"watch/{token_hex(6)}"
        self._named = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._news: asyncio.Queue[Completion | BaseException] = asyncio.Queue()
        forced, begun = thoughts_limit(request.thinking), watch.begun
        self._samples = [
            _Sample(
                Follower(watch.watchings, most, forced=forced, forks=begun is None),
                free=0 if begun is None else begun.free,
            )
            for most in request.most
        ]

    async def completions(self) -> AsyncIterator[Completion]:
        """All samples, as each ends."""
        self._start(self._first)
        for _ in self._samples:
            news = await self._news.get()
            if isinstance(news, BaseException):
                raise news
            yield news

    async def close(self) -> None:
        """Cancel what still runs, and let the engine forget what was kept, but for branches."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._release([sample.kept for sample in self._samples if sample.kept and sample.kept not in self._watch.held])

    def _start(self, work: Callable[[], Awaitable[None]]) -> None:
        task = asyncio.create_task(self._caught(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _caught(self, work: Callable[[], Awaitable[None]]) -> None:
        """What goes wrong in a part of the work ends the whole."""
        try:
            await work()
        except Exception as error:
            self._news.put_nowait(error)

    # --- parts of samples ------------------------------------------------------------------------------

    async def _first(self) -> None:
        """The first part of all samples, which share one prefill; each goes on by itself as soon as it pauses."""
        request, begun = self._request, self._watch.begun
        tokens = 0 if begun is None else len(begun.token_ids)
        pauses = [sample.follower.pause(tokens) for sample in self._samples]
        for index in range(len(self._samples)):
            self._name(index)
        wanted = replace(
            request,
            given=None if begun is None else (begun,) * len(request.seeds),
            keep=self._keep([sample.kept for sample in self._samples]),
            pause=_together(pauses),
            watch="",
        )
        missing = set(range(len(self._samples)))
        async for completion in self._engine.generate(wanted):
            missing.discard(completion.index)
            self._start(partial(self._follow, completion.index, completion))
        if missing:
            raise EngineError("the engine gave no answer", fatal=False)

    async def _follow(self, index: int, completion: Completion) -> None:
        """One sample from its first pause to its end."""
        sample = self._samples[index]
        while True:
            sample.seconds += completion.seconds
            sample.computed += completion.computed_tokens or 0
            known = len(sample.follower.watched)
            step = sample.follower.look(completion)
            if any(one.what == "branch" for one in sample.follower.watched[known:]):
                self._watch.held.append(sample.kept)  # branches begin with what is computed of it
            given = None if step.over else await self._given(sample, step, completion)
            if given is None:
                if sample.kept not in self._watch.held:
                    self._release([sample.kept])
                self._news.put_nowait(self._ended(sample, completion, step))
                return
            completion = await self._part(index, sample, given)

    async def _given(self, sample: _Sample, step: Step, completion: Completion) -> Given | None:
        """What a sample goes on from; None where it is over, since nothing more can be put in."""
        ids, logprobs = completion.token_ids[: step.keep], completion.logprobs[: step.keep]
        routes = None if completion.routes is None else completion.routes[: step.keep]
        event = step.event
        if event is None:
            return Given(ids, logprobs, free=sample.free, routes=routes)
        said = await self._tokens(event.said) if event.said else ()
        if not sample.follower.go_on(step, len(said)):
            if not step.closes or not said or not sample.follower.go_on(step, 0):
                if completion.finish == "stop" or event.what == "stop":
                    if event.what == "stop":
                        sample.follower.end(step)
                    return None
                return Given(completion.token_ids, completion.logprobs, free=sample.free, routes=completion.routes)
            said = ()
        sample.free = len(ids) + len(said) if said else min(sample.free, len(ids))
        return Given(
            (*ids, *said),
            (*logprobs, *(0.0 for _ in said)),
            free=sample.free,
            closes=step.closes,
            routes=None if routes is None else routes + bytes(len(said)),
        )

    async def _tokens(self, text: str) -> tuple[int, ...]:
        engine = self._engine
        return await engine.tokens(text) if isinstance(engine, Keeping) else ()

    async def _part(self, index: int, sample: _Sample, given: Given) -> Completion:
        """A sample's next part, with all that was before it."""
        request, before = self._request, sample.kept
        limit = request.timeout_seconds
        left = None if limit is None else limit - (time.monotonic() - self._begun)
        if left is not None and left <= 0:
            left = 0.001  # the engine ends it at once, with what there is
        self._name(index)
        most = request.most[index] - sample.follower.dropped
        shorter = request.limits is not None or most < request.most[index]
        wanted = replace(
            request.only((index,)),
            limits=(most,) if shorter else None,
            timeout_seconds=left,
            given=(given,),
            keep=self._keep([sample.kept]),
            pause=sample.follower.pause(len(given.token_ids)),
            watch="",
        )
        part: Completion | None = None
        try:
            async for completion in self._engine.generate(wanted):
                part = replace(completion, index=index)
        finally:
            if before not in self._watch.held:
                self._release([before])
        if part is None:
            raise EngineError("the engine gave no more of a sample that was watched", fatal=False)
        if limit is not None and part.finish == "cancelled" and part.error:  # the engine knows what was left of it
            part = replace(part, error=f"the time limit of {limit} s was over")
        return part

    def _ended(self, sample: _Sample, completion: Completion, step: Step) -> Completion:
        """A sample as a whole."""
        events = tuple(sample.follower.watched)
        stopped = completion.finish == "paused"
        last = events[-1] if events else None
        keep = len(completion.token_ids) if last is None or last.what != "stop" else last.at
        done = cut_back(completion, keep) if stopped else completion
        return replace(
            done,
            finish="stop" if stopped else done.finish,
            stopped_by=last.watcher if stopped and last is not None else done.stopped_by,
            seconds=sample.seconds,
            computed_tokens=None if completion.computed_tokens is None else sample.computed,
            watched=events,
        )

    # --- memory ----------------------------------------------------------------------------------------

    def _name(self, index: int) -> None:
        """A new name for what is computed of a sample."""
        self._named += 1
        self._samples[index].kept = f"{self._prefix}/{self._named}"

    def _keep(self, names: Sequence[str]) -> tuple[str, ...] | None:
        return tuple(names) if self._engine.capabilities.keeps else None

    def _release(self, names: Sequence[str]) -> None:
        engine = self._engine
        if names and engine.capabilities.keeps and isinstance(engine, Keeping):
            engine.release(names)


def _together(pauses: Sequence[Pause | None]) -> Pause | None:
    """The first pauses of samples that begin together, whose watchers are the same."""
    first = pauses[0] if pauses else None
    return None if first is None else replace(first, at=tuple(pause.at[0] for pause in pauses if pause is not None))
