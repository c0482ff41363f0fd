"""A sample so far, as watchers see it: its tokens with their bytes and log-probabilities, and its thoughts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from ttscale.runtime.engines.base import Completion, Watched


@dataclass(frozen=True)
class Seen:
    """What there is of a sample.

    `put_in` are the places [low, high) of tokens that the model did not draw. `thinking` says that a block of thoughts
    is open, `block_tokens` how many tokens stand before the tag that closed the last one (-1: none has been closed).
    `closed` says that the model has closed its block just now, `ended` that it has ended the sample.
    """

    token_ids: tuple[int, ...]
    pieces: tuple[bytes, ...]
    logprobs: tuple[float, ...]
    put_in: tuple[tuple[int, int], ...] = ()
    thinking: bool = False
    block_tokens: int = -1
    closed: bool = False
    ended: bool = False
    made: int = 0
    """Its tokens with the one that ended it."""

    @property
    def tokens(self) -> int:
        """How many tokens there are."""
        return len(self.token_ids)

    @property
    def reasons(self) -> bool:
        """Whether it is still reasoning: in a block of thoughts, or anywhere where there has been no block."""
        return self.thinking or self.block_tokens < 0

    @cached_property
    def text(self) -> str:
        """All that has been written, thoughts and their tags included."""
        return self.text_from(0)

    def text_from(self, start: int, end: int | None = None) -> str:
        """What the tokens [start, end) say; a character cut in half is left out."""
        return b"".join(self.pieces[start:end]).decode("utf-8", "ignore")

    def drawn(self) -> tuple[int, ...]:
        """The places of the tokens that the model drew itself."""
        inside = {place for low, high in self.put_in for place in range(low, high)}
        return tuple(place for place in range(self.tokens) if place not in inside)

    def has_come(self, marks: Sequence[str]) -> bool:
        """Whether one of these texts has come with the last token."""
        if not self.pieces:
            return False
        longest = max((len(mark.encode()) for mark in marks), default=0)
        size, tail = 0, []
        for piece in reversed(self.pieces):
            tail.append(piece)
            size += len(piece)
            if size >= longest + len(self.pieces[-1]):
                break
        data = b"".join(reversed(tail))
        before = len(data) - len(self.pieces[-1])
        return any(data.find(mark.encode(), max(0, before - len(mark.encode()) + 1)) >= 0 for mark in marks if mark)


@dataclass(frozen=True, slots=True)
class Action:
    """What a watcher has seen: why something is to be done, and what it says itself.

    Where it is stopped or told something, the sample is cut `back` to so many tokens; branches `fork` from so many.
    Both are where the sample is if they are None.
    """

    cause: str
    back: int | None = None
    fork: int | None = None
    say: str = ""


def seen_in(completion: Completion, watched: Sequence[Watched], *, was_thinking: bool, forced: int | None) -> Seen:
    """A completion as watchers see it; the token that ended it is left out.

    `was_thinking` says that a block was open at the last look; one that is closed at `forced` tokens or more was closed
    by its limit and not by the model.
    """
    ended = completion.finish == "stop" and not completion.stopped_by
    length = len(completion.token_ids)
    while ended and length and not completion.pieces[length - 1]:
        length -= 1
    block = completion.block_tokens
    closed = was_thinking and not completion.thinking and block >= 0 and (forced is None or length < forced)
    return Seen(
        completion.token_ids[:length],
        completion.pieces[:length],
        completion.logprobs[:length],
        tuple((one.at, one.at + one.tokens) for one in watched if one.tokens),
        completion.thinking,
        block,
        closed,
        ended,
        len(completion.token_ids),
    )
