"""What right answers are, told from examples of them: labels, yes or no, numbers, records, short or long texts.

kind_of(["refund", "bug", "refund", …])         # Kind("choice", labels=("bug", "refund"))
kind_of([{"vendor": "Acme", "total": 90}, …])   # Kind("record", fields=(Field("vendor", "Text", False), …))
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Literal

Name = Literal["choice", "bool", "number", "text", "record"]
NAMES: tuple[Name, ...] = ("choice", "bool", "number", "text", "record")
MOST_LABELS = 30
LONGEST_LABEL = 40
FEW_VALUES = 12
"""Up to so many different texts are labels even where each is rare."""
LONG = 12.0
"""Mean words of an answer from which on it is a text to be compared by its words, and not by equality."""
YES_NO = frozenset({"yes", "no", "true", "false"})
_NUMBER = re.compile(r"[-+]?(\d{1,3}(,\d{3})+|\d+)(\.\d+)?%?|[-+]?\.\d+")


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a record: its name in the data, its type in the language, and whether it may be missing."""

    name: str
    type: Literal["Text", "Number", "Bool", "[Text]"]
    optional: bool


@dataclass(frozen=True, slots=True)
class Kind:
    """The kind of answer: `labels` of a choice, most frequent first, `fields` of a record, `longest` in characters.

    `words` is the mean number of words of a text.
    """

    name: Name
    labels: tuple[str, ...] = ()
    fields: tuple[Field, ...] = ()
    longest: int = 0
    words: float = 0.0

    @property
    def said(self) -> str:
        """In words."""
        match self.name:
            case "choice":
                shown = ", ".join(self.labels[:6]) + (", …" if len(self.labels) > 6 else "")
                return f"one of {len(self.labels)} labels ({shown})"
            case "record":
                return f"a record with {', '.join(field.name for field in self.fields)}"
            case "bool":
                return "yes or no"
            case "number":
                return "a number"
            case _:
                return "a short text" if self.words < LONG else "a text of some length"


class NoKind(Exception):
    """Answers that are not of the kind that was asked for; the message says which one."""


def kind_of(values: Sequence[object], wanted: str = "") -> Kind:
    """The kind of some right answers; `wanted` is one of NAMES, to be sure. Raises NoKind."""
    known = [value for value in values if not is_missing(value)]
    if not known:
        raise NoKind("the column has no right answers")
    longest = max(len(text_of(value)) for value in known)
    records = [record_of(value) for value in known]
    if wanted == "record" or (not wanted and all(record is not None for record in records)):
        return Kind("record", fields=fields_of(records), longest=longest)
    texts = [text_of(value) for value in known]
    counts = Counter(texts)
    words = mean(len(text.split()) for text in texts)
    if wanted == "bool" or (not wanted and {text.lower() for text in texts} <= YES_NO and len(counts) <= 4):
        if not {text.lower() for text in texts} <= YES_NO:
            other = next(text for text in texts if text.lower() not in YES_NO)
            raise NoKind(f"`{other}` is neither yes nor no")
        return Kind("bool", longest=longest)
    if wanted == "number" or (not wanted and all(is_number(text) for text in texts)):
        if not all(is_number(text) for text in texts):
            raise NoKind(f"`{next(text for text in texts if not is_number(text))}` is no number")
        return Kind("number", longest=longest)
    if wanted == "choice" or (not wanted and _are_labels(counts)):
        if len(counts) > MOST_LABELS or longest > 2 * LONGEST_LABEL:
            raise NoKind(f"{len(counts)} different answers of up to {longest} characters are no labels")
        return Kind("choice", tuple(label for label, _ in counts.most_common()), longest=longest)
    return Kind("text", longest=longest, words=words)


def _are_labels(counts: Counter[str]) -> bool:
    """Whether texts come back so often that they are labels."""
    short = all(len(text) <= LONGEST_LABEL and "\n" not in text for text in counts)
    total = sum(counts.values())
    return short and 1 < len(counts) <= MOST_LABELS and len(counts) <= max(total / 3, min(FEW_VALUES, total / 2))


def is_missing(value: object) -> bool:
    """Whether a cell has nothing."""
    return value is None or (isinstance(value, str) and not value.strip())


def text_of(value: object) -> str:
    """A cell as text."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping | list):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def is_number(text: str) -> bool:
    """Whether a text is a number and nothing else; a currency sign before it does not matter."""
    return bool(_NUMBER.fullmatch(text.strip().lstrip("$€£ ")))


def record_of(value: object) -> Mapping[str, object] | None:
    """A record, or the one that a text holds as JSON; None for anything else."""
    if isinstance(value, str) and value.lstrip().startswith("{"):
        try:
            value = json.loads(value)
        except ValueError:
            return None
    return value if isinstance(value, Mapping) and value else None


def fields_of(records: Sequence[Mapping[str, object] | None]) -> tuple[Field, ...]:
    """The fields of records by name, with the types that all their values have. Raises NoKind."""
    whole = [record for record in records if record is not None]
    if len(whole) < len(records) or not whole:
        raise NoKind("some answers are no records")
    names = dict.fromkeys(name for record in whole for name in record)
    return tuple(field_of(name, [record.get(name) for record in whole]) for name in names)


def field_of(name: str, values: Sequence[object]) -> Field:
    """One field from its values."""
    known = [value for value in values if not is_missing(value)]
    optional = len(known) < len(values)
    if known and all(isinstance(value, bool) for value in known):
        return Field(name, "Bool", optional)
    if known and all(isinstance(value, list) for value in known):
        return Field(name, "[Text]", optional)
    if known and all(is_number(text_of(value)) for value in known) and not _are_codes(known):
        return Field(name, "Number", optional)
    return Field(name, "Text", optional)


def _are_codes(values: Sequence[object]) -> bool:
    """Whether digits are a name and not a number: some begin with 0."""
    return any(re.match(r"0\d", text_of(value)) for value in values)
