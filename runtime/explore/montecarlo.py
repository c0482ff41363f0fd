"""Monte Carlo tree search over steps, with the judge's numbers as values and a PUCT rule for where to go on.

A simulation goes down from the root to the state with the highest rule, writes `branch` continuations of it, and adds
their mean value to every state on the way. A whole answer that is reached again adds its own value once more.

RAIN settles steps as it goes: the most visited state below the root becomes the root, once it is good and was visited
often enough, or the root itself was visited often enough. What lies beside it is not gone on from any more.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ttscale.runtime.explore.chance import PUCT_CONSTANT, alphazero, rain_score, softmax
from ttscale.runtime.explore.policies import Grown, Growth, Shape
from ttscale.runtime.explore.tree import ROOT, Tree

ROOT_SHARE = 0.75
"""How much of a state's prior counts below the root in RAIN, where the rest is the same for all."""


@dataclass(frozen=True, slots=True)
class Visits:
    """How often each state was visited and the sum of what came of it, simulations so far, and dead ends.

    `root` is the last settled state, `before` how often it had been visited when it was settled.
    """

    count: Mapping[int, int]
    total: Mapping[int, float]
    simulations: int = 0
    dead: frozenset[int] = frozenset()
    root: int = ROOT
    before: int = 0

    def mean(self, node: int) -> float:
        """q: the mean of what came of a state; 0 where it was never visited."""
        return self.total.get(node, 0.0) / self.count[node] if self.count.get(node) else 0.0


@dataclass(frozen=True, slots=True)
class Settling:
    """When the most visited state below the root becomes the root.

    Where it has more than `visits` visits and a mean value of `sure` or more; or where the root has `after` visits, and
    `fresh` since it is the root. None is never. RAIN (its code) has visits 6, sure 0.8 of values from -1 to 1, after
    50, fresh 15. Of equally visited states the better one settles, then the first.
    """

    sure: float | None = None
    visits: int = 6
    after: int | None = None
    fresh: int = 15


