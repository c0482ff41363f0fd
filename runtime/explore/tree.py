"""The tree of a step-wise search: every state ever written, with its judgement."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from ttscale.runtime.strategies.sources import aggregate

ROOT = 0
FINISHED = ("stop", "length")


@dataclass(frozen=True, slots=True)
class Node:
    """One state: the steps from the root to it, of which `step` is the last.

    `step` has the boundary that ended it. `depth` counts steps. `score` is the judge's number, None where there is
    none. `ended` is "" for a state that can be gone on from, "stop" for a whole answer, "length" where the number of
    steps, or the room in the model's memory, is used up. `writer` is the place of the model that wrote it; `logprobs`
    are those of its own tokens. `ahead` is the greedy text after it that was judged with it.
    """

    id: int
    parent: int | None
    step: str
    depth: int
    score: float | None = None
    ended: str = ""
    tokens: int = 0
    logprobs: tuple[float, ...] = ()
    writer: int = 0
    ahead: str = ""

    @property
    def is_open(self) -> bool:
        """Whether it can be gone on from."""
        return not self.ended


class Tree:
    """States by number; the root, number 0, has no step. `of` says how scores along a path are put together.

    `top` is the highest score that there is: products are of shares of it, times `top`.
    """

    def __init__(self, of: str = "last", top: float = 1.0) -> None:
        self.nodes: list[Node] = [Node(ROOT, None, "", 0)]
        self._children: dict[int, list[int]] = {}
        self._of = of
        self._top = top

    def __len__(self) -> int:
        return len(self.nodes)

    def __getitem__(self, node: int) -> Node:
        return self.nodes[node]

    def add(self, node: Node) -> None:
        """Append a state; its number is the next one and its parent stands before it."""
        assert node.id == len(self.nodes) and node.parent is not None and node.parent < node.id
        self.nodes.append(node)
        self._children.setdefault(node.parent, []).append(node.id)

    def children(self, node: int) -> tuple[int, ...]:
        """The states written after one, in the order written."""
        return tuple(self._children.get(node, ()))

    def path(self, node: int) -> tuple[Node, ...]:
        """The states from the first step to this one."""
        found: list[Node] = []
        at = self.nodes[node]
        while at.parent is not None:
            found.append(at)
            at = self.nodes[at.parent]
        return tuple(reversed(found))

    def text(self, node: int) -> str:
        """All steps up to this one."""
        return "".join(state.step for state in self.path(node))

    def scores(self, node: int) -> tuple[float, ...]:
        """The judgements along the path; a state without one is left out."""
        return tuple(state.score for state in self.path(node) if state.score is not None)

    def value(self, node: int) -> float | None:
        """The scores along the path as one number; None where the state itself has none."""
        if self.nodes[node].score is None:
            return None
        if self._of == "prod":
            return self._top * aggregate([score / self._top for score in self.scores(node)], "prod")
        return aggregate(self.scores(node), self._of)

    def worth(self, node: int) -> float:
        """The value, minus infinity where there is none."""
        value = self.value(node)
        return -math.inf if value is None or math.isnan(value) else value

    def above(self, node: int, depth: int) -> int:
        """The state of that depth on the way to this one; the state itself where it is not deeper."""
        at = self.nodes[node]
        while at.depth > depth and at.parent is not None:
            at = self.nodes[at.parent]
        return at.id

    def finished(self) -> Iterator[int]:
        """Whole answers, and those whose steps are used up, in the order written."""
        return (node.id for node in self.nodes if node.ended in FINISHED)

    def best_first(self, nodes: Iterator[int] | tuple[int, ...] | list[int]) -> list[int]:
        """Highest value first; equal ones in the order given."""
        return sorted(nodes, key=lambda node: -self.worth(node))
