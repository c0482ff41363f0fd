"""The IR's own rules, checked between passes in tests and wherever a graph comes from outside.

A graph that breaks one of them is our fault, never the user's.
"""

from __future__ import annotations

from collections.abc import Iterator

from ttscale.compiler import ir
from ttscale.compiler.diagnostics import InternalError
from ttscale.compiler.expand_settings import UNSAID
from ttscale.compiler.signatures import FACETS, SIGNATURES
from ttscale.compiler.types import Answers

OWN_OPS = {"concat": ("sources",), "choose": ("arms",), "value": ("value",)}
"""The ops that only the compiler writes, with their arguments."""

OPTIONAL = {"concat": frozenset({"apart"}), "recall": frozenset({"after"}), "remember": frozenset({"after"})}
"""Arguments that only the compiler writes, where they mean something."""

REPLACED = {
    "generate": ("prompt", "from", "temperature", "combine"),
    "classify": ("prompt", "from"),
    "explore": ("prompt", "from"),
}
"""Parameters that a stage has under other names."""

ADDED = {
    "generate": ("prompts", "models", "temperatures", "model_series"),
    "classify": ("prompts", "models"),
    "score": ("meta",),
    "explore": ("prompts", "models", "using", "judge_model", "judge_temperature", "judge_max_tokens"),
}


def verify(graph: ir.Graph) -> None:
    """Raise InternalError with everything that is wrong with a graph."""
    wrong = list(problems(graph))
    if wrong:
        raise InternalError(f"graph of {graph.pipeline}: " + "; ".join(wrong))


def problems(graph: ir.Graph) -> Iterator[str]:
    """What is wrong with a graph, as sentences."""
    seen: set[str] = set()
    inputs = {name for name, _ in graph.inputs}
    for stage in graph.stages:
        if stage.path in seen:
            yield f"two stages at {stage.path}"
        for path in stage.needs():
            if path not in seen:
                yield f"{stage.path} reads {path}, which does not stand before it"
        for operand in stage.operands():
            yield from _operand(stage.path, operand, inputs)
        yield from _arguments(stage)
        yield from _shape(stage)
        yield from _models(stage, graph)
        seen.add(stage.path)
    for path in ir.refs(graph.result):
        if path not in seen:
            yield f"the result reads {path}, which is not there"
    yield from _operand("the result", graph.result, inputs)


def _operand(where: str, operand: ir.Operand, inputs: set[str]) -> Iterator[str]:
    match operand:
        case ir.Input(name=name):
            if name not in inputs:
                yield f"{where} reads the input {name}, which is not there"
        case ir.Apply(args=args):
            for arg in args:
                yield from _operand(where, arg, inputs)
        case ir.Item(of=of, index=index):
            if index < 0:
                yield f"{where} reads element {index}"
            yield from _operand(where, of, inputs)
        case ir.Column():
            yield f"{where} reads a column of a dataset"


def expected_arguments(op: str) -> frozenset[str] | None:
    """The names of an op's arguments; None for an op that is not known here, such as one of a plug-in."""
    if op in OWN_OPS:
        return frozenset(OWN_OPS[op])
    signature = SIGNATURES.get(op)
    if signature is None:
        return None
    names = {p.name for p in signature.parameters} - set(REPLACED.get(op, ()))
    return frozenset(names | set(ADDED.get(op, ())))


def _arguments(stage: ir.Stage) -> Iterator[str]:
    expected = expected_arguments(stage.op)
    if stage.op == "python":
        if not isinstance(stage.args.get("function"), ir.Const):
            yield f"{stage.path} names no function"
        return
    if expected is None:
        yield f"{stage.path} is a `{stage.op}`, which is no stage"
        return
    for name in sorted(expected - set(stage.args) - UNSAID):
        yield f"{stage.path} lacks `{name}`"
    for name in sorted(set(stage.args) - expected - OPTIONAL.get(stage.op, frozenset())):
        yield f"{stage.path} has `{name}`, which `{stage.op}` does not take"
    for name in ("prompts", "models", "temperatures", "sources", "arms"):
        value = stage.args.get(name)
        if value is not None and not (isinstance(value, tuple) and value):
            yield f"`{name}` of {stage.path} is not a list of at least one"
    models, series = stage.args.get("models"), stage.args.get("model_series")
    if isinstance(models, tuple) and isinstance(series, ir.Const):
        numbers = series.value
        if not isinstance(numbers, tuple) or len(numbers) != len(models):
            yield f"{stage.path} has not one series a model"


def _shape(stage: ir.Stage) -> Iterator[str]:
    if not 0 <= stage.size.low <= stage.size.high:
        yield f"{stage.path} has from {stage.size.low} to {stage.size.high} candidates"
    if not stage.facets <= set(FACETS):
        yield f"{stage.path} has the facets {sorted(stage.facets - set(FACETS))}"
    signature = SIGNATURES.get(stage.op)
    if signature is not None:
        if (signature.source == "pool") is (stage.source is None):
            yield f"{stage.path} has {'no' if stage.source is None else 'a'} source"
        if not isinstance(stage.type, Answers):
            yield f"{stage.path} gives {stage.type}, not a pool"
        if signature.at_most_one and stage.size.high > 1 and stage.when is None:
            yield f"{stage.path} may give {stage.size.high} candidates"
    for guard in stage.guards:
        if not guard.values:
            yield f"{stage.path} has a guard that nothing meets"
    for operand in stage.operands():
        if _reads_own(operand) and not (stage.op == "generate" and operand == stage.args.get("until")):
            yield f"{stage.path} reads the pool it makes outside `until:`"


def _reads_own(operand: ir.Operand) -> bool:
    match operand:
        case ir.Own():
            return True
        case ir.Apply(args=args):
            return any(_reads_own(arg) for arg in args)
        case ir.Item(of=of):
            return _reads_own(of)
    return False


def _models(stage: ir.Stage, graph: ir.Graph) -> Iterator[str]:
    found: list[ir.Argument] = [stage.args[name] for name in ("from", "or_else") if name in stage.args]
    listed = stage.args.get("models")
    if isinstance(listed, tuple):
        found += listed
    for model in found:
        if isinstance(model, ir.Model) and graph.models.get(model.name) != model:
            yield f"{stage.path} asks {model.name}, which the graph does not list"
