"""Ctrl-C in two steps: the first ends the work and keeps what is done, the second ends the process at once."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

from ttscale.cli.console import err


class Interrupt:
    """A context manager around an event loop's work.

    On the first Ctrl-C `stop` is set and `said` is shown; on the second KeyboardInterrupt is raised wherever the
    process is. Outside the main thread, which gets no signals, it does nothing.
    """

    def __init__(self, said: str) -> None:
        self.stop = asyncio.Event()
        self._said = said
        self._loop = asyncio.get_running_loop()
        self._before: Callable[[int, FrameType | None], Any] | int | None = None

    @property
    def is_set(self) -> bool:
        """Whether Ctrl-C was pressed."""
        return self.stop.is_set()

    def __enter__(self) -> Interrupt:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._first)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def _first(self, _number: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        self._loop.call_soon_threadsafe(self._announce)

    def _announce(self) -> None:
        err(self._said)
        self.stop.set()
