"""Seeds of samples: a hash of what makes a sample the one it is.

Equal samples have equal seeds wherever they stand in a program: the stage's path, its place in the plan and
`max_tokens` are no part of it, so the first 8 of 16 samples are the 8 of a smaller run, and a renamed stage keeps its
samples.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from hashlib import sha256

from ttscale.runtime.engines.base import Message, Sampling


def messages_digest(messages: Sequence[Message]) -> str:
    """SHA-256 of the turns, in hexadecimal."""
    return _digest([[message.role, message.content] for message in messages])


def sample_seed(
    run_seed: int, model: str, messages: str, sampling: Sampling, series: int, attempt: int, index: int
) -> int:
    """A 64-bit seed; `model` and `messages` are digests."""
    told = sampling.told()
    settings = [repr(told.pop(name)) for name in ("temperature", "top_p", "top_k", "min_p", "repeat_penalty")]
    settings += [f"{name}={value!r}" for name, value in told.items()]
    return int(_digest([run_seed, model, messages, settings, series, attempt, index])[:16], 16)


def _digest(parts: object) -> str:
    text = json.dumps(parts, ensure_ascii=False, separators=(",", ":"))
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
