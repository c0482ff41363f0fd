"""What the checker carries along: the program, the names in sight, and what is known of a value.

A `Frame` is one block: a pipeline's body, a loop's body, a metric, a test. A `Typed` is what is known of an
expression: its type, and for a pool its size bounds and where each facet is present.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field, replace
from typing import Literal

from ttscale.compiler import ast, ast_expressions, types
from ttscale.compiler.check_conditions import (
    FALSE,
    MAYBE,
    TRUE,
    Formula,
    Space,
    atoms,
    both,
    either,
    is_over,
    negate,
    substitute,
)
from ttscale.compiler.diagnostics import Diagnostic, Label, suggest
from ttscale.compiler.frozen import dataclass
from ttscale.compiler.resolve import is_broken
from ttscale.compiler.scope import Linked, ModuleScope, Symbol
from ttscale.compiler.signatures import FACETS
from ttscale.compiler.source import Span


@dataclass(frozen=True, slots=True)
class Size:
    """Bounds on the number of candidates: the least and greatest in any run with any values of the parameters.

    `high` is None where not known. `sure` is the least upper bound that some assignment has: where it is above one,
    the pool is one of several for every assignment.
    """

    low: int
    high: int | None
    sure: int

    def plus(self, other: Size) -> Size:
        """Both pools together."""
        high = None if self.high is None or other.high is None else self.high + other.high
        return Size(self.low + other.low, high, self.sure + other.sure)

    def times(self, other: Size) -> Size:
        """One pool for each candidate of the other."""
        high = None if self.high is None or other.high is None else self.high * other.high
        return Size(self.low * other.low, high, self.sure * other.sure)

    def union(self, other: Size, *, settled: bool = True) -> Size:
        """The one or the other; `settled` where parameters decide which, not the run."""
        high = None if self.high is None or other.high is None else max(self.high, other.high)
        sure = min(self.sure, other.sure) if settled else max(self.sure, other.sure)
        return Size(min(self.low, other.low), high, sure)

    def capped(self, limit: Size) -> Size:
        """At most so many of it stay."""
        highs = [high for high in (self.high, limit.high) if high is not None]
        return Size(min(self.low, limit.low), min(highs) if highs else None, min(self.sure, limit.sure))

    def some(self, least: int = 1) -> Size:
        """Some of it stay: at least so many, if there are."""
        return replace(self, low=min(self.low, least))


def exactly(count: int) -> Size:
    """Always so many."""
    return Size(count, count, count)


ONE = exactly(1)
UNKNOWN = Size(0, None, 0)


@dataclass(frozen=True, slots=True)
class Facet:
    """Where a facet is present, and what took it away."""

    present: Formula = FALSE
    lost: Label | None = None


NEVER = Facet()
SOME_SCORE = "score:"
"""What begins the keys of scores; alone it is the score of any name that has no key of its own."""
_LATEST = "latest:"


@dataclass(frozen=True)
class Typed:
    """What is known of an expression.

    `size` and `facets` matter for pools only. `static` says that parameters and literals alone decide the value.
    `states` holds the parts of a `repeat` with several states. `question` is False where the prompt
    that made a pool surely has no argument `question`. `source` is the pool's stage, for messages.
    """

    type: types.Type
    size: Size = ONE
    facets: Mapping[str, Facet] = field(default_factory=dict)
    static: bool = False
    states: Mapping[str, Typed] | None = None
    question: bool = True
    classified: bool = False

    @property
    def is_pool(self) -> bool:
        """Whether it is a pool of candidates."""
        return isinstance(self.type, types.Answers)

    @property
    def is_known(self) -> bool:
        """Whether its type is known, so that something can be said about it."""
        return self.type != types.ANY

    @property
    def value(self) -> types.Type:
        """The type of one value of it: a pool's answers, or the type itself."""
        return self.type.item if isinstance(self.type, types.Answers) else self.type

    def facet(self, name: str) -> Facet:
        """Where a facet is present, or a score, by the key that `score_key` and `latest_key` give."""
        found = self.facets.get(name)
        if found is not None or not is_score_key(name):
            return found or NEVER
        scored = self.facets.get("scored", NEVER)
        return self.facets.get(SOME_SCORE, Facet(MAYBE) if scored.present == MAYBE else NEVER)


