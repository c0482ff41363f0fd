"""The parent's side of the llama engine: checks, starts, asks, and survives what happens in native code.

When the model's process dies, it is started again. What was being worked on then is asked again, one request at a
time, so that a request that kills the process a second time is found and fails alone; then all that only waited.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from pathlib import Path

from ttscale.compiler.stop_patterns import problem
from ttscale.runtime.engines.base import (
    Capabilities,
    Completion,
    Embedding,
    EngineError,
    EngineStats,
    Message,
    Request,
    Scored,
)
from ttscale.runtime.engines.llama.combining import Combination
from ttscale.runtime.engines.llama.facts import ModelFacts, NoMemory
from ttscale.runtime.engines.llama.gguf import GgufInfo
from ttscale.runtime.engines.llama.link import Link, open_link
from ttscale.runtime.engines.llama.machine import Memory
from ttscale.runtime.engines.llama.messages import Ask, Busy, Failed, Outbound, Ready, Release, Report, without_names
from ttscale.runtime.engines.llama.options import LoadOptions
from ttscale.runtime.engines.llama.weights import INSTALL_LINE

MAX_RESTARTS = 16  # without an answer between them


MakeRoom = Callable[["LlamaEngine"], Awaitable[bool]]


@dataclass(slots=True, eq=False)
class _Pending:
    """One ask on its way, with the event loop that waits for it."""

    ask: Ask
    loop: asyncio.AbstractEventLoop
    queue: asyncio.Queue[Report]
    indices: tuple[int, ...] = ()  # of the original request, by position in `ask`
    delivered: set[int] = field(default_factory=set)
    kills: int = 0

    def deliver(self, report: Report) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has been closed, so nobody waits
            self.loop.call_soon_threadsafe(self.queue.put_nowait, report)


class LlamaEngine:
    """A GGUF model on llama.cpp.

    `ctx` is the context of one sequence in tokens (default: the trained one, up to 8192), `gpu_layers` the layers
    to offload (default: all where the build has a GPU), `threads` of the CPU (default: usable cores),
    `max_sequences` the samples that run at once, `memory` a limit in bytes for the cache, `options` all that llama.cpp
    takes beside. `others` are up to two models of the same vocabulary that compute the same tokens, each with
    options of its own if it has some; with `combination` the answers are those of all of them. Nothing is opened before
    `start`.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        ctx: int | None = None,
        gpu_layers: int | None = None,
        threads: int | None = None,
        in_process: bool = False,
        max_sequences: int = 64,
        memory: int | None = None,
        options: LoadOptions | None = None,
        others: Sequence[str | Path | tuple[Path, LoadOptions]] = (),
        combination: Combination | None = None,
    ) -> None:
        self._path = Path(path)
        self._facts = ModelFacts(
            self._path,
            ctx,
            gpu_layers,
            threads,
            max(1, min(max_sequences, 96)),
            memory,
            options or LoadOptions(),
            tuple(one if isinstance(one, tuple) else (Path(one), None) for one in others),
            combination,
        )
        self._open = open_link(in_process)
        self._lock = threading.RLock()
        self._link: Link | None = None
        self._ready: Future[Ready] | None = None
        self._started: Future[None] | None = None
        self._pending: dict[int, _Pending] = {}
        self._suspects: deque[_Pending] = deque()
        self._suspect: _Pending | None = None
        self._busy: frozenset[int] = frozenset()
        self._held: deque[_Pending] = deque()
        self._restarting = False
        self._restarts = 0
        self._keys = 0
        self._closed = False
        self._capabilities: Capabilities | None = None
        self._stats = EngineStats()
        self._before = EngineStats()
        self.make_room: MakeRoom | None = None
        """Unloads another model where this one does not fit; whether one was."""
        self.used = 0.0
        """When something was asked last, on the monotonic clock."""

    # ------------------------------------------------------------------ facts

    @property
    def info(self) -> GgufInfo:
        """The file's header; raises EngineError when it is unusable."""
        return self._facts.info

    @property
    def digest(self) -> str:
        return self._facts.digest

    @property
    def capabilities(self) -> Capabilities:
        """`system_role` is None until the model is loaded."""
        if self._capabilities is None:
            return self._facts.capabilities(bool(self.template.strip()), None, self._facts.plan[0])
        return self._capabilities

    @property
    def template(self) -> str:
        """The chat template that is used: the declaration's, else the file's; empty where there is none."""
        return self._facts.template

    @property
    def memory(self) -> Memory:
        """What the model takes when it is loaded; only the file's header is read. Raises EngineError."""
        return self._facts.memory

    def stats(self) -> EngineStats:
        """Counters since the engine was made, whatever was unloaded in between."""
        return self._before + self._stats

    # ------------------------------------------------------------------ life

    async def start(self) -> None:
        while True:
            try:
                await self._loaded()
                return
            except NoMemory:
                if self.make_room is None or not await self.make_room(self):
                    raise

    async def unload(self) -> bool:
        """Give the memory back while nothing is asked, until something is; whether there was any to give."""
        with self._lock:
            if self._pending or self._restarting or self._link is None or self._closed:
                return False
            if self._ready is None or not self._ready.done():
                return False
            link, self._link, self._started, self._ready = self._link, None, None, None
            self._before, self._stats = self._before + self._stats, EngineStats()
        await asyncio.to_thread(link.close)
        return True

    async def _loaded(self) -> None:
        with self._lock:
            if self._closed:
                raise EngineError("this engine has been closed", hint="make a new one")
            if self._started is None:
                self._started = Future()
                threading.Thread(target=self._start, args=(self._started,), daemon=True).start()
            started = self._started
        waiting = asyncio.wrap_future(started)
        waiting.add_done_callback(lambda done: done.cancelled() or done.exception())  # who waited may be gone
        await asyncio.shield(waiting)

    def _start(self, started: Future[None]) -> None:
        try:
            _ = self.digest
            self._launch()
        except Exception as error:  # as where a file cannot be read, or no process be made
            with self._lock:
                self._started = None  # a later call may find the problem solved
            known = error if isinstance(error, EngineError) else None
            started.set_exception(
                known or EngineError(f"{self._path.name} cannot be started: {error}", hint=_CRASH_HINT)
            )
        else:
            started.set_result(None)

    def _launch(self) -> None:
        """Start the loop and wait until the model is loaded."""
        self._facts.check_memory()
        settings = self._facts.settings
        ready: Future[Ready] = Future()
        with self._lock:
            if self._closed:
                raise _closed_error()
            self._ready = ready
            self._link = self._open(settings, self._on_messages, self._on_end)
        answer = ready.result()
        self._capabilities = self._facts.capabilities(answer.chat_template, answer.system_role, answer.context)

    async def close(self) -> None:
        with self._lock:
            self._closed = True
            link, self._link = self._link, None
            if self._ready is not None and not self._ready.done():
                self._ready.set_exception(_closed_error())
            pending = list(self._pending.values())
            self._pending.clear()
            self._suspects.clear()
            self._held.clear()
        for item in pending:
            item.deliver(Report(item.ask.key, None, _closed_error(), True))
        if link is not None:
            await asyncio.to_thread(link.close)

    # ------------------------------------------------------------------ asking

    async def generate(self, request: Request) -> AsyncIterator[Completion]:
        """One completion per seed as each finishes; leaving the loop early cancels the rest."""
        for what, values in (("limit", request.limits), ("beginning", request.given), ("name", request.keep)):
            if values is not None and len(values) != len(request.seeds):
                raise EngineError(f"a request needs one {what} a seed", hint="please report this", fatal=False)
        for pattern in request.stop_patterns:
            wrong = problem(pattern)
            if wrong is not None:
                raise EngineError(f"{wrong[0]}: {pattern!r}", hint=wrong[1], fatal=False)
        if not request.seeds:
            return
        pending = await self._begin(Ask(0, "generate", request.messages, request))
        try:
            while True:
                report = await pending.queue.get()
                if report.error is not None:
                    raise report.error
                if isinstance(report.value, Completion):
                    yield report.value
                if report.last:
                    break
        finally:
            self._forget(pending)

    async def score(
        self, messages: Sequence[Message], continuations: Sequence[str], *, priority: tuple[int, ...] = ()
    ) -> list[Scored]:
        ask = Ask(0, "score", tuple(messages), None, tuple(continuations), priority)
        value = await self._one(ask)
        assert isinstance(value, list)
        return value

    async def embed(self, texts: Sequence[str]) -> list[Embedding]:
        """The vectors of texts, in order, of length 1: the mean over tokens, or what the file says."""
        value = await self._one(Ask(0, "embed", continuations=tuple(texts)))
        assert isinstance(value, list)
        return value

    async def rank(self, query: str, documents: Sequence[str]) -> list[float]:
        """How well each document answers the query, as the model's head scores it: any numbers, higher is better."""
        value = await self._one(Ask(0, "rank", continuations=(query, *documents)))
        assert isinstance(value, list)
        return value

    async def next_tokens(self, messages: Sequence[Message], given: Sequence[int] = ()) -> list[Sequence[float]]:
        """Natural-log probabilities of every token after a prompt and a given beginning, one list a model."""
        value = await self._one(Ask(0, "next", tuple(messages), given=tuple(given)))
        assert isinstance(value, list)
        return value

    async def count_tokens(self, messages: Sequence[Message]) -> int:
        value = await self._one(Ask(0, "count", tuple(messages)))
        assert isinstance(value, int)
        return value

    async def tokens(self, text: str) -> tuple[int, ...]:
        """The tokens of a text on its own, as it may be put into an answer; special tokens in it are only text."""
        value = await self._one(Ask(0, "tokens", continuations=(text,)))
        assert isinstance(value, tuple)
        return value

    def release(self, names: Sequence[str]) -> None:
        """Let go of what was kept under these names; unknown ones do no harm."""
        with self._lock:
            for item in (*self._held, *self._suspects):
                item.ask = without_names(item.ask, names)
            link = self._link
        if link is not None and names:
            link.send(Release(tuple(names)))

    async def _one(self, ask: Ask) -> object:
        pending = await self._begin(ask)
        try:
            report = await pending.queue.get()
        finally:
            self._forget(pending)
        if report.error is not None:
            raise report.error
        return report.value

    async def _begin(self, ask: Ask) -> _Pending:
        """Ask, once the model is loaded."""
        while True:
            await self.start()
            pending = self._ask(ask)
            if pending is not None:
                return pending

    def _ask(self, ask: Ask) -> _Pending | None:
        """Send an ask on its way; None where the model has been unloaded since it was loaded."""
        with self._lock:
            if self._closed:
                raise _closed_error()
            is_loaded = self._link is not None and self._ready is not None and self._ready.done()
            if not (is_loaded or self._restarting or self._suspect is not None or self._suspects):
                return None
            self.used = time.monotonic()
            self._keys += 1
            ask = replace(ask, key=self._keys)
            pending = _Pending(ask, asyncio.get_running_loop(), asyncio.Queue())
            if ask.request is not None:
                pending.indices = tuple(range(len(ask.request.seeds)))
            self._pending[ask.key] = pending
            if self._restarting or self._suspect is not None or self._suspects:
                self._held.append(pending)
                return pending
            link = self._link
        if link is not None:
            link.send(ask)
        return pending

    def _forget(self, pending: _Pending) -> None:
        """Cancel what the caller no longer waits for."""
        with self._lock:
            if self._pending.pop(pending.ask.key, None) is None:
                return
            if pending in self._held:
                self._held.remove(pending)
                return
            link = self._link
            clear = self._suspect is pending
        if link is not None:
            link.send(pending.ask.key)
        if clear:
            self._next_suspect()

    # ------------------------------------------------------------------ what comes back (other threads)

    def _on_messages(self, link: Link, messages: list[Outbound]) -> None:
        for message in messages:
            if isinstance(message, Report):
                self._on_report(message)
            elif isinstance(message, EngineStats):
                self._stats = message if link is self._link else self._stats
            elif isinstance(message, Busy):
                self._busy = frozenset(message.keys) if link is self._link else self._busy
            else:
                self._on_load(link, message)

    def _on_load(self, link: Link, message: Ready | Failed) -> None:
        with self._lock:
            if link is not self._link or self._ready is None or self._ready.done():
                return
            if isinstance(message, Failed):
                self._ready.set_exception(message.error)
            else:
                self._ready.set_result(message)

    def _on_report(self, report: Report) -> None:
        with self._lock:
            pending = self._pending.get(report.key)
            if pending is None:
                return
            if report.last:
                del self._pending[report.key]
                self._restarts = 0 if report.error is None else self._restarts
            value = report.value
            if isinstance(value, Completion):
                value = replace(value, index=pending.indices[value.index])
                if value.finish != "running":
                    pending.delivered.add(value.index)
            clear = report.last and self._suspect is pending
        pending.deliver(replace(report, value=value))
        if clear:
            self._next_suspect()

    def _on_end(self, link: Link, reason: str) -> None:
        """The loop is gone: start it again unless that is hopeless."""
        with self._lock:
            if self._closed or link is not self._link:
                return
            self._link = None
            ready = self._ready
            if ready is not None and not ready.done():
                ready.set_exception(
                    EngineError(f"the process of {self._path.name} ended while loading: {reason}", hint=_CRASH_HINT)
                )
                return
            if ready is not None and ready.exception() is not None:
                return  # it ended because it could not load, which its caller has heard
            sent = [item for item in self._pending.values() if item not in self._held and item not in self._suspects]
            blamed = [item for item in sent if item.ask.key in self._busy] or sent
            poison = self._blame(blamed)
            self._suspects.extend(item for item in blamed if item not in poison)
            known = {*map(id, blamed)}
            self._held.extendleft(item for item in reversed(sent) if id(item) not in known)
            self._suspect, self._busy = None, frozenset()
            self._restarting = True
            self._restarts += 1
            hopeless = self._restarts > MAX_RESTARTS
        for item in poison:
            self._fail(item, f"the process of {self._path.name} ended twice on this request: {reason}", fatal=False)
        if hopeless:
            self._give_up(EngineError(f"the process of {self._path.name} keeps ending: {reason}", hint=_CRASH_HINT))
            return
        threading.Thread(target=self._restart, daemon=True).start()

    def _blame(self, sent: list[_Pending]) -> list[_Pending]:
        """Count a death against all that were being worked on; those it has happened to before."""
        for item in sent:
            item.kills += 1
        return [item for item in sent if item.kills >= 2]

    def _restart(self) -> None:
        try:
            self._launch()
        except EngineError as error:
            self._give_up(error)
            return
        except Exception as error:  # as where no process can be made: those who wait must hear of it
            self._give_up(EngineError(f"{self._path.name} cannot be started again: {error}", hint=_CRASH_HINT))
            return
        with self._lock:
            self._restarting = self._restarting and self._link is None  # where it has ended again meanwhile
        self._next_suspect()

    def _next_suspect(self) -> None:
        """Send the next request that was in flight when the process died, or else what had to wait."""
        with self._lock:
            link = self._link
            if link is None:
                return  # whoever starts it anew goes on from here
            self._suspect = None
            while self._suspects and self._suspect is None:
                item = self._suspects.popleft()
                if item.ask.key in self._pending:
                    self._suspect = item
            sending = [self._suspect] if self._suspect is not None else list(self._held)
            if self._suspect is None:
                self._held.clear()
            for item in sending:
                self._renew(item)
        for item in sending:
            link.send(item.ask)

    def _renew(self, item: _Pending) -> None:
        """Ask only for samples that have not been delivered yet."""
        request = item.ask.request
        if request is None or not item.delivered:
            return
        keep = [place for place, index in enumerate(item.indices) if index not in item.delivered]
        request = request.only(keep)
        item.indices = tuple(item.indices[place] for place in keep)
        item.delivered = set()
        item.ask = replace(item.ask, request=request)

    def _fail(self, item: _Pending, message: str, *, fatal: bool) -> None:
        with self._lock:
            self._pending.pop(item.ask.key, None)
        item.deliver(Report(item.ask.key, None, EngineError(message, hint=_CRASH_HINT, fatal=fatal), True))

    def _give_up(self, error: EngineError) -> None:
        with self._lock:
            self._started = None
            self._restarting = False
            self._suspects.clear()
            self._held.clear()
            pending = list(self._pending.values())
        for item in pending:
            self._fail(item, str(error), fatal=True)


def _closed_error() -> EngineError:
    return EngineError("the engine was closed", hint="make a new one", fatal=False)


_CRASH_HINT = f"try a smaller `ctx:`, check the model file, or reinstall the engine: {INSTALL_LINE} --force-reinstall"
