"""Particle filtering, particle Gibbs and parallel tempering as one policy: one chain or several, one pass or several.

A Probabilistic Inference Approach to Inference-Time Scaling of LLMs using Particle-Based Monte Carlo Methods (Puri et
al. 2025). Where this differs from the authors' code: a reference is weighed at the depth at which the free particles
stand (theirs looks one step ahead; `ahead` does the same), and nothing is resampled after all have finished (a later
version of theirs does).

The potentials are those of Feynman-Kac steering (Singhal et al. 2025): with r(t) = logit(score) or the score itself,
the log-weight of a step is r(t), r(t) - r(t-1), the highest r so far, or the sum of all so far. A finished answer stays
as it is while others go on.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate

from ttscale.runtime.explore.chance import (
    Chance,
    annealed,
    effective_size,
    logit,
    multinomial,
    softmax,
    swap_chance,
    systematic,
)
from ttscale.runtime.explore.policies import Grown, Growth, Shape
from ttscale.runtime.explore.tree import ROOT, Tree

MOST = 1e300
"""The highest score that counts: with infinity weights could not be compared."""

Chooser = Callable[[Sequence[float], int, tuple[int, int, int]], tuple[int, ...]]
"""Ancestors from weights, how many, and where they are drawn: (pass, chain, step)."""


@dataclass(frozen=True, slots=True)
class Flow:
    """One filter on its way: its particles as states, and those set aside.

    `reference` is an answer of the pass before, which stays among the candidates; `since` the step of the latest
    resampling; `lost` are the places of particles whose step could not be written.
    """

    particles: tuple[int, ...]
    aside: tuple[int, ...] = ()
    reference: int | None = None
    step: int = 0
    since: int = 0
    lost: frozenset[int] = frozenset()
    over: bool = False


@dataclass(frozen=True, slots=True)
class Chains:
    """All filters of one pass, the coldest first; `before` are the answers of the coldest in the pass before."""

    flows: tuple[Flow, ...]
    round: int = 0
    before: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Particles:
    """`width` particles a chain, resampled after every step by softmax(log-weight / T).

    `heats` has the first and the last temperature of each chain, annealed linearly over `shape.steps`. With `below`
    less than 1 a chain is resampled only when its effective sample size is less than that share of its particles; the
    log-weights of the steps since the latest resampling are then added up, but for `last`, which takes the last alone.
    With `plain` r is value / top, without it logit(value / top). With `draw` one answer is given, drawn by its weight.
    """

    shape: Shape
    chance: Chance
    heats: tuple[tuple[float, float], ...] = ((1.0, 1.0),)
    iterations: int = 1
    method: str = "multinomial"
    below: float = 1.0
    join: bool = True
    weight: str = "last"
    plain: bool = False
    draw: bool = False
    ahead: bool = False
    choose: Chooser | None = field(default=None)
    lookahead: int = 0

    def start(self) -> Chains:
        return Chains(tuple(self._begin(None) for _ in self.heats))

    def _begin(self, reference: int | None) -> Flow:
        free = self.shape.width - (reference is not None)
        return Flow((ROOT,) * free, reference=reference, over=free == 0)

    # --- what is written --------------------------------------------------------------------------

    def wanted(self, state: Chains, tree: Tree) -> tuple[Growth, ...]:
        return tuple(Growth(flow.particles[place], 1) for flow in state.flows for place in _active(flow, tree))

    def keep(self, state: Chains, tree: Tree, grown: Sequence[Grown]) -> Chains:
        came = iter(grown)
        flows: list[Flow] = []
        for chain, flow in enumerate(state.flows):
            if flow.over:
                flows.append(flow)
                continue
            moved = self._moved(flow, tree, came)
            flows.append(self._settled(moved, tree, (state.round, chain)))
        if all(flow.over for flow in flows) and state.round + 1 < self.iterations:
            return self._next_round(replace(state, flows=tuple(flows)), tree)
        return replace(state, flows=tuple(flows))

    def _moved(self, flow: Flow, tree: Tree, came: Iterator[Grown]) -> Flow:
        particles, lost = list(flow.particles), set(flow.lost)
        for place in _active(flow, tree):
            nodes = next(came).nodes
            if not nodes:
                lost.add(place)
                continue
            (particles[place],) = nodes
        return replace(flow, particles=tuple(particles), lost=frozenset(lost))

    def _settled(self, flow: Flow, tree: Tree, where: tuple[int, int]) -> Flow:
        """The flow after resampling, or over where no particle can go on."""
        if not _active(flow, tree):
            return replace(flow, over=True)
        if not self.join:
            flow = _set_aside(flow, tree)
        heat = annealed(*self.heats[where[1]], flow.step, self.shape.steps)
        known = [self._weight(flow, tree, place) for place in range(len(flow.particles))]
        candidates = list(flow.particles)
        if flow.reference is not None:
            candidates.append(tree.above(flow.reference, flow.step + 1))
            known.append(self._log_weight(tree, flow.reference, flow.step + 1 + self.ahead, flow.since))
        weights = softmax(known, heat)
        following = replace(flow, step=flow.step + 1)
        if self.below < 1 and effective_size(weights) >= self.below * len(weights):
            return following
        count = len(flow.particles)
        drawn = self._drawn(weights, count, (*where, flow.step))
        lost = frozenset(place for place, one in enumerate(drawn) if one in flow.lost)
        particles = tuple(candidates[one] for one in drawn)
        found = replace(following, particles=particles, since=flow.step + 1, lost=lost)
        return found if _active(found, tree) else replace(found, over=True)

    def _weight(self, flow: Flow, tree: Tree, place: int) -> float:
        lost = place in flow.lost
        return -math.inf if lost else self._log_weight(tree, flow.particles[place], flow.step + 1, flow.since)

    def _log_weight(self, tree: Tree, node: int, step: int, since: int) -> float:
        """The log-weight of the way to a state after `step` steps, of which `since` have had their say.

        Minus infinity for a state without a judgement; those on the way to it that have none count as the one before.
        """
        now = self._log(tree, tree.above(node, step))
        if self.weight == "last" or now == -math.inf:
            return now
        logs: list[float] = []
        before = 0.0
        for depth in range(1, step + 1):
            log = self._log(tree, tree.above(node, depth))
            before = before if log == -math.inf else log
            logs.append(before)
        match self.weight:
            case "difference":
                return logs[-1] - (logs[since - 1] if since else 0.0)
            case "max":
                return math.fsum(list(accumulate(logs, max))[since:])
        return math.fsum(list(accumulate(logs))[since:])

    def _drawn(self, weights: Sequence[float], count: int, where: tuple[int, int, int]) -> tuple[int, ...]:
        if self.choose is not None:
            return self.choose(weights, count, where)
        if self.method == "systematic":
            return systematic(weights, count, self.chance.uniform("resample", *where))
        return multinomial(weights, self.chance.uniforms(count, "resample", *where))

    def _log(self, tree: Tree, node: int) -> float:
        share = tree.worth(node) / self.shape.top
        if self.plain:
            return min(share, MOST)
        return -math.inf if share == -math.inf else logit(share)

    # --- from pass to pass ------------------------------------------------------------------------

    def _next_round(self, state: Chains, tree: Tree) -> Chains:
        """A reference for every chain, drawn from its particles; neighbours may swap; then all begin anew."""
        references: list[int | None] = []
        for chain, flow in enumerate(state.flows):
            pool = [node for node in _all(flow) if node != ROOT]
            heat = self.heats[chain][1]
            weights = softmax([self._log(tree, node) for node in pool], heat)
            uniform = self.chance.uniform("reference", state.round, chain)
            references.append(pool[multinomial(weights, [uniform])[0]] if pool else None)
        for chain in range(len(references) - 1):
            colder, hotter = references[chain], references[chain + 1]
            if colder is None or hotter is None:
                continue
            logs = self._log(tree, colder), self._log(tree, hotter)
            if not all(math.isfinite(log) for log in logs):
                continue
            chance = swap_chance(self.heats[chain][1], self.heats[chain + 1][1], *logs)
            if self.chance.uniform("swap", state.round, chain) < chance:
                references[chain], references[chain + 1] = hotter, colder
        pairs = zip(state.flows, references, strict=True)
        flows = tuple(replace(old, over=True) if one is None else self._begin(one) for old, one in pairs)
        return Chains(flows, state.round + 1, self._given(state.flows[0]))

    def answers(self, state: Chains, tree: Tree) -> tuple[int, ...]:
        """The particles of the coldest chain, those set aside first and the reference last.

        Where a limit ends a later pass, those of the pass before.
        """
        flow = state.flows[0]
        given = state.before if state.before and not flow.over else self._given(flow)
        whole = [node for node in given if not tree[node].is_open] or list(given)
        if not self.draw or not whole:
            return given
        weights = softmax([self._log(tree, node) for node in whole], self.heats[0][1])
        return (whole[multinomial(weights, [self.chance.uniform("answer")])[0]],)

    @staticmethod
    def _given(flow: Flow) -> tuple[int, ...]:
        return tuple(node for node in _all(flow) if node != ROOT)


def _active(flow: Flow, tree: Tree) -> list[int]:
    """The places of particles that can go on."""
    if flow.over:
        return []
    return [p for p, node in enumerate(flow.particles) if tree[node].is_open and p not in flow.lost]


def _set_aside(flow: Flow, tree: Tree) -> Flow:
    """The finished particles taken out of resampling, in front of those set aside later."""
    stay = [p for p, node in enumerate(flow.particles) if tree[node].is_open]
    gone = tuple(node for node in flow.particles if not tree[node].is_open)
    lost = frozenset(new for new, old in enumerate(stay) if old in flow.lost)
    return replace(
        flow,
        particles=tuple(flow.particles[p] for p in stay),
        aside=flow.aside + gone,
        lost=lost,
    )


def _all(flow: Flow) -> tuple[int, ...]:
    reference = () if flow.reference is None else (flow.reference,)
    return (*flow.aside, *flow.particles, *reference)
