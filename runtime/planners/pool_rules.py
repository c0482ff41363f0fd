"""What each selection rule would have made of k samples, for every question of a recorded pool.

One sample's accuracy is exact (the share of right ones); the choice among k is the mean over subsets that are drawn
with a fixed seed, all of them where they are few; the choice among all is the choice itself.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from itertools import combinations

from ttscale.compiler import ir
from ttscale.compiler.selectors import parse_selector
from ttscale.runtime.planners.coverage import expected_best_of_k
from ttscale.runtime.pool import Pool
from ttscale.runtime.poolfile import Question
from ttscale.runtime.strategies import StrategyError, apply_stage, numbers

CHOICES = 60_000
"""About how many choices are made in all; what decides how many subsets of a pool are tried."""
MOST_DRAWS = 32

Credits = dict[str, list[list[float]]]


def permitted(questions: Sequence[Question]) -> list[str]:
    """Selectors that every question's fields permit, in the text of a pipeline: one sample, votes, bests of n."""
    candidates = [c for q in questions for c in q.pool]
    found = ["select(by: first)", "vote()"]
    if all(c.logprob_mean is not None for c in candidates):
        found += ["vote(weight: likelihood)", "select(by: likelihood)"]
    names = list(dict.fromkeys(name for c in candidates for name in c.scores))
    for name in names:
        if all(name in c.scores for c in candidates):
            found += [f'vote(weight: score("{name}"))', f'select(by: score("{name}"))']
            found.append(f'select(by: best_of_majority(score("{name}"), share: 0.25))')
    if all(c.step_scores for c in candidates):
        found += ["vote(weight: steps(last))", "select(by: steps(min))"]
    return found


def rule_credits(
    questions: Sequence[Question], sizes: Sequence[int], rules: Sequence[str] | None
) -> tuple[Credits, dict[str, str]]:
    """For every rule, by size, each question's credit from 0 to 1; and the rules that could not run, with why.

    Raises CompileError for a rule that cannot be read.
    """
    texts = permitted(questions) if rules is None else [text for rule in rules for text in _meant(rule, questions)]
    parsed = {text: parse_selector(text) for text in texts}
    cells = max(1, len(parsed) * len(questions) * max(1, len(sizes) - 2))
    draws = max(1, min(MOST_DRAWS, CHOICES // cells))
    credits: Credits = {}
    missing: dict[str, str] = {}
    for text, stages in parsed.items():
        try:
            credits[text] = [[_credit(q, k, stages, draws) for q in questions] for k in sizes]
        except StrategyError as error:
            missing[text] = str(error)
    return credits, missing


def _meant(rule: str, questions: Sequence[Question]) -> list[str]:
    """A selector, or for `all` every one that the pool's fields permit, as `replay --select all` lists them."""
    if rule != "all":
        return [rule]
    from ttscale.runtime.selections import recorded, rules_for

    return list(rules_for(recorded(questions)))


def _credit(question: Question, k: int, stages: Sequence[ir.Stage], draws: int) -> float:
    right = [bool(c) for c in question.correct]
    n = len(right)
    exact = _exact(question, k, stages, right)
    if exact is not None:
        return exact
    if k == n:
        return _chosen(question, range(n), stages, right)
    if math.comb(n, k) <= draws:
        subsets = [list(pick) for pick in combinations(range(n), k)]
    else:
        draw = random.Random(f"{question.id} {k}")
        subsets = [sorted(draw.sample(range(n), k)) for _ in range(draws)]
    return math.fsum(_chosen(question, subset, stages, right) for subset in subsets) / len(subsets)


def _exact(question: Question, k: int, stages: Sequence[ir.Stage], right: Sequence[bool]) -> float | None:
    """The expectation where a formula gives it: one sample, the first, and the best by number of k."""
    if len(stages) != 1:
        return None
    rule = stages[0].args.get("by")
    if k == 1 or (isinstance(rule, ir.Strategy) and rule.name == "first"):
        return sum(right) / len(right)
    if stages[0].op != "select" or not isinstance(rule, ir.Strategy) or rule.name not in ("likelihood", "score"):
        return None
    values = numbers(rule, question.pool)
    readable = [c.is_readable for c in question.pool]
    if not all(readable) or any(value is None for value in values):
        return None
    return expected_best_of_k([value for value in values if value is not None], right, k)


def _chosen(question: Question, places: Sequence[int], stages: Sequence[ir.Stage], right: Sequence[bool]) -> float:
    pool = Pool(tuple(question.pool.candidates[i] for i in places), question.pool.type)
    kept = list(places)
    for stage in stages:
        outcome = apply_stage(stage.op, stage.args, pool)
        pool, kept = outcome.pool, [kept[i] for i in outcome.kept]
    return float(right[kept[0]]) if len(kept) == 1 else 0.0
