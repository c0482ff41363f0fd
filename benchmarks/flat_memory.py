"""Memory over many requests: resident bytes of this process and of the model's after every thousand.

    python benchmarks/flat_memory.py [WEIGHTS] --requests 10000 --json

Every request has a question of its own and asks for one or two tokens; a thousand are queued at once. Without weights
a model of random ones is made, since what may leak is ours and llama.cpp's bookkeeping and not the numbers. The last
line says how much memory grew from the second thousand to the last.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import sys
import tempfile
from pathlib import Path

from random_weights import SHAPES, write
from ttscale.runtime.engines.base import Message, Request, Sampling
from ttscale.runtime.engines.llama.engine import LlamaEngine

PART = 1000
MIB = 2**20
CACHE = MIB // 2  # a small one: rows look at all cells in use, and it is counts that matter here


def resident(process: int) -> float:
    """MiB that a process has in memory (Linux)."""
    lines = Path(f"/proc/{process}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS:")) / MIB


def children() -> list[int]:
    """The processes that this one has started."""
    found = []
    for task in Path("/proc/self/task").iterdir():
        found += [int(number) for number in (task / "children").read_text(encoding="ascii").split()]
    return found


async def ask(engine: LlamaEngine, number: int) -> int:
    """The new tokens of one request."""
    asked = (Message("user", f"{number}, {number % 97}?"),)
    request = Request(asked, (number,), max_tokens=1 + number % 2, sampling=Sampling(0.8))
    return sum([one.new_tokens async for one in engine.generate(request)])


async def measure(path: Path, requests: int, quiet: bool) -> list[dict[str, float]]:
    """Memory after every thousand requests."""
    engine = LlamaEngine(path, ctx=512, memory=CACHE)
    found: list[dict[str, float]] = []
    try:
        await engine.start()
        for start in range(0, requests, PART):
            tokens = await asyncio.gather(*(ask(engine, start + number) for number in range(PART)))
            assert all(tokens), "every request was answered"
            gc.collect()
            row = {"requests": start + PART, "ours": resident(os.getpid()), "model": sum(map(resident, children()))}
            found.append(row)
            if not quiet:
                sys.stderr.write(f"{row['requests']:>6}: {row['ours']:.1f} MiB here, {row['model']:.1f} MiB there\n")
    finally:
        await engine.close()
    return found


def main() -> None:
    """Measure, print, and say what grew."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("weights", type=Path, nargs="?")
    parser.add_argument("--requests", type=int, default=10 * PART)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = given.weights or write(Path(folder) / "tiny.gguf", SHAPES["tiny"])
        rows = asyncio.run(measure(path, given.requests, given.json))
    grown = {name: rows[-1][name] - rows[min(1, len(rows) - 1)][name] for name in ("ours", "model")}
    if given.json:
        sys.stdout.write(json.dumps({"rows": rows, "grown_mib": grown}, indent=2) + "\n")
    else:
        sys.stdout.write(f"from {2 * PART} to {given.requests}: {grown['ours']:+.1f} and {grown['model']:+.1f} MiB\n")


if __name__ == "__main__":
    main()
