"""Sources of numbers: one number a candidate, or None where it has none.

`likelihood` is exp of the mean (or, `of: sum`, of the summed) log-probability of the candidate's own tokens, in [0, 1].
`score` is a score given earlier, by name, else each candidate's latest. `steps` puts step scores together; a candidate
without any counts as -1, as in the code of "Can 1B LLM Surpass 405B LLM?" (Liu et al. 2025). `length` is new tokens.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from ttscale.compiler.ir import Argument, Const, Strategy
from ttscale.runtime.plugins import numbers_of
from ttscale.runtime.pool import Candidate

NO_STEPS = -1.0
AGGREGATES = ("min", "last", "mean", "prod")


class StrategyError(Exception):
    """A rule cannot be applied to this pool; the message is for the user, `hint` says what to do."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


def plain(argument: Argument | object) -> object:
    """The plain value of an argument that is known before the run: a constant's value, a rule's name, or itself."""
    if isinstance(argument, Const):
        return argument.value
    if isinstance(argument, Strategy) and not argument.args and not argument.named:
        return argument.name
    return argument


def argument(rule: Strategy, name: str, position: int = 0) -> object:
    """The argument of a rule by name, or by position where it was given so; None where it was not given."""
    for given, value in rule.named:
        if given == name:
            return value if isinstance(value, Strategy) else plain(value)
    if position < len(rule.args):
        value = rule.args[position]
        return value if isinstance(value, Strategy) else plain(value)
    return None


def numbers(rule: Strategy, pool: Iterable[Candidate]) -> list[float | None]:
    """One number for each candidate by a source's rule. Raises StrategyError for a rule that gives no numbers.

    NaN counts as no number.
    """
    if rule.plugin:
        return numbers_of(rule, list(pool))
    match rule.name:
        case "likelihood" | "ppl" | "perplexity":
            of = _word(argument(rule, "of")) or "mean"
            found = [_likelihood(c.logprob_sum if of == "sum" else c.logprob_mean) for c in pool]
        case "score":
            name = argument(rule, "name")
            found = [_score(c, name if isinstance(name, str) else None) for c in pool]
        case "steps":
            of = _word(argument(rule, "of")) or "last"
            found = [aggregate(c.step_scores, of) for c in pool]
        case "length":
            found = [float(c.tokens) for c in pool]
        case _:
            raise StrategyError(
                f"`{rule.name}` gives no number a candidate by itself",
                hint='sources of numbers are likelihood, score("name"), steps(min | last | mean | prod) and length',
            )
    return [None if x is None or math.isnan(x) else x for x in found]


def _word(value: object) -> str | None:
    """A name that may have come as text or as a bare rule."""
    if isinstance(value, Strategy):
        return value.name
    return value if isinstance(value, str) else None


def _likelihood(logprob: float | None) -> float | None:
    return None if logprob is None else math.exp(min(logprob, 0.0))


def _score(candidate: Candidate, name: str | None) -> float | None:
    if name is not None:
        return candidate.scores.get(name)
    return next(reversed(list(candidate.scores.values())), None)


def aggregate(steps: Sequence[float], of: str) -> float:
    """Step scores as one number: `min`, `last`, `mean` or `prod`; -1 when there are none."""
    if not steps:
        return NO_STEPS
    match of:
        case "min":
            return min(steps)
        case "last":
            return steps[-1]
        case "mean":
            return sum(steps) / len(steps)
        case "prod":
            return math.prod(steps)
    raise StrategyError(f"`steps({of})` is not known", hint=f"use one of {', '.join(AGGREGATES)}")
