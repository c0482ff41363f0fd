"""Candidates and pools: what stages pass to each other.

A pool is an ordered tuple of candidates. Stages never change one in place; they give a new pool whose
candidates carry more facets. Selection rules (`runtime/strategies`) are pure functions over these.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field

from ttscale.compiler.types import Type


@dataclass(frozen=True, slots=True)
class Candidate:
    """One sampled answer with everything known about it.

    `answer` is the value read from `text` (None: unreadable); `key` its equality class's canonical form, None when
    unreadable: candidates vote together when their keys are equal (types with a looser equality group by comparing,
    see `runtime.answers`). `logprob_mean`/`logprob_sum` are natural logs over its own tokens, None when unknown.
    `finish` is stop, length, cancelled, failed or cut (the budget shortened or refused it). `scores` keeps insertion
    order: the last one is what a bare `score` means. `rank` counts from 1. `stage`, `model`, `prompt`, `series`,
    `index` say where it came from.
    """

    text: str
    answer: object = None
    key: Hashable = None
    thoughts: str = ""
    stage: str = ""
    model: str = ""
    prompt: str = ""
    series: int = 0
    index: int = 0
    tokens: int = 0
    logprob_mean: float | None = None
    logprob_sum: float | None = None
    finish: str = "stop"
    scores: Mapping[str, float] = field(default_factory=dict)
    critique: str | None = None
    verified: bool | None = None
    rank: int | None = None
    step_scores: tuple[float, ...] = ()
    error: str = ""

    @property
    def is_readable(self) -> bool:
        """Whether an answer could be read."""
        return self.key is not None


@dataclass(frozen=True, slots=True)
class Pool:
    """An ordered tuple of candidates whose answers read as `type`."""

    candidates: tuple[Candidate, ...]
    type: Type

    def __len__(self) -> int:
        return len(self.candidates)

    def __iter__(self) -> Iterator[Candidate]:
        return iter(self.candidates)

    @property
    def readable(self) -> tuple[Candidate, ...]:
        """The candidates whose answer could be read, in order."""
        return tuple(c for c in self.candidates if c.is_readable)
