"""Which columns of a table a task is about: the one that asks, and the one or ones with the right answers.

    choose(rows)                                    # Columns(("message",), ("label",))
    choose(rows, inputs=("subject", "body"))        # what is given is taken, the rest is found

Names are looked at first (`label`, `answer`, `question`, `text`, …), then lengths: the column with the longest texts
asks. Where two columns are as likely, `Unclear` says which, so that the user can be asked or told which flag to use.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean

Row = Mapping[str, object]

GOLD_NAMES = (
    *("answer", "gold", "label", "labels", "class", "category", "target", "expected", "output", "result", "solution"),
    *("intent", "sentiment", "topic", "y", "truth", "reference", "correct", "correct_answer", "gold_answer", "verdict"),
)
INPUT_NAMES = (
    *("question", "text", "input", "prompt", "message", "review", "sentence", "document", "letter", "email", "mail"),
    *("problem", "body", "comment", "query", "content", "note", "ticket", "instruction", "description", "title"),
)
BESIDE_NAMES = frozenset(
    {*("context", "passage", "paragraph", "article", "options", "choices", "premises"), *("a", "b", "c", "d", "e")}
)
"""What stands beside a question and is asked with it: a text that it is about, or the options."""
ID_NAMES = frozenset({"id", "idx", "index", "no", "nr", "number", "row", "row_id", "key", "uuid", "guid", "#", ""})
SURELY_LONGER = 2.0
"""How many times as long as any other column's the texts of the one that asks are, where only lengths tell."""


class Unclear(Exception):
    """What is asked (`input` or `gold`) cannot be told; `among` are the columns that may be it."""

    def __init__(self, what: str, among: Sequence[str], why: str) -> None:
        super().__init__(why)
        self.what = what
        self.among = tuple(among)


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns that ask, and those that have the right answers: one, or the fields of a record."""

    inputs: tuple[str, ...]
    golds: tuple[str, ...]


def choose(rows: Sequence[Row], inputs: Sequence[str] = (), golds: Sequence[str] = ()) -> Columns:
    """The columns of a task; those given are taken as they are. Raises Unclear."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    for what, given in (("input", inputs), ("gold", golds)):
        for name in given:
            if name not in names:
                raise Unclear(what, names, f"there is no column `{name}`")
    free = [name for name in names if name not in (*inputs, *golds) and not _is_id(name, rows)]
    if not golds:
        golds = _golds(free, rows, inputs)
        free = [name for name in free if name not in golds]
    if not inputs:
        inputs = _inputs(free, rows)
    return Columns(tuple(inputs), tuple(golds))


def _golds(free: Sequence[str], rows: Sequence[Row], inputs: Sequence[str]) -> tuple[str, ...]:
    named = [name for wanted in GOLD_NAMES for name in free if name.strip().lower() == wanted]
    if named:
        return (named[0],)
    asking = list(inputs) or [name for name in _longest(free, rows)[:1]]
    rest = [name for name in free if name not in asking]
    if not rest:
        raise Unclear("gold", free, "one column alone has no right answers")
    if inputs or (asking and _is_clear(asking[0], free, rows)):
        return tuple(rest)
    raise Unclear("gold", free, "no column is called `answer` or `label`, and no column's texts are much the longest")


def _inputs(free: Sequence[str], rows: Sequence[Row]) -> tuple[str, ...]:
    if not free:
        raise Unclear("input", (), "no column is left that asks")
    if len(free) == 1:
        return (free[0],)
    named = [name for wanted in INPUT_NAMES for name in free if name.strip().lower() == wanted]
    if len(named) == 1:
        beside = [name for name in free if name.strip().lower() in BESIDE_NAMES]
        return (named[0], *beside)
    longest = _longest(named or free, rows)
    if _is_clear(longest[0], named or free, rows):
        return (longest[0],)
    raise Unclear("input", longest, "several columns may be what is asked")


def _longest(names: Sequence[str], rows: Sequence[Row]) -> list[str]:
    return sorted(names, key=lambda name: -_length(name, rows))


def _is_clear(name: str, among: Sequence[str], rows: Sequence[Row]) -> bool:
    others = [_length(other, rows) for other in among if other != name]
    return not others or _length(name, rows) >= SURELY_LONGER * max(others)


def _length(name: str, rows: Sequence[Row]) -> float:
    """The mean length of a column's values as text."""
    return mean([len(str(row.get(name) or "")) for row in rows] or [0])


def _is_id(name: str, rows: Sequence[Row]) -> bool:
    """Whether a column only names rows: by its name, and with another value in each."""
    if name.strip().lower() not in ID_NAMES:
        return False
    values = [str(row.get(name)) for row in rows]
    return len(set(values)) == len(values)
