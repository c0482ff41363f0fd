"""What expanding one assignment of the parameters can leave to an earlier one: parts that read the same values.

`check` expands a pipeline at many assignments, which differ in a parameter or two. What an expression gives (its value,
the stages it adds, what it says is wrong) follows from the names in it, from its frame and its site, and from which
paths are taken. So that is remembered, and done again only where one of these is new:

    drafts = generate(ask(question), from: small, n: width)     once for each `width`, whatever `keep` is

The graph is the same as without: the same stages in the same order, the same messages, the same values.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from contextlib import suppress
from typing import TypeVar

from ttscale.compiler import ast_expressions, ir
from ttscale.compiler.diagnostics import Diagnostic
from ttscale.compiler.expansion import Expansion, Frame, Oversize, Pool, Site, Stop, Value
from ttscale.compiler.frozen import dataclass
from ttscale.compiler.passes.prune import models_of
from ttscale.compiler.scope import Linked, Symbol
from ttscale.compiler.walk import below, nodes

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Part:
    """What one evaluation did: its value (None where it stopped), and all that it added to its expansion.

    `claims` are the paths that it wished with how often each was taken by then, `wished` the first of each, and `taken`
    how often they are since; `read` are the names' values that it followed from, kept so that no other values come to
    stand at their addresses.
    """

    value: Value | None
    stages: tuple[ir.Stage, ...]
    claims: tuple[tuple[str, int], ...]
    wished: tuple[tuple[str, int], ...]
    taken: Mapping[str, int]
    models: tuple[Symbol, ...]
    diagnostics: tuple[Diagnostic, ...]
    oversized: tuple[Oversize, ...]
    capped: tuple[ir.Capped, ...]
    read: tuple[Value | None, ...]


class Memory:
    """The parts of one pipeline's expansions; one for all of them, over a program and standard prompts that stay."""

    def __init__(self) -> None:
        self._parts: dict[tuple[Hashable, ...], Part] = {}
        self._names: dict[int, tuple[object, tuple[str, ...] | None]] = {}
        self._pools: dict[Hashable, Pool] = {}
        self._asked: dict[int, tuple[ir.Stage, frozenset[str]]] = {}
        self._settled: dict[Hashable, object] = {}
        self.models: dict[str, ir.Model] = {}
        self.combined: dict[str, ir.Model] = {}
        self.prompts: dict[int, ir.Prompt] = {}
        self._is_off = False
        self._follow: dict[int, tuple[Value, frozenset[str]]] = {}
        self._changing: frozenset[str] = frozenset()
        self._around: frozenset[str] | None = None

    @staticmethod
    def over(linked: Linked) -> Memory | None:
        """A memory for a program; None where models of one name are told apart by which comes first."""
        models = {
            (symbol.module, symbol.name)
            for module in linked.modules.values()
            for symbol in module.names.values()
            if symbol.kind == "model"
        }
        return Memory() if len({name for _, name in models}) == len(models) else None

    def vary(self, values: Mapping[str, Value], changing: frozenset[str]) -> None:
        """The parameters' values in the next expansion, and which of them change from one to the next."""
        self._changing = changing
        self._around = None
        for name, value in values.items():
            if name in changing:
                self._follow[id(value)] = value, frozenset({name})

    def forget(self) -> None:
        """Remember nothing from now on: what a model's declaration says must be said in every expansion anew."""
        self._is_off = True
        self.models.clear()
        self.combined.clear()

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """What `make` gives, made when it is first asked for."""
        if key not in self._settled:
            self._settled[key] = make()
        found: T = self._settled[key]  # type: ignore[assignment]
        return found

    def reads(self, node: object) -> bool:
        """Whether a node that stays has names, so that it may say something else for other values of parameters."""

        def look() -> bool:
            return any(isinstance(part, ast_expressions.Name) for part in nodes(node))

        return self.once(("reads", id(node)), look)

    def asked_by(self, stages: Iterable[ir.Stage], most: int) -> set[str]:
        """The names of the models that stages may ask, of which there are at most `most`."""
        found: set[str] = set()
        for stage in stages:
            known = self._asked.get(id(stage))
            if known is None:
                known = self._asked[id(stage)] = stage, frozenset(model.name for model in models_of(stage))
            found |= known[1]
            if len(found) == most:
                break
        return found

    def evaluate(self, expansion: Expansion, expr: ast_expressions.Expr, frame: Frame, site: Site) -> Value:
        """As `expansion.evaluate_with`; what is remembered is added to the expansion as it is."""
        names = self._names_of(expr)
        if names is None or self._is_off:
            return expansion.evaluate_with(expansion, expr, frame, site)
        known = frame.names
        read = tuple([known.get(name) for name in names])
        free = self._free(read)
        if free >= self._changing or free == self._around:
            # No other assignment reads the same values, or none that does not find the part around it already.
            return self._follows(expansion.evaluate_with(expansion, expr, frame, site), free)
        key = (
            *(id(expr), site.scope, site.name, id(frame.module), frame.guards, frame.origin),
            *(id(frame.question), frame.own, frame.calls, *map(id, read)),
        )
        part = self._parts.get(key)
        if part is not None and _fits(part, expansion.claimed):
            _add(part, expansion)
        else:
            around, self._around = self._around, free
            part = self._parts[key] = self._recorded(expansion, expr, frame, site, read)
            self._around = around
        if part.value is None:
            raise Stop
        return self._follows(part.value, free)

    def _free(self, read: tuple[Value | None, ...]) -> frozenset[str]:
        """The parameters that values of names follow from, as far as is known."""
        follow = self._follow
        sources = {follow[id(value)][1] for value in read if id(value) in follow}
        return next(iter(sources)) if len(sources) == 1 else frozenset().union(*sources)

    def _follows(self, value: Value, free: frozenset[str]) -> Value:
        """The value, noted to follow from these parameters."""
        if id(value) not in self._follow:
            self._follow[id(value)] = value, free
        return value

    def _recorded(
        self,
        expansion: Expansion,
        expr: ast_expressions.Expr,
        frame: Frame,
        site: Site,
        read: tuple[Value | None, ...],
    ) -> Part:
        """Evaluate, and note what that added."""
        journal = expansion.journal
        before = (
            *(len(expansion.stages), len(journal.claims), len(journal.models)),
            *(len(expansion.diagnostics), len(expansion.oversized), len(expansion.capped)),
        )
        value: Value | None = None
        with suppress(Stop):
            value = self._same(expansion, expansion.evaluate_with(expansion, expr, frame, site))
        stages, claims, models, diagnostics, oversized, capped = before
        wished: dict[str, int] = {}
        taken: dict[str, int] = {}
        claimed = tuple(journal.claims[claims:])
        for path, number in claimed:
            wished.setdefault(path, number)
            taken[path] = expansion.claimed[path]
            if number:
                unique = f"{path}#{number + 1}"
                taken[unique] = expansion.claimed[unique]
        return Part(
            value,
            tuple(expansion.stages[stages:]),
            claimed,
            tuple(wished.items()),
            taken,
            tuple(dict.fromkeys(journal.models[models:])),
            tuple(expansion.diagnostics[diagnostics:]),
            tuple(expansion.oversized[oversized:]),
            tuple(expansion.capped[capped:]),
            read,
        )

    def _same(self, expansion: Expansion, value: Value) -> Value:
        """The first of equal pools, so that what follows from one follows from the other."""
        if not isinstance(value, Pool) or not isinstance(value.operand, ir.Ref):
            return value
        key = (
            *(value.operand.path, value.size.low, value.size.high, id(value.item), value.facets, id(value.question)),
            # Whether a stage stands under the guards of its surroundings is all that is read from it later.
            *(id(value.made), value.amount, value.next_series, expansion.by_path[value.operand.path].guards),
        )
        return self._pools.setdefault(key, value)

    def _names_of(self, expr: ast_expressions.Expr) -> tuple[str, ...] | None:
        """The names in an expression, or None for one without a call, which is quicker evaluated than remembered."""
        if id(expr) not in self._names:
            self._read_names(expr)
        return self._names[id(expr)][1]

    def _read_names(self, node: object) -> tuple[dict[str, None], bool]:
        """The names in a node, and whether it has calls; noted for it and all below it."""
        names: dict[str, None] = {}
        calls = isinstance(node, ast_expressions.Call)
        if isinstance(node, ast_expressions.Name):
            names[node.name] = None
        for part in below(node):
            more, has_calls = self._read_names(part)
            names |= more
            calls = calls or has_calls
        self._names[id(node)] = node, tuple(names) if calls else None
        return names, calls


def _fits(part: Part, claimed: Mapping[str, int]) -> bool:
    """Whether the paths that a part claimed are taken as often as they were."""
    return all(claimed.get(path, 0) == number for path, number in part.wished)


def _add(part: Part, expansion: Expansion) -> None:
    """Do to an expansion what the evaluation did."""
    for symbol in part.models:
        expansion.model(symbol)
    for stage in part.stages:
        expansion.add(stage)
    expansion.journal.claims += part.claims
    expansion.claimed.update(part.taken)
    expansion.diagnostics += part.diagnostics
    expansion.oversized += part.oversized
    expansion.capped += part.capped
