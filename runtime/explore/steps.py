"""Where a step ends: the texts that stop a call, the boundary put back after it, and whether the answer is over.

paragraph  a blank line            line  one line             sentence  . ! ? and a space or the end of a line
code       a fence of three marks  tokens  nothing: a step is as long as its tokens

A paragraph or sentence that repeats the one before says nothing new and ends the answer; lines, blocks of code and
pieces of a few tokens may be alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ttscale.runtime.engines.base import Completion

BOUNDARIES: dict[str, tuple[str, ...]] = {
    "paragraph": ("\n\n",),
    "line": ("\n",),
    "sentence": (". ", "! ", "? ", ".\n", "!\n", "?\n", "\n\n"),
    "code": ("\n```\n",),
    "tokens": (),
}


@dataclass(frozen=True, slots=True)
class Boundaries:
    """The texts that end a step, those that end the answer, and marks of an answer whose step is its last."""

    step: tuple[str, ...]
    answer: tuple[str, ...] = ()
    final: tuple[str, ...] = ()
    repeats_end: bool = True

    @property
    def stops(self) -> tuple[str, ...]:
        """All texts that end a call, each once."""
        return tuple(dict.fromkeys((*self.step, *self.answer)))

    def unfinished(self, before: str) -> str:
        """What stands behind the last end of a step: the beginning of a step that its tokens cut."""
        return before[max((at + len(mark) for mark in self.step if (at := before.rfind(mark)) >= 0), default=0) :]


@dataclass(frozen=True, slots=True)
class Step:
    """A step with the boundary that ended it; `is_last` says that the answer is over with it.

    `is_full` says that nothing can follow for want of room, though the answer is not over.
    """

    text: str
    is_last: bool
    is_full: bool = False


def boundaries(kind: str, separators: Sequence[str], stop: Sequence[str], final: Sequence[str]) -> Boundaries:
    """The boundaries of a kind of step; separators of one's own take the place of the kind's."""
    own = tuple(text for text in separators if text)
    repeats_end = not own and kind in ("paragraph", "sentence")
    return Boundaries(own or BOUNDARIES[kind], tuple(t for t in stop if t), tuple(t for t in final if t), repeats_end)


def step_of(completion: Completion, bounds: Boundaries, limit: int, before: str = "") -> Step:
    """What a completion of at most `limit` tokens, written after `before`, is as a step.

    A mark of a final answer ends it with the step that has the mark. Where tokens cut that step, the step goes on: to
    its boundary, or until a line that follows the mark is whole. Where an engine does not say what ended it (`beyond`
    is None), a stop is taken for the first boundary, and an empty text for the end of the answer.
    """
    text = completion.text
    said = bounds.unfinished(before) + text
    marked = any(mark in said for mark in bounds.final)
    if completion.finish == "length":
        is_full = completion.new_tokens < limit  # the model's context, or the budget, was full before
        return Step(text, marked and _has_line(said, bounds.final), is_full)
    beyond = completion.beyond
    if beyond is None:
        is_over = not bounds.step or not text.strip()
        return Step(text + (bounds.step[0] if bounds.step else ""), marked or is_over)
    if any(beyond.startswith(mark) for mark in bounds.answer):
        return Step(text, True)
    ended = next((mark for mark in bounds.step if beyond.startswith(mark)), None)
    return Step(text, True) if ended is None else Step(text + ended, marked)


def _has_line(said: str, marks: Sequence[str]) -> bool:
    """Whether a line that is not blank ends behind a mark."""
    tails = (said.partition(mark)[2].lstrip() for mark in marks if mark in said)
    return any("\n" in tail for tail in tails)
