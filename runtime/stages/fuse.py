"""`fuse`: new candidates written from the ones it sees."""

from __future__ import annotations

from ttscale.runtime.pool import Pool
from ttscale.runtime.stages.context import MissingValue, Origin, StageContext, offered_answers, usable


async def fuse(context: StageContext, pool: Pool) -> Pool:
    """`n` new candidates; where none can be made, the old ones if they are of the same type."""
    filled = context.using()
    candidates = usable(pool)
    n = context.integer("n", 1)
    if not candidates:
        context.note(f"{context.stage.op} has no answers to merge")
        return Pool((), context.item_type)
    try:
        messages = context.messages(filled, {"answers": offered_answers(candidates), "n": n})
    except MissingValue as error:
        context.note(error.diagnostic.message)
        return Pool((), context.item_type)
    origin = Origin(filled.prompt.name, filled.prompt.result)
    found = await context.candidates([context.ask(messages, index=index) for index in range(n)], [origin] * n)
    made = tuple(candidate for candidate in found if candidate is not None)
    if usable(Pool(made, context.item_type)) or pool.type != context.item_type:
        return Pool(made, context.item_type)
    context.note(f"{context.stage.op} made no answer, so the {len(pool)} it was given stay")
    return pool
