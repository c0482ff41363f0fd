"""The way to a running loop: a child process, or a thread for debugging. Both look alike from outside."""

from __future__ import annotations

import contextlib
import os
import queue
import subprocess
import sys
import threading
import traceback
from collections import deque
from collections.abc import Callable
from typing import IO, Any, Protocol

from ttscale.runtime.engines.base import EngineError
from ttscale.runtime.engines.llama.messages import Failed, Inbound, Outbound
from ttscale.runtime.engines.llama.runner import Settings
from ttscale.runtime.engines.llama.worker import read_frame, write_frame

LOG_LINES = 40
CLOSE_SECONDS = 5.0
# The parent's import path is handed over, so that the child imports the same code.
BOOT = "import sys; sys.path[:] = sys.argv[1:]; from ttscale.runtime.engines.llama.worker import main; main()"

# GNU OpenMP gives up spinning early where it counts more threads than cores, as it does beside our own; llama.cpp's
# barriers are short, so threads should spin. `ThreadChoice` takes care of machines where they should not.
SPINNING = {"GOMP_SPINCOUNT": "300000"}

OnMessages = Callable[["Link", list[Outbound]], None]
OnEnd = Callable[["Link", str], None]


class Link(Protocol):
    """One run of the loop; `on_end` is called once, with what is known about the reason."""

    def send(self, message: Inbound) -> None: ...

    def close(self) -> None: ...


class ProcessLink:
    """The loop in a child process."""

    def __init__(self, settings: Settings, on_messages: OnMessages, on_end: OnEnd) -> None:
        if not sys.executable:
            raise EngineError(
                "this Python does not know its own executable, so no model process can be started",
                hint="load the model with in_process=True",
            )
        self._on_messages = on_messages
        self._on_end = on_end
        self._log: deque[str] = deque(maxlen=LOG_LINES)
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-c", BOOT, *sys.path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            # Vector operations of one row are too small for a second pool of threads, hence OPENBLAS_NUM_THREADS.
            env={**SPINNING, **os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONUTF8": "1"},
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
        assert self._process.stdin is not None
        self._inbox: IO[bytes] = self._process.stdin
        self._write(settings)
        self._errors = threading.Thread(target=self._read_log, daemon=True)
        self._errors.start()
        threading.Thread(target=self._read, daemon=True).start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def send(self, message: Inbound) -> None:
        self._write(message)

    def _write(self, value: object) -> None:
        # A broken pipe means that the child has ended: its reader thread reports that with the reason.
        with self._lock, contextlib.suppress(BrokenPipeError, OSError, ValueError):
            write_frame(self._inbox, value)

    def _read(self) -> None:
        assert self._process.stdout is not None
        try:
            while True:
                self._on_messages(self, read_frame(self._process.stdout))
        except (EOFError, OSError):
            code = self._ended()
        except Exception:  # what cannot be read must leave nobody waiting
            self._log.append(traceback.format_exc())
            self._process.kill()
            code = self._ended()
        self._errors.join(timeout=1)
        self._on_end(self, _describe_end(code, list(self._log)))

    def _ended(self) -> int:
        """The exit code of the process, which is ended where it does not end by itself."""
        try:
            return self._process.wait(CLOSE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def _read_log(self) -> None:
        assert self._process.stderr is not None
        with contextlib.suppress(OSError, ValueError):
            for line in self._process.stderr:
                self._log.append(line.decode("utf-8", "replace").rstrip())

    def close(self) -> None:
        self._write(None)
        with contextlib.suppress(OSError, ValueError):
            self._inbox.close()
        self._ended()


class ThreadLink:
    """The loop in a thread of this process: no protection from native aborts."""

    def __init__(self, settings: Settings, on_messages: OnMessages, on_end: OnEnd) -> None:
        self._settings = settings
        self._on_messages = on_messages
        self._on_end = on_end
        self._inbox: queue.SimpleQueue[Inbound] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def send(self, message: Inbound) -> None:
        self._inbox.put(message)

    def _run(self) -> None:
        from ttscale.runtime.engines.llama.loop import Loop
        from ttscale.runtime.engines.llama.weights import quiet

        reason = "it was told to stop"
        try:
            quiet()
            Loop(self._settings, lambda out: self._on_messages(self, out)).serve(self._inbox)
        except EngineError as error:
            self._on_messages(self, [Failed(error)])
        except Exception:
            reason = traceback.format_exc()
        self._on_end(self, reason)

    def close(self) -> None:
        self._inbox.put(None)
        self._thread.join(CLOSE_SECONDS)


def _describe_end(code: int, log: list[str]) -> str:
    how = f"signal {-code}" if code < 0 else f"exit code {code}"
    tail = "\n".join(line for line in log if line)[-2000:]
    return f"{how}; its last lines:\n{tail}" if tail else how


def open_link(in_process: bool) -> Callable[[Settings, OnMessages, OnEnd], Any]:
    """The kind of link to use."""
    return ThreadLink if in_process else ProcessLink
