"""`recall`: concepts that earlier runs learned, those that have most to do with a text the last.

ArcMemo (Ho et al. 2025) lets a model choose among all concepts; here that is `recall(…, by: latest, k: 40)` and a
`rank(keep: 4)` behind it, with a prompt of one's own. Without it they are found by their words and those of the
questions that taught them, by BM25. What the asked question taught itself is left out, as its answer may stand in it.
Ties go to the older concept.
"""

from __future__ import annotations

import asyncio

from ttscale.compiler.diagnostics import Diagnostic
from ttscale.compiler.memory_places import is_file
from ttscale.compiler.types import TEXT
from ttscale.library.recipes import folder_of, recipe_of
from ttscale.runtime.answers import coerce
from ttscale.runtime.chats import asked_in
from ttscale.runtime.documents import DocumentError, Index, passages
from ttscale.runtime.memory import Concept, MemoryFault, Place, View
from ttscale.runtime.pool import Candidate, Pool
from ttscale.runtime.result import RunError
from ttscale.runtime.stages.context import StageContext, as_argument, is_operand
from ttscale.runtime.stages.nearness import SCORES, nearest

OWN_SCORES = {"latest": "latest", "score": "accepted"}


async def recall(context: StageContext) -> Pool:
    """At most `k` concepts of the memory, with a score and a rank; none where nothing was learned."""
    operand = context.stage.args.get("query")
    query = as_argument(context.value(operand), TEXT) if is_operand(operand) else None
    if not isinstance(query, str):
        context.note("recall found nothing, since what it should look up has no value in this run")
        return Pool((), TEXT)
    known = await asyncio.to_thread(_read, context)
    asked = _key(asked_in(context.value(context.stage.question)) if context.stage.question is not None else query)
    if context.constant("own") is not True:
        known = [one for one in known if asked is None or _key(one.question) != asked]
    by, wanted = str(context.constant("by") or "words"), context.integer("k", 5)
    if by in OWN_SCORES:
        found = _listed(known, by)[:wanted]
    else:
        index = Index(tuple(f"{one.text}\n{one.question}" for one in known))
        try:
            found = await nearest(context, index, query, wanted, by)
        except DocumentError as error:
            raise RunError(Diagnostic("R0716", str(error), context.stage.span, hint=error.hint)) from error
    name = OWN_SCORES.get(by) or SCORES[by]
    length = context.integer("length", 1200)
    candidates = [
        _candidate(context, known[place], score, rank, name, length) for rank, (place, score) in enumerate(found, 1)
    ]
    if context.constant("order") != "ranked":
        candidates.reverse()
    for candidate in candidates:
        context.made(candidate)
    return Pool(tuple(candidates), TEXT)


def _read(context: StageContext) -> list[Concept]:
    place, view = place_of(context)
    try:
        return view.read(place, now=context.constant("as_of") == "now")
    except MemoryFault as error:
        raise fault_of(context, error) from error


def _listed(known: list[Concept], by: str) -> list[tuple[int, float]]:
    """The places of concepts, the newest or the best first."""
    numbers = [float(place) if by == "latest" else (one.score or 0.0) for place, one in enumerate(known)]
    return sorted(enumerate(numbers), key=lambda item: (-item[1], item[0]))


def _key(question: object) -> object:
    """What makes two questions the same: their words, without regard to case and spacing; None for no question.

    One that is no text, as a record, is compared as it is kept.
    """
    text = "" if question is None else str(question)
    return coerce(TEXT, text)[1] if text.strip() else None


def _candidate(context: StageContext, concept: Concept, score: float, rank: int, name: str, length: int) -> Candidate:
    text = (passages(concept.text, length) or [""])[0]
    answer, key = coerce(TEXT, text)
    path, model = context.stage.path, concept.model
    return Candidate(text, answer, key, stage=path, model=model, index=rank - 1, scores={name: score}, rank=rank)


# --- the memory -----------------------------------------------------------------------------------


def place_of(context: StageContext) -> tuple[Place, View]:
    """The memory that a stage names, and the run's view of all memories.

    A file is beside the one that names it; those that a recipe names are in its user's store, apart from all others.
    """
    named, module = str(context.constant("memory")), context.stage.span.file
    recipe = recipe_of(module)
    if recipe is not None:
        return Place(f"{recipe.name}/{named}"), context.memories
    if is_file(named):
        return Place("main", (folder_of(module) / named).expanduser().resolve()), context.memories
    return Place(named), context.memories


def fault_of(context: StageContext, error: MemoryFault) -> RunError:
    """The error of a run whose memory cannot be used."""
    return RunError(Diagnostic("R0722", str(error), context.stage.span, hint=error.hint))
