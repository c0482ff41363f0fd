"""Few-shot examples: rows of a dataset as turns before a question, and how they are chosen.

    generate(solve(question), examples: gsm[0:50], shots: 4, choose: similar)

Each row becomes what the prompt would ask about it and the gold answer in the form that the prompt's type is read in.
The turns stand before the last user turn of the question. `choose` is one of

    first     the first rows, in order
    random    rows drawn by the run's seed and the question's text, so that a question's place does not matter
    balanced  the classes of gold answers in turn, in the order in which they first appear
    similar   the rows whose words are most like the question's by BM25 (k1 1.2, b 0.75; words are runs of letters and
              digits, case folded), the most alike last; equal ones in their order; with `embedder: m` those whose
              vectors are nearest to the question's by cosine

A row that asks the very question is never an example: the run ends with an error that names it, whatever `choose` is.

Codes:
    R0711  the rows of examples cannot be read
    R0712  the question is among its own examples
    R0713  an example without an answer of the prompt's type
"""

from __future__ import annotations

import hashlib
import json
import math
import random
import re
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ttscale.compiler import ir
from ttscale.compiler import types as t
from ttscale.compiler.bounds import make_plan
from ttscale.compiler.diagnostics import Diagnostic
from ttscale.compiler.plan import Plan
from ttscale.compiler.prompt_tokens import MESSAGE_OVERHEAD, Amount, of_text
from ttscale.compiler.shots import row_fields
from ttscale.compiler.source import Span
from ttscale.runtime import answers
from ttscale.runtime.datasets import DataError, Row, load_rows
from ttscale.runtime.engines.base import Message
from ttscale.runtime.prompts import PromptError, render
from ttscale.runtime.result import RunError

_WORD = re.compile(r"[^\W_]+")
_K1, _B = 1.2, 0.75


@dataclass(frozen=True, slots=True)
class Example:
    """One row as two turns; `key` is the class of its answer, `row` its id and `where` its place in the file."""

    row: str
    where: str
    user: str
    assistant: str
    key: Hashable


class RowStore:
    """Rows of datasets, read once, and the examples made of them. One a program."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._rows: dict[ir.Rows, list[Row]] = {}
        self._examples: dict[tuple[ir.Filled, ir.Rows], tuple[Example, ...]] = {}

    def rows(self, rows: ir.Rows) -> list[Row]:
        """The rows that an expression names. Raises DataError."""
        if rows not in self._rows:
            self._rows[rows] = load_rows(rows)
        return self._rows[rows]

    def examples(self, filled: ir.Filled, rows: ir.Rows) -> tuple[Example, ...]:
        """Every row as an example for this prompt. Raises RunError (R0705, R0711, R0713)."""
        key = (filled, rows)
        if key not in self._examples:
            try:
                loaded = self.rows(rows)
            except DataError as error:
                span = error.span or rows.dataset.span
                raise RunError(Diagnostic("R0711", f"no examples: {error}", span, hint=error.hint)) from error
            self._examples[key] = tuple(self._example(filled, rows, row) for row in loaded)
        return self._examples[key]

    def _example(self, filled: ir.Filled, rows: ir.Rows, row: Row) -> Example:
        values = _values(filled, rows, row)
        prompt = filled.prompt
        try:
            messages = render(prompt, values, prompt.result, folder=self._folder)
        except PromptError as error:
            message = f"the example {row.id} cannot be shown: {error}"
            raise RunError(Diagnostic("R0705", message, error.span, hint=error.hint)) from error
        gold, key = answers.coerce(prompt.result, row.gold, folder=self._folder)
        if key is None:
            message = f"the example {row.id} ({row.where}) has no answer that reads as {prompt.result}"
            hint = "give the dataset an `answer:` that is the answer alone, or leave the row out with `where(…)`"
            raise RunError(Diagnostic("R0713", message, rows.dataset.span, hint=hint))
        prefill = messages[-1].content if messages and messages[-1].role == "assistant" else ""
        return Example(row.id, row.where, last_user(messages), spelled(prompt.result, gold, prefill), key)


def _values(filled: ir.Filled, rows: ir.Rows, row: Row) -> dict[str, object]:
    """The prompt's arguments for one row."""
    kinds = dict(filled.prompt.params)
    values: dict[str, object] = {name: op.value for name, op in filled.args if isinstance(op, ir.Const)}
    for name, field in row_fields(filled, rows).items():
        given = row.values.get(field or name)
        if field is None or given is None:
            message = f"the example {row.id} ({row.where}) has nothing for `{name}` of `{filled.prompt.name}`"
            hint = f"its fields are {', '.join(row.values)}"
            raise RunError(Diagnostic("R0705", message, rows.dataset.span, hint=hint))
        kind = kinds.get(name, t.TEXT)
        as_it_is = kind == t.CHAT or (isinstance(kind, t.Text) and isinstance(given, str))
        values[name] = given if as_it_is else answers.coerce(kind, given)[0]
    return values


def last_user(messages: Sequence[Message]) -> str:
    """What the last user turn says; "" where there is none."""
    return next((message.content for message in reversed(messages) if message.role == "user"), "")


def spelled(type_: t.Type, value: object, prefill: str = "") -> str:
    """A right answer in the form in which an answer of this type is read, after what the prompt has begun."""
    begun = prefill.rstrip()
    alone = _alone(type_, value)
    marked = isinstance(type_, t.Choice) or type_ in (t.INT, t.FLOAT, t.NUMBER, t.BOOL)
    if marked and not begun.endswith(":"):
        alone = f"Answer: {alone}"
    return f"{begun} {alone}" if begun else alone


