"""The signatures of the policies of `explore`: names, other names, arguments, and the most that each may write.

One table, read by the checker, the expander, the planner and the documentation. What a policy does stands with the
function that does it, in `runtime/explore`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from ttscale.compiler.frozen import dataclass
from ttscale.compiler.parameters import Parameter


@dataclass(frozen=True, slots=True)
class PolicySignature:
    """A named policy. `branches` says that it writes `branch:` continuations of a step, else it writes one."""

    name: str
    parameters: tuple[Parameter, ...] = ()
    positional: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    branches: bool = True
    doc: str = ""
    paper: str = ""


@dataclass(frozen=True, slots=True)
class Reach:
    """The most that a policy may do for one question: states gone on from, steps written, and states judged.

    `rewritten` are the steps of these that a second model writes, `rounds` how many rounds wait for each other,
    `answers` how many candidates it gives.
    """

    expansions: int
    written: int
    judged: int
    rounds: int
    answers: int
    rewritten: int = 0


_SNELL = "Scaling LLM Test-Time Compute Optimally (Snell et al. 2024)"
_PARTICLES = (
    "A Probabilistic Inference Approach to Inference-Time Scaling (Puri et al. 2025); weights as in"
    " Feynman-Kac steering (Singhal et al. 2025)"
)
_LOOKAHEAD = Parameter("lookahead", "int", 0, low=0, high=16, doc="greedy steps written ahead before a state is judged")
_FIRST = Parameter("first", "int", low=1, high=1024, doc="steps written first; default the larger of width and branch")
_UNIQUE = Parameter("unique", "bool", False, doc="of beginnings that read the same only one stays")


def _settling(sure: float | None, settle: int | None) -> tuple[Parameter, ...]:
    """When a tree search settles a step and goes on below it; None is never."""
    return (
        Parameter("sure", "float", sure, low=0, high=1, doc="a most visited step of this mean value is settled"),
        Parameter("visits", "int", 6, low=0, high=100_000, doc="when it was visited more often than this"),
        Parameter("settle", "int", settle, low=1, high=100_000, doc="so many visits settle the most visited step"),
        Parameter("fresh", "int", 15, low=1, high=100_000, doc="when so many of them came after the last settled one"),
    )


_RESAMPLING = (
    Parameter(
        "temperature", "float", 1.0, low=0.01, high=100, doc="softens weights: softmax(logit(score) / temperature)"
    ),
    Parameter("to", "float", low=0.01, high=100, doc="the temperature at the last step; default the same"),
    Parameter("method", "name", "multinomial", choices=("multinomial", "systematic"), doc="how ancestors are drawn"),
    Parameter(
        "below",
        "float",
        1.0,
        low=0,
        high=1,
        doc="resample when the effective sample size is below this share; 1 always",
    ),
    Parameter("finished", "name", "join", choices=("join", "aside"), doc="whether finished states are resampled too"),
    Parameter(
        "weight",
        "name",
        "last",
        choices=("last", "difference", "max", "sum"),
        doc="the last score, what it rose by, the highest so far, or the sum so far",
    ),
    Parameter("reward", "name", "logit", choices=("logit", "score"), doc="weights are of logit(score) or of the score"),
    Parameter("give", "name", "all", choices=("all", "draw"), doc="all answers, or one drawn by its weight"),
)

_ALL = (
    PolicySignature(
        "best_first",
        (_LOOKAHEAD,),
        aliases=("step_greedy", "greedy_search"),
        doc="always goes on from the best open state, wherever it is in the tree",
        paper="LeanDojo (Yang et al. 2023); Bag of Tricks (Liu et al. 2025)",
    ),
    PolicySignature(
        "beam",
        (_LOOKAHEAD, _FIRST, _UNIQUE),
        aliases=("beam_search",),
        doc="round by round, `branch` continuations of each of the `width` best states; the best `width` stay",
        paper=f"{_SNELL}; Can 1B LLM Surpass 405B LLM? (Liu et al. 2025)",
    ),
    PolicySignature(
        "dvts",
        (_LOOKAHEAD,),
        aliases=("diverse_verifier_tree_search",),
        doc="`width` trees that know nothing of each other, each going on from its best continuation",
        paper="search-and-learn (Beeching et al. 2024)",
    ),
    PolicySignature(
        "lookahead",
        (Parameter("ahead", "int", 1, low=1, high=16, doc="greedy steps written ahead"), _FIRST, _UNIQUE),
        positional=("ahead",),
        doc="a beam whose states are judged by where greedy steps from them lead",
        paper=_SNELL,
    ),
    PolicySignature(
        "astar",
        (_LOOKAHEAD,),
        aliases=("a_star",),
        doc="goes on from the state with the least g + h; h = 1 - score, g the sum of all rises of h",
        paper="A*-Decoding (Chatziveroglou 2025)",
    ),
    PolicySignature(
        "prune",
        (
            Parameter("keep", "float", 0.5, low=0.01, high=1, doc="which share of the states goes on, the best"),
            Parameter("rounds", "int", 1, low=1, high=64, doc="after how many of the first steps states are given up"),
        ),
        positional=("keep", "rounds"),
        aliases=("mid_generation_pruning", "early_pruning"),
        branches=False,
        doc="begins `width` answers and finishes only the share of them that looks best after the first step",
        paper="Adaptive Inference-Time Compute (Manvi et al. 2024)",
    ),
    PolicySignature(
        "particles",
        _RESAMPLING,
        aliases=("particle_filter", "smc"),
        branches=False,
        doc="`width` states at once, resampled after every step by their scores",
        paper=_PARTICLES,
    ),
    PolicySignature(
        "gibbs",
        (Parameter("iterations", "int", 2, low=1, high=64, doc="filters one after another"), *_RESAMPLING),
        positional=("iterations",),
        aliases=("particle_gibbs",),
        branches=False,
        doc="particle filters one after another, each with one answer of the one before among its states",
        paper=_PARTICLES,
    ),
    PolicySignature(
        "tempering",
        (
            Parameter("chains", "int", 2, low=2, high=16, doc="chains of filters side by side"),
            Parameter("iterations", "int", 2, low=1, high=64, doc="filters one after another in each chain"),
            Parameter("hottest", "float", 4.0, low=0.01, high=100, doc="temperature of the last chain; spaced evenly"),
            *_RESAMPLING,
        ),
        positional=("chains", "iterations"),
        aliases=("parallel_tempering",),
        branches=False,
        doc="particle Gibbs at several temperatures, whose chains swap their answers",
        paper=_PARTICLES,
    ),
    PolicySignature(
        "mcts",
        (
            Parameter(
                "explore",
                "float",
                low=0,
                high=100,
                doc="how much rarely visited states count; default 1.25, with `scale` 2",
            ),
            Parameter("prior", "name", "uniform", choices=("uniform", "likelihood"), doc="what is expected of a state"),
            Parameter("scale", "bool", False, doc="stretch values to [0, 1] over the tree, as RAIN does"),
            *_settling(None, None),
            _LOOKAHEAD,
        ),
        aliases=("puct",),
        doc="Monte Carlo tree search: goes on from the state with the best mean value plus a bonus for few visits",
        paper="Bag of Tricks (Liu et al. 2025); with `scale` RAIN (Li et al. 2023)",
    ),
    PolicySignature(
        "rain",
        (
            Parameter("explore", "float", 2.0, low=0, high=100, doc="how much rarely visited states count"),
            Parameter(
                "prior", "name", "likelihood", choices=("uniform", "likelihood"), doc="what is expected of a state"
            ),
            *_settling(0.9, 50),
            _LOOKAHEAD,
        ),
        doc="Monte Carlo tree search by RAIN's rule: `mcts` with `scale: true` that settles steps as it goes",
        paper="RAIN (Li et al. 2023)",
    ),
    PolicySignature(
        "depth_first",
        (
            Parameter("prune", "float", 0.4, low=0, high=1, doc="which part of continuations is given up, the worst"),
            Parameter("least", "float", doc="states with a lower score are given up"),
            _LOOKAHEAD,
        ),
        aliases=("dfs", "tot_dfs"),
        doc="one path to its end, the best continuation first, then back to where one was left",
        paper="Tree of Thoughts (Yao et al. 2023); Bag of Tricks (Liu et al. 2025)",
    ),
    PolicySignature(
        "cascade",
        (
            Parameter("accept", "float", doc="the least score of a step that stays; default 7 for `digit`, else 0.5"),
            Parameter("first", "int", 0, low=0, high=64, doc="so many first steps are written by the second model"),
        ),
        positional=("accept",),
        aliases=("specreason", "step_cascade"),
        branches=False,
        doc="the first model writes each step; the second writes anew what the judge does not accept",
        paper="SpecReason (Pan et al. 2025)",
    ),
)

POLICIES: Mapping[str, PolicySignature] = {policy.name: policy for policy in _ALL}
POLICY_ALIASES: Mapping[str, str] = {alias: policy.name for policy in _ALL for alias in policy.aliases}
LISTS = frozenset({"best_first", "astar", "mcts", "rain", "depth_first"})
"""Policies that go on from one state at a time, wherever it is: as often as `expansions:` says."""


def reach_of(
    name: str, own: Mapping[str, object], width: int, branch: int, steps: int, expansions: int | None
) -> Reach:
    """The most that a policy may do; `own` are its arguments. `expansions` None is the policy's own limit.

    Policies that go on from one state at a time have no natural end: theirs is `width x steps` states.
    """
    ahead = _whole(own, "ahead" if name == "lookahead" else "lookahead")
    if name in LISTS:
        most = width * steps if expansions is None else expansions
        return Reach(most, most * branch * (1 + ahead), most * branch, most * (1 + ahead), width)
    if name in ("beam", "lookahead"):
        first = _whole(own, "first") or max(width, branch)
        full = Reach(1 + (steps - 1) * width, first + (steps - 1) * width * branch, 0, steps, width)
        return _cut(full, expansions, branch, ahead, first)
    if name == "dvts":
        each = width * steps
        return _cut(Reach(each, each * branch, 0, steps, width * branch), expansions, branch, ahead)
    if name == "cascade":
        both = 2 * width * steps
        limit = both if expansions is None else min(both, expansions)
        return Reach(limit, limit, limit, 2 * steps, width, min(limit, width * steps))
    if name == "prune":
        return _pruned(own, width, steps, expansions)
    chains = _whole(own, "chains") or 1
    again = max(0, (_whole(own, "iterations") or 1) - 1)
    each = chains * (width + again * max(0, width - 1)) * steps
    given = 1 if own.get("give") == "draw" else width
    return _cut(Reach(each, each, 0, steps * (1 + again), given), expansions, 1, 0)


def survivors(count: int, keep: float) -> int:
    """How many of `count` states go on: keep x count, rounded up."""
    return min(count, math.ceil(round(keep * count, 9)))


def _pruned(own: Mapping[str, object], width: int, steps: int, expansions: int | None) -> Reach:
    keep, rounds = own.get("keep"), _whole(own, "rounds") or 1
    share = keep if isinstance(keep, int | float) else 1.0
    live, written = width, 0
    for step in range(steps):
        written += live
        live = survivors(live, share) if step < rounds else live
    most = 1 + written - width
    limit = most if expansions is None else min(most, expansions)
    written = min(written, width + limit - 1)
    return Reach(limit, written, written, steps, width)


def _cut(reach: Reach, expansions: int | None, each: int, ahead: int, first: int = 0) -> Reach:
    """The reach within a limit of expansions of `each` steps, the first one of `first`; `ahead` more for each step."""
    most = reach.expansions if expansions is None else min(reach.expansions, expansions)
    written = min(reach.written, most * each + max(0, first - each))
    return Reach(most, written * (1 + ahead), written, reach.rounds * (1 + ahead), reach.answers)


def _whole(own: Mapping[str, object], name: str) -> int:
    value = own.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
