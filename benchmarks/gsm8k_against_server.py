"""Self-consistency on GSM8K: our engine against llama-server with 16 slots, the same load, in one run.

Both sides answer the same questions with the same prompt, `n` samples each at the same temperature, top_p and
token limit, with the same weights and threads. The questions are cut into blocks, and the sides take turns block
by block (the order alternates), so that a noisy neighbour hurts both. The server keeps its prompt cache and gets
16 requests at a time, one per slot.

    python benchmarks/gsm8k_against_server.py --data gsm8k/test.jsonl --weights qwen.gguf --server llama-server

`--server-blocks` limits the server to some blocks, evenly spread, where a whole run of it would take too long; wall
time is then compared over those blocks alone. Figures so far are written after every block, and a run that was ended
goes on behind the last whole block of its `--samples`.

Accuracy: the mean over single samples against the majority vote, with a paired bootstrap 95% interval over
questions. Only `--data`, `--weights` and `--server` have no default.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import re
import socket
import subprocess
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import ttscale
from ttscale.compiler.types import NUMBER
from ttscale.runtime.answers import classes, read
from ttscale.runtime.metrics import paired_bootstrap
from ttscale.runtime.strategies import vote

HERE = Path(__file__).parent
PROGRAM = HERE / "gsm8k.tts"


def turns(question: str) -> list[dict[str, str]]:
    """The turns of the program's prompt, for the server."""
    text = PROGRAM.read_text(encoding="utf-8")
    found = re.findall(r'^  (user|assistant) """\n(.*?)\n  """', text, re.MULTILINE | re.DOTALL)
    return [
        {"role": role, "content": textwrap.dedent(body).replace("{{ question }}", question)} for role, body in found
    ]


def questions(path: Path, count: int) -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()[:count]]
    return [
        {"question": row["question"], "gold": float(row["answer"].split("####")[1].replace(",", ""))} for row in rows
    ]


