"""Keys of the bank: what makes a sample, or a scored judgement, the one it is.

A `Draw` is everything but the place of a sample in its series; a `Spot` is that place. `max_tokens` and the time limit
are in neither, and neither is the stage that asks. The digest of a draw is the SHA-256 of its fields as canonical JSON,
so the same settings are the same draw in every process and on every machine.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import NamedTuple

from ttscale.runtime.engines.base import Message, Sampling

KEY_VERSION = 1


class Spot(NamedTuple):
    """The place of a sample among those of one draw."""

    series: int = 0
    attempt: int = 0
    position: int = 0


@dataclass(frozen=True, slots=True)
class Draw:
    """What samples of one prompt are drawn from.

    `model` is the engine's digest: the weights, or the endpoint and the model's name there. The weights hold the chat
    template, so turns and `thinking` decide the prompt's tokens. `prompt` is the digest of the turns, in hexadecimal.
    """

    model: str
    prompt: str
    sampling: Sampling
    stop: tuple[str, ...] = ()
    grammar: str = ""
    thinking: str = "auto"
    run_seed: int = 0
    stop_patterns: tuple[str, ...] = ()
    watch: str = ""
    digest: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "digest", digest_of(self.fields()))

    def fields(self) -> dict[str, object]:
        """The fields as plain data, by name, numbers in one form (1 and 1.0 are one temperature)."""
        patterns = {"stop_patterns": list(self.stop_patterns)} if self.stop_patterns else {}
        watch = {"watch": self.watch} if self.watch else {}
        return {
            **patterns,
            **watch,
            "kind": "sample",
            "model": self.model,
            "prompt": self.prompt,
            "sampling": self.sampling.told(),
            "stop": list(self.stop),
            "grammar": self.grammar,
            "thinking": self.thinking,
            "run_seed": self.run_seed,
        }


@dataclass(frozen=True, slots=True)
class Scoring:
    """What a scored judgement is made from: a model, a prompt, and the continuations in order; nothing is drawn."""

    model: str
    prompt: str
    continuations: tuple[str, ...]
    digest: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "digest", digest_of(self.fields()))

    def fields(self) -> dict[str, object]:
        """The fields as plain data, by name."""
        return {
            "kind": "score",
            "model": self.model,
            "prompt": self.prompt,
            "continuations": list(self.continuations),
        }


Key = Draw | Scoring


def digest_of(fields: Mapping[str, object]) -> bytes:
    """The 32 bytes that stand for a key's fields."""
    text = json.dumps([KEY_VERSION, fields], ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return sha256(text.encode("utf-8", "surrogatepass")).digest()


def messages_text(messages: Sequence[Message]) -> str:
    """The turns as JSON, in the one form whose SHA-256 is a prompt's digest."""
    turns = [[message.role, message.content] for message in messages]
    return json.dumps(turns, ensure_ascii=False, separators=(",", ":"))


def messages_of(text: str) -> tuple[Message, ...]:
    """The turns that `messages_text` wrote."""
    return tuple(Message(role, content) for role, content in json.loads(text))


def differences(first: Mapping[str, object], second: Mapping[str, object]) -> list[tuple[str, object, object]]:
    """Where two keys' fields differ: name, first value, second value; settings of `sampling` one by one."""
    found: list[tuple[str, object, object]] = []
    for name in dict.fromkeys([*first, *second]):
        one, other = first.get(name), second.get(name)
        if isinstance(one, Mapping) and isinstance(other, Mapping):
            found += [(f"{name}.{inner}", a, b) for inner, a, b in differences(one, other)]
        elif one != other:
            found.append((name, one, other))
    return found
