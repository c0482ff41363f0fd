"""`score(by: reward(…))` and `score(by: likeness(…))`: numbers from a model that reads texts and writes none.

A reward is what a model's ranking head says of a question and an answer: any number, higher is better, or with
`sigmoid` 1 / (1 + e^-x). A likeness is the mean of the cosines between an answer's vector and those of all other
answers (Knappe et al., "Semantic Self-Consistency", 2024, whose weights are by the distance to the centroid), or the
cosine to the vector of a text. One answer alone is as likely as can be: 1. No tokens are drawn, and none are counted.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from ttscale.compiler.diagnostics import Diagnostic, InternalError
from ttscale.compiler.ir import Model, Strategy
from ttscale.compiler.types import TEXT
from ttscale.runtime.chats import asked_in
from ttscale.runtime.engines.base import ContextExceeded, EngineError, Reading
from ttscale.runtime.pool import Candidate
from ttscale.runtime.result import RunError
from ttscale.runtime.stages.context import StageContext, as_argument, is_operand
from ttscale.runtime.strategies.sources import argument

Numbers = dict[int, float | None]
Vector = tuple[float, ...]


async def rewards(context: StageContext, candidates: Sequence[Candidate], rule: Strategy) -> Numbers:
    """What the head says of each candidate, by the candidate's identity; none for one that is too long to be read."""
    if context.stage.question is None:
        message = "`reward` has no question that answers could be scored for"
        raise _error(context, message, "give the pipeline an input `question`, or score by something else")
    if not candidates:
        return {}
    query = str(asked_in(context.value(context.stage.question)))
    reader, name = await _reader(context, rule, "ranks", "has no head that scores texts", "name a reranker's weights")
    texts = [candidate.text for candidate in candidates]
    try:
        found: list[float | None] = list(await reader.rank(query, texts))
    except ContextExceeded:
        found = [await _one(reader, query, text) for text in texts]
        lost = sum(one is None for one in found)
        context.note(f"{lost} of {len(texts)} answers have no score, since `{name}` cannot hold them")
    except EngineError as error:
        raise _error(context, str(error), error.hint) from error
    if argument(rule, "sigmoid", -1) is True:
        found = [None if one is None else _sigmoid(one) for one in found]
    return {id(candidate): one for candidate, one in zip(candidates, found, strict=True)}


async def likenesses(context: StageContext, candidates: Sequence[Candidate], rule: Strategy) -> Numbers:
    """How like each candidate is to all others, or to a text, by the candidate's identity, from -1 to 1."""
    if not candidates:
        return {}
    given = argument(rule, "to", -1)
    wanted = as_argument(context.value(given), TEXT) if is_operand(given) else given
    hint = "name a model that writes, or one that is made for vectors"
    reader, _ = await _reader(context, rule, "embeds", "makes no vectors of texts", hint)
    texts = [candidate.text for candidate in candidates] + ([str(wanted)] if wanted is not None else [])
    different = list(dict.fromkeys(texts))
    try:
        made = await reader.embed(different)
    except EngineError as error:
        raise _error(context, str(error), error.hint) from error
    vectors = {text: one.vector for text, one in zip(different, made, strict=True)}
    own = [vectors[candidate.text] for candidate in candidates]
    numbers = [cosine(one, vectors[str(wanted)]) for one in own] if wanted is not None else mean_cosines(own)
    return {id(candidate): number for candidate, number in zip(candidates, numbers, strict=True)}


def mean_cosines(vectors: Sequence[Vector]) -> list[float]:
    """For each vector the mean of its cosines with all others; 1 where there is no other."""
    total = [math.fsum(column) for column in zip(*vectors, strict=True)]
    others = len(vectors) - 1
    return [(cosine(one, total) - cosine(one, one)) / others if others else 1.0 for one in vectors]


def cosine(first: Sequence[float], second: Sequence[float]) -> float:
    """The dot product: vectors have length 1."""
    return math.fsum(a * b for a, b in zip(first, second, strict=True))


async def _one(reader: Reading, query: str, text: str) -> float | None:
    try:
        (found,) = await reader.rank(query, [text])
    except ContextExceeded:
        return None
    return found


async def _reader(context: StageContext, rule: Strategy, ability: str, lacks: str, hint: str) -> tuple[Reading, str]:
    """The engine of the model that the rule names, started. Raises RunError where it cannot read like that."""
    model = argument(rule, "model")
    if not isinstance(model, Model):
        raise InternalError(f"{context.stage.path} has a rule without its model")
    try:
        engine = await context.caller.engine(model)
        await engine.start()
    except EngineError as error:
        raise _error(context, str(error), error.hint) from error
    if not (getattr(engine.capabilities, ability) and isinstance(engine, Reading)):
        raise _error(context, f"the model `{model.name}` {lacks}", hint)
    return engine, model.name


def _sigmoid(number: float) -> float:
    return 1 / (1 + math.exp(-number)) if number >= 0 else math.exp(number) / (1 + math.exp(number))


def _error(context: StageContext, message: str, hint: str) -> RunError:
    return RunError(Diagnostic("R0716", message, context.stage.span, hint=hint))
