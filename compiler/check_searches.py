"""Searches: the pipeline that is tuned, what it is tuned for, on which rows, and the other clauses.

Codes:
    E0560  a `search` over something that is not a pipeline
    E0561  a `search` without a goal, or whose goals do not say on which rows
    E0562  a clause that a `search` does not have, or a value that the clause cannot have
    E0563  a `search` with nothing to search
    E0564  `fix` of a parameter that the pipeline does not have, or to a value that it cannot have
    W0565  a `search` whose holdout shares rows with those that it searches on
    W0569  an `eval` of a searched pipeline on rows that the search has seen
"""

from __future__ import annotations

from ttscale.compiler import ast, ast_expressions
from ttscale.compiler.check_evals import check_rows_of, pipeline_of
from ttscale.compiler.check_fixed import check_fixed, is_possible
from ttscale.compiler.check_frame import Program, did_you_mean, listed
from ttscale.compiler.check_leakage import common_rows, part_of
from ttscale.compiler.diagnostics import Label
from ttscale.compiler.evals import ACCURACY, LIBRARY_METRICS, METRICS, name_of
from ttscale.compiler.metric_names import is_metric, known_metrics
from ttscale.compiler.resolve import is_broken
from ttscale.compiler.resolve_types import literal, lookup
from ttscale.compiler.scope import ModuleScope, Symbol
from ttscale.compiler.searches import CLAUSES, COSTS, MEASURES, SAMPLERS, is_auto
from ttscale.compiler.space import plain_form, space_of


def check_search(declaration: ast.SearchDecl, scope: ModuleScope, program: Program) -> None:
    """The pipeline, the goals and the other clauses of one `search`."""
    symbol = pipeline_of(declaration.over, scope, program, "E0560")
    for clause in declaration.clauses:
        _clause(clause, scope, program)
    _goals(declaration, scope, program)
    _overlap(declaration, scope, program)
    if symbol is not None and not is_broken(symbol):
        _seen(declaration, symbol, scope, program)
        _searched(declaration, symbol, program)


# --- what is searched ----------------------------------------------------------------------------


def _searched(declaration: ast.SearchDecl, symbol: Symbol, program: Program) -> None:
    """Reports `fix` of what there is not, and a pipeline none of whose parameters is left to be searched."""
    pipeline = symbol.declaration
    if not isinstance(pipeline, ast.PipelineDecl):
        return
    known = [param.name for param in pipeline.params]
    fixed = {clause.name: clause for clause in declaration.clauses if clause.keyword == "fix"}
    for name, clause in fixed.items():
        if name is not None and name not in known:
            hint = did_you_mean(name, known, f"it has {listed(known)}" if known else "it has none")
            message = f"`{name_of(declaration.over)}` has no parameter `{name}`"
            program.report("E0564", message, program.word(clause.span, name), hint=hint)
    if any(d.code.startswith("E050") for d in program.diagnostics):
        return  # a wrong domain is said where it is
    space = space_of(program.linked, symbol)
    domains = space.domains
    # `fix n = auto` is settled by the planner once there are samples.
    of_use = {
        name: clause
        for name, clause in fixed.items()
        if name in known and not is_auto(space.kinds.get(name), plain_form(clause.values[0]))
    }
    if all([check_fixed(clause, name, space, program, "E0564") for name, clause in of_use.items()]):
        values = {name: plain_form(clause.values[0]) for name, clause in of_use.items()}
        if values and not is_possible(symbol, values, program.linked):
            labels = tuple(Label(require.span, "to be met") for require in pipeline.requires)
            message = "no values of the other parameters meet every `require` with what is fixed here"
            place = next(iter(of_use.values())).span
            program.report("E0563", message, place, labels=labels, hint="fix another value, or leave it to the search")
            return
    free = [name for name, domain in domains.items() if domain is not None and name not in fixed]
    if not free:
        what = name_of(declaration.over)
        if known:
            example = next((name for name in known if name not in fixed), known[0])
            hint = f"give one a domain, as in `param {example}: Int in {{1, 2, 4, 8}}`"
        else:
            hint = "declare one: `param n: Int in {1, 2, 4, 8} = 4`"
        message = f"there is nothing to search: no parameter of `{what}` is free and has a domain"
        program.report("E0563", message, declaration.over.span, hint=hint)


# --- goals and rows ------------------------------------------------------------------------------


def _goals(declaration: ast.SearchDecl, scope: ModuleScope, program: Program) -> None:
    goals = [clause for clause in declaration.clauses if clause.keyword in ("maximize", "minimize")]
    known = sorted(name for name, found in scope.names.items() if found.kind == "dataset")
    rows = f"{known[0]}[0:200]" if known else "rows[0:200]"
    if not goals:
        hint = f"add `maximize accuracy on {rows}`"
        program.report("E0561", "this search does not say what to search for", declaration.name_span, hint=hint)
        return
    on = [clause.on for clause in goals if clause.on is not None]
    if not on:
        hint = f"write `{goals[0].keyword} {program.text(goals[0].values[0].span)} on {rows}`"
        program.report("E0561", "no goal says on which rows it is measured", goals[0].span, hint=hint)
    for other in on[1:]:
        if program.text(other.span) != program.text(on[0].span):
            labels = (Label(on[0].span, "here the others are measured"),)
            hint = "all goals are measured on the same rows; say them once"
            program.report("E0561", "this goal has rows of its own", other.span, labels=labels, hint=hint)
    for expr in on[:1]:
        check_rows_of(expr, scope, program)
    seen: dict[str, ast_expressions.Expr] = {}
    for clause in goals:
        for value in clause.values:
            name = name_of(value)
            if name in seen:
                labels = (Label(seen[name].span, "first here"),)
                program.report("E0561", f"`{name}` is a goal twice", value.span, labels=labels, hint="keep one of them")
            seen.setdefault(name, value)
            _measure(clause, value, scope, program)


