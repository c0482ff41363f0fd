"""Evaluations: from `eval` declarations to what the runtime measures.

eval main, other on gsm[200:] { fix n = 16  seeds 3  match tokens }

Evaluation(("main", "other"), "gsm[200:]", Rows(…), (("n", 16),), seeds=3, match="tokens")
"""

from __future__ import annotations

from dataclasses import field

from ttscale.compiler import ast, ast_expressions, ir
from ttscale.compiler.data import metric_ir, rows_ir
from ttscale.compiler.frozen import dataclass
from ttscale.compiler.resolve_types import literal, lookup
from ttscale.compiler.scope import Linked
from ttscale.compiler.source import Span
from ttscale.compiler.space import plain_form

CLAUSES = ("fix", "seeds", "seed", "match", "metric")
"""The clauses that an `eval` may have."""

METRICS = ("metric", "python")
"""The kinds of names that a metric may have: declared in the language, or in a Python file."""

ACCURACY = "accuracy"
LIBRARY_METRICS = (
    *("exact", "normalised_exact", "numeric", "math", "choice", "token_f1"),
    *("gym", "ifeval", "ifeval_loose", "game24", "code", "code_share", "judge", "pairwise"),
)
"""The metrics of the runtime beside accuracy. Installed packages may add others, which a loader can tell."""

MATCHED = ("tokens", "calls", "seconds", "cost")
"""What `match` can make equal."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One `eval` declaration.

    `pipelines` are named as in the text, `on` is the text of the rows (`rows` None: they are not of a dataset). `fixed`
    are parameters in plain form, for every pipeline that has them. `seeds` runs are made, from `seed` on. `match` is
    what all pipelines are to spend alike ("" for nothing), `metrics` the names of the measures (none: accuracy),
    `declared` those that the program declares.
    """

    pipelines: tuple[str, ...]
    on: str
    rows: ir.Rows | None
    fixed: tuple[tuple[str, object], ...] = ()
    seeds: int = 1
    seed: int = 0
    match: str = ""
    metrics: tuple[str, ...] = ()
    declared: tuple[ir.Metric, ...] = ()
    doc: str = ""
    span: Span | None = field(default=None, compare=False)


def evaluations(linked: Linked) -> list[Evaluation]:
    """The `eval` declarations of the entry file, in order; for a program that is checked."""
    return [
        evaluation(declaration, linked)
        for declaration in linked.main.tree.declarations
        if isinstance(declaration, ast.EvalDecl)
    ]


def evaluation(declaration: ast.EvalDecl, linked: Linked) -> Evaluation:
    """One declaration. Raises InternalError for what the checker rejects."""
    scope = linked.main
    source = linked.sources.get(declaration.on.span.file)
    text = "" if source is None else source.text[declaration.on.span.start : declaration.on.span.end]
    whole = {clause.keyword: clause.values for clause in declaration.clauses if clause.keyword != "fix"}
    metrics = [name_of(value) for c in declaration.clauses if c.keyword == "metric" for value in c.values]
    symbols = [lookup(value, scope, linked) for c in declaration.clauses if c.keyword == "metric" for value in c.values]
    return Evaluation(
        tuple(name_of(expr) for expr in declaration.pipelines),
        text,
        rows_ir(declaration.on, scope, linked),
        tuple((c.name or "", plain_form(c.values[0])) for c in declaration.clauses if c.keyword == "fix"),
        _whole(whole.get("seeds"), 1),
        _whole(whole.get("seed"), 0),
        name_of(whole["match"][0]) if "match" in whole else "",
        tuple(metrics),
        tuple(metric_ir(symbol, linked) for symbol in symbols if symbol is not None and symbol.kind in METRICS),
        declaration.doc,
        declaration.span,
    )


def name_of(expr: ast_expressions.Expr) -> str:
    """A name as it is written, `inner.main`; "" for what is no name."""
    match expr:
        case ast_expressions.Name(name=name):
            return name
        case ast_expressions.Attribute(value=value, name=name):
            return f"{name_of(value)}.{name}"
    return ""


def _whole(values: tuple[ast_expressions.Expr, ...] | None, default: int) -> int:
    value = literal(values[0]) if values else default
    return value if isinstance(value, int) and not isinstance(value, bool) else default
