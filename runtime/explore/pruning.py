"""Mid-generation pruning: many answers are begun, and those that look worst are given up before they are written.

"Adaptive Inference-Time Compute" (Manvi et al. 2024) judges samples after 64 or 128 tokens by self-evaluation (the rule
`another_try`) and finishes the best share of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ttscale.compiler.policy_signatures import survivors
from ttscale.runtime.explore.policies import Front, Grown, Growth, Shape
from ttscale.runtime.explore.tree import ROOT, Tree


@dataclass(frozen=True, slots=True)
class Prune:
    """`width` beginnings; after each of the first `rounds` steps the best ceil(keep x count) of them go on.

    Whole answers compete with beginnings while states are given up; what goes on is written to its end. Ties go to the
    state that was written first; one without a judgement comes last.
    """

    shape: Shape
    keep_share: float = 0.5
    rounds: int = 1
    lookahead: int = 0

    def start(self) -> Front:
        return Front()

    def wanted(self, state: Front, tree: Tree) -> tuple[Growth, ...]:
        return tuple(Growth(node, self.shape.width if node == ROOT else 1) for node in state.live)

    def keep(self, state: Front, tree: Tree, grown: Sequence[Grown]) -> Front:
        nodes = [node for one in grown for node in one.nodes]
        if not nodes:
            return Front((), state.ended)
        if max(tree[node].depth for node in nodes) <= self.rounds:
            there = [*state.ended, *nodes]
            nodes = tree.best_first(there)[: survivors(len(there), self.keep_share)]
            state = Front()
        ended = tuple(node for node in nodes if not tree[node].is_open)
        return Front(tuple(node for node in nodes if tree[node].is_open), state.ended + ended)

    def answers(self, state: Front, tree: Tree) -> tuple[int, ...]:
        return state.ended + tuple(node for node in state.live if node != ROOT)
