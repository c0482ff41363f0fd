"""The trace of a run: one event for every stage and call, with its place in the text and what it cost."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, is_dataclass
from pathlib import Path
from time import perf_counter
from types import TracebackType
from typing import IO, Literal

from ttscale.compiler.ir import Stage
from ttscale.compiler.plan import Cost
from ttscale.compiler.source import Span

EventKind = Literal[
    "run_started",
    "run_finished",
    "stage_started",
    "stage_finished",
    "stage_skipped",
    "call_finished",
    "call_failed",
    "call_cut",
    "call_refused",
    "candidate",
    "explored",
    "watched",
    "unreadable",
    "note",
]

NO_COST = Cost()
Listener = Callable[["Event"], None]


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened.

    `at` is seconds since the run began, `seconds` how long it took. `path` is the stage ("" for the run), `span` its
    place in the text and `origin` the places it was expanded through. `cause` says in words why. `data` is plain data,
    except for `candidate` events, whose `data["candidate"]` is the `Candidate` itself.
    """

    kind: EventKind
    at: float
    path: str = ""
    span: Span | None = None
    origin: tuple[Span, ...] = ()
    cause: str = ""
    cost: Cost = NO_COST
    seconds: float = 0.0
    data: Mapping[str, object] = field(default_factory=dict)

    def to_json(self) -> dict[str, object]:
        """The event as plain data, empty fields left out; for JSON Lines."""
        record: dict[str, object] = {"kind": self.kind, "at": round(self.at, 6)}
        if self.path:
            record["path"] = self.path
        if self.span is not None:
            record["span"] = asdict(self.span)
        if self.origin:
            record["origin"] = [asdict(span) for span in self.origin]
        if self.cause:
            record["cause"] = self.cause
        if self.cost != NO_COST:
            record["cost"] = asdict(self.cost)
        if self.seconds:
            record["seconds"] = round(self.seconds, 6)
        if self.data:
            record["data"] = plain(self.data)
        return record


class Trace:
    """The events of one run, in the order in which they happened.

    `calls`, `tokens` (prompt and new, as if nothing were cached), `seconds` and `cost` (US dollars) are the run's
    totals. `fresh` is what of `total` did not come from a bank.
    """

    def __init__(self) -> None:
        self._events: list[Event] = []
        self.total = Cost()
        self.fresh = Cost()
        self.seconds = 0.0

    def __iter__(self) -> Iterator[Event]:
        return iter(self._events)

    def __len__(self) -> int:
        return len(self._events)

    def add(self, event: Event) -> None:
        """Keep an event."""
        self._events.append(event)

    def of(self, kind: EventKind) -> tuple[Event, ...]:
        """The events of one kind."""
        return tuple(event for event in self._events if event.kind == kind)

    @property
    def calls(self) -> int:
        return self.total.calls

    @property
    def tokens(self) -> int:
        return self.total.tokens

    @property
    def cost(self) -> float:
        return self.total.usd

    def to_json(self) -> list[dict[str, object]]:
        """All events as plain data."""
        return [event.to_json() for event in self._events]


class Recorder:
    """Makes the events of one run, keeps them in its trace and passes them to a listener."""

    def __init__(self, listener: Listener | None) -> None:
        self.trace = Trace()
        self._listener = listener
        self._start = perf_counter()

    def elapsed(self) -> float:
        """Seconds since the run began."""
        return perf_counter() - self._start

    def emit(
        self,
        kind: EventKind,
        stage: Stage | None = None,
        *,
        cause: str = "",
        cost: Cost = NO_COST,
        fresh: Cost | None = None,
        seconds: float = 0.0,
        data: Mapping[str, object] | None = None,
    ) -> None:
        """Record an event about `stage`, or about the run; `fresh` is what of the cost did not come from a bank."""
        path, span, origin = (stage.path, stage.span, stage.origin) if stage is not None else ("", None, ())
        event = Event(kind, self.elapsed(), path, span, origin, cause, cost, seconds, data or {})
        self.trace.add(event)
        if kind in ("call_finished", "call_failed"):
            self.trace.total = add_costs(self.trace.total, cost)
            self.trace.fresh = add_costs(self.trace.fresh, cost if fresh is None else fresh)
        self.trace.seconds = event.at
        if self._listener is not None:
            self._listener(event)


def add_costs(first: Cost, second: Cost) -> Cost:
    """The sum of two costs; sequential tokens, which do not add up, are the first one's."""
    return Cost(
        first.calls + second.calls,
        first.prompt_tokens + second.prompt_tokens,
        first.new_tokens + second.new_tokens,
        first.sequential_tokens,
        first.usd + second.usd,
    )


class TraceFile:
    """A listener that writes each event as one line of JSON, as it happens; a context manager.

    Raises OSError when the file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._file: IO[str] = path.open("w", encoding="utf-8", errors="backslashreplace")

    def __call__(self, event: Event) -> None:
        self._file.write(json.dumps(event.to_json(), ensure_ascii=False) + "\n")
        self._file.flush()

    def __enter__(self) -> TraceFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._file.close()


_OF_TOKENS = frozenset({"token_logprobs", "token_confidences"})
"""Fields with a number for every token: longer than all the rest of a trace together, so they are left out of it."""


def plain(value: object) -> object:
    """A value as data that JSON can hold: dataclasses by field, tuples as lists, anything strange as its text."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if is_dataclass(value) and not isinstance(value, type):
        names = (name for name in value.__dataclass_fields__ if name not in _OF_TOKENS)
        return {name: plain(getattr(value, name)) for name in names}
    return str(value)
