"""Would another try do better? A model's own judgement of an answer, and when to stop trying.

"Adaptive Inference-Time Compute: LLMs Can Predict if They Can Do Better, Even Mid-Generation" (Manvi et al. 2024).
After an answer the model is asked whether starting over would give a better one; p = P(No) / (P(Yes) + P(No)) is the
chance that it would not. The paper tunes the model for this; of a model as it is, p is not calibrated, and a
threshold wants fitting on questions with known answers. The authors' repository has no code.
"""

from __future__ import annotations

from collections.abc import Sequence


def no_better(better: float, not_better: float) -> float:
    """P(No) / (P(Yes) + P(No)) from the probabilities of both words, in [0, 1]; 0.5 where both are 0."""
    total = better + not_better
    return not_better / total if total > 0 else 0.5


def temperature_of(try_: int, highest: float = 1.0) -> float:
    """The sampling temperature of a try, counting from 1: highest (1 - 2^-(try - 1)), so that the first is greedy.

    The paper anneals upward from greedy; this schedule is as remembered from it, its constants unconfirmed.
    """
    if try_ < 1:
        raise ValueError("tries count from 1")
    return highest * (1 - 2.0 ** -(try_ - 1))


def tries_used(numbers: Sequence[float | None], threshold: float) -> int:
    """How many tries adaptive sampling makes: up to the first with p >= threshold, else all; a missing p is no reason
    to stop."""
    for place, p in enumerate(numbers, 1):
        if p is not None and p >= threshold:
            return place
    return len(numbers)
