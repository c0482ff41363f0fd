"""What a study has tried, as all parts of a search see it, and which of it nothing else beats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Outcome = Literal["done", "pruned", "failed", "running"]


@dataclass(frozen=True)
class Tried:
    """One trial: `values` are the means of the goals over the questions asked, in their order; None without any."""

    number: int
    assignment: Mapping[str, object]
    outcome: Outcome
    values: tuple[float, ...] | None = None
    questions: int = 0
    tokens: int = 0
    why: str = ""

    @property
    def key(self) -> tuple[tuple[str, object], ...]:
        """What tells it from a trial of another pipeline."""
        return tuple(self.assignment.items())


def signed(values: Sequence[float], directions: Sequence[bool]) -> tuple[float, ...]:
    """Values of which more is better throughout; `directions` say where that was so already."""
    return tuple(value if more else -value for value, more in zip(values, directions, strict=True))


def beats(one: Sequence[float], other: Sequence[float]) -> bool:
    """Whether the first is at least as good throughout and better somewhere (both signed)."""
    return all(a >= b for a, b in zip(one, other, strict=True)) and any(
        a > b for a, b in zip(one, other, strict=True)
    )  # fmt: skip


def front(history: Sequence[Tried], directions: Sequence[bool]) -> list[Tried]:
    """The finished trials that no other one beats, best in the first goal first; of equals the earliest."""
    done = [(signed(t.values, directions), t) for t in history if t.outcome == "done" and t.values is not None]
    done.sort(key=lambda pair: (tuple(-v for v in pair[0]), pair[1].number))
    kept: list[tuple[tuple[float, ...], Tried]] = []
    for values, tried in done:
        # Whoever beats it, or is its equal, comes before it; and of those that are beaten some kept one beats them too.
        if not any(other == values or beats(other, values) for other, _ in kept):
            kept.append((values, tried))
    return [tried for _, tried in kept]
