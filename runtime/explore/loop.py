"""The one loop of step-wise search: what the policy wants is written, judged, kept; until it or a limit says stop.

Every round takes at least one step from a limit that is finite, or the policy wants nothing more: so it ends, whatever
the models answer. A state whose step cannot be written leaves no state behind it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from ttscale.runtime.explore.policies import Grown, Growth, Policy
from ttscale.runtime.explore.tree import Node, Tree


@dataclass(frozen=True, slots=True)
class Limits:
    """The most of everything for one question: states gone on from, steps written, judgements, new tokens, and depth.

    `tokens` None is no limit; `step_tokens` is the most of one step.
    """

    expansions: int
    written: int
    judged: int
    steps: int
    step_tokens: int
    tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """A step to be written after `before`, the `index`-th of its kind; `previous` is the step before it."""

    before: str
    index: int
    writer: int = 0
    greedy: bool = False


@dataclass(frozen=True, slots=True)
class Written:
    """A step that a model wrote, with its boundary; `is_last` says that the answer is over.

    `is_full` says that nothing can follow for want of room in the model's memory.
    """

    text: str
    is_last: bool
    tokens: int
    logprobs: tuple[float, ...] = ()
    is_full: bool = False

    @property
    def goes_on(self) -> bool:
        """Whether another step can follow."""
        return not (self.is_last or self.is_full)


@dataclass(frozen=True, slots=True)
class Path:
    """The beginning of an answer as a judge sees it: its steps, and the log-probabilities of its tokens.

    Blank steps stand with the step before them.
    """

    steps: tuple[str, ...]
    logprobs: tuple[float, ...] = ()
    tokens: int = 0

    @property
    def text(self) -> str:
        """All of it."""
        return "".join(self.steps)


class Writer(Protocol):
    """Writes steps, one a wish, in order; None where one could not be written."""

    async def write(self, wanted: Sequence[Wanted]) -> list[Written | None]: ...

    @property
    def spent(self) -> bool:
        """Whether the run's budget has refused or cut anything."""
        ...


class Judge(Protocol):
    """Judges beginnings, one number each, in order; None where there is none."""

    async def judge(self, paths: Sequence[Path]) -> list[float | None]: ...


