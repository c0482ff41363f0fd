"""Right or wrong: answers against gold, and the accuracy of a batch with what its single samples reach."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ttscale.runtime.metrics import gold_key, is_correct, wilson

if TYPE_CHECKING:
    from ttscale.compiler.types import Type
    from ttscale.runtime.result import Result


@dataclass(frozen=True, slots=True)
class Marks:
    """One row judged: whether the answer is right, and how many of the `of` samples of the first layer are."""

    correct: bool
    right: int
    of: int


def mark(result: Result, returns: Type, gold: object) -> Marks:
    """Compare a result and the samples of its first layer with `gold`, as their types say. Raises MetricError."""
    from ttscale.runtime.answers import coerce, equal

    pool = result.samples
    correct = is_correct(returns, coerce(returns, result.answer)[1], gold)
    wanted = coerce(pool.type, gold)[1]
    if wanted is None:  # the candidates are of another type than the answer
        return Marks(correct, 0, 0)
    return Marks(correct, sum(equal(pool.type, candidate.key, wanted) for candidate in pool), len(pool))


def check_golds(returns: Type, golds: Iterable[object]) -> None:
    """Raises MetricError for the first gold answer that cannot be read as `returns`, before anything is spent."""
    for gold in golds:
        if gold is not None:
            gold_key(returns, gold)


@dataclass
class Tally:
    """Marks of many rows, also of rows that an earlier run left in the output."""

    marks: list[Marks] = field(default_factory=list)

    def add(self, marks: Marks) -> None:
        """Count one row."""
        self.marks.append(marks)

    def add_row(self, row: dict[str, Any]) -> None:
        """Count a row read back from the output, if it was judged."""
        correct = str(row.get("correct", "")).lower()
        if correct in ("true", "false"):
            right, _, total = str(row.get("sampled") or "0/0").partition("/")
            self.add(Marks(correct == "true", int(right), int(total or 0)))

    def to_json(self) -> dict[str, Any]:
        """Accuracy with its interval, the mean accuracy of one sample, and the share of rows with any right sample."""
        total = len(self.marks)
        right = sum(m.correct for m in self.marks)
        sampled = [m for m in self.marks if m.of]
        low, high = wilson(right, total)
        return {
            "questions": total,
            "right": right,
            "accuracy": right / total if total else None,
            "interval": [low, high],
            "single_sample": sum(m.right / m.of for m in sampled) / len(sampled) if sampled else None,
            "any_right": sum(m.right > 0 for m in sampled) / len(sampled) if sampled else None,
        }

    def sentence(self) -> str:
        """The same in one line for people."""
        found = self.to_json()
        low, high = found["interval"]
        text = (
            f"accuracy {found['accuracy']:.1%} ({found['right']} of {found['questions']}; "
            f"95% Wilson interval {low:.1%} to {high:.1%})"
        )
        if found["single_sample"] is not None:
            text += f"; one sample {found['single_sample']:.1%} on average; any sample right {found['any_right']:.1%}"
        return text
