"""How long the texts are that flow through a graph, and so the prompts that show them.

Texts are bounds (`Said`): a candidate shown in a later prompt counts as its `max_tokens`, with a quarter more where the
same model reads it and twice as many where another one does, since another tokenizer may cut it finer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from ttscale.compiler import ir
from ttscale.compiler.frozen import dataclass
from ttscale.compiler.prompt_tokens import (
    MESSAGE_OVERHEAD,
    NOTHING,
    PROMPT_OVERHEAD,
    SMALL,
    Amount,
    of_text,
    text_of,
)
from ttscale.compiler.schema_parts import follow, parsed, part_of
from ttscale.compiler.schema_shape import asked_shape
from ttscale.compiler.types import Answers, Choice, Json, ListOf, Optional, Record, Text, Type

INPUT_TOKENS = 512
"""What an input of type Text counts as where nothing else is known."""

SAME_READER, OTHER_READER = 1.25, 2.0
JOIN_SLACK = 8
"""Tokens that may come from cutting a text differently where it is put between others."""


@dataclass(frozen=True, slots=True)
class Said:
    """The candidates of a pool, or a value: the most that one of them has, who wrote it, and its critique."""

    text: Amount
    writers: frozenset[str] = frozenset()
    critique: Amount = NOTHING

    def read_by(self, models: frozenset[str], amount: Amount) -> Amount:
        """`amount` of this as another prompt shows it to `models`."""
        factor = SAME_READER if models <= self.writers or not self.writers else OTHER_READER
        slack = JOIN_SLACK if amount.high else 0
        return Amount(0, math.ceil(amount.high * factor) + slack, amount.expected)


def inputs_of(graph: ir.Graph, known: Mapping[str, int | Amount]) -> dict[str, Amount]:
    """The tokens of each input: known, or between known bounds, declared by `Text(max: …)`, or 512."""
    return {name: _input(kind, known.get(name)) for name, kind in graph.inputs}


def _input(kind: Type, known: int | Amount | None) -> Amount:
    if isinstance(known, Amount):
        return known
    if known is not None:
        return Amount(max(0, known - JOIN_SLACK), known + JOIN_SLACK, known)
    match kind:
        case Text(max_tokens=limit):
            most = limit if limit is not None else INPUT_TOKENS
            return Amount(0, most, most)
        case ListOf(item=item):
            one = _input(item, None)
            return Amount(0, one.high * 8, one.expected * 4, 8)
        case Optional(item=item):
            return _input(item, None)
        case Record(fields=fields):
            parts = {field.name: _input(field.type, None) for field in fields}
            return Amount(
                0, sum(p.high for p in parts.values()) + 64, sum(p.expected for p in parts.values()), None, parts
            )
        case Choice(labels=labels):
            return Amount(0, max(len(label.encode()) for label in labels), 2)
        case Json():
            return Amount(0, INPUT_TOKENS, INPUT_TOKENS)
        case _ if str(kind) == "Chat":
            return Amount(0, INPUT_TOKENS * 8, INPUT_TOKENS * 2, 16)
    return SMALL


class Reader:
    """Bounds on the texts of a graph, stage by stage in plan order.

    `examples` are the tokens of few-shot turns by stage, where the rows have been read. Answers are expected to be
    `share` of what they may be. `whole` takes every pool as large as it is meant to be, each answer with a token at
    least: what a prompt cannot do without, unless samples fail.
    """

    def __init__(
        self,
        inputs: Mapping[str, Amount],
        examples: Mapping[str, Amount] | None = None,
        *,
        share: float = 0.5,
        whole: bool = False,
    ) -> None:
        self.share, self.whole = share, whole
        self.inputs = inputs
        self.examples = dict(examples or {})
        self.said: dict[str, Said] = {}
        self.sizes: dict[str, ir.Bounds] = {}
        self.lists: set[str] = set()
        """Stages whose answers are lists, each of as many items as a model likes."""
        self._prompts: dict[tuple[object, ...], Amount] = {}
        """Prompts that were counted, by what was put into them: loops ask the same again and again."""

    def note(self, stage: ir.Stage) -> None:
        """Remember what a stage's candidates may have."""
        self.sizes[stage.path] = stage.size
        item = stage.type.item if isinstance(stage.type, Answers) else stage.type
        if isinstance(item.item if isinstance(item, Optional) else item, ListOf):
            self.lists.add(stage.path)
        self.said[stage.path] = self._said_by(stage)

    def _said_by(self, stage: ir.Stage) -> Said:
        args = stage.args
        match stage.op:
            case "generate" | "fuse" | "revise":
                high = new_tokens(args)
                models = args["models"] if stage.op == "generate" else (args["from"],)
                writers = (
                    frozenset(m.name for m in models if isinstance(m, ir.Model))
                    if isinstance(models, tuple)
                    else frozenset()
                )
                return Said(Amount(0, high, math.ceil(high * self.share)), writers)
            case "explore":
                return explored(stage, self.share)
            case "decompose":
                return self._parts(stage)
            case "retrieve" | "recall":
                length = _whole(args.get("length"))
                return Said(Amount(0, length, math.ceil(length / 4)))
            case "classify":
                return Said(SMALL)
            case "concat" | "choose":
                parts = args["sources" if stage.op == "concat" else "arms"]
                operands = parts if isinstance(parts, tuple) else ()
                return _any(
                    [
                        self.of(part)
                        for part in operands
                        if not isinstance(
                            part, ir.Strategy | ir.Filled | ir.Model | ir.Prompt | ir.UpTo | ir.Rows | tuple
                        )
                    ]
                )
            case "value":
                value = args["value"]
                return (
                    self.of(value)
                    if not isinstance(value, ir.Strategy | ir.Filled | ir.Model | ir.Prompt | ir.UpTo | ir.Rows | tuple)
                    else Said(SMALL)
                )
        source = self.of(stage.source) if stage.source is not None else Said(SMALL)
        if stage.op == "critique":
            high = new_tokens(args)
            return replace(source, critique=Amount(0, high, math.ceil(high * self.share)))
        if stage.op == "execute":
            return printed(source, _whole(args.get("output")))
        return source

    def _group(self, items: ir.Operand, most: int) -> Said:
        """A group of at most `most` items of a list, of a pool, or of the list that a pool's only answer is."""
        said = self.of(items)
        text, size = said.text.item() if said.text.count is not None else said.text, self.count(items)
        times = 1 if size is not None and size.high <= 1 else max(most, 1)
        return replace(said, text=Amount(0, text.high * times, text.expected, max(most, 1)))

    def _filled(self, written: ir.Operand, known: ir.Operand) -> Said:
        """A text with answers in it, each in two places at most."""
        text, answer, size = self.of(written), self.of(known), self.count(known)
        count = size.high if size is not None else answer.text.count or 1
        total = Amount(0, text.text.high + 2 * count * answer.text.high, text.text.expected + answer.text.expected)
        return Said(total, text.writers | answer.writers)

    def _parts(self, stage: ir.Stage) -> Said:
        """One part of a question: a piece of what the model wrote, or the question itself."""
        high, model = new_tokens(stage.args), stage.args["from"]
        asked = self.of(stage.question).text if stage.question is not None else NOTHING
        count = max(stage.size.high, 1)
        text = Amount(0, max(high, asked.high), max(1, math.ceil(high * self.share / count)))
        whole = replace(text, parts={"question": text, "needs": SMALL, "level": SMALL})
        return Said(whole, frozenset({model.name}) if isinstance(model, ir.Model) else frozenset())

    def of(self, operand: ir.Operand) -> Said:
        """The text of a value, or of one candidate of a pool."""
        match operand:
            case ir.Const(value=value):
                return Said(of_text(value if isinstance(value, str) else str(value)))
            case ir.Input(name=name):
                return Said(self.inputs.get(name, SMALL))
            case ir.Ref(path=path):
                return self.said.get(path, Said(SMALL))
            case ir.Item(of=ir.Apply(op="combinations", args=(items, ir.Const(value=int(most))))):
                return self._group(items, most)
            case ir.Item(of=of):
                inner = self.of(of)
                return replace(inner, text=inner.text.item()) if inner.text.count is not None else inner
            case ir.Apply(op="attr", args=(owner, ir.Const(value=str(name)))):
                inner = self.of(owner)
                return replace(inner, text=inner.text.parts.get(name, inner.text.single()))
            case ir.Apply(op="text" | "marked", args=(inner_operand,)):
                return self.of(inner_operand)
            case ir.Apply(op="combinations", args=(items, ir.Const(value=int(most)))):
                return self._group(items, most)
            case ir.Apply(op="fill", args=(written, known)):
                return self._filled(written, known)
            case ir.Apply(op="list" | "record" | "+", args=args):
                return self._together([self.of(arg) for arg in args])
        return Said(SMALL)

    def _together(self, parts: list[Said]) -> Said:
        total = NOTHING
        for part in parts:
            total = total.plus(part.text)
        writers = frozenset[str]().union(*(part.writers for part in parts))
        return Said(replace(total, count=len(parts)), writers)

    def count(self, operand: ir.Operand) -> ir.Bounds | None:
        """How many candidates a pool has; None for what is not a pool."""
        return self.sizes.get(operand.path) if isinstance(operand, ir.Ref) else None

    # --- prompts ---------------------------------------------------------------------------------

    def argument(self, operand: ir.Operand, kind: Type, models: frozenset[str]) -> Amount:
        """An argument of a prompt as its text; a pool where `[Text]` is wanted is all its texts."""
        said = self.of(operand)
        size = self.count(operand)
        shown = replace(said.read_by(models, said.text), count=said.text.count) if said.writers else said.text
        if size is not None and isinstance(kind, ListOf | Answers):
            low = size.low if self.whole else 0
            return Amount(low, shown.high * size.high, shown.expected * size.high, size.high, least=low)
        return shown

    def offered(
        self, stage: ir.Stage, models: frozenset[str], most: int | None = None, written: Amount | None = None
    ) -> dict[str, Amount]:
        """What a stage offers its prompt by name.

        `most` candidates are shown where that is less than there are; `written` is what candidates may have that the
        stage makes itself and reads again.
        """
        found: dict[str, Amount] = {}
        if stage.question is not None:
            found["question"] = self.argument(stage.question, Text(), models)
        if stage.op == "explore":
            return found | beginnings(explored(stage, self.share), models, _whole(stage.args.get("steps")))
        if stage.op == "decompose":
            return found | {"most": SMALL}
        if stage.source is None:
            return found
        rule = stage.args.get("by")
        if isinstance(rule, ir.Strategy) and rule.name == "forced":
            contexts = dict(rule.named)["contexts"]
            found["context"] = (
                self.argument(contexts, Text(), models)
                if isinstance(contexts, ir.Ref | ir.Input | ir.Apply | ir.Item | ir.Const)
                and contexts != ir.Const(None)
                else NOTHING
            )
        said, size = self.of(stage.source), stage_size(self, stage)
        if written is not None:
            longest = max(said.text.high, written.high), max(said.text.expected, written.expected)
            said = replace(said, text=replace(said.text, high=longest[0], expected=longest[1]))
        listed_pool = stage.args.get("among")
        among = self.count(listed_pool) if isinstance(listed_pool, ir.Ref) else None
        if among is not None:
            size = ir.Bounds(min(size.low, among.low), max(size.high, among.high))
        elif most is not None and most < size.high:
            size = ir.Bounds(min(size.low, most), most)
        text = said.read_by(models, said.text)
        if self.whole and said.writers:
            text = replace(text, low=1)
        critique = said.read_by(models, said.critique)
        index = replace(SMALL, low=1) if self.whole else SMALL
        parts = {"text": text, "answer": text, "critique": critique, "score": SMALL, "index": index, "rank": SMALL}
        whole = text.plus(critique).plus(SMALL)
        count = max(size.high, 1)
        least = size.low if self.whole else 0
        listed = Amount(0, whole.high * count, whole.expected * count, size.high, parts, least)
        single = Amount(text.low, text.high, text.expected, None, parts)
        found |= {"answers": listed, "answer": single, "critique": critique}
        found |= dict.fromkeys(("reference", "first", "second"), single) | {"keep": SMALL, "n": SMALL}
        tests = stage.args.get("with")
        found |= {"entry": SMALL, "test": SMALL}
        if isinstance(tests, ir.Apply | ir.Input | ir.Item | ir.Ref):
            found["test"] = self.argument(tests, Text(), models)
        found["kept"] = Amount(0, SMALL.high * count, SMALL.expected * count, size.high)
        return found

    def prompt(
        self,
        filled: ir.Filled,
        stage: ir.Stage,
        model: ir.Model,
        most: int | None = None,
        written: Amount | None = None,
    ) -> Amount:
        """The tokens of one call's prompt; `most` and `written` as in `offered`."""
        models = frozenset({model.name})
        values = self.offered(stage, models, most, written)
        kinds = dict(filled.prompt.params)
        for name, operand in filled.args:
            values[name] = self.argument(operand, kinds.get(name, Text()), models)
        key = (id(filled.prompt), *((name, values[name].key) for name in sorted(values)))
        if key not in self._prompts:
            self._prompts[key] = self._written(filled.prompt, values)
        return self._prompts[key]

    def _written(self, prompt: ir.Prompt, values: dict[str, Amount]) -> Amount:
        """The tokens of a prompt whose names have these values."""
        values["output_format"] = output_format(prompt.result)
        total = Amount(1, PROMPT_OVERHEAD, 12)
        for part in prompt.parts:
            if part.role == "chat":
                turns = values.get(part.text, NOTHING)
                total = total.plus(Amount(0, turns.high + MESSAGE_OVERHEAD * (turns.count or 1), turns.expected))
            else:
                total = total.plus(text_of(part.text, values)).plus(Amount(0, MESSAGE_OVERHEAD, 5))
        return total


