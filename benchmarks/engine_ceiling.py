"""Compare samples of one prompt in the llama engine with llama.cpp's own `llama-batched-bench -pps`.

    python benchmarks/engine_ceiling.py MODEL.gguf --batched-bench PATH/llama-batched-bench [--json]

Both run in turn, `--repeat` times, with the same prompt length, new tokens, sequences, threads, flash attention and
kind of cache, unified and one a sequence; medians are printed. The benchmark draws no tokens; the engine's figure
includes sampling at temperature 0.8 and top_p 0.95, log-probabilities, detokenising and the hand-over to the parent
process. The prompt is known to the engine. `outside` is the share of the engine's whole
time that is not spent in llama_decode.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from ttscale.runtime.engines.base import Message, Request, Sampling
from ttscale.runtime.engines.llama.engine import LlamaEngine
from ttscale.runtime.engines.llama.machine import cores
from ttscale.runtime.engines.llama.options import LoadOptions

WORDS = "List all whole numbers from 1 to 5000, separated by commas."
MORE = " Leave none out."
BEGUN = "1, 2, 3, 4, 5, 6, 7, 8, 9,"  # an answer that goes on


@dataclass(frozen=True)
class Row:
    """New tokens a second at one number of sequences with one kind of cache, and the share outside llama_decode."""

    sequences: int
    cache: str
    prompt_tokens: int
    new_tokens: int
    engine: float
    outside: float
    bench: float

    @property
    def of_bench(self) -> float:
        return self.engine / self.bench if self.bench else 0.0


async def make_prompt(engine: LlamaEngine, tokens: int) -> tuple[Message, ...]:
    """A question and the beginning of its answer, which render to about this many tokens."""
    text = WORDS
    while await engine.count_tokens(prompt := (Message("user", text), Message("assistant", BEGUN))) < tokens:
        text += MORE
    return prompt


async def run_engine(engine: LlamaEngine, prompt: tuple[Message, ...], count: int, new: int) -> tuple[float, float]:
    """New tokens a second of the whole request, whose prompt is known, and the share of time outside llama_decode.

    Not from the first draw on: samples that wait for others begin later.
    """
    before = engine.stats()
    began = time.perf_counter()
    seeds = tuple(range(count))
    request = Request(prompt, seeds, max_tokens=new, sampling=Sampling(temperature=0.8, top_p=0.95))
    completions = [completion async for completion in engine.generate(request)]
    wall = time.perf_counter() - began
    decode = engine.stats().decode_seconds - before.decode_seconds
    short = sum(completion.new_tokens < new for completion in completions)
    if short:  # fewer rows than the benchmark has, at the price of nearly as many
        print(f"{short} of {count} samples ended before their {new} tokens", file=sys.stderr)
    return sum(completion.new_tokens for completion in completions) / wall, max(0.0, 1 - decode / wall)


def run_bench(options: argparse.Namespace, prompt: int, count: int, unified: bool) -> float:
    """New tokens a second of llama-batched-bench."""
    cells = max(2048, prompt * count + count * options.new + 512)
    command = [
        *(options.batched_bench, "-m", options.model, "-c", str(cells), "-b", "512", "-ub", "512"),
        *("-npp", str(prompt), "-ntg", str(options.new), "-npl", str(count), "-pps"),
        *("-t", str(options.threads), "-tb", str(options.threads), "-fa", options.flash_attention),
        *("--output-format", "jsonl"),
        *(["-kvu"] if unified else ["-no-kvu"]),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    for line in (done.stdout + "\n" + done.stderr).splitlines():
        at = line.find("{")
        if at >= 0 and '"speed_tg"' in line:
            return float(json.loads(line[at:])["speed_tg"])
    raise SystemExit(f"llama-batched-bench gave no result:\n{done.stderr[-2000:]}")


def engine_of(options: argparse.Namespace, cache: str, room: int) -> LlamaEngine:
    """Our engine with one kind of cache."""
    flash = options.flash_attention
    if cache == "unified":
        load = LoadOptions(flash_attention=flash)
        return LlamaEngine(options.model, threads=options.threads, options=load)
    load = LoadOptions(flash_attention=flash, kv_unified=False)
    most = max(options.sequences)
    return LlamaEngine(options.model, ctx=room, threads=options.threads, max_sequences=most, options=load)


async def measure(options: argparse.Namespace) -> list[Row]:
    """Every number of sequences and kind of cache; the sides take turns within each."""
    room = options.prompt + options.new + 64
    engines = {cache: engine_of(options, cache, room) for cache in options.caches}
    rows = []
    try:
        for engine in engines.values():
            await engine.start()
        prompt = await make_prompt(engine, options.prompt)
        length = await engine.count_tokens(prompt)
        for engine in engines.values():
            await run_engine(engine, prompt, 2, 8)  # warm-up
        for count in options.sequences:
            ours: dict[str, list[tuple[float, float]]] = {cache: [] for cache in engines}
            bench: dict[str, list[float]] = {cache: [] for cache in engines}
            for _ in range(options.repeat):
                for cache, engine in engines.items():
                    ours[cache].append(await run_engine(engine, prompt, count, options.new))
                    if options.batched_bench:
                        bench[cache].append(run_bench(options, length, count, cache == "unified"))
            for cache in engines:
                rows.append(
                    Row(
                        sequences=count,
                        cache=cache,
                        prompt_tokens=length,
                        new_tokens=options.new,
                        engine=statistics.median(rate for rate, _ in ours[cache]),
                        outside=statistics.median(share for _, share in ours[cache]),
                        bench=statistics.median(bench[cache]) if bench[cache] else 0.0,
                    )
                )
    finally:
        for engine in engines.values():
            await engine.close()
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--batched-bench", default="", help="path of llama-batched-bench")
    parser.add_argument("--sequences", type=int, nargs="+", default=[16, 32])
    parser.add_argument("--prompt", type=int, default=48, help="prompt tokens, at least")
    parser.add_argument("--new", type=int, default=64, help="new tokens of each sample")
    parser.add_argument("--threads", type=int, default=cores())
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--flash-attention", choices=("on", "off", "auto"), default="off", help="of both")
    parser.add_argument("--caches", nargs="+", choices=("unified", "separate"), default=["unified", "separate"])
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows = asyncio.run(measure(options))
    if options.json:
        json.dump([asdict(row) | {"of_bench": row.of_bench} for row in rows], sys.stdout, indent=2)
        print()
        return
    print(f"{Path(options.model).name}, {options.threads} threads, {rows[0].prompt_tokens} + {options.new} tokens")
    print("sequences     cache   engine  outside    bench")
    for row in rows:
        share = f" ({row.of_bench:6.1%})" if row.bench else ""
        print(f"{row.sequences:9d} {row.cache:>9} {row.engine:8.1f} {row.outside:8.1%} {row.bench:8.1f}{share}")


if __name__ == "__main__":
    main()
