"""Pipelines against each other on the same questions: "better" only where it is more than chance.

Every pair is compared by question, with the mean over seeds. Where each question has one answer that is right or wrong,
McNemar's exact test decides together with a paired bootstrap of the difference, both corrected for the number of pairs;
with several seeds the bootstrap alone does, and McNemar's p is given seed by seed. An ablated pipeline is compared only
with the whole one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ttscale.runtime.evaluate.arms import Arm
from ttscale.runtime.evaluate.figures import question_means, standard_errors
from ttscale.runtime.evaluate.measuring import Record
from ttscale.runtime.metrics import compare, mcnemar, smallest_difference, smallest_mean_difference, wilson

USUAL_DISAGREEMENT = 0.3
"""The share of questions on which two pipelines are taken to disagree before anything is known."""


def pairs_of(arms: Sequence[Arm]) -> list[tuple[Arm, Arm]]:
    """The pairs to compare, (candidate, base): later pipelines with earlier ones, ablated ones with their whole."""
    whole = [arm for arm in arms if not arm.without]
    found = [(b, a) for i, a in enumerate(whole) for b in whole[i + 1 :]]
    for arm in arms:
        if arm.without:
            base = next(other for other in whole if arm.label.startswith(f"{other.label} without "))
            found.append((arm, base))
    return found


def families(arms: Sequence[Arm]) -> list[list[tuple[str, str]]]:
    """The pairs of labels that are corrected together: the pipelines' own, and the ablations of each."""
    found: dict[str, list[tuple[str, str]]] = {}
    for of, against in pairs_of(arms):
        found.setdefault(against.label if of.without else "", []).append((of.label, against.label))
    return list(found.values())


def versus(pairs: Sequence[tuple[str, str]], records: Mapping[str, Sequence[Record]]) -> list[dict[str, Any]]:
    """One comparison a pair of labels: (of, against), on the questions that both answered with every seed."""
    told: list[dict[str, Any]] = []
    scores: list[tuple[list[float], list[float]]] = []
    for of, against in pairs:
        a, b = records[of], records[against]
        ids = _common(a, b)
        left, right = question_means(a), question_means(b)
        if len(ids) < 2:
            continue
        scores.append(([left[name] for name in ids], [right[name] for name in ids]))
        told.append({"of": of, "against": against, "questions": len(ids), **_by_seed(a, b, ids)})
    for own, found, (left_scores, right_scores) in zip(told, compare(scores) if scores else [], scores, strict=True):
        own |= {
            "difference": found.difference,
            "interval": [found.low, found.high],
            "p": found.p,
            "adjusted_p": found.adjusted_p,
            "verdict": found.verdict,
            "smallest": _smallest_seen(left_scores, right_scores, len(scores)),
        }
    return told


def _common(a: Sequence[Record], b: Sequence[Record]) -> list[str]:
    """The questions that both have, each with all its seeds, in order."""
    seeds = {r["seed"] for r in (*a, *b)}
    mine, other = _by_question(a), _by_question(b)
    return [name for name, own in mine.items() if name in other and own.keys() == other[name].keys() == seeds]


def _by_question(records: Sequence[Record]) -> dict[str, dict[int, float]]:
    found: dict[str, dict[int, float]] = {}
    for record in records:
        if record["score"] is not None:
            found.setdefault(record["id"], {})[record["seed"]] = float(record["score"])
    return found


def _by_seed(a: Sequence[Record], b: Sequence[Record], ids: Sequence[str]) -> dict[str, Any]:
    """What is right with one alone, McNemar's p for each seed, and the parts of the difference's standard error."""
    mine, other = _by_question(a), _by_question(b)
    seeds = sorted(mine[ids[0]])
    tests: list[float] = []
    only_a = only_b = 0
    for seed in seeds:
        left, right = [mine[name][seed] for name in ids], [other[name][seed] for name in ids]
        if all(score in (0, 1) for score in (*left, *right)):
            found = mcnemar(left, right)
            tests.append(found.p)
            only_a, only_b = only_a + found.only_a, only_b + found.only_b
    count = len(seeds) * len(ids)
    differences = {name: [mine[name][seed] - other[name][seed] for seed in seeds] for name in ids}
    return {
        "only_of": only_a / count if tests else None,
        "only_against": only_b / count if tests else None,
        "mcnemar_by_seed": tests,
        "errors": standard_errors(differences),
    }


# --- what can be seen at all ---------------------------------------------------------------------------


def before_spending(questions: int, seeds: int, pairs: int) -> dict[str, Any]:
    """What so many questions can show: the half width of one accuracy near 50%, and the smallest difference that a
    comparison would find in four of five cases. Several seeds add to it only where sampling is what varies."""
    low, high = wilson(questions / 2, questions)
    found: dict[str, Any] = {"questions": questions, "seeds": seeds, "half_width": (high - low) / 2}
    if pairs:
        level = 1 - 0.05 / pairs
        found["pairs"] = pairs
        found["disagreement"] = USUAL_DISAGREEMENT
        found["smallest"] = smallest_difference(questions, USUAL_DISAGREEMENT, level=level)
        found["least"] = _least_discordant(0.05 / pairs) / questions
    return found


def _least_discordant(alpha: float) -> int:
    """The fewest questions that must differ, all in one direction, for McNemar's exact p to reach alpha."""
    return math.ceil(math.log2(2 / alpha))


def sentence(seen: Mapping[str, Any]) -> str:
    """The same for people."""
    count = seen["questions"]
    text = f"{count:,} questions tell an accuracy near 50% to within ±{seen['half_width']:.1%}"
    if "pairs" not in seen:
        return text
    if seen["least"] > 1:
        return f"{text}; they are too few to show any difference between pipelines"
    corrected = f", corrected for {seen['pairs']} comparisons" if seen["pairs"] > 1 else ""
    apart = f"{seen['disagreement']:.0%} of questions"
    if seen["smallest"] >= seen["disagreement"]:
        likely = f"pipelines that disagree on {apart} will hardly be told apart"
    else:
        likely = f"between pipelines that disagree on {apart} they are likely to show {seen['smallest']:.1%} or more"
    return f"{text}; {likely}{corrected}, and a difference below {seen['least']:.1%} cannot be shown at all"


def _smallest_seen(a: Sequence[float], b: Sequence[float], pairs: int) -> float | None:
    """The smallest difference that this comparison would have found in four of five cases, from what was seen.

    None where even disagreements that all go one way would not have been enough.
    """
    level = 1 - 0.05 / max(1, pairs)
    differences = [x - y for x, y in zip(a, b, strict=True)]
    if all(score in (0, 1) for score in (*a, *b)):
        apart = sum(difference != 0 for difference in differences) / len(differences)
        smallest = smallest_difference(len(a), apart, level=level) if apart else apart
        return smallest if smallest < apart - 1e-9 else None  # at most all on which they disagree can differ one way
    mean = math.fsum(differences) / len(differences)
    deviation = math.sqrt(math.fsum((d - mean) ** 2 for d in differences) / max(1, len(differences) - 1))
    return smallest_mean_difference(len(a), deviation, level=level)
