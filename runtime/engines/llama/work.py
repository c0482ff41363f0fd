"""The nouns of scheduling: what is asked, what may be used, and what one call computes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from ttscale.runtime.engines.llama.cells import Branch

Order = tuple[tuple[int, ...], int]
EVEN = 16  # members that always run together, whatever `balance` says


@dataclass(frozen=True, slots=True)
class Copy:
    """Let sequence `target` share the first `length` cells of `source`, behind the `start` that it has itself.

    More than 0 of those are possible only in one cache for all, whose sequences can be cut.
    """

    source: int
    target: int
    length: int
    start: int = 0


@dataclass(frozen=True, slots=True)
class Drop:
    """Forget a sequence; cells nobody else shares become free."""

    seq: int


@dataclass(frozen=True, slots=True)
class Limits:
    """What the scheduler may use.

    `cells` tokens of cache under `sequences` ids; at most `rows` decoding rows in a call and `active` running
    members; prefill of `piece` rows in a step; scoring calls return at most `outputs` rows of logits. `reserve`
    is the share of a member's token limit that must be free before it starts. `ranges` is False for recurrent
    models, whose state can only be copied whole. `separate` says that each sequence has a cache of its own, of which
    `cells` is the sum: what is shared is copied, and rows see nothing of each other. With `fixed` too, nothing that
    else goes on changes how a row is computed: see `fixed`.

    On a CPU every row of a unified cache looks at every cell in use, its own or not. So many long samples at once
    slow each other down: with `balance` > 0, more than EVEN members run only while the square of their number
    times their mean length stays below it. And a prefix that nobody uses costs every row a little: with `patience`
    > 0 it is kept for that many rows, of prompts too, after its last use, about the number that together lose the time
    which computing it anew would take, whatever its length. Finished answers are then kept only until the next step
    that does not go on from them: llama.cpp would put new tokens behind them, and rows look at all cells up to the
    last.
    """

    cells: int
    sequences: int
    rows: int = 48
    active: int = 64
    piece: int = 256
    outputs: int = 128
    reserve: float = 0.5
    ranges: bool = True
    separate: bool = False
    fixed: bool = False
    balance: int = 0
    patience: int = 0


@dataclass(slots=True, eq=False)
class Member:
    """One sample or one continuation. `tail` are its tokens after the prompt, `limit` the most it may get.

    What it has computed stays under its `names` when it is over. `reached` is how much of its path was computed before.
    """

    index: int
    limit: int
    tail: list[int] = field(default_factory=list)
    branch: Branch | None = None
    over: bool = False
    names: set[str] = field(default_factory=set)
    given: int = 0
    reached: int = 0
    computed: int = 0

    @property
    def left(self) -> int:
        return max(0, self.limit - len(self.tail))


@dataclass(slots=True, eq=False)
class Group:
    """One prompt with its members; `ready` once the logits after its last token are known.

    Where all members go on from one beginning of an answer, it is part of the prompt: its last `given` tokens, which
    each member's tail has too. `computed` counts rows that are not yet charged to a member, `shared` what lay in the
    cache when it was admitted. It `shows` the rows of all models where there are several, and not only of those that
    are asked in turn.
    """

    key: int
    prompt: list[int]
    members: list[Member]
    kind: Literal["sample", "score"] = "sample"
    priority: tuple[int, ...] = ()
    arrival: int = 0
    branch: Branch | None = None
    ready: bool = False
    given: int = 0
    reached: int = 0
    computed: int = 0
    shared: int = 0
    shows: bool = False

    @property
    def order(self) -> Order:
        return (self.priority, self.arrival)


@dataclass(frozen=True, slots=True)
class Piece:
    """Consecutive tokens of one sequence; `outputs` are the offsets whose logits are wanted.

    `member` is None for a group's prompt.
    """

    group: Group
    member: Member | None
    branch: Branch
    start: int
    tokens: Sequence[int]
    outputs: range

    @property
    def seq(self) -> int:
        return self.branch.seq


@dataclass(frozen=True, slots=True)
class Call:
    """Pieces for one llama_decode; `idle` are unused sequences that get a row without meaning beside them."""

    pieces: tuple[Piece, ...]
    idle: tuple[int, ...] = ()

    @property
    def rows(self) -> int:
        return sum(len(piece.tokens) for piece in self.pieces)
