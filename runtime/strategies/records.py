"""Voting on structured answers: records and JSON, field by field or whole; lists in order, in no order, or by a key.

Field by field every field has the winner of its own vote, and fields inside fields have theirs. A list is one value
unless its items have a key: then items of one key are one item, which is there if most say so, and whose fields are
voted in turn. Every tie goes to what appeared first.

    vote(by: fields, lists: unordered, key: sku)        Form(True, False, ("sku",))
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ttscale.compiler import types as t
from ttscale.compiler.ir import Argument
from ttscale.compiler.schema_types import fields_of
from ttscale.runtime import answers
from ttscale.runtime.pool import Candidate
from ttscale.runtime.strategies.choosing import Numbers, vote
from ttscale.runtime.strategies.equality import class_numbers
from ttscale.runtime.strategies.sources import plain

ABSENT = object()
"""What a field that an object does not have is."""


@dataclass(frozen=True, slots=True)
class Form:
    """How answers are voted: `by_fields` (None: where they have fields), lists `ordered` or not, `keys` of items."""

    by_fields: bool | None = None
    ordered: bool = True
    keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Elected:
    """The winner of a vote by fields: the candidate nearest to it, or one put together from the places `parents`.

    `agreement` is the mean share of all candidates that agree with it in a field, `whole` how many do in every field.
    """

    index: int
    candidate: Candidate
    parents: tuple[int, ...]
    agreement: float
    whole: int
    note: str = ""


def form_of(args: Mapping[str, Argument]) -> Form:
    """The form that the arguments of a `vote` ask for."""
    by, lists, keys = (plain(args.get(name)) for name in ("by", "lists", "key"))
    by_fields = None if by is None else by == "fields"
    named = tuple(map(str, keys)) if isinstance(keys, tuple | list) else () if keys is None else (str(keys),)
    return Form(by_fields, lists != "unordered", named)


def has_fields(type_: t.Type, form: Form, pool: Sequence[Candidate]) -> bool:
    """Whether these answers are voted field by field."""
    if form.by_fields is False:
        return False
    inner = type_.item if isinstance(type_, t.Optional) else type_
    if isinstance(inner, t.ListOf):
        return bool(form.keys) and isinstance(inner.item, t.Record | t.Json)
    if not isinstance(inner, t.Json):
        return isinstance(inner, t.Record)
    values = [c.answer for c in pool if c.is_readable and c.answer is not None]
    is_listed = bool(form.keys) and all(isinstance(value, list) for value in values)
    return bool(values) and (is_listed or all(isinstance(value, Mapping) for value in values))


def elect(
    type_: t.Type, pool: Sequence[Candidate], form: Form, weights: Numbers | None, texts: Sequence[Hashable] | None
) -> Elected | None:
    """The answer whose every field is the winner of its own vote; None when no answer is readable.

    Where a candidate agrees in all fields it is the winner itself, else a new one is put together, with what judges
    said of the nearest: the first of those that agree in the most fields.
    """
    readable = [i for i, c in enumerate(pool) if c.is_readable]
    if not readable:
        return None
    election = _Election(form, weights, texts, dict.fromkeys(readable, 0))
    value = election.winner(type_, [(i, pool[i].answer) for i in readable])
    nearest = max(readable, key=lambda i: (election.agree[i], -i))
    agreement = sum(election.agree.values()) / (max(election.fields, 1) * len(pool))
    whole = sum(count == election.fields for count in election.agree.values())
    if whole:
        return Elected(nearest, pool[nearest], (), agreement, whole)
    read, key = answers.coerce(type_, value)
    if key is None:
        note = "the winners of the fields do not fit the schema together, so the nearest answer was taken"
        return Elected(nearest, pool[nearest], (), agreement, whole, note)
    parents = tuple(sorted(election.taken))
    made = _put_together(pool[nearest], [pool[i] for i in parents], answers.show(type_, read))
    note = "the fields of the answer come from several candidates" if len(parents) > 1 else ""
    return Elected(nearest, replace(made, answer=read, key=key), parents, agreement, whole, note)


def described(found: Elected, size: int) -> str:
    """What decided, in a few words: "3 of 5 agree in every field; 80% of all fields agree"."""
    if found.whole:
        fields = "" if found.whole == size else f"; {found.agreement:.0%} of all fields agree"
        return f"{found.whole} of {size} agree in every field{fields}"
    how = f"put together from {len(found.parents)} of {size} answers" if found.parents else f"the nearest of {size}"
    return f"{how}, field by field; {found.agreement:.0%} of all fields agree"


def _put_together(nearest: Candidate, parents: Sequence[Candidate], text: str) -> Candidate:
    """A candidate of its own: nobody wrote it, so it has no tokens, thoughts or probabilities."""
    models, prompts = ({getattr(c, name) for c in parents} for name in ("model", "prompt"))
    return replace(
        nearest,
        text=text,
        thoughts="",
        model=models.pop() if len(models) == 1 else "",
        prompt=prompts.pop() if len(prompts) == 1 else "",
        series=0,
        index=0,
        tokens=0,
        logprob_mean=None,
        logprob_sum=None,
        finish="stop",
        step_scores=(),
        token_logprobs=(),
        token_confidences=(),
        error="",
        parents=tuple(parents),
    )


Entry = tuple[int, object]
"""A candidate's place, and what it says here."""