def explored(stage: ir.Stage, share: float) -> Said:
    """An answer that is written step by step: all its steps, each with the longest text that may end it."""
    args = stage.args
    steps, longest = _whole(args.get("steps")), _whole(args.get("step_tokens"))
    own = args.get("separator")
    texts = own.value if isinstance(own, ir.Const) and isinstance(own.value, tuple) else ()
    between = max([4, *(len(str(text).encode()) for text in texts)])
    models = args.get("models")
    listed = models if isinstance(models, tuple) else ()
    writers = frozenset(model.name for model in listed if isinstance(model, ir.Model))
    return Said(Amount(0, steps * (longest + between), math.ceil(steps * longest * share / 2)), writers)


def beginnings(said: Said, models: frozenset[str], steps: int) -> dict[str, Amount]:
    """What a judge of steps is offered: the steps so far, the last one, and all of it as one text."""
    whole = said.read_by(models, said.text)
    listed = Amount(0, whole.high, whole.expected, max(1, steps))
    return {"steps": listed, "step": Amount(0, whole.high, math.ceil(whole.expected / max(1, steps))), "answer": whole}


def _whole(value: ir.Argument | None) -> int:
    return value.value if isinstance(value, ir.Const) and isinstance(value.value, int) else 0


def printed(source: Said, most: int) -> Said:
    """What `execute` leaves: the program or what it printed, and that, or how it ended, as a critique."""
    text = replace(source.text, high=max(source.text.high, most))
    return replace(source, text=text, critique=Amount(0, most + 1000, 60))


