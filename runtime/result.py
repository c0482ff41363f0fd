"""What a run gives: the answer, the candidates it was chosen from, what it cost, and why it is what it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ttscale.compiler.diagnostics import Diagnostic
from ttscale.compiler.plan import Cost
from ttscale.compiler.types import TEXT
from ttscale.runtime.pool import Candidate, Pool
from ttscale.runtime.trace import Trace, plain


@dataclass(frozen=True, slots=True)
class Judgements:
    """How many judgements a stage asked for and how many could not be read."""

    asked: int = 0
    unreadable: int = 0


@dataclass(frozen=True)
class Result:
    """The outcome of one question.

    `answer` is the typed value (a list where the pipeline returns `Answers[T]`); `text` is it as text. `pool` holds the
    candidates it was chosen from, in order. `cost` counts as if nothing were cached, `seconds` is wall time. `cut`
    says that a limit stopped work, `cut_reason` which: calls, tokens, cost, seconds or stopped. `notes` are sentences
    for people, `decided` says what decided, such as "5 of 8 agree". `samples` are all candidates of the first layer,
    made by `generate` stages that read nothing of a model: what the pipeline's work has to be compared with. `stages`
    is what every stage that ran gave, by path in plan order.
    """

    answer: object
    text: str
    pool: Pool
    cost: Cost
    seconds: float
    cut: bool
    cut_reason: str
    trace: Trace
    decided: str
    notes: tuple[str, ...] = ()
    judgements: Mapping[str, Judgements] = field(default_factory=dict)
    samples: Pool = field(default_factory=lambda: Pool((), TEXT))
    stages: Mapping[str, object] = field(default_factory=dict, repr=False)

    @property
    def fresh(self) -> Cost:
        """What of the cost did not come from a bank: its `new_tokens` are those that a model made now."""
        return self.trace.fresh

    def to_json(self, *, trace: bool = True) -> dict[str, object]:
        """The result as plain data for `json.dumps`; `trace: False` leaves the events out."""
        record: dict[str, object] = {
            "answer": plain(self.answer),
            "text": self.text,
            "decided": self.decided,
            "pool": [candidate_json(candidate) for candidate in self.pool],
            "cost": {
                "calls": self.cost.calls,
                "tokens": self.cost.tokens,
                "prompt_tokens": self.cost.prompt_tokens,
                "new_tokens": self.cost.new_tokens,
                "sequential_tokens": self.cost.sequential_tokens,
                "usd": self.cost.usd,
                "seconds": round(self.seconds, 3),
            },
            "fresh": {"calls": self.fresh.calls, "new_tokens": self.fresh.new_tokens, "usd": self.fresh.usd},
            "cut": self.cut,
            "cut_reason": self.cut_reason,
            "notes": list(self.notes),
            "judgements": plain(self.judgements),
        }
        if trace:
            record["trace"] = self.trace.to_json()
        return record


def candidate_json(candidate: Candidate) -> dict[str, object]:
    """A candidate as plain data: where it came from, its text and answer, and the facets it has."""
    record: dict[str, object] = {
        "text": candidate.text,
        "answer": plain(candidate.answer),
        "readable": candidate.is_readable,
        "model": candidate.model,
        "prompt": candidate.prompt,
        "series": candidate.series,
        "index": candidate.index,
        "tokens": candidate.tokens,
        "finish": candidate.finish,
    }
    optional: dict[str, object] = {
        "thoughts": candidate.thoughts or None,
        "logprob_mean": candidate.logprob_mean,
        "logprob_sum": candidate.logprob_sum,
        "scores": dict(candidate.scores) or None,
        "critique": candidate.critique,
        "verified": candidate.verified,
        "rank": candidate.rank,
        "step_scores": list(candidate.step_scores) or None,
        "tests": list(candidate.tests) or None,
        "outputs": list(candidate.outputs) or None,
        "error": candidate.error or None,
        "parents": [_origin(parent) for parent in candidate.parents] or None,
    }
    record.update({name: plain(value) for name, value in optional.items() if value is not None})
    return record


def _origin(candidate: Candidate) -> dict[str, object]:
    """Where a candidate comes from, without what it says."""
    return {name: getattr(candidate, name) for name in ("stage", "model", "prompt", "series", "index")}


class RunError(Exception):
    """A run ended without an answer; `diagnostic` says why and where, `trace` what was done until then."""

    def __init__(self, diagnostic: Diagnostic, trace: Trace | None = None) -> None:
        super().__init__(f"{diagnostic.code}: {diagnostic.message}")
        self.diagnostic = diagnostic
        self.trace = trace if trace is not None else Trace()


class BudgetExhausted(RunError):
    """The budget ended before any answer."""
