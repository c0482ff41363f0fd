"""The plan's data: what a bound pipeline may cost, stage by stage, before anything runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ttscale.compiler.ir import Graph


@dataclass(frozen=True, slots=True)
class Cost:
    """An amount of work for one question.

    `calls` are completions or scored continuations, `prompt_tokens` and `new_tokens` count as if nothing were
    cached, `sequential_tokens` are new tokens on the longest chain, `usd` is 0 for local models.
    """

    calls: int = 0
    prompt_tokens: int = 0
    new_tokens: int = 0
    sequential_tokens: int = 0
    usd: float = 0.0

    @property
    def tokens(self) -> int:
        """Prompt and new tokens together, which is what a budget counts."""
        return self.prompt_tokens + self.new_tokens


@dataclass(frozen=True, slots=True)
class StagePlan:
    """Bounds for one stage: what it asks of which models, and the largest single call (`call_tokens`).

    `prefix` names the group of stages whose calls begin with the same prompt text ("" for none), `shared` how many
    calls of this stage share one prefill. `expected` is a guess between the bounds, for display only.
    """

    path: str
    op: str
    models: tuple[str, ...]
    minimum: Cost
    maximum: Cost
    call_tokens: int
    size_low: int
    size_high: int
    prefix: str = ""
    shared: int = 1
    expected: Cost = Cost()


@dataclass(frozen=True)
class Plan:
    """A graph with its price. `assumptions` are sentences for people (input sizes and the like)."""

    graph: Graph
    stages: Mapping[str, StagePlan]
    minimum: Cost
    maximum: Cost
    assumptions: tuple[str, ...] = ()
    expected: Cost = Cost()
