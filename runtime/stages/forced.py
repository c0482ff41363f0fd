"""`score(by: forced(contexts))`: how likely a model holds each candidate's answer behind texts.

ThinkSum (Ozturkler et al. 2022): p(y | x_i) of every answer y behind every context x_i, from one prefill a context,
normalised over the different answers, and put together outside the model: the product over contexts (all must hold),
the mixture sum_i w_i p(y | x_i) (any may), or the best of them. With `prior`, p(y | x_i) / p(y) takes the place of
p(y | x_i), p(y) being read behind an empty context. Contexts count alike, or by their scores: w_i in proportion to
them (those below 0 count nothing) or to exp of them.

Internet-augmented prompting (Lazaridou et al. 2022) ranks answers with passages by several such factors, as a product
of experts: p(y | q, x_i)^direct p(q | y, x_i)^channel p(y | x_i)^alone. A noisy channel is direct 0, channel 1, alone
1; its p(q) is the same for all. `alone` reads behind the prompt of `direct` with an empty question. There likelihoods
are not normalised over the answers of each passage: `raw`.

Long answers are less likely than short ones: compare answers of one kind. Equal answers have equal scores; the scores
of different ones add up to 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ttscale.compiler.ir import Const, Filled, Strategy
from ttscale.compiler.types import TEXT, ListOf
from ttscale.runtime.answers import show
from ttscale.runtime.chats import asked_in
from ttscale.runtime.desk import Judgement
from ttscale.runtime.engines.base import Message
from ttscale.runtime.pool import Candidate, Pool
from ttscale.runtime.stages.context import (
    MissingValue,
    StageContext,
    as_argument,
    is_operand,
    latest_score,
    usable,
)
from ttscale.runtime.strategies.forcing import best, mixed, mixture, product, shares
from ttscale.runtime.strategies.sources import argument, number_of, word_of

Prompted = tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class Asked:
    """The judgements of one factor: of each context those that make its row, and the factor's weight."""

    weight: float
    rows: tuple[tuple[Judgement, ...], ...]


async def forced(context: StageContext, candidates: Sequence[Candidate], rule: Strategy) -> dict[int, float | None]:
    """The share of each readable candidate's answer, by the candidate's identity; none where nothing could be read."""
    readable = [candidate for candidate in candidates if candidate.is_readable]
    answers = list(dict.fromkeys(show(context.item_type, candidate.answer) for candidate in readable))
    texts, weights = _contexts(context, rule)
    if not answers or not texts:
        return {}
    try:
        factors = _factors(context, rule, answers, texts)
        prior = [_read_behind(context.messages(context.using(), {"context": ""}), answers)] if _has_prior(rule) else []
    except MissingValue as error:
        context.note(error.diagnostic.message)
        return {}
    judgements = [one for factor in factors for row in factor.rows for one in row] + prior
    model = context.model()
    verdicts = await context.caller.score(model, judgements)
    for verdict in verdicts:
        if verdict.state == "failed":
            context.lost(model, verdict.reason, verdict.error)
    told = iter([None if v.logprobs is None else [sum(label) for label in v.logprobs] for v in verdicts])
    tables = [(factor.weight, [_row([next(told) for _ in row]) for row in factor.rows]) for factor in factors]
    base = next(told) if prior else [0.0] * len(answers)
    known = [place for place in range(len(texts)) if all(rows[place] is not None for _, rows in tables)]
    if len(known) < len(texts):
        context.note(f"forced read answers behind {len(known)} of {len(texts)} contexts")
    if not known or base is None:
        return {}
    read = [(weight, [row for place in known if (row := rows[place]) is not None]) for weight, rows in tables]
    found = _put(rule, [*read, (-1.0, [base] * len(known))], None if weights is None else [weights[i] for i in known])
    by_answer = dict(zip(answers, found, strict=True))
    given = {id(one): by_answer[show(context.item_type, one.answer)] for one in readable}
    return {key: share if math.isfinite(share) else None for key, share in given.items()}


def _put(rule: Strategy, factors: list[tuple[float, list[list[float]]]], weights: list[float] | None) -> list[float]:
    """The share of each answer, its factors multiplied and its contexts put together."""
    rows, raw = mixed(factors), argument(rule, "raw", -1) is True
    match word_of(rule, "put", "product", -1):
        case "mixture":
            return mixture(rows, weights, raw=raw)
        case "best":
            return best(rows, weights, raw=raw)
    return product(rows, weights)


def _has_prior(rule: Strategy) -> bool:
    return argument(rule, "prior", -1) is True


def _row(parts: list[list[float] | None]) -> list[float] | None:
    """The numbers of the answers behind one context, from one judgement or one for each; None where one is missing."""
    return None if any(part is None for part in parts) else [value for part in parts for value in part or ()]


# --- what is read ---------------------------------------------------------------------------------


def _factors(context: StageContext, rule: Strategy, answers: Sequence[str], texts: Sequence[str]) -> list[Asked]:
    """The factors that have a weight. Raises MissingValue."""
    found: list[Asked] = []
    filled = context.using()
    for name, default, blank in (("direct", 1.0, {}), ("alone", 0.0, {"question": ""})):
        weight = number_of(rule, name, default)
        if weight:
            prompts = [context.messages(filled, {"context": text, **blank}) for text in texts]
            found.append(Asked(weight, tuple((_read_behind(messages, answers),) for messages in prompts)))
    weight, asking = number_of(rule, "channel", 0.0), argument(rule, "asking", -1)
    if weight and isinstance(asking, Filled):
        question = _question(context)
        pairs = [[context.messages(asking, {"context": text, "answer": one}) for one in answers] for text in texts]
        found.append(Asked(weight, tuple(tuple(_read_behind(prompt, [question]) for prompt in row) for row in pairs)))
    return found


def _read_behind(messages: Prompted, texts: Sequence[str]) -> Judgement:
    """Texts to be read behind a prompt, after a space where the reply has begun."""
    space = " " if messages[-1].role == "assistant" else ""
    return Judgement(messages, tuple((space + text,) for text in texts))


def _question(context: StageContext) -> str:
    operand = context.stage.question
    value = None if operand is None else asked_in(context.value(operand))
    return value if isinstance(value, str) else str(value)


def _contexts(context: StageContext, rule: Strategy) -> tuple[list[str], list[float] | None]:
    """The texts that answers are read behind, one without a word where none are given; their weights, or None."""
    given = dict(rule.named).get("contexts")
    if not is_operand(given) or given == Const(None):
        return [""], None
    known = context.value(given)
    value = as_argument(known, ListOf(TEXT))
    texts = [text for text in value if isinstance(text, str)] if isinstance(value, list | tuple) else []
    if not texts:
        context.note("forced has no context to read answers behind, since what should give some gave none")
    most = argument(rule, "most", -1)
    weights = _weights(context, known, len(texts), word_of(rule, "weigh", "alike", -1))
    last = slice(-most, None) if isinstance(most, int) else slice(None)
    return texts[last], None if weights is None else weights[last]


def _weights(context: StageContext, known: object, count: int, weigh: str) -> list[float] | None:
    """What each context counts by its latest score; None where all count alike, as where one has no score."""
    if weigh == "alike" or not count:
        return None
    scores = [latest_score(one) for one in usable(known)] if isinstance(known, Pool) else []
    if len(scores) != count or any(score is None or not math.isfinite(score) for score in scores):
        context.note("forced counts all contexts alike, since not each of them has a score")
        return None
    numbers = [score for score in scores if score is not None]
    return shares(numbers) if weigh == "softmax" else numbers
