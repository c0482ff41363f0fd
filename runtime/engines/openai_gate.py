"""How many samples are under way at once: fewer when a server says that it is too much, more again while all goes well.

Additive increase, multiplicative decrease (Chiu and Jain 1989): a refusal halves the limit, once for all calls that
were under way when it came; as many good answers as the limit raise it by one, up to the most that was asked for.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import TracebackType


class Gate:
    """A limit on samples at once that adapts, in the order of asking; used from one event loop.

    `async with gate` holds one place, `async with gate.places(4)` four; a call that wants more than the limit goes
    alone.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.limit = most
        self.running = 0
        self._good = 0
        self._round = 0
        self._waiting: deque[tuple[asyncio.Future[None], int]] = deque()

    @asynccontextmanager
    async def places(self, count: int) -> AsyncIterator[int]:
        """Hold so many places; the number of the round that the call belongs to, for `refused`."""
        begun = await self._enter(count)
        try:
            yield begun
        finally:
            self._leave(count)

    async def __aenter__(self) -> int:
        """Wait for a place; the number of the round that the call belongs to, for `refused`."""
        return await self._enter(1)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave(1)

    async def _enter(self, count: int) -> int:
        if not self._waiting and self._fits(count):
            self.running += count
            return self._round
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append((turn, count))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._leave(count)  # the turn had come: somebody else takes it
            else:
                self._waiting.remove((turn, count))
                self._wake()
            raise
        return self._round

    def _leave(self, count: int) -> None:
        self.running -= count
        self._wake()

    def _fits(self, count: int) -> bool:
        return self.running == 0 or self.running + count <= self.limit

    def answered(self, count: int = 1) -> None:
        """So many samples came as they should."""
        self._good += count
        if self._good >= self.limit and self.limit < self.most:
            self.limit += 1
            self._good = 0
            self._wake()

    def refused(self, begun: int) -> None:
        """The server had too much to do; calls of a round that has been answered for already change nothing."""
        if begun == self._round:
            self._round += 1
            self._good = 0
            self.limit = max(1, self.limit // 2)

    def _wake(self) -> None:
        """Give free places to those who wait, in order; they hold them from now on."""
        while self._waiting and self._fits(self._waiting[0][1]):
            turn, count = self._waiting.popleft()
            self.running += count
            turn.set_result(None)
