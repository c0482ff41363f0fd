"""Conditional parameters: which ones matter under an assignment.

    param critic: Bool = true
    param depth: Int in {1, 2, 3} = 2
    …
    repeat depth with x = drafts { yield x |> critique() |> fuse() } when critic

    active_params(program, "main", {"critic": False, "depth": 3})   # {"critic"}

A parameter matters where making the graph looks at it: a branch that the other parameters leave out does not count, nor
does the second half of `a and b` where `a` is false. So a search need not vary it there, and two assignments that
differ in it alone are one program.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ttscale.compiler import ir
from ttscale.compiler.bind import choose_pipeline
from ttscale.compiler.diagnostics import CompileError
from ttscale.compiler.expand import expand, stand_ins, std_prompts
from ttscale.compiler.expansion import Value
from ttscale.compiler.scope import Linked
from ttscale.compiler.space import bound_values, broken_rules, space_of

if TYPE_CHECKING:
    from ttscale.compiler.driver import Checked


class Watched(dict[str, Value]):
    """Names of a pipeline that remember which of them were looked up."""

    def __init__(self, values: Mapping[str, Value], seen: set[str] | None = None) -> None:
        super().__init__(values)
        self.seen: set[str] = set() if seen is None else seen

    def __getitem__(self, name: str) -> Value:
        self.seen.add(name)
        return super().__getitem__(name)

    def get(self, name: str, default: Value | None = None) -> Value | None:  # type: ignore[override]
        """The value of a name, which is then seen."""
        if name in self:
            self.seen.add(name)
        return super().get(name, default)

    def __or__(self, other: Mapping[str, Value]) -> Watched:  # type: ignore[override]
        """These names with some more or others in their places; what is looked up is still remembered here."""
        grown = Watched({}, self.seen)
        dict.update(grown, dict.items(self))
        dict.update(grown, other)
        return grown


def active_params(
    program: Checked | Linked,
    pipeline: str | None = None,
    assignment: Mapping[str, object] | None = None,
    *,
    models: Mapping[str, ir.Model] | None = None,
) -> frozenset[str]:
    """The parameters of a pipeline that matter under an assignment; those not in it are at their defaults.

    Raises CompileError for an assignment that the pipeline does not allow.
    """
    linked = program if isinstance(program, Linked) else program.linked
    symbol, found = choose_pipeline(linked, pipeline)
    if symbol is None:
        raise CompileError(found, linked.sources)
    space = space_of(linked, symbol, models or {})
    values, names, found = bound_values(space, assignment or {})
    if not found:
        found = broken_rules(space, values)
    if found:
        raise CompileError(found, linked.sources)
    watched = Watched(values)
    std = stand_ins() | std_prompts(linked)
    graph, found, _ = expand(linked, symbol, watched, names, models=models, std=std, named=space.expansion)
    if graph is None:
        raise CompileError(found, linked.sources)
    return frozenset(name for name in watched.seen if name in names)
