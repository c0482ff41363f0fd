"""What every stopping rule saves and loses on recorded samples: a curve for each rule, no model asked.

    python benchmarks/adaptive_stopping.py date.pool.jsonl                 # as `convert_verify_cot.py` writes it
    python benchmarks/adaptive_stopping.py gsm.pool.jsonl --limit 16 --round 1 --slices

For every question the first `--limit` samples count, in the order recorded and in `--orders` - 1 shuffled orders. A
rule draws samples in rounds and votes over what it drew; it is compared with the vote over all of them. Tokens are the
recorded ones, or words of the texts where none were counted. The interval is of the mean difference in accuracy over
questions, from 2,000 bootstrap resamples of questions. `--slices` prints easy and hard questions apart: those of which
the samples are right more, or less, often than 60%. On pools with scores `best` stops once one is high enough, as where
a judge says that no better answer will come; its answer is the one with the best score, compared with the best of all.
The last line of a table names what saves most with its interval above `--worst` points.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ttscale.runtime.pool import Candidate
from ttscale.runtime.poolfile import Question, read_pool
from ttscale.runtime.strategies import class_ids
from ttscale.runtime.strategies.stopping import RULES as STOPPING
from ttscale.runtime.strategies.stopping import drawn

RULES: tuple[tuple[str, tuple[float, ...]], ...] = (
    ("decided", (0.0,)),
    ("certainty", (0.8, 0.9, 0.95, 0.98, 0.99)),
    ("agreement", (0.6, 0.7, 0.8, 0.9, 1.0)),
    ("margin", (0.3, 0.5, 0.7, 0.9)),
    ("streak", (2, 3, 4, 5, 6, 8)),
)
BEST = ("best", (0.5, 0.6, 0.7, 0.8, 0.9, 0.95))
"""What a judge says, on pools with scores."""
BOOTSTRAPS = 2_000
assert {rule for rule, _ in RULES} == set(STOPPING), "every rule of `until:` has its curve"


@dataclass(frozen=True)
class Recorded:
    """One question's samples in one order: their classes, whether each is right, their tokens."""

    classes: tuple[int | None, ...]
    right: tuple[bool, ...]
    tokens: tuple[int, ...]
    scores: tuple[float | None, ...] = ()

    def best(self, count: int) -> float:
        """Whether the sample with the best score among the first `count` is right; ties go to the first."""
        known = [place for place in range(count) if self.scores[place] is not None]
        return float(self.right[max(known, key=lambda place: self.scores[place] or 0.0)]) if known else 0.0

    def until_best(self, threshold: float, start: int, further: int | None) -> int:
        """How many samples are drawn until a score is at least the threshold."""
        total = min(start, len(self.scores))
        while total < len(self.scores):
            if any(score is not None and score >= threshold for score in self.scores[:total]):
                break
            total = min(total + (further or total), len(self.scores))
        return total

    def voted(self, count: int) -> float:
        """Whether the vote over the first `count` samples is right; ties go to the answer that came first."""
        counts: dict[int, int] = {}
        for number in self.classes[:count]:
            if number is not None:
                counts[number] = counts.get(number, 0) + 1
        if not counts:
            return 0.0
        best = max(counts, key=lambda number: counts[number])
        return float(self.right[self.classes.index(best)])

    @property
    def share(self) -> float:
        """How often a single sample is right."""
        return sum(self.right) / len(self.right)


def orders(question: Question, limit: int, count: int, draw: random.Random) -> list[Recorded]:
    """The samples of a question as recorded, then in shuffled orders."""
    classes = class_ids(question.pool)
    scores = [latest(candidate) for candidate in question.pool]
    tokens = [candidate.tokens or len(candidate.text.split()) or 1 for candidate in question.pool]
    places = list(range(len(classes)))
    found: list[Recorded] = []
    for _ in range(count):
        kept = places[:limit]
        right = tuple(bool(question.correct[p]) for p in kept)
        known = tuple(scores[p] for p in kept)
        found.append(Recorded(tuple(classes[p] for p in kept), right, tuple(tokens[p] for p in kept), known))
        draw.shuffle(places)
    return found


