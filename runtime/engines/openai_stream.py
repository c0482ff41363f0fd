"""An answer that comes in pieces, put together into the form that it has when it comes whole. Pure.

    made = Made()
    for data in events: made.add(data)
    made.answer()      # {"choices": [{"message": …, "logprobs": …}, …], "usage": …}

A server sends one event a token or so, each a JSON object with what is new in some of the choices; the last one with a
`usage` holds the counts, and "[DONE]" ends it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from ttscale.runtime.engines.openai_reading import UNREADABLE, Malformed

DONE = "[DONE]"


class Interrupted(Exception):
    """The server said in the middle of an answer that it cannot go on."""


@dataclass(slots=True)
class Part:
    """What has come of one sample: its text and thoughts so far, what is told of its tokens, why it ended."""

    text: str = ""
    thoughts: str = ""
    content: list[Any] = field(default_factory=list)
    pieces: int = 0
    finish: str | None = None

    @property
    def tokens(self) -> int:
        """Tokens so far: those that log-probabilities are told of, else the pieces, which have one each as a rule."""
        return len(self.content) or self.pieces


@dataclass(slots=True)
class Made:
    """What has come of all samples of a call.

    `events` counts all that came, `heard` those that say something of a sample. `lost` are the new tokens of tries that
    broke off, `broken` how many tries that were: they were paid for.
    """

    parts: dict[int, Part] = field(default_factory=dict)
    usage: dict[str, Any] | None = None
    events: int = 0
    heard: int = 0
    lost: int = 0
    broken: int = 0

    @property
    def tokens(self) -> int:
        """New tokens so far, of all samples."""
        return sum(part.tokens for part in self.parts.values())

    def clear(self) -> None:
        """Begin anew: the call is tried again, and what has come is lost."""
        if self.tokens:
            self.lost += self.tokens
            self.broken += 1
        self.parts.clear()
        self.usage = None
        self.events = self.heard = 0

    def add(self, data: str) -> bool:
        """Take in the data of one event; False where it was the last one. Raises Malformed, Interrupted."""
        if data == DONE:
            return False
        try:
            event = json.loads(data)
        except UNREADABLE:
            raise Malformed("a piece of the server's answer is not JSON") from None
        self.events += 1
        if not isinstance(event, dict):
            raise Malformed("a piece of the server's answer is not an object")
        if event.get("error"):
            error = event["error"]
            raise Interrupted(str(error.get("message", error) if isinstance(error, dict) else error)[:500])
        if isinstance(event.get("usage"), dict):
            self.usage = event["usage"]
        choices = event.get("choices")
        for place, choice in enumerate(choices if isinstance(choices, list) else []):
            if isinstance(choice, dict):
                self._take(choice, place)
        return True

    def _take(self, choice: dict[str, Any], place: int) -> None:
        self.heard += 1
        index = choice.get("index")
        part = self.parts.setdefault(index if isinstance(index, int) else place, Part())
        delta = choice.get("delta")
        if isinstance(delta, dict):
            text = delta.get("content") or ""
            thoughts = delta.get("reasoning_content") or delta.get("reasoning") or ""
            if not isinstance(text, str) or not isinstance(thoughts, str):
                raise Malformed("a piece of the server's answer is not text")
            part.text, part.thoughts = part.text + text, part.thoughts + thoughts
            part.pieces += bool(text or thoughts)
        table = choice.get("logprobs")
        content = table.get("content") if isinstance(table, dict) else None
        part.content += content if isinstance(content, list) else []
        if isinstance(choice.get("finish_reason"), str):
            part.finish = choice["finish_reason"]

    def answer(self) -> dict[str, Any]:
        """What has come, in the form of a whole answer. Raises Malformed where nothing has."""
        if not self.parts:
            raise Malformed("the server's answer has no choices")
        choices = []
        for index in sorted(self.parts):
            part = self.parts[index]
            message = {"role": "assistant", "content": part.text, "reasoning_content": part.thoughts}
            choice = {"index": index, "message": message, "finish_reason": part.finish, "tokens": part.tokens}
            if part.content:
                choice["logprobs"] = {"content": part.content}
            choices.append(choice)
        return {"choices": choices, "usage": self.usage or {}}
