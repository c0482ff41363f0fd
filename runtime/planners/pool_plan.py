"""What one recorded pool says about how to spend samples: the document that `ttscale fit` prints.

    document = plan_pool(read_pool("pool.jsonl"), targets=(0.9,), token_budget=8_000)
    document["coverage"]      # k, measured, interval, fitted, tokens
    document["law"]           # {"a", "b", "error"} or null
    document["saturation"]    # {"ceiling", "chance", "epsilon", "enough", "measured", "error"} or null
    document["targets"]       # [{"coverage", "samples", "tokens", "by": "measured" | "law"}]
    document["budgets"]       # [{"tokens", "samples", "coverage", "by"}]
    document["rules"]         # {"k", "accuracy": {rule: […]}, "missing": {rule: why}}
    document["difficulty"]    # bins, each with its best rule per k, and the two-fold comparison
    document["verifiers"]     # one for every recorded score
    document["sources"]       # models, where samples name several: alone, and the best k together

Shares are from 0 to 1, tokens are new tokens of one question (a pool file does not know prompts).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ttscale.runtime.metrics.intervals import mean_interval
from ttscale.runtime.planners.coverage import PowerLaw, coverage_curve, fit_power_law
from ttscale.runtime.planners.difficulty import level, quantile_bins, strategy_table
from ttscale.runtime.planners.pool_rules import rule_credits
from ttscale.runtime.planners.pool_sources import sources_of
from ttscale.runtime.planners.pool_verifiers import verifiers_of
from ttscale.runtime.planners.saturation import fit_saturation
from ttscale.runtime.poolfile import Question
from ttscale.runtime.strategies import agreement, class_ids, pass_at_k

Document = dict[str, Any]
DIFFICULTIES = ("right", "agreement", "score")
ROUNDS = 400
"""Resamples of an interval."""


class PlannerError(Exception):
    """A pool that nothing can be planned from; the message and `hint` are for the user."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


def plan_pool(
    questions: Sequence[Question],
    *,
    targets: Sequence[float] = (0.9,),
    token_budgets: Sequence[int] = (),
    epsilon: float = 0.005,
    bins: int = 5,
    difficulty: str = "right",
    rules: Sequence[str] | None = None,
    wrong: float = -1.0,
    ratio: float = 1.0,
) -> Document:
    """Everything that the planners say of a pool, as plain data for JSON.

    `targets` are coverages to reach, `epsilon` the least gain of one more sample that is worth it, `difficulty` what
    bins go by (`right`: the share of right samples, which needs the gold answers; `agreement` and `score`: what a new
    question shows too), `rules` selectors as in `replay` (default: all that the pool's fields permit), `wrong` what a
    wrong answer is worth where a right one is worth 1, `ratio` a verification's tokens over a solution's. Raises
    PlannerError, and CompileError for a rule that does not exist.
    """
    known = [q for q in questions if len(q.pool) and None not in q.correct]
    if not known:
        raise PlannerError(
            "the pool says of no question which of its samples are right",
            hint="give each question a `gold` answer, or each sample `correct`",
        )
    counts = [(len(q.pool), sum(map(bool, q.correct))) for q in known]
    smallest = min(n for n, _ in counts)
    sizes = sorted({1 << i for i in range(smallest.bit_length()) if 1 << i <= smallest} | {smallest})
    tokens = _tokens_a_sample(known)
    measured = coverage_curve(counts, sizes)
    law = fit_power_law(sizes, measured) if smallest > 1 else None
    each = [[pass_at_k(n, right, k) for n, right in counts] for k in sizes]
    document: Document = {
        "questions": len(known),
        "left_out": len(questions) - len(known),
        "samples": {"least": smallest, "most": max(n for n, _ in counts)},
        "tokens_a_sample": tokens,
        "coverage": {
            "k": sizes,
            "measured": measured,
            "interval": [list(mean_interval(own, rounds=ROUNDS)) for own in each],
            "fitted": None if law is None else [law.at(k) for k in sizes],
            "tokens": None if tokens is None else [tokens * k for k in sizes],
        },
        "law": None if law is None else {"a": law.a, "b": law.b, "error": _error(measured, [law.at(k) for k in sizes])},
        "saturation": _saturation(sizes, measured, epsilon, coverage_curve(counts, range(1, smallest + 1))),
        "targets": [_target(target, counts, smallest, law, tokens) for target in targets],
        "budgets": [_budget(limit, counts, smallest, law, tokens) for limit in token_budgets],
    }
    credits, missing = rule_credits(known, sizes, rules)
    document["rules"] = {
        "k": sizes,
        "accuracy": {rule: [math.fsum(own) / len(own) for own in by_size] for rule, by_size in credits.items()},
        "missing": missing,
    }
    document["difficulty"] = _difficulty(known, counts, sizes, credits, bins, difficulty)
    document["verifiers"] = verifiers_of(known, wrong=wrong, ratio=ratio)
    document["sources"] = sources_of(known)
    return document


