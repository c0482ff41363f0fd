"""Checking a pipeline at the values that its parameters may take.

All assignments are tried where there are at most about 500, else the defaults, the corners and a fixed sample. Only
parameters that can change the shape of the graph count: one that is used for nothing but sampling settings is left at
its default, and so is a choice of models that differ in no price, context or setting.

What a stage keeps, whether its prompt fits and what its model can do is an error at the defaults or always, and else a
warning that lists the assignments. A budget is wrong only if no assignment can keep to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from math import prod

from ttscale.compiler import ast, ast_expressions, ir
from ttscale.compiler.bind import choose_pipeline
from ttscale.compiler.capabilities import abilities
from ttscale.compiler.diagnostics import Diagnostic
from ttscale.compiler.expand import stand_ins, std_prompts
from ttscale.compiler.expand_settings import ENGINE_DEFAULTS
from ttscale.compiler.expansion import Stop
from ttscale.compiler.models import option, prices
from ttscale.compiler.scope import Linked, Symbol
from ttscale.compiler.space import Space, bound_values, space_of, value_of
from ttscale.compiler.tally import ABILITIES, LENGTHS, SETTINGS, Assignment, Tally, key_of, names_below
from ttscale.compiler.types import ListOf, ModelType

__all__ = ["Assignment", "assignments", "check_assignments"]

MOST = 500
SAMPLE = 200


def check_assignments(
    linked: Linked, pipeline: str | Symbol | None = None, *, std: Mapping[str, ir.Prompt] | None = None
) -> list[Diagnostic]:
    """What is wrong with a pipeline at some or all of the values of its parameters.

    The program has no errors so far. Without `std` the stages' standard prompts count as what they are offered,
    which leaves out their fixed text alone. A pipeline with a stage that this version does not run is left alone.
    """
    if isinstance(pipeline, Symbol):
        symbol: Symbol | None = pipeline
    else:
        symbol, found = choose_pipeline(linked, pipeline)
        if symbol is None:
            return found
    assert symbol is not None
    space = space_of(linked, symbol)
    _, defaults, wrong = bound_values(space, {})
    unset = {d.code for d in wrong} <= {"E0555"}
    if wrong and not unset:
        return wrong
    for name in space.params:
        if name not in defaults:
            domain = space.domains[name]
            if domain is None or not domain.values():
                return []
            defaults[name] = domain.values()[0]
    axes = axes_of(space, defaults)
    tally = Tally(
        space, defaults, std if std is not None else stand_ins() | std_prompts(linked), changing=frozenset(axes)
    )
    for assignment in assignments(space, defaults, axes):
        tally.add(assignment)
        if any(diagnostic.code == "E0259" for diagnostic in tally.found):
            return []
    return tally.diagnostics()


# --- which assignments are tried -----------------------------------------------------------------


def assignments(
    space: Space, defaults: Assignment, axes: Mapping[str, tuple[object, ...]] | None = None
) -> Iterator[Assignment]:
    """The defaults, then the other assignments that are worth trying, each once; `axes` are those of `axes_of`."""
    yield dict(defaults)
    axes = axes_of(space, defaults) if axes is None else axes
    if not axes:
        return
    names = list(axes)
    seen = {tuple(map(key_of, (defaults[name] for name in names)))}
    total = prod(len(values) for values in axes.values())
    picked = product(*axes.values()) if total <= MOST else _sample(axes)
    for values in picked:
        key = tuple(map(key_of, values))
        if key not in seen:
            seen.add(key)
            yield {**defaults, **dict(zip(names, values, strict=True))}


def axes_of(space: Space, defaults: Assignment) -> dict[str, tuple[object, ...]]:
    """The values to try of each parameter that can change the shape."""
    shaping = _shaping(space)
    axes: dict[str, tuple[object, ...]] = {}
    for name, domain in space.domains.items():
        if domain is None or name not in shaping:
            continue
        values = domain.values()
        if any(key_of(value) == key_of(defaults[name]) for value in values):
            axes[name] = values
        else:
            axes[name] = (defaults[name], *values)
    return axes


def _sample(axes: Mapping[str, tuple[object, ...]]) -> Iterator[tuple[object, ...]]:
    """Corners, then a sample that is the same every time (a walk with steps prime to each other)."""
    ends = [(values[0], values[-1]) if len(values) > 1 else values for values in axes.values()]
    corners = product(*ends)
    for _, corner in zip(range(SAMPLE), corners, strict=False):
        yield corner
    state = 1
    for _ in range(SAMPLE):
        chosen: list[object] = []
        for values in axes.values():
            state = (state * 1103515245 + 12345) % 2**31
            chosen.append(values[(state >> 8) % len(values)])
        yield tuple(chosen)


def _shaping(space: Space) -> set[str]:
    """The parameters that are read anywhere but in settings that change nothing here."""
    found: set[str] = set()
    ignored = SETTINGS - _watched(space)
    for part in (*space.declaration.bindings, space.declaration.value, *space.declaration.requires):
        names_below(part, found, ignored)
    if space.declaration.budget is not None:
        names_below(space.declaration.budget, found, ignored)
    shaping = found & set(space.params)
    return {name for name in shaping if not _is_only_a_model(space, name)}


def _watched(space: Space) -> frozenset[str]:
    """Settings that matter in this program: where a model declares its context, or a server answers."""
    models = (
        symbol.declaration.value
        for module in space.linked.modules.values()
        for symbol in module.names.values()
        if isinstance(symbol.declaration, ast.ModelDecl)
    )
    found: frozenset[str] = frozenset()
    for call in models:
        if isinstance(call, ast_expressions.Call):
            found |= LENGTHS if any(arg.name == "ctx" for arg in call.args) else frozenset()
            found |= ABILITIES if call.callee.name == "openai" else frozenset()
    return found


def _is_only_a_model(space: Space, name: str) -> bool:
    """Whether a parameter chooses between models that differ in nothing a plan can see."""
    kind = space.kinds[name]
    if not isinstance(kind, ModelType) or isinstance(kind, ListOf):
        return False
    domain = space.domains[name]
    seen: set[object] = set()
    for plain in domain.values() if domain is not None else ():
        try:
            value = value_of(space, name, plain)
        except Stop:
            return False
        model = getattr(value, "model", None)
        if isinstance(model, ir.Model):
            settings = tuple(option(model, key) for key in ENGINE_DEFAULTS)
            seen.add((abilities(model), prices(model), settings))
    return len(seen) <= 1
