"""A pipeline without one of its stages: what each stage is worth.

A stage that passes answers of one type on (`score critique rank verify filter revise fuse`) is left out by reading what
it read. One that ends in a choice (`vote`, `select`) is replaced by taking the first readable candidate. Where later
filters need what the stage gave, they go with it; where a later choice or judge needs it, the stage cannot be left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

from ttscale.compiler.ir import Const, Graph, Operand, Ref, Stage, Strategy
from ttscale.compiler.signatures import RULES
from ttscale.runtime.evaluate.arms import Arm, graph_digest
from ttscale.runtime.fewshot import plan_with_rows

PASSING = ("score", "critique", "rank", "verify", "filter", "revise", "fuse", "python")
CHOOSING = ("vote", "select")
_FIRST = Strategy("first")


@dataclass(frozen=True)
class Ablations:
    """The pipelines that are left, one a stage, and why other stages cannot be left out (path to reason)."""

    arms: tuple[Arm, ...]
    kept: Mapping[str, str]


def ablations(arm: Arm) -> Ablations:
    """Every pipeline that `arm` is without one of its stages. Raises EngineError where weights are missing."""
    found: list[Arm] = []
    kept: dict[str, str] = {}
    for stage in arm.graph.stages:
        if stage.op not in (*PASSING, *CHOOSING):
            continue
        graph, also = without(arm.graph, stage.path)
        if graph is None:
            kept[stage.path] = also
            continue
        plan = plan_with_rows(graph, arm.program.rows)
        left_out = f"{stage.path}, {also}" if also else stage.path
        label = f"{arm.label} without {left_out}"
        digest = graph_digest(graph, arm.program.folder)
        found.append(replace(arm, label=label, plan=plan, digest=digest, without=left_out))
    return Ablations(tuple(found), kept)


def without(graph: Graph, path: str) -> tuple[Graph | None, str]:
    """The graph without a stage and the names of filters that went with it; or None and why that cannot be."""
    stage = graph.stage(path)
    if stage.op in CHOOSING:
        return _taking_the_first(graph, stage)
    gone: list[str] = []
    current: Graph = graph
    waiting = [path]
    while waiting:
        stage = current.stage(waiting.pop(0))
        source = stage.source
        if not isinstance(source, Ref):
            return None, "it reads no pool of another stage"
        before = current.stage(source.path)
        if stage.type != before.type:
            return None, f"it turns {before.type} into {stage.type}"
        lost = _facets(stage) - before.facets
        current = _bypassed(current, stage.path, source)
        gone.append(stage.path)
        for later in current.stages:
            if not lost & _reads(later):
                continue
            if later.op != "filter":
                return None, f"{later.path} needs it"
            waiting.append(later.path)
    return current, ", ".join(gone[1:])


def _taking_the_first(graph: Graph, stage: Stage) -> tuple[Graph | None, str]:
    if not isinstance(stage.source, Ref) or graph.stage(stage.source.path).size.high < 2:
        return None, "it chooses among one candidate"
    rule = stage.args.get("by")
    if isinstance(rule, Strategy) and rule.name == "first":
        return None, "it takes the first candidate as it is"
    chosen = replace(stage, op="select", args={"by": _FIRST})
    return replace(graph, stages=tuple(chosen if s.path == stage.path else s for s in graph.stages)), ""


def _facets(stage: Stage) -> frozenset[str]:
    """What a stage adds to its candidates, whether or not it surely does."""
    gives = {"score": "scored", "critique": "critiqued", "verify": "verified", "rank": "ranked"}
    return stage.facets | ({gives[stage.op]} if stage.op in gives else frozenset())


def _reads(stage: Stage) -> frozenset[str]:
    """The facets that a stage cannot do without."""
    found: set[str] = set()

    def walk(value: object) -> None:
        if isinstance(value, Strategy):
            rule = RULES.get(value.name)
            found.update(rule.needs if rule is not None else ())
            for _, part in value.named:
                walk(part)
        elif isinstance(value, tuple):
            for part in value:
                walk(part)

    for argument in stage.args.values():
        walk(argument)
    least = stage.args.get("min_score")
    by = stage.args.get("by")
    if stage.op == "filter" and isinstance(least, Const) and least.value is not None and not isinstance(by, Strategy):
        found.add("scored")
    picks = ("best_of_majority", "majority_of_bests", "weighted_best_of_n")
    if isinstance(by, Strategy) and by.name in picks and not isinstance(dict(by.named).get("by"), Strategy):
        found.add("scored")
    return frozenset(found)


def _bypassed(graph: Graph, path: str, source: Operand) -> Graph:
    """The graph without a stage; whoever read it reads what it read."""
    stages = tuple(_redirected(stage, path, source) for stage in graph.stages if stage.path != path)
    return replace(graph, stages=stages, result=_redirected(graph.result, path, source))


def _redirected(value: Any, path: str, source: Operand) -> Any:
    if isinstance(value, Ref):
        return source if value.path == path else value
    if isinstance(value, Mapping):
        return {name: _redirected(part, path, source) for name, part in value.items()}
    if isinstance(value, tuple):
        return tuple(_redirected(part, path, source) for part in value)
    if is_dataclass(value) and not isinstance(value, type) and type(value).__module__ == Stage.__module__:
        changed = {own.name: _redirected(getattr(value, own.name), path, source) for own in fields(value)}
        return replace(value, **changed)
    return value
