"""What a policy is, and the policies that keep a front of states: beam, diverse trees, best first, A*, depth first.

Ties go to the state that was written first. A state without a judgement comes after all others.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Protocol

from ttscale.runtime.explore.tree import ROOT, Tree


class Growth(NamedTuple):
    """A state to be gone on from, how often, and by which of the models."""

    node: int
    times: int
    writer: int = 0


class Grown(NamedTuple):
    """What came of a growth: the new states, fewer than wanted where steps failed."""

    growth: Growth
    nodes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Shape:
    """How many states a policy keeps, how many continuations of one it wants, and how many steps an answer may have.

    `top` is the highest number that the judge gives: scores are divided by it where a policy needs them in [0, 1].
    """

    width: int
    branch: int
    steps: int
    top: float = 1.0


class Policy(Protocol):
    """A pure state machine. `lookahead` greedy steps are judged with every new state.

    `start` gives the first state of the machine, `wanted` what should be written next (nothing: the search is over),
    `keep` the machine's state after it was written, `answers` the states to be given, the best first where a policy
    has an order of its own.
    """

    @property
    def lookahead(self) -> int: ...

    def start(self) -> Any: ...

    def wanted(self, state: Any, tree: Tree) -> tuple[Growth, ...]: ...

    def keep(self, state: Any, tree: Tree, grown: Sequence[Grown]) -> Any: ...

    def answers(self, state: Any, tree: Tree) -> tuple[int, ...]: ...


# --- beam -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Front:
    """States still open, whole answers in the order in which they were finished, and whether it has begun."""

    live: tuple[int, ...] = (ROOT,)
    ended: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Beam:
    """Beam search as "Can 1B LLM Surpass 405B LLM?" (Liu et al. 2025) has it.

    Every open state offers its best k continuations, k = width less what is finished; the best k of all stay, and the
    finished of them leave. It ends at `width` finished answers. The first round writes `first` steps, max(width,
    branch) where that is not given: Liu et al. begin with `branch`, Snell et al. 2024 with width x branch. With
    `unique` only the first stays of those that read the same, as search-and-learn has it.
    """

    shape: Shape
    lookahead: int = 0
    first: int | None = None
    unique: bool = False

    def start(self) -> Front:
        return Front()

    def wanted(self, state: Front, tree: Tree) -> tuple[Growth, ...]:
        if len(state.ended) >= self.shape.width:
            return ()
        first = self.first or max(self.shape.width, self.shape.branch)
        return tuple(Growth(node, first if node == ROOT else self.shape.branch) for node in state.live)

    def keep(self, state: Front, tree: Tree, grown: Sequence[Grown]) -> Front:
        room = self.shape.width - len(state.ended)
        alike = _alike(state.ended, grown, tree) if self.unique else frozenset[int]()
        offered = [n for one in grown for n in tree.best_first([n for n in one.nodes if n not in alike])[:room]]
        kept = tree.best_first(offered)[:room]
        ended = tuple(node for node in kept if not tree[node].is_open)
        return Front(tuple(node for node in kept if tree[node].is_open), state.ended + ended)

    def answers(self, state: Front, tree: Tree) -> tuple[int, ...]:
        return state.ended + tuple(node for node in state.live if node != ROOT)


def _alike(ended: Sequence[int], grown: Sequence[Grown], tree: Tree) -> frozenset[int]:
    """New states that read as a whole answer or an earlier new state does, but for space at the end."""
    seen = {tree.text(node).rstrip() for node in ended}
    alike: set[int] = set()
    for node in (node for one in grown for node in one.nodes):
        text = tree.text(node).rstrip()
        alike |= {node} if text in seen else set()
        seen.add(text)
    return frozenset(alike)


# --- diverse trees --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Subtrees:
    """For each subtree where it stands (None: nowhere) and the continuations of its last step."""

    at: tuple[int | None, ...]
    last: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class DiverseTrees:
    """DVTS: `width` subtrees, each going on from the best of its `branch` continuations; search-and-learn.

    All continuations of the last step of every subtree are its answers, the best first, so up to width x branch.
    """

    shape: Shape
    lookahead: int = 0

    def start(self) -> Subtrees:
        return Subtrees((ROOT,) * self.shape.width, ((),) * self.shape.width)

    def wanted(self, state: Subtrees, tree: Tree) -> tuple[Growth, ...]:
        return tuple(Growth(node, self.shape.branch) for node in state.at if node is not None and tree[node].is_open)

    def keep(self, state: Subtrees, tree: Tree, grown: Sequence[Grown]) -> Subtrees:
        came = iter(grown)
        at, last = list(state.at), list(state.last)
        for place, node in enumerate(state.at):
            if node is None or not tree[node].is_open:
                continue
            nodes = tuple(tree.best_first(next(came).nodes))
            at[place], last[place] = (nodes[0], nodes) if nodes else (None, state.last[place])
        return Subtrees(tuple(at), tuple(last))

    def answers(self, state: Subtrees, tree: Tree) -> tuple[int, ...]:
        return tuple(node for nodes in state.last for node in nodes)


# --- one state at a time --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Frontier:
    """Open states with their priority (the lower, the sooner), whole answers, and what A* has gathered by state."""

    open: tuple[tuple[float, int], ...] = ((0.0, ROOT),)
    ended: tuple[int, ...] = ()
    risen: tuple[tuple[int, float], ...] = ((ROOT, 0.0),)

    def first(self) -> tuple[float, int]:
        """The state to go on from."""
        return min(self.open, key=lambda item: item[0])  # the earliest of equals


@dataclass(frozen=True, slots=True)
class BestFirst:
    """Goes on from the best open state of the whole tree; ends when `width` answers are finished."""

    shape: Shape
    lookahead: int = 0

    def start(self) -> Frontier:
        return Frontier()

    def wanted(self, state: Frontier, tree: Tree) -> tuple[Growth, ...]:
        if not state.open or len(state.ended) >= self.shape.width:
            return ()
        return (Growth(state.first()[1], self.shape.branch),)

    def keep(self, state: Frontier, tree: Tree, grown: Sequence[Grown]) -> Frontier:
        (one,) = grown
        left = tuple(item for item in state.open if item[1] != one.growth.node)
        more = tuple((-tree.worth(node), node) for node in one.nodes if tree[node].is_open)
        ended = tuple(node for node in one.nodes if not tree[node].is_open)
        return replace(state, open=left + more, ended=state.ended + ended)

    def answers(self, state: Frontier, tree: Tree) -> tuple[int, ...]:
        open_ones = [node for _, node in sorted(state.open, key=lambda item: item[0]) if node != ROOT]
        return tuple(tree.best_first(state.ended)) + tuple(open_ones)


@dataclass(frozen=True, slots=True)
class AStar:
    """A*-Decoding (Chatziveroglou 2025): least f = g + h first, h = 1 - r, g(s') = g(s) + max(0, h(s') - h(s)).

    Only rises of h count, so that g stays 0 while the judge's numbers do not fall: then it is best first. An answer
    counts when it is taken from the frontier, not when it is written; it ends with `width` of these.
    """

    shape: Shape
    lookahead: int = 0

    def start(self) -> Frontier:
        return Frontier()

    def wanted(self, state: Frontier, tree: Tree) -> tuple[Growth, ...]:
        settled = self._settled(state, tree)
        if not settled.open or len(settled.ended) >= self.shape.width:
            return ()
        return (Growth(settled.first()[1], self.shape.branch),)

    def keep(self, state: Frontier, tree: Tree, grown: Sequence[Grown]) -> Frontier:
        (one,) = grown
        settled = self._settled(state, tree)
        risen = dict(settled.risen)
        parent = one.growth.node
        left = tuple(item for item in settled.open if item[1] != parent)
        before = 0.0 if parent == ROOT else self._far(tree, parent)
        more: list[tuple[float, int]] = []
        for node in one.nodes:
            far = self._far(tree, node)
            risen[node] = risen[parent] + (0.0 if parent == ROOT else max(0.0, far - before))
            more.append((risen[node] + far, node))
        return replace(settled, open=left + tuple(more), risen=tuple(risen.items()))

    def answers(self, state: Frontier, tree: Tree) -> tuple[int, ...]:
        settled = self._settled(state, tree)
        waiting = [node for _, node in sorted(settled.open, key=lambda item: item[0]) if node != ROOT]
        done = tuple(node for node in waiting if not tree[node].is_open)
        return settled.ended + done + tuple(node for node in waiting if tree[node].is_open)

    def _settled(self, state: Frontier, tree: Tree) -> Frontier:
        """The frontier after all answers at its front were taken, as long as more are wanted."""
        while state.open and len(state.ended) < self.shape.width and not tree[state.first()[1]].is_open:
            first = state.first()
            left = tuple(item for item in state.open if item != first)
            state = replace(state, open=left, ended=(*state.ended, first[1]))
        return state

    def _far(self, tree: Tree, node: int) -> float:
        """h: how far a state is from right."""
        worth = tree.worth(node)
        return 1 - min(1.0, max(0.0, worth / self.shape.top))


@dataclass(frozen=True, slots=True)
class Stack:
    """Open states, the next one last, and whole answers."""

    open: tuple[int, ...] = (ROOT,)
    ended: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class DepthFirst:
    """Depth first with pruning, as Tree of Thoughts has it and "Bag of Tricks" (Liu et al. 2025) runs it.

    Of the continuations of a state floor((1 - prune) count) + 1 stay, the best first; those below `least` go too. It
    ends with `width` answers, which come in the order of the mean of their step scores.
    """

    shape: Shape
    prune: float = 0.4
    least: float | None = None
    lookahead: int = 0

    def start(self) -> Stack:
        return Stack()

    def wanted(self, state: Stack, tree: Tree) -> tuple[Growth, ...]:
        if not state.open or len(state.ended) >= self.shape.width:
            return ()
        return (Growth(state.open[-1], self.shape.branch),)

    def keep(self, state: Stack, tree: Tree, grown: Sequence[Grown]) -> Stack:
        (one,) = grown
        share = round((1 - self.prune) * len(one.nodes), 9)  # (1 - 0.8) * 5 is a little less than 1
        stay = min(len(one.nodes), math.floor(share) + 1)
        kept = tree.best_first(one.nodes)[:stay]
        if self.least is not None:
            kept = [node for node in kept if tree.worth(node) >= self.least]
        ended = tuple(node for node in kept if not tree[node].is_open)
        following = tuple(node for node in reversed(kept) if tree[node].is_open)
        return Stack(state.open[:-1] + following, state.ended + ended)

    def answers(self, state: Stack, tree: Tree) -> tuple[int, ...]:
        def mean(node: int) -> float:
            scores = tree.scores(node)
            return sum(scores) / len(scores) if scores else float("-inf")

        ended = sorted(state.ended, key=lambda node: -mean(node))
        return (*ended, *(node for node in reversed(state.open) if node != ROOT))


# --- a step at a time by two models ----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Chain:
    """Where one chain stands, and whether its next step is the second model's to write."""

    at: int = ROOT
    again: bool = False
    over: bool = False


