"""Who holds which cells of the cache: counting only, no native code.

A cell holds one token's keys and values and may be shared by many sequences. The counts here follow those of
llama.cpp's unified cache exactly: a copy of a range shares cells, dropping a sequence frees what nobody shares.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


@dataclass(slots=True, eq=False)
class Branch:
    """A path of tokens under one sequence id, `done` of which are computed.

    `pins` counts who needs it; an unpinned branch is a cached prefix that may be evicted, one with `names` after all
    others. `used` is the tick of its last use, `row` the count of computed rows then, `brief` marks what is hardly
    wanted again.
    """

    seq: int
    tokens: list[int]
    cells: list[int] = field(default_factory=list)
    pins: int = 1
    used: int = 0
    row: int = 0
    brief: bool = False
    names: set[str] = field(default_factory=set)

    @property
    def done(self) -> int:
        return len(self.cells)

    @property
    def missing(self) -> int:
        return len(self.tokens) - len(self.cells)


class Cells:
    """The pool of cells, with a count of holders for each."""

    def __init__(self, total: int) -> None:
        self.total = total
        self._holders = np.zeros(total, np.int32)
        self._free = list(range(total - 1, -1, -1))

    @property
    def free(self) -> int:
        return len(self._free)

    def take(self, branch: Branch, count: int) -> None:
        """Give a branch new cells; the caller has made sure that they are there."""
        if count > len(self._free):
            raise AssertionError(f"{count} cells wanted, {len(self._free)} are free")
        for _ in range(count):
            cell = self._free.pop()
            self._holders[cell] = 1
            branch.cells.append(cell)

    def share(self, source: Branch, target: Branch, count: int) -> None:
        """Let a new branch hold the first cells of another."""
        shared = source.cells[:count]
        self._holders[shared] += 1
        target.cells = shared

    def release(self, branch: Branch) -> None:
        """Let go of all cells of a branch."""
        cells = np.asarray(branch.cells, np.int64)
        self._holders[cells] -= 1
        self._free.extend(cells[self._holders[cells] == 0].tolist())
        branch.cells = []

    def alone(self, branch: Branch) -> int:
        """Cells that would become free if the branch were dropped."""
        return int((self._holders[branch.cells] == 1).sum())
