"""The tree of a step-wise search as data for reports, from the events of a trace."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ttscale.runtime.trace import Event

MOST_STATES = 400
"""States that a report shows of one search; later ones are left out, except those on the way to an answer."""
MOST_CHARACTERS = 400


def tree_of(events: Iterable[Event], path: str) -> dict[str, object] | None:
    """The states of a stage by number with their parent, step, score and end, and the answers; None without any.

    A state is [number, parent, step, score, how it ended, tokens].
    """
    states: dict[int, Mapping[str, object]] = {}
    done: Mapping[str, object] = {}
    for event in events:
        if event.kind != "explored" or event.path != path:
            continue
        listed = event.data.get("states")
        if isinstance(listed, list):
            states.update({int(str(state["id"])): state for state in listed})
        else:
            done = event.data
    if not states and not done:
        return None
    answers = [node for node in _whole_numbers(done.get("answers")) if node in states]
    shown = set(sorted(states)[:MOST_STATES])
    for node in answers:
        while node in states and node not in shown:
            shown.add(node)
            node = int(str(states[node]["parent"]))
    rows = [_row(states[node]) for node in sorted(shown)]
    counts = {name: done[name] for name in ("reason", "expansions", "written", "judged") if name in done}
    return {"states": rows, "answers": answers, "left_out": len(states) - len(shown), **counts}


def _row(state: Mapping[str, object]) -> list[object]:
    score = state["score"]
    step = str(state["step"]).strip("\n")[:MOST_CHARACTERS]
    rounded = round(score, 4) if isinstance(score, float) else score
    return [state["id"], state["parent"], step, rounded, state["ended"], state["tokens"]]


def _whole_numbers(value: object) -> list[int]:
    return [item for item in value if isinstance(item, int)] if isinstance(value, list | tuple) else []
