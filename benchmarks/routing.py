"""What routing saves against a large model that computes every token: rows, calls and processor time of each model.

    python benchmarks/routing.py smollm2-135m.gguf --times 8 --below 0.3 0.5 0.7 --new 96
    python benchmarks/routing.py small.gguf --large large.gguf

Without `--large` the large model is the small one with silent layers, see `deeper_weights.py`: it costs `times` as much
and says the same. So all ways below write the same texts, and only what they cost differs; how often a small model is
unsure is that of a real one, how much better a large one would be is not measured here.

small      the small model alone
large      the large model alone
every      both compute every token: a mixture of both
route T    the large model is asked where the small one gives no token T, and computes nothing until then

Ways take turns question by question. Seconds are processor time of this process, with one thread by default, so that
neighbours on the machine matter little.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from deeper_weights import deepen
from ttscale.runtime.engines.base import Completion, Message, Request, Sampling
from ttscale.runtime.engines.llama.combining import Combination
from ttscale.runtime.engines.llama.engine import LlamaEngine

QUESTIONS = (
    "Tom has 3 boxes with 12 pencils each and gives 7 pencils away. How many are left? Think step by step.",
    "A train leaves at 14:20 and arrives at 17:05. How long does it take? Explain.",
    "Write a short note to a neighbour whose dog barks at night.",
    "What is the capital of Australia, and why is it not Sydney?",
    "Write a Python function that says whether a text is a palindrome.",
    "A shirt costs 40 dollars and is sold with 15% off. What does it cost? Explain.",
)


@dataclass
class Way:
    """One way of answering, and what it has cost so far."""

    name: str
    engine: LlamaEngine
    seconds: float = 0.0
    answers: list[Completion] = field(default_factory=list)

    async def answer(self, question: str, options: argparse.Namespace) -> None:
        """One question, with all its samples."""
        seeds = tuple(range(1, options.samples + 1))
        request = Request((Message("user", question),), seeds, options.new, Sampling(options.temperature))
        begun = time.process_time()
        done = [one async for one in self.engine.generate(request)]
        self.seconds += time.process_time() - begun
        self.answers += sorted(done, key=lambda one: one.index)

    def told(self, like: Way) -> dict[str, object]:
        """The figures, `like` being the way to which texts are compared."""
        stats = self.engine.stats()
        new = sum(one.new_tokens for one in self.answers)
        same = sum(a.token_ids == b.token_ids for a, b in zip(self.answers, like.answers, strict=True))
        routed = [one.routed_tokens for one in self.answers if one.routed_tokens is not None]
        found: dict[str, object] = {
            "way": self.name,
            "new": new,
            "seconds": round(self.seconds, 2),
            "ms_a_token": round(1000 * self.seconds / max(1, new), 1),
            "same_texts": f"{same} of {len(self.answers)}",
        }
        if routed:
            found["routed"] = f"{sum(routed) / max(1, new):.0%}"
        if stats.models:
            found["rows"] = [one.rows for one in stats.models]
            found["calls"] = [one.calls for one in stats.models]
            found["read"] = [sum(sum(one.read_by(at)) for one in self.answers) for at, _ in enumerate(stats.models)]
        return found


async def measure(options: argparse.Namespace, large: Path) -> list[dict[str, object]]:
    """All ways over all questions, one question at a time."""

    def engine(*paths: Path, how: Combination | None = None) -> LlamaEngine:
        first, *others = paths
        return LlamaEngine(
            first,
            others=others,
            combination=how,
            ctx=2048,
            memory=1,  # no cells beyond those of one context
            threads=options.threads,
            in_process=True,
            max_sequences=32,
        )

    small = options.small
    ways = [Way("small", engine(small)), Way("large", engine(large))]
    ways.append(Way("every", engine(small, large, how=Combination("mixture"))))
    for below in options.below:
        ways.append(Way(f"route {below:g}", engine(small, large, how=Combination("route", floor=below))))
    try:
        for way in ways:
            await way.engine.start()
        for question in QUESTIONS[: options.questions]:
            for way in ways:
                await way.answer(question, options)
        return [way.told(ways[0]) for way in ways]
    finally:
        for way in ways:
            await way.engine.close()


def main() -> None:
    """Measure, and print a line for each way."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("small", type=Path)
    parser.add_argument("--large", type=Path, help="a larger model of the same vocabulary")
    parser.add_argument("--times", type=int, default=8, help="how much larger the copy is, where none is given")
    parser.add_argument("--below", type=float, nargs="+", default=[0.3, 0.5, 0.7])
    parser.add_argument("--questions", type=int, default=len(QUESTIONS))
    parser.add_argument("--samples", type=int, default=1)
    parser.add_argument("--new", type=int, default=96)
    parser.add_argument("--temperature", type=float, default=0.0)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        large = options.large
        if large is None:
            large = Path(folder) / "large.gguf"
            deepen(options.small, large, options.times)
        for line in asyncio.run(measure(options, large)):
            print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
