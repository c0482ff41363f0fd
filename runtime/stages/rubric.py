"""`score(by: rubric(k, keep))`: all candidates graded together k times, by principles that the judge writes first.

Each set shows the candidates in another order, drawn from the run's seed, so that no place is favoured.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from ttscale.compiler.ir import Filled, Strategy
from ttscale.runtime.desk import Reply
from ttscale.runtime.pool import Candidate, Pool
from ttscale.runtime.stages import forms
from ttscale.runtime.stages.closing import closed, was_cut
from ttscale.runtime.stages.context import MissingValue, StageContext, offered_answers, usable
from ttscale.runtime.stages.forms import is_kept
from ttscale.runtime.stages.judging import affirmative, labels_of, opinions
from ttscale.runtime.stages.rank import shuffled
from ttscale.runtime.strategies.judgements import rubric_totals
from ttscale.runtime.strategies.sources import argument

LEAST, MOST = 1.0, 10.0
_NUMBER = re.compile(r"(?<![\w.])-?\d{1,4}(?:\.\d{1,4})?(?![\w%])")
_GRADED = re.compile(
    r"(?:candidate|answer|response)\s*[\[(#]?(\d{1,3})[\])]?\s*\**\s*(?:is|gets|scores?|:|=|-|\u2013)+\s*\**\s*"
    r"(?:grade:?\s*|score:?\s*)?(\d{1,2}(?:\.\d{1,4})?)(?:\s*/\s*10)?(?!\w|\.\d)",
    re.I,
)


def whole(rule: Strategy, name: str, default: int = 1) -> int:
    """A whole number among a rule's arguments, or `default`."""
    value = argument(rule, name)
    return value if isinstance(value, int) and not isinstance(value, bool) else default


async def by_rubric(context: StageContext, pool: Pool, rule: Strategy) -> dict[int, float | None]:
    """The summed grades by the candidate's identity; none where no set could be read."""
    candidates = usable(pool)
    if not candidates:
        return {}
    filled, model = context.using(), context.model()
    sets = whole(rule, "k")
    orders = [shuffled(context, len(candidates), number) for number in range(sets)]
    try:
        prompts = [
            context.messages(filled, {"answers": offered_answers([candidates[i] for i in order])}) for order in orders
        ]
    except MissingValue as error:
        context.note(error.diagnostic.message)
        return {}
    asks = [context.ask(messages, model=model, index=number) for number, messages in enumerate(prompts)]
    if is_kept(filled):
        form = forms.grades(len(candidates), asks[0].max_tokens)
        asks = [replace(ask, constraint=form) for ask in asks]
    graded: list[tuple[float, ...]] = []
    reviews: list[tuple[Sequence[int], str]] = []
    unreadable: list[str] = []
    asked = 0
    replies = await context.caller.sample(asks)
    ends = await _ends(context, replies, len(candidates)) if is_kept(filled) else {}
    for place, (order, reply) in enumerate(zip(orders, replies, strict=True)):
        if reply.state == "failed":
            context.failed(reply)
        if reply.state != "done" or reply.completion is None or reply.cut:
            continue
        asked += 1
        text = ends.get(place, reply.completion.text)
        grades = parse_grades(text, len(candidates))
        if grades is None:
            unreadable.append(text)
            continue
        graded.append(tuple(grade for _, grade in sorted(zip(order, grades, strict=True))))
        reviews.append((order, text))
    context.judged(asked, unreadable)
    if not graded:
        context.note(f"{context.stage.op} has no grades: no set of {sets} could be read")
        return {}
    meta = context.stage.args.get("meta")
    judged = await _judged(context, meta, candidates, reviews) if isinstance(meta, Filled) else None
    found = rubric_totals(graded, judged, whole(rule, "keep", len(graded)))
    return {id(candidate): total for candidate, total in zip(candidates, found.totals, strict=True)}


async def _ends(context: StageContext, replies: Sequence[Reply], count: int) -> dict[int, str]:
    """By place, replies that were cut before their grades, with the grades that were then asked for alone."""
    cut = [
        place
        for place, reply in enumerate(replies)
        if was_cut(reply) and reply.completion is not None and parse_grades(reply.completion.text, count) is None
    ]
    form, most = forms.end_of_grades(count), forms.END_TOKENS + 4 * count
    ends = await closed(context, [replies[place] for place in cut], "\nGrades:", form, most)
    return {place: text for place, text in zip(cut, ends, strict=True) if text is not None}


async def _judged(
    context: StageContext, meta: Filled, candidates: Sequence[Candidate], reviews: Sequence[tuple[Sequence[int], str]]
) -> list[float | None]:
    """How good a judge of sets holds each one: the probability that it is sound; None where that is not known."""
    prompts = [
        context.messages(meta, {"answers": offered_answers([candidates[i] for i in order]), "critique": text.strip()})
        for order, text in reviews
    ]
    place = affirmative(labels_of(meta.prompt.result))
    found = await opinions(context, meta, context.model(), prompts)
    return [opinion.probabilities[place] if opinion.state == "done" else None for opinion in found]


def parse_grades(text: str, count: int) -> tuple[float, ...] | None:
    """One grade from 1 to 10 for each of `count` candidates in the order shown; None where the text has them not.

    The last line with exactly `count` numbers after its colon counts ("Grades: 7, 3, 5"), else a grade that is named
    for every candidate ("Candidate 2: 8/10"), the last of each. A number outside 1 to 10 makes a line no grades.
    """
    for line in reversed(text.splitlines()):
        told = line.rpartition(":")[2]
        if re.search(r"[A-Za-z]{3,}", told):
            continue
        numbers = [float(match) for match in _NUMBER.findall(re.sub(r"/\s*10(?!\d)", "", told))]
        if len(numbers) == count and (count > 1 or ":" in line) and all(LEAST <= n <= MOST for n in numbers):
            return tuple(numbers)
    named = {int(place): float(grade) for place, grade in _GRADED.findall(text)}
    if set(named) == set(range(1, count + 1)) and all(LEAST <= grade <= MOST for grade in named.values()):
        return tuple(named[place] for place in range(1, count + 1))
    return None
