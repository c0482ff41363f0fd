"""Metrics and tests.

Codes:
    E0252  a test's condition that is not about a pipeline or its trace
    E0272  a `given` that replaces no model
    E0273  a metric of the wrong form
"""

from __future__ import annotations

from ttscale.compiler import ast, ast_expressions, types
from ttscale.compiler.check_expressions import expression
from ttscale.compiler.check_frame import Frame, Local, Program, Typed, did_you_mean, listed
from ttscale.compiler.check_models import check_model_value
from ttscale.compiler.check_types import describe, is_numeric, plain
from ttscale.compiler.check_values import condition, value_of
from ttscale.compiler.diagnostics import Label
from ttscale.compiler.resolve import is_broken, type_of
from ttscale.compiler.scope import ModuleScope
from ttscale.compiler.source import Span
from ttscale.compiler.walk import nodes

# --- metrics -------------------------------------------------------------------------------------


def check_metric(declaration: ast.MetricDecl, scope: ModuleScope, program: Program) -> None:
    """A metric is a pure expression over a prediction and a row."""
    frame = Frame(program, scope, expression, "metric")
    for param in declaration.params:
        kind, found = type_of(param.type, scope, program.linked)
        program.diagnostics += found
        place = Span(param.span.file, param.span.start, param.span.start + len(param.name))
        if param.name in frame.locals:
            labels = (Label(frame.locals[param.name].span, "first here"),)
            hint = "give one of them another name"
            program.report("E0208", f"`{param.name}` is declared twice", place, labels=labels, hint=hint)
        frame.locals[param.name] = Local("input", Typed(kind), place)
    if not 1 <= len(declaration.params) <= 2:
        hint = f"write `metric {declaration.name}(pred: Number, row: Row) -> Bool = …`"
        program.report("E0273", "a metric takes a prediction and a row", declaration.name_span, hint=hint)
    wanted, found = type_of(declaration.result, scope, program.linked)
    program.diagnostics += found
    if wanted not in (types.BOOL, types.INT, types.FLOAT, types.NUMBER, types.ANY):
        hint = "declare it `-> Bool` for right or wrong, or `-> Float` for a share"
        message = f"a metric gives a Bool or a number, and this one says {wanted}"
        program.report("E0273", message, declaration.result.span, hint=hint)
        return
    typed = value_of(frame.type(declaration.body), declaration.body, frame, "for a metric")
    if not typed.is_known or wanted == types.ANY:
        return
    good = typed.type == wanted or (is_numeric(plain(typed.type)) and is_numeric(wanted))
    if not good:
        message = f"`{declaration.name}` gives {describe(typed.type)}, and it says {wanted}"
        hint = (
            "write a comparison, as in `pred == row.answer`"
            if wanted == types.BOOL
            else f"declare it `-> {typed.type}`"
        )
        program.report("E0273", message, declaration.body.span, hint=hint)


# --- tests ---------------------------------------------------------------------------------------


def check_test(declaration: ast.TestDecl, scope: ModuleScope, program: Program) -> None:
    """What is given, and what is expected of pipelines and the trace."""
    frame = Frame(program, scope, expression, "test")
    models = {name for name, symbol in scope.names.items() if symbol.kind == "model"}
    seen: dict[str, Span] = {}
    for given in declaration.givens:
        if given.name not in models and frame.names_are_complete():
            symbol = scope.names.get(given.name)
            if symbol is None or not is_broken(symbol):
                known = sorted(models)
                hint = did_you_mean(
                    given.name, known, f"there is {listed(known)}" if known else "this file has no model"
                )
                program.report(
                    "E0272",
                    f"there is no model `{given.name}` to replace",
                    program.word(given.span, given.name),
                    hint=hint,
                )
        if given.name in seen:
            labels = (Label(seen[given.name], "first here"),)
            program.report(
                "E0272", f"`{given.name}` is given twice", given.span, labels=labels, hint="keep one of them"
            )
        seen[given.name] = given.span
        if isinstance(given.value, ast_expressions.Call):
            check_model_value(given.name, given.value, scope, program)
        elif not (isinstance(given.value, ast_expressions.Name) and given.value.name in models):
            hint = f'write `given {given.name} = script("…")`'
            program.report(
                "E0272", "a model is given as `script(…)` or by another model's name", given.value.span, hint=hint
            )
    called = False
    for expect in declaration.expects:
        condition(expect.condition, frame, "what a test expects")
        called = called or any(isinstance(node, ast_expressions.Call) for node in nodes(expect.condition))
        if not called and _reads_trace(expect.condition):
            hint = "expect something of a pipeline first: `expect main(…) == …`"
            program.report("E0252", "there is no trace yet: nothing ran before this", expect.span, hint=hint)
    if not declaration.expects:
        hint = "add `expect main(…) == …`"
        program.report("E0252", f'the test "{declaration.name}" expects nothing', declaration.span, hint=hint)


def _reads_trace(expr: ast_expressions.Expr) -> bool:
    return any(isinstance(node, ast_expressions.Name) and node.name == "trace" for node in nodes(expr))
