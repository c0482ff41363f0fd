"""Two runs side by side: one report of both, their pipelines told apart as A and B."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ttscale.runtime.evaluate.report.sections import whole
from ttscale.runtime.evaluate.versus import before_spending, versus

if TYPE_CHECKING:
    from ttscale.runtime.evaluate.summary import Report


def side_by_side(one: Report, two: Report) -> Report:
    """A report with the pipelines of both runs: each of B is compared with its counterpart in A, on the questions (and
    seeds) that both answered; what each run found among its own pipelines stays as it was."""
    first, second = whole(one.document), whole(two.document)
    records = {
        f"{mark}: {arm['label']}": own.records[arm["label"]]
        for mark, own, arms in (("A", one, first), ("B", two, second))
        for arm in arms
    }
    named = counterparts([a["label"] for a in first], [b["label"] for b in second])
    pairs = [(f"B: {b}", f"A: {a}") for a, b in named]
    questions = {question["id"]: question for own in (two, one) for question in own.document["questions"]}
    document: dict[str, Any] = {
        **one.document,
        "title": f"A: {one.document['title']}, B: {two.document['title']}",
        "settings": _settings(one.document["settings"], two.document["settings"], len(questions)),
        "state": _state(one.document["state"], two.document["state"]),
        "seen_before": before_spending(len(_shared(one, two)) or 1, 1, len(pairs)),
        "arms": [*(_marked(arm, "A") for arm in first), *(_marked(arm, "B") for arm in second)],
        "comparisons": [*versus(pairs, records), *_own(one.document, "A"), *_own(two.document, "B")],
        "matching": None,
        "ablation": {},
        "questions": list(questions.values()),
    }
    from ttscale.runtime.evaluate.summary import Report as Made

    return Made(document, records)


def counterparts(first: Sequence[str], second: Sequence[str]) -> list[tuple[str, str]]:
    """Which pipelines of two runs are compared: those of one name, and the one left over in each.

    Where that finds none, every one with every other.
    """
    found = [(label, label) for label in first if label in second]
    left = [[label for label in own if label not in other] for own, other in ((first, second), (second, first))]
    if len(left[0]) == len(left[1]) == 1:
        found.append((left[0][0], left[1][0]))
    return found or [(a, b) for a in first for b in second]


def _own(document: Mapping[str, Any], mark: str) -> list[dict[str, Any]]:
    """What a run found when it compared its own pipelines."""
    plain = {arm["label"] for arm in whole(document)}
    return [
        {**own, "of": f"{mark}: {own['of']}", "against": f"{mark}: {own['against']}"}
        for own in document["comparisons"]
        if own["of"] in plain and own["against"] in plain
    ]


def _shared(one: Report, two: Report) -> set[tuple[str, str]]:
    """The questions that both runs asked."""
    mine, other = ({(q["id"], q["asked"]) for q in own.document["questions"]} for own in (one, two))
    return mine & other


def _marked(arm: Mapping[str, Any], mark: str) -> dict[str, Any]:
    return {**arm, "label": f"{mark}: {arm['label']}"}


def _settings(one: Mapping[str, Any], two: Mapping[str, Any], questions: int) -> dict[str, Any]:
    looked = one if one.get("looks") else two
    shared = {name: looked[name] for name in ("looks", "level") if name in looked}
    return {**one, **shared, "seeds": sorted({*one["seeds"], *two["seeds"]}), "questions": questions}


def _state(one: Mapping[str, Any], two: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {name: one[name] + two[name] for name in ("wanted", "done", "kept", "failed")}
    return found | {"new": None} | {name: one[name] or two[name] for name in ("early", "interrupted")}
