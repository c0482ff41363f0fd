"""A model as judge, asked in both orders so that a liking for the first or the second place cancels out.

    with load_judge("qwen2.5.gguf") as program:
        judge = ReferenceJudge(asker(program, "same_answer"))
        found = await grade(judge, answer, gold, row)        # value 1, 0.5 or 0; parts {"forward": …, "backward": …}

A judge is a pipeline: its calls go the way of all calls and its cost stands in the results that `on_result` hears.
Zheng et al., "Judging LLM-as-a-judge", NeurIPS 2023, on the bias of places and on swapping; Wang et al., "Large
language models are not fair evaluators", ACL 2024.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ttscale.runtime.metrics.errors import MetricError
from ttscale.runtime.metrics.grading import Grade
from ttscale.runtime.metrics.plain import text_of

if TYPE_CHECKING:
    from ttscale.compiler.ir import Model
    from ttscale.runtime.program import Program
    from ttscale.runtime.result import Result

PROGRAM = '''tts 1

model judge = script("yes")

## Whether two answers to one question say the same.
prompt same(question: Text, first: Text, second: Text) -> Choice(yes, no) = """
Two answers to one question follow. Say whether both give the same final answer. Wording, units that are left out and
the way to the answer do not matter; a different result does.

Question: {{ question }}

First answer: {{ first }}

Second answer: {{ second }}

Do both give the same final answer? Reply yes or no.
"""

## Which of two answers to one question is better.
prompt better(question: Text, first: Text, second: Text) -> Choice(first, second, tie) = """
Two answers to one question follow. Say which is better: right before wrong, then complete, then clear. Neither the
order of the answers nor their length matters.

Question: {{ question }}

First answer: {{ first }}

Second answer: {{ second }}

Which is better? Reply first, second or tie.
"""

pipeline same_answer(question: Text, first: Text, second: Text) -> Choice(yes, no) {
  return classify(same(question, first, second), from: judge)
}

pipeline better_answer(question: Text, first: Text, second: Text) -> Choice(first, second, tie) {
  return classify(better(question, first, second), from: judge)
}
'''
"""The judges that come along; their model is replaced by `load_judge`."""

POSITIVE, NEGATIVE, TIED = ("yes", "true"), ("no", "false"), ("tie", "equal", "both")


@dataclass(frozen=True, slots=True)
class Ruling:
    """What a judge says once: its label or number (None: unreadable), and the labels' probabilities where known."""

    answer: object
    probabilities: Mapping[str, float] = field(default_factory=dict)


Ask = Callable[[Mapping[str, object]], Awaitable[Ruling]]
"""Asks a judge about `question`, `first` and `second`."""


@dataclass(frozen=True, slots=True)
class ReferenceJudge:
    """Whether an answer says the same as the gold: the mean of what the judge says in both orders.

    Each order counts 1 for yes, 0 for no, or the number that the judge gives; `parts` has both, and `probability`
    (the mean of P(yes)) where the judge's labels have probabilities. The value is None where neither could be read;
    where one could, it counts alone.
    """

    ask: Ask
    name: str = field(default="judge")
    asks_model: bool = field(default=True, init=False)

    async def score(self, answer: object, gold: object, row: Mapping[str, object]) -> Grade:
        """The grade of one answer; an unreadable one is 0 without asking. Raises MetricError without a gold."""
        if gold is None:
            raise MetricError("a judge needs a gold answer to compare with", hint="name it: `answer: …`")
        if answer is None:
            return Grade(0.0, "no answer")
        return _joined(await _both(self.ask, row, text_of(answer), text_of(gold)), _agreed, mirrored=False)


