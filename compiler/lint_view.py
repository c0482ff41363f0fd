"""A bound graph as lint rules see it: who made the candidates of a pool, who reads it, what an argument says."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

from ttscale.compiler import ir
from ttscale.compiler.source import Span
from ttscale.compiler.types import Answers, Type

MAKERS = frozenset({"generate", "fuse", "classify", "revise", "explore", "retrieve", "decompose", "recall"})
JOINTS = frozenset({"concat", "choose"})
JUDGES = frozenset({"verify", "score", "rank"})
TESTS = frozenset({"tests", "unit_tests"})
"""Arguments that hold tests which a model wrote."""


class View:
    """A graph before any pass but the merging of equal stages, with questions that rules ask of it."""

    def __init__(self, graph: ir.Graph) -> None:
        self.graph = graph
        self.stages = {stage.path: stage for stage in graph.stages}
        self._made: dict[str, frozenset[str]] = {}

    @cached_property
    def spans(self) -> frozenset[Span]:
        """The places of all stages."""
        return frozenset(stage.span for stage in self.graph.stages)

    @cached_property
    def readers(self) -> dict[str, list[tuple[ir.Stage | None, ir.Operand]]]:
        """For each stage the operands that read it, with the stage they belong to (None: the result)."""
        found: dict[str, list[tuple[ir.Stage | None, ir.Operand]]] = {path: [] for path in self.stages}
        for stage in self.graph.stages:
            for operand in stage.operands():
                if operand is not stage.question:
                    for path in ir.refs(operand):
                        found[path].append((stage, operand))
        for path in ir.refs(self.graph.result):
            found[path].append((None, self.graph.result))
        return found

    def source(self, stage: ir.Stage) -> ir.Stage | None:
        """The stage that is piped into this one."""
        return self.stages.get(stage.source.path) if isinstance(stage.source, ir.Ref) else None

    def parts(self, stage: ir.Stage) -> list[ir.Stage]:
        """What a `concat` joins, or what a `choose` chooses from."""
        operands = stage.args.get("sources" if stage.op == "concat" else "arms")
        found: list[ir.Stage] = []
        for operand in operands if isinstance(operands, tuple) else ():
            if isinstance(operand, ir.Ref):
                found.append(self.stages[operand.path])
        return found

    def made(self, stage: ir.Stage) -> frozenset[str]:
        """Paths of the stages that made the candidates that this pool may hold."""
        if stage.path not in self._made:
            if stage.op in JOINTS:
                found = frozenset[str]().union(*(self.made(part) for part in self.parts(stage)))
            elif stage.op in MAKERS or self.source(stage) is None:
                found = frozenset({stage.path})
            else:
                before = self.source(stage)
                assert before is not None
                found = self.made(before)
            self._made[stage.path] = found
        return self._made[stage.path]

    def origins(self, operand: ir.Operand) -> frozenset[str]:
        """Paths of the stages that made what an operand reads, looked at through values such as `text(pool)`."""
        found: set[str] = set()
        for path in ir.refs(operand):
            stage = self.stages[path]
            value = stage.args.get("value")
            if stage.op == "value" and isinstance(value, ir.Apply | ir.Ref | ir.Item):
                found |= self.origins(value)
            else:
                found |= self.made(stage)
        return frozenset(path for path in found if self.stages[path].op in MAKERS)

    @cached_property
    def suites(self) -> dict[str, ir.Stage]:
        """Paths of the stages that wrote tests, each with the first stage that evaluates candidates by them."""
        found: dict[str, ir.Stage] = {}
        for stage in self.graph.stages:
            given: list[object] = [stage.args.get("with")] if stage.op == "run_tests" else []
            if stage.op in JUDGES:
                given += [operand for filled in prompts_of(stage) for name, operand in filled.args if name in TESTS]
            for operand in given:
                if isinstance(operand, ir.Apply | ir.Ref | ir.Item):
                    for path in self.origins(operand):
                        found.setdefault(path, stage)
        return found

    def authors(self, stage: ir.Stage) -> tuple[ir.Model, ...]:
        """The models that wrote the candidates of a pool."""
        found: dict[ir.Model, None] = {}
        for path in sorted(self.made(stage)):
            found |= dict.fromkeys(asked_by(self.stages[path]))
        return tuple(found)

    def over(self, op: str) -> Iterator[tuple[ir.Stage, ir.Stage]]:
        """Stages called `op` with the stages piped into them."""
        for stage in self.graph.stages:
            before = self.source(stage)
            if stage.op == op and before is not None:
                yield stage, before


def asked_by(stage: ir.Stage) -> tuple[ir.Model, ...]:
    """The models that a stage asks."""
    models = stage.args.get("models", stage.args.get("from"))
    several = models if isinstance(models, tuple) else (models,)
    return tuple(model for model in several if isinstance(model, ir.Model))


def constant(stage: ir.Stage, name: str) -> object:
    """The value of an argument that is known, else None."""
    value = stage.args.get(name)
    return value.value if isinstance(value, ir.Const) else None


def number(value: object) -> float | None:
    """A number, else None."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def prompts_of(stage: ir.Stage) -> tuple[ir.Filled, ...]:
    """The filled prompts of a stage."""
    found: list[ir.Filled] = []
    for name in ("prompts", "using"):
        value = stage.args.get(name)
        found += [part for part in (value if isinstance(value, tuple) else (value,)) if isinstance(part, ir.Filled)]
    return tuple(found)


def item_of(stage: ir.Stage) -> Type:
    """The type of a pool's answers."""
    return stage.type.item if isinstance(stage.type, Answers) else stage.type
