"""The table of what goes beyond one pool: run folders of `ttscale eval` side by side, at equal tokens.

    python benchmarks/beyond_table.py "GSM8K=runs/gsm-pool,runs/gsm-programs" "FOLIO=runs/folio-direct,runs/folio-pool"

Each group has one pipeline whose name ends in `pool`: a majority over all samples of the plain prompt. Its recorded
samples give what one sample and majorities of fewer samples reach (means over subsets, ties to the first), so every
other pipeline is compared, question by question, with the majority that spends as much: once in new tokens alone, and
once in prompt and new tokens as if nothing were shared, which is what budgets count. Behind each difference stand its
95% interval and that majority's size. Intervals are Wilson's where a question is right or wrong, else a bootstrap's.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb
from pathlib import Path
from typing import Any

import numpy as np
from ttscale.runtime.evaluate import load_report
from ttscale.runtime.metrics import wilson

SUBSETS = 200
"""How many subsets of a pool stand for all of them."""
DRAWS = 10_000
HEAD = (
    "| pipeline | questions | right | 95% | new tokens | prompt tokens | calls | seconds |"
    " minus majority of equal new tokens | minus majority of equal tokens |\n|---|---|---|---|---|---|---|---|---|---|"
)


@dataclass(frozen=True)
class Row:
    """One pipeline: scores by question, and means a question of what it cost."""

    label: str
    scores: dict[str, float]
    new: float
    prompts: float
    calls: float
    seconds: str
    f1: float | None = None

    @property
    def tokens(self) -> float:
        """Prompt and new tokens."""
        return self.new + self.prompts


@dataclass(frozen=True)
class Majorities:
    """The samples of the pool: question by question, in order, each as (answer's class, right or not)."""

    samples: dict[str, list[tuple[int | None, float]]]
    size: int
    new: float
    prompts: float

    def row(self, k: int, label: str) -> Row:
        """What a majority of k samples reaches, a mean over subsets; its cost is k times that of a sample."""
        scores = {name: expected(own, min(k, len(own)), name) for name, own in self.samples.items()}
        return Row(label, scores, k * self.new, k * self.prompts, k, "")


def expected(own: Sequence[tuple[int | None, float]], k: int, name: str) -> float:
    """The mean score of the commonest class over subsets of k samples, all of them where they are few."""
    if comb(len(own), k) <= SUBSETS:
        subsets = list(combinations(range(len(own)), k))
    else:
        dice = random.Random(f"{name} {k}")
        subsets = [tuple(sorted(dice.sample(range(len(own)), k))) for _ in range(SUBSETS)]
    return sum(majority([own[i] for i in subset]) for subset in subsets) / len(subsets)


def majority(votes: Sequence[tuple[int | None, float]]) -> float:
    """The score of the commonest class, the first of equals; 0 where nothing could be read."""
    counts: dict[int, int] = {}
    scores: dict[int, float] = {}
    for kind, score in votes:
        if kind is not None:
            counts[kind] = counts.get(kind, 0) + 1
            scores.setdefault(kind, score)
    return scores[max(counts, key=counts.__getitem__)] if counts else 0.0


def row_of(label: str, records: Sequence[dict[str, Any]], at_once: int) -> Row:
    """A pipeline's row. Seconds are a question's by the number asked at once; `*` where a bank had some calls."""
    mean = {key: float(np.mean([r["cost"][key] for r in records])) for key in ("new_tokens", "prompt_tokens", "calls")}
    seconds = float(np.mean([r["cost"]["seconds"] for r in records])) / at_once
    made = sum(r["fresh"]["calls"] for r in records) / max(1.0, mean["calls"] * len(records))
    told = "bank" if made < 0.05 else f"{seconds:.1f}{'' if made > 0.95 else '*'}"
    f1 = [r["grades"]["token_f1"] for r in records if "token_f1" in (r.get("grades") or {})]
    scores = {r["id"]: float(r["score"] or 0.0) for r in records}
    shared = float(np.mean(f1)) if f1 else None
    return Row(label, scores, mean["new_tokens"], mean["prompt_tokens"], mean["calls"], told, shared)


def majorities_of(records: Sequence[dict[str, Any]]) -> Majorities:
    """The pool's samples as the records have them."""
    samples = {
        r["id"]: [(s["class"] if s["answer"] is not None else None, float(s["score"] or 0.0)) for s in drawn(r)]
        for r in records
    }
    calls = float(np.mean([r["cost"]["calls"] for r in records]))
    new = float(np.mean([r["cost"]["new_tokens"] for r in records])) / calls
    prompts = float(np.mean([r["cost"]["prompt_tokens"] for r in records])) / calls
    return Majorities(samples, max(map(len, samples.values())), new, prompts)


def drawn(record: dict[str, Any]) -> list[dict[str, Any]]:
    """The samples of a record, in the order in which they were made."""
    return [record["candidates"][place] for place in record["samples"]]


def interval(scores: Sequence[float]) -> tuple[float, float]:
    """Wilson's interval of a share, else the bootstrap's of a mean."""
    if all(score in (0.0, 1.0) for score in scores):
        low, high = wilson(int(sum(scores)), len(scores))
        return low, high
    return bootstrap(scores)


def bootstrap(values: Sequence[float]) -> tuple[float, float]:
    """The percentile interval of a mean over questions."""
    own = np.asarray(values, dtype=float)
    picks = np.random.default_rng(0).integers(0, len(own), size=(DRAWS, len(own)))
    low, high = np.percentile(own[picks].mean(axis=1), [2.5, 97.5])
    return float(low), float(high)


def against(row: Row, pool: Majorities, share: float) -> str:
    """A row minus the majority of so many samples as cost the same, with the paired interval."""
    wanted = max(1, round(share))
    k = min(wanted, pool.size)
    base = pool.row(k, "").scores
    common = [name for name in row.scores if name in base]
    if not common:
        return ""
    gaps = [row.scores[name] - base[name] for name in common]
    low, high = bootstrap(gaps)
    size = f"{k}" if wanted <= pool.size else f"{k} of {wanted}"
    return f"{100 * float(np.mean(gaps)):+.1f} ({100 * low:.1f} to {100 * high:.1f}; {size})"


def line(row: Row, pool: Majorities | None, *, recipe: bool) -> str:
    """A line of the table."""
    scores = list(row.scores.values())
    low, high = interval(scores)
    right = f"{100 * float(np.mean(scores)):.1f}%" + (f" (F1 {100 * row.f1:.1f})" if row.f1 is not None else "")
    cells = [row.label, str(len(scores)), right, f"{100 * low:.1f} to {100 * high:.1f}"]
    cells += [f"{row.new:,.0f}", f"{row.prompts:,.0f}", f"{row.calls:.1f}", row.seconds]
    if recipe and pool is not None:
        cells += [against(row, pool, row.new / pool.new), against(row, pool, row.tokens / (pool.new + pool.prompts))]
    else:
        cells += ["", ""]
    return "| " + " | ".join(cells) + " |"


def group(title: str, folders: Sequence[Path]) -> str:
    """The table of one data set; folders that are not there yet are named and left out."""
    rows: list[Row] = []
    pool: Majorities | None = None
    absent: list[str] = []
    for folder in folders:
        if not (folder / "run.json").exists():
            absent.append(folder.name)
            continue
        report = load_report(folder)
        at_once = int(report.document["settings"]["concurrency"] or 1)
        for label, records in report.records.items():
            if not records:
                continue
            rows.append(row_of(label, records, at_once))
            if label.endswith("pool"):
                pool = majorities_of(records)
    lines = [f"### {title}", "", HEAD]
    if pool is not None:
        sizes = [1, *[k for k in (2, 4, 8, 16) if k < pool.size]]
        names = ["one sample (mean)"] + [f"majority of {k} (mean)" for k in sizes[1:]]
        lines += [line(pool.row(k, name), pool, recipe=False) for k, name in zip(sizes, names, strict=True)]
    for row in rows:
        is_pool = row.label.endswith("pool")
        if is_pool and pool is not None:
            row = Row(**{**vars(row), "label": f"majority of {pool.size}"})
        lines.append(line(row, pool, recipe=not is_pool))
    if absent:
        lines += ["", "Not measured yet: " + ", ".join(absent) + "."]
    return "\n".join(lines)


def main() -> None:
    """Print one table for each group."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("groups", nargs="+", metavar="TITLE=FOLDER,FOLDER")
    for given in parser.parse_args().groups:
        title, _, folders = given.partition("=")
        print(group(title, [Path(name) for name in folders.split(",")]), end="\n\n")


if __name__ == "__main__":
    main()
