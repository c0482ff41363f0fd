"""A process of a test: answers questions with a slow seeded engine, from a shared bank, and prints what it made.

    python bank_worker.py BANK MODEL QUESTIONS PAUSE

MODEL is `seeded`, or a .gguf file. Every finished question is a line of JSON on standard output.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from banks import MODEL, SeededEngine
from running import pipeline, plan_of
from ttscale.runtime.bank.runs import BankRun
from ttscale.runtime.bank.store import Bank
from ttscale.runtime.engines.base import Engine
from ttscale.runtime.executor import execute

TEXT = pipeline(
    "return generate(say(question), from: m, n: 4, max_tokens: 160, temperature: 1.2) |> select(by: first)",
    models=MODEL,
    returns="Text",
)


async def main(path: Path, model: str, questions: int, pause: float) -> None:
    """Answer the questions two at a time."""
    plan = plan_of(TEXT)
    seeded = SeededEngine(pause=pause)
    engine: Engine = seeded
    if model != "seeded":
        from ttscale.runtime.engines.llama.engine import LlamaEngine

        engine = LlamaEngine(model, threads=1, ctx=1024)
    with Bank(path) as bank:
        run = BankRun(bank, {"worker": True})
        limit = asyncio.Semaphore(2)

        async def one(number: int) -> None:
            async with limit:
                question = f"{number} + {number}?"
                result = await execute(plan.graph, plan, {"question": question}, {"m": engine}, bank=run)
            line = {
                "question": question,
                "texts": [candidate.text for candidate in result.samples],
                "new_tokens": result.cost.new_tokens,
                "fresh_calls": result.fresh.calls,
                "fresh_tokens": result.fresh.new_tokens,
            }
            sys.stdout.write(json.dumps(line) + "\n")
            sys.stdout.flush()

        await asyncio.gather(*(one(number) for number in range(questions)))
    sys.stdout.write(json.dumps({"made": seeded.made}) + "\n")
    await engine.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), float(sys.argv[4])))
