"""Searches: from `search` declarations to what the runtime searches.

search tune over main { maximize accuracy on gsm[0:200]  minimize tokens  holdout gsm[200:400]  trials 60 }

Search("tune", "main", (Goal("accuracy", True), Goal("tokens", False)), "gsm[0:200]", Rows(…), …, trials=60)
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import field, fields, is_dataclass

from ttscale.compiler import ast, ast_expressions, ir
from ttscale.compiler.data import metric_ir, rows_ir
from ttscale.compiler.evals import METRICS, name_of
from ttscale.compiler.frozen import dataclass
from ttscale.compiler.resolve_types import literal, lookup
from ttscale.compiler.scope import Linked, ModuleScope, Symbol
from ttscale.compiler.source import Span
from ttscale.compiler.space import plain_form
from ttscale.compiler.types import INT, Type
from ttscale.compiler.walk import nodes

CLAUSES = ("maximize", "minimize", "holdout", "budget", "trials", "sampler", "seed", "fix")
"""The clauses that a `search` may have."""

COSTS = ("tokens", "calls", "seconds", "cost")
"""What can be minimised beside metrics: means a question."""

SAMPLERS = ("tpe", "gp", "nsga2", "random", "exhaustive", "greedy")
"""Ways to choose what is tried next."""

MEASURES = ("tokens", "calls", "seconds", "cost")
"""What a search's budget may limit."""

LIMITS = ("budget", "trials")
"""Clauses that say when to stop and change nothing about what is tried before."""


@dataclass(frozen=True, slots=True)
class Goal:
    """A measure that a search makes large or small; `metric` is the declaration of one of the program's own."""

    name: str
    maximize: bool
    metric: ir.Metric | None = None


@dataclass(frozen=True, slots=True)
class Search:
    """One `search` declaration.

    `pipeline` is named as in the text, `on` and `holdout_on` are the texts of the rows. `fixed` are parameters in plain
    form that are not searched. `sampler` is "" where the space decides, `trials` None where the budget does.
    """

    name: str
    pipeline: str
    goals: tuple[Goal, ...]
    on: str
    rows: ir.Rows
    holdout_on: str = ""
    holdout: ir.Rows | None = None
    budget: ir.Budget = field(default_factory=ir.Budget)
    trials: int | None = None
    sampler: str = ""
    seed: int = 0
    fixed: tuple[tuple[str, object], ...] = ()
    doc: str = ""
    span: Span | None = field(default=None, compare=False)


def searches(linked: Linked) -> list[Search]:
    """The `search` declarations of the entry file, in order; for a program that is checked."""
    return [search_ir(found, linked) for found in linked.main.tree.declarations if isinstance(found, ast.SearchDecl)]


def search_ir(declaration: ast.SearchDecl, linked: Linked) -> Search:
    """One declaration. Raises InternalError for what the checker rejects."""
    scope = linked.main
    whole = {clause.keyword: clause for clause in declaration.clauses if clause.keyword != "fix"}
    goals = [
        Goal(name_of(value), clause.keyword == "maximize", _metric(value, scope, linked))
        for clause in declaration.clauses
        if clause.keyword in ("maximize", "minimize")
        for value in clause.values
    ]
    on = next(c.on for c in declaration.clauses if c.on is not None)
    holdout = whole["holdout"].values[0] if "holdout" in whole else None
    limits = whole["budget"].budget if "budget" in whole else None
    return Search(
        declaration.name,
        name_of(declaration.over),
        tuple(goals),
        text_of(on, linked),
        rows_ir(on, scope, linked),
        "" if holdout is None else text_of(holdout, linked),
        None if holdout is None else rows_ir(holdout, scope, linked),
        budget_ir(limits),
        _whole(whole.get("trials")),
        name_of(whole["sampler"].values[0]) if "sampler" in whole else "",
        _whole(whole.get("seed")) or 0,
        tuple((c.name or "", plain_form(c.values[0])) for c in declaration.clauses if c.keyword == "fix"),
        declaration.doc,
        declaration.span,
    )


