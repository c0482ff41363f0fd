"""Which passages have to do with a text: by their words, by their meaning, or both.

`words` is BM25 (see `documents`), `embedding` the cosine of the vectors that a model makes of both, `both` adds up
1 / (60 + place) over the two orders ("Reciprocal Rank Fusion", Cormack et al. 2009). Ties go to the passage that stands
first. By words only passages that share one are found; by meaning all are.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from ttscale.compiler.diagnostics import Diagnostic
from ttscale.compiler.ir import Model
from ttscale.runtime.documents import Index
from ttscale.runtime.engines.base import EngineError, Reading
from ttscale.runtime.result import RunError
from ttscale.runtime.stages.context import StageContext

SCORES = {"words": "bm25", "embedding": "cosine", "both": "fused"}
"""The name of the score by what was looked up."""
FUSION = 60
KNOWN = 50_000
"""Vectors of passages that are kept for further questions."""
_vectors: dict[tuple[str, str], tuple[float, ...]] = {}


async def nearest(context: StageContext, index: Index, query: str, count: int, by: str) -> list[tuple[int, float]]:
    """At most `count` passages by their places, with their scores, the best first."""
    if by == "words":
        return (await asyncio.to_thread(index.best, query, count)) if index.passages else []
    meant = await by_meaning(context, index.passages, query)
    if by == "embedding":
        return meant[:count]
    worded = await asyncio.to_thread(index.best, query, len(index.passages))
    fused: dict[int, float] = {}
    for order in (worded, meant):
        for rank, (place, _) in enumerate(order, 1):
            fused[place] = fused.get(place, 0.0) + 1 / (FUSION + rank)
    return sorted(fused.items(), key=lambda item: (-item[1], item[0]))[:count]


async def by_meaning(
    context: StageContext, passages: Sequence[str], query: str, model: Model | None = None
) -> list[tuple[int, float]]:
    """All passages with the cosine of their vectors and the query's, the nearest first.

    The vectors are those of `model`, else of the stage's own. Raises RunError where it makes none.
    """
    if not passages:
        return []
    first, *others = await _vectors_of(context, [query, *passages], model or context.model())
    return await asyncio.to_thread(_by_cosine, first, others)


def _by_cosine(query: tuple[float, ...], others: Sequence[tuple[float, ...]]) -> list[tuple[int, float]]:
    """Vectors of length 1 by their places, with their cosines to the query's, the nearest first."""
    scores = [sum(a * b for a, b in zip(query, other, strict=True)) for other in others]
    return sorted(enumerate(scores), key=lambda item: (-item[1], item[0]))


async def _vectors_of(context: StageContext, texts: Sequence[str], model: Model) -> list[tuple[float, ...]]:
    """The vector of each text, of length 1; those of texts met before are not made again."""
    engine = await context.caller.engine(model)
    try:
        await engine.start()
        if not (engine.capabilities.embeds and isinstance(engine, Reading)):
            message = f"the model `{model.name}` makes no vectors of texts"
            hint = "name a model of the llama engine, or go by words"
            raise RunError(Diagnostic("R0716", message, context.stage.span, hint=hint))
        digest = engine.digest
        known = {text: _vectors[digest, text] for text in texts if (digest, text) in _vectors}
        missing = list(dict.fromkeys(text for text in texts if text not in known))
        made = await engine.embed(missing) if missing else []
    except EngineError as error:
        raise RunError(Diagnostic("R0716", str(error), context.stage.span, hint=error.hint)) from error
    new = {text: one.vector for text, one in zip(missing, made, strict=True)}
    if len(_vectors) + len(new) > KNOWN:
        _vectors.clear()  # others may have done so while vectors were made: `known` was read before
    _vectors.update({(digest, text): vector for text, vector in new.items()})
    known |= new
    return [known[text] for text in texts]