@dataclass
class Meter:
    """What has been done so far."""

    limits: Limits
    expansions: int = 0
    written: int = 0
    judged: int = 0
    tokens: int = 0

    @property
    def room(self) -> int:
        """How many steps may still be written, each of them as long as it may be."""
        left = self.limits.written - self.written
        if self.limits.tokens is not None:
            left = min(left, (self.limits.tokens - self.tokens) // self.limits.step_tokens)
        return max(0, left)

    def admit(self, wanted: Sequence[Growth], each: int) -> tuple[list[Growth], str]:
        """What of a wish may be done, and the limit that cuts it; `each` steps are written for every state."""
        admitted: list[Growth] = []
        room = self.room // each
        judgements = self.limits.judged - self.judged
        for growth in wanted:
            if self.expansions + len(admitted) >= self.limits.expansions:
                return admitted, "expansions"
            count = min(growth.times, room, judgements)
            if count:
                admitted.append(growth._replace(times=count))
            if count < growth.times:
                return admitted, "judgements" if judgements < room else "tokens" if self._lacks_tokens() else "steps"
            room, judgements = room - count, judgements - count
        return admitted, ""

    def _lacks_tokens(self) -> bool:
        return self.limits.tokens is not None and self.limits.written > self.written


@dataclass(frozen=True)
class Explored:
    """The whole tree, the states that are the answers, why it ended, and what was done."""

    tree: Tree
    answers: tuple[int, ...]
    reason: str
    expansions: int
    written: int
    judged: int
    tokens: int
    rounds: int


Heard = Callable[[Sequence[Node]], None]


@dataclass
class _Search:
    """One search on its way."""

    policy: Policy
    limits: Limits
    writer: Writer
    judge: Judge
    tree: Tree
    heard: Heard | None
    meter: Meter
    repeats_end: bool
    asked: dict[tuple[str, int, bool], int] = field(default_factory=dict)
    known: dict[str, float | None] = field(default_factory=dict)

    async def run(self, most: int) -> Explored:
        state = self.policy.start()
        reason = "the policy is done"
        rounds = 0
        unseen = len(self.tree)
        each = 1 + self.policy.lookahead
        while wanted := self.policy.wanted(state, self.tree):
            admitted, limit = self.meter.admit(wanted, each)
            if admitted:
                rounds += 1
                grown = await self._grow(admitted)
                if self.writer.spent:
                    limit = "budget"
            if limit:
                reason = limit
                break
            state = self.policy.keep(state, self.tree, grown)
            unseen = len(self.tree)
        answers = self._answers(state, most, unseen)
        meter = self.meter
        return Explored(self.tree, answers, reason, meter.expansions, meter.written, meter.judged, meter.tokens, rounds)

    def _answers(self, state: object, most: int, unseen: int) -> tuple[int, ...]:
        """What the policy gives, whole answers first, and those of a last round that a limit kept from it.

        States from the number `unseen` on are of that round. Where there is none of these, whole answers that the
        policy gave up are given; beginnings only where there is none at all, and then not those that were gone on from.
        """
        tree = self.tree
        named = self.policy.answers(state, tree)
        latest = tree.best_first(list(range(unseen, len(tree))))
        ended = [node for node in (*named, *latest) if not tree[node].is_open]
        seen = {*named, *latest}
        others = [node for node in tree.best_first(list(tree.finished())) if node not in seen]
        if ended or others:
            return tuple((ended or others)[:most])
        if latest:
            named = tuple(tree.best_first([*(node for node in named if not tree.children(node)), *latest]))
        leaves = [n.id for n in tree.nodes[1:] if not tree.children(n.id) and n.id not in seen]
        return tuple([*named, *tree.best_first(leaves)][:most])

    # --- one round --------------------------------------------------------------------------------

    async def _grow(self, admitted: Sequence[Growth]) -> list[Grown]:
        self.meter.expansions += len(admitted)
        places = [growth for growth in admitted for _ in range(growth.times)]
        wishes = [self._wish(self.tree.text(g.node), g.writer) for g in places]
        written = await self._write(wishes)
        first = len(self.tree)
        nodes: list[int | None] = []
        for growth, step in zip(places, written, strict=True):
            nodes.append(None if step is None else self._add(growth, step))
        await self._judge(range(first, len(self.tree)))
        if self.heard is not None:
            self.heard(self.tree.nodes[first:])
        came = iter(nodes)
        return [Grown(g, tuple(n for n in (next(came) for _ in range(g.times)) if n is not None)) for g in admitted]

    def _wish(self, before: str, writer: int, greedy: bool = False) -> Wanted:
        """The next sample of its kind: the first sample of a text is the same whichever way led there."""
        key = (before, writer, greedy)
        index = self.asked.get(key, 0)
        if not greedy:
            self.asked[key] = index + 1
        return Wanted(before, index, writer, greedy)

    async def _write(self, wishes: Sequence[Wanted]) -> list[Written | None]:
        self.meter.written += len(wishes)
        written = await self.writer.write(wishes)
        self.meter.tokens += sum(step.tokens for step in written if step is not None)
        return written

    def _add(self, growth: Growth, step: Written) -> int | None:
        """The state that a step makes; None for one that says nothing at all.

        Two blank steps in a row, or a step that says the same as the one before it where that ends answers, end it.
        """
        parent = self.tree[growth.node]
        says = step.text.strip()
        if not says and (not step.goes_on or parent.parent is not None) and not self.tree.text(parent.id).strip():
            return None
        alike = parent.parent is not None and says == parent.step.strip()
        repeated = alike and (self.repeats_end or not says)
        depth = parent.depth + 1
        ended = "stop" if step.is_last or repeated else ""
        if not ended and (step.is_full or depth >= self.limits.steps):
            ended = "length"
        text = "" if ended and (repeated or not says) else step.text
        node = Node(len(self.tree), parent.id, text, depth, None, ended, step.tokens, step.logprobs, growth.writer)
        self.tree.add(node)
        return node.id

    async def _judge(self, numbers: Sequence[int]) -> None:
        """Give the new states their scores, with greedy steps ahead where the policy wants them.

        A blank step without anything ahead has nothing to be judged: its score is that of the state before it.
        """
        ahead = await self._ahead(numbers) if self.policy.lookahead else {}
        paths = {number: self._path(number, ahead.get(number, ())) for number in numbers if self._says(number, ahead)}
        new = list(dict.fromkeys(path.text for path in paths.values() if path.text not in self.known))
        by_text = {path.text: path for path in reversed(paths.values())}
        new = new[: self.limits.judged - self.meter.judged]
        self.meter.judged += len(new)
        scores = await self.judge.judge([by_text[text] for text in new]) if new else []
        self.known.update(zip(new, scores, strict=True))
        for number in numbers:
            node = self.tree[number]
            path = paths.get(number)
            score = self.tree[node.parent or 0].score if path is None else self.known.get(path.text)
            further = "".join(step.text for step in ahead.get(number, ()))
            self.tree.nodes[number] = replace(node, score=score, ahead=further)

    def _says(self, number: int, ahead: Mapping[int, Sequence[Written]]) -> bool:
        return bool(self.tree[number].step.strip() or ahead.get(number))

    def _path(self, number: int, ahead: Sequence[Written]) -> Path:
        """A state as it is judged, with the greedy steps ahead of it."""
        states = self.tree.path(number)
        steps: list[str] = []
        for text in (*(state.step for state in states), *(step.text for step in ahead)):
            if steps and not text.strip():
                steps[-1] += text
            elif text:
                steps.append(text)
        parts: tuple[Node | Written, ...] = (*states, *ahead)
        logprobs = tuple(value for part in parts for value in part.logprobs)
        return Path(tuple(steps), logprobs, sum(part.tokens for part in parts))

    async def _ahead(self, numbers: Sequence[int]) -> Mapping[int, Sequence[Written]]:
        """Greedy steps after each new open state, round by round; none where it is over or has as many as it may."""
        more: dict[int, list[Written]] = {number: [] for number in numbers if self.tree[number].is_open}
        open_ones = list(more)
        for further in range(self.policy.lookahead):
            open_ones = [number for number in open_ones if self.tree[number].depth + further < self.limits.steps]
            texts = {n: self.tree.text(n) + "".join(step.text for step in more[n]) for n in open_ones}
            distinct = list(dict.fromkeys(texts.values()))
            if not distinct:
                break
            writer = {texts[number]: self.tree[number].writer for number in reversed(open_ones)}
            written = await self._write([self._wish(text, writer[text], greedy=True) for text in distinct])
            came = dict(zip(distinct, written, strict=True))
            following: list[int] = []
            for number in open_ones:
                step = came[texts[number]]
                if step is None or not step.text.strip():
                    continue
                more[number].append(step)
                if step.goes_on:
                    following.append(number)
            open_ones = following
        return more


async def grow(
    policy: Policy,
    limits: Limits,
    writer: Writer,
    judge: Judge,
    *,
    answers: int,
    of: str = "last",
    top: float = 1.0,
    repeats_end: bool = True,
    heard: Heard | None = None,
) -> Explored:
    """Search by a policy and give at most `answers` states.

    `of` says how the scores of steps are put together (last, min, mean, prod), `top` is the highest of them.
    `repeats_end` says whether a step that repeats the one before ends the answer. `heard` is told of the new states
    after every round.
    """
    tree = Tree(of, top)
    return await _Search(policy, limits, writer, judge, tree, heard, Meter(limits), repeats_end).run(answers)
