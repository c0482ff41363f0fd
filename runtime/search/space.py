"""The space of a search: what may be tried, what is the same pipeline, and what cannot run at all.

    space = SearchSpace(program, "main", fixed={"m": 64})
    space.canonical({"critic": False, "depth": 3})     # {"critic": False}: depth matters only with a critic
    space.why_not({"n": 64})                           # "" or what rules it out, before anything is spent

An *assignment* gives plain values to parameters; those that do not matter under the others are left out of its
canonical form, so two assignments with one canonical form are one pipeline.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ttscale.compiler import ast, ast_expressions
from ttscale.compiler.active import active_params
from ttscale.compiler.bounds import make_plan
from ttscale.compiler.diagnostics import CompileError
from ttscale.compiler.domains import Domain, show
from ttscale.compiler.feasible import infeasible
from ttscale.compiler.space import Space, bound_values, broken_rules, default_of, space_of
from ttscale.compiler.walk import nodes
from ttscale.runtime.evaluate.arms import pipeline_of
from ttscale.runtime.fewshot import example_amounts
from ttscale.runtime.model_facts import known, look
from ttscale.runtime.search.errors import SearchError
from ttscale.runtime.search.sizes import InputSizes

if TYPE_CHECKING:
    from ttscale.compiler.ir import Graph
    from ttscale.compiler.plan import Plan
    from ttscale.compiler.types import Type
    from ttscale.runtime.program import Program

Assignment = Mapping[str, object]
Key = tuple[tuple[str, object], ...]

LISTED = 20_000
"""Up to this many assignments a space is counted and listed one by one."""
TRIES = 2_000
"""How often an assignment is drawn before the rules count as impossible to meet."""


@dataclass(frozen=True)
class Axis:
    """One parameter that is searched; `values` are all it may have, None for a range that is not listed.

    `ordered` says that the values are numbers, so that near ones are alike.
    """

    name: str
    domain: Domain
    values: tuple[object, ...] | None
    ordered: bool

    def draw(self, source: random.Random) -> object:
        """A value at random, on a logarithmic scale where the domain says so."""
        if self.values is not None:
            return source.choice(self.values)
        low, high = self.domain.low, self.domain.high
        if self.domain.log and low > 0:
            value = math.exp(source.uniform(math.log(low), math.log(high)))
        else:
            value = source.uniform(low, high)
        return self.rounded(value)

    def rounded(self, value: float) -> int | float:
        """The nearest value of a range."""
        step = self.domain.step if self.domain.step is not None else (1 if self.domain.whole else None)
        if step:
            value = self.domain.low + round((value - self.domain.low) / step) * step
        value = min(max(value, self.domain.low), self.domain.high)
        return round(value) if self.domain.whole else round(value, 12)

    def place(self, value: object) -> float:
        """Where a value stands between 0 and 1, for values that have an order."""
        if self.values is not None:
            return self.values.index(value) / max(1, len(self.values) - 1)
        assert isinstance(value, int | float)
        low, high = self.domain.low, self.domain.high
        if self.domain.log and low > 0:
            return (math.log(value) - math.log(low)) / max(1e-12, math.log(high) - math.log(low))
        return (value - low) / max(1e-12, high - low)


class SearchSpace:
    """What a search may try. Raises SearchError where a fixed parameter is wrong or nothing is left to search."""

    def __init__(
        self,
        program: Program,
        pipeline: str | None,
        fixed: Assignment | None = None,
        sizes: InputSizes | None = None,
    ) -> None:
        self.program = program
        self.sizes = sizes if sizes is not None else InputSizes()
        """What is known of the questions; `know` sets it."""
        self.pipeline = pipeline
        self.symbol = pipeline_of(program, pipeline)
        self.fixed = dict(fixed or {})
        self._space: Space = space_of(program.checked.linked, self.symbol, program.replaced_models)
        self.axes: dict[str, Axis] = {}
        for name, domain in self._space.domains.items():
            if domain is not None and name not in self.fixed:
                values = domain.values() if domain.is_listed() else None
                numbers = values is None or all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
                if values is not None and numbers:
                    values = tuple(sorted(values, key=lambda v: float(str(v))))
                self.axes[name] = Axis(name, domain, values, numbers)
        if not self.axes:
            hint = "give a parameter a domain, or fix fewer"
            raise SearchError(f"there is nothing to search in `{self.symbol.name}`", hint=hint)
        self._structural = _structural(self._space)
        self._active: dict[Key, frozenset[str]] = {}
        self._reasons: dict[Key, str] = {}
        self._facts: dict[str, object] = {}
        self._priced: dict[Key, Plan] = {}
        self.order = self._ordered()

    @property
    def declared(self) -> tuple[str, ...]:
        """All parameters of the pipeline, searched or not."""
        return tuple(self._space.params)

    @property
    def kinds(self) -> Mapping[str, Type]:
        """Their types."""
        return self._space.kinds

    @property
    def returns(self) -> Type:
        """The type of the pipeline's answer."""
        return self.plan(self.default).graph.returns

    # --- assignments -----------------------------------------------------------------------------

    @property
    def default(self) -> dict[str, object]:
        """The values that parameters have when nobody sets them."""
        found = {name: default_of(self._space, self._space.params[name]) for name in self.axes}
        for name, value in found.items():
            axis = self.axes[name]
            if axis.values is not None and value not in axis.values:
                same = [own for own in axis.values if axis.domain.contains(value) and _alike(own, value)]
                found[name] = same[0] if same else axis.values[0]
        return found

    def active(self, assignment: Assignment) -> frozenset[str]:
        """The parameters that matter under an assignment; all of them where a rule is broken."""
        if not self._structural:
            return frozenset(self.axes)
        whole = {**self.default, **assignment}
        key = tuple((name, whole[name]) for name in self._structural if name in whole)
        if key not in self._active:
            given = {**self.fixed, **self.default, **{name: whole[name] for name in self._structural if name in whole}}
            try:
                linked = self.program.checked.linked
                own = active_params(linked, self.pipeline, given, models=self.program.replaced_models)
            except CompileError:
                return frozenset(self.axes)
            self._active[key] = own & frozenset(self.axes)
        return self._active[key]

    def canonical(self, assignment: Assignment) -> dict[str, object]:
        """The parameters that matter, with their values, in the order of the declaration."""
        own = self.active(assignment)
        whole = {**self.default, **assignment}
        return {name: whole[name] for name in self.axes if name in own}

    def key(self, assignment: Assignment) -> Key:
        """What tells an assignment from any other that is another pipeline."""
        return tuple(self.canonical(assignment).items())

    def params(self, assignment: Assignment) -> dict[str, object]:
        """The values to bind: fixed ones, and those of the assignment."""
        return {**self.fixed, **self.canonical(assignment)}

    def plan(self, assignment: Assignment) -> Plan:
        """The plan of an assignment for one question. Raises CompileError."""
        return self.program.plan(self.pipeline, params=self.params(assignment))

    def know(self, sizes: InputSizes) -> None:
        """Count prices, and what fits, by the sizes of the questions that are asked."""
        self.sizes = sizes
        self._priced.clear()
        self._reasons.clear()

    def price(self, assignment: Assignment) -> Plan:
        """The plan of an assignment for a question of average size. Raises CompileError."""
        key = self.key(assignment)
        if key not in self._priced:
            self._priced[key] = self.priced(self.plan(assignment).graph)
        return self._priced[key]

    def priced(self, graph: Graph) -> Plan:
        """The plan of any graph of these inputs for a question of average size."""
        return make_plan(
            graph, input_tokens=self.sizes.mean, examples=example_amounts(graph, self.program.rows)
        )  # fmt: skip

    def breaks_rule(self, assignment: Assignment) -> str:
        """The `require` that an assignment breaks; "" for none."""
        if not self._space.declaration.requires:
            return ""
        values, _, found = bound_values(self._space, self.params(assignment))
        found = found or broken_rules(self._space, values)
        return found[0].message if found else ""

    def why_not(self, assignment: Assignment) -> str:
        """What rules an assignment out before anything is spent: a rule, its own budget, or a model's context."""
        key = self.key(assignment)
        if key not in self._reasons:
            self._reasons[key] = self.breaks_rule(assignment) or self._never_runs(assignment)
        return self._reasons[key]

    def _never_runs(self, assignment: Assignment) -> str:
        try:
            plan = self.plan(assignment)
        except CompileError as error:
            first = next((d for d in error.diagnostics if d.severity == "error"), error.diagnostics[0])
            return f"{first.code}: {first.message}"
        if not self._facts:
            self._facts = {"known": known(look(plan.graph.models, self.program.folder))}
        known_models: Any = self._facts["known"]
        found = infeasible(plan.graph, self.symbol, known_models, self.sizes.bounds)
        wrong = next((d for d in found if d.severity == "error"), None)
        return "" if wrong is None else f"{wrong.code}: {wrong.message}"

    # --- all of them, or some --------------------------------------------------------------------

    @property
    def combinations(self) -> float:
        """How many assignments there are before rules and conditions; infinite with a range that is not listed."""
        if any(axis.values is None for axis in self.axes.values()):
            return math.inf
        return math.prod(len(axis.values or ()) for axis in self.axes.values())

    def all(self) -> Iterator[dict[str, object]]:
        """Every pipeline of a listed space once, as canonical assignments that keep the rules."""
        names = list(self.axes)
        seen: set[Key] = set()
        for values in itertools.product(*(self.axes[name].values or () for name in names)):
            assignment = dict(zip(names, values, strict=True))
            key = self.key(assignment)
            if key in seen:
                continue
            seen.add(key)
            if not self.breaks_rule(assignment):
                yield self.canonical(assignment)

    def size(self) -> tuple[int | None, bool]:
        """How many pipelines there are, and whether they were counted one by one (None: more than can be listed)."""
        if self.combinations > LISTED:
            return None, False
        return sum(1 for _ in self.all()), True

    def draw(self, source: random.Random) -> dict[str, object]:
        """A pipeline at random that keeps the rules. Raises SearchError where none is found."""
        for _ in range(TRIES):
            assignment = {name: axis.draw(source) for name, axis in self.axes.items()}
            if not self.breaks_rule(assignment):
                return self.canonical(assignment)
        raise SearchError(
            "the rules of the pipeline leave next to nothing to try", hint="widen a domain or a `require`"
        )

    def fits(self, assignment: Assignment) -> bool:
        """Whether an assignment, perhaps of an older study, is one of this space."""
        return all(
            name in self.axes and self.axes[name].domain.contains(value) for name, value in assignment.items()
        ) and not self.breaks_rule(assignment)

    def _ordered(self) -> tuple[str, ...]:
        """The parameters, those that always matter first: whoever asks for values in this order never asks in vain."""
        if not self._structural:
            return tuple(self.axes)
        source = random.Random(0)
        counts = dict.fromkeys(self.axes, 0)
        for _ in range(64):
            drawn = {name: axis.draw(source) for name, axis in self.axes.items()}
            for name in self.active(drawn):
                counts[name] += 1
        places = {name: place for place, name in enumerate(self.axes)}
        return tuple(sorted(self.axes, key=lambda name: (-counts[name], places[name])))

    @property
    def conditional(self) -> dict[str, bool]:
        """Which parameters matter under some of the others' values only."""
        if not self._structural:
            return dict.fromkeys(self.axes, False)
        source = random.Random(1)
        found = dict.fromkeys(self.axes, False)
        for _ in range(64):
            own = self.active({name: axis.draw(source) for name, axis in self.axes.items()})
            for name in self.axes:
                found[name] = found[name] or name not in own
        return found


