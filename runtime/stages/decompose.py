"""`decompose`: a model splits a question into parts, of which later ones may need the answers to earlier ones.

Teng et al., "Atom of Thoughts for Markov LLM Test-Time Scaling", 2025 (parts with what they depend on); Cao et al.,
"Probabilistic Tree-of-Thought Reasoning", 2023 (ProbTree: trees of questions with `#1` for the answer to the first);
Zhou et al., "Least-to-Most Prompting", 2022 (parts in order).

What a reply gives is put in order without asking again: see `parts_of`. One that cannot be read is asked for anew, each
time a little warmer (0.2 more, as PlanSearch reads its lists); where none can be read the question is its only part, so
that what follows always has something to go on with.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from ttscale.compiler.signatures import PART
from ttscale.compiler.types import TEXT
from ttscale.runtime.answers import coerce
from ttscale.runtime.chats import asked_in
from ttscale.runtime.desk import Reply
from ttscale.runtime.pool import Candidate, Pool
from ttscale.runtime.stages.context import MissingValue, Origin, StageContext, as_argument, is_operand, make_candidate
from ttscale.runtime.strategies.parts import references

WARMER = 0.2
_IN_BRACKETS = re.compile(r"\[[^\[\]]*\][.?]?")
_NUMBER = re.compile(r"^\s*(?:(?:Q|Question|Sub-?question|Part|Step)\s*)?#?\d{1,3}\s*[.:)\]]\s+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Part:
    """One part: `needs` are the numbers (from 1) of the earlier parts whose answers it needs.

    `level` is 0 where it needs none, else one more than the highest level of those it needs.
    """

    question: str
    needs: tuple[int, ...] = ()
    level: int = 0


async def decompose(context: StageContext) -> Pool:
    """The parts of the question as candidates, in an order in which they can be answered; at least one, itself."""
    operand = context.stage.args.get("question")
    question = asked_in(context.value(operand)) if is_operand(operand) else None
    question = as_argument(question, TEXT)
    if not isinstance(question, str) or not question.strip():
        context.note("decompose split nothing, since its question has no value in this run")
        return Pool((), PART)
    reply, parts = await _split(context)
    if not parts:
        context.note("decompose could not read any parts, so the question is its only part")
        parts = [Part(question.strip())]
    origin = Origin(context.using().prompt.name, PART)
    base = Candidate("", stage=context.stage.path, model=context.model().name, prompt=origin.prompt)
    if reply is not None:
        told = make_candidate(reply, replace(origin, type=TEXT), context.stage.path, context.folder)
        base = replace(told, text="", thoughts="", answer=None, key=None, token_logprobs=(), finish="stop")
    rest = replace(base, tokens=0)  # the tokens of the reply are counted once
    made = [_candidate(base if place == 0 else rest, one, place) for place, one in enumerate(parts)]
    for candidate in made:
        context.made(candidate)
    return Pool(tuple(made), PART)


def _candidate(base: Candidate, part: Part, place: int) -> Candidate:
    value = {"question": part.question, "needs": list(part.needs), "level": part.level}
    answer, key = coerce(PART, value)
    return replace(base, text=part.question, answer=answer, key=key, index=place)


async def _split(context: StageContext) -> tuple[Reply | None, list[Part]]:
    """The first reply that can be read, with its parts; None and no parts where none can."""
    filled, most, heat = context.using(), context.integer("most", 6), context.number("temperature") or 0.0
    try:
        messages = context.messages(filled, {"most": most})
    except MissingValue as error:
        context.note(error.diagnostic.message)
        return None, []
    unread: list[str] = []
    tries = context.integer("tries", 1)
    for number in range(tries):
        ask = context.ask(messages, temperature=heat + WARMER * number, reads=filled.prompt.result)
        (reply,) = await context.caller.sample([ask])
        if reply.state == "failed":
            context.failed(reply)
        if reply.state != "done":
            break
        read = make_candidate(
            reply, Origin(filled.prompt.name, filled.prompt.result), context.stage.path, context.folder
        )
        parts = parts_of(read.answer, most) if isinstance(read.answer, list | tuple) else []
        if parts:
            context.judged(1, [])
            return reply, parts
        unread.append(read.text)
    if unread:
        context.judged(1, unread[-1:])
    return None, []


def parts_of(items: Sequence[object], most: int) -> list[Part]:
    """The parts that a reply lists, `most` at most: texts, or objects with a `question` and what it `needs`.

    Numbers in front of texts are taken off. A part that was there already in the same words is left out, and what needs
    it needs the first one; left out are also one without words and one in brackets, which is the form that the prompt
    shows, copied. A part needs what its `needs` say and what its text refers to as `#1` (or `<1>`); it can need earlier
    parts only, so all other numbers are dropped from its needs, and no circle can arise. Numbers in texts are those of
    the parts that stay.
    """
    found: list[Part] = []
    number_of: dict[int, int] = {}
    seen: dict[str, int] = {}
    for place, item in enumerate(items, 1):
        text, wanted = _said(item)
        key = " ".join(text.split()).casefold()
        if not key or _IN_BRACKETS.fullmatch(key):
            continue
        if key in seen:
            number_of[place] = seen[key]
            continue
        if len(found) >= most:
            break
        needs = {number_of[n] for n in wanted if n in number_of}
        text = references(text, partial(_renumbered, number_of=number_of, needs=needs))
        number_of[place] = seen[key] = len(found) + 1
        level = 1 + max((found[n - 1].level for n in needs), default=-1)
        found.append(Part(text, tuple(sorted(needs)), level))
    return found


def _renumbered(number: int, number_of: Mapping[int, int], needs: set[int]) -> str | None:
    """A reference to an earlier part by the number that it has now, which is noted as needed; None for any other."""
    now = number_of.get(number)
    if now is None:
        return None
    needs.add(now)
    return f"#{now}"


def _said(item: object) -> tuple[str, tuple[int, ...]]:
    """The text of one listed part, without a number in front, and what it says that it needs."""
    if isinstance(item, Mapping):
        needs = item.get("needs")
        numbers = tuple(n for n in needs if isinstance(n, int)) if isinstance(needs, list | tuple) else ()
        return _NUMBER.sub("", str(item.get("question") or "")).strip(), numbers
    return _NUMBER.sub("", str(item)).strip(), ()