@contextlib.contextmanager
def server(binary: str, weights: str, slots: int, context: int, threads: int) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [binary, "-m", weights, "-np", str(slots), "-c", str(context * slots), "-t", str(threads)]
    command += ["--port", str(port), "--no-webui"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        url = f"http://127.0.0.1:{port}"
        for _ in range(600):
            if process.poll() is not None:
                raise SystemExit(f"{binary} ended with {process.returncode}")
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(f"{url}/health").status_code == 200:
                    break
            time.sleep(0.2)
        yield url
    finally:
        process.terminate()
        process.wait()


async def ask_server(url: str, block: list[dict[str, Any]], args: argparse.Namespace) -> list[list[dict[str, Any]]]:
    gate = asyncio.Semaphore(args.slots)
    async with httpx.AsyncClient(timeout=None) as client:

        async def one(row: dict[str, Any], seed: int) -> dict[str, Any]:
            body = {
                "messages": turns(row["question"]),
                "max_tokens": args.max_tokens,
                "temperature": args.temperature,
                "top_p": 0.95,
                "top_k": 0,
                "min_p": 0.0,
                "seed": seed,
                "cache_prompt": True,
            }
            async with gate:
                reply = await client.post(f"{url}/v1/chat/completions", json=body)
            reply.raise_for_status()
            data = reply.json()
            return {
                "text": data["choices"][0]["message"]["content"] or "",
                "tokens": data["usage"]["completion_tokens"],
            }

        return list(await asyncio.gather(*(gather([one(row, seed) for seed in range(args.n)]) for row in block)))


async def gather(jobs: list[Any]) -> list[dict[str, Any]]:
    return list(await asyncio.gather(*jobs))


async def ask_program(
    program: Any, block: list[dict[str, Any]], args: argparse.Namespace
) -> list[list[dict[str, Any]]]:
    pools: dict[int, list[dict[str, Any]]] = {}
    rows = [{"question": row["question"]} for row in block]
    params = {"n": args.n, "temperature": args.temperature, "max_tokens": args.max_tokens}
    async for found in program.run_many(rows, concurrency=args.concurrency, params=params):
        if found.error is not None:
            raise found.error
        pools[found.index] = [{"text": c.text, "tokens": c.tokens} for c in found.result.samples]
    return [pools[i] for i in range(len(block))]


def judge(row: dict[str, Any], samples: list[dict[str, Any]]) -> dict[str, Any]:
    answers = [read(NUMBER, sample["text"]) for sample in samples]
    right = [key is not None and abs(float(value) - row["gold"]) < 1e-6 for value, key in answers]
    groups = classes(NUMBER, [key for _, key in answers])
    picked = vote(groups).index
    return {
        "single": sum(right) / len(right),
        "majority": float(picked is not None and right[picked]),
        "any": float(any(right)),
        "unreadable": sum(g is None for g in groups) / len(groups),
        "tokens": sum(s["tokens"] for s in samples),
    }


Block = tuple[float, list[list[dict[str, Any]]]]
"""Seconds, and the samples by question."""


def keep(path: Path | None, side: str, start: int, block: list[dict[str, Any]], done: Block) -> None:
    """Append the texts to a pool file, so that they can be judged again by `ttscale replay`."""
    if path is None:
        return
    seconds, samples = done
    with path.open("a", encoding="utf-8") as file:
        for place, (row, found) in enumerate(zip(block, samples, strict=True)):
            record = {"id": f"{side}-{start + place}", **row, "gold": str(row["gold"]), "samples": found}
            file.write(json.dumps({**record, "block_seconds": seconds}) + "\n")


def kept(path: Path | None, block: int) -> dict[tuple[str, int], Block]:
    """The blocks that the pool file holds whole, by side and first question."""
    rows: dict[str, dict[str, Any]] = {}
    if path is not None and path.exists():
        rows = {row["id"]: row for row in map(json.loads, path.read_text(encoding="utf-8").splitlines())}
    found: dict[tuple[str, int], Block] = {}
    for name, row in rows.items():
        side, start = name.rsplit("-", 1)
        names = [f"{side}-{int(start) + place}" for place in range(block)]
        if int(start) % block == 0 and all(name in rows for name in names):
            found[side, int(start)] = (row["block_seconds"], [rows[name]["samples"] for name in names])
    return found


def summary(rows: list[dict[str, Any]], seconds: float) -> dict[str, Any]:
    count = len(rows)
    low, high = paired_bootstrap([row["majority"] for row in rows], [row["single"] for row in rows], seed=7)
    tokens = sum(row["tokens"] for row in rows)
    return {
        "questions": count,
        "single": sum(r["single"] for r in rows) / count,
        "majority": sum(r["majority"] for r in rows) / count,
        "any": sum(r["any"] for r in rows) / count,
        "unreadable": sum(r["unreadable"] for r in rows) / count,
        "majority_minus_single_95": [low, high],
        "new_tokens": tokens,
        "seconds": seconds,
        "tokens_per_second": tokens / seconds if seconds else 0.0,
    }


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--server", required=True, help="the llama-server binary")
    parser.add_argument("--questions", type=int, default=100)
    parser.add_argument("--block", type=int, default=25)
    parser.add_argument("--n", type=int, default=8)
    parser.add_argument("--slots", type=int, default=16)
    parser.add_argument(
        "--threads",
        type=int,
        default=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
    )
    parser.add_argument("--max-tokens", type=int, default=256)
    parser.add_argument("--temperature", type=float, default=0.7)
    parser.add_argument("--concurrency", type=int, default=8, help="questions in flight on our side")
    parser.add_argument("--server-blocks", type=int, help="blocks that the server answers too; default all")
    parser.add_argument("--samples", type=Path, help="a pool file to which all samples are appended")
    parser.add_argument("--json", type=Path, help="where the figures go")
    args = parser.parse_args()

    rows = questions(args.data, args.questions)
    blocks = [rows[start : start + args.block] for start in range(0, len(rows), args.block)]
    wanted = len(blocks) if args.server_blocks is None else args.server_blocks
    shared = set(range(0, len(blocks), max(1, len(blocks) // wanted))[:wanted]) if wanted else set()
    seconds: dict[str, list[float]] = {"ttscale": [], "llama-server": []}
    judged: dict[str, list[dict[str, Any]]] = {"ttscale": [], "llama-server": []}
    both = 0.0
    before = kept(args.samples, args.block)

    with ttscale.load(PROGRAM, models={"small": args.weights}) as program:
        await program.arun("1 + 1?")
        with server(args.server, args.weights, args.slots, 1024, args.threads) as url:
            await ask_server(url, [{"question": "1 + 1?"}], args)
            for number, block in enumerate(blocks):
                turn = len(seconds["llama-server"])
                order = ["ttscale", "llama-server"] if turn % 2 == 0 else ["llama-server", "ttscale"]
                for side in order if number in shared else ["ttscale"]:
                    start = number * args.block
                    if (side, start) not in before:
                        began = time.perf_counter()
                        ask = ask_program(program, block, args) if side == "ttscale" else ask_server(url, block, args)
                        samples = await ask
                        before[side, start] = (time.perf_counter() - began, samples)
                        keep(args.samples, side, start, block, before[side, start])
                    took, samples = before[side, start]
                    seconds[side].append(took)
                    both += took if side == "ttscale" and number in shared else 0.0
                    judged[side] += [judge(row, found) for row, found in zip(block, samples, strict=True)]
                    print(f"block {number + 1}/{len(blocks)} {side}: {took:.1f} s", flush=True)
                report: dict[str, Any] = {
                    side: summary(judged[side], sum(seconds[side])) for side in judged if judged[side]
                }
                if both:
                    report["shared_blocks"] = {"ttscale": both, "llama-server": sum(seconds["llama-server"])}
                    report["wall_time_ratio"] = sum(seconds["llama-server"]) / both
                if args.json:
                    args.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    asyncio.run(main())
