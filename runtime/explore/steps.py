"""Where a step ends: the texts that stop a call, the boundary put back after it, and whether the answer is over.

paragraph  a blank line            line  one line             sentence  . ! ? and a space or the end of a line
code       a fence of three marks  tokens  nothing: a step is as long as its tokens
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

    @property
    def stops(self) -> tuple[str, ...]:
        """All texts that end a call, each once."""
        return tuple(dict.fromkeys((*self.step, *self.answer)))


@dataclass(frozen=True, slots=True)
class Step:
    """A step with the boundary that ended it; `is_last` says that the answer is over with it."""

    text: str
    is_last: bool


def boundaries(kind: str, separators: Sequence[str], stop: Sequence[str], final: Sequence[str]) -> Boundaries:
    """The boundaries of a kind of step; separators of one's own take the place of the kind's."""
    own = tuple(text for text in separators if text)
    return Boundaries(own or BOUNDARIES[kind], tuple(t for t in stop if t), tuple(t for t in final if t))


def step_of(completion: Completion, bounds: Boundaries, limit: int) -> Step:
    """What a completion of at most `limit` tokens is as a step.

    Where an engine does not say what ended it (`beyond` is None), a stop is taken for the first boundary: the next
    step is then empty if the answer was over. A mark of a final answer ends it with this step.
    """
    text = completion.text
    marked = any(mark in text for mark in bounds.final)
    if completion.finish == "length":
        full = completion.new_tokens < limit  # the model's context, or the budget, was full before
        return Step(text, marked or full)
    beyond = completion.beyond
    if beyond is None:
        return Step(text + (bounds.step[0] if bounds.step else ""), marked or not bounds.step)
    if any(beyond.startswith(mark) for mark in bounds.answer):
        return Step(text, True)
    ended = next((mark for mark in bounds.step if beyond.startswith(mark)), None)
    return Step(text, True) if ended is None else Step(text + ended, marked)
