"""`score`: a number for every candidate, from what is known of it or from a judge."""

from __future__ import annotations

from dataclasses import replace

from ttscale.compiler.diagnostics import Diagnostic, InternalError
from ttscale.compiler.ir import Const, Strategy
from ttscale.runtime.answers import show
from ttscale.runtime.chats import asked_in
from ttscale.runtime.pool import Candidate, Pool
from ttscale.runtime.result import RunError
from ttscale.runtime.stages.context import MissingValue, StageContext, is_operand, latest_score, offered_answer, usable
from ttscale.runtime.stages.forced import forced
from ttscale.runtime.stages.judging import affirmative, argued, grades, labels_of, opinions, share_of
from ttscale.runtime.stages.reading import likenesses, rewards
from ttscale.runtime.stages.rubric import by_rubric, whole
from ttscale.runtime.strategies import numbers
from ttscale.runtime.strategies.composing import composed
from ttscale.runtime.strategies.grounding import grounded
from ttscale.runtime.strategies.sources import argument, source_of


async def score(context: StageContext, pool: Pool) -> Pool:
    """The same candidates with one more score; one that could not be judged has none of this name."""
    rule = context.strategy("by")
    if rule is None:
        raise InternalError(f"{context.stage.path} has no rule")
    name = str(context.constant("as") or rule.name)
    if rule.name == "rubric":
        given = await by_rubric(context, pool, rule)
    elif rule.name in ("yes_no", "digit", "verdicts", "another_try"):
        given = await _judged(context, pool, rule)
    elif rule.name == "composed":
        given = _composed(context, pool, rule)
    elif rule.name in ("reward", "likeness"):
        given = await (rewards if rule.name == "reward" else likenesses)(context, usable(pool), rule)
    elif rule.name == "forced":
        given = await forced(context, usable(pool), rule)
    elif rule.name == "grounded":
        source = source_text(context, rule)
        given = {id(c): grounded(show(context.item_type, c.answer), source) for c in pool if c.is_readable}
    else:
        given = dict(zip((id(c) for c in pool), numbers(rule, pool), strict=True))
    return replace(pool, candidates=tuple(_with_score(c, name, given.get(id(c))) for c in pool))


def _composed(context: StageContext, pool: Pool, rule: Strategy) -> dict[int, float | None]:
    """How sure each candidate is, put together from its own number, the parts' and their answers' (ProbTree)."""
    children, plan = _pool_of(context, rule, "answers"), _pool_of(context, rule, "parts")
    scores = [latest_score(c) for c in children] if children is not None else []
    split = next((c.logprob_mean for c in plan), None) if plan is not None else None
    return {
        id(c): composed(own, split, scores)
        for c, own in zip(pool, numbers(source_of(rule), pool), strict=True)
        if own is not None
    }


def _pool_of(context: StageContext, rule: Strategy, name: str) -> Pool | None:
    operand = argument(rule, name, -1)
    value = context.value(operand) if is_operand(operand) and operand != Const(None) else None
    return value if isinstance(value, Pool) else None


def source_text(context: StageContext, rule: Strategy) -> str:
    """The text that `grounded` looks in: its argument, or the question."""
    given = argument(rule, "source")
    if isinstance(given, str):
        return given
    operand = given if is_operand(given) else context.stage.question
    if operand is None:
        message = "`grounded` has no text to look in, since the pipeline has no question"
        hint = "name the text: `grounded(note)`"
        raise RunError(Diagnostic("R0710", message, context.stage.span, hint=hint))
    value = asked_in(context.value(operand))
    return value if isinstance(value, str) else str(value)


async def _judged(context: StageContext, pool: Pool, rule: Strategy) -> dict[int, float | None]:
    """P(yes), the share of yes among verdicts, or the judge's number, by the candidate's identity."""
    filled, model = context.using(), context.model()
    candidates = usable(pool)
    try:
        prompts = [context.messages(filled, {"answer": offered_answer(c, filled)}) for c in candidates]
    except MissingValue as error:
        context.note(error.diagnostic.message)
        return {}
    place = affirmative(labels_of(filled.prompt.result))
    if rule.name == "verdicts":
        found = await argued(context, filled, model, prompts, whole(rule, "k"))
    else:
        found = await (grades if rule.name == "digit" else opinions)(context, filled, model, prompts)
    unscored = sum(opinion.state == "refused" for opinion in found)
    if unscored:
        context.note(f"{unscored} of {len(found)} answers have no score, since the budget ended")
    return {
        id(candidate): opinion.number if opinion.number is not None else share_of(rule, opinion.probabilities[place])
        for candidate, opinion in zip(candidates, found, strict=True)
        if opinion.state == "done"
    }


def _with_score(candidate: Candidate, name: str, number: float | None) -> Candidate:
    """The candidate with `name` as its latest score."""
    if number is None:
        return candidate
    others = {key: value for key, value in candidate.scores.items() if key != name}
    return replace(candidate, scores={**others, name: number})
