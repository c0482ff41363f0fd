"""Helpers of the runtime's tests: graphs from text, and an engine whose every move a test decides."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ttscale.compiler.bind import bind
from ttscale.compiler.bounds import make_plan
from ttscale.compiler.driver import compile_source
from ttscale.compiler.ir import Budget
from ttscale.compiler.plan import Plan
from ttscale.compiler.source import SourceFile
from ttscale.library.loader import FileLoader
from ttscale.library.standard import stage_prompts
from ttscale.runtime.engines.base import Capabilities, Completion, EngineStats, Message, Request, Scored
from ttscale.runtime.executor import execute
from ttscale.runtime.models import EngineHouse
from ttscale.runtime.result import Result

PROMPTS = '''
prompt ask(question: Text) -> Number = """Solve {{ question }}"""
prompt say(question: Text) -> Text = """Say {{ question }}"""
'''


def plan_of(text: str, **params: object) -> Plan:
    """The plan of `pipeline main` in a text that leaves out the edition, with the prompts above in it."""
    program = compile_source(SourceFile("test.tts", f"tts 1\n{PROMPTS}{text}"), FileLoader()).require_ok()
    graph, found = bind(program, "main", params, std=stage_prompts())
    assert graph is not None, [d.message for d in found]
    return make_plan(graph)


async def answer(
    text: str,
    engines: Mapping[str, Any] | None = None,
    question: object = "6 * 7",
    budget: Budget | None = None,
    **more: Any,
) -> Result:
    """Run `pipeline main(question)`; without engines, the scripted ones that it declares. `params` bind parameters.

    `budget` replaces the pipeline's own, so that tests can set one that the checker would refuse.
    """
    plan = plan_of(text, **more.pop("params", {}))
    if budget is not None:
        plan = replace(plan, graph=replace(plan.graph, budget=budget))
    house = engines if engines is not None else EngineHouse(Path.cwd()).for_run()
    return await execute(plan.graph, plan, {"question": question}, house, **more)


def pipeline(body: str, models: str = 'model m = script("Answer: 1")', returns: str = "Number", head: str = "") -> str:
    """A file's text with one pipeline."""
    return f"{models}\npipeline main(question: Text) -> {returns} {{\n{head}\n{body}\n}}\n"


def waste(_: Request) -> float:
    """No delay."""
    return 0.0


@dataclass
class FakeEngine:
    """Answers by calling `reply(request, place)`, a text, a Completion, or an exception to be raised.

    `delay(request)` is in seconds. `requests`, `asked` and `scored` keep what came in; `cancelled` counts streams that
    were cancelled. Prompts have one token a character, answers one a word.
    """

    reply: Callable[[Request, int], object] = lambda request, place: "Answer: 1"
    delay: Callable[[Request], float] = waste
    verdict: Callable[[Sequence[Message], str], float] = lambda messages, continuation: -1.0
    digest: str = "sha256:fake"
    capabilities: Capabilities = field(default_factory=lambda: Capabilities(context=4096))
    requests: list[Request] = field(default_factory=list)
    scored: list[tuple[tuple[Message, ...], tuple[str, ...]]] = field(default_factory=list)
    cancelled: int = 0
    started: int = 0

    async def start(self) -> None:
        self.started += 1

    async def count_tokens(self, messages: Sequence[Message]) -> int:
        return sum(len(message.content) for message in messages)

    async def generate(self, request: Request) -> AsyncIterator[Completion]:
        self.requests.append(request)
        prompt = await self.count_tokens(request.messages)
        for place in range(len(request.seeds)):
            try:
                await asyncio.sleep(self.delay(request))
            except asyncio.CancelledError:
                self.cancelled += 1
                raise
            reply = self.reply(request, place)
            if isinstance(reply, Exception):
                raise reply
            if isinstance(reply, Completion):
                yield reply
                continue
            limit = request.limits[place] if request.limits is not None else request.max_tokens
            words = str(reply).split(" ")
            finish: Any = "length" if len(words) > limit else "stop"
            kept = words[:limit]
            logprobs = (-0.25,) * len(kept)
            yield Completion(place, " ".join(kept), finish, prompt, len(kept), logprobs=logprobs)

    async def score(
        self, messages: Sequence[Message], continuations: Sequence[str], *, priority: tuple[int, ...] = ()
    ) -> list[Scored]:
        self.scored.append((tuple(messages), tuple(continuations)))
        await asyncio.sleep(0)
        prompt = await self.count_tokens(messages)
        return [Scored(text, (self.verdict(messages, text),), prompt) for text in continuations]

    def stats(self) -> EngineStats:
        return EngineStats(len(self.requests))

    async def close(self) -> None:
        """Nothing to free."""


def kinds(result: Result) -> list[str]:
    """The kinds of a result's events, in order."""
    return [event.kind for event in result.trace]