@dataclass(frozen=True, slots=True)
class MonteCarlo:
    """PUCT as in Bag of Tricks (q plus a bonus, no prior) or, with `scale`, as in RAIN (q stretched over the tree).

    A simulation that ends in a whole answer writes nothing and counts all the same. Answers come with the most visited
    first, then the better valued.
    """

    shape: Shape
    simulations: int
    constant: float = PUCT_CONSTANT
    likelihood: bool = False
    scale: bool = False
    lookahead: int = 0
    settling: Settling = Settling()

    def start(self) -> Visits:
        return Visits({}, {})

    def wanted(self, state: Visits, tree: Tree) -> tuple[Growth, ...]:
        leaf = self._leaf(self._settled(state, tree), tree)
        return () if leaf is None else (Growth(leaf, self.shape.branch),)

    def keep(self, state: Visits, tree: Tree, grown: Sequence[Grown]) -> Visits:
        (one,) = grown
        state = self._settled(state, tree)
        if not one.nodes:
            return replace(state, simulations=state.simulations + 1, dead=state.dead | {one.growth.node})
        values = [self._value(tree, node) for node in one.nodes]
        count, total = dict(state.count), dict(state.total)
        for node, value in zip(one.nodes, values, strict=True):
            count[node], total[node] = 1, value
        _back_up(tree, one.growth.node, math.fsum(values) / len(values), count, total)
        return self._moved(replace(state, count=count, total=total, simulations=state.simulations + 1), tree)

    def answers(self, state: Visits, tree: Tree) -> tuple[int, ...]:
        def worth(node: int) -> tuple[bool, int, float]:
            return node != state.root, -state.count.get(node, 0), -tree.worth(node)

        ended = sorted(tree.finished(), key=worth)
        leaves = [n.id for n in tree.nodes if n.id != ROOT and n.is_open and not tree.children(n.id)]
        return (*ended, *tree.best_first(leaves))

    # --- the way down -----------------------------------------------------------------------------

    def _settled(self, state: Visits, tree: Tree) -> Visits:
        """The state after simulations that end in whole answers, which need nothing written."""
        while state.simulations < self.simulations:
            leaf = self._descend(state, tree)
            if leaf is None or tree[leaf].is_open:
                return state
            count, total = dict(state.count), dict(state.total)
            _back_up(tree, leaf, self._value(tree, leaf), count, total)
            state = self._moved(replace(state, count=count, total=total, simulations=state.simulations + 1), tree)
        return state

    def _moved(self, state: Visits, tree: Tree) -> Visits:
        """The state with the root as far down as it is settled."""
        while (found := self._to_settle(state, tree)) is not None:
            state = replace(state, root=found, before=state.count.get(found, 0))
        return state

    def _to_settle(self, state: Visits, tree: Tree) -> int | None:
        ways = tree.children(state.root)
        if not ways:
            return None
        most = max(ways, key=lambda node: (state.count.get(node, 0), state.mean(node), -node))
        own, rule = state.count.get(state.root, 0), self.settling
        is_sure = rule.sure is not None and state.mean(most) >= rule.sure and state.count.get(most, 0) > rule.visits
        is_old = rule.after is not None and own >= max(rule.after, state.before + rule.fresh)
        return most if is_sure or is_old else None

    def _leaf(self, state: Visits, tree: Tree) -> int | None:
        return None if state.simulations >= self.simulations else self._descend(state, tree)

    def _descend(self, state: Visits, tree: Tree) -> int | None:
        """The state without continuations that the rule leads to; None where an answer is settled or all is dead."""
        blocked = _blocked(state, tree)
        at = state.root
        if not tree[at].is_open:
            return None  # an answer is settled
        while at not in blocked:
            ways = [node for node in tree.children(at) if node not in blocked]
            if not ways:
                return at
            scores = self.rule(state, tree, at, ways)
            at = ways[scores.index(max(scores))]
        return None

    def rule(self, state: Visits, tree: Tree, parent: int, ways: Sequence[int]) -> list[float]:
        """The score of each way on from a state."""
        visits = state.count.get(parent, 0)
        priors = self._priors(tree, ways)
        if self.scale and parent == state.root:
            priors = [ROOT_SHARE * p + (1 - ROOT_SHARE) / len(ways) for p in priors]
        if not self.scale:
            return [
                alphazero(state.mean(n), state.count.get(n, 0), visits, self.constant, p * len(ways))
                for n, p in zip(ways, priors, strict=True)
            ]
        means = [state.mean(node) for node in state.count] or [0.0]
        low, high = min(means), max(means)
        return [
            rain_score(state.mean(n), state.count.get(n, 0), p, visits, low, high, self.constant)
            for n, p in zip(ways, priors, strict=True)
        ]

    def _priors(self, tree: Tree, ways: Sequence[int]) -> Sequence[float]:
        """What is expected of each way: all alike, or by the mean log-probability of its tokens."""
        if not self.likelihood:
            return (1 / len(ways),) * len(ways)
        means = [sum(tree[n].logprobs) / len(tree[n].logprobs) if tree[n].logprobs else -math.inf for n in ways]
        return softmax(means)

    def _value(self, tree: Tree, node: int) -> float:
        worth = tree.worth(node)
        return 0.0 if worth == -math.inf else worth / self.shape.top


def _back_up(tree: Tree, node: int, value: float, count: dict[int, int], total: dict[int, float]) -> None:
    for at in (ROOT, *(state.id for state in tree.path(node))):
        count[at] = count.get(at, 0) + 1
        total[at] = total.get(at, 0.0) + value


def _blocked(state: Visits, tree: Tree) -> frozenset[int]:
    """Dead ends, and states all of whose continuations are."""
    blocked = set(state.dead)
    for node in reversed(tree.nodes):
        ways = tree.children(node.id)
        if ways and all(way in blocked for way in ways):
            blocked.add(node.id)
    return frozenset(blocked)
