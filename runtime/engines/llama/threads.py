"""How many threads compute the next call: all, or fewer where another program takes cores.

llama.cpp's threads meet at a barrier after every operation, hundreds of times a call. On a quiet machine they should
spin there, which is fastest. Where another program keeps one core busy, each barrier waits for the thread that has
been put aside, and two threads may be four times slower than one (measured: 10 against 43 tokens a second, 16
sequences of a 135M model on two cores), or hundreds of times, where the others have a higher priority. So calls are
timed, and now and then another number of threads is tried, once only where that is much slower: one less, or half of
them, as where two models share the machine. A try that was slow is not made again before twenty times as long has been
computed, since one call may then take as long as thousands. Fewer are tried ever more seldom while the load says that
nobody else wants a core, unless a call has taken much longer than those before it. Where the machine is busy from the
start, the first call has one thread less; more are not tried while the load says that no core is free, and at once when
it has fallen. Pure: the caller measures.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median

KEPT = 5
FIRST_PROBE = 6
PROBE_CALLS = 3
SOONEST = 48
LATEST = 768
BETTER = 0.85
SLOW = 2.0
WORSE = 1.3  # one call with fewer threads that took so much longer is enough to know
METER_CALLS = 16
SPARE = 0.5  # of a core: so much of the load may be others', for the cores to count as free
WORTH = 20  # a slow try is made again after so many times what it lost


@dataclass(slots=True)
class _Size:
    """What is known of calls of about one number of rows: seconds a row, by number of threads."""

    seconds: dict[int, deque[float]]
    current: int
    target: int
    probing: int = 0
    wait: int = FIRST_PROBE
    pause: int = SOONEST
    slowed: bool = False  # a call took far longer than those before it


def levels(most: int) -> tuple[int, ...]:
    """The numbers of threads that are chosen from, the largest first."""
    return tuple(sorted({most, max(1, most - 1), max(1, most // 2)}, reverse=True))


@dataclass(slots=True)
class ThreadChoice:
    """Chooses among `levels(most)`, for each order of magnitude of rows on its own, so for prompts and samples apart.

    `adapts` False always gives `most`: what a user wrote is kept. `busy` says that others use all cores at the start.
    `meter` tells how many programs want to compute, our threads among them, as the system's load.
    """

    most: int
    adapts: bool = True
    busy: bool = False
    meter: Callable[[], float] | None = None
    _sizes: dict[int, _Size] = field(default_factory=dict)
    _calls: int = 0
    _was_free: bool = True
    _debt: float = 0.0  # seconds to be computed before anything is tried again

    def choose(self, rows: int) -> int:
        """Threads for a call of `rows` rows."""
        if self.most < 2 or not self.adapts:
            return self.most
        size = self._size(rows)
        return size.target if size.probing else size.current

    def observe(self, rows: int, threads: int, seconds: float) -> None:
        """Learn from a call that took `seconds` with `threads` threads."""
        if self.most < 2 or not self.adapts or rows < 1:
            return
        size = self._size(rows)
        known = size.seconds[threads]
        cost = seconds / rows
        slowed = threads == size.current and len(known) == KEPT and cost > SLOW * median(known)
        known.append(cost)
        self._look(size)
        if size.probing:
            size.probing -= 1
            self._debt += WORTH * max(0.0, seconds - rows * median(size.seconds[size.current]))
            if cost > (SLOW if size.target > size.current else WORSE) * median(size.seconds[size.current]):
                size.probing = 0
            if not size.probing:
                self._decide(size)
            return
        self._debt = max(0.0, self._debt - seconds)
        size.wait -= 1
        if slowed:
            size.slowed = True
            size.pause = SOONEST
            size.wait = min(size.wait, 2)
        if size.wait <= 0 and not self._debt:
            self._try(size)

    def _try(self, size: _Size) -> None:
        """Begin to try another number, unless the load says that it cannot be better."""
        load = self.meter() if self.meter is not None else None
        if load is not None and size.target > size.current and load >= self.most + SPARE:
            fewer = [count for count in self._others(size.current) if count < size.current]
            if not fewer:
                size.wait = SOONEST  # no core is free
                return
            size.target = fewer[0]
        if load is not None and size.target < size.current and load <= size.current + SPARE:
            tried = size.pause >= SOONEST << (len(levels(self.most)) - 1)  # each of the others
            if tried and not size.slowed and size.pause < LATEST:
                size.wait = size.pause = min(2 * size.pause, LATEST)  # nobody else wants a core
                return
        size.slowed = False
        size.probing = PROBE_CALLS
        size.seconds[size.target].clear()

    def _look(self, current: _Size) -> None:
        """Try more threads soon, for every size that has fewer, once the cores have become free."""
        self._calls += 1
        if self.meter is None or self._calls % METER_CALLS:
            return
        is_free = self.meter() <= current.current + SPARE
        if is_free and not self._was_free:
            self._debt = 0.0
            for size in self._sizes.values():
                if size.current < self.most:
                    size.probing = 0  # what was being tried would be judged by another number's calls
                    size.target, size.wait, size.pause = self.most, min(size.wait, 1), SOONEST
        self._was_free = is_free

    def _decide(self, size: _Size) -> None:
        """Keep to the better of two numbers; another one is tried next, the nearest first."""
        tried = size.target
        if median(size.seconds[tried]) < BETTER * median(size.seconds[size.current]):
            size.current = tried
            size.pause = SOONEST
            size.target = self._others(size.current)[0]
        else:
            size.pause = min(2 * size.pause, LATEST)
            others = self._others(size.current)
            size.target = others[(others.index(tried) + 1) % len(others)]
        size.wait = size.pause

    def _others(self, current: int) -> list[int]:
        """The other numbers, the nearest first."""
        return sorted((level for level in levels(self.most) if level != current), key=lambda n: (abs(n - current), -n))

    def _size(self, rows: int) -> _Size:
        key = rows.bit_length()
        found = self._sizes.get(key)
        if found is None:
            # A size seen for the first time begins with what the nearest one has found.
            nearest = min(self._sizes, key=lambda k: abs(k - key), default=None)
            current = self._sizes[nearest].current if nearest is not None else self.most - self.busy
            empty: dict[int, deque[float]] = {count: deque(maxlen=KEPT) for count in levels(self.most)}
            found = self._sizes[key] = _Size(empty, current, self._others(current)[0])
            if nearest is not None and self._sizes[nearest].pause > SOONEST:  # another number was no better there
                found.wait = found.pause = self._sizes[nearest].pause
        return found