@dataclass
class _Election:
    """One vote by fields: how many fields each candidate agrees in, and whose values were taken."""

    form: Form
    weights: Numbers | None
    texts: Sequence[Hashable] | None
    agree: dict[int, int]
    fields: int = 0
    taken: dict[int, None] = field(default_factory=dict)

    def winner(self, type_: t.Type, entries: Sequence[Entry]) -> object:
        """The winning value of one field, or of the whole."""
        inner = type_.item if isinstance(type_, t.Optional) else type_
        given = [(i, value) for i, value in entries if value is not None and value is not ABSENT]
        key = self._key_of(inner, given)
        has_parts = isinstance(inner, t.Record) or _are(Mapping, inner, given) or key is not None
        if not given or not has_parts:
            return self._leaf(type_, entries)
        if len(given) < len(entries):
            lacking = [value is None or value is ABSENT for _, value in entries]
            winner = self._vote([int(lack is not lacking[0]) for lack in lacking], entries)
            if lacking[winner]:
                self._count(entries, [int(not lack) for lack in lacking], 0, winner)
                return entries[winner][1]
        if key is not None:
            return self._rows(inner, key, given)
        if isinstance(inner, t.Record):
            found = {}
            for own in inner.fields:
                found[own.name] = self.winner(own.type, [(i, _mapping(value).get(own.name)) for i, value in given])
            return found
        names = list(fields_of(inner).known) if isinstance(inner, t.Json) else []
        names += [name for _, value in given for name in _mapping(value)]
        made: dict[str, object] = {}
        for name in dict.fromkeys(names):
            said = [(i, _mapping(value).get(name, ABSENT)) for i, value in given]
            if any(value is not ABSENT for _, value in said):
                won = self.winner(t.ANY, said)
                if won is not ABSENT:
                    made[name] = won
        return made

    def _leaf(self, type_: t.Type, entries: Sequence[Entry]) -> object:
        """The winner of a value that is voted as a whole."""
        if type_ == t.ANY or isinstance(type_, t.Json):
            keys = [_json_key(value, self.form.ordered) for _, value in entries]
            classes: list[int | None] = [*answers.classes(t.TEXT, keys)]
        else:
            typed = [answers.coerce(type_, value)[1] for _, value in entries]
            classes = class_numbers(type_, typed, ordered=self.form.ordered)
        place = self._vote(classes, entries)
        self._count(entries, classes, classes[place], place)
        return entries[place][1]

    def _rows(self, type_: t.Type, key: str, entries: Sequence[Entry]) -> list[object]:
        """A list whose items are told apart by a key: each is there if most lists have it, with fields of its own."""
        item = type_.item if isinstance(type_, t.ListOf) else t.ANY
        tables = [(i, _by_key(item, key, value)) for i, value in entries]
        found: list[object] = []
        for name in dict.fromkeys(name for _, table in tables for name in table):
            rows = [(i, table.get(name, ABSENT)) for i, table in tables]
            won = self.winner(item, rows)
            if won is not ABSENT:
                found.append(won)
        return found

    def _key_of(self, type_: t.Type, entries: Sequence[Entry]) -> str | None:
        """The first of the keys that the items of these lists have; None for what is no list of such items."""
        if isinstance(type_, t.ListOf) and isinstance(type_.item, t.Record):
            return next((key for key in self.form.keys if any(own.name == key for own in type_.item.fields)), None)
        if isinstance(type_, t.Record) or not _are(list | tuple, t.ANY, entries):
            return None
        items = [item for _, value in entries if isinstance(value, list | tuple) for item in value]
        if not items or not all(isinstance(item, Mapping) for item in items):
            return None
        return next((key for key in self.form.keys if any(key in _mapping(item) for item in items)), None)

    def _vote(self, classes: Sequence[int | None], entries: Sequence[Entry]) -> int:
        """The place in `entries` of the first of the winning class."""
        weights = None if self.weights is None else [self.weights[i] for i, _ in entries]
        texts = None if self.texts is None else [self.texts[i] for i, _ in entries]
        found = vote(classes, weights, texts).index
        return 0 if found is None else found

    def _count(self, entries: Sequence[Entry], classes: Sequence[int | None], won: int | None, place: int) -> None:
        self.fields += 1
        self.taken[entries[place][0]] = None
        for (i, _), number in zip(entries, classes, strict=True):
            self.agree[i] += number == won


def _are(kind: object, type_: t.Type, entries: Sequence[Entry]) -> bool:
    """Whether all values are of a kind of JSON, where a type does not say so itself."""
    is_open = type_ == t.ANY or isinstance(type_, t.Json)
    return is_open and bool(entries) and all(isinstance(value, kind) for _, value in entries)  # type: ignore[arg-type]


def _by_key(item: t.Type, key: str, rows: object) -> dict[Hashable, object]:
    """The items of a list by their key; those that share one are told apart by their order."""
    found: dict[Hashable, object] = {}
    counts: dict[Hashable, int] = {}
    record = item.item if isinstance(item, t.Optional) else item
    own = next((f.type for f in record.fields if f.name == key), None) if isinstance(record, t.Record) else None
    for row in rows if isinstance(rows, list | tuple) else ():
        value = _mapping(row).get(key, ABSENT)
        name: Hashable = _json_key(value, True) if own is None else answers.coerce(own, value)[1]
        counts[name] = counts.get(name, 0) + 1
        found[name, counts[name]] = row
    return found


def _json_key(value: object, ordered: bool) -> str:
    return "absent" if value is ABSENT else answers.json_key(value, ordered=ordered)


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}
