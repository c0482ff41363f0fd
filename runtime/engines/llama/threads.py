"""How many threads compute the next call: all, or one less where another program takes a core.

llama.cpp's threads meet at a barrier after every operation, hundreds of times a call. On a quiet machine they should
spin there, which is fastest. Where another program keeps one core busy, each barrier waits for the thread that has
been put aside, and two threads may be four times slower than one (measured: 10 against 43 tokens a second, 16
sequences of a 135M model on two cores), or hundreds of times, where the others have a higher priority. So calls are
timed, and now and then the other number of threads is tried, once only where that is much slower. Where the machine
is busy from the start, the first call has one thread less. Pure: the caller measures.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from statistics import median

KEPT = 5
FIRST_PROBE = 6
PROBE_CALLS = 3
SOONEST = 48
LATEST = 768
BETTER = 0.85
SLOW = 2.0


@dataclass(slots=True)
class _Size:
    """What is known of calls of about one number of rows: seconds a row, by number of threads."""

    seconds: dict[int, deque[float]]
    current: int
    probing: int = 0
    wait: int = FIRST_PROBE
    pause: int = SOONEST


@dataclass(slots=True)
class ThreadChoice:
    """Chooses between `most` threads and one less, for each order of magnitude of rows on its own.

    `adapts` False always gives `most`: what a user wrote is kept. `busy` says that others use all cores at the start.
    """

    most: int
    adapts: bool = True
    busy: bool = False
    _sizes: dict[int, _Size] = field(default_factory=dict)

    def choose(self, rows: int) -> int:
        """Threads for a call of `rows` rows."""
        if self.most < 2 or not self.adapts:
            return self.most
        size = self._size(rows)
        return self._other(size) if size.probing else size.current

    def observe(self, rows: int, threads: int, seconds: float) -> None:
        """Learn from a call that took `seconds` with `threads` threads."""
        if self.most < 2 or not self.adapts or rows < 1:
            return
        size = self._size(rows)
        known = size.seconds[threads]
        cost = seconds / rows
        slowed = threads == size.current and len(known) == KEPT and cost > SLOW * median(known)
        known.append(cost)
        if size.probing:
            size.probing -= 1
            if cost > SLOW * median(size.seconds[size.current]):
                size.probing = 0
            if not size.probing:
                self._decide(size)
            return
        size.wait -= 1
        if slowed:
            size.pause = SOONEST
            size.wait = min(size.wait, 2)
        if size.wait <= 0:
            size.probing = PROBE_CALLS
            size.seconds[self._other(size)].clear()

    def _decide(self, size: _Size) -> None:
        other = self._other(size)
        if median(size.seconds[other]) < BETTER * median(size.seconds[size.current]):
            size.current = other
            size.pause = SOONEST
        else:
            size.pause = min(2 * size.pause, LATEST)
        size.wait = size.pause

    def _other(self, size: _Size) -> int:
        return self.most - 1 if size.current == self.most else self.most

    def _size(self, rows: int) -> _Size:
        key = rows.bit_length()
        found = self._sizes.get(key)
        if found is None:
            # A size seen for the first time begins with what the nearest one has found.
            nearest = min(self._sizes, key=lambda k: abs(k - key), default=None)
            current = self._sizes[nearest].current if nearest is not None else self.most - self.busy
            empty: dict[int, deque[float]] = {count: deque(maxlen=KEPT) for count in (self.most, self.most - 1)}
            found = self._sizes[key] = _Size(empty, current)
        return found
