"""`critique`: a model writes about every candidate."""

from __future__ import annotations

from dataclasses import replace

from ttscale.compiler.types import ListOf
from ttscale.runtime.answers import read
from ttscale.runtime.desk import Reply
from ttscale.runtime.pool import Candidate, Pool
from ttscale.runtime.stages.context import MissingValue, StageContext, offered_answer, offered_answers, usable
from ttscale.runtime.stages.forms import is_kept, reviews


async def critique(context: StageContext, pool: Pool) -> Pool:
    """The same candidates with their critiques; one that could not be written or read is absent and counted.

    A prompt that gives `Text` is asked once a candidate, one that gives `[Text]` once for all.
    """
    candidates = usable(pool)
    if not candidates:
        return pool
    try:
        written = await (_all_at_once if isinstance(context.using().prompt.result, ListOf) else _each)(
            context, candidates
        )
    except MissingValue as error:
        context.note(error.diagnostic.message)
        return pool
    by_identity = {id(c): text for c, text in zip(candidates, written, strict=True)}
    return Pool(tuple(replace(c, critique=by_identity.get(id(c), c.critique)) for c in pool), pool.type)


async def _each(context: StageContext, candidates: tuple[Candidate, ...]) -> list[str | None]:
    filled = context.using()
    listed = offered_answers(candidates)
    asks = [
        context.ask(context.messages(filled, {"answers": listed, "answer": offered_answer(candidate, filled)}))
        for candidate in candidates
    ]
    written: list[str | None] = []
    unreadable: list[str] = []
    asked = 0
    for reply in await context.caller.sample(asks):
        text = _text(context, reply)
        if text is not None:
            asked += 1
            if not text.strip():
                unreadable.append(text)
        written.append(text.strip() or None if text is not None else None)
    context.judged(asked, unreadable)
    return written


async def _all_at_once(context: StageContext, candidates: tuple[Candidate, ...]) -> list[str | None]:
    filled = context.using()
    offered = {"answers": offered_answers(candidates), "answer": candidates[0].text}
    ask = context.ask(context.messages(filled, offered))
    if is_kept(filled):
        ask = replace(ask, constraint=reviews(len(candidates), ask.max_tokens))
    (reply,) = await context.caller.sample([ask])
    text = _text(context, reply)
    if text is None:
        return [None] * len(candidates)
    value, key = read(filled.prompt.result, text)
    if key is None or not isinstance(value, list | tuple) or len(value) != len(candidates):
        context.judged(1, [text])
        return [None] * len(candidates)
    context.judged(1, [])
    return [str(item) for item in value]


def _text(context: StageContext, reply: Reply) -> str | None:
    """What a critic wrote, as far as it came; None where it wrote nothing."""
    if reply.state == "failed":
        context.failed(reply)
    return reply.completion.text if reply.state == "done" and reply.completion is not None else None
