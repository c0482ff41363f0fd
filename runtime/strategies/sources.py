"""Sources of numbers: one number a candidate, or None where it has none.

`likelihood` is exp of the mean (or, `of: sum`, of the summed) log-probability of the candidate's own tokens, in [0,
1]. `score` is a score given earlier, by name, else each candidate's latest. `steps` puts step scores together; a
candidate without any counts as -1. `length` is new tokens (words of the text where nobody counted), `brevity` 1 /
length. `confidence` is of groups of tokens, `features` of marker words, `rank` of the place that a judge gave.
`min_max` and `borda` are made of another source. What each computes is told in `weights`, `confidence` and
`features`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence

from ttscale.compiler.ir import Argument, Const, Strategy
from ttscale.compiler.rule_signatures import ALIASES
from ttscale.runtime.plugins import numbers_of
from ttscale.runtime.pool import Candidate
from ttscale.runtime.strategies import confidence, features, weights
from ttscale.runtime.strategies.code_agreement import consensus_scores

Numbers = Sequence[float | None]
NO_STEPS = -1.0
AGGREGATES = ("min", "last", "mean", "prod")
FEATURES = {"length": -1.0, "hedges": -1.0, "thinking": -1.0, "discourse": 1.0}
"""The signs that "Think Deep, Think Fast" found; sizes depend on the data."""


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
    if 0 <= position < len(rule.args):
        value = rule.args[position]
        return value if isinstance(value, Strategy) else plain(value)
    return None


def numbers(rule: Strategy, pool: Iterable[Candidate], *, relative: bool = False) -> list[float | None]:
    """One number for each candidate by a source's rule. Raises StrategyError for a rule that gives no numbers.

    NaN counts as no number. With `relative`, likelihoods of whole texts come as multiples of the highest one, since the
    numbers themselves are often too small to be told from 0; choices among candidates are the same.
    """
    candidates = list(pool)
    if rule.plugin:
        return numbers_of(rule, candidates)
    source = _SOURCES.get(canonical(rule.name))
    if source is None:
        known = ", ".join(sorted(_SOURCES))
        message = f"`{rule.name}` gives no number a candidate by itself"
        raise StrategyError(message, hint=f"sources of numbers are {known}")
    return [None if x is None or math.isnan(x) else x for x in source(rule, candidates, relative)]


def canonical(name: str) -> str:
    """A rule's own name for a name that papers use."""
    return ALIASES.get(name, name)


def source_of(rule: Strategy) -> Strategy:
    """The source of numbers that a rule is given as `by`; the latest score without one."""
    found = argument(rule, "by")
    if isinstance(found, str):
        return Strategy(found)
    return found if isinstance(found, Strategy) else Strategy("score")


def number_of(rule: Strategy, name: str, default: float) -> float:
    """A plain number among a rule's arguments. Raises StrategyError for anything else."""
    value = argument(rule, name, -1)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
        raise StrategyError(f"`{name}` wants a number, not {value!r}")
    return float(value)


def word_of(rule: Strategy, name: str, default: str, position: int = 0) -> str:
    """A name among a rule's arguments, however it was written."""
    return _word(argument(rule, name, position)) or default


def length_of(candidate: Candidate) -> float | None:
    """New tokens, where nothing was counted the words of its text, None for neither."""
    return float(candidate.tokens or len(candidate.text.split())) or None


def _likelihoods(rule: Strategy, pool: Sequence[Candidate], relative: bool) -> Numbers:
    of = word_of(rule, "of", "mean")
    if of == "reasoning":
        return weights.likelihoods([c.reasoning_logprob for c in pool])
    if of != "sum":
        return weights.likelihoods([c.logprob_mean for c in pool])
    logprobs = [c.logprob_sum for c in pool]
    return weights.relative_likelihoods(logprobs) if relative else weights.likelihoods(logprobs)


def _scores(rule: Strategy, pool: Sequence[Candidate], relative: bool) -> Numbers:
    name = argument(rule, "name")
    return [_score(c, name if isinstance(name, str) else None) for c in pool]


def _steps(rule: Strategy, pool: Sequence[Candidate], relative: bool) -> Numbers:
    of = word_of(rule, "of", "last")
    return [aggregate(c.step_scores, of) for c in pool]


def _lengths(rule: Strategy, pool: Sequence[Candidate], relative: bool) -> Numbers:
    return [length_of(c) for c in pool]


def _brevity(rule: Strategy, pool: Sequence[Candidate], relative: bool) -> Numbers:
    return [None if (n := length_of(c)) is None else 1 / n for c in pool]


