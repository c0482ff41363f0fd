"""Difficulty bins, and the rule that each bin and budget should use.

Snell et al., "Scaling LLM Test-Time Compute Optimally", 2024: questions fall into five equally large bins by the share
of right samples (oracle) or by a verifier's mean score (predicted); the best strategy of each bin and budget is chosen
on one half of the questions and measured on the other, both ways round. Liu et al., "Can 1B LLM Surpass 405B LLM?",
2025, take absolute levels instead: easy from 50% of right samples on, hard below 10%.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

EASY, HARD = 0.5, 0.1


def level(share: float) -> str:
    """easy, medium or hard, by the share of right samples."""
    return "easy" if share >= EASY else "medium" if share >= HARD else "hard"


def bin_of(value: float, edges: Sequence[float]) -> int:
    """The bin of a value among edges: 0 (the easiest) from the highest edge on, one more below each."""
    return sum(value < edge for edge in edges)


def quantile_bins(values: Sequence[float], bins: int = 5) -> list[int]:
    """The bin of each value, 0 for the highest ones, which are the easiest questions.

    Edges are the values at ranks n/bins, 2n/bins, …; equal values share a bin, so that a new question's bin depends on
    its own value alone. Bins may then be of different size, or empty. Raises ValueError for fewer than one bin.
    """
    if bins < 1:
        raise ValueError("at least one bin is needed")
    ordered = sorted(values, reverse=True)
    edges = [ordered[math.ceil(len(ordered) * i / bins) - 1] for i in range(1, bins)] if ordered else []
    return [bin_of(value, edges) for value in values]


@dataclass(frozen=True, slots=True)
class Table:
    """The best rule of each bin, and what choosing by bin is worth on questions that had no part in the choice.

    `best` maps a bin to (rule, its accuracy there, how many questions). `adaptive` is the held-out accuracy of the
    bin's own rule, `fixed` that of the one rule that is best over all bins, both chosen on the other fold.
    """

    best: Mapping[int, tuple[str, float, int]]
    overall: tuple[str, float]
    adaptive: float
    fixed: float


def strategy_table(credits: Mapping[str, Sequence[float]], bins: Sequence[int]) -> Table:
    """Choose a rule by bin with two folds, from each rule's credit (0 to 1) on every question.

    Questions of a bin go to the two folds by turns, in their order. A bin that has no question in the choosing fold
    takes that fold's best rule over all. Of equally good rules the first counts. Raises ValueError for no rule or no
    question.
    """
    if not credits or not bins:
        raise ValueError("a strategy table needs rules and questions")
    everything = range(len(bins))
    seen: dict[int, int] = {}
    folds: list[int] = []
    for number in bins:
        folds.append(seen.get(number, 0) % 2)
        seen[number] = seen.get(number, 0) + 1
    adaptive: list[float] = []
    fixed: list[float] = []
    for fold in (0, 1):
        chosen_on = [i for i in everything if folds[i] != fold] or list(everything)
        held_out = [i for i in everything if folds[i] == fold]
        general = _best(credits, chosen_on)[0]
        for number in sorted(set(bins)):
            own = [i for i in chosen_on if bins[i] == number]
            rule = _best(credits, own)[0] if own else general
            adaptive += [credits[rule][i] for i in held_out if bins[i] == number]
        fixed += [credits[general][i] for i in held_out]
    by_bin = {number: [i for i in everything if bins[i] == number] for number in sorted(set(bins))}
    best = {number: (*_best(credits, own), len(own)) for number, own in by_bin.items()}
    count = len(bins)
    return Table(best, _best(credits, list(everything)), math.fsum(adaptive) / count, math.fsum(fixed) / count)


def _best(credits: Mapping[str, Sequence[float]], places: Sequence[int]) -> tuple[str, float]:
    means = {rule: math.fsum(own[i] for i in places) / len(places) for rule, own in credits.items()}
    rule = max(means, key=lambda name: means[name])
    return rule, means[rule]