def score_key(name: str) -> str:
    """The key among the facets for the score of a name."""
    return f"{SOME_SCORE}{name}"


def latest_key(name: str) -> str:
    """The key among the facets for the score that a bare `score` is."""
    return f"{_LATEST}{name}"


def is_score_key(key: str) -> bool:
    """Whether a key among the facets is about one score."""
    return key.startswith((SOME_SCORE, _LATEST))


def all_facets(*pools: Typed) -> list[str]:
    """Every facet, and every score that one of the pools has."""
    return [*FACETS, *dict.fromkeys(key for pool in pools for key in pool.facets if is_score_key(key))]


def names_of_scores(pool: Typed) -> list[str]:
    """The scores that a pool may have, in the order in which they were given."""
    found = (key.removeprefix(SOME_SCORE) for key in pool.facets if key.startswith(SOME_SCORE))
    return [name for name in found if name and pool.facets[score_key(name)].present != FALSE]


ANYTHING = Typed(types.ANY, UNKNOWN, {name: Facet(MAYBE) for name in FACETS}, static=True)


def merged(first: Typed, second: Typed, condition: Formula, frame: Frame) -> tuple[Size, dict[str, Facet], bool]:
    """Size, facets and question of `first` where the condition holds and of `second` where not."""
    settled = all(is_over(atom.expr, frame.space.values) for atom in atoms(condition))
    facets = {}
    for name in all_facets(first, second):
        one, other = first.facet(name), second.facet(name)
        present = either(both(condition, one.present), both(negate(condition), other.present))
        if one.present == other.present:
            present = one.present
        facets[name] = Facet(present, one.lost or other.lost)
    return first.size.union(second.size, settled=settled), facets, first.question or second.question


@dataclass
class Local:
    """A name inside a pipeline, metric or test; `used` is set when something reads it."""

    kind: Literal["input", "param", "binding", "state", "item"]
    value: Typed
    span: Span
    used: bool = False
    param: ast.Param | None = None
    static: ast_expressions.Expr | None = None


@dataclass
class Program:
    """The linked program and the diagnostics found so far.

    `results` holds what is known of every pipeline's result, by module and name.
    """

    linked: Linked
    diagnostics: list[Diagnostic] = field(default_factory=list)

    def report(
        self,
        code: str,
        message: str,
        span: Span,
        *,
        hint: str = "",
        label: str = "",
        labels: tuple[Label, ...] = (),
    ) -> None:
        """Adds a diagnostic; the code's letter is its severity. The same one is told once."""
        severity: Literal["error", "warning", "lint"] = (
            "error" if code[0] == "E" else "warning" if code[0] == "W" else "lint"
        )
        found = Diagnostic(code, message, span, severity, label, labels, hint)
        if found not in self.diagnostics:
            self.diagnostics.append(found)

    def text(self, span: Span) -> str:
        """What the file says at a span."""
        source = self.linked.sources.get(span.file)
        return "" if source is None else source.text[span.start : span.end]

    def word(self, span: Span, word: str) -> Span:
        """Where a word first stands inside a span; the span itself where it does not."""
        found = re.search(rf"(?<!\w){re.escape(word)}(?!\w)", self.text(span))
        return span if found is None else Span(span.file, span.start + found.start(), span.start + found.end())

    def has_errors_since(self, mark: int) -> bool:
        """Whether an error was added after there were `mark` diagnostics."""
        return any(diagnostic.severity == "error" for diagnostic in self.diagnostics[mark:])

    def forget_lints_since(self, mark: int, codes: tuple[str, ...]) -> None:
        """Takes lints back that were added after there were `mark` diagnostics."""
        self.diagnostics[mark:] = [d for d in self.diagnostics[mark:] if d.code not in codes]


