"""What tests of the bank share: a bank of their own, and engines whose samples only seeds decide."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

from ttscale.runtime.bank.keys import Draw
from ttscale.runtime.engines.base import (
    Capabilities,
    Completion,
    EngineError,
    EngineStats,
    Message,
    Request,
    Sampling,
    Scored,
)
from ttscale.runtime.seeds import messages_digest

ASK = (Message("user", "6 * 7?"),)
MODEL = 'model m = gguf("small.gguf")'


def draw_of(messages: Sequence[Message] = ASK, **fields: object) -> Draw:
    """A draw of these messages from a model called fake."""
    settings: dict[str, object] = {"model": "sha256:fake", "sampling": Sampling(), **fields}
    return Draw(prompt=messages_digest(messages), **settings)  # type: ignore[arg-type]


def token(seed: int, place: int) -> int:
    """The token at a place of the answer that a seed decides; 0 ends it."""
    value = (seed * 6364136223846793005 + place * 1442695040888963407 + 12345) % 2**64 >> 33
    return 0 if place > 5 and value % 23 == 0 else 1 + value % 997


def piece(number: int) -> bytes:
    """The bytes of a token: some are parts of a character, the last one is none."""
    if not number:
        return b""
    return "é".encode()[number % 2 :][:1] if number % 11 == 0 else f" {number}".encode()


def spelled(tokens: Sequence[int]) -> str:
    """The text of tokens, as an engine decodes it: a character cut in half at the end is left out."""
    import codecs

    return codecs.getincrementaldecoder("utf-8")("replace").decode(b"".join(map(piece, tokens)))


@dataclass
class SeededEngine:
    """An engine whose samples only their seeds decide, that goes on from given tokens and reports running ones.

    `made` counts the tokens that it made; `requests` keeps what was asked, after
    `die_after` tokens it fails.
    """

    resumes: bool = True
    with_pieces: bool = True
    pause: float = 0.0
    context: int = 4096
    digest: str = "sha256:fake"
    requests: list[Request] = field(default_factory=list)
    scored: list[tuple[str, ...]] = field(default_factory=list)
    made: int = 0
    die_after: int | None = None

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(context=self.context, resumes=self.resumes)

    async def start(self) -> None:
        """Nothing to load."""

    async def count_tokens(self, messages: Sequence[Message]) -> int:
        return sum(len(message.content) for message in messages)

    async def generate(self, request: Request) -> AsyncIterator[Completion]:
        assert self.resumes or (request.given is None and not request.report_every)
        self.requests.append(request)
        prompt = await self.count_tokens(request.messages)
        for index, seed in enumerate(request.seeds):
            given = request.given[index] if request.given is not None else None
            tokens = list(given.token_ids) if given is not None else []
            limit = min(request.most[index], self.context - prompt)
            while len(tokens) < limit and (not tokens or tokens[-1]):
                tokens.append(token(seed, len(tokens)))
                self.made += 1
                if self.pause:
                    await asyncio.sleep(self.pause)
                if self.die_after is not None and self.made >= self.die_after:
                    raise EngineError("its process is gone", fatal=False)
                every = request.report_every
                if every and len(tokens) % every == 0 and len(tokens) < limit and tokens[-1]:
                    yield self._partial(index, prompt, tokens, every)
            yield self._whole(index, prompt, tokens, limit, request.most[index])

    def _partial(self, index: int, prompt: int, tokens: list[int], every: int) -> Completion:
        last = tuple(tokens[-every:])
        return Completion(
            index, "", "running", prompt, len(tokens), token_ids=last, logprobs=tuple(-t / 1000 for t in last)
        )

    def _whole(self, index: int, prompt: int, tokens: list[int], limit: int, wanted: int) -> Completion:
        ended = bool(tokens) and not tokens[-1]
        return Completion(
            index,
            spelled(tokens),
            "stop" if ended else "length",
            prompt,
            len(tokens),
            token_ids=tuple(tokens),
            logprobs=tuple(-t / 1000 for t in tokens),
            seconds=0.001 * len(tokens),
            error="" if ended or limit == wanted else "the model's context was full",
            pieces=tuple(map(piece, tokens)) if self.with_pieces else (),
        )

    async def score(
        self, messages: Sequence[Message], continuations: Sequence[str], *, priority: tuple[int, ...] = ()
    ) -> list[Scored]:
        self.scored.append(tuple(continuations))
        await asyncio.sleep(self.pause)
        prompt = await self.count_tokens(messages)
        return [Scored(text, (-0.1 * len(text), -1 / 3), prompt) for text in continuations]

    def stats(self) -> EngineStats:
        return EngineStats(len(self.requests))

    async def close(self) -> None:
        """Nothing to free."""
