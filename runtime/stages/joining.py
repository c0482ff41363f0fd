"""The stages that only the compiler writes: pools joined, the arm that ran, and expressions as nodes."""

from __future__ import annotations

import itertools

from ttscale.compiler.diagnostics import InternalError
from ttscale.compiler.types import Answers
from ttscale.runtime.pool import Candidate, Pool
from ttscale.runtime.stages.context import StageContext, is_operand


async def concat(context: StageContext) -> Pool:
    """The candidates of all sources that ran, left to right; with `apart`, and how many each source gave."""
    joined: list[Candidate] = []
    ends: list[int] = []
    for operand in context.operands("sources"):
        ends.append(len(joined))
        if context.exists(operand):
            pool = context.value(operand)
            if pool == ():  # what a source that a settled `when` left out stands for
                continue
            if not isinstance(pool, Pool):
                raise InternalError(f"{context.stage.path} joins {type(pool).__name__}, not a pool")
            joined.extend(pool)
    counts = [after - before for before, after in itertools.pairwise([*ends, len(joined)])]
    return Pool(tuple(joined), context.item_type, counts=tuple(counts) if context.constant("apart") else ())


async def choose(context: StageContext) -> object:
    """The value of the first arm that ran; where none did, an empty pool, or none."""
    for operand in context.operands("arms"):
        if context.exists(operand):
            return context.value(operand)
    return Pool((), context.item_type) if isinstance(context.stage.type, Answers) else None


async def value(context: StageContext) -> object:
    """What an expression gives."""
    operand = context.stage.args.get("value")
    if not is_operand(operand):
        raise InternalError(f"{context.stage.path} has no expression")
    return context.value(operand)