def _confidences(rule: Strategy, pool: Sequence[Candidate], relative: bool) -> Numbers:
    of, share = word_of(rule, "of", "lowest_group"), number_of(rule, "share", 0.1)
    window = int(number_of(rule, "window", confidence.WINDOW))
    if any(c.token_confidences for c in pool):
        return [confidence.confidence(c.token_confidences, of, window, share) for c in pool]
    found = (confidence.confidence(c.token_logprobs, of, window, share) for c in pool)
    return [None if x is None else math.exp(x) for x in found]


def _features(rule: Strategy, pool: Sequence[Candidate], relative: bool) -> Numbers:
    wanted = {name: number_of(rule, name, default) for name, default in FEATURES.items()}
    places = [i for i, c in enumerate(pool) if c.text]
    values = features.linear([features.features_of(pool[i].text, pool[i].tokens) for i in places], wanted)
    found: list[float | None] = [None] * len(pool)
    for i, value in zip(places, values, strict=True):
        found[i] = value
    return found


def _tests(rule: Strategy, pool: Sequence[Candidate], relative: bool) -> Numbers:
    """The share of tests passed (the first score of CodeT's authors' baseline); None for one that was not tested."""
    return [sum(c.tests) / len(c.tests) if c.tests else None for c in pool]


def _test_agreement(rule: Strategy, pool: Sequence[Candidate], relative: bool) -> Numbers:
    tested = [place for place, c in enumerate(pool) if c.tests]
    try:
        scores = consensus_scores([pool[place].tests for place in tested], root=argument(rule, "root") is True)
    except ValueError as error:
        raise StrategyError(
            "these programs were not tried on the same tests", hint="put one `run_tests` behind all of them"
        ) from error
    found: list[float | None] = [None] * len(pool)
    for place, score in zip(tested, scores, strict=True):
        found[place] = score
    return found


def _min_max(rule: Strategy, pool: Sequence[Candidate], relative: bool) -> Numbers:
    return weights.min_max(numbers(source_of(rule), pool, relative=True))


def _borda(rule: Strategy, pool: Sequence[Candidate], relative: bool) -> Numbers:
    return weights.borda(numbers(source_of(rule), pool, relative=True), number_of(rule, "power", 1.0))


def _ranks(rule: Strategy, pool: Sequence[Candidate], relative: bool) -> Numbers:
    return weights.by_rank([c.rank for c in pool], len(pool))


def _origins(rule: Strategy, pool: Sequence[Candidate], relative: bool) -> Numbers:
    given = argument(rule, "weights")
    table = weights.by_origin(given if isinstance(given, str) else "")
    if isinstance(table, str):
        raise StrategyError(f"`origin` cannot read {table!r}", hint='write `origin("large: 2, small: 0.5")`')
    made = {name for c in pool for name in (c.model, c.prompt) if name}
    if made and not made & set(table):
        shown = ", ".join(sorted(made))
        raise StrategyError("`origin` weighs none of these answers", hint=f"they were made by {shown}")
    return [table.get(c.model, 1.0) * table.get(c.prompt, 1.0) for c in pool]


_SOURCES: Mapping[str, Callable[[Strategy, Sequence[Candidate], bool], Numbers]] = {
    "likelihood": _likelihoods,
    "score": _scores,
    "steps": _steps,
    "length": _lengths,
    "brevity": _brevity,
    "confidence": _confidences,
    "features": _features,
    "min_max": _min_max,
    "borda": _borda,
    "rank": _ranks,
    "origin": _origins,
    "tests": _tests,
    "test_agreement": _test_agreement,
}


def _word(value: object) -> str | None:
    """A name that may have come as text or as a bare rule."""
    if isinstance(value, Strategy):
        return value.name
    return value if isinstance(value, str) else None


def _score(candidate: Candidate, name: str | None) -> float | None:
    if name is not None:
        return candidate.scores.get(name)
    return next(reversed(list(candidate.scores.values())), None)


def aggregate(steps: Sequence[float], of: str) -> float:
    """The scores of a process reward model as one number: `min`, `last`, `mean` (`avg`) or `prod` (`product`).

    "Can 1B LLM Surpass 405B LLM?" (Liu et al. 2025) has min, last and mean, search-and-learn min, prod and last.
    Without any step score it is -1, as in the former's code, so that such an answer loses a vote's weight. No ties
    arise here.
    """
    if not steps:
        return NO_STEPS
    match of:
        case "min":
            return min(steps)
        case "last":
            return steps[-1]
        case "mean" | "avg":
            return sum(steps) / len(steps)
        case "prod" | "product":
            return math.prod(steps)
    raise StrategyError(f"`steps({of})` is not known", hint=f"use one of {', '.join(AGGREGATES)}")
