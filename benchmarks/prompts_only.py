"""Whether a load that only reads prompts stays as fast as it begins.

    python benchmarks/prompts_only.py weights.gguf --count 96 --tokens 300

Yes/no judgements of prompts that have nothing in common, several at once, are scored from their prompts' logits. What
is kept of those before costs the rows of later ones, so the last quarter shows whether too much is kept. The ratio of
the quarters means something on a machine whose load does not change.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import time
from pathlib import Path

from ttscale.runtime.engines.base import Message
from ttscale.runtime.engines.llama.engine import LlamaEngine

WORDS = ("river", "stone", "market", "engine", "winter", "paper", "candle", "orange", "mirror", "garden", "silver")


def prompt(number: int, words: int) -> tuple[Message, ...]:
    """A prompt of so many words that differs from the others from its first word on."""
    dice = random.Random(number)
    return (Message("user", f"{number} {' '.join(dice.choices(WORDS, k=words))}. Is it right?"),)


async def measured(chosen: argparse.Namespace) -> list[dict[str, float]]:
    """Tokens and seconds of each quarter."""
    engine = LlamaEngine(chosen.weights, threads=chosen.threads)
    try:
        await engine.start()
        found = []
        quarter = chosen.count // 4
        for part in range(4):
            asked = [prompt(part * quarter + place, chosen.tokens) for place in range(quarter)]
            gate = asyncio.Semaphore(chosen.together)
            before, began = engine.stats().prompt_computed, time.perf_counter()

            async def score(one: tuple[Message, ...], gate: asyncio.Semaphore = gate) -> None:
                async with gate:
                    await engine.score(one, ("yes", "no"))

            await asyncio.gather(*map(score, asked))
            seconds = time.perf_counter() - began
            tokens = engine.stats().prompt_computed - before
            found.append(
                {"tokens": tokens, "seconds": round(seconds, 2), "tokens_a_second": round(tokens / seconds, 1)}
            )
        return found
    finally:
        await engine.close()


def main() -> None:
    """Run it and print the quarters."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--count", type=int, default=96, help="prompts in all")
    parser.add_argument("--tokens", type=int, default=300, help="words of each, about a token a word")
    parser.add_argument("--together", type=int, default=8, help="judgements at once")
    parser.add_argument("--threads", type=int)
    chosen = parser.parse_args()
    quarters = asyncio.run(measured(chosen))
    ratio = quarters[-1]["tokens_a_second"] / quarters[0]["tokens_a_second"]
    print(json.dumps({"quarters": quarters, "last_by_first": round(ratio, 2)}, indent=2))


if __name__ == "__main__":
    main()
