"""The prefix tree: branches that are computed or kept, who shares what, and which of them must go.

A kept branch is a prefix that nobody is working on. `names` on it say that somebody means to go on from it: such a
branch never lapses, and is taken for room only after all others. Pure, as the scheduler that uses it.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable

from ttscale.runtime.engines.llama import fixed
from ttscale.runtime.engines.llama.cells import Branch, Cells
from ttscale.runtime.engines.llama.work import Copy, Drop, Limits, Piece


class Branches:
    """Cells, sequence ids, and the kept prefixes of one model."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.cells = Cells(limits.cells)
        self.cached: list[Branch] = []
        self.operations: list[Copy | Drop] = []
        self.tick = self.rows = 0
        self._ids = list(range(limits.sequences))  # unused ones, in order

    # ------------------------------------------------------------------ ends

    def retire(self, branch: Branch, *, brief: bool = False, names: Iterable[str] = ()) -> None:
        """Unpin a branch; what is computed of it stays, if `brief` not for long, with `names` until told otherwise."""
        branch.pins -= 1
        if branch.pins:
            return
        branch.brief = brief
        branch.names = {*names}
        del branch.tokens[branch.done :]
        if branch.done:
            self._keep(branch)
        else:
            self.drop(branch)

    def _keep(self, branch: Branch) -> None:
        """Hold what nobody uses now as a cached prefix."""
        self.tick += 1
        branch.used, branch.row = self.tick, self.rows
        self.cached.append(branch)

    def lapse(self, tick: int) -> None:
        """Drop cached prefixes that have cost as much as they are worth, and brief ones not used since `tick`."""
        for branch in list(self.cached):
            if branch.names:
                continue
            if branch.used <= tick if branch.brief else self.rows - branch.row > self.limits.patience:
                self.drop(branch)

    def drop(self, branch: Branch) -> None:
        """Forget a branch; cells nobody else holds are free."""
        if branch in self.cached:
            self.cached.remove(branch)
        self.cells.release(branch)
        self.operations.append(Drop(branch.seq))
        insort(self._ids, branch.seq)

    def release(self, names: Iterable[str]) -> None:
        """Forget branches that were kept under these names alone."""
        gone = {*names}
        for branch in list(self.cached):
            if branch.names & gone:
                branch.names -= gone
                if not branch.names:
                    self.drop(branch)

    def evict(self) -> bool:
        """Drop the cached prefix that is worth least; whether there was any."""
        if not self.cached:
            return False
        self.drop(min(self.cached, key=_worth))
        return True

    # ------------------------------------------------------------------ beginnings

    def _sequence(self, *, member: bool) -> int | None:
        """An unused sequence id, evicting a cached prefix for it.

        Members get the lowest and prompts the highest: where each sequence has a cache of its own, llama.cpp computes
        rows together only if their ids follow one another.
        """
        if not self.limits.fixed:
            if not self._ids and not self.evict():
                return None
            return self._ids.pop(0 if member else -1)
        border = fixed.members(self.limits.active)
        while not self._ids or ((self._ids[0] < border) is not member and (self._ids[-1] < border) is not member):
            if not self.evict():
                return None
        return self._ids.pop(0 if member else -1)

    def close_ranks(self, pieces: Iterable[Piece]) -> None:
        """Move what runs to the lowest unused ids, the highest first, where each sequence has a cache of its own.

        A gap between ids splits a call in two, which costs tens of milliseconds in every step; a move is one copy of a
        few, and there is at most one for each sample that ends.
        """
        for piece in sorted(pieces, key=_id, reverse=True):
            branch = piece.branch
            if not self._ids or self._ids[0] > branch.seq:
                return
            old, branch.seq = branch.seq, self._ids.pop(0)
            self.operations += [Copy(old, branch.seq, piece.start), Drop(old)]
            insort(self._ids, old)

    def open(self, tokens: list[int], source: Branch | None, length: int, *, member: bool = False) -> Branch | None:
        """A new branch that shares `length` tokens of `source`; None when all sequence ids are busy."""
        if source is not None:
            source.pins += 1  # so that it is not evicted for the new branch's own id
            if source in self.cached:
                self.cached.remove(source)
        seq = self._sequence(member=member)
        if seq is not None:
            branch = Branch(seq, tokens)
            if source is not None and length:
                self.cells.share(source, branch, length)
                self.operations.append(Copy(source.seq, seq, length))
        if source is not None:
            source.pins -= 1
            if not source.pins:
                self._keep(source)
        return branch if seq is not None else None

    def match(self, tokens: list[int], others: Iterable[Branch] = (), *, finished: bool) -> tuple[Branch | None, int]:
        """The cached branch, or one of the `others`, with the longest common prefix, and its length.

        With `finished` only computed tokens count; otherwise also those that are still to be computed. The last
        token is never shared: its logits are wanted.
        """
        best: Branch | None = None
        length = 0
        for branch in (*self.cached, *others):
            have = branch.done if finished else len(branch.tokens)
            most = min(have, len(tokens) - 1)
            if most <= length or branch.tokens[length] != tokens[length]:
                continue
            common = common_prefix(branch.tokens, tokens, most)
            if self.limits.fixed:
                common = fixed.shared(common, len(tokens), len(branch.tokens))
            if not self.limits.ranges and common != have:
                continue  # a state is that of all tokens so far
            if common > length:
                best, length = branch, common
        return best, length


def _id(piece: Piece) -> int:
    return piece.seq


def _worth(branch: Branch) -> tuple[bool, bool, int]:
    """What nobody waits for goes first, answers and judged tails before prompts, the least recently used first."""
    return (bool(branch.names), not branch.brief, branch.used)


def common_prefix(first: list[int], second: list[int], most: int) -> int:
    """Length of the common prefix, up to `most`, by bisection over slice comparisons."""
    if first[:most] == second[:most]:
        return most
    low, high = 0, most  # equal up to low, different somewhere before high
    while high - low > 1:
        middle = (low + high) // 2
        if first[low:middle] == second[low:middle]:
            low = middle
        else:
            high = middle
    return low
