"""Facets that a stage or rule needs: whether the candidates have them wherever it runs.

Codes:
    E0221  a facet that is missing: always, at the defaults, or depending on the run
    W0221  a facet that is missing for some assignments of the parameters
"""

from __future__ import annotations

from collections.abc import Mapping

from ttscale.compiler import ast_expressions
from ttscale.compiler.check_conditions import FALSE, Formula, find_gaps
from ttscale.compiler.check_frame import Frame, Typed
from ttscale.compiler.frozen import dataclass
from ttscale.compiler.source import Span


@dataclass(frozen=True, slots=True)
class Advice:
    """What a facet is called in a sentence, and the stage that gives it."""

    noun: str
    stage: str


GIVEN: Mapping[str, Advice] = {
    "scored": Advice("scores", "score(by: yes_no)"),
    "critiqued": Advice("critiques", "critique()"),
    "verified": Advice("verdicts", "verify()"),
    "tested": Advice("test results", "run_tests(with: …)"),
    "ranked": Advice("ranks", "rank()"),
    "stepped": Advice("step scores", "explore(…)"),
}


def must_have(facet: str, pool: Typed, span: Span, who: str, frame: Frame, besides: Formula | None = None) -> None:
    """Reports that `who` needs a facet and the pool lacks it where it runs; `besides` narrows where that is."""
    if not pool.is_pool:
        return
    runs = frame.runs if besides is None else frame.under(besides).runs
    found = pool.facet(facet)
    gaps = find_gaps(runs, found.present, frame.space)
    if gaps is None:
        return
    advice = GIVEN[facet]
    labels = () if found.lost is None else (found.lost,)
    hint = f"put `|> {advice.stage}` before it"
    if found.present == FALSE or (gaps.always and not gaps.at_run_time):
        message = f"{who} needs {advice.noun}, and these answers have none"
        frame.report("E0221", message, span, hint=hint, labels=labels)
    elif gaps.at_run_time:
        message = f"{who} needs {advice.noun}, and these answers have them only under a condition"
        hint = "give this stage the same `when`, or take it off where they are made"
        frame.report("E0221", message, span, hint=hint, labels=labels)
    else:
        code = "E0221" if gaps.at_defaults else "W0221"
        message = f"{who} needs {advice.noun}, and these answers have none when {shown_values(gaps.examples)}"
        frame.report(code, message, span, hint="give this stage the same `when`, or add a `require`", labels=labels)


def fresh_samples_have_none(expr: ast_expressions.Expr, who: str, frame: Frame) -> None:
    """Reports a condition about scores on the samples of a `generate`, which nothing has scored yet."""
    message = f"{who} is about scores, and the samples of this `generate` have none yet"
    hint = (
        "ask `agreement`, `readable` or `margin` here; or score in rounds: `repeat up to 3 with xs = drafts "
        "until best(xs) > 0.5 { … }` with `|> score(by: yes_no)` on `drafts` and on what the round yields"
    )
    frame.report("E0221", message, expr.span, hint=hint)


def shown_values(examples: tuple[Mapping[str, object], ...]) -> str:
    """Assignments of parameters in a sentence, the first few."""
    return "; or ".join(
        ", ".join(f"{name} = {_value(value)}" for name, value in example.items()) for example in examples[:3]
    )


def _value(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
