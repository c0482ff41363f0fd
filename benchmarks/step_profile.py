"""Where the time of a full step goes: what lies outside `llama_decode`, by part, with and without a grammar.

    python benchmarks/step_profile.py SMOLLM2 QWEN --sequences 64

For each model, cache and kind of answer: samples of one prompt at temperature 0.8 and top_p 0.95 without top_k, with
log-probabilities, stop texts, detokenising and progress reports as the bank asks for them. Only steps that decode all
sequences count; medians over `--repeat` rounds of the shares. The loop runs in a thread of this process, with a clock
around each part; messages are packed as they are for the pipe to the parent. A part's time is its own, without that of
parts inside it, and the clocks' own time is in `rest`.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ttscale.runtime.engines.base import Constraint, Message, Request, Sampling
from ttscale.runtime.engines.llama import loop as loops
from ttscale.runtime.engines.llama.engine import LlamaEngine
from ttscale.runtime.engines.llama.grammar import Constrained
from ttscale.runtime.engines.llama.jobs import Board
from ttscale.runtime.engines.llama.machine import cores
from ttscale.runtime.engines.llama.options import LoadOptions
from ttscale.runtime.engines.llama.runner import Runner
from ttscale.runtime.engines.llama.samples import Samples
from ttscale.runtime.engines.llama.sampling import Distribution, Sampler
from ttscale.runtime.engines.llama.scheduler import Scheduler
from ttscale.runtime.engines.llama.text import Answer
from ttscale.runtime.engines.llama.worker import write_frame

GRAMMAR = r'root ::= ("- " [A-Za-z0-9 ,.]+ "\n")+'
PARTS: tuple[tuple[str, type, str], ...] = (
    ("llama_decode", Runner, "decode"),
    ("scheduler", Scheduler, "start"),
    ("scheduler", Scheduler, "plan"),
    ("sampling", Sampler, "distribution"),
    ("sampling", Distribution, "draw"),
    ("log-probabilities", Distribution, "log_probability"),
    ("grammar", Constrained, "allows"),
    ("grammar", Constrained, "follow"),
    ("grammar", Samples, "_draw_again"),
    ("stop texts", Answer, "push"),
    ("finished samples", Board, "complete"),
)


class Clock:
    """Seconds of each part's own in the present step, and those of all steps that were full."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Begin anew."""
        self.own: dict[str, float] = defaultdict(float)
        self.total: dict[str, float] = defaultdict(float)
        self.steps = 0
        self.seconds = 0.0
        self._inner = [0.0]

    def around(self, part: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*given: Any, **named: Any) -> Any:
            self._inner.append(0.0)
            began = time.perf_counter()
            try:
                return method(*given, **named)
            finally:
                took = time.perf_counter() - began
                self.own[part] += took - self._inner.pop()
                self._inner[-1] += took

        return timed

    def step(self, seconds: float, full: bool) -> None:
        if full:
            self.steps += 1
            self.seconds += seconds
            for part, own in self.own.items():
                self.total[part] += own
        self.own.clear()
        self._inner = [0.0]


CLOCK = Clock()


class Timed(loops.Loop):
    """A loop whose full steps, from taking messages to handing over the reports, are timed."""

    wanted = 0
    _began = 0.0
    _full = False

    def _prepare(self) -> None:
        self._began = time.perf_counter()
        super()._prepare()

    def step(self) -> None:
        before = self.board.computed
        self._full = sum(1 for _ in self.scheduler.live()) == Timed.wanted
        super().step()
        self._full = self._full and self.board.computed == before  # no prompt was read beside

    def _flush(self) -> None:
        if self.board.out and self._began:
            CLOCK.around("hand-over", write_frame)(io.BytesIO(), [self.stats(), *self.board.out])
        super()._flush()
        if self._began:
            CLOCK.step(time.perf_counter() - self._began, self._full)


async def profile(path: str, unified: bool, grammar: bool, options: argparse.Namespace) -> dict[str, Any]:
    """Shares of a full step, with the mean step in milliseconds."""
    engine = LlamaEngine(
        path,
        ctx=options.prompt + options.new + 32,
        threads=options.threads,
        in_process=True,
        max_sequences=options.sequences,
        options=LoadOptions(kv_unified=unified),
    )
    request = Request(
        (Message("user", "Write a long list of things that one can see at a harbour, one a line."),),
        tuple(range(options.sequences)),
        max_tokens=options.new,
        sampling=Sampling(temperature=0.8, top_p=0.95),
        stop=("###", "The end"),
        report_every=options.report_every,
        constraint=Constraint(GRAMMAR) if grammar else None,
    )
    shares: list[dict[str, float]] = []
    steps = milliseconds = 0.0
    try:
        await engine.start()
        for _ in range(options.repeat):
            CLOCK.clear()
            async for _completion in engine.generate(request):
                pass
            if not CLOCK.steps:
                raise SystemExit(f"{path}: no step had {options.sequences} sequences; give a smaller --new")
            parts = {part: seconds / CLOCK.seconds for part, seconds in CLOCK.total.items()}
            outside = 1 - parts["llama_decode"]
            shares.append({**parts, "rest": 1 - sum(parts.values()), "outside": outside})
            steps += CLOCK.steps
            milliseconds += CLOCK.seconds * 1000
    finally:
        await engine.close()
    names = sorted({name for one in shares for name in one})
    return {
        "weights": Path(path).name,
        "cache": "unified" if unified else "separate",
        "grammar": grammar,
        "full_steps": int(steps),
        "step_ms": milliseconds / steps,
        "shares": {name: statistics.median(one.get(name, 0.0) for one in shares) for name in names},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", nargs="+")
    parser.add_argument("--sequences", type=int, default=64)
    parser.add_argument("--new", type=int, default=16, help="new tokens; 64 long ones do not run at once in one cache")
    parser.add_argument("--prompt", type=int, default=64, help="room for the prompt, in tokens")
    parser.add_argument("--report-every", type=int, default=8)
    parser.add_argument("--caches", nargs="+", choices=("unified", "separate"), default=["unified", "separate"])
    parser.add_argument("--threads", type=int, default=cores())
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--json", type=Path, help="where the figures go")
    options = parser.parse_args()
    Timed.wanted = options.sequences
    loops.Loop = Timed  # type: ignore[misc]
    for part, owner, name in PARTS:
        method = getattr(owner, name)

        def timed(*given: Any, _part: str = part, _method: Callable[..., Any] = method, **named: Any) -> Any:
            return CLOCK.around(_part, _method)(*given, **named)

        setattr(owner, name, timed)
    found = []
    for path in options.weights:
        for cache in options.caches:
            for grammar in (False, True):
                found.append(asyncio.run(profile(path, cache == "unified", grammar, options)))
                one = found[-1]
                kind = "grammar" if grammar else "free"
                print(
                    f"{one['weights']}, {cache}, {kind}: {one['step_ms']:.1f} ms a step ({one['full_steps']} full), "
                    f"{one['shares']['outside']:.1%} outside llama_decode"
                )
                rows = sorted(one["shares"].items(), key=lambda row: -row[1])
                print(
                    "    " + ", ".join(f"{name} {share:.2%}" for name, share in rows if name != "outside"), flush=True
                )
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