def text_of(expr: ast_expressions.Expr, linked: Linked) -> str:
    """An expression as it is written."""
    source = linked.sources.get(expr.span.file)
    return "" if source is None else source.text[expr.span.start : expr.span.end]


def budget_ir(budget: ast.Budget | None) -> ir.Budget:
    """The limits of a search's budget, which are written out."""
    amounts = {limit.measure: literal(limit.amount) for limit in (budget.limits if budget is not None else ())}
    numbers = {name: value for name, value in amounts.items() if isinstance(value, int | float)}
    calls, tokens = numbers.get("calls"), numbers.get("tokens")
    return ir.Budget(
        None if calls is None else int(calls),
        None if tokens is None else int(tokens),
        numbers.get("seconds"),
        numbers.get("cost"),
    )


def _metric(expr: ast_expressions.Expr, scope: ModuleScope, linked: Linked) -> ir.Metric | None:
    symbol = lookup(expr, scope, linked) if name_of(expr) else None
    return metric_ir(symbol, linked) if symbol is not None and symbol.kind in METRICS else None


def _whole(clause: ast.Clause | None) -> int | None:
    value = literal(clause.values[0]) if clause is not None else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def is_auto(kind: Type | None, value: object) -> bool:
    """Whether `fix` leaves a number to the planner: `fix n = auto`."""
    return value == "auto" and kind == INT


# --- what a study is known by --------------------------------------------------------------------


def study_key(declaration: ast.SearchDecl, linked: Linked) -> str:
    """A hash, in 16 digits, of what a search reaches: its clauses but the limits, and all that its pipeline uses.

    Layout, comments, tests and other declarations do not change it.
    """
    clauses = [bare(clause) for clause in declaration.clauses if clause.keyword not in LIMITS]
    symbol = lookup(declaration.over, linked.main, linked)
    reached = [] if symbol is None else reached_from(symbol, linked)
    rows = [found for c in declaration.clauses for expr in (*c.values, c.on) for found in _named(expr, linked)]
    closure = sorted({(s.module, s.name): bare(s.declaration) for s in (*reached, *rows)}.items())
    plain = [declaration.name, sorted(map(repr, clauses)), [[list(name), tree] for name, tree in closure]]
    files = sorted((module.digest for module in linked.python.values()), key=str)
    text = json.dumps([plain, files], sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def reached_from(symbol: Symbol, linked: Linked) -> list[Symbol]:
    """A declaration and all that it uses, in whatever module."""
    found: dict[tuple[str, str], Symbol] = {}
    waiting = [symbol]
    while waiting:
        one = waiting.pop()
        if (one.module, one.name) in found or one.declaration is None:
            continue
        found[one.module, one.name] = one
        home = linked.scope_of(one)
        for node in nodes(one.declaration):
            expr: object = node
            if isinstance(node, ast_expressions.TypeName):
                expr = ast_expressions.Name(node.name.partition(".")[0], node.span)
            if isinstance(expr, ast_expressions.Name | ast_expressions.Attribute):
                other = lookup(expr, home, linked)
                if other is not None and other.kind not in ("module", "search"):
                    waiting.append(other)
    return list(found.values())


def _named(expr: ast_expressions.Expr | None, linked: Linked) -> Iterable[Symbol]:
    """What the names in a clause stand for, and what that uses."""
    for node in nodes(expr) if expr is not None else ():
        if isinstance(node, ast_expressions.Name | ast_expressions.Attribute):
            symbol = lookup(node, linked.main, linked)
            if symbol is not None and symbol.kind in ("dataset", "metric"):
                yield from reached_from(symbol, linked)


def bare(value: object) -> object:
    """A tree as plain data without places and documentation."""
    if is_dataclass(value) and not isinstance(value, type):
        parts = [[part.name, bare(getattr(value, part.name))] for part in fields(value) if part.compare]
        return [type(value).__name__, [part for part in parts if part[0] != "doc"]]
    if isinstance(value, tuple | list):
        return [bare(part) for part in value]
    if isinstance(value, Mapping):
        return [[str(name), bare(part)] for name, part in sorted(value.items(), key=lambda pair: str(pair[0]))]
    return value if value is None or isinstance(value, str | int | float | bool) else repr(value)
