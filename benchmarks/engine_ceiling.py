"""Compare samples of one prompt in the llama engine with llama.cpp's own `llama-batched-bench -pps`.

    python benchmarks/engine_ceiling.py MODEL.gguf --batched-bench PATH/llama-batched-bench [--json]

Both run in turn, `--repeat` times, with the same prompt length, new tokens, sequences and threads; medians are
printed. The benchmark draws no tokens; the engine's figure includes sampling at temperature 0.8 and top_p 0.95,
log-probabilities, detokenising and the hand-over to the parent process. `outside` is the share of the engine's
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

WORDS = "Write a very long story about a lighthouse, its keeper, the sea and every ship that ever passed by it."


@dataclass(frozen=True)
class Row:
    """New tokens a second at one number of sequences."""

    sequences: int
    prompt_tokens: int
    new_tokens: int
    engine: float
    outside: float
    unified: float
    separate: float

    @property
    def of_unified(self) -> float:
        return self.engine / self.unified if self.unified else 0.0

    @property
    def of_separate(self) -> float:
        return self.engine / self.separate if self.separate else 0.0


async def make_prompt(engine: LlamaEngine, tokens: int) -> tuple[Message, ...]:
    """A user message that renders to about this many tokens."""
    text = WORDS
    while await engine.count_tokens((Message("user", text),)) < tokens:
        text += " And then more."
    return (Message("user", text),)


async def run_engine(engine: LlamaEngine, prompt: tuple[Message, ...], count: int, new: int) -> tuple[float, float]:
    """New tokens a second from the first draw to the last, and the share of time outside llama_decode."""
    before = engine.stats()
    began = time.perf_counter()
    seeds = tuple(range(count))
    request = Request(prompt, seeds, max_tokens=new, sampling=Sampling(temperature=0.8, top_p=0.95))
    completions = [completion async for completion in engine.generate(request)]
    wall = time.perf_counter() - began
    seconds = max(completion.seconds for completion in completions)
    decode = engine.stats().decode_seconds - before.decode_seconds
    return sum(completion.new_tokens for completion in completions) / seconds, max(0.0, 1 - decode / wall)


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


async def measure(options: argparse.Namespace) -> list[Row]:
    engine = LlamaEngine(options.model, threads=options.threads)
    await engine.start()
    rows = []
    try:
        prompt = await make_prompt(engine, options.prompt)
        length = await engine.count_tokens(prompt)
        await run_engine(engine, prompt, 2, 8)  # warm-up
        for count in options.sequences:
            ours: list[tuple[float, float]] = []
            unified: list[float] = []
            separate: list[float] = []
            for _ in range(options.repeat):
                ours.append(await run_engine(engine, prompt, count, options.new))
                if options.batched_bench:
                    unified.append(run_bench(options, length, count, True))
                    separate.append(run_bench(options, length, count, False))
            rows.append(
                Row(
                    sequences=count,
                    prompt_tokens=length,
                    new_tokens=options.new,
                    engine=statistics.median(rate for rate, _ in ours),
                    outside=statistics.median(share for _, share in ours),
                    unified=statistics.median(unified) if unified else 0.0,
                    separate=statistics.median(separate) if separate else 0.0,
                )
            )
    finally:
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
    parser.add_argument("--flash-attention", choices=("on", "off", "auto"), default="off", help="of the benchmark")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows = asyncio.run(measure(options))
    if options.json:
        json.dump(
            [asdict(row) | {"of_unified": row.of_unified, "of_separate": row.of_separate} for row in rows],
            sys.stdout,
            indent=2,
        )
        print()
        return
    print(f"{Path(options.model).name}, {options.threads} threads, {rows[0].prompt_tokens} + {options.new} tokens")
    print("sequences   engine  outside   bench unified      bench per sequence")
    for row in rows:
        print(
            f"{row.sequences:9d} {row.engine:8.1f} {row.outside:8.1%}"
            f" {row.unified:9.1f} ({row.of_unified:6.1%}) {row.separate:12.1f} ({row.of_separate:6.1%})"
        )


if __name__ == "__main__":
    main()