@dataclass(frozen=True, slots=True)
class Cascade:
    """SpecReason (Pan et al. 2025): the first model writes a step, the judge scores it, from `accept` on it stays.

    A step that is not accepted, or that the first model cannot write, is written anew by the second model and stays
    whatever the judge says of it. The first `first` steps are the second model's. `width` chains side by side.
    """

    shape: Shape
    accept: float = 0.5
    first: int = 0
    lookahead: int = 0
    chains: tuple[Chain, ...] = field(default=())

    def start(self) -> tuple[Chain, ...]:
        return (Chain(again=self.first > 0),) * self.shape.width

    def wanted(self, state: tuple[Chain, ...], tree: Tree) -> tuple[Growth, ...]:
        return tuple(Growth(chain.at, 1, int(chain.again)) for chain in state if not chain.over)

    def keep(self, state: tuple[Chain, ...], tree: Tree, grown: Sequence[Grown]) -> tuple[Chain, ...]:
        came = iter(grown)
        return tuple(chain if chain.over else self._next(chain, tree, next(came)) for chain in state)

    def _next(self, chain: Chain, tree: Tree, grown: Grown) -> Chain:
        if not grown.nodes:
            return replace(chain, again=True) if not chain.again else replace(chain, over=True)
        (node,) = grown.nodes
        if not chain.again and tree.worth(node) < self.accept:
            return replace(chain, again=True)
        state = tree[node]
        return Chain(node, again=state.depth < self.first, over=not state.is_open)

    def answers(self, state: tuple[Chain, ...], tree: Tree) -> tuple[int, ...]:
        return tuple(chain.at for chain in state if chain.at != ROOT)
