"""From one choice of a server's answer to a sample: its text, thoughts, counts and why it ended. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ttscale.compiler.stop_patterns import shortened
from ttscale.runtime.engines.base import Completion, Finish, Request
from ttscale.runtime.engines.openai_reading import continued, cut_at, logprobs_of, malformed, split_thoughts, whole

BYTES_A_TOKEN = 4  # where nobody counts


def sample(
    choice: dict[str, Any], index: int, request: Request, prompt: int, usage: dict[str, Any], limit: int
) -> Completion:
    """A sample of a request from one choice; `usage` are the counts of this choice alone, as far as there are any.

    One that was cut at its length has `limit` new tokens, whatever else is told of them.
    Raises EngineError where the choice is not what the interface promises.
    """
    message = choice.get("message")
    if not isinstance(message, dict):
        raise malformed("its choice has no message")
    text = message.get("content") or ""
    thoughts = message.get("reasoning_content") or message.get("reasoning") or ""
    if not isinstance(text, str) or not isinstance(thoughts, str):
        raise malformed("its message is not text")
    if not thoughts:
        thoughts, text = split_thoughts(text)
    text, stopped = cut_at(continued(text, request.messages), request.stop)
    full, text = text, shortened(text, request.stop_patterns)  # servers know no such stops: they write on
    stopped = stopped or text != full
    logprobs = logprobs_of(choice)
    made = whole(choice.get("tokens"))  # counted as they came
    new = whole(usage.get("completion_tokens")) or len(logprobs) or made or -(-len(text.encode()) // BYTES_A_TOKEN)
    if choice.get("finish_reason") == "length" and "completion_tokens" not in usage:
        new = max(new, limit)  # some tokens have no text, and no word is said of them
    finish: Finish = "length" if choice.get("finish_reason") == "length" and not stopped else "stop"
    details = usage.get("completion_tokens_details")
    thought_tokens = whole(details.get("reasoning_tokens")) if isinstance(details, dict) else None
    if thought_tokens is None:
        thought_tokens = round(new * len(thoughts) / max(1, len(thoughts) + len(text)))
    return Completion(
        index, text, finish, prompt, new, thoughts=thoughts, thought_tokens=thought_tokens, logprobs=logprobs
    )


def shared(found: Sequence[Completion], total: int | None) -> list[Completion]:
    """Samples of one call, with its new tokens divided among those of which nobody has told how many they are.

    By the lengths of their texts and thoughts, so that the sum is what the server counted; of one that was cut at its
    length that is known. A `total` below what has been seen is no sum: llama.cpp's server gives that of one sample.
    """
    untold = [one for one in found if not one.logprobs and one.finish != "length"]
    if total is None or not untold or total < sum(one.new_tokens for one in found):
        return list(found)
    left = total - sum(one.new_tokens for one in found if one not in untold)
    lengths = [len(one.text) + len(one.thoughts) + 1 for one in untold]
    done, before = 0, 0
    counts: dict[int, int] = {}
    for one, length in zip(untold, lengths, strict=True):
        done += length
        upto = round(left * done / sum(lengths))
        counts[one.index], before = upto - before, upto
    return [
        replace(
            one,
            new_tokens=counts[one.index],
            thought_tokens=round(counts[one.index] * one.thought_tokens / max(1, one.new_tokens)),
        )
        if one.index in counts
        else one
        for one in found
    ]


def ends(text: str, request: Request) -> bool:
    """Whether a text so far holds what ends the answer, behind its thoughts."""
    answer = continued(split_thoughts(text)[1], request.messages)
    return shortened(answer, request.stop_patterns) != answer
