"""Rows of the bank: a finished sample as it was made, and what a shorter limit would have made of it."""

from __future__ import annotations

import codecs
import json
from array import array
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from ttscale.runtime.bank.keys import Spot
from ttscale.runtime.engines.base import Completion, Finish, Given, Watched, rest_of

COLUMNS = (
    "series, attempt, position, version, finish, text, thoughts, thought_tokens, prompt_tokens, new_tokens, token_ids, "
    "logprobs, sizes, raw, seconds, error, watched, routes"
)
WIDE = 255
"""The longest piece, in bytes, whose length fits one byte; rows with longer ones keep no pieces."""


@dataclass(frozen=True, slots=True)
class Want:
    """A sample wanted: its place among the draw's, and the most new tokens it may have.

    With `answer_only` these are the tokens after its thoughts, which have a limit of their own in the key. With `whole`
    the limit is in the key too: what is there is what is wanted.
    """

    spot: Spot
    limit: int
    answer_only: bool = False
    whole: bool = False


class Row(NamedTuple):
    """One sample as the bank holds it, in the order of COLUMNS; arrays stay packed until somebody wants them.

    `version` counts rows of one spot: a longer answer is a new row, and rows never change.
    """

    series: int
    attempt: int
    position: int
    version: int
    finish: Finish
    text: str
    thoughts: str
    thought_tokens: int
    prompt_tokens: int
    new_tokens: int
    token_ids: bytes
    logprobs: bytes
    sizes: bytes
    raw: bytes | None
    seconds: float
    error: str
    watched: str = ""
    routes: bytes | None = None

    @property
    def spot(self) -> Spot:
        """Its place among the samples of its draw."""
        return Spot(self.series, self.attempt, self.position)

    @property
    def has_pieces(self) -> bool:
        """Whether the bytes of every token are known."""
        return len(self.sizes) == self.new_tokens

    @property
    def can_be_cut(self) -> bool:
        """Whether its first tokens can be read without an engine: where thoughts end, only the engine knows."""
        return self.has_pieces and not self.thought_tokens and not self.thoughts

    def pieces(self) -> tuple[bytes, ...]:
        """The bytes of every token."""
        data = self.raw if self.raw is not None else self.text.encode("utf-8", "replace")
        return unpack_pieces(self.sizes, data)

    def given(self, limit: int) -> Given:
        """The first tokens, at most `limit`, to be gone on from."""
        return Given(numbers(self.token_ids)[:limit], figures(self.logprobs)[:limit], routes=first(self.routes, limit))

    def serves(self, want: Want, context: int | None) -> bool:
        """Whether this is, or can be cut to, what was wanted of an engine with this context."""
        counted = self.new_tokens - (self.thought_tokens if want.answer_only else 0)
        if want.whole and not self.error:
            return True
        if counted > want.limit:
            return self.can_be_cut
        if self.finish == "stop" or counted == want.limit:
            return True
        # The context was full; unless it is larger today, that is where it would end again.
        return bool(self.error) and context is not None and self.prompt_tokens + self.new_tokens >= context

    def completion(self, index: int, want: Want) -> Completion:
        """What was wanted, `index` being its place in the request; the row must serve it."""
        counted = self.new_tokens - (self.thought_tokens if want.answer_only else 0)
        if counted > want.limit and not want.whole:
            return self._cut(index, want.limit)
        return Completion(
            index=index,
            text=self.text,
            finish=self.finish,
            prompt_tokens=self.prompt_tokens,
            new_tokens=self.new_tokens,
            thoughts=self.thoughts,
            thought_tokens=self.thought_tokens,
            token_ids=numbers(self.token_ids),
            logprobs=figures(self.logprobs),
            pieces=self.pieces() if self.has_pieces else (),
            seconds=self.seconds,
            error=self.error,
            beyond=self._beyond(),
            watched=events_of(self.watched),
            routes=self.routes,
        )

    def _beyond(self) -> str | None:
        """What came after the text; None where the pieces are not known, or thoughts stand before it."""
        if not self.has_pieces or self.thought_tokens or self.thoughts:
            return None
        return "" if self.raw is None else rest_of(self.raw, self.text)

    def _cut(self, index: int, limit: int) -> Completion:
        data = self.raw if self.raw is not None else self.text.encode("utf-8", "replace")
        return Completion(
            index=index,
            text=codecs.getincrementaldecoder("utf-8")("replace").decode(data[: sum(self.sizes[:limit])]),
            finish="length",
            prompt_tokens=self.prompt_tokens,
            new_tokens=limit,
            token_ids=numbers(self.token_ids)[:limit],
            logprobs=figures(self.logprobs)[:limit],
            pieces=self.pieces()[:limit],
            seconds=self.seconds * limit / self.new_tokens,
            beyond="",
            routes=first(self.routes, limit),
        )


