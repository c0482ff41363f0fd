"""Find out what a server really does, by questions whose answers are known; that it takes a field says nothing.

    found = await probe("http://127.0.0.1:8080/v1", "qwen")
    found.grammar           # True where a grammar that allows one word made the model say that word

About a dozen short calls, and one or two as long as the context. A server that answers a prompt longer than its context
has cut it without a word: that is an error, for what it answers then is no answer to what was asked.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ttscale.runtime.engines.base import ContextExceeded, EngineError
from ttscale.runtime.engines.openai import OpenAIEngine
from ttscale.runtime.probes import Probed

CODE = "zq7kx"
"""What no model says by itself."""
MOST_CONTEXT = 8192
"""Tokens of the longest prompt that is sent, unless more is asked for."""
WORD = "apple "
SEEDS = (11, 23, 47)


async def probe(
    url: str,
    model: str,
    *,
    key: str | None = None,
    headers: Mapping[str, str] | None = None,
    context: int | None = None,
    timeout: float = 120.0,
) -> Probed:
    """Ask a server what it can do. `context` is how many tokens of a prompt it must hold.

    Raises EngineError where it cannot be reached, answers nothing, or cuts prompts silently.
    """
    engine = OpenAIEngine(url, model, key=key, headers=headers, retries=2, timeout=timeout)
    try:
        await engine.start()
        greeting = await engine.ask(_body("Say hello.", max_tokens=8))
        if not _texts(greeting)[0].strip() and not _thought(greeting):
            raise EngineError("the server answered with an empty text", hint="check the model's name and its template")
        logprobs, scoring = await _logprobs(engine)
        said = await _served_context(engine)
        return Probed(
            logprobs=logprobs,
            scoring=scoring,
            prompt_logprobs=await _prompt_logprobs(engine),
            seeds=await _seeds(engine),
            many=await _many(engine),
            schema=await _schema(engine),
            grammar=await _grammar(engine),
            continuation=await _continuation(engine),
            streams=await _streams(engine),
            context=said,
            held=await _held(engine, said, context),
        )
    finally:
        await engine.close()


def _body(text: str, **fields: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}], "max_tokens": 16, "temperature": 0.0, **fields}


def _texts(answer: Mapping[str, Any]) -> list[str]:
    """The texts of all choices."""
    messages = [one.get("message") for one in answer["choices"] if isinstance(one, dict)]
    return [str(one.get("content") or "") if isinstance(one, dict) else "" for one in messages] or [""]


def _thought(answer: Mapping[str, Any]) -> bool:
    first = answer["choices"][0]
    return isinstance(first, dict) and bool((first.get("message") or {}).get("reasoning_content"))


async def _try(engine: OpenAIEngine, body: Mapping[str, Any]) -> dict[str, Any] | None:
    """The answer, or None where the server refuses this request; what ends everything is raised."""
    try:
        return await engine.ask(body, as_it_is=True)
    except EngineError as error:
        if error.fatal:
            raise
        return None


async def _logprobs(engine: OpenAIEngine) -> tuple[bool, bool]:
    """Whether chosen tokens have log-probabilities, and whether the greedy one is the likeliest of those shown."""
    answer = await _try(engine, _body("Name a colour.", max_tokens=3, logprobs=True, top_logprobs=5))
    table = answer["choices"][0].get("logprobs") if answer else None
    entries = table.get("content") if isinstance(table, dict) else None
    if not isinstance(entries, list) or not all(isinstance(one, dict) for one in entries):
        return False, False
    chosen = [_number(one) for one in entries]
    values = [one for one in chosen if one is not None and one <= 1e-6]
    if not values or len(values) != len(chosen):
        return False, False
    shown = [one for one in map(_number, entries[0].get("top_logprobs") or []) if one is not None]
    return True, len(shown) >= 2 and abs(max(shown) - values[0]) < 0.01


def _number(entry: object) -> float | None:
    value = entry.get("logprob") if isinstance(entry, dict) else None
    return float(value) if isinstance(value, int | float) else None


async def _prompt_logprobs(engine: OpenAIEngine) -> bool | None:
    """Whether the completions interface gives log-probabilities of the prompt's tokens: more for a longer prompt."""
    counts = []
    for text in ("one two three", "one two three four five six seven eight"):
        body = {"prompt": text, "max_tokens": 1, "temperature": 0.0, "echo": True, "logprobs": 1}
        answer = await engine.completion(body)
        table = answer["choices"][0].get("logprobs") if answer else None
        values = table.get("token_logprobs") if isinstance(table, dict) else None
        counts.append(sum(isinstance(one, int | float) for one in values) if isinstance(values, list) else 0)
    return counts[0] >= 2 and counts[1] >= counts[0] + 4


async def _seeds(engine: OpenAIEngine) -> bool | None:
    """Whether a seed decides the text."""
    texts = []
    for seed in (SEEDS[0], *SEEDS):
        answer = await _try(engine, _body("Invent a name.", max_tokens=12, temperature=1.5, seed=seed))
        if answer is None:
            return False
        texts.append(_texts(answer)[0])
    return texts[0] == texts[1] and len(set(texts)) > 1


