"""`rank(method: likeness)`, and `select(by: bayes_risk(judge))`: a model judges how like candidates are to each other.

Minimum Bayes risk with a judge as utility (Khairi et al., "When Life Gives You Samples", 2025, X-MBR): the candidate
that is most like all others, and like the further evidence, which is never picked.
"""

from __future__ import annotations

import math

from ttscale.runtime.pool import Candidate, Pool
from ttscale.runtime.stages.context import StageContext, is_operand, usable
from ttscale.runtime.stages.judging import affirmative, labels_of, opinions


async def by_likeness(context: StageContext, candidates: tuple[Candidate, ...]) -> tuple[int, ...] | None:
    """The order by the mean of P(yes) to "do these two say the same?" over all other candidates and the evidence.

    Each pair is asked both ways round, N (N - 1 + M) prompts. What could not be judged counts for nothing; None where
    nothing could. Ties go to the first.
    """
    filled, model = context.using(), context.model()
    given = context.stage.args.get("evidence")
    value = context.value(given) if is_operand(given) else None
    further = usable(value) if isinstance(value, Pool) else ()
    pairs = [
        (place, other.text)
        for place in range(len(candidates))
        for number, other in enumerate((*candidates, *further))
        if number != place
    ]
    prompts = [context.messages(filled, {"answer": candidates[place].text, "reference": text}) for place, text in pairs]
    found = await opinions(context, filled, model, prompts)
    yes = affirmative(labels_of(filled.prompt.result))
    known: list[list[float]] = [[] for _ in candidates]
    for (place, _), opinion in zip(pairs, found, strict=True):
        if opinion.state == "done":
            known[place].append(opinion.number if opinion.number is not None else opinion.probabilities[yes])
    if not any(known):
        return None
    means = [math.fsum(one) / len(one) if one else -math.inf for one in known]
    return tuple(sorted(range(len(candidates)), key=lambda place: -means[place]))
