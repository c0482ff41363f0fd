"""Evaluations: the pipelines that an `eval` measures, the rows, and its clauses.

Codes:
    E0281  an `eval` of something that is not a pipeline
    E0282  rows on which nothing can be measured
    E0283  a clause that an `eval` does not have, or a value that the clause cannot have
    E0284  `fix` of a parameter that none of the pipelines has, or to a value that it cannot have
"""

from __future__ import annotations

from ttscale.compiler import ast, ast_expressions
from ttscale.compiler.check_fixed import check_fixed
from ttscale.compiler.check_frame import Program, did_you_mean, listed
from ttscale.compiler.check_row_steps import check_rows
from ttscale.compiler.data import rows_ir
from ttscale.compiler.diagnostics import InternalError, Label, suggest
from ttscale.compiler.evals import CLAUSES, MATCHED, METRICS, name_of
from ttscale.compiler.metric_names import is_metric, known_metrics
from ttscale.compiler.readers import READERS
from ttscale.compiler.resolve import is_broken
from ttscale.compiler.resolve_types import literal, lookup
from ttscale.compiler.scope import ModuleScope, Symbol
from ttscale.compiler.space import bound_values, broken_rules, plain_form, space_of


def check_eval(declaration: ast.EvalDecl, scope: ModuleScope, program: Program) -> None:
    """The pipelines, the rows and the clauses of one `eval`."""
    symbols = [pipeline_of(expr, scope, program, "E0281") for expr in declaration.pipelines]
    check_rows_of(declaration.on, scope, program)
    for clause in declaration.clauses:
        _clause(clause, scope, program)
    pipelines = [s.declaration for s in symbols if s is not None and isinstance(s.declaration, ast.PipelineDecl)]
    if len(pipelines) < len(symbols):
        return
    known = {param.name: None for pipeline in pipelines for param in pipeline.params}
    for clause in declaration.clauses:
        if clause.keyword == "fix" and clause.name is not None and clause.name not in known:
            hint = did_you_mean(clause.name, list(known), f"they have {listed(list(known))}" if known else "")
            names = listed([name_of(expr) for expr in declaration.pipelines])
            message = f"no parameter of {names} is called `{clause.name}`"
            program.report("E0284", message, program.word(clause.span, clause.name), hint=hint)
    if any(d.code.startswith("E050") for d in program.diagnostics):
        return  # a wrong domain is said where it is
    for symbol in symbols:
        if symbol is not None and isinstance(symbol.declaration, ast.PipelineDecl) and not is_broken(symbol):
            _fixed(declaration, symbol, program)


def _fixed(declaration: ast.EvalDecl, symbol: Symbol, program: Program) -> None:
    """Values of `fix` that a parameter of one pipeline cannot have, alone or together with its `require`."""
    space = space_of(program.linked, symbol)
    clauses = {c.name: c for c in declaration.clauses if c.keyword == "fix" and c.name in space.params}
    if not all([check_fixed(clause, name or "", space, program, "E0284") for name, clause in clauses.items()]):
        return
    values, _, found = bound_values(space, {name or "": plain_form(c.values[0]) for name, c in clauses.items()})
    for broken in broken_rules(space, values) if clauses and not found else ():
        labels = () if broken.primary is None else (Label(broken.primary, broken.label),)
        place = next(iter(clauses.values())).span
        program.report("E0284", f"with this, {broken.message} in `{symbol.name}`", place, labels=labels, hint=_HINT)


_HINT = "fix the other parameters of that rule too"


def pipeline_of(expr: ast_expressions.Expr, scope: ModuleScope, program: Program, code: str) -> Symbol | None:
    """The pipeline that is measured or searched; reports `code` and gives None where there is none."""
    symbol = lookup(expr, scope, program.linked) if name_of(expr) else None
    if symbol is not None and (symbol.kind == "pipeline" or is_broken(symbol)):
        return symbol
    known = sorted(name for name, found in scope.names.items() if found.kind == "pipeline")
    shown = name_of(expr) or program.text(expr.span)
    what = f"`{shown}` is a {symbol.kind}" if symbol is not None else f"there is no pipeline `{shown}`"
    hint = did_you_mean(shown, known, f"there is {listed(known)}" if known else "declare one")
    program.report(code, what, expr.span, hint=hint)
    return None


