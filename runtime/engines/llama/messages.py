"""What parent and child say to each other."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from ttscale.runtime.engines.base import Completion, Embedding, EngineError, EngineStats, Message, Request, Scored


@dataclass(frozen=True, slots=True)
class Ask:
    """A question from the parent; `key` is never used twice.

    `continuations` are texts to be scored, turned into tokens or embedded, or a query and its documents; `given` are
    tokens after the prompt.
    """

    key: int
    what: Literal["generate", "score", "count", "tokens", "embed", "rank", "next"]
    messages: tuple[Message, ...] = ()
    request: Request | None = None
    continuations: tuple[str, ...] = ()
    priority: tuple[int, ...] = ()
    given: tuple[int, ...] = ()


def without_names(ask: Ask, names: Collection[str]) -> Ask:
    """The ask with nothing kept under these names."""
    if ask.request is None or ask.request.keep is None:
        return ask
    keep = tuple("" if name in names else name for name in ask.request.keep)
    return replace(ask, request=replace(ask.request, keep=keep))


@dataclass(frozen=True, slots=True)
class Ready:
    """The model is loaded."""

    chat_template: bool
    system_role: bool
    context: int
    cells: int
    shares: str = ""


@dataclass(frozen=True, slots=True)
class Release:
    """Let go of what was kept under these names."""

    names: tuple[str, ...]


Value = Completion | list[Scored] | list[Embedding] | list[float] | list[Sequence[float]] | tuple[int, ...] | int | None


@dataclass(frozen=True, slots=True)
class Report:
    """Part of an answer; `last` ends it. With an `error` nothing else follows."""

    key: int
    value: Value
    error: EngineError | None
    last: bool


@dataclass(frozen=True, slots=True)
class Busy:
    """The asks whose work comes next, told before it begins: one of them is to blame where the process ends."""

    keys: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Failed:
    """The model could not be loaded."""

    error: EngineError


Inbound = Ask | Release | int | None  # an int is the key of an ask to cancel, None the end
Outbound = Ready | Report | EngineStats | Busy | Failed
