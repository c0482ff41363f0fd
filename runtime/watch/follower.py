"""One watched sample: where it is looked at next, and what becomes of it. Pure; the engine does what it says."""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from ttscale.runtime.engines.base import Completion, Pause, Watched
from ttscale.runtime.watch.seen import Action, Seen, seen_in
from ttscale.runtime.watch.watchers import Watcher

Then = Literal["stop", "drop", "inject", "branch"]


@dataclass(frozen=True)
class Watching:
    """A watcher with what is done when it sees something, `most` times at most.

    `say` is put in; a branch makes of one sample `branches` that go on.
    """

    name: str
    watcher: Watcher
    then: Then = "stop"
    say: str = ""
    branches: int = 2
    most: int = 1


@dataclass(frozen=True, slots=True)
class Step:
    """What becomes of a sample: it is over, or goes on from its first `keep` tokens and what `event` says.

    With `closes` its open block of thoughts is ended behind that. `watching` is the place of the watcher that acts.
    """

    over: bool
    keep: int = 0
    event: Watched | None = None
    closes: bool = False
    watching: int = -1


class Follower:
    """One sample that is watched.

    It has `most` tokens at most, those that were taken back among them. `forced` is how many tokens its thoughts may
    have, None where they have no limit of their own. With `forks` False watchers branch no more.
    """

    def __init__(
        self, watchings: Sequence[Watching], most: int, *, forced: int | None = None, forks: bool = True
    ) -> None:
        self._watchings = tuple(one for one in watchings if forks or one.then != "branch")
        self._most = most
        self._forced = forced
        self._answering = False
        self._was_thinking = True
        self._past: list[list[Watched]] = [[] for _ in self._watchings]
        self.watched: list[Watched] = []

    @property
    def dropped(self) -> int:
        """Tokens that were made and taken back."""
        return sum(one.dropped for one in self.watched)

    def pause(self, tokens: int) -> Pause | None:
        """Where the sample, which has so many tokens, is looked at next; None where nobody will."""
        active = [
            (one.watcher, past)
            for one, past in zip(self._watchings, self._past, strict=True)
            if len(past) < one.most and not (self._answering and one.watcher.of_reasoning)
        ]
        marks = tuple(dict.fromkeys(mark for watcher, _ in active for mark in watcher.marks))
        places = [place for watcher, past in active if (place := watcher.next_look(tokens, past)) > tokens]
        ends = any(watcher.at_ends for watcher, _ in active)
        return Pause(marks, (min(places, default=0),), ends) if active else None

    def look(self, completion: Completion) -> Step:
        """What becomes of a sample that has paused or ended."""
        if completion.finish not in ("paused", "stop"):
            return Step(True)
        seen = seen_in(completion, self.watched, was_thinking=self._was_thinking, forced=self._forced)
        self._was_thinking = completion.thinking
        if completion.finish == "stop" and not seen.ended:
            return Step(True)  # what the call itself says ended it
        for place, (one, past) in enumerate(zip(self._watchings, self._past, strict=True)):
            if len(past) >= one.most or not self._looks(one.watcher, seen):
                continue
            action = one.watcher.look(seen, past)
            if action is not None:
                step = self._act(place, one, action, seen)
                if step is not None:
                    return step
        return Step(seen.ended, seen.tokens)

    def _looks(self, watcher: Watcher, seen: Seen) -> bool:
        if seen.ended and not watcher.at_ends:
            return False
        at_close = seen.closed and watcher.at_ends
        return not watcher.of_reasoning or (not self._answering and (seen.reasons or at_close))

    def _act(self, place: int, one: Watching, action: Action, seen: Seen) -> Step | None:
        """What an action does; None where there is no room for it."""
        event = Watched(one.name, one.then, seen.made, seen.tokens, action.cause)
        if one.then == "branch":
            event = replace(event, at=seen.tokens if action.fork is None else action.fork)
            self._note(place, event)
            return Step(False, seen.tokens)
        if one.then == "drop":
            self._note(place, event)
            return Step(True, seen.tokens)
        keep = seen.tokens if action.back is None else action.back
        event = replace(event, at=keep, said=action.say or one.say)
        if one.then == "inject":
            self._was_thinking = seen.thinking or seen.closed  # where a block was closed it is open again
            return Step(False, keep, event, watching=place)
        if seen.thinking:
            return Step(False, keep, event, True, place)
        if event.said:
            return Step(False, keep, event, watching=place)
        self._note(place, event)
        return Step(True, keep)

    def go_on(self, step: Step, tokens: int) -> bool:
        """Whether there is room to go on with so many tokens put in; if there is, that is noted."""
        event = step.event
        if event is None:
            return True
        if event.at + tokens + 1 > self._most - self.dropped - event.dropped:
            return False
        self._note(step.watching, replace(event, tokens=tokens, said=event.said if tokens else ""))
        self._answering = self._answering or event.what == "stop"
        self._was_thinking = self._was_thinking and not step.closes
        return True

    def end(self, step: Step) -> None:
        """Note that a sample was stopped with nothing put in."""
        if step.event is not None:
            self._note(step.watching, replace(step.event, said=""))

    def _note(self, place: int, event: Watched) -> None:
        if event.dropped:  # what was to fork from tokens that are gone forks from the last that stay
            kept = [replace(one, at=min(one.at, event.at)) if one.what == "branch" else one for one in self.watched]
            self.watched = kept
        self._past[place].append(event)
        self.watched.append(event)


def cut_back(completion: Completion, keep: int) -> Completion:
    """A completion that ends behind its first `keep` tokens; its thoughts stay as they are."""
    if keep >= len(completion.token_ids):
        return completion
    data, text = b"".join(completion.pieces), completion.text.encode("utf-8", "replace")
    start, end = data.rfind(text) if text else -1, len(b"".join(completion.pieces[:keep]))
    if completion.block_tokens < 0 and not completion.thinking and not completion.thoughts:
        start = 0
    left = data[start:end] if 0 <= start <= end else b""
    return replace(
        completion,
        text=codecs.getincrementaldecoder("utf-8")("replace").decode(left),
        new_tokens=keep,
        token_ids=completion.token_ids[:keep],
        logprobs=completion.logprobs[:keep],
        pieces=completion.pieces[:keep],
        top=completion.top[:keep],
        routes=None if completion.routes is None else completion.routes[:keep],
        beyond="" if completion.beyond is not None else None,
    )
