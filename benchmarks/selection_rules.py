"""What choosing costs, and what every rule reaches on recorded samples.

    python benchmarks/selection_rules.py                                   # CPU time of each rule on made-up pools
    python benchmarks/selection_rules.py --date date_np.jsonl.gz --judges winners.jsonl.gz

The pools are 1,000 questions with 64 samples each, texts of 100 words, a log-probability for every token, a score,
step scores, a rank and the results of 16 tests, made with a fixed seed; comparisons are 64 a question. Times are CPU
seconds (user and system)
of all threads, the reading of the answers' classes included. `--date` takes the Date samples of verify_cot
(CC-BY-4.0), `--judges` the verdicts of LLMBar's judges (MIT); of each the table of all rules is printed.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ttscale.cli.replay import compared
from ttscale.compiler import types as t
from ttscale.compiler.selectors import parse_selector
from ttscale.runtime.pool import Candidate, Comparison, Pool
from ttscale.runtime.poolfile import Question, read_pool
from ttscale.runtime.replay import replay
from ttscale.runtime.selections import every_rule, recorded, rules_for

TESTS = 16
WORDS = ("so", "the", "train", "takes", "two", "hours", "and", "then", "we", "have", "wait", "maybe", "thus", "ten")


def pools(questions: int, samples: int, tokens: int, draw: random.Random) -> list[Question]:
    """Made-up questions: right answers are somewhat likelier, better scored and shorter."""
    made: list[Question] = []
    for number in range(questions):
        candidates, correct = [], []
        ease = draw.random()
        for place in range(samples):
            right = draw.random() < ease
            length = draw.randint(tokens // 2, tokens) + (0 if right else tokens // 4)
            spread = 0.4 if right else 0.9
            logprobs = tuple(-draw.random() * spread for _ in range(length))
            total = sum(logprobs)
            answer = None if draw.random() < 0.05 else "42" if right else str(draw.randint(0, 12))
            candidates.append(
                Candidate(
                    " ".join(draw.choices(WORDS, k=length)),
                    answer,
                    answer,
                    tokens=length,
                    logprob_mean=total / length,
                    logprob_sum=total,
                    token_logprobs=logprobs,
                    scores={"judge": draw.betavariate(3, 2) if right else draw.betavariate(2, 3)},
                    step_scores=tuple(draw.random() for _ in range(4)),
                    rank=place + 1,
                    tests=tuple(draw.random() < (0.7 if right else 0.3) for _ in range(TESTS)),
                    outputs=tuple(str(draw.randint(0, 2 if right else 9)) for _ in range(TESTS)),
                )
            )
            correct.append(right and answer is not None)
        games = tuple(
            Comparison(*draw.sample(range(samples), 2), draw.random(), draw.choice("ab")) for _ in range(samples)
        )
        shown = tuple(c.answer for c in candidates)
        made.append(Question(str(number), Pool(tuple(candidates), t.TEXT, games), tuple(correct), shown))
    return made


def costs(questions: list[Question], only: str) -> Iterator[tuple[str, float]]:
    """CPU seconds of each rule on all questions."""
    for text in rules_for(recorded(questions)):
        if only not in text:
            continue
        stages = parse_selector(text)
        replay(questions[:1], stages)  # imports are not counted
        started = time.process_time()
        replay(questions, stages)
        yield text, time.process_time() - started


def of_date(source: Path, folder: Path) -> list[Question]:
    """The Date samples of verify_cot, converted as `convert_verify_cot.py` does."""
    sys.path.insert(0, str(Path(__file__).parent))
    from convert_verify_cot import questions

    target = folder / "date.jsonl"
    target.write_text("".join(json.dumps(q) + "\n" for q in questions(source)), encoding="utf-8")
    return read_pool(target)


def of_judges(source: Path, folder: Path) -> list[Question]:
    """LLMBar's items as questions with two answers, compared by every judge and prompt in both orders."""
    games: dict[str, list[dict[str, Any]]] = {}
    better: dict[str, int] = {}
    with gzip.open(source, "rt", encoding="utf-8") as stream:
        for line in stream:
            row = json.loads(line)
            item = f"{row['set']} {row['item']}"
            better[item] = row["label"]
            # The winner is named by its place in the item, whichever was shown first.
            for order, first in (("swap=False", 0), ("swap=True", 1)):
                if row[order] in ("1", "2"):
                    winner = 0 if int(row[order]) - 1 == first else 1
                    judge = f"{row['evaluator']} {row['strategy']}"
                    game = {"first": first, "second": 1 - first, "winner": winner, "judge": judge}
                    games.setdefault(item, []).append(game)
    lines = []
    for item, own in games.items():
        samples = [{"answer": f"output {n}", "correct": better[item] == n} for n in (1, 2)]
        lines.append(json.dumps({"id": item, "samples": samples, "comparisons": own}))
    target = folder / "judges.jsonl"
    target.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return read_pool(target)


def main() -> None:
    """Read the arguments, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--questions", type=int, default=1000)
    parser.add_argument("--samples", type=int, default=64)
    parser.add_argument("--tokens", type=int, default=100)
    parser.add_argument("--only", default="", help="rules whose text has this")
    parser.add_argument("--date", type=Path, help="date_np.jsonl.gz of verify_cot")
    parser.add_argument("--judges", type=Path, help="winners.jsonl.gz of LLMBar")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for source, read in ((arguments.date, of_date), (arguments.judges, of_judges)):
            if source is not None:
                print(f"\n{source.name}")
                print("\n".join(compared(every_rule(read(source, Path(folder)), ties="share"))))
    if arguments.date is None and arguments.judges is None:
        made = pools(arguments.questions, arguments.samples, arguments.tokens, random.Random(1))
        for text, seconds in costs(made, arguments.only):
            print(f"{seconds:8.2f} s  {text}", flush=True)


if __name__ == "__main__":
    main()
