"""Candidates whose samples are watched while they run, and the branches that watchers made of them.

A branch is a sample of its own: it goes on from tokens of another one, and its place in the series is so far behind
that no sample of the call has it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ttscale.compiler.types import Type
from ttscale.compiler.watch_signatures import watchers_of
from ttscale.runtime.desk import Ask, Reply
from ttscale.runtime.engines.base import Given, Keeping
from ttscale.runtime.pool import Candidate
from ttscale.runtime.stages.context import Origin, StageContext
from ttscale.runtime.watch import Watch, watch_of

STRIDE = 4096
"""The most samples of a call, so that branch k of sample i has the place i + k * STRIDE."""


async def watched_candidates(
    context: StageContext, asks: Sequence[Ask], origins: Sequence[Origin]
) -> list[list[Candidate | None]]:
    """As `context.candidates`, but each ask gives its candidate and, behind it, those of its branches."""
    watchers = watchers_of(context.stage)
    if not watchers:
        return [[candidate] for candidate in await context.candidates(asks, origins)]
    made: dict[tuple[Type, int], Watch] = {}
    watched: list[Ask] = []
    for ask, origin in zip(asks, origins, strict=True):
        key = origin.type, ask.most_tokens
        if key not in made:
            made[key] = watch_of(watchers, *key, folder=context.folder)
        watched.append(replace(ask, watch=made[key]))
    heard: list[Reply] = []
    try:
        found = [[candidate] for candidate in await context.candidates(watched, origins, heard=heard)]
        forks = [(place, fork) for place, reply in enumerate(heard) for fork in _forks(reply)]
        if forks:
            further = await context.candidates([ask for _, ask in forks], [origins[place] for place, _ in forks])
            for (place, _), candidate in zip(forks, further, strict=True):
                found[place].append(candidate)
    finally:
        await _let_go(context, watched)
    return found


def _forks(reply: Reply) -> list[Ask]:
    """The branches that watchers want of a sample, in the order in which they were wanted."""
    ask, completion = reply.ask, reply.completion
    watch = ask.watch
    if watch is None or completion is None:
        return []
    asks: list[Ask] = []
    for event in completion.watched:
        if event.what != "branch":
            continue
        kind = next(one for one in watch.watchings if one.name == event.watcher and one.then == "branch")
        ids, logprobs, routes = completion.token_ids, completion.logprobs, completion.routes
        known = None if routes is None else routes[: event.at]
        begun = Given(ids[: event.at], logprobs[: event.at], free=event.at, routes=known)
        for _ in range(kind.branches - 1):
            place = ask.index + STRIDE * (len(asks) + 1)
            asks.append(replace(ask, index=place, watch=replace(watch, begun=begun)))
    return asks


async def _let_go(context: StageContext, asks: Sequence[Ask]) -> None:
    """What engines kept for branches is no longer needed."""
    for model in dict.fromkeys(ask.model for ask in asks):
        names = [name for ask in asks if ask.model == model and ask.watch is not None for name in ask.watch.held]
        if names:
            engine = await context.caller.engine(model)
            if engine.capabilities.keeps and isinstance(engine, Keeping):
                engine.release(tuple(dict.fromkeys(names)))
