"""Many samples of one new, long prompt: our engine, a freshly started llama-server, and llama-cpp-python's `Llama`.

    python benchmarks/samples_of_one_prompt.py WEIGHTS --server PATH/llama-server

The three answer the same prompt in turn, `--repeat` times, each time another prompt that none has seen; medians are
told. The server is started anew each time, with a slot for every sample, and gets all requests at once. `Llama`
writes one sample after another and keeps the prompt's cells between them, as it does by itself. All draw with the
same settings (top_k 40 by default, for without it llama.cpp's own samplers sort the whole vocabulary); loading is not
timed. Rates are new tokens a second over the whole time, the prompt's included.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx
from local_servers import llama_server
from ttscale.runtime.engines.base import Message, Request, Sampling
from ttscale.runtime.engines.llama.engine import LlamaEngine
from ttscale.runtime.engines.llama.machine import cores

WORDS = ("river", "stone", "market", "engine", "winter", "paper", "candle", "orange", "mirror", "garden", "silver")


@dataclass(frozen=True)
class Took:
    """One side's time for all samples; `prompt_computed` where it tells."""

    seconds: float
    new_tokens: int
    prompt_computed: int | None = None

    @property
    def rate(self) -> float:
        return self.new_tokens / self.seconds


async def new_prompt(engine: LlamaEngine, tokens: int, number: int) -> str:
    """A text that renders to `tokens` tokens or a few more, and differs from other numbers' from its beginning."""
    words = [f"List {number + 1}:"]
    ask = "\nWrite a long story in which all of these things occur. Begin with the weather."
    while await engine.count_tokens((Message("user", " ".join(words) + ask),)) < tokens:
        words.append(WORDS[(number + 5 * len(words) + len(words) // 11) % len(WORDS)])
    return " ".join(words) + ask


async def ours(engine: LlamaEngine, text: str, options: argparse.Namespace) -> Took:
    before = engine.stats().prompt_computed
    sampling = Sampling(temperature=0.8, top_p=0.95, top_k=options.top_k)
    request = Request((Message("user", text),), tuple(range(options.n)), max_tokens=options.new, sampling=sampling)
    began = time.perf_counter()
    done = [completion async for completion in engine.generate(request)]
    seconds = time.perf_counter() - began
    return Took(seconds, sum(one.new_tokens for one in done), engine.stats().prompt_computed - before)


async def server(text: str, options: argparse.Namespace) -> Took:
    """All samples at once from a server that has just been started."""
    room = options.prompt + options.new + 64
    more = ("-fa", options.flash_attention)
    started = llama_server(
        options.server, options.weights, slots=options.n, context=room, threads=options.threads, more=more
    )
    with started as url:
        async with httpx.AsyncClient(timeout=None) as client:

            async def one(seed: int) -> int:
                body = {
                    "messages": [{"role": "user", "content": text}],
                    "max_tokens": options.new,
                    "seed": seed,
                    **settings(options),
                }
                reply = await client.post(f"{url}/v1/chat/completions", json=body)
                reply.raise_for_status()
                return int(reply.json()["usage"]["completion_tokens"])

            began = time.perf_counter()
            tokens = await asyncio.gather(*map(one, range(options.n)))
            return Took(time.perf_counter() - began, sum(tokens))


def settings(options: argparse.Namespace) -> dict[str, float]:
    return {"temperature": 0.8, "top_p": 0.95, "top_k": options.top_k, "min_p": 0.0, "repeat_penalty": 1.0}


def alone(text: str, options: argparse.Namespace) -> Took:
    """One sample after another by llama-cpp-python's high-level class, loaded anew."""
    from llama_cpp import Llama

    model = Llama(
        options.weights,
        n_ctx=options.prompt + options.new + 64,
        n_threads=options.threads,
        n_threads_batch=options.threads,
        flash_attn=options.flash_attention == "on",
        verbose=False,
    )
    try:
        began, tokens = time.perf_counter(), 0
        for seed in range(options.n):
            messages = [{"role": "user", "content": text}]
            reply = model.create_chat_completion(
                messages=messages, max_tokens=options.new, seed=seed, **settings(options)
            )
            tokens += reply["usage"]["completion_tokens"]
        return Took(time.perf_counter() - began, tokens)
    finally:
        model.close()


async def measure(options: argparse.Namespace) -> dict[str, list[Took]]:
    took: dict[str, list[Took]] = {"ours": [], "llama-server": [], "Llama": []}
    engine = LlamaEngine(options.weights, ctx=options.prompt + options.new + 64, threads=options.threads)
    try:
        await engine.start()
        await ours(engine, "Say hello.", options)  # warm-up
        for number in range(options.repeat):
            text = await new_prompt(engine, options.prompt, number)
            took["ours"].append(await ours(engine, text, options))
            if options.server:
                took["llama-server"].append(await server(text, options))
            if not options.no_llama:
                took["Llama"].append(alone(text, options))
            told = (f"{name} {runs[-1].seconds:.1f} s ({runs[-1].new_tokens})" for name, runs in took.items() if runs)
            print(f"round {number + 1}/{options.repeat}: {', '.join(told)}", flush=True)
    finally:
        await engine.close()
    return took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights")
    parser.add_argument("--server", default="", help="path of llama-server; without it that side is left out")
    parser.add_argument("--no-llama", action="store_true", help="leave the one-by-one side out")
    parser.add_argument("--n", type=int, default=16)
    parser.add_argument("--prompt", type=int, default=500, help="prompt tokens, at least")
    parser.add_argument("--new", type=int, default=64, help="new tokens of each sample")
    parser.add_argument("--top-k", type=int, default=40)
    parser.add_argument("--threads", type=int, default=cores())
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--flash-attention", choices=("on", "off"), default="off", help="of the other two")
    parser.add_argument("--json", type=Path, help="where the figures go")
    options = parser.parse_args()
    took = asyncio.run(measure(options))
    rates = {name: statistics.median(one.rate for one in runs) for name, runs in took.items() if runs}
    found = {
        "weights": Path(options.weights).name,
        "settings": {name: getattr(options, name) for name in ("n", "prompt", "new", "top_k", "threads", "repeat")},
        "runs": {name: [asdict(one) for one in runs] for name, runs in took.items()},
        "median_tokens_per_second": rates,
        "ours_to_others": {name: rates["ours"] / rate for name, rate in rates.items() if name != "ours"},
    }
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(json.dumps({name: found[name] for name in ("median_tokens_per_second", "ours_to_others")}, indent=2))


if __name__ == "__main__":
    main()
