"""How sure an answer is that was put together from the answers to parts of its question.

ProbTree ("Probabilistic Tree-of-Thought Reasoning", Cao et al. 2023): the score of a parent is (own + plan + sum of
children) / (children + 2), over mean log-probabilities: of its own reasoning, of the tokens of the plan that split it,
and the children's scores. Scores here are exp of these, so it is their geometric mean. What has no number counts as
log-probability -100, as the authors have it for an answer that failed, is empty or says that it does not know.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from ttscale.runtime.answers.reasoning import LEAST


def composed_logprob(own: float | None, plan: float | None, children: Sequence[float | None]) -> float:
    """The mean of all log-probabilities, `LEAST` for those that are not there; a `plan` of None is left out."""
    parts = [own, *children] if plan is None else [own, plan, *children]
    known = [LEAST if part is None else max(part, LEAST) for part in parts]
    return math.fsum(known) / len(known)


def composed(own: float | None, plan: float | None, children: Sequence[float | None]) -> float:
    """The same for numbers in [0, 1]: the own one and the children's; `plan` is a log-probability."""
    return math.exp(composed_logprob(_log(own), plan, [_log(child) for child in children]))


def _log(number: float | None) -> float | None:
    return math.log(number) if number is not None and number > 0 else None
