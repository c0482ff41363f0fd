"""Stages: one module for each family, and the table that finds them by name."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from ttscale.compiler.diagnostics import InternalError
from ttscale.runtime.pool import Pool
from ttscale.runtime.stages.classify import classify
from ttscale.runtime.stages.context import StageContext
from ttscale.runtime.stages.critique import critique
from ttscale.runtime.stages.decompose import decompose
from ttscale.runtime.stages.execute import execute
from ttscale.runtime.stages.explore import explore
from ttscale.runtime.stages.fuse import fuse
from ttscale.runtime.stages.generate import generate
from ttscale.runtime.stages.joining import choose, concat, value
from ttscale.runtime.stages.plugged import plugged
from ttscale.runtime.stages.prove import prove
from ttscale.runtime.stages.rank import rank
from ttscale.runtime.stages.recall import recall
from ttscale.runtime.stages.remember import remember
from ttscale.runtime.stages.retrieve import retrieve
from ttscale.runtime.stages.revise import revise
from ttscale.runtime.stages.run_tests import run_tests
from ttscale.runtime.stages.score import score
from ttscale.runtime.stages.selecting import by_rule
from ttscale.runtime.stages.verify import verify

SOURCES: Mapping[str, Callable[[StageContext], Awaitable[object]]] = {
    "generate": generate,
    "classify": classify,
    "explore": explore,
    "retrieve": retrieve,
    "recall": recall,
    "decompose": decompose,
    "concat": concat,
    "choose": choose,
    "value": value,
}
"""Stages that take no pool."""

POOL_STAGES: Mapping[str, Callable[[StageContext, Pool], Awaitable[Pool]]] = {
    "score": score,
    "critique": critique,
    "rank": rank,
    "verify": verify,
    "run_tests": run_tests,
    "fuse": fuse,
    "revise": revise,
    "filter": by_rule,
    "vote": by_rule,
    "select": by_rule,
    "prove": prove,
    "execute": execute,
    "remember": remember,
    "python": plugged,
}
"""Stages that a pool is piped into."""


async def run_stage(context: StageContext, piped: object) -> object:
    """What a stage gives for what is piped into it (None for sources). Raises RunError and EngineError."""
    op = context.stage.op
    if op in SOURCES:
        return await SOURCES[op](context)
    if op in POOL_STAGES:
        if not isinstance(piped, Pool):
            raise InternalError(f"{context.stage.path} was given {type(piped).__name__}, not a pool")
        return await POOL_STAGES[op](context, piped)
    raise InternalError(f"there is no stage `{op}`")
