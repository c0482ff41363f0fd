"""Conversations as values: lists of turns with roles, from rows, JSON, Python and texts.

turns_of("hello")                                      # ({"role": "user", "content": "hello"},)
turns_of([{"role": "user", "content": "hello"}, …])    # the same in one form, roles checked
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ttscale.compiler.diagnostics import suggest
from ttscale.runtime.engines.base import Message

ROLES = ("system", "user", "assistant")
Turns = tuple[Mapping[str, str], ...]


class ChatError(ValueError):
    """A value is no conversation; the message completes "… is no conversation: ", `hint` says what to write."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint or 'write [{"role": "user", "content": "…"}]; roles are system, user and assistant'


def turns_of(value: object) -> Turns:
    """The turns of a conversation: mappings or pairs of role and content, messages, or a text, one user turn.

    A system turn may only be the first. Raises ChatError.
    """
    if isinstance(value, str):
        return ({"role": "user", "content": value},)
    if not isinstance(value, Iterable) or isinstance(value, Mapping | bytes):
        raise ChatError(f"{_shown(value)} is not a list of turns")
    turns = tuple(_turn(turn, number) for number, turn in enumerate(value, 1))
    late = next((number for number, turn in enumerate(turns[1:], 2) if turn["role"] == "system"), None)
    if late is not None:
        raise ChatError(f"turn {late} is a system turn, and only the first may be one")
    return turns


def _turn(turn: object, number: int) -> Mapping[str, str]:
    if isinstance(turn, Message):
        role, content = turn.role, turn.content
    elif isinstance(turn, Mapping):
        unknown = next((name for name in turn if name not in ("role", "content")), None)
        if "role" not in turn or "content" not in turn:
            raise ChatError(f"turn {number} has no `{'role' if 'role' not in turn else 'content'}`")
        if unknown is not None:
            raise ChatError(f"turn {number} has `{unknown}`, which turns do not have")
        role, content = turn["role"], turn["content"]
    elif isinstance(turn, tuple | list) and len(turn) == 2:
        role, content = turn
    else:
        raise ChatError(f"turn {number} is {_shown(turn)}, which has no role and content")
    if role not in ROLES:
        near = suggest(str(role), ROLES)
        raise ChatError(f"turn {number} has the role {_shown(role)}", hint=f"did you mean `{near}`?" if near else "")
    if not isinstance(content, str):
        raise ChatError(f"the content of turn {number} is {_shown(content)}, not a text")
    return {"role": str(role), "content": content}


def is_chat(value: object) -> bool:
    """Whether a value has the form that `turns_of` gives."""
    return (
        isinstance(value, tuple)
        and bool(value)
        and all(isinstance(turn, Mapping) and set(turn) == {"role", "content"} for turn in value)
    )


def asked_in(value: object) -> object:
    """What a conversation asks: its last user turn; any other value is itself."""
    if not is_chat(value):
        return value
    return next((turn["content"] for turn in reversed(turns_of(value)) if turn["role"] == "user"), "")


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}…"
