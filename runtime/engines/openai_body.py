"""What a request is to a server that speaks the OpenAI interface. Pure."""

from __future__ import annotations

import json
from typing import Any

from ttscale.runtime.engines.base import Request, Sampling
from ttscale.runtime.engines.openai_reading import chat


def body_of(request: Request, seed: int, limit: int, count: int = 1) -> dict[str, Any]:
    """The fields of a chat call for `count` samples of a request, each of at most `limit` new tokens."""
    sampling = request.sampling
    body: dict[str, Any] = {
        "messages": chat(request.messages),
        "max_tokens": limit,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "seed": seed & 0x7FFFFFFF,
        "logprobs": True,
    }
    if count > 1:
        body["n"] = count
    if request.stop:
        body["stop"] = list(request.stop)
    if sampling.top_k:
        body["top_k"] = sampling.top_k
    if sampling.min_p:
        body["min_p"] = sampling.min_p
    if sampling.repeat_penalty != 1:
        body["repeat_penalty"] = sampling.repeat_penalty
    if sampling.typical_p != 1:
        body["typical_p"] = sampling.typical_p
    if sampling.frequency_penalty:
        body["frequency_penalty"] = sampling.frequency_penalty
    if sampling.presence_penalty:
        body["presence_penalty"] = sampling.presence_penalty
    if sampling.penalises and sampling.penalty_window != Sampling().penalty_window:
        body["repeat_last_n"] = sampling.penalty_window
    if request.constraint is not None and request.constraint.schema:
        schema = {"name": "answer", "strict": True, "schema": json.loads(request.constraint.schema)}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    elif request.constraint is not None:
        body["grammar"] = request.constraint.grammar  # llama.cpp's server and those that speak like it
    if request.thinking != "auto":
        body["chat_template_kwargs"] = {"enable_thinking": request.thinking != "off"}
    return body
