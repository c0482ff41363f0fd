"""Names of metrics that nothing declares: those of the library, of installed packages, and misspelt ones.

The compiler does not look at what is installed. A loader that can has `metrics`, which gives the names that packages
offer; it is asked only where a program names a metric that neither it nor the library has.

Codes (of the block that has the clause):
    E0283  a metric of an `eval` that there is not
    E0562  a goal of a `search` that there is not
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

from ttscale.compiler import ast, ast_expressions
from ttscale.compiler.check_frame import Program, did_you_mean, listed
from ttscale.compiler.diagnostics import Diagnostic, suggest
from ttscale.compiler.evals import ACCURACY, LIBRARY_METRICS, name_of
from ttscale.compiler.resolve_types import lookup
from ttscale.compiler.scope import Linked, ModuleScope
from ttscale.compiler.searches import COSTS

MetricNames = Callable[[], Collection[str]]
"""The names of the metrics that installed packages offer."""


def is_metric(name: str, scope: ModuleScope, others: tuple[str, ...] = ()) -> bool:
    """Whether a name that nothing declares is a metric of the library, or may be one of an installed package."""
    if name in (ACCURACY, *LIBRARY_METRICS):
        return True
    return name != "" and "." not in name and suggest(name, [*known_metrics(scope), *others]) is None


def known_metrics(scope: ModuleScope) -> list[str]:
    """The metrics that a file may name: accuracy, its own, and those of the library."""
    own = sorted(name for name, symbol in scope.names.items() if symbol.kind == "metric")
    return [ACCURACY, *own, *LIBRARY_METRICS]


def check_metric_names(linked: Linked, installed: MetricNames) -> list[Diagnostic]:
    """Metrics that neither the program nor the library nor an installed package has."""
    program = Program(linked)
    offered: Collection[str] | None = None
    for scope in linked.modules.values():
        for code, value in _measures(scope):
            name = name_of(value)
            if lookup(value, scope, linked) is not None or name in COSTS or name in (ACCURACY, *LIBRARY_METRICS):
                continue
            if not is_metric(name, scope, COSTS if code == "E0562" else ()):
                continue  # near to one that there is, which is said
            offered = installed() if offered is None else offered
            if name not in offered:
                known = [*known_metrics(scope), *sorted(offered)]
                hint = did_you_mean(name, known, f"there are {listed(known, 20)}; or declare `metric {name}(…)`")
                program.report(code, f"there is no metric `{name}`", value.span, hint=hint)
    return program.diagnostics


def _measures(scope: ModuleScope) -> Iterator[tuple[str, ast_expressions.Expr]]:
    """What the blocks of a file measure, with the code of a name that is none."""
    for declaration in scope.tree.declarations:
        if isinstance(declaration, ast.EvalDecl):
            for clause in declaration.clauses:
                if clause.keyword == "metric":
                    yield from (("E0283", value) for value in clause.values)
        elif isinstance(declaration, ast.SearchDecl):
            for clause in declaration.clauses:
                if clause.keyword in ("maximize", "minimize"):
                    yield from (("E0562", value) for value in clause.values)
