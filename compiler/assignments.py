"""Checking a pipeline at the values that its parameters may take.

All assignments are tried where there are at most about 500, else the defaults, the corners and a fixed sample. Only
parameters that can change the shape of the graph count: one that is used for nothing but sampling settings is left at
its default, and so is a choice of models that differ in no price, context or setting.

A stage that keeps more than it gets is an error at the defaults, between literals or always, and else a warning that
lists the assignments. A budget is wrong only if no assignment can keep to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from itertools import product
from math import prod

from ttscale.compiler import ast, ast_expressions, ir
from ttscale.compiler.bind import choose_pipeline
from ttscale.compiler.bounds import make_plan
from ttscale.compiler.diagnostics import Diagnostic
from ttscale.compiler.domains import show
from ttscale.compiler.expand import expand, stand_ins, std_prompts
from ttscale.compiler.expand_settings import ENGINE_DEFAULTS
from ttscale.compiler.expansion import Oversize, Stop, Value
from ttscale.compiler.feasible import broken_limits, context_overflow, over_budget
from ttscale.compiler.models import option, prices
from ttscale.compiler.oversize import LISTED, certain, is_literal, sometimes
from ttscale.compiler.passes import optimise
from ttscale.compiler.plan import Plan
from ttscale.compiler.scope import Linked, Symbol
from ttscale.compiler.space import Space, bound_values, broken_rules, space_of, value_of
from ttscale.compiler.types import FLOAT, INT, ListOf, ModelType

MANY = "E0220"
"""What an expansion says of a pool of several where one value is wanted."""

MOST = 500
SAMPLE = 200
SETTINGS = frozenset(ENGINE_DEFAULTS) | {
    "timeout",
    "retry",
    "min_probability",
    "min_score",
    "min_share",
    "weight",
    "as",
}
"""Arguments that leave a graph's shape as it is."""
SYNTAX = (ast.__name__, ast_expressions.__name__)
"""The modules whose nodes have names below them."""

Assignment = dict[str, object]


