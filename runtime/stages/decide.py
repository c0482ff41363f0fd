"""Where an answer came from: the candidates it was chosen among and, in words, what chose it."""

from __future__ import annotations

from collections.abc import Mapping

from ttscale.compiler.ir import Apply, Graph, Item, Operand, Ref, refs
from ttscale.compiler.types import Answers
from ttscale.runtime.pool import Pool
from ttscale.runtime.stages.context import is_operand


def decision(graph: Graph, values: Mapping[str, object], decided: Mapping[str, tuple[Pool, str]]) -> tuple[Pool, str]:
    """The pool and the words for a graph's result; `decided` are those of stages that chose."""
    return _follow(graph, graph.result, values, decided) or (_empty(graph), "nothing was chosen among candidates")


def _follow(
    graph: Graph, operand: Operand, values: Mapping[str, object], decided: Mapping[str, tuple[Pool, str]]
) -> tuple[Pool, str] | None:
    match operand:
        case Ref(path) if path in decided:
            return decided[path]
        case Ref(path) if path in values:
            return _at(graph, path, values, decided)
        case Item(of, _):
            return _follow(graph, of, values, decided)
        case Apply(_, args):
            found = (_follow(graph, arg, values, decided) for arg in args)
            return next((one for one in found if one is not None), None)
    return None


def _at(
    graph: Graph, path: str, values: Mapping[str, object], decided: Mapping[str, tuple[Pool, str]]
) -> tuple[Pool, str] | None:
    stage, value = graph.stage(path), values[path]
    arms = stage.args.get("arms")
    if isinstance(arms, tuple):
        ran = [arm for arm in arms if is_operand(arm) and all(name in values for name in refs(arm))]
        return _follow(graph, ran[0], values, decided) if ran else None
    inner = stage.args.get("value")
    if stage.op == "value" and is_operand(inner):
        return _follow(graph, inner, values, decided)
    if not isinstance(value, Pool):
        return None
    if stage.source is not None and value.candidates and _same(value, values, stage.source):
        return _follow(graph, stage.source, values, decided)
    return value, _words(stage.op, value)


def _same(value: Pool, values: Mapping[str, object], source: Operand) -> bool:
    """Whether a stage that keeps candidates was given the very pool it gives, as under `when`."""
    return isinstance(source, Ref) and values.get(source.path) is value


def _words(op: str, pool: Pool) -> str:
    if not pool.candidates:
        return "there are no candidates"
    if op == "classify":
        return "the likeliest label"
    return "the only candidate" if len(pool) == 1 else f"all {len(pool)} candidates"


def _empty(graph: Graph) -> Pool:
    return Pool((), graph.returns.item if isinstance(graph.returns, Answers) else graph.returns)
