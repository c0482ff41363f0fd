"""Rows of a dataset from text that stands beside the program, such as `gsm[0:20]` behind --on."""

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
from ttscale.compiler.scope import Linked, Symbol
from ttscale.compiler.source import SourceFile

_BEFORE = "tts 1\neval main on "


def rows_from_text(linked: Linked, text: str, name: str = "--on") -> ir.Rows:
    """The rows that `text` names; `name` stands for it in messages. Raises CompileError pointing into it."""
    expression = parsed(text, name)
    root = _dataset_name(expression)
    symbol = lookup(root, linked.main, linked) if root is not None else None
    if symbol is None or symbol.kind != "dataset":
        known = dataset_names(linked)
        written = "" if root is None else name_of(root)
        near = suggest(written, known) if written else None
        hint = f"did you mean `{near}`?" if near else f"the program declares {', '.join(known) or 'no dataset'}"
        problem = Diagnostic("E0282", f"{name} {text}: there is no dataset `{written or text}`", None, hint=hint)
        raise CompileError([problem], _sources(text, name))
    program = Program(linked)
    check_rows(expression, program)
    if program.diagnostics:
        raise CompileError(program.diagnostics, _sources(text, name))
    return rows_ir(expression, linked.main, linked)


def dataset_names(linked: Linked) -> list[str]:
    """The datasets that a program can name, those of imported modules with their module's name."""
    scope = linked.main
    known: list[str] = []
    for name, symbol in scope.names.items():
        if symbol.kind == "dataset":
            known.append(name)
        elif symbol.kind == "module" and symbol.module in linked.modules and symbol.module != scope.name:
            module = linked.modules[symbol.module]
            known += [f"{name}.{own}" for own in module.names if _is_dataset(module.exported(own))]
    return known


def parsed(text: str, name: str = "--on") -> ast_expressions.Expr:
    """The expression that `text` is. Raises CompileError pointing into it."""
    sources = _sources(text, name)
    source = sources[name]
    tree = parse(source)
    module, lowering = lower(tree, source)
    found = [d for d in (*tree.diagnostics, *lowering) if d.severity == "error"]
    if found:
        raise CompileError(found, sources)
    return next(d for d in module.declarations if isinstance(d, ast.EvalDecl)).on


def _sources(text: str, name: str) -> dict[str, SourceFile]:
    """The text inside the declaration of which it is a part."""
    return {name: SourceFile(name, f"{_BEFORE}{text} {{ }}\n")}


def _is_dataset(symbol: Symbol | None) -> bool:
    return symbol is not None and symbol.kind == "dataset"


def _dataset_name(expression: ast_expressions.Expr) -> ast_expressions.Expr | None:
    """The name, or member of a module, that an expression of rows begins with."""
    match expression:
        case ast_expressions.Name() | ast_expressions.Attribute(value=ast_expressions.Name()):
            return expression
        case ast_expressions.Slice(value=value) | ast_expressions.Pipe(left=value):
            return _dataset_name(value)
        case ast_expressions.Call(callee=ast_expressions.Attribute(value=value)):
            return _dataset_name(value)
        case ast_expressions.Call(args=(first, *_)):
            return _dataset_name(first.value)
    return None