def _measure(clause: ast.Clause, value: ast_expressions.Expr, scope: ModuleScope, program: Program) -> None:
    """A goal is a cost, accuracy, or a metric of the program."""
    name = name_of(value)
    symbol = lookup(value, scope, program.linked) if name else None
    if name in COSTS and symbol is None:
        if clause.keyword == "maximize":
            hint = f"write `minimize {name}`"
            program.report("E0562", f"`{name}` is a cost, which nobody wants large", value.span, hint=hint)
        return
    if symbol is not None and (symbol.kind in METRICS or is_broken(symbol)):
        return
    if symbol is None and clause.keyword == "minimize" and name in (ACCURACY, *LIBRARY_METRICS):
        hint = f"write `maximize {name}`"
        program.report("E0562", f"`{name}` is the better the larger it is", value.span, hint=hint)
        return
    if symbol is None and is_metric(name, scope, COSTS):
        return
    known = [*known_metrics(scope), *COSTS]
    hint = did_you_mean(name, known, f"it can be {listed(known, 20)}")
    program.report("E0562", f"`{program.text(value.span)}` is not something to measure", value.span, hint=hint)


def _overlap(declaration: ast.SearchDecl, scope: ModuleScope, program: Program) -> None:
    """Warns where the holdout has rows that the search sees."""
    on = next((clause.on for clause in declaration.clauses if clause.on is not None), None)
    holdout = next((c.values[0] for c in declaration.clauses if c.keyword == "holdout" and c.values), None)
    if on is None or holdout is None:
        return
    mark = len(program.diagnostics)
    check_rows_of(holdout, scope, program)
    if program.has_errors_since(mark):
        return
    one, other = part_of(on, scope, program), part_of(holdout, scope, program)
    shared = common_rows(one, other) if one is not None and other is not None else ""
    if shared:
        labels = (Label(on.span, f"the search sees these; {shared} in both"),)
        hint = "take rows for the holdout that come after those of the search"
        program.report("W0565", "the holdout has rows that the search has seen", holdout.span, labels=labels, hint=hint)


def _seen(declaration: ast.SearchDecl, symbol: Symbol, scope: ModuleScope, program: Program) -> None:
    """Warns where an `eval` measures the searched pipeline on rows by which the search chose its parameters."""
    on = next((clause.on for clause in declaration.clauses if clause.on is not None), None)
    searched = None if on is None else part_of(on, scope, program)
    if on is None or searched is None:
        return
    for other in scope.tree.declarations:
        if not isinstance(other, ast.EvalDecl):
            continue
        if symbol not in (lookup(expr, scope, program.linked) for expr in other.pipelines):
            continue
        measured = part_of(other.on, scope, program)
        shared = "" if measured is None else common_rows(searched, measured)
        told = any(d.code == "W0569" and d.primary == other.on.span for d in program.diagnostics)
        if shared and not told:
            labels = (Label(on.span, f"`{declaration.name}` searches on these; {shared} in both"),)
            message = f"the search `{declaration.name}` has seen rows on which this measures `{symbol.name}`"
            hint = "measure on rows that come after those of the search"
            program.report("W0569", message, other.on.span, labels=labels, hint=hint)


# --- the other clauses ---------------------------------------------------------------------------


def _clause(clause: ast.Clause, scope: ModuleScope, program: Program) -> None:
    if clause.keyword not in CLAUSES:
        what = "`eval` has it" if clause.keyword in ("seeds", "match", "metric") else f"it has {listed(CLAUSES)}"
        hint = "write the measure behind `maximize`" if clause.keyword == "metric" else what
        program.report("E0562", f"a `search` has no `{clause.keyword}`", clause.span, hint=hint)
        return
    if clause.keyword in ("trials", "seed"):
        least, example = (1, 60) if clause.keyword == "trials" else (0, 7)
        value = literal(clause.values[0])
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            message = f"`{clause.keyword}` takes a whole number of {least} or more"
            program.report("E0562", message, clause.values[0].span, hint=f"write `{clause.keyword} {example}`")
    if clause.keyword == "sampler":
        name = name_of(clause.values[0])
        if name not in SAMPLERS:
            hint = did_you_mean(name, list(SAMPLERS), f"it can be {listed(SAMPLERS)}")
            message = f"there is no sampler `{program.text(clause.values[0].span)}`"
            program.report("E0562", message, clause.values[0].span, hint=hint)
    if clause.budget is not None:
        _budget(clause.budget, program)


def _budget(budget: ast.Budget, program: Program) -> None:
    for limit in budget.limits:
        if limit.measure not in MEASURES:
            hint = did_you_mean(limit.measure, list(MEASURES), f"it limits {listed(MEASURES)}")
            message = f"a search's budget cannot limit `{limit.measure}`"
            program.report("E0562", message, program.word(limit.span, limit.measure), hint=hint)
        value = literal(limit.amount)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not isinstance(value, int | float) or not is_number or value <= 0:
            hint = "write a number, as in `tokens <= 2M` or `seconds <= 30min`"
            message = f"nothing can be tried with `{program.text(limit.span)}`"
            if not is_number:
                message = "a search's budget is written out: parameters are what it searches"
            program.report("E0562", message, limit.amount.span, hint=hint)
