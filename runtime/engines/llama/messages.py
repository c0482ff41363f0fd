"""What parent and child say to each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ttscale.runtime.engines.base import Completion, EngineError, EngineStats, Message, Request, Scored


@dataclass(frozen=True, slots=True)
class Ask:
    """A question from the parent; `key` is never used twice."""

    key: int
    what: Literal["generate", "score", "count"]
    messages: tuple[Message, ...] = ()
    request: Request | None = None
    continuations: tuple[str, ...] = ()
    priority: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Ready:
    """The model is loaded."""

    chat_template: bool
    system_role: bool
    context: int
    cells: int


@dataclass(frozen=True, slots=True)
class Report:
    """Part of an answer; `last` ends it. With an `error` nothing else follows."""

    key: int
    value: Completion | list[Scored] | int | None
    error: EngineError | None
    last: bool


@dataclass(frozen=True, slots=True)
class Failed:
    """The model could not be loaded."""

    error: EngineError


Inbound = Ask | int | None  # an ask, the key of one to cancel, or the end
Outbound = Ready | Report | EngineStats | Failed
