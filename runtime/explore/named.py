"""Policies by name, from the arguments that a program gives them."""

from __future__ import annotations

from collections.abc import Mapping

from ttscale.compiler.policy_signatures import LISTS, POLICIES, POLICY_ALIASES, reach_of
from ttscale.runtime.explore.chance import PUCT_CONSTANT, RAIN_CONSTANT, Chance
from ttscale.runtime.explore.montecarlo import MonteCarlo, Settling
from ttscale.runtime.explore.particles import Particles
from ttscale.runtime.explore.policies import AStar, Beam, BestFirst, Cascade, DepthFirst, DiverseTrees, Policy, Shape
from ttscale.runtime.explore.pruning import Prune

DIGIT_TOP, DIGIT_ACCEPTS, SHARE_ACCEPTS = 9.0, 7.0, 0.5
"""From which score on a cascade accepts a step: of grades from 0 to 9 as SpecReason does, else half of the highest."""


def policy_named(
    name: str, given: Mapping[str, object], shape: Shape, chance: Chance, expansions: int | None = None
) -> Policy:
    """The policy of a name with its arguments, those not given at their defaults. Raises KeyError for no policy."""
    signature = POLICIES[POLICY_ALIASES.get(name, name)]
    own = {parameter.name: parameter.default for parameter in signature.parameters} | dict(given)
    ahead = _int(own, "lookahead")
    match signature.name:
        case "beam":
            return Beam(shape, ahead, _int(own, "first") or None, own["unique"] is True)
        case "lookahead":
            return Beam(shape, _int(own, "ahead"), _int(own, "first") or None, own["unique"] is True)
        case "prune":
            return Prune(shape, _float(own, "keep"), _int(own, "rounds"))
        case "dvts":
            return DiverseTrees(shape, ahead)
        case "best_first":
            return BestFirst(shape, ahead)
        case "astar":
            return AStar(shape, ahead)
        case "depth_first":
            least = own["least"]
            return DepthFirst(shape, _float(own, "prune"), None if least is None else _float(own, "least"), ahead)
        case "mcts" | "rain":
            most = reach_of(signature.name, own, shape.width, shape.branch, shape.steps, expansions).expansions
            scale = signature.name == "rain" or bool(own["scale"])
            usual = RAIN_CONSTANT if scale else PUCT_CONSTANT
            constant = usual if own["explore"] is None else _float(own, "explore")
            sure = None if own["sure"] is None else _float(own, "sure")
            settling = Settling(sure, _int(own, "visits"), _int(own, "settle") or None, _int(own, "fresh"))
            return MonteCarlo(shape, most, constant, own["prior"] == "likelihood", scale, ahead, settling)
        case "cascade":
            usual = DIGIT_ACCEPTS if shape.top == DIGIT_TOP else SHARE_ACCEPTS * shape.top
            accept = usual if own["accept"] is None else _float(own, "accept")
            return Cascade(shape, accept, _int(own, "first"))
    return Particles(
        shape,
        chance,
        _heats(own),
        _int(own, "iterations") or 1,
        str(own["method"]),
        _float(own, "below"),
        own["finished"] != "aside",
        str(own["weight"]),
        own["reward"] == "score",
        own["give"] == "draw",
    )


def _heats(own: Mapping[str, object]) -> tuple[tuple[float, float], ...]:
    """First and last temperature of each chain; several are spaced evenly up to the hottest."""
    start = _float(own, "temperature")
    end = start if own["to"] is None else _float(own, "to")
    chains = _int(own, "chains") or 1
    if chains == 1:
        return ((start, end),)
    rise = (_float(own, "hottest") - end) / (chains - 1)
    return tuple((start + place * rise, end + place * rise) for place in range(chains))


def _int(own: Mapping[str, object], name: str) -> int:
    value = own.get(name)
    return value if isinstance(value, int) else 0


def _float(own: Mapping[str, object], name: str) -> float:
    value = own[name]
    assert isinstance(value, int | float)
    return float(value)


__all__ = ["LISTS", "policy_named"]
