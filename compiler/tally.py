"""What all assignments of a pipeline's parameters say, put together.

What holds at the defaults, or for every assignment, is an error; what holds for some of them is a warning that names
them, with a `require` that rules them out where there is one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace

from ttscale.compiler import ast, ast_expressions, ir
from ttscale.compiler.bounds import make_plan
from ttscale.compiler.capabilities import lacks
from ttscale.compiler.context_fit import Fit, overflow, tight_fits
from ttscale.compiler.diagnostics import Diagnostic
from ttscale.compiler.domains import show
from ttscale.compiler.expand import expand
from ttscale.compiler.expand_memory import Memory
from ttscale.compiler.expand_settings import ENGINE_DEFAULTS
from ttscale.compiler.expansion import Oversize, Stop, Value
from ttscale.compiler.feasible import broken_limits, over_budget
from ttscale.compiler.oversize import LISTED, certain, is_literal, sometimes
from ttscale.compiler.passes import optimise
from ttscale.compiler.plan import Plan
from ttscale.compiler.source import Span
from ttscale.compiler.space import Space, broken_rules, value_of
from ttscale.compiler.types import FLOAT, INT

Assignment = dict[str, object]

LACKS = "E0280"
MANY = "E0220"
"""What an expansion says of a pool of several where one value is wanted."""

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
LENGTHS = frozenset({"max_tokens", "thinking"})
"""Those of them that say how long an answer may be."""
ABILITIES = frozenset({"thinking", "min_probability", "weight"})
"""Those of them that need something of a model."""
SYNTAX = (ast.__name__, ast_expressions.__name__)
"""The modules whose nodes have names below them."""


def key_of(value: object) -> tuple[str, object]:
    """A value by which assignments are told apart: 1 is not true."""
    return type(value).__name__, value


def names_below(node: object, found: set[str], ignored: frozenset[str]) -> None:
    """Add every bare name below a node of the tree, outside arguments that are `ignored`."""
    if isinstance(node, ast_expressions.Arg) and node.name in ignored:
        return
    if isinstance(node, ast_expressions.Name):
        found.add(node.name)
    elif isinstance(node, tuple):
        for part in node:
            names_below(part, found, ignored)
    elif is_dataclass(node) and type(node).__module__ in SYNTAX:
        for part in fields(node):
            if part.name != "span":
                names_below(getattr(node, part.name), found, ignored)


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
    tight: dict[tuple[Span, str], list[tuple[Assignment, Fit]]] = field(default_factory=dict)
    changing: frozenset[str] = frozenset()
    memory: Memory | None = None
    values: dict[tuple[str, str], Value] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.memory = Memory.over(self.space.linked)

    def value(self, name: str, plain: object) -> Value:
        """A parameter's value, the same one for all assignments that have it."""
        key = (name, repr(plain))
        if key not in self.values:
            self.values[key] = value_of(self.space, name, plain)
        return self.values[key]

    def add(self, assignment: Assignment) -> None:
        """Expand one assignment and note what is wrong with it; one that breaks a `require` is not allowed."""
        values: dict[str, Value] = {}
        try:
            for name, plain in assignment.items():
                values[name] = self.value(name, plain)
        except Stop:
            return
        rules = broken_rules(self.space, values)
        if rules:
            if assignment == self.defaults:
                for diagnostic in rules:
                    self.found.setdefault(diagnostic, []).append(assignment)
            return
        self.tried.append(assignment)
        if self.memory is not None:
            self.memory.vary(values, self.changing)
        symbol = self.space.symbol
        graph, found, oversized = expand(
            *(self.space.linked, symbol, values, assignment),
            std=self.std,
            named=self.space.expansion,
            memory=self.memory,
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
            known = self.space.linked.known(graph.models)
            for diagnostic in lacks(graph, known):
                self.found.setdefault(diagnostic, []).append(assignment)
            for fit in tight_fits(graph, known):
                self.tight.setdefault((fit.span, fit.model.name), []).append((assignment, fit))

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
        found = [d for d in self.found if d.code not in (MANY, LACKS)]
        found += self._many()
        found += self._lacking()
        for notes in self.oversized.values():
            found.append(self._oversize(notes))
        for fits in self.tight.values():
            found.append(self._context(fits))
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

    def _lacking(self) -> list[Diagnostic]:
        """What a model cannot do: an error at the defaults or always, else a warning."""
        found: list[Diagnostic] = []
        for diagnostic, bad in self.found.items():
            if diagnostic.code == LACKS:
                if self._is_sometimes(bad):
                    hint = f"{diagnostic.hint}; it happens with {self._listed(bad)}"
                    diagnostic = replace(diagnostic, code="W0280", severity="warning", hint=hint)
                found.append(diagnostic)
        return found

    def _context(self, notes: list[tuple[Assignment, Fit]]) -> Diagnostic:
        """A prompt that does not fit, or may not: at the defaults, always, or at the values that are named."""
        never = [assignment for assignment, fit in notes if fit.never]
        if never and not self._is_sometimes(never):
            shown = next((fit for assignment, fit in notes if assignment == self.defaults), notes[0][1])
            always = len(never) == len(self.tried)
            return overflow(shown, "" if always else self._words_of(self.defaults, never))
        at_fault = [assignment for assignment, _ in notes]
        if len(at_fault) == len(self.tried):
            fit = next((fit for assignment, fit in notes if assignment == self.defaults), notes[0][1])
            return overflow(fit, doubtful=True)
        worst, fit = max(notes, key=lambda note: note[1].needs)
        return overflow(
            fit,
            self._words_of(worst, at_fault),
            others=self._listed(at_fault) if len(self._words(at_fault)) > 1 else "",
            require=self._limit(at_fault),
            doubtful=True,
        )

    def _is_sometimes(self, bad: list[Assignment]) -> bool:
        """Whether assignments are neither all that were tried nor among them the defaults."""
        return self.defaults not in bad and len(bad) < len(self.tried)

    def _listed(self, bad: list[Assignment]) -> str:
        """The first few assignments in which it happens, in words."""
        words = self._words(bad)
        return "; ".join(words[:LISTED]) + (f" and {len(words) - LISTED} more" if len(words) > LISTED else "")

    def _words_of(self, one: Assignment, bad: list[Assignment]) -> str:
        """One assignment, by the parameters that matter for the `bad` ones: `n = 16 and len = 1000`."""
        return " and ".join(f"{name} = {show(one[name])}" for name in self._mattering(bad))

    def _limit(self, bad: list[Assignment]) -> str:
        """A `require` on one parameter that rules the bad assignments out and keeps the defaults, or ""."""
        best: tuple[int, str] | None = None
        for name in self._mattering(bad):
            if self.space.kinds[name] not in (INT, FLOAT):
                continue
            least = min((a[name] for a in bad), key=_magnitude)
            below = [a[name] for a in self.tried if _above(least, a[name])]
            if below and _above(least, self.defaults[name]):
                lost = sum(not _above(least, a[name]) for a in self.tried) - len(bad)
                if best is None or lost < best[0]:
                    best = (lost, f"require {name} <= {show(max(below, key=_magnitude))}")
        return best[1] if best is not None else ""

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
            bad_keys = {tuple(key_of(a[n]) for n in rest) for a in bad}
            if rest and not any(tuple(key_of(a[n]) for n in rest) in bad_keys for a in good):
                matter = rest
        return matter

    def _first_words(self, first: tuple[Assignment, Oversize]) -> tuple[str, str]:
        """What the kept and the made number depend on in the first bad assignment: (`keep = 5`, `width = 1`)."""
        assignment, note = first
        wanted: set[str] = set()
        names_below(note.wanted, wanted, SETTINGS)
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


def _magnitude(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _above(left: object, right: object) -> bool:
    return isinstance(left, int | float) and isinstance(right, int | float) and left > right
