"""`score(by: forced(contexts))`: how likely a model holds each candidate's answer behind texts.

ThinkSum (Ozturkler et al. 2022): p(y | x_i) of every answer y behind every context x_i, from one prefill a context,
normalised over the different answers, and put together outside the model: the product over contexts (all must hold),
or the mixture (1/n) sum_i p(y | x_i) (any may). With `prior`, p(y | x_i) / p(y) takes the place of p(y | x_i), p(y)
being read behind an empty context (as noisy channels do, Lazaridou et al. 2022). Long answers are less likely than
short ones: compare answers of one kind. Equal answers have equal scores; the scores of different ones add up to 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from ttscale.compiler.ir import Const, Strategy
from ttscale.compiler.types import TEXT, ListOf
from ttscale.runtime.answers import show
from ttscale.runtime.desk import Judgement
from ttscale.runtime.pool import Candidate
from ttscale.runtime.stages.context import MissingValue, StageContext, as_argument, is_operand
from ttscale.runtime.strategies.forcing import mixture, product
from ttscale.runtime.strategies.sources import argument


async def forced(context: StageContext, candidates: Sequence[Candidate], rule: Strategy) -> dict[int, float | None]:
    """The share of each readable candidate's answer, by the candidate's identity; none where nothing could be read."""
    readable = [candidate for candidate in candidates if candidate.is_readable]
    answers = list(dict.fromkeys(show(context.item_type, candidate.answer) for candidate in readable))
    texts = _contexts(context, rule)
    if not answers or not texts:
        return {}
    with_prior = argument(rule, "prior", -1) is True
    filled, model = context.using(), context.model()
    try:
        prompts = [context.messages(filled, {"context": text}) for text in [*texts, *([""] if with_prior else [])]]
    except MissingValue as error:
        context.note(error.diagnostic.message)
        return {}
    begun = any(messages[-1].role == "assistant" for messages in prompts)
    labels = tuple(((" " if begun else "") + answer,) for answer in answers)
    verdicts = await context.caller.score(model, [Judgement(messages, labels) for messages in prompts])
    for verdict in verdicts:
        if verdict.state == "failed":
            context.lost(model, verdict.reason, verdict.error)
    rows = [None if v.logprobs is None else [sum(label) for label in v.logprobs] for v in verdicts]
    prior = rows.pop() if with_prior else [0.0] * len(answers)
    known = [row for row in rows if row is not None]
    if len(known) < len(texts):
        context.note(f"forced read answers behind {len(known)} of {len(texts)} contexts")
    if not known or prior is None:
        return {}
    ratios = [[a - b for a, b in zip(row, prior, strict=True)] for row in known]
    shares = (mixture if argument(rule, "put", -1) == "mixture" else product)(ratios)
    by_answer = dict(zip(answers, shares, strict=True))
    found = {id(one): by_answer[show(context.item_type, one.answer)] for one in readable}
    return {key: share if math.isfinite(share) else None for key, share in found.items()}


def _contexts(context: StageContext, rule: Strategy) -> list[str]:
    """The texts that answers are read behind; one without a word where none are given."""
    given = dict(rule.named).get("contexts")
    if not is_operand(given) or given == Const(None):
        return [""]
    value = as_argument(context.value(given), ListOf(TEXT))
    texts = [text for text in value if isinstance(text, str)] if isinstance(value, list | tuple) else []
    if not texts:
        context.note("forced has no context to read answers behind, since what should give some gave none")
    most = argument(rule, "most", -1)
    return texts[-most:] if isinstance(most, int) else texts
