"""Self-consistency on GSM8K: our program against its_hub on llama-server, side by side.

    python -m venv its && its/bin/pip install 'its_hub[lm]==1.2.0'
    python benchmarks/self_consistency.py --data gsm8k/test.jsonl --weights qwen.gguf --server llama-server \\
        --its-python its/bin/python

Both answer the same questions with the worked examples of `gsm8k.tts`, eight samples each with the same settings and
weights, in turn block by block; the order alternates, and with it which side a noisy neighbour hurts. its_hub takes one
question after another, as its own examples do, with all samples at once on as many slots; the server keeps its cache of
prompts and has been warmed by a question. Our side gets a block's questions together. Loading is not timed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import ttscale
from gsm8k_against_server import PROGRAM, ask_program, judge, questions, turns
from local_servers import llama_server
from ttscale.runtime.engines.llama.machine import cores

Block = tuple[float, list[list[dict[str, Any]]]]
"""Seconds, and the samples by question."""


async def ask_its_hub(process: asyncio.subprocess.Process, block: list[dict[str, Any]]) -> Block:
    """One question after another, as the library is used."""
    assert process.stdin is not None and process.stdout is not None
    seconds, samples = 0.0, []
    for row in block:
        process.stdin.write((json.dumps({"messages": turns(row["question"])}) + "\n").encode())
        line = await process.stdout.readline()
        if not line:
            raise SystemExit("its_hub ended; its message stands above")
        reply = json.loads(line)
        seconds += reply["seconds"]
        each = reply["new_tokens"] / len(reply["texts"])
        samples.append([{"text": text, "tokens": each} for text in reply["texts"]])
    return seconds, samples


async def ask_ours(program: Any, block: list[dict[str, Any]], options: argparse.Namespace) -> Block:
    began = time.perf_counter()
    samples = await ask_program(program, block, options)
    return time.perf_counter() - began, samples


def program_of(options: argparse.Namespace, folder: Path) -> Path:
    """The program, with the weights and the cache mode that are asked for."""
    own = f", kv_unified: false, slots: {options.own_caches}, ctx: {options.context}" if options.own_caches else ""
    text, count = re.subn(
        r'gguf\(".*?"', lambda _: f'gguf("{Path(options.weights).resolve()}"{own}', PROGRAM.read_text("utf-8")
    )
    assert count == 1
    path = folder / PROGRAM.name
    path.write_text(text, encoding="utf-8")
    return path


def told(blocks: list[Block], rows: list[dict[str, Any]]) -> dict[str, Any]:
    """One side's figures."""
    judged = [judge(row, found) for row, found in zip(rows, (one for _, own in blocks for one in own), strict=True)]
    seconds = sum(took for took, _ in blocks)
    tokens = sum(one["tokens"] for one in judged)
    return {
        "seconds": seconds,
        "seconds_a_question": seconds / len(rows),
        "new_tokens": tokens,
        "tokens_per_second": tokens / seconds,
        "single": statistics.fmean(one["single"] for one in judged),
        "majority": statistics.fmean(one["majority"] for one in judged),
    }


async def one_round(
    program: Any, process: asyncio.subprocess.Process, rows: list[dict[str, Any]], options: argparse.Namespace
) -> dict[str, Any]:
    sides: dict[str, list[Block]] = {"ttscale": [], "its_hub": []}
    for number, start in enumerate(range(0, len(rows), options.block)):
        block = rows[start : start + options.block]
        for side in ("ttscale", "its_hub") if number % 2 == 0 else ("its_hub", "ttscale"):
            ours = side == "ttscale"
            sides[side].append(await (ask_ours(program, block, options) if ours else ask_its_hub(process, block)))
            print(f"questions {start + 1} to {start + len(block)}, {side}: {sides[side][-1][0]:.1f} s", flush=True)
    found = {side: told(blocks, rows) for side, blocks in sides.items()}
    ratio = found["its_hub"]["seconds"] / found["ttscale"]["seconds"]
    rate = found["ttscale"]["tokens_per_second"] / found["its_hub"]["tokens_per_second"]
    return {**found, "ratio_of_seconds": ratio, "ratio_of_rates": rate}


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--server", required=True, help="the llama-server binary")
    parser.add_argument("--its-python", required=True, help="a Python that has its_hub[lm] 1.2")
    parser.add_argument("--questions", type=int, default=16)
    parser.add_argument("--block", type=int, default=8)
    parser.add_argument("--n", type=int, default=8)
    parser.add_argument("--threads", type=int, default=cores())
    parser.add_argument("--max-tokens", type=int, default=256)
    parser.add_argument("--temperature", type=float, default=0.7)
    parser.add_argument("--concurrency", type=int, default=8, help="questions in flight on our side")
    parser.add_argument("--context", type=int, default=1024, help="tokens of a slot")
    parser.add_argument(
        "--own-caches", type=int, metavar="N", help="our side: N samples at once, each with its own cache"
    )
    parser.add_argument("--flash-attention", choices=("on", "off"), default="off", help="of the server")
    parser.add_argument("--top-k", type=int, default=40, help="of the server")
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--json", type=Path, help="where the figures go")
    options = parser.parse_args()
    rows = questions(options.data, options.questions)
    # its_hub sends a temperature and nothing else. The server gets the program's top_p, and a top_k that ours has not:
    # without one its sampler sorts the whole vocabulary, which is slow.
    more = ("--top-k", str(options.top_k), "--top-p", "0.95", "--min-p", "0", "-fa", options.flash_attention)
    rounds = []
    with (
        tempfile.TemporaryDirectory() as folder,
        ttscale.load(program_of(options, Path(folder))) as program,
        llama_server(
            options.server,
            options.weights,
            slots=options.n,
            context=options.context,
            threads=options.threads,
            more=more,
        ) as url,
    ):
        process = await asyncio.create_subprocess_exec(
            *(options.its_python, str(Path(__file__).with_name("its_hub_side.py")), "--url", f"{url}/v1"),
            *("--n", str(options.n), "--max-tokens", str(options.max_tokens)),
            *("--temperature", str(options.temperature)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            limit=1 << 24,
        )
        try:
            warm = [{"question": "What is 1 + 1?"}]
            await ask_ours(program, warm, options)
            await ask_its_hub(process, warm)
            for _ in range(options.repeat):
                rounds.append(await one_round(program, process, rows, options))
        finally:
            process.terminate()
            await process.wait()
    middle = sorted(rounds, key=lambda one: float(one["ratio_of_seconds"]))[len(rounds) // 2]
    if options.json:
        options.json.write_text(json.dumps({"median": middle, "rounds": rounds}, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(middle, indent=2))


if __name__ == "__main__":
    asyncio.run(main())