def _alone(type_: t.Type, value: object) -> str:
    match type_:
        case t.Optional(item):
            return "none" if value is None else _alone(item, value)
        case t.Code(language):
            return f"```{language}\n{value}\n```"
        case t.Simple(name="Math"):
            return f"\\boxed{{{answers.show(type_, value)}}}"
        case t.Simple(name="Bool"):
            return "yes" if value else "no"
    return answers.show(type_, value)


# --- choosing ----------------------------------------------------------------------------------------


def with_examples(
    messages: tuple[Message, ...],
    examples: Sequence[Example],
    shots: int,
    choose: str,
    type_: t.Type,
    run_seed: int,
    span: Span | None,
    near: Sequence[int] | None = None,
) -> tuple[Message, ...]:
    """The turns of a question with those of its examples before the last user turn.

    `near` are the examples' places by their likeness to the question, the most alike first, where somebody else knows.
    Raises RunError (R0712) where the question is among the rows.
    """
    question = last_user(messages)
    asked = " ".join(question.split())
    same = next((one for one in examples if " ".join(one.user.split()) == asked), None)
    if same is not None:
        message = f"this question is the row {same.row} ({same.where}) of its own examples"
        hint = "take other rows for `examples:` than the ones that are asked"
        raise RunError(Diagnostic("R0712", message, span, hint=hint))
    turns: list[Message] = []
    if near is None:
        picked = chosen(examples, shots, choose, question, type_, run_seed)
    else:
        picked = [examples[place] for place in reversed(near[:shots])]
    for one in picked:
        turns += [Message("user", one.user), Message("assistant", one.assistant)]
    place = max((index for index, message in enumerate(messages) if message.role == "user"), default=len(messages))
    return (*messages[:place], *turns, *messages[place:])


def chosen(
    examples: Sequence[Example], shots: int, choose: str, question: str, type_: t.Type, run_seed: int
) -> list[Example]:
    """`shots` of the examples, all where there are not so many."""
    if choose == "random":
        seed = hashlib.sha256(json.dumps([run_seed, question]).encode()).hexdigest()
        return random.Random(seed).sample(list(examples), min(shots, len(examples)))
    if choose == "balanced":
        return _balanced(examples, type_)[:shots]
    if choose == "similar":
        return _similar(examples, shots, question)
    return list(examples[:shots])


def _balanced(examples: Sequence[Example], type_: t.Type) -> list[Example]:
    """The classes of answers in turn."""
    classes: dict[int | None, list[Example]] = {}
    for one, number in zip(examples, answers.classes(type_, [one.key for one in examples]), strict=True):
        classes.setdefault(number, []).append(one)
    longest = max(map(len, classes.values()), default=0)
    return [group[round_] for round_ in range(longest) for group in classes.values() if round_ < len(group)]


def _similar(examples: Sequence[Example], shots: int, question: str) -> list[Example]:
    """The most alike by BM25, the best last."""
    texts = [Counter(words(one.user)) for one in examples]
    lengths = [sum(text.values()) for text in texts]
    mean = (sum(lengths) / len(lengths) if lengths else 0.0) or 1.0
    holding = Counter(word for text in texts for word in text)
    wanted = sorted(set(words(question)))

    def score(place: int) -> float:
        text = texts[place]
        scale = _K1 * (1 - _B + _B * lengths[place] / mean)
        return math.fsum(
            math.log1p((len(texts) - holding[word] + 0.5) / (holding[word] + 0.5))
            * text[word]
            * (_K1 + 1)
            / (text[word] + scale)
            for word in wanted
            if text[word]
        )

    ranked = sorted(range(len(examples)), key=lambda place: (-score(place), place))[:shots]
    return [examples[place] for place in reversed(ranked)]


def words(text: str) -> list[str]:
    """Runs of letters and digits, case folded."""
    return [word.casefold() for word in _WORD.findall(text)]


# --- planning ----------------------------------------------------------------------------------------


def plan_with_rows(graph: ir.Graph, store: RowStore) -> Plan:
    """The plan of a graph, its few-shot examples counted by the rows where these can be read."""
    return make_plan(graph, examples=example_amounts(graph, store))


def example_amounts(graph: ir.Graph, store: RowStore) -> Mapping[str, Amount]:
    """The most tokens that the examples of each `generate` may have, by its path; without those that cannot be read."""
    found: dict[str, Amount] = {}
    for stage in graph.stages:
        rows, shots, prompts = (stage.args.get(name) for name in ("examples", "shots", "prompts"))
        if not (isinstance(rows, ir.Rows) and isinstance(shots, ir.Const) and isinstance(shots.value, int)):
            continue
        filled = [one for one in prompts if isinstance(one, ir.Filled)] if isinstance(prompts, tuple) else []
        try:
            amounts = [_most(store.examples(one, rows), shots.value) for one in filled]
        except RunError:
            continue  # the run says what is wrong with the rows; the plan counts what it assumes
        most = max((amount.high for amount in amounts), default=0)
        found[stage.path] = Amount(0, most, max((amount.expected for amount in amounts), default=0))
    return found


def _most(examples: Sequence[Example], shots: int) -> Amount:
    """The tokens of the largest `shots` examples: whichever are chosen, they have no more."""
    sizes = sorted(
        (
            (of_text(one.user).plus(of_text(one.assistant)).plus(Amount(0, 2 * MESSAGE_OVERHEAD, 10)))
            for one in examples
        ),
        key=lambda amount: -amount.high,
    )[:shots]
    return Amount(0, sum(size.high for size in sizes), sum(size.expected for size in sizes))
