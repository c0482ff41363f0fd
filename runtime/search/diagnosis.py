"""What stands in the way of better answers, told from a pipeline's records, each with what to do next.

`coverage` is the share of questions with a right sample, `agreement` the mean share of the largest class, `unreadable`
the share of samples that could not be read, `auc` how well the best judge tells right from wrong within a question.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ttscale.runtime.evaluate.figures import judges
from ttscale.runtime.evaluate.grading import ENOUGH
from ttscale.runtime.evaluate.measuring import Record
from ttscale.runtime.search.book import Limits

TELLING = 10
"""From how many questions on a share of them says something."""


@dataclass(frozen=True)
class Signs:
    """The figures that a diagnosis goes by; None where they cannot be told."""

    questions: int
    accuracy: float
    coverage: float | None
    agreement: float | None
    sure_and_wrong: float | None
    unreadable: float
    auc: float | None


@dataclass(frozen=True)
class Finding:
    """One sentence about what stands in the way, and the next command to try."""

    name: str
    text: str
    command: str


def signs(records: Sequence[Record]) -> Signs:
    """The figures of one pipeline's records."""
    scores = [float(r["score"] or 0.0) for r in records]
    covered: list[bool] = []
    shares: list[float] = []
    sure_wrong = 0
    samples = lost = 0
    for record, score in zip(records, scores, strict=True):
        own = [record["candidates"][place] for place in record.get("samples", [])] if "candidates" in record else []
        samples += len(own)
        lost += sum(candidate["class"] is None for candidate in own)
        if own and any(candidate["score"] is not None for candidate in own):
            covered.append(any((candidate["score"] or 0) >= ENOUGH for candidate in own))
        classes = Counter(candidate["class"] for candidate in own if candidate["class"] is not None)
        if len(own) > 1 and classes:
            share = classes.most_common(1)[0][1] / len(own)
            shares.append(share)
            sure_wrong += share >= 0.7 and score < ENOUGH
    told = [own["auc_within"] for own in judges(records) if own["auc_within"] is not None]
    count = max(1, len(records))
    return Signs(
        len(records),
        sum(scores) / count,
        sum(covered) / len(covered) if covered else None,
        sum(shares) / len(shares) if shares else None,
        sure_wrong / len(shares) if shares else None,
        lost / samples if samples else 0.0,
        max(told) if told else None,
    )


def cut_short(answered: int, questions: int, ended: str, file: str, search: str, more: str) -> Finding:
    """The finding where a search ended before one pipeline was tried; `more` are options with a larger budget."""
    command = f"ttscale search {file} {search} {more}".rstrip()
    if answered < questions:
        text = f"The baselines answered {answered} of {questions} questions, and {ended}: nothing else was tried"
    else:
        text = f"The baselines were measured, and {ended} before anything else was"
    return Finding("budget", f"{text}. What is there is kept, so a larger budget goes on from here", command)


def short_finals(asked: int, held_out: int, limits: Limits, trials: int, kept: float, again: str) -> Finding:
    """The finding where the budget paid for a part of the holdout only, with the limits that pay for all of it."""
    more = 1 - kept + kept * held_out / max(1, asked)
    options = [
        f"--{name} {rounded_up(limit * more):.10g}"
        for name, limit in (
            ("calls", limits.calls), ("tokens", limits.tokens), ("seconds", limits.seconds), ("cost", limits.usd),
        )
        if limit is not None
    ]  # fmt: skip
    # By so much two shares of so many questions have to differ before anybody can be sure of it, about.
    gap = 1.96 * math.sqrt(0.5 / max(1, asked))
    text = f"The final test rests on {asked} of {held_out} questions: a gain below about {gap:.0%} is not seen on them"
    return Finding("finals", text, " ".join([again, *options, f"--trials {max(1, trials)}"]))


def rounded_up(value: float) -> float:
    """A number with two digits that is no smaller."""
    size = 10.0 ** (math.floor(math.log10(value)) - 1) if value > 0 else 1.0
    return round(math.ceil(value / size - 1e-9) * size, 10)


def diagnose(found: Signs, file: str, search: str) -> list[Finding]:
    """What stands in the way, the weightiest first, with what to do and the command to begin with."""
    again = f"ttscale search {file} {search}"
    if found.questions < TELLING:
        are = "1 answered question is" if found.questions == 1 else f"{found.questions} answered questions are"
        text = f"{are} too few to tell what stands in the way; give it more of them"
        return [Finding("few", text, again)]
    if found.accuracy >= 0.95:
        text = f"{found.accuracy:.0%} are right: there is next to nothing to gain. Put `minimize tokens` first"
        return [Finding("nothing to gain", text, f"{again} --dry-run")]
    told: list[Finding] = []
    if found.unreadable >= 0.15:
        text = f"{found.unreadable:.0%} of the samples cannot be read: show the form in the prompt"
        told.append(Finding("format", text, f"ttscale eval {file} --limit 20"))
    gap = None if found.coverage is None else found.coverage - found.accuracy
    if gap is not None and gap >= 0.1:
        text = f"{found.coverage:.0%} of the questions have a right sample and {found.accuracy:.0%} are answered right"
        if found.auc is None:
            text += ": it cannot choose. Let a `verify` or `score` stage judge the samples before the choice"
        elif found.auc < 0.6:
            text += (
                f", and the judge tells right from wrong hardly better than chance (AUC {found.auc:.2f}). Ask another"
            )
        else:
            text += f": a better choice is to be had (judge's AUC {found.auc:.2f}). Search over rules and thresholds"
        told.append(Finding("choice", text, f"ttscale eval {file} --ablate"))
    if found.coverage is not None and found.coverage < 0.6:
        share = f"{1 - found.coverage:.0%}"
        text = f"{share} of the questions have no right sample at all: the model does not know. Try a larger one"
        told.append(Finding("knowledge", text, f"{again} --model LOCATOR"))
    if found.sure_and_wrong is not None and found.sure_and_wrong >= 0.2:
        share = f"{found.sure_and_wrong:.0%}"
        text = f"on {share} of the questions most samples agree on a wrong answer: mix in another prompt or model"
        told.append(Finding("systematic", text, f"ttscale eval {file} --limit 50"))
    if not told:
        text = "no single cause stands out; more questions or a larger budget may show one"
        told.append(Finding("none", text, again))
    return told
