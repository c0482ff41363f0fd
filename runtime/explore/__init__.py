"""Step-wise search: answers grown step by step in a tree, their beginnings judged, the promising ones gone on from.

    policy = policy_named("beam", {"lookahead": 0}, Shape(width=4, branch=4, steps=10), chance)
    found = await grow(policy, limits, writer, judge)
    found.tree, found.answers

A policy is a pure state machine: what it wants written next, and what it keeps of what came (`policies`). The loop
(`loop`) counts, asks a writer and a judge, and ends under every limit. `chance` has the draws, `tree` the states,
`steps` where a step ends.
"""

from ttscale.runtime.explore.loop import Explored, Judge, Limits, Wanted, Writer, Written, grow
from ttscale.runtime.explore.named import policy_named
from ttscale.runtime.explore.policies import Grown, Growth, Policy, Shape
from ttscale.runtime.explore.tree import Node, Tree

__all__ = [
    "Explored",
    "Grown",
    "Growth",
    "Judge",
    "Limits",
    "Node",
    "Policy",
    "Shape",
    "Tree",
    "Wanted",
    "Writer",
    "Written",
    "grow",
    "policy_named",
]