@dataclass(frozen=True, slots=True)
class PairwiseJudge:
    """Whether an answer is better than another: 1, 0, or 0.5 for a tie and for a judge that the order decides.

    The other answer is the row's `against` where there is one, else the gold. `consistent` among `parts` is 1 where
    both orders name the same winner.
    """

    ask: Ask
    against: str = "baseline"
    name: str = field(default="pairwise")
    asks_model: bool = field(default=True, init=False)

    async def score(self, answer: object, gold: object, row: Mapping[str, object]) -> Grade:
        """The grade of one answer; an unreadable one is 0 without asking. Raises MetricError without another one."""
        other = row.get(self.against, gold)
        if other is None:
            raise MetricError(f"a pairwise judge needs another answer: `{self.against}` or a gold answer")
        if answer is None:
            return Grade(0.0, "no answer")
        return await prefer(self.ask, row, text_of(answer), text_of(other))


async def prefer(ask: Ask, row: Mapping[str, object], a: str, b: str) -> Grade:
    """How far a judge prefers `a` to `b`, from 0 to 1, in both orders; None where neither could be read."""
    found = _joined(await _both(ask, row, a, b), _first_wins, mirrored=True)
    both = [found.parts[name] for name in ("forward", "backward") if name in found.parts]
    if len(both) == 2:
        consistent = float(both[0] == both[1])
        note = "" if consistent else "the order decides"
        return Grade(found.value, note, {**found.parts, "consistent": consistent})
    return found


def load_judge(model: str | Model) -> Program:
    """The program with the pipelines `same_answer` and `better_answer`, its judge replaced by `model`."""
    from ttscale.runtime.program import load

    return load(PROGRAM, {"judge": model})


def asker(program: Program, pipeline: str, *, on_result: Callable[[Result], None] | None = None, seed: int = 0) -> Ask:
    """A judge that is a pipeline with the inputs `question`, `first` and `second`.

    `on_result` hears every result, for its cost. A run that ends without an answer is a judgement that cannot be read.
    """

    async def ask(values: Mapping[str, object]) -> Ruling:
        from ttscale.runtime.result import RunError

        try:
            result = await program.arun(pipeline=pipeline, seed=seed, **dict(values))  # type: ignore[arg-type]
        except RunError:
            return Ruling(None)
        if on_result is not None:
            on_result(result)
        scores = result.pool.candidates[0].scores if result.pool.candidates else {}
        return Ruling(result.answer, dict(scores))

    return ask


async def _both(ask: Ask, row: Mapping[str, object], a: str, b: str) -> tuple[Ruling, Ruling]:
    question = next((row[name] for name in ("question", "prompt", "problem") if row.get(name) is not None), "")
    return await asyncio.gather(
        ask({"question": text_of(question), "first": a, "second": b}),
        ask({"question": text_of(question), "first": b, "second": a}),
    )


def _joined(rulings: tuple[Ruling, Ruling], read: Callable[[Ruling], float | None], *, mirrored: bool) -> Grade:
    """The mean of both orders as a grade; `mirrored` where the second one speaks of the other answer."""
    parts: dict[str, float] = {}
    for name, ruling in zip(("forward", "backward"), rulings, strict=True):
        value = read(ruling)
        if value is not None:
            parts[name] = 1 - value if mirrored and name == "backward" else value
    value = sum(parts.values()) / len(parts) if parts else None
    chances = [chance for ruling in rulings for label, chance in ruling.probabilities.items() if label in POSITIVE]
    if chances and not mirrored:
        parts["probability"] = sum(chances) / len(chances)
    unread = 2 - sum(name in parts for name in ("forward", "backward"))
    return Grade(value, f"{unread} of 2 judgements could not be read" if unread else "", parts)


def _agreed(ruling: Ruling) -> float | None:
    return _number(ruling.answer, POSITIVE, NEGATIVE)


def _first_wins(ruling: Ruling) -> float | None:
    return _number(ruling.answer, ("first", "a", "1"), ("second", "b", "2"))


def _number(answer: object, high: tuple[str, ...], low: tuple[str, ...]) -> float | None:
    if isinstance(answer, bool):
        return float(answer)
    if isinstance(answer, int | float):
        return min(1.0, max(0.0, float(answer)))
    word = str(answer).strip().lower() if answer is not None else ""
    return 1.0 if word in high else 0.0 if word in low else 0.5 if word in TIED else None
