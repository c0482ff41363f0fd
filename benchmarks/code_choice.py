"""Programs chosen by tests that the model wrote: records a pool in which every sample has its test results.

    python benchmarks/code_choice.py humaneval.tts model.gguf --bank bank.sqlite --questions 40 --output pool.jsonl
    ttscale replay pool.jsonl --select all

The samples are those of `benchmarks/humaneval_eval.tts`, so that a bank of an evaluation brings them; the tests are
written by `run_tests` itself. Each sample is then graded by the row's own tests, which nothing else has seen.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from pathlib import Path
from typing import Any

from ttscale.runtime.metrics import metric_named
from ttscale.runtime.program import load

TESTED = """
pipeline tested(question: Text) -> Answers[Code(python)] {{
  return generate(complete(question), from: small, n: 8, temperature: 0.8, max_tokens: 320, stop: "```")
    |> run_tests(from: small, n: {n}, max_tokens: {tokens}, timeout: 2s)
}}
"""


async def row_of(program: Any, row: dict[str, Any], metric: Any) -> dict[str, Any]:
    """One question of a pool file: its samples with test results, graded by the row's tests."""
    result = await program.arun(row["prompt"], pipeline="tested")
    grades = await asyncio.gather(*(metric.score(c.answer, None, row) for c in result.pool))
    samples = [
        {
            "text": c.text,
            "answer": c.answer,
            "correct": bool(grade.value),
            "tokens": c.tokens,
            "logprob_mean": c.logprob_mean,
            "logprob_sum": c.logprob_sum,
            "tests": list(c.tests),
            "outputs": list(c.outputs),
        }
        for c, grade in zip(result.pool, grades, strict=True)
    ]
    return {
        "id": row["task_id"],
        "samples": samples,
        "fresh": result.trace.fresh.new_tokens,
        "notes": list(result.notes),
    }


async def main() -> None:
    """Run the questions one after the other and write what they gave."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program", type=Path)
    parser.add_argument("model")
    parser.add_argument("--bank", type=Path)
    parser.add_argument("--rows", type=Path, default=Path("data/humaneval/HumanEval.jsonl"))
    parser.add_argument("--start", type=int, default=0, help="the first question; what is written is added")
    parser.add_argument("--questions", type=int, default=40)
    parser.add_argument("--samples", type=int, default=2, help="samples of tests")
    parser.add_argument("--tokens", type=int, default=224, help="new tokens of each")
    parser.add_argument("--concurrency", type=int, default=4)
    parser.add_argument("--output", type=Path, required=True)
    given = parser.parse_args()
    file = given.output.with_suffix(".tts")
    text = given.program.read_text(encoding="utf-8").partition("\neval ")[0]
    file.write_text(text + TESTED.format(n=given.samples, tokens=given.tokens), encoding="utf-8")
    lines = given.rows.read_text(encoding="utf-8").splitlines()[given.start : given.start + given.questions]
    rows = [json.loads(line) for line in lines]
    metric, started, turn = metric_named("code"), time.perf_counter(), asyncio.Semaphore(given.concurrency)
    with load(file, models={"small": given.model}, bank=given.bank) as program, given.output.open("a") as out:

        async def one(row: dict[str, Any]) -> None:
            async with turn:
                found = await row_of(program, row, metric)
            out.write(json.dumps(found) + "\n")
            out.flush()
            right = sum(sample["correct"] for sample in found["samples"])
            print(
                f"{time.perf_counter() - started:6.0f} s  {found['id']}  {right} right, {found['fresh']} new",
                flush=True,
            )

        await asyncio.gather(*map(one, rows))


if __name__ == "__main__":
    asyncio.run(main())
