"""Judgements by a model: the probability of a label, or a number, read from a prompt about one candidate.

A Choice or Bool is scored where the engine can: every label is scored from one prefill, in the spellings a
model may use for it (as written and capitalised, with and without a space before it, since that depends on how
the template and the vocabulary split words); the probabilities of a label's spellings are added up and normalised over
the labels. Where the engine cannot score, one judgement is sampled and read, and counts as certain. Numbers are always
sampled.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ttscale.compiler.ir import Filled, Model, Strategy
from ttscale.compiler.types import BOOL, Choice, Simple, Type
from ttscale.runtime.answers import read
from ttscale.runtime.desk import Judgement, Reply
from ttscale.runtime.engines.base import Constraint, Message
from ttscale.runtime.stages import forms
from ttscale.runtime.stages.closing import closed, was_cut
from ttscale.runtime.stages.context import JUDGE_TOKENS, StageContext
from ttscale.runtime.stages.forms import is_kept
from ttscale.runtime.strategies import no_better
from ttscale.runtime.strategies.judgements import digit_mean

AFFIRMATIVE = ("yes", "true", "correct", "right", "accept", "accepted", "valid", "good")
BOOL_WORDS = (("yes", "true"), ("no", "false"))


@dataclass(frozen=True, slots=True)
class Label:
    """One answer of a judge: its value, and the words that mean it."""

    value: object
    words: tuple[str, ...]

    @property
    def spellings(self) -> tuple[str, ...]:
        """The texts that count as this label, each once, the word itself first."""
        forms = [form for word in self.words for form in (word, word[:1].upper() + word[1:])]
        return tuple(dict.fromkeys(space + form for form in forms for space in ("", " ")))


@dataclass(frozen=True, slots=True)
class Opinion:
    """A judgement of one prompt: the probability of each label (sampled ones are 0 or 1), or a number.

    `state` is done, unreadable, refused, failed or cancelled; `text` is what the judge wrote, if it wrote.
    """

    state: str
    probabilities: tuple[float, ...] = ()
    number: float | None = None
    text: str = ""


DIGITS = tuple(Label(number, (str(number),)) for number in range(10))
"""The grades that take one token each."""


def labels_of(type_: Type) -> tuple[Label, ...]:
    """The labels of a Choice or Bool, in the order written (true first); none for other types."""
    if isinstance(type_, Choice):
        return tuple(Label(name, (name,)) for name in type_.labels)
    if type_ == BOOL:
        return tuple(Label(value, words) for value, words in zip((True, False), BOOL_WORDS, strict=True))
    return ()


def affirmative(labels: Sequence[Label]) -> int:
    """The place of the label that means acceptance: a word such as yes, else the first."""
    return next((place for place, label in enumerate(labels) if label.words[0].lower() in AFFIRMATIVE), 0)


def share_of(rule: Strategy, yes: float) -> float:
    """P(yes); where the question is whether another try would do better, the chance that it would not."""
    return no_better(yes, 1 - yes) if rule.name == "another_try" else yes


async def opinions(
    context: StageContext, filled: Filled, model: Model, prompts: Sequence[tuple[Message, ...]]
) -> list[Opinion]:
    """One opinion a prompt, in order; unreadable ones are counted."""
    labels = labels_of(filled.prompt.result)
    engine = await context.caller.engine(model)
    if labels and engine.capabilities.scoring:
        return await _scored(context, model, labels, prompts)
    return await _sampled(context, filled.prompt.result, labels, model, [(messages, 0) for messages in prompts])


async def grades(
    context: StageContext, filled: Filled, model: Model, prompts: Sequence[tuple[Message, ...]]
) -> list[Opinion]:
    """One number from 0 to 9 a prompt: the mean of the digits, by their probabilities where the engine scores them.

    Where it does not, a number is sampled, read, and kept within 0 and 9.
    """
    engine = await context.caller.engine(model)
    if engine.capabilities.scoring:
        found = await _scored(context, model, DIGITS, prompts)
        return [replace(o, number=digit_mean(o.probabilities)) if o.state == "done" else o for o in found]
    found = await _sampled(context, filled.prompt.result, (), model, [(messages, 0) for messages in prompts])
    return [replace(o, number=min(9.0, max(0.0, o.number))) if o.number is not None else o for o in found]


async def argued(
    context: StageContext, filled: Filled, model: Model, prompts: Sequence[tuple[Message, ...]], verdicts: int
) -> list[Opinion]:
    """For each prompt the mean of `verdicts` sampled judgements, those left out that cannot be read.

    The probability of a label is the share of the readable verdicts that chose it. Where none can be read the opinion
    is that of the first: unreadable, refused, failed or cancelled.
    """
    labels = labels_of(filled.prompt.result)
    asks = [(messages, index) for messages in prompts for index in range(verdicts)]
    words = [label.words[0] for label in labels]
    form = None
    if words and is_kept(filled):
        form = forms.verdict(words, context.integer("max_tokens", JUDGE_TOKENS))
    found = await _sampled(context, filled.prompt.result, labels, model, asks, form)
    return [_mean(found[start : start + verdicts]) for start in range(0, len(found), verdicts)]


def _mean(given: Sequence[Opinion]) -> Opinion:
    known = [opinion for opinion in given if opinion.state == "done"]
    if not known:
        return given[0]
    if known[0].number is not None:
        return Opinion("done", number=math.fsum(o.number for o in known if o.number is not None) / len(known))
    columns = zip(*(opinion.probabilities for opinion in known), strict=True)
    return Opinion("done", tuple(math.fsum(column) / len(known) for column in columns))


async def _scored(
    context: StageContext, model: Model, labels: Sequence[Label], prompts: Sequence[tuple[Message, ...]]
) -> list[Opinion]:
    spellings = tuple(label.spellings for label in labels)
    verdicts = await context.caller.score(model, [Judgement(messages, spellings) for messages in prompts])
    found: list[Opinion] = []
    unreadable: list[str] = []
    for verdict in verdicts:
        probabilities = normalised(verdict.logprobs) if verdict.logprobs is not None else None
        if probabilities is not None:
            found.append(Opinion("done", probabilities))
        elif verdict.state == "done":
            unreadable.append("no label has any probability")
            found.append(Opinion("unreadable"))
        else:
            if verdict.state == "failed":
                context.lost(model, verdict.reason, verdict.error)
            found.append(Opinion(verdict.state, text=verdict.reason))
    context.judged(sum(verdict.state != "refused" for verdict in verdicts), unreadable)
    return found


async def _sampled(
    context: StageContext,
    type_: Type,
    labels: Sequence[Label],
    model: Model,
    prompts: Sequence[tuple[tuple[Message, ...], int]],
    form: Constraint | None = None,
) -> list[Opinion]:
    """One sampled opinion for every prompt and place among its samples."""
    heat = context.number("temperature")
    settled = 0.0 if heat is None else heat
    asks = [
        replace(context.ask(messages, model=model, temperature=settled, index=index), constraint=form)
        for messages, index in prompts
    ]
    found: list[Opinion] = []
    unreadable: list[str] = []
    replies = await context.caller.sample(asks)
    ends = await _ends(context, type_, labels, replies) if form is not None else {}
    for place, reply in enumerate(replies):
        if reply.state == "failed":
            context.failed(reply)
        if reply.state != "done" or reply.completion is None or reply.cut:
            found.append(Opinion("refused" if reply.cut else reply.state, text=reply.reason))
            continue
        opinion = _read(type_, labels, ends.get(place) or reply.completion.text)
        if opinion.state == "unreadable":
            unreadable.append(opinion.text)
        found.append(opinion)
    context.judged(sum(opinion.state in ("done", "unreadable") for opinion in found), unreadable)
    return found


async def _ends(
    context: StageContext, type_: Type, labels: Sequence[Label], replies: Sequence[Reply]
) -> dict[int, str]:
    """By place, replies that were cut before their verdict, with the verdict that was then asked for alone."""
    cut = [
        place
        for place, reply in enumerate(replies)
        if was_cut(reply)
        and reply.completion is not None
        and _read(type_, labels, reply.completion.text).state == "unreadable"
    ]
    form = forms.end_of_verdict([label.words[0] for label in labels])
    ends = await closed(context, [replies[place] for place in cut], "\nAnswer:", form, forms.END_TOKENS)
    return {place: text for place, text in zip(cut, ends, strict=True) if text is not None}


def _read(type_: Type, labels: Sequence[Label], text: str) -> Opinion:
    value, key = read(type_, text)
    if key is None:
        return Opinion("unreadable", text=text)
    if labels:
        return Opinion("done", tuple(float(label.value == value) for label in labels), text=text)
    if isinstance(type_, Simple) and isinstance(value, int | float) and math.isfinite(value):
        return Opinion("done", number=float(value), text=text)
    return Opinion("unreadable", text=text)


def normalised(logprobs: Sequence[Sequence[float]]) -> tuple[float, ...] | None:
    """Label probabilities that add up to 1, from natural logs of each label's spellings; None if all are 0."""
    highest = max((value for label in logprobs for value in label), default=-math.inf)
    if not math.isfinite(highest):
        return None
    masses = [math.fsum(math.exp(value - highest) for value in label) for label in logprobs]
    total = math.fsum(masses)
    return tuple(mass / total for mass in masses)
