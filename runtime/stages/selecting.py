"""`vote`, `select` and `filter`: candidates chosen by rule, without asking a model."""

from __future__ import annotations

from dataclasses import replace

from ttscale.compiler.diagnostics import Diagnostic
from ttscale.compiler.ir import Strategy
from ttscale.runtime.pool import Pool
from ttscale.runtime.result import RunError
from ttscale.runtime.stages.context import StageContext
from ttscale.runtime.strategies import Outcome, StrategyError, apply_stage, class_ids


async def by_rule(context: StageContext, pool: Pool) -> Pool:
    """What the rule keeps.

    Where judgements that the rule needs were refused, failed or could not be read, it falls back on the plain vote,
    the first candidate, or all of them, and says so. Raises RunError (R0707) where a rule lacks what no run would give
    it.
    """
    stage = context.stage
    try:
        outcome = apply_stage(stage.op, stage.args, pool, context.value)
    except StrategyError as error:
        if not context.is_degraded:
            raise RunError(Diagnostic("R0707", str(error), stage.span, hint=error.hint)) from error
        outcome = _without_rule(stage.op, pool)
        context.note(f"{stage.op} went without its rule: {error}")
    if outcome.note:
        context.note(outcome.note)
    if outcome.parents:
        made = replace(outcome.pool.candidates[0], stage=stage.path)
        outcome = replace(outcome, pool=Pool((made,), outcome.pool.type))
        context.made(made)
    if stage.op != "filter":
        context.decided(pool, describe(stage.op, _rule_name(context), outcome, pool))
    return outcome.pool


def _without_rule(op: str, pool: Pool) -> Outcome:
    if op == "filter":
        return Outcome(pool, tuple(range(len(pool))))
    return apply_stage("vote", {}, pool) if op == "vote" else apply_stage("select", {"by": Strategy("first")}, pool)


def _rule_name(context: StageContext) -> str:
    rule = context.strategy("weight" if context.stage.op == "vote" else "by")
    return "" if rule is None else rule.name


def describe(op: str, rule: str, outcome: Outcome, pool: Pool) -> str:
    """In a few words, what decided: "5 of 8 agree"."""
    if outcome.picked is None or not pool.candidates:
        return "there was nothing to choose from"
    classes = class_ids(pool)
    winner = classes[outcome.picked]
    if winner is None:
        return f"none of {len(pool)} answers could be read"
    agreeing = outcome.decided or f"{classes.count(winner)} of {len(pool)} agree"
    if op == "vote":
        weighed = f", weighed by {rule}" if rule else ""
        tie = f"; {len(outcome.tied)} answers tie and the first wins" if len(outcome.tied) > 1 else ""
        return agreeing + weighed + tie
    return f"the best of {len(pool)} by {rule or 'score'}; {agreeing}"
