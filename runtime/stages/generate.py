"""`generate`: samples of every prompt, model and temperature, all at once or in rounds until a condition holds."""

from __future__ import annotations

from dataclasses import dataclass

from ttscale.compiler.diagnostics import InternalError
from ttscale.compiler.ir import Const, Filled, Model, UpTo
from ttscale.runtime.desk import Ask
from ttscale.runtime.engines.base import Message
from ttscale.runtime.fewshot import last_user
from ttscale.runtime.pool import Candidate, Pool
from ttscale.runtime.stages.context import MissingValue, Origin, StageContext, is_operand
from ttscale.runtime.stages.nearness import by_meaning
from ttscale.runtime.stages.watching import watched_candidates


@dataclass(frozen=True, slots=True)
class Combination:
    """One prompt at one model and temperature; its samples are numbered from 0."""

    messages: tuple[Message, ...]
    origin: Origin
    model: Model
    series: int
    temperature: float | None


async def generate(context: StageContext) -> Pool:
    """Candidates prompt by prompt, in it model by model, in it temperature by temperature, then the hedge."""
    try:
        combinations = await _combinations(context)
    except MissingValue as error:
        context.note(error.diagnostic.message)
        return Pool((), context.item_type)
    n = context.stage.args["n"]
    if isinstance(n, UpTo):
        return await _rounds(context, combinations, n.limit)
    drawn = await _draw(context, combinations, 0, context.integer("n", 1), hedge=bool(context.constant("hedge")))
    return Pool(_present([*drawn.samples, drawn.hedge]), context.item_type)


@dataclass(frozen=True, slots=True)
class _Drawn:
    """Samples of each combination, None where the budget refused one, and the hedge."""

    samples: list[list[Candidate | None]]
    hedge: list[Candidate | None]
    refused: bool


async def _rounds(context: StageContext, combinations: list[Combination], limit: int) -> Pool:
    """Rounds that double the total, or add `round` samples, until the condition holds on a complete round."""
    until = context.stage.args.get("until")
    samples: list[list[Candidate | None]] = [[] for _ in combinations]
    hedge: list[Candidate | None] = []
    total = min(context.integer("start", 4), limit)
    low = 0
    while True:
        drawn = await _draw(context, combinations, low, total, hedge=low == 0 and bool(context.constant("hedge")))
        for earlier, new in zip(samples, drawn.samples, strict=True):
            earlier.extend(new)
        hedge = drawn.hedge if low == 0 else hedge
        pool = Pool(_present([*samples, hedge]), context.item_type)
        if drawn.refused or total >= limit:
            return pool
        if is_operand(until) and context.value(until, pool):
            context.note(f"sampling stopped at {total} of at most {limit}, since its condition held")
            return pool
        low, total = total, min(total + context.integer("round", total), limit)


async def _draw(context: StageContext, combinations: list[Combination], low: int, high: int, *, hedge: bool) -> _Drawn:
    asks: list[Ask] = []
    origins: list[Origin] = []
    for one in combinations:
        for index in range(low, high):
            asks.append(
                context.ask(
                    one.messages,
                    model=one.model,
                    temperature=one.temperature,
                    series=one.series,
                    index=index,
                    reads=one.origin.type,
                )
            )
            origins.append(one.origin)
    if hedge:
        first = combinations[0]
        asks.append(
            context.ask(
                first.messages, model=first.model, temperature=0.0, series=first.series, reads=first.origin.type
            )
        )
        origins.append(first.origin)
    found = await watched_candidates(context, asks, origins)
    width = high - low
    samples = [
        [candidate for each in found[place * width : (place + 1) * width] for candidate in each]
        for place in range(len(combinations))
    ]
    refused = any(candidate is None for each in found for candidate in each)
    return _Drawn(samples, found[-1] if hedge else [], refused)


async def _near(context: StageContext, filled: Filled, messages: tuple[Message, ...]) -> list[int] | None:
    """The rows of examples by the likeness of their vectors to the question's; None where nobody wants that."""
    model = context.optional_model("embedder")
    if model is None or context.constant("choose") != "similar" or not context.integer("shots", 0):
        return None
    found = await by_meaning(context, context.example_texts(filled), last_user(messages), model)
    return [place for place, _ in found]


async def _combinations(context: StageContext) -> list[Combination]:
    args = context.stage.args
    prompts, models, temperatures = args["prompts"], args["models"], args["temperatures"]
    series = context.constant("model_series")
    if not (isinstance(prompts, tuple) and isinstance(models, tuple) and isinstance(temperatures, tuple)):
        raise InternalError(f"{context.stage.path} lacks prompts, models or temperatures")
    numbers = series if isinstance(series, tuple) else (context.integer("series", 0),) * len(models)
    found: list[Combination] = []
    for filled in prompts:
        if not isinstance(filled, Filled):
            raise InternalError(f"{context.stage.path} has a prompt that is not filled")
        asked = context.messages(filled, {})
        messages = context.examples(filled, asked, await _near(context, filled, asked))
        origin = Origin(filled.prompt.name, filled.prompt.result)
        for model, number in zip(models, numbers, strict=True):
            if not isinstance(model, Model):
                raise InternalError(f"{context.stage.path} has a model that is none")
            for temperature in temperatures or (Const(None),):
                heat = temperature.value if isinstance(temperature, Const) else None
                heat = float(heat) if isinstance(heat, int | float) else None
                found.append(Combination(messages, origin, model, int(str(number)), heat))
    return found


def _present(groups: list[list[Candidate | None]]) -> tuple[Candidate, ...]:
    return tuple(candidate for group in groups for candidate in group if candidate is not None)
