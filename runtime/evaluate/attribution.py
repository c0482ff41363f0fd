"""Where right answers are lost: whether a right candidate was there before and after every stage.

    {"right": 0.61, "never_made": 0.12, "stages": [{"path": "main/rank", "before": 0.85, "lost": 0.11, …}, …], …}

A stage loses a question when a right candidate came in and none came out; it gains one when none came in and one came
out. A wrong answer is blamed on the last stage that lost the question; where no stage had a right candidate at all, it
was never made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ttscale.runtime.evaluate.grading import ENOUGH
from ttscale.runtime.evaluate.measuring import Record


def attribution(records: Sequence[Record]) -> dict[str, Any] | None:
    """Shares of answers, over all records whose candidates can be told right from wrong; None where there are none."""
    known = [record for record in records if _is_known(record)]
    if not known:
        return None
    stages: dict[str, dict[str, Any]] = {}
    blamed: dict[str, int] = {}
    right = never = elsewhere = 0
    for record in known:
        passed = passages(record)
        for path, (op, before, after, size) in passed.items():
            own = stages.setdefault(
                path, {"path": path, "op": op, "ran": 0, "sized": 0, "before": 0, "after": 0, "lost": 0, "gained": 0}
            )
            own["ran"] += 1
            own["sized"] += size
            own["after"] += after
            if before is not None:
                own["before"] += before
                own["lost"] += before and not after
                own["gained"] += after and not before
            else:
                own["is_source"] = True
        if record["score"] >= ENOUGH:
            right += 1
            continue
        losing = [path for path, (_, before, after, _) in passed.items() if before and not after]
        if not any(after or before for _, before, after, _ in passed.values()):
            never += 1
        elif losing:
            blamed[losing[-1]] = blamed.get(losing[-1], 0) + 1
        else:
            elsewhere += 1
    total = len(known)
    return {
        "answers": total,
        "right": right / total,
        "never_made": never / total,
        "elsewhere": elsewhere / total,
        "stages": [_shares(own, total, blamed.get(path, 0)) for path, own in stages.items()],
        "sentences": _sentences(stages, blamed, never, total),
    }


def _is_known(record: Record) -> bool:
    if record.get("score") is None or not record.get("stages"):
        return False
    return any(candidate["score"] is not None for candidate in record["candidates"])


def passages(record: Record) -> dict[str, tuple[str, bool | None, bool, int]]:
    """For every stage that gave a pool: its op, whether a right candidate came in (None: it takes no pool) and out, and
    how many came out."""
    good = {i for i, c in enumerate(record["candidates"]) if c["score"] is not None and c["score"] >= ENOUGH}
    pools: dict[str, Sequence[int]] = {}
    found: dict[str, tuple[str, bool | None, bool, int]] = {}
    for stage in record["stages"]:
        if stage["pool"] is None:
            continue
        given = [pools[path] for path in stage["needs"] if path in pools]
        pools[stage["path"]] = stage["pool"]
        before = any(place in good for pool in given for place in pool) if given else None
        found[stage["path"]] = (stage["op"], before, any(place in good for place in stage["pool"]), len(stage["pool"]))
    return found


def _shares(own: Mapping[str, Any], total: int, blamed: int) -> dict[str, Any]:
    is_source = bool(own.get("is_source"))
    return {
        "path": own["path"],
        "op": own["op"],
        "ran": own["ran"] / total,
        "size": own["sized"] / own["ran"],
        "before": None if is_source else own["before"] / total,
        "after": own["after"] / total,
        "lost": None if is_source else own["lost"] / total,
        "gained": None if is_source else own["gained"] / total,
        "blamed": blamed / total,
    }


def _sentences(stages: Mapping[str, Any], blamed: Mapping[str, int], never: int, total: int) -> list[str]:
    """What is worth saying, the largest loss first."""
    told = [
        (count, f"{path} threw away the right answer in {count / total:.0%} of questions")
        for path, count in blamed.items()
    ]
    told += [(never, f"in {never / total:.0%} of questions no right answer was ever made")] if never else []
    told += [
        (own["gained"], f"{path} made a right answer where there was none in {own['gained'] / total:.0%} of questions")
        for path, own in stages.items()
        if own["gained"]
    ]
    return [sentence for _, sentence in sorted(told, key=lambda pair: -pair[0])]
