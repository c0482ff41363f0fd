"""The figures of one pipeline, from its records, as plain data. Shares are from 0 to 1, costs are means a question."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ttscale.compiler.ir import Graph
from ttscale.runtime.evaluate.attribution import attribution
from ttscale.runtime.evaluate.curves import curves, samples_of
from ttscale.runtime.evaluate.grading import ENOUGH
from ttscale.runtime.evaluate.looks import LEVEL, interval
from ttscale.runtime.evaluate.measuring import Record
from ttscale.runtime.metrics import (
    accuracy_at_coverage,
    auc,
    brier,
    confusion,
    ece,
    log_loss,
    macro_f1,
    mean_interval,
    per_class,
    reliability,
    variance_parts,
)

COSTS = ("calls", "tokens", "prompt_tokens", "new_tokens", "sequential_tokens", "usd", "seconds")


def figures(records: Sequence[Record], graph: Graph | None = None, *, level: float = LEVEL) -> dict[str, Any]:
    """All figures of one arm; parts that do not apply are None. `level` is that of the accuracy's interval."""
    scored = [record for record in records if record["score"] is not None]
    return {
        "questions": len({record["id"] for record in records}),
        "answers": len(records),
        **measure(records, level),
        "grades": _other_grades(records),
        "variance": _variance(scored),
        "cost": cost_of(records),
        "unreadable_answers": _share(not record["readable"] for record in records),
        "unreadable_samples": _share(s.get("readable") is False for record in records for s in samples_of(record)),
        "ungraded": _share(r["score"] is None and not r.get("error") for r in records if r.get("gold") is not None),
        "errors": sum(bool(record.get("error")) for record in records),
        "cut": _share(bool(record.get("cut")) for record in records),
        "judgements": _judgements(records),
        "judges": judges(records),
        "stages": _stage_costs(records),
        "attribution": attribution(records),
        "curves": curves(records, graph),
        "classes": classes_of(records),
        "fields": _fields(records),
        "calibration": calibration(scored),
    }


def measure(records: Iterable[Record], level: float = LEVEL) -> dict[str, Any]:
    """The mean score over questions with its interval: Wilson's for one answer a question that is right or wrong,
    else by resampling questions. None without gold."""
    means = list(question_means(records).values())
    if not means:
        return {"accuracy": None, "interval": None, "right": None}
    return {
        "accuracy": math.fsum(means) / len(means),
        "interval": list(interval(means, level)),
        "right": math.fsum(means),
    }


def question_means(records: Iterable[Record]) -> dict[str, float]:
    """The mean score over seeds of each question that has one."""
    found: dict[str, list[float]] = {}
    for record in records:
        if record["score"] is not None:
            found.setdefault(record["id"], []).append(float(record["score"]))
    return {name: math.fsum(own) / len(own) for name, own in found.items()}


def _other_grades(records: Sequence[Record]) -> dict[str, Any]:
    """The means of all measures after the first, over the answers that they graded; `ungraded` counts the others."""
    found: dict[str, list[float | None]] = {}
    for record in records:
        for name, value in list((record.get("grades") or {}).items())[1:]:
            found.setdefault(name, []).append(None if value is None else float(value))
    return {name: _graded(values) for name, values in found.items()}


def _graded(values: Sequence[float | None]) -> dict[str, Any]:
    own = [value for value in values if value is not None]
    return {
        "mean": math.fsum(own) / len(own) if own else None,
        "interval": list(mean_interval(own)) if own else None,
        "answers": len(own),
        "ungraded": len(values) - len(own),
    }


def _variance(scored: Sequence[Record]) -> dict[str, float] | None:
    """Standard errors of the mean score, apart: what the choice of questions adds, and what sampling adds."""
    by_question: dict[str, list[float]] = {}
    for record in scored:
        by_question.setdefault(record["id"], []).append(float(record["score"]))
    return standard_errors(by_question)


def standard_errors(by_question: Mapping[str, Sequence[float]]) -> dict[str, float] | None:
    """`questions` and `sampling` parts of the standard error, and the `total`; None for one seed."""
    width = max(map(len, by_question.values()), default=0)
    whole = [own for own in by_question.values() if len(own) == width]
    if width < 2 or len(whole) < 2:
        return None
    parts = variance_parts(whole)
    count = len(whole)
    return {
        "questions": math.sqrt(parts.questions / count),
        "sampling": math.sqrt(parts.sampling / (count * width)),
        "total": math.sqrt(parts.of_mean),
        "seeds": width,
    }


def cost_of(records: Sequence[Record]) -> dict[str, Any]:
    """Means a question of every cost, totals, and what a right answer costs."""
    count = max(1, len(records))
    totals = {name: math.fsum(record["cost"][name] for record in records) for name in COSTS}
    right = math.fsum(record["score"] or 0.0 for record in records)
    return {
        "mean": {name: total / count for name, total in totals.items()},
        "total": totals,
        "per_right": {name: total / right for name, total in totals.items()} if right else None,
        "judging_tokens": math.fsum(
            stage["tokens"] for record in records for stage in record.get("stages") or [] if stage["op"] != "generate"
        )
        / count,
    }


def _share(flags: Iterable[bool]) -> float | None:
    known = list(flags)
    return sum(known) / len(known) if known else None


def _judgements(records: Sequence[Record]) -> list[dict[str, Any]]:
    """How many judgements each stage asked for, and how many could not be read."""
    asked: dict[str, list[int]] = {}
    for record in records:
        for path, own in (record.get("judgements") or {}).items():
            counts = asked.setdefault(path, [0, 0])
            counts[0] += own["asked"]
            counts[1] += own["unreadable"]
    return [
        {"path": path, "asked": count, "unreadable": bad, "rate": bad / count if count else 0.0}
        for path, (count, bad) in asked.items()
    ]


