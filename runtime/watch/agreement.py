"""Sub-answers in a line of thought: its segments, what each says, and whether the latest ones agree (TrimR)."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Sequence
from pathlib import Path

from ttscale.compiler.types import Type
from ttscale.runtime.answers import read_reply
from ttscale.runtime.answers.markers import tails

Reader = Callable[[str], Hashable]
"""The key of the answer that a text gives, None where it gives none."""

_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")


def reader_of(type_: Type, *, marked: bool, sentences: int, folder: Path | None = None) -> Reader:
    """Reads the last `sentences` of a text (0: all of it); with `marked` only where it says that this is the answer.

    Each text is read once.
    """
    known: dict[str, Hashable] = {}

    def key_of(text: str) -> Hashable:
        if text not in known:
            part = last_sentences(text, sentences)
            plain = marked and next(tails(part), None) is None
            known[text] = None if plain else read_reply(type_, "", part, folder=folder)[1]
        return known[text]

    return key_of


def last_sentences(text: str, count: int) -> str:
    """The last so many sentences of a text; all of it where `count` is 0."""
    if not count:
        return text
    ends = [match.end() for match in _SENTENCE.finditer(text.rstrip())]
    return text[ends[-count] :] if len(ends) >= count else text


def segments(text: str, marks: Sequence[str]) -> tuple[str, ...]:
    """The parts of a text that a mark has ended, in order; what comes after the last mark is not over yet."""
    wanted = [mark for mark in marks if mark]
    if not wanted:
        return ()
    pattern = "|".join(re.escape(mark) for mark in sorted(wanted, key=len, reverse=True))
    return tuple(re.split(pattern, text)[:-1])


def agreed_after(has_answer: Sequence[bool], equivalent: Sequence[bool], needed: int) -> int | None:
    """The segment after which thinking may stop; None where it may not.

    TrimR (Lin et al. 2025), Algorithm 1: a counter of segments whose answer equals that of the last segment with one;
    a different answer sets it back to 0, a segment without an answer leaves it as it is; at `needed` it stops, so
    `needed` 2 means three that agree. `equivalent[i]` is about segment i and the last one before it with an answer.
    """
    count = 0
    for place, (answered, equal) in enumerate(zip(has_answer, equivalent, strict=True)):
        if answered:
            count = count + 1 if equal else 0
            if count >= needed:
                return place
    return None


def agreed(keys: Sequence[Hashable], needed: int) -> int | None:
    """As `agreed_after`, for the answers themselves, None where a segment has none."""
    equivalent: list[bool] = []
    last: Hashable = None
    for key in keys:
        equivalent.append(key is not None and key == last)
        last = last if key is None else key
    return agreed_after([key is not None for key in keys], equivalent, needed)
