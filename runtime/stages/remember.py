"""`remember`: what candidates teach is kept in a concept memory, and they are passed on as they are.

A model writes the concept behind each candidate (ArcMemo, Ho et al. 2025, "abstraction"), or the candidate's own text
is kept, or a note that the run has put together, as a demonstration is (DRAG, Yue et al. 2025). Candidates that could
not be read, that a judge refused, or whose score is too low teach nothing. A prompt that gives `[Text]` writes several
concepts at once. A memory that cannot be written is an error: a run that should learn and does not is not what was
asked for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from ttscale.compiler.ir import Const
from ttscale.compiler.types import TEXT, ListOf
from ttscale.runtime.answers import read, show
from ttscale.runtime.chats import asked_in
from ttscale.runtime.memory import Concept, MemoryFault
from ttscale.runtime.pool import Candidate, Pool
from ttscale.runtime.stages.context import (
    MissingValue,
    StageContext,
    as_argument,
    is_operand,
    latest_score,
    offered_answer,
    usable,
)
from ttscale.runtime.stages.recall import fault_of, place_of

NOTHING = frozenset({"", "none", "nothing", "n/a"})


async def remember(context: StageContext, pool: Pool) -> Pool:
    """The same candidates, after what they teach was kept."""
    place, view = place_of(context)
    taught = [candidate for candidate in usable(pool) if _teaches(context, candidate)]
    if view.is_off(place):
        context.note("remember kept nothing, since TTSCALE_MEMORY says that no memory is used")
        return pool
    if not taught:
        return pool
    try:
        texts = await _written(context, taught)
    except MissingValue as error:
        context.note(error.diagnostic.message)
        return pool
    learned = [_concept(context, one, text) for one, each in zip(taught, texts, strict=True) for text in each]
    try:
        new = await asyncio.to_thread(view.write, place, learned)
    except MemoryFault as error:
        raise fault_of(context, error) from error
    context.remembered(str(context.constant("memory")), [one.text for one in learned], new)
    return pool


def _teaches(context: StageContext, candidate: Candidate) -> bool:
    """Whether a candidate was accepted: it can be read, no judge refused it, and its score is high enough."""
    least = context.number("min_score")
    score = latest_score(candidate)
    enough = least is None or (score is not None and score >= least)
    return candidate.is_readable and candidate.verified is not False and enough


async def _written(context: StageContext, taught: Sequence[Candidate]) -> list[list[str]]:
    """The concepts of each candidate; none where the model wrote none."""
    note = context.stage.args.get("note")
    if is_operand(note) and note != Const(None):
        said = as_argument(context.value(note), TEXT)
        own = [said.strip()] if isinstance(said, str) and said.strip() else []
        return [own if place == 0 else [] for place in range(len(taught))]
    if context.constant("what") == "text":
        return [[candidate.text.strip()] for candidate in taught]
    filled = context.using()
    asks = [context.ask(context.messages(filled, {"answer": offered_answer(one, filled)})) for one in taught]
    found: list[list[str]] = []
    unreadable: list[str] = []
    replies = await context.caller.sample(asks)
    for reply in replies:
        if reply.state == "failed":
            context.failed(reply)
        if reply.state != "done" or reply.completion is None or reply.cut:
            found.append([])
            continue
        value, key = read(filled.prompt.result, reply.completion.text)
        if key is None:
            unreadable.append(reply.completion.text)
        items = value if isinstance(filled.prompt.result, ListOf) and isinstance(value, list | tuple) else [value]
        texts = [str(item).strip() for item in items if key is not None]
        found.append([text for text in texts if text.casefold().rstrip(".") not in NOTHING])
    context.judged(sum(reply.state == "done" for reply in replies), unreadable)
    return found


def _concept(context: StageContext, candidate: Candidate, text: str) -> Concept:
    operand = context.stage.question
    question = asked_in(context.value(operand)) if operand is not None else ""
    writer = context.optional_model("from")
    model = writer.name if writer is not None else candidate.model
    return Concept(
        text,
        question if isinstance(question, str) else str(question),
        show(context.item_type, candidate.answer) if context.item_type != TEXT else candidate.text,
        model,
        candidate.prompt,
        context.stage.path.partition("/")[0],
        latest_score(candidate),
    )
