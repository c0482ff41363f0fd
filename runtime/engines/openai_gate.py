"""How many calls run at once: fewer when a server says that it is too much, more again while all goes well.

Additive increase, multiplicative decrease (Chiu and Jain 1989): a refusal halves the limit, once for all calls that
were under way when it came; as many good answers as the limit raise it by one, up to the most that was asked for.
"""

from __future__ import annotations

import asyncio
from collections import deque
from types import TracebackType


class Gate:
    """A limit on calls at once that adapts; used as `async with gate`, from one event loop."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.limit = most
        self.running = 0
        self._good = 0
        self._round = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def __aenter__(self) -> int:
        """Wait for a place; the number of the round that the call belongs to, for `refused`."""
        while self.running >= self.limit:
            turn = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            try:
                await turn
            except asyncio.CancelledError:
                if turn in self._waiting:
                    self._waiting.remove(turn)
                else:
                    self._wake()  # the turn had come: somebody else takes it
                raise
        self.running += 1
        return self._round

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.running -= 1
        self._wake()

    def answered(self) -> None:
        """A call went well."""
        self._good += 1
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
        free = self.limit - self.running
        while self._waiting and free > 0:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                free -= 1
