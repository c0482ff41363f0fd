"""The verifiers of reasoning-gym: each generator grades an answer to its own task (the extra `gym`)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import import_module
from typing import Any

from ttscale.runtime.metrics.errors import MetricError
from ttscale.runtime.metrics.grading import Grade
from ttscale.runtime.metrics.plain import text_of


@dataclass(frozen=True, slots=True)
class GymVerifier:
    """1 where the task's own verifier gives full marks.

    Verifiers also give a little for a wrong answer of the right shape, which is kept in `parts` as `gym` and counts
    only with `partial`. A verifier that fails on an answer has not accepted it.
    """

    partial: bool = False
    name: str = field(default="gym")

    def score(self, answer: object, gold: object, row: Mapping[str, object]) -> Grade:
        """The grade of one answer to a row of a `gym` dataset. Raises MetricError for another row."""
        metadata = row.get("metadata")
        task = row.get("task") or (metadata.get("source_dataset") if isinstance(metadata, Mapping) else None)
        if not isinstance(task, str) or not isinstance(metadata, Mapping):
            hint = 'its rows come from `dataset NAME = gym("chain_sum", size: 100, seed: 1)`'
            raise MetricError("`gym` grades rows of generated tasks, and this one is none", hint=hint)
        if answer is None:
            return Grade(0.0)
        config = row.get("config")
        verifier = _verifier(task, json.dumps(config if isinstance(config, Mapping) else {}, sort_keys=True))
        wanted = row.get("answer") if gold is None else gold  # some tasks have no one answer that is right
        oracle = None if wanted is None else text_of(wanted)
        entry = {"question": row.get("question"), "answer": oracle, "metadata": dict(metadata)}
        try:
            mark = float(verifier.score_answer(text_of(answer), entry))
        except Exception as error:  # verifiers are others' code, and some raise on answers that they do not expect
            return Grade(0.0, f"the verifier of {task} failed: {type(error).__name__}: {error}")
        return Grade(mark if self.partial else float(mark >= 1.0), parts={"gym": mark})


@lru_cache(maxsize=256)
def _verifier(task: str, config: str) -> Any:
    try:
        reasoning_gym = import_module("reasoning_gym")
    except ImportError as error:
        raise MetricError("reasoning-gym is not installed", hint="pip install 'ttscale[gym]'") from error
    try:
        return reasoning_gym.create_dataset(task, **{"size": 1, "seed": 0, **json.loads(config)})
    except (ValueError, TypeError, AssertionError) as error:
        raise MetricError(f"there is no verifier of {task}: {error}") from error