@dataclass
class Frame:
    """One block and the names in it; `typer` types an expression in it.

    `runs` is the condition under which this block runs, `own` the pool that a bare `agreement` is about (inside
    `until:` only), `later` the names bound further down, `purpose` what kind of block this is.
    """

    program: Program
    scope: ModuleScope
    typer: Callable[[ast_expressions.Expr, Frame], Typed]
    purpose: Literal["pipeline", "metric", "test", "param", "data"]
    locals: dict[str, Local] = field(default_factory=dict)
    space: Space = field(default_factory=Space)
    runs: Formula = TRUE
    own: Typed | None = None
    later: dict[str, Span] = field(default_factory=dict)
    outer: Frame | None = None

    def inner(self, **changes: object) -> Frame:
        """A block inside this one, which sees all its names."""
        return replace(self, locals={}, later={}, outer=self, **changes)  # type: ignore[arg-type]

    def under(self, condition: Formula) -> Frame:
        """The same names, where a condition holds besides."""
        return replace(self, runs=both(self.runs, condition))

    def local(self, name: str) -> Local | None:
        """A name of this block or of one around it."""
        frame: Frame | None = self
        while frame is not None:
            if name in frame.locals:
                return frame.locals[name]
            frame = frame.outer
        return None

    def bound_later(self, name: str) -> Span | None:
        """Where a name gets its value further down, or None."""
        frame: Frame | None = self
        while frame is not None:
            if name in frame.later:
                return frame.later[name]
            frame = frame.outer
        return None

    def visible(self) -> list[str]:
        """All names of this block and those around it."""
        names: list[str] = []
        frame: Frame | None = self
        while frame is not None:
            names += frame.locals
            frame = frame.outer
        return names

    def close(self, expr: ast_expressions.Expr) -> ast_expressions.Expr:
        """The expression over parameters alone where it is static: bindings written out, bare labels as texts."""
        known: dict[str, ast_expressions.Expr] = {}
        from_outside = set(self.space.values)
        for name in self.visible():
            local = self.local(name)
            if local is not None and local.static is not None:
                known[name] = local.static
        for name in _bare(expr):
            if name not in from_outside and name not in known and self.local(name) is None:
                known[name] = ast_expressions.LiteralValue(name, name, expr.span)
        return substitute(expr, known)

    def type(self, expr: ast_expressions.Expr) -> Typed:
        """What is known of an expression here."""
        return self.typer(expr, self)

    def report(
        self,
        code: str,
        message: str,
        span: Span,
        *,
        hint: str = "",
        label: str = "",
        labels: tuple[Label, ...] = (),
    ) -> None:
        """Adds a diagnostic."""
        self.program.report(code, message, span, hint=hint, label=label, labels=labels)

    def text(self, span: Span) -> str:
        """What the file says at a span."""
        return self.program.text(span)

    def symbol(self, name: str) -> Symbol | None:
        """A name of the file, or None."""
        return self.scope.names.get(name)

    def is_known(self, name: str) -> bool:
        """Whether a bare name stands for anything here."""
        return self.local(name) is not None or self.symbol(name) is not None

    def names_are_complete(self) -> bool:
        """False where a broken declaration may have declared any name."""
        return not any(isinstance(d, ast.BadDecl) and d.name is None for d in self.scope.tree.declarations)

    def models(self) -> list[str]:
        """The models that this file declares or imports, by the names it uses for them."""
        return [name for name, symbol in self.scope.names.items() if symbol.kind == "model" and not is_broken(symbol)]


def _bare(expr: ast_expressions.Expr) -> list[str]:
    """Names that stand alone on one side of a comparison."""
    match expr:
        case ast_expressions.Compare(operands=operands):
            return [item.name for item in operands if isinstance(item, ast_expressions.Name)]
        case ast_expressions.Binary(op="==" | "!=", left=left, right=right):
            return [item.name for item in (left, right) if isinstance(item, ast_expressions.Name)]
        case ast_expressions.Binary(left=left, right=right):
            return [*_bare(left), *_bare(right)]
        case ast_expressions.Unary(operand=operand):
            return _bare(operand)
    return []


def did_you_mean(name: str, known: Sequence[str], otherwise: str = "") -> str:
    """A hint with the nearest known name, or `otherwise`."""
    near = suggest(name, known)
    return f"did you mean `{near}`?" if near is not None else otherwise


def listed(names: list[str] | tuple[str, ...], limit: int = 10) -> str:
    """Names in a sentence: "`a`, `b` and 3 more"."""
    shown = ", ".join(f"`{name}`" for name in names[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"
