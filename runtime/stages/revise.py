"""`revise`: every candidate is written again by a model, in the light of its critique where it has one.

Madaan et al., "Self-Refine: Iterative Refinement with Self-Feedback", 2023 (with a critic before it, round by round);
Snell et al., "Scaling LLM Test-Time Compute Optimally", 2024 (sequential revisions, several of each answer).
"""

from __future__ import annotations

from dataclasses import replace

from ttscale.compiler.ir import Filled
from ttscale.compiler.types import Optional
from ttscale.runtime.desk import Ask
from ttscale.runtime.pool import Candidate, Pool
from ttscale.runtime.stages.context import MissingValue, Origin, StageContext, offered_answer, usable


async def revise(context: StageContext, pool: Pool) -> Pool:
    """`n` new candidates in the place of each one, whose parent it is; what was known of the old ones is gone.

    One of which no rewrite came (refused, failed, empty) stays as it was where it still is of the right type, bare of
    its scores and critiques, and so does one without a text, of which nothing can be written.
    """
    candidates = usable(pool)
    filled, n = context.using(), context.integer("n", 1)
    try:
        asks = [ask for place, one in enumerate(candidates) for ask in _asks(context, filled, one, place * n, n)]
    except MissingValue as error:
        context.note(error.diagnostic.message)
        asks, candidates = [], ()
    found = await context.candidates(asks, [Origin(filled.prompt.name, context.item_type)] * len(asks))
    written = {id(one): found[place * n : place * n + n] for place, one in enumerate(candidates)}
    stays = pool.type == context.item_type
    kept = 0
    made: list[Candidate] = []
    for candidate in pool:
        new = [one for one in written.get(id(candidate), ()) if one is not None]
        if stays and not any(_is_good(one) for one in new):
            kept += 1
            made.append(_bare(candidate))
        else:
            made += [replace(one, parents=(candidate,)) for one in new]
    if kept:
        context.note(f"revise wrote nothing new of {kept} of {len(pool)} candidates, which stay as they were")
    return Pool(tuple(made), context.item_type)


def _asks(context: StageContext, filled: Filled, candidate: Candidate, first: int, n: int) -> list[Ask]:
    """The asks for all rewrites of one candidate, numbered from `first` on."""
    wanted = dict(filled.prompt.params).get("critique")
    absent = None if isinstance(wanted, Optional) else ""
    offered = {"answer": offered_answer(candidate, filled), "critique": candidate.critique or absent}
    messages = context.messages(filled, offered)
    return [context.ask(messages, index=first + k, reads=filled.prompt.result) for k in range(n)]


def _is_good(candidate: Candidate) -> bool:
    return candidate.finish in ("stop", "length") and bool(candidate.text.strip())


def _bare(candidate: Candidate) -> Candidate:
    """A candidate without what judges, critics and tests said of it."""
    return replace(candidate, scores={}, critique=None, verified=None, rank=None, step_scores=(), tests=(), outputs=())