# --- judges --------------------------------------------------------------------------------------------


def judges(records: Sequence[Record]) -> list[dict[str, Any]]:
    """For every stage that judged candidates: how well its numbers tell right from wrong.

    `auc` is over all candidates, `auc_within` the mean over questions with both kinds, which is what choosing needs;
    `agreement` is the share of candidates where the judge (at 0.5) and the gold agree, null for ranks and the like.
    """
    told: dict[str, dict[str, Any]] = {}
    for record in records:
        candidates = record.get("candidates") or []
        for stage in record.get("stages") or []:
            pairs = [
                (v, candidates[i]["score"] >= ENOUGH)
                for i, v in stage.get("judged") or []
                if candidates[i]["score"] is not None
            ]
            if not pairs:
                continue
            own = told.setdefault(stage["path"], {"op": stage["op"], "asks": False, "pairs": [], "within": []})
            own["asks"] = own["asks"] or stage["calls"] > 0
            own["pairs"] += pairs
            inside = auc([v for v, _ in pairs], [r for _, r in pairs])
            if inside is not None:
                own["within"].append(inside)
    return [_judge(path, own) for path, own in told.items()]


def _judge(path: str, own: Mapping[str, Any]) -> dict[str, Any]:
    values, right = [v for v, _ in own["pairs"]], [r for _, r in own["pairs"]]
    is_share = own["op"] != "rank" and all(0 <= value <= 1 for value in values)
    within = own["within"]
    found: dict[str, Any] = {
        "path": path,
        "op": own["op"],
        "asks": own["asks"],
        "judged": len(values),
        "right": sum(right) / len(right),
        "auc": None if own["op"] == "rank" else auc(values, right),
        "auc_within": sum(within) / len(within) if within else None,
        "questions_within": len(within),
        "agreement": None,
        "brier": None,
        "ece": None,
    }
    if is_share:
        found["agreement"] = sum((v >= 0.5) == r for v, r in zip(values, right, strict=True)) / len(right)
        found["brier"], found["ece"] = brier(values, right), ece(values, right)
        found["false_alarms"] = _share(v >= 0.5 for v, r in own["pairs"] if not r)
        found["misses"] = _share(v < 0.5 for v, r in own["pairs"] if r)
    return found


def _stage_costs(records: Sequence[Record]) -> list[dict[str, Any]]:
    """What each stage costs a question, in plan order."""
    found: dict[str, dict[str, Any]] = {}
    for record in records:
        for stage in record.get("stages") or []:
            own = found.setdefault(
                stage["path"],
                {
                    "path": stage["path"],
                    "op": stage["op"],
                    "calls": 0,
                    "tokens": 0,
                    "new_tokens": 0,
                    "usd": 0.0,
                    "seconds": 0.0,
                },
            )
            for name in ("calls", "tokens", "new_tokens", "usd", "seconds"):
                own[name] += stage[name]
    count = max(1, len(records))
    return [{name: v / count if isinstance(v, int | float) else v for name, v in own.items()} for own in found.values()]


# --- kinds of answers ----------------------------------------------------------------------------------


def classes_of(records: Sequence[Record]) -> dict[str, Any] | None:
    """Confusion matrix, figures a class, macro F1 and, where probabilities are known, log loss; for Choice and Bool."""
    known = [record for record in records if record.get("true_class") is not None]
    if not known:
        return None
    golds = [record["true_class"] for record in known]
    matrix = confusion(golds, [record.get("class") for record in known])
    told = [record for record in known if record.get("probabilities")]
    return {
        "labels": list(matrix.labels),
        "counts": [list(row) for row in matrix.counts],
        "unreadable": list(matrix.unreadable),
        "macro_f1": macro_f1(matrix),
        "per_class": {
            str(label): {"precision": own.precision, "recall": own.recall, "f1": own.f1, "support": own.support}
            for label, own in per_class(matrix).items()
        },
        "log_loss": log_loss([r["true_class"] for r in told], [r["probabilities"] for r in told]) if told else None,
    }


def _fields(records: Sequence[Record]) -> dict[str, float] | None:
    """The share of right values of each field of a record, over the answers that should have it."""
    known = [record["fields"] for record in records if record.get("fields")]
    if not known:
        return None
    names = dict.fromkeys(name for own in known for name in own)
    told = {name: [own[name] for own in known if name in own] for name in names}
    return {name: sum(values) / len(values) for name, values in told.items()}


def calibration(scored: Sequence[Record]) -> list[dict[str, Any]]:
    """For each source of confidence whether it can be believed: Brier, ECE, AUC, accuracy of the surest answers."""
    told: dict[str, list[tuple[float, bool]]] = {}
    for record in scored:
        for name, value in (record.get("confidences") or {}).items():
            told.setdefault(name, []).append((min(1.0, max(0.0, float(value))), record["score"] >= ENOUGH))
    found = []
    for name, pairs in told.items():
        sure, right = [v for v, _ in pairs], [r for _, r in pairs]
        bins = [
            {"low": b.low, "high": b.high, "count": b.count, "confidence": b.confidence, "accuracy": b.accuracy}
            for b in reliability(sure, right)
            if b.count
        ]
        found.append(
            {
                "source": name,
                "answers": len(pairs),
                "brier": brier(sure, right),
                "ece": ece(sure, right),
                "auc": auc(sure, right),
                "coverage": {str(k): v for k, v in accuracy_at_coverage(sure, right).items()},
                "bins": bins,
            }
        )
    return found
