"""Parameters whose value changes nothing, and the graphs that lint looks at.

Codes:
    L111   a parameter whose value changes nothing
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice

from ttscale.compiler import ast_expressions, ir
from ttscale.compiler.assignments import Assignment, assignments
from ttscale.compiler.bind import choose_pipeline
from ttscale.compiler.diagnostics import Diagnostic
from ttscale.compiler.domains import show
from ttscale.compiler.expand import expand, stand_ins, std_prompts
from ttscale.compiler.expansion import Stop, Value
from ttscale.compiler.frozen import dataclass
from ttscale.compiler.passes.merge_equal_stages import merge_equal_stages
from ttscale.compiler.scope import Linked
from ttscale.compiler.space import Space, bound_values, broken_rules, space_of, value_of
from ttscale.compiler.walk import nodes

SAMPLED = 40
"""Assignments at which the rules about graphs are asked."""
CONTEXTS = 160
"""A parameter is called dead only where the others have no more assignments than this, and all were tried."""
VALUES = 8


@dataclass(frozen=True)
class Drawn:
    """A graph, and the assignment of the parameters that it belongs to."""

    assignment: Assignment
    graph: ir.Graph


def space_to_lint(linked: Linked, name: str) -> tuple[Space | None, Assignment]:
    """The parameters of a pipeline and their defaults (the first value where there is none); None if they are wrong."""
    symbol, _ = choose_pipeline(linked, name)
    if symbol is None:
        return None, {}
    space = space_of(linked, symbol)
    _, defaults, wrong = bound_values(space, {})
    if any(d.code != "E0555" for d in wrong):
        return None, {}
    for param in space.params:
        if param not in defaults:
            domain = space.domains[param]
            if domain is None or not domain.values():
                return None, {}
            defaults[param] = domain.values()[0]
    return space, defaults


def drawn(space: Space, defaults: Assignment, std: Mapping[str, ir.Prompt] | None) -> list[Drawn]:
    """The graph at the defaults and at some other allowed assignments; empty where the defaults have none."""
    found: list[Drawn] = []
    for assignment in islice(_spread(space, defaults), SAMPLED):
        graph = graph_at(space, assignment, std)
        if graph is not None:
            found.append(Drawn(assignment, graph))
        elif assignment == defaults:
            return []
    return found


def _spread(space: Space, defaults: Assignment) -> Iterator[Assignment]:
    """The defaults, then assignments from all over the space rather than its first corner."""
    every = list(assignments(space, defaults))
    yield every[0]
    rest = every[1:]
    stride = max(1, len(rest) // (SAMPLED - 1))
    yield from rest[::stride]


def graph_at(space: Space, assignment: Assignment, std: Mapping[str, ir.Prompt] | None) -> ir.Graph | None:
    """The graph with equal stages merged, or None where the assignment is not allowed or cannot be expanded."""
    values: dict[str, Value] = {}
    try:
        for name, plain in assignment.items():
            values[name] = value_of(space, name, plain)
    except Stop:
        return None
    if broken_rules(space, values):
        return None
    prompts = std if std is not None else stand_ins() | std_prompts(space.linked)
    graph, _, _ = expand(space.linked, space.symbol, values, assignment, std=prompts, named=space.expansion)
    return merge_equal_stages(graph) if graph is not None else None


def dead_parameters(space: Space, defaults: Assignment, std: Mapping[str, ir.Prompt] | None) -> list[Diagnostic]:
    """A finding for each parameter of which every allowed value gives the same graph, whatever the others are."""
    found: list[Diagnostic] = []
    for name, param in space.params.items():
        domain = space.domains[name]
        if domain is None or len(domain.values()) < 2 or _mentions(space, name) == 0:
            continue
        if _is_dead(space, name, domain.values()[:VALUES], defaults, std):
            label = f"{', '.join(show(value) for value in domain.values()[:3])} all give the same graph"
            message = f"no value of `{name}` changes what runs"
            hint = "leave it out, or look at the conditions that its uses stand under"
            found.append(Diagnostic("L111", message, param.name_span, "lint", label=label, hint=hint))
    return found


def _mentions(space: Space, name: str) -> int:
    """How often the pipeline mentions a parameter; one that is never mentioned is L003's."""
    declaration = space.declaration
    parts = (*declaration.bindings, declaration.value)
    return sum(isinstance(node, ast_expressions.Name) and node.name == name for part in parts for node in nodes(part))


def _is_dead(
    space: Space,
    name: str,
    values: tuple[object, ...],
    defaults: Assignment,
    std: Mapping[str, ir.Prompt] | None,
) -> bool:
    if _differs(space, name, values, defaults, std):
        return False
    contexts: dict[str, Assignment] = {}
    for assignment in assignments(space, defaults):
        context = {**assignment, name: defaults[name]}
        contexts.setdefault(repr(sorted(context.items(), key=lambda item: item[0])), context)
        if len(contexts) > CONTEXTS:
            return False
    return not any(_differs(space, name, values, context, std) for context in contexts.values())


def _differs(
    space: Space,
    name: str,
    values: tuple[object, ...],
    context: Assignment,
    std: Mapping[str, ir.Prompt] | None,
) -> bool:
    """Whether two values of a parameter give different graphs, the others being as in `context`."""
    first: ir.Graph | None = None
    for value in values:
        graph = graph_at(space, {**context, name: value}, std)
        if graph is None:
            continue
        graph = replace(graph, params={})
        if first is not None and graph != first:
            return True
        first = first or graph
    return False