def latest(candidate: Candidate) -> float | None:
    """The latest score of a sample."""
    return next(reversed(list(candidate.scores.values())), None)


def interval(differences: Sequence[float], draw: random.Random) -> tuple[float, float]:
    """The 95% percentile interval of the mean."""
    count = len(differences)
    means = sorted(sum(draw.choices(differences, k=count)) / count for _ in range(BOOTSTRAPS))
    return means[int(0.025 * BOOTSTRAPS)], means[int(0.975 * BOOTSTRAPS) - 1]


def line(
    questions: Sequence[list[Recorded]], rule: str, threshold: float, start: int, further: int | None, limit: int
) -> tuple[str, float, float]:
    """One row of the table: what a rule saves and loses; the share saved and the low end of the interval apart."""
    saved, samples, before, differences = 0.0, 0.0, 0.0, []
    spent = whole = 0
    for recorded in questions:
        lost = 0.0
        for one in recorded:
            most = len(one.classes)
            if rule == "best":
                count, right = one.until_best(threshold, start, further), one.best
            else:
                count = drawn(one.classes, rule, threshold, start=start, limit=min(limit, most), further=further)
                right = one.voted
            spent += sum(one.tokens[:count])
            whole += sum(one.tokens)
            samples += count / len(recorded)
            all_of_them = right(most)
            before += all_of_them / len(recorded)
            lost += (right(count) - all_of_them) / len(recorded)
        differences.append(lost)
    saved = 1 - spent / whole
    low, high = interval(differences, random.Random(1))
    name = rule if rule == "decided" else f"{rule} >= {threshold:g}"
    total = len(questions)
    change = 100 * sum(differences) / total
    text = (
        f"{name:<18} {samples / total:>7.2f} {saved:>7.1%} {before / total:>8.1%} {change:>+7.2f}"
        f"   {100 * low:+.2f} to {100 * high:+.2f}"
    )
    return text, saved, 100 * low


def table(
    title: str, questions: Sequence[list[Recorded]], start: int, further: int | None, limit: int, worst: float
) -> None:
    """The curves of all rules over some questions."""
    if not questions:
        return
    share = sum(one[0].share for one in questions) / len(questions)
    print(f"\n{title}: {len(questions)} questions, one sample right in {share:.1%}")
    print(f"{'until':<18} {'samples':>7} {'saved':>7} {'all':>8} {'points':>7}   95% interval")
    has_scores = all(any(score is not None for score in one.scores) for own in questions for one in own)
    found = []
    for rule, thresholds in (*RULES, BEST) if has_scores else RULES:
        for threshold in thresholds:
            text, saved, low = line(questions, rule, threshold, start, further, limit)
            print(text)
            found.append((low > worst, saved, text))
    safe, saved, text = max(found)
    name = f"{text[:18].strip()}, {saved:.1%}" if safe else "none"
    print(f"most saved with the interval above {worst:g} points: {name}")


def main() -> None:
    """Read the arguments and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("pool", type=Path, help="a pool file")
    parser.add_argument("--limit", type=int, default=16, help="samples of a question, at most")
    parser.add_argument("--start", type=int, default=2, help="samples of the first round")
    parser.add_argument("--round", type=int, default=1, help="samples of every further round; 0 doubles")
    parser.add_argument("--orders", type=int, default=5, help="orders of a question's samples, the first as recorded")
    parser.add_argument("--worst", type=float, default=-3.0, help="points that may be lost, by the interval's low end")
    parser.add_argument("--slices", action="store_true", help="easy and hard questions apart as well")
    arguments = parser.parse_args()
    draw = random.Random(7)
    questions = [orders(q, arguments.limit, arguments.orders, draw) for q in read_pool(arguments.pool) if len(q.pool)]
    further = arguments.round or None
    settings = (arguments.start, further, arguments.limit, arguments.worst)
    table("all", questions, *settings)
    if arguments.slices:
        table("easy", [q for q in questions if q[0].share >= 0.6], *settings)
        table("hard", [q for q in questions if q[0].share < 0.6], *settings)


if __name__ == "__main__":
    main()
