"""How many prompt tokens yes/no judgements with a common beginning compute, and what that saves.

    python benchmarks/judgements.py weights.gguf --count 16 --shared 500 --own 100

Each judgement is scored from its prompt's logits, without generating. First all at once, then one by one by an engine
that forgets everything in between. The counts are exact on any machine; seconds mean something on a quiet one only.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from pathlib import Path
from typing import Any

from ttscale.runtime.engines.base import EngineStats, Message
from ttscale.runtime.engines.llama.engine import LlamaEngine

LABELS = ("yes", "no")
WORDS = ("river", "stone", "market", "engine", "winter", "paper", "candle", "orange", "mirror", "garden", "silver")


async def prompts(engine: LlamaEngine, count: int, shared: int, own: int) -> list[tuple[Message, ...]]:
    """Prompts of `shared + own` tokens whose first `shared` or a few less are common."""

    async def grown(before: str, after: str, tokens: int, start: int) -> str:
        """`before` and as many words as bring the whole prompt, its template included, to `tokens`."""
        words: list[str] = []
        while await engine.count_tokens((Message("user", f"{before}{' '.join(words)}{after}"),)) < tokens:
            words.append(WORDS[(start + 5 * len(words)) % len(WORDS)])
        return f"{before}{' '.join(words)}{after}"

    common = await grown("", "", shared, 0)
    return [
        (Message("user", await grown(f"{common}\nAnswer {number}: ", "\nIs it right?", shared + own, number)),)
        for number in range(count)
    ]


async def together(engine: LlamaEngine, asked: list[tuple[Message, ...]]) -> tuple[float, EngineStats]:
    """Seconds and counters of all judgements at once."""
    began = time.perf_counter()
    await asyncio.gather(*(engine.score(one, LABELS) for one in asked))
    return time.perf_counter() - began, engine.stats()


async def alone(path: Path, threads: int | None, asked: list[tuple[Message, ...]]) -> tuple[float, int]:
    """Seconds and computed prompt tokens of the judgements, each by a loaded engine that knows nothing."""
    seconds, computed = 0.0, 0
    for one in asked:
        engine = LlamaEngine(path, ctx=2048, threads=threads)
        try:
            await engine.start()
            began = time.perf_counter()
            await engine.score(one, LABELS)
            seconds += time.perf_counter() - began
            computed += engine.stats().prompt_computed
        finally:
            await engine.close()
    return seconds, computed


async def one_round(chosen: argparse.Namespace) -> dict[str, Any]:
    """Both sides in turn, with an engine that has seen nothing."""
    engine = LlamaEngine(chosen.weights, ctx=2048, threads=chosen.threads)
    try:
        asked = await prompts(engine, chosen.count, chosen.shared, chosen.own)
        sizes = [await engine.count_tokens(one) for one in asked]
        seconds, stats = await together(engine, asked)
    finally:
        await engine.close()
    slow, computed = await alone(chosen.weights, chosen.threads, asked)
    return {
        "prompt_tokens": sizes,
        "together": {"computed": stats.prompt_computed, "asked": stats.prompt_asked, "seconds": round(seconds, 2)},
        "alone": {"computed": computed, "seconds": round(slow, 2)},
        "saved_by_count": round(computed / stats.prompt_computed, 2),
        "saved_by_seconds": round(slow / seconds, 2),
    }


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--count", type=int, default=16)
    parser.add_argument("--shared", type=int, default=500)
    parser.add_argument("--own", type=int, default=100)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--json", type=Path, help="where the figures go")
    chosen = parser.parse_args()
    runs = [await one_round(chosen) for _ in range(chosen.repeat)]
    middle = sorted(runs, key=lambda one: float(one["saved_by_seconds"]))[len(runs) // 2]
    if chosen.json:
        chosen.json.write_text(json.dumps({"median": middle, "runs": runs}, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(middle, indent=2))


if __name__ == "__main__":
    asyncio.run(main())