def shown(assignment: Assignment) -> str:
    """An assignment as a person would write it: `n = 8, by = best`."""
    return ", ".join(f"{name} = {show(value)}" for name, value in assignment.items()) or "no parameter"


def _alike(one: object, other: object) -> bool:
    if isinstance(one, tuple) and isinstance(other, tuple):
        return sorted(map(str, one)) == sorted(map(str, other))
    if isinstance(one, float) and isinstance(other, int | float):
        return math.isclose(one, other)
    return one == other


def _structural(space: Space) -> tuple[str, ...]:
    """The parameters that can decide whether others matter: those read in conditions, `match` and loop counts."""
    declaration = space.declaration
    own = set(space.params)
    named: set[str] = set()
    for node in nodes(declaration):
        parts: list[object] = []
        match node:
            case ast_expressions.Match(subject=subject):
                parts = [subject]
            case ast_expressions.Repeat(count=count):
                parts = [count]
            case ast_expressions.Call(when=condition) if condition is not None:
                parts = [condition]
            case ast_expressions.Binary(op=op) if op in ("and", "or"):
                parts = [node]
        for part in parts:
            named |= {name.name for name in nodes(part) if isinstance(name, ast_expressions.Name)}
    # A condition may be on a name that a binding gives to an expression over parameters.
    for binding in reversed(declaration.bindings):
        if binding.name in named:
            named |= {name.name for name in nodes(binding.value) if isinstance(name, ast_expressions.Name)}
    choices = {param.name for param in declaration.params if _picks_rule(param, space)}
    return tuple(name for name in space.params if name in (named | choices) & own)


def _picks_rule(param: ast.Param, space: Space) -> bool:
    """Whether a parameter is a Choice: as a rule's name it may decide whether another argument is read."""
    from ttscale.compiler.types import Choice

    return isinstance(space.kinds[param.name], Choice)