def check_assignments(
    linked: Linked, pipeline: str | Symbol | None = None, *, std: Mapping[str, ir.Prompt] | None = None
) -> list[Diagnostic]:
    """What is wrong with a pipeline at some or all of the values of its parameters.

    The program has no errors so far. Without `std` the stages' standard prompts count as empty, which loses nothing
    but a little of the least cost. A pipeline with a stage that this version does not run is left alone.
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
    tally = Tally(space, defaults, std if std is not None else stand_ins() | std_prompts(linked))
    for assignment in assignments(space, defaults):
        tally.add(assignment)
        if any(diagnostic.code == "E0259" for diagnostic in tally.found):
            return []
    return tally.diagnostics()


# --- which assignments are tried -----------------------------------------------------------------


def assignments(space: Space, defaults: Assignment) -> Iterator[Assignment]:
    """The defaults, then the other assignments that are worth trying, each once."""
    yield dict(defaults)
    axes = _axes(space, defaults)
    if not axes:
        return
    names = list(axes)
    seen = {tuple(map(_key, (defaults[name] for name in names)))}
    total = prod(len(values) for values in axes.values())
    picked = product(*axes.values()) if total <= MOST else _sample(axes)
    for values in picked:
        key = tuple(map(_key, values))
        if key not in seen:
            seen.add(key)
            yield {**defaults, **dict(zip(names, values, strict=True))}


def _key(value: object) -> tuple[str, object]:
    return type(value).__name__, value


def _axes(space: Space, defaults: Assignment) -> dict[str, tuple[object, ...]]:
    """The values to try of each parameter that can change the shape."""
    shaping = _shaping(space)
    axes: dict[str, tuple[object, ...]] = {}
    for name, domain in space.domains.items():
        if domain is None or name not in shaping:
            continue
        values = domain.values()
        if any(_key(value) == _key(defaults[name]) for value in values):
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
    """The parameters that are read anywhere but in sampling settings."""
    found: set[str] = set()
    for part in (*space.declaration.bindings, space.declaration.value, *space.declaration.requires):
        _names(part, found)
    if space.declaration.budget is not None:
        _names(space.declaration.budget, found)
    shaping = found & set(space.params)
    return {name for name in shaping if not _is_only_a_model(space, name)}


def _names(node: object, found: set[str]) -> None:
    """Add every bare name below a node, outside arguments that are settings."""
    if isinstance(node, ast_expressions.Arg) and node.name in SETTINGS:
        return
    if isinstance(node, ast_expressions.Name):
        found.add(node.name)
    elif isinstance(node, tuple):
        for part in node:
            _names(part, found)
    elif is_dataclass(node) and type(node).__module__ in SYNTAX:
        for part in fields(node):
            if part.name != "span":
                _names(getattr(node, part.name), found)


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
            seen.add((option(model, "ctx"), prices(model), settings))
    return len(seen) <= 1


# --- what is found -------------------------------------------------------------------------------


@dataclass
class Tally:
    """What all assignments said, put together."""

    space: Space
    defaults: Assignment
    std: Mapping[str, ir.Prompt] | None
    tried: list[Assignment] = field(default_factory=list)
    found: dict[Diagnostic, list[Assignment]] = field(default_factory=dict)
    oversized: dict[tuple[object, ...], list[tuple[Assignment, Oversize]]] = field(default_factory=dict)
    kept_budget: set[str] = field(default_factory=set)
    over: dict[str, Plan] = field(default_factory=dict)

    def add(self, assignment: Assignment) -> None:
        """Expand one assignment and note what is wrong with it; one that breaks a `require` is not allowed."""
        values: dict[str, Value] = {}
        try:
            for name, plain in assignment.items():
                values[name] = value_of(self.space, name, plain)
        except Stop:
            return
        rules = broken_rules(self.space, values)
        if rules:
            if assignment == self.defaults:
                for diagnostic in rules:
                    self.found.setdefault(diagnostic, []).append(assignment)
            return
        self.tried.append(assignment)
        symbol = self.space.symbol
        graph, found, oversized = expand(
            self.space.linked, symbol, values, assignment, std=self.std, named=self.space.expansion
        )
        for diagnostic in found:
            self.found.setdefault(diagnostic, []).append(assignment)
        noted: set[tuple[object, ...]] = set()
        for note in oversized:
            key = (note.op, note.argument, note.span)
            if key not in noted:
                noted.add(key)
                self.oversized.setdefault(key, []).append((assignment, note))
        if graph is not None:
            self._budget(graph)
            for diagnostic in context_overflow(graph) if assignment == self.defaults else ():
                self.found.setdefault(diagnostic, []).append(assignment)

    def _budget(self, graph: ir.Graph) -> None:
        limits = {m for m in ("calls", "tokens", "cost") if getattr(graph.budget, m) is not None} - self.kept_budget
        if not limits:
            return
        plan = make_plan(optimise(graph))
        broken = set(broken_limits(plan))
        self.kept_budget |= limits - broken
        for measure in broken:
            best = self.over.get(measure)
            if best is None or plan.minimum.tokens < best.minimum.tokens:
                self.over[measure] = plan

    def diagnostics(self) -> list[Diagnostic]:
        """The result, errors of shape first."""
        found = [d for d in self.found if d.code != MANY]
        found += self._many()
        for notes in self.oversized.values():
            found.append(self._oversize(notes))
        for measure, plan in self.over.items():
            if measure not in self.kept_budget:
                found.append(over_budget(measure, plan, self.space.symbol, always=True))
        return found

    def _many(self) -> list[Diagnostic]:
        """Pools of several where one value is wanted: an error at the defaults or always, else a warning."""
        places: dict[object, list[tuple[Assignment, Diagnostic]]] = {}
        for diagnostic, where in self.found.items():
            if diagnostic.code == MANY:
                places.setdefault(diagnostic.primary, []).extend((assignment, diagnostic) for assignment in where)
        found: list[Diagnostic] = []
        for notes in places.values():
            bad = [assignment for assignment, _ in notes]
            first = next((d for a, d in notes if a == self.defaults), notes[0][1])
            if self.defaults not in bad and len(bad) < len(self.tried):
                shown = "; ".join(self._words(bad)[:LISTED])
                hint = f"{first.hint}; it happens with {shown}"
                first = replace(first, code="W0220", severity="warning", hint=hint)
            found.append(first)
        return found

    def _oversize(self, notes: list[tuple[Assignment, Oversize]]) -> Diagnostic:
        assignment, note = notes[0]
        if assignment == self.defaults:
            return certain(note, "at the defaults" if self.space.params and not is_literal(note) else "")
        if is_literal(note):
            return certain(note)
        if len(notes) == len(self.tried):
            return certain(note, "for all values of the parameters")
        return sometimes(
            note, self._words([a for a, _ in notes]), self._first_words(notes[0]), self._require(notes, note)
        )

    def _words(self, bad: list[Assignment]) -> list[str]:
        """The assignments in which it happens, by the parameters that matter."""
        matter = self._mattering(bad)
        return list(dict.fromkeys(", ".join(f"{n} = {show(a[n])}" for n in matter) for a in bad))

    def _mattering(self, bad: list[Assignment]) -> list[str]:
        """The parameters whose value decides: dropping them would mix good and bad assignments."""
        good = [assignment for assignment in self.tried if assignment not in bad]
        matter = list(self.defaults)
        for name in list(matter):
            rest = [other for other in matter if other != name]
            bad_keys = {tuple(_key(a[n]) for n in rest) for a in bad}
            if rest and not any(tuple(_key(a[n]) for n in rest) in bad_keys for a in good):
                matter = rest
        return matter

    def _first_words(self, first: tuple[Assignment, Oversize]) -> tuple[str, str]:
        """What the kept and the made number depend on in the first bad assignment: (`keep = 5`, `width = 1`)."""
        assignment, note = first
        wanted: set[str] = set()
        _names(note.wanted, wanted)
        text = set(note.makes.replace("x", " ").split())
        kept = ", ".join(f"{n} = {show(assignment[n])}" for n in assignment if n in wanted)
        made = ", ".join(f"{n} = {show(assignment[n])}" for n in assignment if n in text)
        return kept, made

    def _require(self, notes: list[tuple[Assignment, Oversize]], note: Oversize) -> str:
        """A `require` that rules the bad assignments out and as few good ones as can be, or ""."""
        if not isinstance(note.wanted, ast_expressions.Name) or note.wanted.name not in self.defaults:
            return ""
        kept = note.wanted.name
        bad = [assignment for assignment, _ in notes]
        best: tuple[int, str] | None = None
        for other in self.defaults:
            if other == kept or self.space.kinds[other] not in (INT, FLOAT):
                continue
            if all(_above(a[kept], a[other]) for a in bad):
                lost = sum(_above(a[kept], a[other]) for a in self.tried) - len(bad)
                if best is None or lost < best[0]:
                    best = (lost, f"require {kept} <= {other}")
        if best is not None:
            return best[1]
        amounts = [value for value in (a[kept] for a in bad) if isinstance(value, int)]
        return f"require {kept} <= {min(amounts) - 1}" if amounts and min(amounts) > 1 else ""


def _above(left: object, right: object) -> bool:
    return isinstance(left, int | float) and isinstance(right, int | float) and left > right