def _tokens_a_sample(questions: Sequence[Question]) -> float | None:
    """The mean over questions of their samples' mean new tokens; None where the file has none."""
    means = [math.fsum(c.tokens for c in q.pool) / len(q.pool) for q in questions]
    return math.fsum(means) / len(means) if all(mean > 0 for mean in means) else None


def _error(measured: Sequence[float], fitted: Sequence[float]) -> float:
    """The root of the mean squared difference."""
    return math.sqrt(math.fsum((m - f) ** 2 for m, f in zip(measured, fitted, strict=True)) / len(measured))


def _saturation(
    sizes: Sequence[int], measured: Sequence[float], epsilon: float, whole: Sequence[float]
) -> Document | None:
    """The fitted saturation, and the first number of samples whose measured gain is small enough (null: none is)."""
    fit = fit_saturation(sizes, measured)
    if fit is None:
        return None
    return {
        "ceiling": fit.ceiling,
        "chance": fit.chance,
        "epsilon": epsilon,
        "enough": fit.enough(epsilon),
        "measured": next((k for k in range(1, len(whole)) if whole[k] - whole[k - 1] <= epsilon), None),
        "error": _error(measured, [fit.at(k) for k in sizes]),
    }


def _target(
    target: float, counts: Sequence[tuple[int, int]], smallest: int, law: PowerLaw | None, tokens: float | None
) -> Document:
    """The fewest samples that reach a coverage: measured where the pool goes so far, else by the law, else null."""
    samples: float | None = None
    by = None
    if coverage_curve(counts, [smallest])[0] >= target:
        low, high = 1, smallest
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if coverage_curve(counts, [middle])[0] >= target else (middle + 1, high)
        samples, by = low, "measured"
    elif law is not None and math.isfinite(wanted := law.samples_for(target)):
        samples, by = max(smallest + 1, math.ceil(wanted)), "law"
    known = samples is not None and tokens is not None
    return {"coverage": target, "samples": samples, "tokens": samples * tokens if known else None, "by": by}  # type: ignore[operator]


def _budget(
    limit: int, counts: Sequence[tuple[int, int]], smallest: int, law: PowerLaw | None, tokens: float | None
) -> Document:
    """How many samples a budget of new tokens buys, and the coverage that they reach."""
    samples = None if tokens is None else math.floor(limit / tokens)
    coverage, by = None, None
    if samples is not None and 1 <= samples <= smallest:
        coverage, by = coverage_curve(counts, [samples])[0], "measured"
    elif samples and law is not None:
        coverage, by = law.at(samples), "law"
    return {"tokens": limit, "samples": samples, "coverage": coverage, "by": by}


def _difficulty(
    questions: Sequence[Question],
    counts: Sequence[tuple[int, int]],
    sizes: Sequence[int],
    credits: Mapping[str, Sequence[Sequence[float]]],
    bins: int,
    by: str,
) -> Document:
    shares = [right / n for n, right in counts]
    values = _ease(questions, shares, by)
    numbers = quantile_bins(values, bins)
    tables = [strategy_table({rule: own[i] for rule, own in credits.items()}, numbers) for i in range(len(sizes))]
    levels = [level(share) for share in shares]
    rows = []
    for number in sorted(set(numbers)):
        own = [i for i, other in enumerate(numbers) if other == number]
        best = [{"rule": table.best[number][0], "accuracy": table.best[number][1]} for table in tables]
        rows.append(
            {
                "bin": number + 1,
                "questions": len(own),
                "from": min(values[i] for i in own),
                "to": max(values[i] for i in own),
                "one_sample": math.fsum(shares[i] for i in own) / len(own),
                "coverage": coverage_curve([counts[i] for i in own], [sizes[-1]])[0],
                "best": best,
            }
        )
    return {
        "by": by,
        "k": list(sizes),
        "bins": rows,
        "levels": {name: levels.count(name) for name in ("easy", "medium", "hard")},
        "overall": [{"rule": table.overall[0], "accuracy": table.overall[1]} for table in tables],
        "held_out": [{"by_bin": table.adaptive, "one_rule": table.fixed} for table in tables],
    }


def _ease(questions: Sequence[Question], shares: Sequence[float], by: str) -> list[float]:
    """What bins go by, higher for easier questions."""
    if by == "right":
        return list(shares)
    if by == "agreement":
        return [agreement(class_ids(q.pool)) for q in questions]
    if by != "score":
        raise PlannerError(f"difficulty goes by {', '.join(DIFFICULTIES)}, not by {by}")
    latest = [[list(c.scores.values())[-1] for c in q.pool if c.scores] for q in questions]
    if not all(latest):
        raise PlannerError("difficulty by score needs scores in every question", hint="use `--difficulty agreement`")
    return [math.fsum(own) / len(own) for own in latest]
