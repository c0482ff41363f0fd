"""Data and metrics: from declarations to what the runtime reads.

    dataset gsm = jsonl("gsm8k.jsonl", question: question, answer: after(answer, "####"))
    gsm[0:200]      Rows(Dataset("gsm", …, fields=(("question", Column("question")), …)), (("slice", 0, 200),))

A field's expression reads columns of a row by name; a metric's body reads its parameters. The functions of such
expressions (`after`, `before`, …) become `Apply` nodes of the same name, which the runtime computes.
"""

from __future__ import annotations

from collections.abc import Callable

from ttscale.compiler import ast, ast_expressions, ir
from ttscale.compiler.constants import apply
from ttscale.compiler.diagnostics import InternalError
from ttscale.compiler.readers import READERS, Reader
from ttscale.compiler.resolve_types import literal, lookup, type_of
from ttscale.compiler.scope import Linked, ModuleScope, Symbol
from ttscale.compiler.types import ANY, ROW

Naming = Callable[[str], ir.Operand | None]
Calling = Callable[[ast_expressions.Call], ir.Operand | None]


def dataset_ir(symbol: Symbol, linked: Linked) -> ir.Dataset:
    """A declared dataset. Raises InternalError for a declaration that the checker rejects."""
    declaration = symbol.declaration
    if not isinstance(declaration, ast.DatasetDecl) or not isinstance(declaration.value, ast_expressions.Call):
        raise InternalError(f"{symbol.name} is not a dataset that can be read")
    call = declaration.value
    texts = [literal(arg.value) for arg in call.args if arg.name is None]
    locator = next((text for text in texts if isinstance(text, str)), "")
    fields: list[tuple[str, ir.Operand]] = []
    options: list[tuple[str, object]] = []
    reader = READERS[call.callee.name]
    for arg in call.args:
        if arg.name is None:
            continue
        kind = reader.option(arg.name)
        if not is_option(reader, arg):
            fields.append((arg.name, operand_of(arg.value, ir.Column)))
        elif kind in ("condition", "row"):
            options.append((arg.name, operand_of(arg.value, ir.Column)))
            if kind == "row":
                fields.append((arg.name, operand_of(arg.value, ir.Column)))
        else:
            options.append((arg.name, literal(arg.value)))
    return ir.Dataset(
        symbol.name,
        call.callee.name,
        locator,
        symbol.module,
        tuple(fields),
        tuple(options),
        declaration.span,
    )


def is_option(reader: Reader, arg: ast_expressions.Arg) -> bool:
    """Whether a named argument of a reader is an option or setting of it, and no field."""
    kind = reader.option(arg.name or "")
    if kind in ("condition", "row"):
        return True
    return (kind is not None or reader.has_settings) and _is_literal(arg.value)


def _is_literal(expr: ast_expressions.Expr) -> bool:
    match expr:
        case ast_expressions.LiteralValue() | ast_expressions.Quantity():
            return True
        case ast_expressions.Unary(op="-", operand=operand):
            return _is_literal(operand)
        case ast_expressions.ListExpr(items=items):
            return all(_is_literal(item) for item in items)
        case ast_expressions.MapExpr(entries=entries):
            return all(_is_literal(entry.value) for entry in entries)
    return False


def rows_ir(expr: ast_expressions.Expr, scope: ModuleScope, linked: Linked) -> ir.Rows:
    """Rows of a dataset: the whole of it, slices and steps (`shuffle where split`), as calls or after `|>`."""
    match expr:
        case ast_expressions.Name() | ast_expressions.Attribute():
            symbol = lookup(expr, scope, linked)
            if symbol is None or symbol.kind != "dataset":
                raise InternalError("rows of something that is not a dataset")
            return ir.Rows(dataset_ir(symbol, linked))
        case ast_expressions.Slice(value=value, low=low, high=high, index=index):
            rows = rows_ir(value, scope, linked)
            if index is not None:
                start = _whole(index)
                return _more(rows, ("slice", start, None if start is None or start == -1 else start + 1))
            return _more(rows, ("slice", _whole(low), _whole(high)))
        case ast_expressions.Pipe(left=left, right=right):
            return _call_on(rows_ir(left, scope, linked), right.callee.name, right.args)
        case ast_expressions.Call(callee=ast_expressions.Attribute(value=owner, name=name), args=args):
            return _call_on(rows_ir(owner, scope, linked), name, args)
        case ast_expressions.Call(callee=ast_expressions.Name(name=name), args=(first, *rest)):
            return _call_on(rows_ir(first.value, scope, linked), name, tuple(rest))
    raise InternalError("rows of something that is not a dataset")


