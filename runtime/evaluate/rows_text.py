"""Rows of a dataset from text that stands beside the program, such as `gsm[0:20]`."""

from __future__ import annotations

from ttscale.compiler import ast, ast_expressions, ir
from ttscale.compiler.check_frame import Program
from ttscale.compiler.check_row_steps import check_rows
from ttscale.compiler.data import rows_ir
from ttscale.compiler.diagnostics import CompileError, Diagnostic, suggest
from ttscale.compiler.evals import name_of
from ttscale.compiler.lower import lower
from ttscale.compiler.parse import parse
from ttscale.compiler.resolve_types import lookup
from ttscale.compiler.scope import Linked
from ttscale.compiler.source import SourceFile

_BEFORE = "tts 1\neval main on "


def rows_from_text(linked: Linked, text: str) -> ir.Rows:
    """The rows that `text` names. Raises CompileError pointing into it."""
    source = SourceFile("rows", f"{_BEFORE}{text} {{ }}\n")
    tree = parse(source)
    module, lowering = lower(tree, source)
    found = [d for d in (*tree.diagnostics, *lowering) if d.severity == "error"]
    if found:
        raise CompileError(found, {source.name: source})
    expression = next(d for d in module.declarations if isinstance(d, ast.EvalDecl)).on
    root = dataset_name(expression)
    symbol = lookup(root, linked.main, linked) if root is not None else None
    if symbol is None or symbol.kind != "dataset":
        known = [name for name, own in linked.main.names.items() if own.kind == "dataset"]
        name = "" if root is None else name_of(root)
        near = suggest(name, known) if name else None
        hint = f"did you mean `{near}`?" if near else f"the program declares {', '.join(known) or 'no dataset'}"
        problem = Diagnostic("E0282", f"there is no dataset `{name or text}`", None, hint=hint)
        raise CompileError([problem], {source.name: source})
    program = Program(linked)
    check_rows(expression, program)
    if program.diagnostics:
        raise CompileError(program.diagnostics, {source.name: source})
    return rows_ir(expression, linked.main, linked)


def dataset_name(expression: ast_expressions.Expr) -> ast_expressions.Expr | None:
    """The name, or member of a module, that an expression of rows begins with."""
    match expression:
        case ast_expressions.Name() | ast_expressions.Attribute(value=ast_expressions.Name()):
            return expression
        case ast_expressions.Slice(value=value) | ast_expressions.Pipe(left=value):
            return dataset_name(value)
        case ast_expressions.Call(callee=ast_expressions.Attribute(value=value)):
            return dataset_name(value)
        case ast_expressions.Call(args=(first, *_)):
            return dataset_name(first.value)
    return None
