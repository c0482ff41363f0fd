"""The finals: the few best of a search against the baselines, on questions that chose none of them.

With a holdout, at most five finalists are asked its questions, and the differences to the best baseline are corrected
for their number. Without one, or under about a hundred rows, the choice itself is cross-validated: in each fold the
best of the other folds is taken, and only its answers on this fold count.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from ttscale.runtime.metrics import compare, mean_interval, wilson
from ttscale.runtime.metrics.comparison import Comparison

FINALISTS = 5
FOLDS = 5
FEW = 100
"""Below this many rows in all, one holdout would say next to nothing."""


@dataclass(frozen=True)
class Standing:
    """One pipeline in the finals: its mean on the main goal with a 95% interval, and its other means.

    `against` compares it with the best baseline; None for baselines.
    """

    label: str
    is_baseline: bool
    questions: int
    mean: float
    interval: tuple[float, float]
    means: Mapping[str, float]
    against: Comparison | None = None
    params: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Entry:
    """One pipeline that takes part: its values of every goal, question by question."""

    label: str
    is_baseline: bool
    values: Mapping[str, Sequence[float]]
    params: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Verdict:
    """How the finals ended: the standings, best first, the winner's label, and a sentence on how sure that is."""

    how: str
    standings: tuple[Standing, ...]
    winner: str
    is_baseline: bool
    text: str
    compared: int


def holdout(entries: Sequence[Entry], main: str, more: bool, *, how: str = "holdout") -> Verdict:
    """The verdict on questions that were held out; finalists come in the order of the search.

    `how` names other questions, where baselines alone are compared.
    """
    finalists = [e for e in entries if not e.is_baseline][:FINALISTS]
    baselines = [e for e in entries if e.is_baseline]
    best = _best(baselines, main, more)
    against: dict[str, Comparison] = {}
    if best is not None and finalists:
        pairs = [_pair(e, best, main, more) for e in finalists]
        against = {e.label: found for e, found in zip(finalists, compare(pairs), strict=True)}
    standings = tuple(
        sorted((_standing(e, main, against.get(e.label)) for e in (*finalists, *baselines)), key=_by(more))
    )
    better = [s for s in standings if s.against is not None and s.against.verdict == "better"]
    return _verdict(how, standings, better, best, len(finalists), more)


def cross_validated(
    entries: Sequence[Entry], main: str, more: bool, *, seed: int = 0, compared: int | None = None
) -> Verdict:
    """The verdict where choosing and testing share the rows: the choice is made anew without each fold."""
    candidates = [e for e in entries if not e.is_baseline]
    baselines = [e for e in entries if e.is_baseline]
    best = _best(baselines, main, more)
    standings = [_standing(e, main, None) for e in (*candidates, *baselines)]
    better: list[Standing] = []
    if best is not None and candidates:
        chosen = folded(candidates, main, more, seed)
        sign = 1 if more else -1
        found = compare([([sign * v for v in chosen], [sign * v for v in best.values[main]])])[0]
        top = _best(candidates, main, more)
        assert top is not None
        standings = [s for s in standings if s.is_baseline or s.label != top.label]
        own = _standing(top, main, found)
        honest = sum(chosen) / len(chosen)
        own = Standing(
            own.label, False, own.questions, honest, _interval(chosen), {**own.means, main: honest}, found, own.params
        )
        standings.append(own)
        better = [own] if found.verdict == "better" else []
    ordered = tuple(sorted(standings, key=_by(more)))
    keep = {s.label for s in ordered if s.is_baseline or s.against is not None}
    shown = tuple(s for s in ordered if s.label in keep)
    count = len(candidates[0].values[main]) if candidates else 0
    how = f"{min(FOLDS, count)}-fold cross-validation" if count > 1 else "a single question"
    return _verdict(how, shown, better, best, compared or len(candidates), more)


def folded(candidates: Sequence[Entry], main: str, more: bool, seed: int) -> list[float]:
    """On each question the value of the candidate that is best on the other folds."""
    count = len(candidates[0].values[main])
    order = list(range(count))
    random.Random(f"folds/{seed}").shuffle(order)
    fold_of = {place: i % FOLDS for i, place in enumerate(order)}
    found = [0.0] * count
    for fold in range(FOLDS):
        others = [place for place in range(count) if fold_of[place] != fold] or list(range(count))
        sign = 1 if more else -1
        best = max(candidates, key=lambda e: sign * sum(e.values[main][place] for place in others))
        for place in range(count):
            if fold_of[place] == fold:
                found[place] = best.values[main][place]
    return found


def _best(entries: Sequence[Entry], main: str, more: bool) -> Entry | None:
    sign = 1 if more else -1
    return max(entries, key=lambda e: sign * _mean(e.values[main]), default=None)


def _pair(entry: Entry, best: Entry, main: str, more: bool) -> tuple[list[float], list[float]]:
    sign = 1 if more else -1
    return [sign * v for v in entry.values[main]], [sign * v for v in best.values[main]]


def _standing(entry: Entry, main: str, against: Comparison | None) -> Standing:
    values = list(entry.values[main])
    means = {name: _mean(own) for name, own in entry.values.items()}
    return Standing(
        entry.label, entry.is_baseline, len(values), _mean(values), _interval(values), means, against, entry.params
    )


def _interval(values: Sequence[float]) -> tuple[float, float]:
    if all(value in (0, 1) for value in values):
        return wilson(sum(values), len(values))
    return mean_interval(values)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / max(1, len(values))


def _by(more: bool) -> Callable[[Standing], tuple[float, bool]]:
    return lambda standing: (-standing.mean if more else standing.mean, standing.is_baseline)


def _verdict(
    how: str, standings: tuple[Standing, ...], better: Sequence[Standing], best: Entry | None, compared: int, more: bool
) -> Verdict:
    """Who wins: the best of those that are surely better than the best baseline, else that baseline."""
    sign = 1 if more else -1
    note = f"{compared} compared" if compared != 1 else "1 compared"
    if better:
        top = max(better, key=lambda s: sign * s.mean)
        assert top.against is not None and best is not None
        low, high = sorted((sign * top.against.low, sign * top.against.high))
        text = (
            f"{top.label} is better than the best baseline, {best.label}, by "
            f"{abs(top.against.difference):.3g} [{low:.3g}, {high:.3g}] ({how}, {note})"
        )
        return Verdict(how, standings, top.label, False, text, compared)
    if best is None:
        top = max(standings, key=lambda s: sign * s.mean)
        text = f"{top.label} has the best figure; no baseline could be made to compare it with ({how}, {note})"
        return Verdict(how, standings, top.label, top.is_baseline, text, compared)
    if not compared:
        text = f"{best.label} is the best of the baselines on {_questions(how)}; nothing else was measured to the end"
        return Verdict(how, standings, best.label, True, text, compared)
    text = f"nothing that was found is surely better than the best baseline, {best.label} ({how}, {note})"
    return Verdict(how, standings, best.label, True, text, compared)


def _questions(how: str) -> str:
    """What was asked, in words."""
    return "the questions that were held out" if how == "holdout" else how
