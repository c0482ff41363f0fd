"""Decide the next batch: pure bookkeeping, tested without llama.cpp.

A *group* is one prompt and what is wanted after it: samples, or scores of given continuations, its *members*.
The prompt is computed once in a branch of its own; every member shares those cells and adds its own. Order is
by (priority, arrival), and it is also the order of rights: whoever comes first may take cells from cached
prefixes, and then from whoever comes later, so that the first in line always advances.

Every load ends, whatever its shape, as long as two sequence ids are there and the cells hold each prompt with one of
its members: a step computes rows, or else the last in line gives back what it holds; nothing is taken from the first
member of the first group, whose way to its end is finite, and drawn tokens are never lost.

A step is: `start` members whose prompt is ready, then `plan` the calls, run them, and `commit` each. Decoding
rows (one token of each running member) and prefill pieces go in separate calls, because on a CPU the
attention of a call with 64 or more rows of different sequences is slow and mixing saves nothing there.
"""

from __future__ import annotations

from bisect import insort
from collections import deque
from collections.abc import Iterable, Iterator

from ttscale.runtime.engines.llama import fixed
from ttscale.runtime.engines.llama.branches import Branches, common_prefix
from ttscale.runtime.engines.llama.cells import Branch
from ttscale.runtime.engines.llama.work import EVEN, Call, Copy, Drop, Group, Limits, Member, Order, Piece

WORTH_WAITING = 16  # tokens that another group computes and that can be shared then
LOOK_AHEAD = 64  # waiting groups that are looked at in one step
REMEMBERED = 64  # judgements whose own parts are looked for in later ones
GROWS = 64  # judgements after one that went on from an earlier one, whose own parts stay too


