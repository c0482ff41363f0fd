"""What each watcher looks for: pure functions of a sample so far and of what the watcher has done with it before.

Each has the texts and the number of tokens at which it wants to look, and `look`, which says what it sees.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ttscale.runtime.engines.base import Watched
from ttscale.runtime.watch.agreement import Reader, agreed, segments
from ttscale.runtime.watch.seen import Action, Seen


class Watcher(Protocol):
    """Something that looks at running samples."""

    @property
    def marks(self) -> tuple[str, ...]:
        """Texts behind which it looks."""
        ...

    @property
    def at_ends(self) -> bool:
        """Whether it looks where thoughts, and where the sample, are ended by the model."""
        ...

    @property
    def of_reasoning(self) -> bool:
        """Whether it rests once thoughts are over."""
        ...

    def next_look(self, tokens: int, past: Sequence[Watched]) -> int:
        """The number of tokens, more than there are, at which it looks; 0 for none."""
        ...

    def look(self, seen: Seen, past: Sequence[Watched]) -> Action | None:
        """What is to be done, if anything; `past` is what this watcher did with this sample."""
        ...


def following(tokens: int, every: int) -> int:
    """The next multiple of `every` above a number of tokens."""
    return (tokens // every + 1) * every


def _since(past: Sequence[Watched]) -> int:
    """From which token on a watcher looks: behind what it did last."""
    if not past:
        return 0
    return past[-1].seen if past[-1].what == "branch" else past[-1].at + past[-1].tokens


# --- repetition -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Repetition:
    """The last `window` tokens have been there `times` times, themselves included, without overlap (TrimR)."""

    window: int = 32
    times: int = 3
    marks: tuple[str, ...] = ()
    at_ends: bool = False
    of_reasoning: bool = False

    def next_look(self, tokens: int, past: Sequence[Watched]) -> int:
        """Twice in a window."""
        return following(tokens, max(1, self.window // 2))

    def look(self, seen: Seen, past: Sequence[Watched]) -> Action | None:
        """The sample is gone on from, or ends, behind the first copy."""
        found = repeated(seen.token_ids[_since(past) :], self.window, self.times)
        if found is None:
            return None
        cause = f"the last {self.window} tokens have been there {self.times} times"
        return Action(cause, _since(past) + found, _since(past) + found)


def repeated(tokens: Sequence[int], window: int, times: int) -> int | None:
    """Where the first of `times` copies of the last `window` tokens ends, looking back; None where there are fewer."""
    last = tokens[len(tokens) - window :] if len(tokens) >= window * times else ()
    if not last:
        return None
    at, copies = len(tokens) - window, 1
    end = at + window
    while copies < times:
        at -= window
        while at >= 0 and tokens[at : at + window] != last:
            at -= 1
        if at < 0:
            return None
        copies, end = copies + 1, at + window
    return end


# --- overthinking, underthinking, a stable answer --------------------------------------------------


@dataclass(frozen=True)
class Overthinking:
    """`agree` segments in a row, those without an answer not counted, gave one answer (TrimR)."""

    read: Reader
    agree: int = 3
    marks: tuple[str, ...] = ()
    at_ends: bool = False
    of_reasoning: bool = True

    def next_look(self, tokens: int, past: Sequence[Watched]) -> int:
        """Behind marks only."""
        return 0

    def look(self, seen: Seen, past: Sequence[Watched]) -> Action | None:
        """Looks at the segments that are over."""
        keys = [self.read(part) for part in segments(seen.text_from(_since(past)), self.marks)]
        if agreed(keys, self.agree - 1) is None:
            return None
        said = next(key for key in reversed(keys) if key is not None)
        return Action(f"{self.agree} segments in a row gave {said}")


@dataclass(frozen=True)
class Underthinking:
    """After `tokens` tokens, or `segments` segments, no `agree` of these in a row have given one answer (TrimR)."""

    read: Reader
    tokens: int
    segments: int | None = None
    agree: int = 3
    marks: tuple[str, ...] = ()
    at_ends: bool = False
    of_reasoning: bool = True

    def next_look(self, tokens: int, past: Sequence[Watched]) -> int:
        """Where the tokens are used up, and behind marks."""
        limit = self.tokens * (len(past) + 1)
        return limit if tokens < limit else 0

    def look(self, seen: Seen, past: Sequence[Watched]) -> Action | None:
        """Counts what has come since this watcher acted last."""
        parts = segments(seen.text_from(_since(past)), self.marks)
        used = seen.tokens >= self.tokens * (len(past) + 1)
        many = self.segments is not None and len(parts) >= self.segments
        if not (used or many) or agreed([self.read(part) for part in parts], self.agree - 1) is not None:
            return None
        limit = f"{seen.tokens} tokens" if used else f"{len(parts)} segments"
        return Action(f"no {self.agree} segments in a row gave one answer within {limit}")


@dataclass(frozen=True)
class Stable:
    """At `times` looks in a row, `every` tokens apart, the answer that is read of all so far was the same."""

    read: Reader
    times: int = 3
    every: int = 64
    marks: tuple[str, ...] = ()
    at_ends: bool = False
    of_reasoning: bool = True

    def next_look(self, tokens: int, past: Sequence[Watched]) -> int:
        """At multiples of `every`."""
        return following(tokens, self.every)

    def look(self, seen: Seen, past: Sequence[Watched]) -> Action | None:
        """Reads what there was at the latest looks."""
        last, first = seen.tokens // self.every, -(-_since(past) // self.every) + 1
        ends = range(last - self.times + 1, last + 1)
        if ends[0] < max(1, first):
            return None
        keys = {self.read(seen.text_from(0, end * self.every)) for end in ends}
        if len(keys) > 1 or None in keys:
            return None
        return Action(f"the answer was {keys.pop()} at {self.times} looks, {self.every} tokens apart")


# --- hints and triggers ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Hint:
    """Says something where thinking ends or, where there are `marks`, behind a mark (START, Hint-infer)."""

    says: tuple[str, ...]
    times: int = 1
    marks: tuple[str, ...] = ()
    of_reasoning: bool = True

    @property
    def at_ends(self) -> bool:
        """It looks at ends where it has no marks."""
        return not self.marks

    def next_look(self, tokens: int, past: Sequence[Watched]) -> int:
        """At ends or behind marks only."""
        return 0

    def look(self, seen: Seen, past: Sequence[Watched]) -> Action | None:
        """The texts take turns."""
        if len(past) >= self.times:
            return None
        if self.marks and not (seen.tokens > _since(past) and seen.has_come(self.marks)):
            return None
        if not self.marks and not seen.closed and not seen.ended:
            return None
        cause = "a mark came" if self.marks else "the thoughts ended" if seen.closed else "the answer ended"
        at = seen.block_tokens if seen.closed and not self.marks else None
        return Action(cause, at, say=self.says[len(past) % len(self.says)])


@dataclass(frozen=True)
class Deepen:
    """Asks for another look after budgets of tokens, each `factor` times the last, or where the model ends before.

    The trigger number i comes `first * factor**i` tokens after the one before (Iterative Deepening Sampling, Chen et
    al. 2025).
    """

    say: str
    first: int = 256
    factor: float = 2.0
    times: int = 3
    marks: tuple[str, ...] = ()
    at_ends: bool = True
    of_reasoning: bool = True

    def _budget(self, past: Sequence[Watched]) -> int:
        return math.ceil(self.first * self.factor ** len(past))

    def next_look(self, tokens: int, past: Sequence[Watched]) -> int:
        """Where the budget that runs now is used up."""
        return max(tokens + 1, _since(past) + self._budget(past)) if len(past) < self.times else 0

    def look(self, seen: Seen, past: Sequence[Watched]) -> Action | None:
        """Each budget begins behind the last trigger."""
        if len(past) >= self.times:
            return None
        budget = self._budget(past)
        used = seen.tokens >= _since(past) + budget
        if not (used or seen.closed or seen.ended):
            return None
        cause = f"a budget of {budget} tokens was used up" if used else f"it ended within a budget of {budget} tokens"
        return Action(cause, seen.block_tokens if seen.closed else None, say=self.say)


# --- confidence -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Confidence:
    """The mean natural-log probability of `window` drawn tokens in a row fell below `below` (DeepConf online)."""

    below: float
    window: int = 64
    marks: tuple[str, ...] = ()
    at_ends: bool = False
    of_reasoning: bool = False

    def next_look(self, tokens: int, past: Sequence[Watched]) -> int:
        """Twice in a window."""
        return following(tokens, max(1, self.window // 2))

    def look(self, seen: Seen, past: Sequence[Watched]) -> Action | None:
        """The first window that is too low; a branch goes on from where it begins."""
        start = _since(past)
        places = [place for place in seen.drawn() if place >= start]
        if len(seen.logprobs) < seen.tokens:
            return None
        values = [seen.logprobs[place] for place in places]
        low = first_below(values, self.window, self.below)
        if low is None:
            return None
        mean = math.fsum(values[low : low + self.window]) / self.window
        return Action(f"the mean log-probability of {self.window} tokens was {mean:.3f}", fork=places[low])


def first_below(values: Sequence[float], window: int, below: float) -> int | None:
    """Where the first `window` values in a row begin whose mean is less than `below`."""
    if len(values) < window:
        return None
    total = math.fsum(values[:window])
    for start in range(len(values) - window + 1):
        if start:
            total += values[start + window - 1] - values[start - 1]
        if total / window < below:
            return start
    return None
