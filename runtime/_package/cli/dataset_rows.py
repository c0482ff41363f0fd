"""Rows of a dataset that a program declares, from text such as `gsm[0:20]` given beside the program."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ttscale.cli.console import err
from ttscale.cli.faults import Failure
from ttscale.compiler import ast, ast_expressions
from ttscale.compiler.check_frame import Program
from ttscale.compiler.check_row_steps import check_rows
from ttscale.compiler.data import rows_ir
from ttscale.compiler.diagnostics import CompileError, suggest
from ttscale.compiler.lower import lower
from ttscale.compiler.parse import parse
from ttscale.compiler.resolve_types import lookup
from ttscale.compiler.source import SourceFile

if TYPE_CHECKING:
    from ttscale.compiler.driver import Checked
    from ttscale.compiler.scope import Symbol

BEFORE = "tts 1\neval main on "


def read(checked: Checked, text: str) -> list[dict[str, Any]]:
    """The rows' fields by name; says in what published shape they are read.

    Raises Failure or CompileError where the text names no rows.
    """
    from ttscale.runtime.datasets import load

    expression = parsed(text)
    scope = checked.linked.main
    named = root(expression)
    symbol = lookup(named, scope, checked.linked) if named is not None else None
    if symbol is None or symbol.kind != "dataset":
        known = datasets(checked)
        name = written(named)
        near = suggest(name, known) if name else None
        hint = f"did you mean `{near}`?" if near else f"the program declares {', '.join(known) or 'no dataset'}"
        raise Failure(f"--on {text}: there is no dataset `{name or text}`", hint)
    records = []
    program = Program(checked.linked)
    check_rows(expression, program)
    if program.diagnostics:
        source = source_of(text)
        raise CompileError(program.diagnostics, {source.name: source})
    loaded = load(rows_ir(expression, scope, checked.linked))
    if loaded.said:
        err(f"note: {loaded.said}")
    for row in loaded.rows:
        # Without an `id` of its own a row is named by its number in the file, which an edit of the file would shift.
        has_id = "id" in row.values or "id" in row.columns
        records.append({**row.values, "id": row.id} if has_id else dict(row.values))
    return records


def source_of(text: str) -> SourceFile:
    """The text inside the declaration of which it is a part."""
    return SourceFile("--on", f"{BEFORE}{text} {{ }}\n")


def parsed(text: str) -> ast_expressions.Expr:
    """The expression that `text` is. Raises CompileError pointing into it."""
    source = source_of(text)
    tree = parse(source)
    module, lowering = lower(tree, source)
    found = [d for d in (*tree.diagnostics, *lowering) if d.severity == "error"]
    if found:
        raise CompileError(found, {source.name: source})
    declaration = next(d for d in module.declarations if isinstance(d, ast.EvalDecl))
    return declaration.on


def datasets(checked: Checked) -> list[str]:
    """The datasets that the program can name, those of imported modules with their module's name."""
    scope = checked.linked.main
    known: list[str] = []
    for name, symbol in scope.names.items():
        if symbol.kind == "dataset":
            known.append(name)
        elif symbol.kind == "module" and symbol.module in checked.linked.modules and symbol.module != scope.name:
            module = checked.linked.modules[symbol.module]
            known += [f"{name}.{own}" for own in module.names if _is_dataset(module.exported(own))]
    return known


def _is_dataset(symbol: Symbol | None) -> bool:
    return symbol is not None and symbol.kind == "dataset"


def written(expression: ast_expressions.Expr | None) -> str:
    """A name as it is written: `gsm`, `data.gsm`."""
    match expression:
        case ast_expressions.Name(name=name):
            return name
        case ast_expressions.Attribute(value=value, name=name):
            return f"{written(value)}.{name}"
    return ""


def root(expression: ast_expressions.Expr) -> ast_expressions.Expr | None:
    """The name, or member of a module, that an expression of rows begins with."""
    match expression:
        case ast_expressions.Name() | ast_expressions.Attribute(value=ast_expressions.Name()):
            return expression
        case ast_expressions.Slice(value=value) | ast_expressions.Pipe(left=value):
            return root(value)
        case ast_expressions.Call(callee=ast_expressions.Attribute(value=value)):
            return root(value)
        case ast_expressions.Call(args=(first, *_)):
            return root(first.value)
    return None