def check_rows_of(expr: ast_expressions.Expr, scope: ModuleScope, program: Program) -> None:
    """Reports rows on which nothing can be measured."""
    if _of_unknown_kind(expr, scope, program):
        return
    mark = len(program.diagnostics)
    check_rows(expr, program)
    if program.has_errors_since(mark):
        return
    try:
        rows_ir(expr, scope, program.linked)
    except InternalError:
        known = sorted(name for name, found in scope.names.items() if found.kind == "dataset")
        written = _dataset_name(expr)
        near = suggest(written, known)
        text = program.text(expr.span)
        hint = f"write `{known[0]}[0:100]`" if known else "declare a `dataset` first"
        hint = f"did you mean `{near}{text.removeprefix(written)}`?" if near else hint
        program.report("E0282", f"`{program.text(expr.span)}` is not rows of a dataset", expr.span, hint=hint)


def _dataset_name(expr: ast_expressions.Expr) -> str:
    """What stands where the name of a dataset belongs; "" for what is no name."""
    match expr:
        case ast_expressions.Slice(value=inner) | ast_expressions.Pipe(left=inner):
            return _dataset_name(inner)
    return name_of(expr)


def _of_unknown_kind(expr: ast_expressions.Expr, scope: ModuleScope, program: Program) -> bool:
    """Whether the rows come from a dataset of a kind that there is not; that is said where it is declared."""
    while not isinstance(expr, ast_expressions.Name | ast_expressions.Attribute):
        match expr:
            case ast_expressions.Slice(value=inner) | ast_expressions.Pipe(left=inner):
                expr = inner
            case ast_expressions.Call(callee=ast_expressions.Attribute(value=inner)):
                expr = inner
            case ast_expressions.Call(args=(first, *_)):
                expr = first.value
            case _:
                return False
    symbol = lookup(expr, scope, program.linked)
    value = symbol.declaration.value if symbol is not None and isinstance(symbol.declaration, ast.DatasetDecl) else None
    return isinstance(value, ast_expressions.Call) and value.callee.name not in READERS


def _clause(clause: ast.Clause, scope: ModuleScope, program: Program) -> None:
    if clause.keyword not in CLAUSES:
        hint = f"it has {listed(CLAUSES)}; `search` has the others"
        program.report("E0283", f"an `eval` has no `{clause.keyword}`", clause.span, hint=hint)
        return
    if clause.keyword in ("seeds", "seed"):
        value = literal(clause.values[0])
        least = 1 if clause.keyword == "seeds" else 0
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            hint = f"write `{clause.keyword} {3 if clause.keyword == 'seeds' else 7}`"
            message = f"`{clause.keyword}` takes a whole number of {least} or more"
            program.report("E0283", message, clause.values[0].span, hint=hint)
    if clause.keyword == "match":
        name = name_of(clause.values[0])
        if name not in MATCHED:
            hint = did_you_mean(name, list(MATCHED), f"it can be {listed(MATCHED)}")
            message = f"`match` cannot make `{program.text(clause.values[0].span)}` equal"
            program.report("E0283", message, clause.values[0].span, hint=hint)
    if clause.keyword == "metric":
        for value in clause.values:
            symbol = lookup(value, scope, program.linked) if name_of(value) else None
            name = name_of(value)
            if not name or (symbol is not None and symbol.kind not in METRICS and not is_broken(symbol)):
                hint = "write `metric accuracy`, or the name of a `metric` of this file"
                program.report("E0283", f"`{program.text(value.span)}` is not a metric", value.span, hint=hint)
            elif symbol is None and not is_metric(name, scope):
                known = known_metrics(scope)
                hint = did_you_mean(name, known, f"there are {listed(known, 20)}")
                program.report("E0283", f"there is no metric `{name}`", value.span, hint=hint)