class Scheduler:
    """Queue, running groups, cached prefixes and cells of one model."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.branches = Branches(limits)
        self.cells, self.cached = self.branches.cells, self.branches.cached
        self.waiting: list[Group] = []
        self.running: list[Group] = []
        self.preempted = 0
        self._owed = 0  # rows of stems, to be told of with the next group
        self._arrivals = 0
        self._read: deque[list[int]] = deque(maxlen=REMEMBERED)  # beginnings that end well in a judgement's own part
        self._grows = 0  # judgements to come whose own parts stay

    # ------------------------------------------------------------------ the queue

    def submit(self, group: Group) -> None:
        """Put a group in the queue; its prompt and limits must fit the cells."""
        self._arrivals += 1
        group.arrival = self._arrivals
        insort(self.waiting, group, key=_order)

    def finish(self, group: Group, member: Member) -> None:
        """A member is over, however it ended: its cells become a cached prefix or free."""
        member.over = True
        if member.branch is not None:
            if group.kind == "sample" and not self.limits.fixed:
                self.branches.retire(member.branch, brief=True, names=member.names)  # may be continued
            else:
                self.branches.drop(member.branch)
            member.branch = None
        if all(other.over for other in group.members):
            self._end(group)

    def cancel(self, group: Group) -> None:
        """Forget a group and free what it holds, at once."""
        for member in group.members:
            member.over = True
            if member.branch is not None:
                self.branches.drop(member.branch)
                member.branch = None
        self._end(group)

    def _end(self, group: Group) -> None:
        if group in self.waiting:
            self.waiting.remove(group)
        if group in self.running:
            self.running.remove(group)
        if group.branch is not None:
            alone = self._ends_alone(group) if group.kind == "score" else group.given > 0
            self.branches.retire(group.branch, brief=alone)
            group.branch = None
        group.ready = False

    def _ends_alone(self, group: Group) -> bool:
        """Remember a judgement's own part; whether nobody is likely to go on from it.

        What it reads after a beginning that it shares is hardly wanted again, and costs every row. But where steps are
        judged one after the other each prompt goes on from an earlier one's own part: then those stay.
        """
        if 2 * group.shared < len(group.prompt):
            return False
        if group.shared + WORTH_WAITING < len(group.prompt):
            self._read.append(group.prompt[: group.shared + WORTH_WAITING])
        self._grows = max(0, self._grows - 1)
        return not self._grows

    def release(self, names: Iterable[str]) -> None:
        """Forget branches that were kept under these names alone; those still running are not kept."""
        gone = {*names}
        self.branches.release(gone)
        for group in (*self.running, *self.waiting):
            for member in group.members:
                member.names -= gone

    def holds(self, tokens: list[int]) -> bool:
        """Whether all of these tokens are in the cache, or are being computed."""
        prompts = [group.branch for group in self.running if group.branch is not None]
        return self.branches.match([*tokens, -1], prompts, finished=False)[1] == len(tokens)

    def adopt(self, tokens: list[int]) -> Branch | None:
        """A branch whose cells will be filled from elsewhere; None where only running work could make room."""
        while self.cells.free < len(tokens):
            if not self.branches.evict():
                return None
        branch = self.branches.open(list(tokens), None, 0)
        if branch is None:
            return None
        self.cells.take(branch, len(tokens))
        return branch

    @property
    def idle(self) -> bool:
        return not self.waiting and not self.running

    def live(self) -> Iterator[tuple[Group, Member]]:
        """Running members, first in line first."""
        for group in self.running:
            for member in group.members:
                if member.branch is not None:
                    yield group, member

    # ------------------------------------------------------------------ room

    def _yield_later(self, order: Order, keep: Member | None) -> bool:
        """Take the cells of whoever comes last after `order`; whether there was anybody."""
        for group in reversed(self.running):
            if group.order < order:
                return False
            for member in reversed(group.members):
                if member is keep and group.order == order:
                    return False
                if member.branch is not None:
                    self.branches.drop(member.branch)
                    member.branch = None
                    self.preempted += 1
                    return True
            if group.order > order and group.branch is not None:
                self._unload(group)
                return True
        return False

    def _unload(self, group: Group) -> None:
        """Send a group without running members back to the queue; its prompt stays cached while there is room."""
        if group.branch is not None:
            self.branches.retire(group.branch)
        group.branch, group.ready = None, False
        self.running.remove(group)
        if group.members:
            insort(self.waiting, group, key=_order)

    def _room(self, count: int, order: Order, keep: Member | None = None) -> bool:
        """Make `count` cells free for work of this order."""
        while self.cells.free < count:
            if not self.branches.evict() and not self._yield_later(order, keep):
                return False
        return True

    # ------------------------------------------------------------------ one step

    def start(self) -> list[tuple[Group, Member]]:
        """Members that begin now, from the logits after their group's prompt (the caller has them)."""
        begun: list[tuple[Group, Member]] = []
        active = sum(1 for _ in self.live())
        for group in self.running:
            if not group.ready:
                continue
            for member in group.members:
                if member.over or member.branch is not None:
                    continue
                if active >= self.limits.active or not self._may_begin(group, member, active):
                    return begun
                branch = self._begin(group, member)
                if branch is None:
                    return begun
                member.branch = branch
                active += 1
                if len(member.tail) == group.given or group.kind == "score":
                    begun.append((group, member))
        return begun

    def _may_begin(self, group: Group, member: Member, active: int) -> bool:
        """Whether a fair share of what it may still need is free; over-committed on purpose."""
        if active == 0:
            return True
        if self.limits.balance and active >= EVEN:
            mean = sum(m.limit for _, m in self.live()) / active * self.limits.reserve
            if (active + 1) ** 2 * mean > self.limits.balance:
                return False
        wanted = self._expected(group, member) + sum(self._expected(g, m) for g, m in self.live())
        if self.cells.free >= wanted:
            return True
        return self.cells.free + sum(self.cells.alone(branch) for branch in self.cached) >= wanted

    def _expected(self, group: Group, member: Member) -> int:
        if group.kind == "score":
            return len(member.tail) - (member.branch.done - len(group.prompt) if member.branch else 0)
        fresh = len(member.tail) - group.given if member.branch is None else 0
        return fresh + max(1, int(member.left * self.limits.reserve))

    def _begin(self, group: Group, member: Member) -> Branch | None:
        assert group.branch is not None
        path = group.prompt + member.tail[group.given :]
        source: Branch | None = group.branch
        have = len(group.prompt)
        if group.kind == "score":
            path = path[:-1]  # the last token's logits are not needed
        elif len(path) > have + 1 and not self.limits.fixed:  # goes on from what it has: that may still be there
            found, common = self.branches.match(path, finished=True)
            if common > have:
                source, have = found, common
        return self.branches.open(path, source, have, member=group.kind == "sample")

    def plan(self) -> list[Call]:
        """The calls of this step. `operations` must be run before them."""
        tick = self.branches.tick
        # Where unused ids get rows without meaning, one that is being filled must have ended that first.
        decode = [] if self.limits.fixed and self._resuming() else self._decode_pieces()
        self._end_stems()
        self._admit()
        prefill = self._prefill_pieces()
        self.branches.rows += len(decode) + sum(len(piece.tokens) for piece in prefill)
        if not decode and not prefill and self.running:
            # Later members wait for cells that earlier groups hold, which cannot begin beside them: the last in line
            # gives its cells back, step after step, until the first in line can go on.
            self._yield_later(self.running[0].order, None)
        if self.limits.patience and (decode or prefill):
            self.branches.lapse(tick)
        decode = [piece for piece in decode if _alive(piece)]  # prefill of an earlier group may have taken cells
        if self.limits.separate:
            if not self.limits.fixed:
                self.branches.close_ranks(decode)
            decode.sort(key=_seq)
            prefill.sort(key=_seq)
        if self.limits.fixed:
            return [*fixed.blocks(decode), *(Call((piece,)) for piece in prefill)]
        calls = -(-len(decode) // self.limits.rows)
        size = -(-len(decode) // calls) if calls else 1
        plan = [Call(tuple(decode[at : at + size])) for at in range(0, len(decode), size)]
        return [*plan, Call(tuple(prefill))] if prefill else plan

    def _resuming(self) -> bool:
        """Whether a sample's beginning is still to be computed."""
        return any(g.kind == "sample" and m.branch is not None and m.branch.missing > 1 for g, m in self.live())

    def _decode_pieces(self) -> list[Piece]:
        pieces: list[Piece] = []
        for group, member in list(self.live()):
            branch = member.branch
            if branch is None or branch.missing != 1 or group.kind == "score":
                continue  # None: lost its cells to an earlier one just now
            if self._room(1, group.order, member) and member.branch is branch:
                pieces.append(self._piece(group, member, branch, 1))
                self.cells.take(branch, 1)
        return pieces

    def _piece(self, group: Group, member: Member | None, branch: Branch, count: int) -> Piece:
        start = branch.done
        tokens = branch.tokens[start : start + count]
        if member is not None and group.kind == "score":
            first = max(0, len(group.prompt) - start)
            outputs = range(first, count)
        else:
            is_end = start + count == len(branch.tokens) and bool(group.members)  # not of a mere beginning
            outputs = range(count - 1, count) if is_end else range(0)
        return Piece(group, member, branch, start, tokens, outputs)

    def _admit(self) -> None:
        """Move groups from the queue to the running ones while there is room, those of one prefix in turn."""
        pending = sum(group.branch.missing for group in self.running if group.branch is not None)
        for group in self.waiting[:LOOK_AHEAD]:
            if pending >= self.limits.piece * 2 or len(self.running) >= self.limits.active or self._has_enough():
                return
            prompts = [other.branch for other in self.running if other.branch is not None]
            source, have = self.branches.match(group.prompt, prompts, finished=True)
            _, soon = self.branches.match(group.prompt, prompts, finished=False)
            if soon > have + WORTH_WAITING:
                continue  # another group is computing this prefix: wait for it
            stem = 0 if self.limits.ranges or self.limits.fixed else self._stem(group, have)
            if stem:
                first = Group(-1, group.prompt[:stem], [], priority=group.priority, arrival=group.arrival)
                first.branch = self.branches.open(list(first.prompt), source, have)
                if first.branch is None:
                    return
                pending += first.branch.missing
                self._run(first)
                continue
            need = len(group.prompt) - have + max(1, int(group.members[0].left * self.limits.reserve))
            if self.running and not self._fits(need):
                return
            branch = self.branches.open(list(group.prompt), source, have)
            if branch is None:
                return
            group.branch, group.shared = branch, have
            group.computed, self._owed = group.computed + self._owed, 0
            if group.kind == "score" and any(group.prompt[: len(read)] == read for read in self._read):
                self._grows = GROWS
            pending += branch.missing
            self.waiting.remove(group)
            self._run(group)

    def _run(self, group: Group) -> None:
        self.running.append(group)
        self.running.sort(key=_order)

    def _stem(self, group: Group, have: int) -> int:
        """Where the first branch lies between this prompt and others that wait, 0 where there is none soon enough.

        States cannot be cut. So what several prompts have in common is computed first, and kept at the place where they
        part; the shortest common beginning comes first, and longer ones go on from it.
        """
        least = have + WORTH_WAITING
        lengths = [
            common_prefix(group.prompt, other.prompt, min(len(group.prompt), len(other.prompt)) - 1)
            for other in self.waiting[:LOOK_AHEAD]
            if other is not group
        ]
        return min((length for length in lengths if length > least), default=0)

    def _end_stems(self) -> None:
        """Keep the states of beginnings that are computed."""
        for group in [one for one in self.running if not one.members]:
            if group.branch is not None and not group.branch.missing:
                self._owed += group.computed
                self._end(group)

    def _has_enough(self) -> bool:
        """Whether, where unused cells slow the rows, a prompt computed now would only lie there.

        Members of running groups that have not begun take the next free places.
        """
        if not self.limits.balance:
            return False
        members = [member for group in self.running for member in group.members if not member.over]
        return len(members) > max(EVEN, sum(member.branch is not None for member in members))

    def _fits(self, need: int) -> bool:
        promised = sum(self._expected(group, member) for group, member in self.live())
        promised += sum(group.branch.missing for group in self.running if group.branch is not None)
        free = self.cells.free
        if free >= need + promised:
            return True
        return free + sum(self.cells.alone(branch) for branch in self.cached) >= need + promised

    def _prefill_pieces(self) -> list[Piece]:
        """Up to `piece` rows of prompts, resumed samples and continuations."""
        pieces: list[Piece] = []
        rows = outputs = 0
        for group, member, branch in self._to_fill():
            if (group.branch if member is None else member.branch) is not branch:
                continue  # lost to an earlier group just now
            room = self.limits.piece - rows
            if member is not None and group.kind == "score":
                room = min(room, self.limits.outputs - outputs)
            count = min(branch.missing, room)
            if self.limits.fixed:  # whole pieces, whatever else there is to do
                if rows:
                    break
                end = fixed.next_cut(branch.done, len(branch.tokens)) if member is None else branch.done + count
                count = end - branch.done
            if count <= 0 or outputs >= self.limits.outputs:
                break
            if not self._room(count, group.order, member):
                continue
            piece = self._piece(group, member, branch, count)
            self.cells.take(branch, count)
            pieces.append(piece)
            rows += count
            outputs += len(piece.outputs)
        return pieces

    def _to_fill(self) -> list[tuple[Group, Member | None, Branch]]:
        work: list[tuple[Group, Member | None, Branch]] = []
        for group in self.running:
            if group.branch is not None and group.branch.missing:
                work.append((group, None, group.branch))
            for member in group.members:
                branch = member.branch
                if branch is not None and (branch.missing > 1 or (group.kind == "score" and branch.missing)):
                    work.append((group, member, branch))
        return work

    def accept(self, member: Member, token: int) -> None:
        """A drawn token joins a running member."""
        member.tail.append(token)
        if member.branch is not None:
            member.branch.tokens.append(token)

    def reset(self) -> None:
        """Send every running group back to the queue and forget all that is cached; tails are kept."""
        for group in list(self.running):
            for member in group.members:
                if member.branch is not None:
                    self.branches.drop(member.branch)
                    member.branch = None
            self._unload(group)
        while self.branches.evict():
            pass

    def take_operations(self) -> list[Copy | Drop]:
        """Cache operations decided since the last time, in order."""
        taken, self.branches.operations = self.branches.operations, []
        return taken


def _order(group: Group) -> Order:
    return group.order


def _seq(piece: Piece) -> int:
    return piece.seq


def _alive(piece: Piece) -> bool:
    return (piece.group.branch if piece.member is None else piece.member.branch) is piece.branch