async def _many(engine: OpenAIEngine) -> bool:
    """Whether as many texts come as were asked for, with one seed, as samples are asked for, and not all alike."""
    answer = await _try(engine, _body("Invent a name.", max_tokens=12, temperature=1.5, seed=SEEDS[0], n=4))
    texts = _texts(answer) if answer else []
    return len(texts) == 4 and len(set(texts)) > 1


async def _schema(engine: OpenAIEngine) -> bool:
    shape = {"type": "object", "properties": {"code": {"const": CODE}}, "required": ["code"]}
    wanted = {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": shape}}
    answer = await _try(engine, _body("Name a colour.", max_tokens=40, response_format=wanted))
    try:
        return bool(answer) and json.loads(_texts(answer or {"choices": []})[0]).get("code") == CODE
    except (ValueError, AttributeError):
        return False


async def _grammar(engine: OpenAIEngine) -> bool:
    answer = await _try(engine, _body("Name a colour.", max_tokens=20, grammar=f'root ::= "{CODE}"'))
    return answer is not None and _texts(answer)[0].strip() == CODE


async def _continuation(engine: OpenAIEngine) -> bool:
    """Whether a begun reply goes on: after five comes six, where a new reply would begin at one."""
    begun = "1, 2, 3, 4, 5,"
    body = _body("Count from 1 to 9, with commas.", max_tokens=6)
    body["messages"].append({"role": "assistant", "content": begun})
    answer = await _try(engine, body)
    return answer is not None and _texts(answer)[0].removeprefix(begun).lstrip().startswith("6")


async def _streams(engine: OpenAIEngine) -> bool:
    """Whether pieces come, one event each, and an end."""
    try:
        lines = [line async for line in engine.stream(_body("Say hello.", max_tokens=4, stream=True))]
    except EngineError as error:
        if error.fatal:
            raise
        return False
    return len(lines) >= 2 and lines[-1] == "[DONE]"


async def _served_context(engine: OpenAIEngine) -> int | None:
    """What the server says of its context: vLLM beside the model's name, llama.cpp's server in its settings."""
    listing = await engine.look("models")
    rows = listing.get("data") if isinstance(listing, dict) else None
    for row in rows if isinstance(rows, list) else []:
        if isinstance(row, dict) and (row.get("id") == engine.model or len(rows or []) == 1):
            value = row.get("max_model_len") or row.get("context_length")
            if isinstance(value, int) and value > 0:
                return value
    settings = await engine.look("../props")
    table = settings.get("default_generation_settings") if isinstance(settings, dict) else None
    value = table.get("n_ctx") if isinstance(table, dict) else None
    return value if isinstance(value, int) and value > 0 else None


async def _held(engine: OpenAIEngine, said: int | None, wanted: int | None) -> int | None:
    """The longest prompt that the server counted whole. Raises EngineError where it read less than was sent."""
    first, second = await _read(engine, 50), await _read(engine, 100)
    if first is None or second is None or second <= first:
        return None  # it does not count
    a_word = (second - first) / 50
    bare = second - 100 * a_word
    target = wanted or min(said or MOST_CONTEXT, MOST_CONTEXT)
    held = await _whole(engine, int((min(target, said or target) - bare - 64) / a_word), bare, a_word)
    if wanted and (held is None or held < wanted - 128):
        raise EngineError(
            f"the server's context does not hold {wanted:,} tokens: it "
            + (f"holds {said:,}" if said else "refuses a prompt of that length"),
            hint="start the server with a larger context",
        )
    if said is not None and said <= 4 * MOST_CONTEXT:  # a longer one than it holds: it must refuse
        await _whole(engine, int(1.2 * said / a_word) + 64, bare, a_word)
    return held


async def _read(engine: OpenAIEngine, words: int) -> int | None:
    """Tokens that the server counts in a prompt of so many words; None where it does not tell."""
    answer = await engine.ask(_body(WORD * words, max_tokens=1), as_it_is=True)
    usage = answer.get("usage")
    count = usage.get("prompt_tokens") if isinstance(usage, dict) else None
    return count if isinstance(count, int) else None


async def _whole(engine: OpenAIEngine, words: int, bare: float, a_word: float) -> int | None:
    """The tokens counted in a long prompt; None where the server refuses it."""
    try:
        count = await _read(engine, max(1, words))
    except ContextExceeded:
        return None
    except EngineError as error:
        if error.fatal:
            raise
        return None
    expected = bare + words * a_word
    if count is not None and count < 0.9 * expected:
        raise EngineError(
            f"the server cuts prompts without saying so: it was sent about {expected:,.0f} tokens and read {count:,}",
            hint="start it with a larger context (Ollama: OLLAMA_CONTEXT_LENGTH or num_ctx), or use another server",
        )
    return count
