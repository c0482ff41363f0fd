"""`classify`: the likeliest label of a Choice or Bool, every label scored from one prefill."""

from __future__ import annotations

from ttscale.compiler.diagnostics import InternalError
from ttscale.compiler.ir import Filled, Model
from ttscale.runtime.answers import read, show
from ttscale.runtime.pool import Candidate, Pool
from ttscale.runtime.stages.context import MissingValue, StageContext
from ttscale.runtime.stages.judging import labels_of, opinions


async def classify(context: StageContext) -> Pool:
    """One candidate whose `scores` are the labels' probabilities, its own last; unreadable where none is likely."""
    filled, model = _arguments(context)
    try:
        messages = context.messages(filled, {})
    except MissingValue as error:
        context.note(error.diagnostic.message)
        return Pool((), context.item_type)
    (opinion,) = await opinions(context, filled, model, [messages])
    if opinion.state != "done":
        return Pool((), context.item_type)
    labels = labels_of(filled.prompt.result)
    best = max(range(len(labels)), key=lambda place: opinion.probabilities[place])
    names = [show(filled.prompt.result, label.value) for label in labels]
    order = [place for place in range(len(labels)) if place != best] + [best]
    value, key = read(filled.prompt.result, names[best])
    least = context.number("min_probability")
    if least is not None and opinion.probabilities[best] < least:
        context.note(f"no label has a probability of {least:g}; the likeliest, {names[best]}, has less")
        value, key = None, None
    candidate = Candidate(
        names[best],
        answer=value,
        key=key,
        stage=context.stage.path,
        model=model.name,
        prompt=filled.prompt.name,
        scores={names[place]: opinion.probabilities[place] for place in order},
    )
    context.made(candidate)
    return Pool((candidate,), context.item_type)


def _arguments(context: StageContext) -> tuple[Filled, Model]:
    prompts, models = context.stage.args.get("prompts"), context.stage.args.get("models")
    if isinstance(prompts, tuple) and isinstance(models, tuple) and len(prompts) == len(models) == 1:
        filled, model = prompts[0], models[0]
        if isinstance(filled, Filled) and isinstance(model, Model):
            return filled, model
    raise InternalError(f"{context.stage.path} does not have one prompt and one model")
