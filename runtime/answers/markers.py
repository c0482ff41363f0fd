"""Where in a model's text its final answer stands: `Answer:`, `#### x`, `\\boxed{…}`, "the answer is …".

Every search here is linear in the text: patterns repeat only bounded classes, and at most `TRIED` marks are looked
at, from the last one back, each with at most `TAIL` characters behind it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

TRIED = 24
TAIL = 600
BOX = 2_000

MarkKind = Literal["answer", "hash", "box", "phrase"]

_ANSWER = re.compile(r"(?<![A-Za-z])answer[ \t]{0,3}(?:\([^()\n]{0,20}\))?[ \t*_`]{0,6}[:：=][ \t*_`]{0,6}", re.I)
_HASH = re.compile(r"(?:^|(?<=\s))####[ \t]{0,3}", re.M)
_BOX = re.compile(r"\\(?:boxed|fbox)[ \t]{0,2}\{")
_PHRASE = re.compile(
    r"(?<![A-Za-z])answer(?:[ \t][^.:\n]{0,60}?)?[ \t](?:is|equals|would be|should be|must be)(?![a-z])[ \t:*_`]{0,6}",
    re.I,
)


@dataclass(frozen=True, slots=True)
class Tail:
    """What follows one mark: for a box its content, else the rest of the line (the next line where that is blank)."""

    kind: MarkKind
    start: int
    text: str


def tails(text: str) -> Iterator[Tail]:
    """The tails of all marks, the likeliest first: firm marks from the last back, then phrases from the last back."""
    firm = [*_lines(text, _ANSWER, "answer"), *_lines(text, _HASH, "hash"), *_boxes(text)]
    yield from sorted(firm, key=lambda tail: -tail.start)
    yield from reversed(_lines(text, _PHRASE, "phrase"))


def last_line(text: str) -> str:
    """The last line that is not blank, stripped."""
    return text.rstrip().rpartition("\n")[2].strip()


def _lines(text: str, mark: re.Pattern[str], kind: MarkKind) -> list[Tail]:
    ends = [(m.start(), m.end()) for m in mark.finditer(text)][-TRIED:]
    return [Tail(kind, start, _rest(text, end)) for start, end in ends]


def _rest(text: str, start: int) -> str:
    piece = text[start : start + TAIL]
    line, _, after = piece.partition("\n")
    if line.strip(" \t*_`$"):
        return line.strip()
    return after.strip().partition("\n")[0].strip()


def _boxes(text: str) -> list[Tail]:
    found = []
    for match in list(_BOX.finditer(text))[-TRIED:]:
        content = balanced(text, match.end())
        if content is not None:
            found.append(Tail("box", match.start(), content.strip()))
    return found


def balanced(text: str, start: int) -> str | None:
    """The text from `start` up to the brace that closes the one just before it, or None within `BOX` characters."""
    depth = 1
    for position in range(start, min(len(text), start + BOX)):
        char = text[position]
        if char == "{":
            depth += 1
        elif char == "}":
            depth -= 1
            if depth == 0:
                return text[start:position]
    return None
