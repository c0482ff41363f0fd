"""`verify`: a judge accepts or rejects every candidate."""

from __future__ import annotations

from dataclasses import replace

from ttscale.runtime.pool import Candidate, Pool
from ttscale.runtime.stages.context import MissingValue, StageContext, offered_answer, usable
from ttscale.runtime.stages.judging import Opinion, affirmative, argued, labels_of, opinions


async def verify(context: StageContext, pool: Pool) -> Pool:
    """The accepted candidates, marked; where none is, all of them, or none with `otherwise: none`.

    With `verdicts: k` a judgement is the share of k argued verdicts that accept. A candidate whose judgement could not
    be read or made is neither accepted nor rejected. Where the budget refused judgements and nothing was accepted, all
    stay.
    """
    filled, model = context.using(), context.model()
    candidates = usable(pool)
    if not candidates:
        return pool
    try:
        prompts = [context.messages(filled, {"answer": offered_answer(c, filled)}) for c in candidates]
    except MissingValue as error:
        context.note(error.diagnostic.message)
        return pool
    least = context.number("min_probability")
    verdicts = context.integer("verdicts", 0)
    if verdicts:
        found = await argued(context, filled, model, prompts, verdicts)
    else:
        found = await opinions(context, filled, model, prompts)
    place = affirmative(labels_of(filled.prompt.result))
    judged = {
        id(c): _verdict(o, place, 0.5 if least is None else least) for c, o in zip(candidates, found, strict=True)
    }
    marked: list[Candidate] = [replace(c, verified=judged.get(id(c))) for c in pool]
    accepted = tuple(c for c in marked if c.verified)
    if accepted:
        return Pool(accepted, pool.type)
    unfinished = any(opinion.state in ("refused", "cancelled") for opinion in found)
    if context.constant("otherwise") == "none" and not unfinished:
        context.note("no answer was accepted, so none is left")
        return Pool((), pool.type)
    context.note(f"no answer was accepted, so all {len(marked)} stay")
    return Pool(tuple(marked), pool.type)


def _verdict(opinion: Opinion, place: int, least: float) -> bool | None:
    if opinion.state != "done":
        return None
    return (opinion.number if opinion.number is not None else opinion.probabilities[place]) >= least
