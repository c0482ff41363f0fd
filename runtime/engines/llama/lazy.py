"""A model that computes nothing until its next token is wanted, and then in few calls all that it has missed.

It follows the paths of tokens that another model computes, by their sequences. Where it is asked, everything pending
up to that place is computed like a prompt; what several paths have in common is computed for one of them and shared
with the others, as the first model's cells are, so that it never needs more cells than that one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt
from ttscale.compiler.frozen import dataclass
from ttscale.runtime.engines.llama.branches import common_prefix
from ttscale.runtime.engines.llama.cells import Branch
from ttscale.runtime.engines.llama.machine import LOGIT_ROWS
from ttscale.runtime.engines.llama.work import Copy, Drop, Group, Piece

Floats = npt.NDArray[np.float32]
Place = tuple[int, int]
"""A sequence, and the place of a token in it: the one behind which the next is wanted."""


class Computes(Protocol):
    """What is needed of a runner; `positions` is how many tokens it holds of each sequence."""

    @property
    def positions(self) -> list[int]: ...
    @property
    def most_rows(self) -> int: ...
    def apply(self, operations: Sequence[Copy | Drop]) -> None: ...
    def decode(self, pieces: Sequence[Piece], idle: Sequence[int] = ()) -> Floats: ...


@dataclass(frozen=True, slots=True)
class _Part:
    """Tokens of a sequence that are computed in one call, and the places among them whose rows are wanted."""

    seq: int
    start: int
    end: int
    places: tuple[int, ...]

    @property
    def outputs(self) -> range:
        """Offsets of rows that the call returns: from the first wanted one to the last."""
        return range(self.places[0] - self.start, self.places[-1] - self.start + 1) if self.places else range(0)


class Lazy:
    """A runner behind the paths that it follows.

    Without `ranges` only whole sequences can be shared, and with `separate` each has a cache of its own.
    """

    def __init__(self, runner: Computes, *, ranges: bool = True, separate: bool = False) -> None:
        self.runner = runner
        self.ranges = ranges
        self.separate = separate
        self._paths: dict[int, list[int]] = {}

    # ------------------------------------------------------------------ following

    def apply(self, operations: Sequence[Copy | Drop]) -> None:
        """Follow metadata operations of the first model; of a copied beginning there may be a part here, or nothing."""
        for operation in operations:
            if isinstance(operation, Drop):
                self._paths.pop(operation.seq, None)
                if self.runner.positions[operation.seq]:
                    self.runner.apply([operation])
                continue
            path = self._paths.get(operation.source, [])
            if operation.length > len(path):
                raise AssertionError(f"{operation} does not fit a path of {len(path)}")
            self._paths[operation.target] = path[: operation.length]
            have = min(operation.length, self.runner.positions[operation.source])
            if have:
                self.runner.apply([Copy(operation.source, operation.target, have)])

    def follow(self, pieces: Sequence[Piece]) -> None:
        """Note what the first model has computed."""
        for piece in pieces:
            path = self._paths.setdefault(piece.seq, [])
            if piece.start != len(path):
                raise AssertionError(f"sequence {piece.seq} continues at {piece.start}, its path ends at {len(path)}")
            path.extend(piece.tokens)

    def clear(self) -> None:
        """Forget every path; the runner is cleared by whoever owns it."""
        self._paths.clear()

    # ------------------------------------------------------------------ catching up

    def rows(self, wanted: Sequence[Place]) -> list[Floats]:
        """The logits behind these places, in order, each of a path's last tokens that were not asked for before.

        Raises as the runner's `decode` does.
        """
        left: dict[int, list[int]] = {}
        for seq, place in wanted:
            left.setdefault(seq, []).append(place)
        for places in left.values():
            places.sort()
        found: dict[Place, Floats] = {}
        while left:
            parts = self._round(left)
            rows = self.runner.decode([self._piece(part) for part in parts])
            at = 0
            for part in parts:
                for place in part.places:
                    found[part.seq, place] = rows[at + place - part.places[0]].copy()
                at += len(part.outputs)
                del left[part.seq][: len(part.places)]
                if not left[part.seq]:
                    del left[part.seq]
            for part in parts:
                self._share(part, left)
        return [found[place] for place in wanted]

    def _piece(self, part: _Part) -> Piece:
        tokens = self._paths[part.seq][part.start : part.end]
        return Piece(_NOBODY, None, Branch(part.seq, []), part.start, tokens, part.outputs)

    def _round(self, left: Mapping[int, Sequence[int]]) -> list[_Part]:
        """What the next call computes: of paths with something in common only one, of which the others then get it."""
        parts: list[_Part] = []
        room = self.runner.most_rows
        outputs = min(room, LOGIT_ROWS)
        for seq in sorted(left):
            if room <= 0 or outputs <= 0:
                break
            if any(self._waits(seq, part, left) for part in parts):
                continue
            start = self.runner.positions[seq]
            end = min(left[seq][-1] + 1, start + room)
            if not self.ranges:
                end = min([end, *self._cuts(seq, left)])
            places = [place for place in left[seq] if place < end]
            while places and places[-1] - places[0] >= outputs:
                end = places.pop()
            part = _Part(seq, start, end, tuple(places))
            parts.append(part)
            room -= end - start
            outputs -= len(part.outputs)
        return parts

    def _common(self, seq: int, other: int, left: Mapping[int, Sequence[int]]) -> int:
        """How much of its path `seq` could take from `other`, 0 where that is nothing new.

        A row that is wanted of it has to be its own.
        """
        mine, theirs, have = self._paths[seq], self._paths[other], self.runner.positions[seq]
        most = min(len(mine), len(theirs), left[seq][0] if seq in left else len(mine))
        if most <= have or mine[have] != theirs[have]:
            return 0
        return common_prefix(mine, theirs, most)

    def _waits(self, seq: int, part: _Part, left: Mapping[int, Sequence[int]]) -> bool:
        """Whether a path can take what is about to be computed of another one."""
        return self._shared(seq, part, left) > self.runner.positions[seq]

    def _cuts(self, seq: int, left: Mapping[int, Sequence[int]]) -> Iterator[int]:
        """Where other paths part from this one, behind what is computed of both: a state there is theirs too."""
        start = self.runner.positions[seq]
        for other in self._paths:
            common = self._common(other, seq, left) if other != seq else 0
            if common > start:
                yield common

    def _share(self, part: _Part, left: Mapping[int, Sequence[int]]) -> None:
        """Give every path that begins as a computed one what it can have of it."""
        for seq in self._paths:
            length = self._shared(seq, part, left)
            have = self.runner.positions[seq]
            if length <= have:
                continue
            if have and self.ranges and not self.separate:
                # Its own cells stay: they may be shared with others, whose path parts from this one there.
                self.runner.apply([Copy(part.seq, seq, length, have)])
            else:
                copy = Copy(part.seq, seq, length)
                self.runner.apply([Drop(seq), copy] if have else [copy])

    def _shared(self, seq: int, part: _Part, left: Mapping[int, Sequence[int]]) -> int:
        """What a path can have of another one once this part of that is computed; 0 for nothing."""
        if seq == part.seq:
            return 0
        common = self._common(seq, part.seq, left)
        if self.ranges:
            return min(common, part.end)
        return part.end if part.end <= common else 0


_NOBODY = Group(-1, [], [])