def first(routes: bytes | None, limit: int) -> bytes | None:
    """The routes of the first tokens, where any are known."""
    return None if routes is None else routes[:limit]


def best(rows: Sequence[Row], want: Want, context: int | None) -> Row | None:
    """The row that answers a want: the oldest that can, whatever came later."""
    return next((row for row in rows if row.serves(want, context)), None)


def base(rows: Sequence[Row]) -> Row | None:
    """The longest row whose tokens are known, to go on from; a finished one where only its beginning is wanted."""
    known = [row for row in rows if 2 * len(row.token_ids) == len(row.logprobs) == 8 * row.new_tokens > 0]
    return max(known, key=lambda row: row.new_tokens, default=None)


def pack_events(events: Sequence[Watched]) -> str:
    """What watchers did, as JSON; empty where they did nothing."""
    return json.dumps([asdict(event) for event in events], ensure_ascii=False) if events else ""


def events_of(text: str) -> tuple[Watched, ...]:
    """The events that `pack_events` wrote."""
    return tuple(Watched(**event) for event in json.loads(text)) if text else ()


def packed(completion: Completion) -> tuple[bytes, bytes, bytes, bytes | None]:
    """A completion's token ids, log-probabilities, sizes of pieces, and its bytes where they are not its text's."""
    sizes, raw = pack_pieces(completion.pieces)
    if raw == completion.text.encode("utf-8", "replace"):
        return pack_numbers(completion.token_ids), pack_figures(completion.logprobs), sizes, None
    return pack_numbers(completion.token_ids), pack_figures(completion.logprobs), sizes, raw


def pack_pieces(pieces: Sequence[bytes]) -> tuple[bytes, bytes]:
    """The length of every piece, one byte each, and all their bytes; nothing where one is too long."""
    if any(len(piece) > WIDE for piece in pieces):
        return b"", b""
    return bytes(map(len, pieces)), b"".join(pieces)


def unpack_pieces(sizes: bytes, data: bytes) -> tuple[bytes, ...]:
    """The pieces that `pack_pieces` packed."""
    pieces: list[bytes] = []
    at = 0
    for size in sizes:
        pieces.append(data[at : at + size])
        at += size
    return tuple(pieces)


def pack_numbers(values: Sequence[int]) -> bytes:
    """Token ids as 32-bit numbers, lowest byte first."""
    return _little(array("i", values))


def pack_figures(values: Sequence[float]) -> bytes:
    """Log-probabilities as 64-bit floats, so that they come back exactly as they were."""
    return _little(array("d", values))


def numbers(data: bytes) -> tuple[int, ...]:
    """The token ids that `pack_numbers` packed."""
    return tuple(_unpacked("i", data))


def figures(data: bytes) -> tuple[float, ...]:
    """The log-probabilities that `pack_figures` packed."""
    return tuple(_unpacked("d", data))


def _little(values: array[Any]) -> bytes:
    if _BIG_ENDIAN:
        values.byteswap()
    return values.tobytes()


def _unpacked(kind: str, data: bytes) -> array[Any]:
    values = array(kind)
    values.frombytes(data)
    if _BIG_ENDIAN:
        values.byteswap()
    return values


_BIG_ENDIAN = array("H", [1]).tobytes() == b"\x00\x01"