def stage_size(reader: Reader, stage: ir.Stage) -> ir.Bounds:
    """The size of the pool that goes into a stage."""
    size = reader.count(stage.source) if stage.source is not None else None
    if size is None and isinstance(stage.source, ir.Const):
        return ir.Bounds(0, 0)
    return size if size is not None else ir.Bounds(0, 1)


def _any(parts: list[Said]) -> Said:
    """One of several texts."""
    if not parts:
        return Said(NOTHING)
    text = Amount(0, max(p.text.high for p in parts), max(p.text.expected for p in parts))
    critique = Amount(0, max(p.critique.high for p in parts), max(p.critique.expected for p in parts))
    return Said(text, frozenset[str]().union(*(p.writers for p in parts)), critique)


def output_format(kind: Type) -> Amount:
    """The text that `{{ output_format }}` becomes: each field's name, type and comment, with marks around."""
    match kind:
        case Record(fields=fields):
            written = sum(
                len(f.name.encode()) * 2 + len(str(f.type).encode()) * 4 + len(f.doc.encode()) + 64 for f in fields
            )
            nested = sum(output_format(f.type).high for f in fields)
            return Amount(0, 512 + written + nested, 64 + 16 * len(fields))
        case Json(text=text, at=at) if text:
            root = parsed(text)
            at_part = follow(root, f"#{at}")
            length = len(asked_shape(part_of(root, at_part or ()), root).encode())
            return Amount(0, length + JOIN_SLACK, length // 3)
        case Json():
            return Amount(0, 8192, 512)
        case ListOf(item=item) | Optional(item=item):
            return output_format(item)
    return Amount(0, 512 + 4 * len(str(kind).encode()), 32)


def new_tokens(args: Mapping[str, ir.Argument]) -> int:
    """The most new tokens of one call: `max_tokens`, and the thoughts where these have a limit of their own."""
    limit, thinking = args.get("max_tokens"), args.get("thinking")
    most = limit.value if isinstance(limit, ir.Const) and isinstance(limit.value, int) else INPUT_TOKENS
    return most + (thinking.limit if isinstance(thinking, ir.UpTo) else 0)
