"""What the planners read from the records of a search: which rule for which questions, and what a judge is worth.

    by_difficulty(records)     # bins by agreement, each with its best rule, and whether that holds on other questions
    judge_worth(records)       # how often to try again with a judge that errs, and how to split a budget with it

Bins: Snell and others 2024. Attempts: Stroebl, Kapoor and Narayanan 2024. Split: When To Solve, When To Verify, 2025.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ttscale.compiler import types as t
from ttscale.runtime.evaluate.grading import ENOUGH
from ttscale.runtime.evaluate.measuring import Record
from ttscale.runtime.planners.difficulty import quantile_bins, strategy_table
from ttscale.runtime.planners.pool_rules import rule_credits
from ttscale.runtime.planners.pool_verifiers import verifiers_of
from ttscale.runtime.pool import Candidate, Pool
from ttscale.runtime.poolfile import Question
from ttscale.runtime.strategies import agreement, class_ids

BINS = 3
FEWEST = 24
"""On fewer questions a table of bins says nothing."""
WORTH = 0.01
"""What a rule for each bin must gain on questions that did not choose it."""


def questions_of(records: Sequence[Record]) -> list[Question]:
    """Slim records of one pipeline as recorded pools, judgements as scores by the stage that gave them.

    Without those whose samples cannot be told right from wrong.
    """
    found: list[Question] = []
    for record in records:
        listed = record.get("candidates") or []
        places = list(record.get("samples") or [])
        own = [listed[place] for place in places]
        if not own or any(candidate["score"] is None for candidate in own):
            continue
        scores: dict[int, dict[str, float]] = {place: {} for place in places}
        for stage in record.get("stages") or []:
            for place, value in stage.get("judged") or []:
                if place in scores:
                    scores[place][stage["path"]] = float(value)
        candidates = tuple(
            Candidate(
                text="",
                key=None if c["class"] is None else str(c["class"]),
                tokens=c.get("tokens") or 0,
                logprob_mean=c.get("logprob_mean"),
                scores=scores[place],
            )
            for place, c in zip(places, own, strict=True)
        )
        right = tuple(c["score"] >= ENOUGH for c in own)
        shown = tuple(c.key for c in candidates)
        found.append(Question(str(record["id"]), Pool(candidates, t.TEXT), right, shown))
    return found


def by_difficulty(records: Sequence[Record]) -> dict[str, Any] | None:
    """Bins of questions by how far their samples agree, which a new question shows too; None for too few.

    `held_out` compares a rule for each bin with one rule for all, on questions that had no part in the choice.
    """
    questions = [own for own in questions_of(records) if len(own.pool) > 1]
    if len(questions) < FEWEST:
        return None
    credits = {
        rule: own[0] for rule, own in rule_credits(questions, [min(len(q.pool) for q in questions)], None)[0].items()
    }
    ease = [agreement(class_ids(q.pool)) for q in questions]
    bins = quantile_bins(ease, BINS)
    table = strategy_table(credits, bins)
    rows = []
    for number in sorted(set(bins)):
        places = [i for i, other in enumerate(bins) if other == number]
        shares = [sum(map(bool, questions[i].correct)) / len(questions[i].correct) for i in places]
        rule, accuracy, _ = table.best[number]
        rows.append(
            {
                "from": min(ease[i] for i in places),
                "to": max(ease[i] for i in places),
                "questions": len(places),
                "one_sample": sum(shares) / len(places),
                "coverage": sum(any(map(bool, questions[i].correct)) for i in places) / len(places),
                "rule": rule,
                "accuracy": accuracy,
            }
        )
    return {"bins": rows, "by_bin": table.adaptive, "one_rule": table.fixed, "rule": table.overall[0]}


def difficulty_lines(found: dict[str, Any]) -> list[str]:
    """What the table of bins comes to."""
    gain = found["by_bin"] - found["one_rule"]
    said = (
        f"On questions that did not choose it, a rule for each bin answers {found['by_bin']:.0%} right, "
        f"one rule for all {found['one_rule']:.0%}"
    )
    if gain >= WORTH:
        return [f"{said}: a `match` on `agreement(…)` may be worth trying."]
    return [f"{said}: one rule is enough."]


def is_judged(records: Sequence[Record]) -> bool:
    """Whether a judge looked at samples of these."""
    return any(stage.get("judged") for record in records for stage in record.get("stages") or [])


def judge_worth(records: Sequence[Record]) -> list[str]:
    """Sentences on every judge of a pipeline, as a verifier that errs; none without judges."""
    lines: list[str] = []
    questions = questions_of(records)
    if not questions:
        return []
    for own in verifiers_of(questions, wrong=-1.0, ratio=_ratio(records)):
        accepts, rejects = own["completeness"], own["soundness"]
        lines.append(
            f"`{own['score']}` accepts {accepts:.0%} of right samples and rejects {rejects:.0%} of wrong ones: trying "
            f"until it accepts one tends to {own['precision_bound']:.0%} right answers and never passes that."
        )
        if own["attempts"]:
            limited = own["attempts"] == own["attempts_limit"]
            times = f"{own['attempts']}{' or more' if limited else ''} times" if own["attempts"] > 1 else "once"
            lines.append(
                f"Where a wrong answer costs what a right one brings, try {times} with it and "
                f"then abstain: {own['right']:.0%} right, {own['wrong']:.0%} wrong."
            )
        rows = (own["splits"] or {}).get("rows") or []
        if rows:
            last = rows[-1]
            each = f"{last['verifications']} verdict" + ("" if last["verifications"] == 1 else "s")
            lines.append(
                f"For the tokens of {last['budget']:g} samples, {last['solutions']} with {each} each are best "
                f"({last['accuracy']:.0%} by simulation; votes alone {last['votes_alone']:.0%})."
            )
    return lines


def _ratio(records: Sequence[Record]) -> float:
    """The tokens of one verdict over those of one sample; 1 where that is not known."""
    judged = [stage for record in records for stage in record.get("stages") or [] if stage.get("calls")]
    calls, tokens = (sum(stage[name] for stage in judged) for name in ("calls", "tokens"))
    others = sum(record["cost"]["calls"] for record in records) - calls
    rest = sum(record["cost"]["tokens"] for record in records) - tokens
    return (tokens / calls) / (rest / others) if calls > 0 and others > 0 and tokens > 0 and rest > 0 else 1.0
