"""How full the batch is while many questions with samples of different lengths are under way.

    python benchmarks/mixed_load.py WEIGHTS --questions 64 --n 8

All questions are asked at once. Some samples end at their first full stop, some at a blank line, some at their limit,
so that no length is known before. Every step of the engine's loop tells how many samples it decoded and whether any
still waited for its turn: the *tail* begins behind the last step at which one waited. `full` is the mean number of
decoded samples of all steps before it, the first ones too, divided by `--slots`. The loop runs in a thread of this
process so that its steps can be seen; counts are exact on any machine.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from ttscale.runtime.engines.base import Completion, Message, Request, Sampling
from ttscale.runtime.engines.llama import loop as loops
from ttscale.runtime.engines.llama.engine import LlamaEngine
from ttscale.runtime.engines.llama.machine import cores
from ttscale.runtime.engines.llama.scheduler import Scheduler
from ttscale.runtime.engines.llama.work import Call

WORDS = ("river", "stone", "market", "engine", "winter", "paper", "candle", "orange", "mirror", "garden", "silver")
STOPS: tuple[tuple[str, ...], ...] = ((".",), ("\n\n",), (), (".", "\n"))

Step = tuple[int, int]
"""Samples that were decoded, and samples that waited."""


class Watched(loops.Loop):
    """A loop that notes what each step decodes."""

    steps: ClassVar[list[Step]] = []

    def step(self) -> None:
        plan = self.scheduler.plan
        self.scheduler.plan = lambda: self._note(self.scheduler, plan())  # type: ignore[method-assign]
        try:
            super().step()
        finally:
            self.scheduler.plan = plan  # type: ignore[method-assign]

    def _note(self, scheduler: Scheduler, calls: list[Call]) -> list[Call]:
        pieces = [piece for call in calls for piece in call.pieces]
        decoded = sum(piece.member is not None and len(piece.tokens) == 1 for piece in pieces)
        groups = (*scheduler.running, *scheduler.waiting)
        waiting = sum(not m.over and m.branch is None for group in groups for m in group.members)
        Watched.steps.append((decoded, waiting + len(self._backlog)))
        return calls


def requests(options: argparse.Namespace) -> list[Request]:
    """Questions of different lengths with different ends, the same for the same seed."""
    dice = random.Random(options.seed)
    found = []
    for number in range(options.questions):
        words = " ".join(dice.choice(WORDS) for _ in range(dice.randint(5, 60)))
        seeds = tuple(range(number * options.n, (number + 1) * options.n))
        message = Message("user", f"Question {number}: what can one make of these? {words}")
        stop = STOPS[number % len(STOPS)]
        sampling = Sampling(temperature=0.8, top_p=0.95)
        found.append(Request((message,), seeds, max_tokens=options.new, sampling=sampling, stop=stop))
    return found


def fill(steps: Sequence[Step], slots: int) -> dict[str, float]:
    """How full the batch was before the tail."""
    decoding = [step for step in steps if step[0] or step[1]]
    last = max((place for place, (_, waiting) in enumerate(decoding) if waiting), default=-1) + 1
    before = [decoded for decoded, _ in decoding[:last]]
    if not before:
        raise SystemExit("nothing ever waited: ask more questions or give fewer slots")
    return {
        "full": statistics.fmean(before) / slots,
        "median_full": statistics.median(before) / slots,
        "most": max(before),
        "steps_before_tail": len(before),
        "steps_of_tail": len(decoding) - last,
        "steps_without_decoding": sum(decoded == 0 for decoded in before),
    }


async def run(options: argparse.Namespace) -> dict[str, object]:
    engine = LlamaEngine(
        options.weights, ctx=1024, threads=options.threads, in_process=True, max_sequences=options.slots
    )
    Watched.steps.clear()
    try:
        await engine.start()

        async def ask(request: Request) -> list[Completion]:
            return [completion async for completion in engine.generate(request)]

        began = time.perf_counter()
        done = await asyncio.gather(*map(ask, requests(options)))
        seconds = time.perf_counter() - began
        stats = engine.stats()
    finally:
        await engine.close()
    lengths = sorted(one.new_tokens for own in done for one in own)
    return {
        **fill(Watched.steps, options.slots),
        "samples": len(lengths),
        "lengths": {"least": lengths[0], "median": statistics.median(lengths), "most": lengths[-1]},
        "new_tokens": sum(lengths),
        "prompt_tokens": {"asked": stats.prompt_asked, "computed": stats.prompt_computed, "again": stats.recomputed},
        "seconds": seconds,
        "new_tokens_per_second": sum(lengths) / seconds,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights")
    parser.add_argument("--questions", type=int, default=64)
    parser.add_argument("--n", type=int, default=8, help="samples a question")
    parser.add_argument("--new", type=int, default=64, help="the most new tokens of a sample")
    parser.add_argument("--slots", type=int, default=16, help="samples that run at once")
    parser.add_argument("--seed", type=int, default=7, help="of the questions' words")
    parser.add_argument("--threads", type=int, default=cores())
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--json", type=Path, help="where the figures go")
    options = parser.parse_args()
    loops.Loop = Watched  # type: ignore[misc]
    runs = []
    for number in range(options.repeat):
        options.seed += number
        runs.append(asyncio.run(run(options)))
    middle = sorted(runs, key=lambda one: float(str(one["full"])))[len(runs) // 2]
    settings = {name: getattr(options, name) for name in ("questions", "n", "new", "slots", "threads", "repeat")}
    found = {"weights": Path(options.weights).name, "settings": settings, "median": middle, "runs": runs}
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(json.dumps({"settings": settings, "median": middle}, indent=2))


if __name__ == "__main__":
    main()
