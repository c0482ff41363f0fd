"""Watchers by name, from the arguments that a program gives them, and what identifies a watch."""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ttscale.compiler.ir import Const, Strategy
from ttscale.compiler.types import Type
from ttscale.compiler.watch_signatures import WATCHERS
from ttscale.runtime.engines.base import Given
from ttscale.runtime.watch.agreement import Reader, reader_of
from ttscale.runtime.watch.follower import Then, Watching
from ttscale.runtime.watch.watchers import (
    Confidence,
    Deepen,
    Hint,
    Overthinking,
    Repetition,
    Stable,
    Underthinking,
    Watcher,
)


@dataclass(frozen=True)
class Watch:
    """The watchers of a call, in order, and what identifies them: equal keys, equal decisions.

    `begun` is what a branch goes on from. `held` are names of what engines keep in memory for branches to come.
    """

    watchings: tuple[Watching, ...]
    key: str
    begun: Given | None = None
    held: list[str] = field(default_factory=list, compare=False, repr=False)

    @property
    def forks(self) -> int:
        """How many further samples may come of one."""
        return sum((one.branches - 1) * one.most for one in self.watchings if one.then == "branch")


def watch_of(named: Sequence[Strategy], reads: Type, most: int, folder: Path | None = None) -> Watch:
    """The watch of rules as the graph has them; `reads` is how answers are read, `most` the most tokens of a sample."""
    given = [(rule.name, _own(rule)) for rule in named]
    watchings = tuple(_watching(name, own, reads, folder) for name, own in given)
    kind = str(reads) if any(WATCHERS[name].reads for name, _ in given) else ""
    key = json.dumps([given, kind, most], ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return Watch(watchings, key)


def _own(rule: Strategy) -> dict[str, object]:
    own = {parameter.name: parameter.default for parameter in WATCHERS[rule.name].parameters}
    return own | {name: value.value for name, value in rule.named if isinstance(value, Const)}


def _watching(name: str, own: Mapping[str, object], reads: Type, folder: Path | None) -> Watching:
    then: Then = "inject"
    for known in ("stop", "drop", "branch"):
        if own.get("then") == known:
            then = known
    most = _int(own, "times") if name in ("hint", "deepen") else _int(own, "most")
    say = "" if name in ("hint", "deepen") else str(own["say"] or "")
    return Watching(name, _watcher(name, own, reads, folder), then, say, _int(own, "branches") or 2, most)


def _watcher(name: str, own: Mapping[str, object], reads: Type, folder: Path | None) -> Watcher:
    read = _reader(own, reads, folder)
    match name:
        case "repetition":
            return Repetition(_int(own, "window"), _int(own, "times"))
        case "overthinking":
            return Overthinking(read, _int(own, "agree"), _texts(own["marks"]))
        case "underthinking":
            parts = None if own["segments"] is None else _int(own, "segments")
            return Underthinking(read, _int(own, "tokens"), parts, _int(own, "agree"), _texts(own["marks"]))
        case "stable":
            return Stable(read, _int(own, "times"), _int(own, "every"))
        case "hint":
            marks = _texts(own["marks"]) if own["at"] == "mark" else ()
            return Hint(_texts(own["say"]), _int(own, "times"), marks)
        case "deepen":
            return Deepen(str(own["say"]), _int(own, "first"), float(str(own["factor"])), _int(own, "times"))
    return Confidence(float(str(own["below"])), _int(own, "window"))


def _reader(own: Mapping[str, object], reads: Type, folder: Path | None) -> Reader:
    if "read" not in own:
        return _nothing
    sentences = _int(own, "sentences") if "sentences" in own else 0
    return reader_of(reads, marked=own["read"] == "marked", sentences=sentences, folder=folder)


def _nothing(text: str) -> Hashable:
    return None


def _int(own: Mapping[str, object], name: str) -> int:
    value = own.get(name)
    return int(value) if isinstance(value, int | float) else 0


def _texts(value: object) -> tuple[str, ...]:
    """One text or several."""
    if isinstance(value, str):
        return (value,)
    return tuple(str(text) for text in value) if isinstance(value, tuple | list) else ()