def _call_on(rows: ir.Rows, name: str, args: tuple[ast_expressions.Arg, ...]) -> ir.Rows:
    if name == "shuffle":
        seed = next((literal(arg.value) for arg in args), 0)
        return _more(rows, ("shuffle", seed))
    if name == "split":
        given = {arg.name or "": literal(arg.value) for arg in args}
        if not given.keys() <= {"seed", "from", "to"}:  # in text beside a program, which nothing has checked
            return _more(rows, ("split", None, None, None))
        seed, low, high = (given.get(part, default) for part, default in (("seed", 0), ("from", 0), ("to", 1)))
        return _more(rows, ("split", seed, low, high))
    if name == "where" and args:
        return _more(rows, ("where", operand_of(args[0].value, ir.Column)))
    raise InternalError(f"rows cannot be changed by {name}")


def _more(rows: ir.Rows, step: tuple[object, ...]) -> ir.Rows:
    return ir.Rows(rows.dataset, (*rows.steps, step))


def _whole(expr: ast_expressions.Expr | None) -> int | None:
    value = None if expr is None else literal(expr)
    return int(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def metric_ir(symbol: Symbol, linked: Linked) -> ir.Metric:
    """A declared metric; its body reads its parameters as inputs of their own names."""
    declaration = symbol.declaration
    function = linked.python_function(symbol)
    if function is not None and function.kind == "metric":
        return ir.Metric(function.name, (("pred", ANY), ("row", ROW)), ANY, ir.Const(None), plugin=function.key)
    if not isinstance(declaration, ast.MetricDecl):
        raise InternalError(f"{symbol.name} is not a metric")
    scope = linked.scope_of(symbol)
    params = tuple((p.name, type_of(p.type, scope, linked)[0]) for p in declaration.params)
    names = {name for name, _ in params}
    body = operand_of(declaration.body, lambda name: ir.Input(name) if name in names else None)
    return ir.Metric(symbol.name, params, type_of(declaration.result, scope, linked)[0], body, declaration.span)


def operand_of(expr: ast_expressions.Expr, naming: Naming, calling: Calling | None = None) -> ir.Operand:
    """A pure expression as an operand.

    `naming` says what a bare name is, None making it the text of a label; `calling` what a call is, None making it a
    function of the language.
    """

    def inner(part: ast_expressions.Expr) -> ir.Operand:
        return operand_of(part, naming, calling)

    match expr:
        case ast_expressions.Name(name=name):
            found = naming(name)
            return found if found is not None else ir.Const(name)
        case ast_expressions.Attribute(value=value, name=name):
            return ir.Apply("attr", (inner(value), ir.Const(name)), expr.span)
        case ast_expressions.LiteralValue(value=known):
            return ir.Const(known)
        case ast_expressions.Quantity(amount=amount):
            return ir.Const(amount)
        case ast_expressions.ListExpr(items=items):
            return apply("list", tuple(inner(item) for item in items), expr.span)
        case ast_expressions.MapExpr(entries=entries):
            values = tuple(inner(entry.value) for entry in entries)
            return ir.Apply("record", (ir.Const(tuple(entry.key for entry in entries)), *values), expr.span)
        case ast_expressions.Call(callee=callee, args=args):
            called = calling(expr) if calling is not None else None
            if called is not None:
                return called
            return apply(callee.name, tuple(inner(arg.value) for arg in args), expr.span)
        case ast_expressions.Pipe(left=left, right=right):
            return apply(right.callee.name, (inner(left), *(inner(arg.value) for arg in right.args)), expr.span)
        case ast_expressions.Binary(op=op, left=left, right=right):
            return apply(op, (inner(left), inner(right)), expr.span)
        case ast_expressions.Compare(operands=operands, ops=ops):
            sides = [inner(operand) for operand in operands]
            parts = tuple(apply(op, (sides[i], sides[i + 1]), expr.span) for i, op in enumerate(ops))
            return parts[0] if len(parts) == 1 else apply("and", parts, expr.span)
        case ast_expressions.Unary(op=op, operand=operand):
            return apply("not" if op == "not" else "neg", (inner(operand),), expr.span)
        case ast_expressions.Slice(value=value, index=index) if index is not None and _whole(index) is not None:
            return ir.Item(inner(value), _whole(index) or 0)
    raise InternalError("an expression that data, metrics and tests cannot have")
