"""Candidates and pools: what stages pass to each other.

A pool is an ordered tuple of candidates. Stages never change one in place; they give a new pool whose
candidates carry more facets. Selection rules (`runtime/strategies`) are pure functions over these.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import field, replace

from ttscale.compiler.frozen import dataclass
from ttscale.compiler.types import Type


@dataclass(frozen=True, slots=True)
class Candidate:
    """One sampled answer with everything known about it.

    `answer` is the value read from `text` (None: unreadable); `key` its equality class's canonical form, None when
    unreadable: candidates vote together when their keys are equal (types with a looser equality group by comparing,
    see `runtime.answers`). `logprob_mean`/`logprob_sum` are natural logs over its own tokens, None when unknown.
    `finish` is stop, length, cancelled, failed or cut (the budget shortened or refused it). `scores` keeps insertion
    order: the last one is what a bare `score` means. `rank` counts from 1. `stage`, `model`, `prompt`, `series`,
    `index` say where it came from. `token_logprobs` are those of its tokens one by one, thoughts among them;
    `token_confidences` the negative mean log-probabilities of the likeliest tokens at each place. Both are empty where
    they are not known. `parents` are the candidates that a vote by fields put this one together from, or the one of
    which this is a revision. `tests` says which tests a program passed, in one order for all candidates of a pool, and
    `outputs` what its functions gave in each of them, as texts that are equal where the values are ("" where nothing
    was seen). `reasoning_logprob` is the mean of `token_logprobs` before the sentence that marks the answer.
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
    token_logprobs: tuple[float, ...] = ()
    token_confidences: tuple[float, ...] = ()
    parents: tuple[Candidate, ...] = ()
    tests: tuple[bool, ...] = ()
    outputs: tuple[str, ...] = ()
    reasoning_logprob: float | None = None

    @property
    def is_readable(self) -> bool:
        """Whether an answer could be read."""
        return self.key is not None


@dataclass(frozen=True, slots=True)
class Comparison:
    """A verdict on two candidates by their positions in the pool.

    `share` is how probable it is that the first is better, in [0, 1] (1 or 0 for a plain verdict); `first` is the one
    that was shown first. `judge` names who judged, `weight` is how much the verdict counts.
    """

    first: int
    second: int
    share: float
    judge: str = ""
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Pool:
    """An ordered tuple of candidates whose answers read as `type`; `comparisons` are verdicts on pairs of them.

    `counts` says of a pool that a `map` gave how many candidates, in order, are of each item; else it is empty.
    """

    candidates: tuple[Candidate, ...]
    type: Type
    comparisons: tuple[Comparison, ...] = ()
    counts: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.candidates)

    def __iter__(self) -> Iterator[Candidate]:
        return iter(self.candidates)

    def part(self, kept: Sequence[int]) -> Pool:
        """The candidates at these positions, in this order, with the comparisons that are between them."""
        places = {old: new for new, old in enumerate(kept)}
        between = tuple(
            replace(one, first=places[one.first], second=places[one.second])
            for one in self.comparisons
            if one.first in places and one.second in places
        )
        return Pool(tuple(self.candidates[i] for i in kept), self.type, between)

    @property
    def readable(self) -> tuple[Candidate, ...]:
        """The candidates whose answer could be read, in order."""
        return tuple(c for c in self.candidates if c.is_readable)
