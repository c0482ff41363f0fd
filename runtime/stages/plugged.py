"""Stages that a Python file declares: a function of a pool that asks no model."""

from __future__ import annotations

import inspect
from collections.abc import Iterable

from ttscale.compiler.ir import Const, Strategy
from ttscale.runtime.plugins import call, failure, loaded, wrong
from ttscale.runtime.pool import Candidate, Pool
from ttscale.runtime.stages.context import StageContext
from ttscale.runtime.strategies import numbers


async def plugged(context: StageContext, pool: Pool) -> Pool:
    """What the function makes of the pool: at most as many candidates. Raises PluginFault."""
    stage = context.stage
    found = loaded(str(context.constant("function")), stage.span)
    named: dict[str, object] = {}
    for parameter in found.signature.parameters:
        given = stage.args.get(parameter.name)
        if isinstance(given, Strategy):
            named[parameter.name] = numbers(given, pool)
        elif parameter.kind == "strategy":
            named[parameter.name] = numbers(Strategy("score"), pool)
        elif isinstance(given, Const):
            named[parameter.name] = given.value
    made = call(found, stage.span, pool, **named)
    if inspect.isawaitable(made):
        try:
            made = await made
        except Exception as error:  # as in `call`: whatever a user's function raises is the program's mistake
            raise failure(found, error, stage.span) from error
    if not isinstance(made, Iterable) or isinstance(made, str):
        raise wrong(found, f"{type(made).__name__}, not a pool", stage.span)
    candidates = tuple(made)
    stranger = next((one for one in candidates if not isinstance(one, Candidate)), None)
    if stranger is not None:
        raise wrong(found, f"{type(stranger).__name__} among its candidates", stage.span)
    if len(candidates) > len(pool):
        raise wrong(found, f"{len(candidates)} candidates for {len(pool)}, and a stage gives no more", stage.span)
    if found.signature.one and len(candidates) > 1:
        raise wrong(found, f"{len(candidates)} candidates, and it is marked as giving one", stage.span)
    result = Pool(candidates, pool.type)
    if found.signature.one:
        context.decided(pool, f"{found.signature.name} chose among {len(pool)}")
    return result
