"""A model for benchmarks of the bank: what it answers only seeds decide, and it can go on from a beginning.

Every token that it makes is a byte in a file, and every prompt that it reads another one, so that what a killed process
has computed is counted to the last token.
"""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Annotated

from ttscale.plugin import Between, Capabilities, Completion, EngineError, EngineStats, Message, Request, Scored, engine

TOKEN, PROMPT = b"t", b"p"


class Counted:
    """One step makes a token of every sample of a request, as a batch does."""

    capabilities = Capabilities(scoring=False, context=4096, resumes=True)
    digest = "seeded:1"

    def __init__(self, made: Path, pause: float) -> None:
        self._file = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._pause = pause
        self._made = 0

    async def start(self) -> None:
        """Nothing is loaded."""

    async def count_tokens(self, messages: Sequence[Message]) -> int:
        return sum(len(message.content.split()) for message in messages)

    async def generate(self, request: Request) -> AsyncIterator[Completion]:
        prompt = await self.count_tokens(request.messages)
        os.write(self._file, PROMPT)
        begun = [list(own.token_ids) if own is not None else [] for own in request.given or [None] * len(request.seeds)]
        running = dict(enumerate(begun))
        while running:
            await asyncio.sleep(self._pause)
            for index, tokens in list(running.items()):
                tokens.append(_token(request.seeds[index], len(tokens)))
                os.write(self._file, TOKEN)
                self._made += 1
                if len(tokens) >= request.most[index] or not tokens[-1]:
                    del running[index]
                    yield _completion(index, prompt, tokens, "length" if tokens[-1] else "stop")
                elif request.report_every and len(tokens) % request.report_every == 0:
                    yield _completion(index, prompt, tokens, "running", request.report_every)

    async def score(
        self, messages: Sequence[Message], continuations: Sequence[str], *, priority: tuple[int, ...] = ()
    ) -> list[Scored]:
        raise EngineError("this engine has no probabilities of given texts", fatal=False)

    def stats(self) -> EngineStats:
        return EngineStats(new_tokens=self._made)

    async def close(self) -> None:
        os.close(self._file)


def _token(seed: int, place: int) -> int:
    """The token at a place of the answer that a seed decides; 0 ends it."""
    value = int.from_bytes(hashlib.blake2b(b"%d %d" % (seed, place), digest_size=4).digest(), "big")
    return 0 if place > 30 and value % 200 == 0 else 1 + value % 997


def _completion(index: int, prompt: int, tokens: list[int], finish: str, last: int | None = None) -> Completion:
    shown = tokens if last is None else tokens[-last:]
    return Completion(
        index,
        " ".join(map(str, tokens)) if last is None else "",
        finish,  # type: ignore[arg-type]
        prompt,
        len(tokens),
        token_ids=tuple(shown),
        logprobs=tuple(-token / 1000 for token in shown),
    )


@engine(logprobs=True, scoring=False, thinking=False)
def seeded(
    made: Annotated[Path, "where every token that is made leaves a byte"],
    pause: Annotated[float, Between(low=0), "seconds a step"] = 0.005,
) -> Counted:
    """Answers that seeds decide, at a steady pace."""
    return Counted(made, pause)
