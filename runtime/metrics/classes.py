"""Figures about answers that are classes: a confusion matrix, precision and recall a class, macro F1, log loss.

All are pure functions; golds[i] and predictions[i] are of one question, a prediction None where none could be read.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ClassFigures:
    """One class: `support` golds, `predicted` predictions, and shares from 0 to 1 (0 where nothing is there)."""

    precision: float
    recall: float
    f1: float
    support: int
    predicted: int


@dataclass(frozen=True, slots=True)
class Confusion:
    """counts[i][j] questions whose gold is labels[i] were answered labels[j]; `unreadable[i]` had no answer."""

    labels: tuple[Hashable, ...]
    counts: tuple[tuple[int, ...], ...]
    unreadable: tuple[int, ...]

    @property
    def accuracy(self) -> float:
        """The share of right answers among all, unreadable ones wrong; 0 for none."""
        total = sum(map(sum, self.counts)) + sum(self.unreadable)
        return sum(self.counts[i][i] for i in range(len(self.labels))) / total if total else 0.0


def confusion(
    golds: Sequence[Hashable], predictions: Sequence[Hashable], labels: Sequence[Hashable] | None = None
) -> Confusion:
    """The confusion matrix, rows gold and columns predicted.

    `labels` fixes the order (labels that occur beside them come after); by default the order of first appearance,
    golds before predictions. Raises ValueError for lists of different length.
    """
    if len(golds) != len(predictions):
        raise ValueError(f"{len(golds)} golds do not go with {len(predictions)} predictions")
    seen = dict.fromkeys([*(labels or ()), *golds, *(p for p in predictions if p is not None)])
    place = {label: i for i, label in enumerate(seen)}
    counts = [[0] * len(place) for _ in place]
    unreadable = [0] * len(place)
    for gold, predicted in zip(golds, predictions, strict=True):
        if predicted is None:
            unreadable[place[gold]] += 1
        else:
            counts[place[gold]][place[predicted]] += 1
    return Confusion(tuple(place), tuple(map(tuple, counts)), tuple(unreadable))


def per_class(matrix: Confusion) -> dict[Hashable, ClassFigures]:
    """Precision, recall and their harmonic mean for each label.

    Precision is right / predicted, recall right / gold, F1 = 2 right / (predicted + gold), each 0 where its
    denominator is 0. Van Rijsbergen, "Information Retrieval", 1979, chapter 7.
    """
    found: dict[Hashable, ClassFigures] = {}
    for i, label in enumerate(matrix.labels):
        right, support = matrix.counts[i][i], sum(matrix.counts[i]) + matrix.unreadable[i]
        predicted = sum(row[i] for row in matrix.counts)
        found[label] = ClassFigures(
            _share(right, predicted), _share(right, support), _share(2 * right, predicted + support), support, predicted
        )
    return found


def macro_f1(matrix: Confusion) -> float:
    """The unweighted mean of the labels' F1, over labels that are a gold or a prediction somewhere; 0 for none.

    The mean of the classes' F1, not the F1 of mean precision and recall (Opitz and Burst, "Macro F1 and Macro F1",
    2019, show that the two differ).
    """
    figures = [own.f1 for own in per_class(matrix).values() if own.support or own.predicted]
    return math.fsum(figures) / len(figures) if figures else 0.0


def log_loss(
    golds: Sequence[Hashable], probabilities: Sequence[Mapping[Hashable, float]], least: float = 1e-15
) -> float:
    """The mean of -ln p(gold), in nats; a label without a probability has 0, and no p counts below `least`.

    Good, "Rational decisions", Journal of the Royal Statistical Society B 1952. Probabilities of one question are
    divided by their sum. Raises ValueError for lists of different or no length, or probabilities that add up to 0.
    """
    if len(golds) != len(probabilities) or not golds:
        raise ValueError("a log loss needs one set of probabilities for each gold, and at least one")
    losses: list[float] = []
    for gold, own in zip(golds, probabilities, strict=True):
        total = math.fsum(own.values())
        if not total > 0 or min(own.values()) < 0:
            raise ValueError(f"these are no probabilities: {dict(own)}")
        losses.append(-math.log(max(least, own.get(gold, 0.0) / total)))
    return math.fsum(losses) / len(losses)


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
