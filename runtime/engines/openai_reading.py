"""Read what a server that speaks the OpenAI interface answers: pure, and distrustful."""

from __future__ import annotations

import contextlib
import email.utils
import math
import time
from collections.abc import Sequence
from typing import Any

import httpx
from ttscale.runtime.engines.base import EngineError, Message, checked

UNREADABLE = (ValueError, RecursionError)
"""What reading JSON raises; the second where brackets stand in brackets without end."""


class Malformed(Exception):
    """The server's answer is not what the interface promises."""


SERVER_HINT = "the server may be overloaded or not an OpenAI-compatible one; its own log says more"


def malformed(why: str) -> EngineError:
    """The error for an answer that is not what the interface promises."""
    return EngineError(f"the server's answer cannot be read: {why}", hint=SERVER_HINT, fatal=False)


def cannot_score(model: str, why: str) -> EngineError:
    """The error for a server that shows no probabilities of what was asked for."""
    return EngineError(
        f"the server of {model} cannot score given texts: {why}",
        hint="use a local model for this stage, or a stage that asks for a written verdict",
        fatal=False,
    )


def chat(messages: Sequence[Message]) -> list[dict[str, str]]:
    """Messages as the interface has them. Raises EngineError where a text is none."""
    return [{"role": message.role, "content": checked(message.content)} for message in messages]


def read_object(response: httpx.Response, *, chats: bool = False) -> dict[str, Any]:
    """The JSON object of an answer with at least one choice; of a chat each has a message. Raises Malformed."""
    try:
        value = response.json()
    except UNREADABLE:
        raise Malformed("the server's answer is not JSON") from None
    choices = value.get("choices") if isinstance(value, dict) else None
    if not isinstance(choices, list) or not choices:
        if isinstance(value, dict) and value.get("error"):
            raise Malformed(f"the server says in place of an answer: {error_text(response)}")
        raise Malformed("the server's answer has no choices")
    if chats and not all(isinstance(one, dict) and isinstance(one.get("message"), dict) for one in choices):
        raise Malformed("the server's answer has a choice without a message")
    return {**value, "choices": choices}


def choice_of(answer: dict[str, Any]) -> dict[str, Any]:
    """The first choice of an answer. Raises EngineError."""
    choice = answer["choices"][0]
    if not isinstance(choice, dict):
        raise malformed("its choice is not an object")
    return choice


def choices_of(answer: dict[str, Any]) -> list[dict[str, Any]]:
    """All choices of an answer, in the order of their indices. Raises EngineError."""
    choices = answer["choices"]
    if not all(isinstance(choice, dict) for choice in choices):
        raise malformed("its choice is not an object")
    places = [choice.get("index") for choice in choices]
    if all(isinstance(place, int) for place in places):
        return sorted(choices, key=lambda choice: int(choice["index"]))
    return list(choices)


def whole(value: object) -> int | None:
    """A number from 0 on, or None for anything else."""
    return value if isinstance(value, int) and value >= 0 else None


def entries(choice: dict[str, Any]) -> list[dict[str, Any]]:
    """What a choice tells of each of its tokens."""
    table = choice.get("logprobs")
    content = table.get("content") if isinstance(table, dict) else None
    return [entry for entry in content if isinstance(entry, dict)] if isinstance(content, list) else []


def logprobs_of(choice: dict[str, Any]) -> tuple[float, ...]:
    """Natural-log probabilities of the chosen tokens; none where the server tells none."""
    values = [entry.get("logprob") for entry in entries(choice)]
    found = [float(value) for value in values if isinstance(value, (int, float))]
    return tuple(min(0.0, value) for value in found) if all(map(math.isfinite, found)) else ()


def alternatives(choice: dict[str, Any]) -> dict[str, float]:
    """Log-probabilities of the tokens shown for the first place, by their text."""
    first = entries(choice)
    rows = first[0].get("top_logprobs") if first else None
    shown: dict[str, float] = {}
    for row in rows if isinstance(rows, list) else []:
        value = row.get("logprob") if isinstance(row, dict) else None
        if isinstance(value, (int, float)) and math.isfinite(value):
            shown[str(row.get("token", ""))] = float(value)
    return shown


def label_value(continuation: str, shown: dict[str, float]) -> float | None:
    """The log-probability of a label: all shown tokens that spell it, whatever their leading space."""
    wanted = continuation.strip()
    values = [value for token, value in shown.items() if token.strip() == wanted]
    if not values or not wanted:
        return None
    most = max(values)  # some servers say -9999 of what is all but impossible
    return min(0.0, most + math.log(sum(math.exp(value - most) for value in values)))


def continued(text: str, messages: Sequence[Message]) -> str:
    """The new part only: some servers repeat the prefill that they continue."""
    last = messages[-1]
    return text.removeprefix(last.content) if last.role == "assistant" and last.content else text


def cut_at(text: str, stops: Sequence[str]) -> tuple[str, bool]:
    """A text up to the first of these stops, and whether there was one."""
    ends = [at for stop in stops if stop and (at := text.find(stop)) >= 0]
    return (text[: min(ends)], True) if ends else (text, False)


def split_thoughts(text: str) -> tuple[str, str]:
    """Thoughts that a text begins with, and the rest of it."""
    lead = text.lstrip()
    if not lead.startswith("<think>"):
        return "", text
    thoughts, closed, rest = lead.removeprefix("<think>").partition("</think>")
    return thoughts.strip(), rest.lstrip() if closed else ""


def retry_after(response: httpx.Response) -> float | None:
    """Seconds the server asks to wait: a number, or a date."""
    value = response.headers.get("retry-after", "").strip()
    if not value:
        return None
    with contextlib.suppress(ValueError):
        return max(0.0, float(value))
    with contextlib.suppress(ValueError, TypeError):
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    return None


def error_text(response: httpx.Response) -> str:
    """What a refusal says, 500 characters of it at most."""
    with contextlib.suppress(*UNREADABLE):
        value = response.json()
        error = value.get("error") if isinstance(value, dict) else None
        if isinstance(error, dict) and error.get("message"):
            return str(error["message"])[:500]
        if isinstance(error, str):
            return error[:500]
    return (response.text or response.reason_phrase)[:500]
