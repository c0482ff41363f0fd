"""Expressions: from a tree to a value, adding the stages that it calls for.

What does not depend on a run is computed here; the rest becomes operands. A pool where one value is wanted
must have at most one candidate and then *is* that value (its `Ref`).
"""

from __future__ import annotations

from ttscale.compiler import ast_expressions, ir
from ttscale.compiler.constants import apply, item
from ttscale.compiler.data import rows_ir
from ttscale.compiler.expand_calls import call_function, call_pipeline, fill_prompt, prompt_value
from ttscale.compiler.expand_loops import map_loop, match_arms, repeat
from ttscale.compiler.expand_nodes import join
from ttscale.compiler.expand_policies import call_policy, policy_of
from ttscale.compiler.expand_stages import call_stage
from ttscale.compiler.expansion import (
    Expansion,
    Frame,
    Listing,
    ModelValue,
    Named,
    Plain,
    Pool,
    PromptValue,
    RowsValue,
    Site,
    States,
    Value,
    one,
    type_of_value,
)
from ttscale.compiler.schema_types import as_list, member_of
from ttscale.compiler.signatures import FUNCTIONS, SIGNATURES
from ttscale.compiler.types import (
    ANY,
    BOOL,
    FLOAT,
    INT,
    NONE,
    TEXT,
    Answers,
    Choice,
    ListOf,
    Type,
)


def evaluate(expansion: Expansion, expr: ast_expressions.Expr, frame: Frame, site: Site) -> Value:
    """What `expr` means in `frame`; stages get their paths from `site`."""
    match expr:
        case ast_expressions.Name() | ast_expressions.Attribute():
            return _name(expansion, expr, frame, site)
        case ast_expressions.LiteralValue(value=known):
            return Plain(ir.Const(known), type_of_known(known))
        case ast_expressions.Quantity(amount=amount):
            return Plain(ir.Const(amount), type_of_known(amount))
        case ast_expressions.ListExpr(items=items):
            return Listing(tuple(expansion.evaluate(part, frame, site.inner()) for part in items))
        case ast_expressions.Call():
            return call(expansion, expr, None, frame, site)
        case ast_expressions.Pipe(left=left, right=right):
            source = expansion.evaluate(left, frame, site.inner())
            if isinstance(source, RowsValue):
                return RowsValue(rows_ir(expr, frame.module, expansion.linked))
            return call(expansion, right, source, frame, site)
        case ast_expressions.Binary():
            return _binary(expansion, expr, frame, site)
        case ast_expressions.Compare():
            return _compare(expansion, expr, frame, site)
        case ast_expressions.Unary(op=op, operand=operand):
            value = expansion.evaluate(operand, frame, site.inner())
            found = apply("not" if op == "not" else "neg", (one(expansion, value, operand.span),), expr.span)
            return Plain(found, BOOL if op == "not" else type_of_value(value))
        case ast_expressions.Slice():
            return _slice(expansion, expr, frame, site)
        case ast_expressions.Match():
            return match_arms(expansion, expr, frame, site)
        case ast_expressions.Repeat():
            return repeat(expansion, expr, frame, site)
        case ast_expressions.MapLoop():
            return map_loop(expansion, expr, frame, site)
        case ast_expressions.MapExpr(entries=entries):
            names = tuple(entry.key for entry in entries)
            values = tuple(one(expansion, expansion.evaluate(e.value, frame, site.inner()), e.span) for e in entries)
            return Plain(ir.Apply("record", (ir.Const(names), *values), expr.span), ANY)
        case ast_expressions.Range() | ast_expressions.UpTo():
            raise expansion.fail(
                "E0209", "this is not a value", expr.span, hint="it belongs into an argument or a domain"
            )


def type_of_known(value: object) -> Type:
    """The type of a value that is written out."""
    match value:
        case bool():
            return BOOL
        case int():
            return INT
        case float():
            return FLOAT
        case str():
            return TEXT
        case tuple():
            return ListOf(type_of_known(value[0]) if value else TEXT)
    return NONE


def call(expansion: Expansion, expr: ast_expressions.Call, piped: Value | None, frame: Frame, site: Site) -> Value:
    """A call of a stage, a function, a prompt or a pipeline, with what is piped into it."""
    callee = expr.callee
    local = frame.names.get(callee.name) if isinstance(callee, ast_expressions.Name) else None
    if isinstance(local, PromptValue):
        return fill_prompt(expansion, local, expr, frame, site)
    symbol = expansion.symbol(callee, frame)
    if symbol is not None:
        if symbol.kind == "prompt":
            return fill_prompt(expansion, prompt_value(expansion, symbol), expr, frame, site)
        if symbol.kind == "pipeline":
            return call_pipeline(expansion, expr, symbol, piped, frame, site)
        function = expansion.linked.python_function(symbol)
        signature = None if function is None else function.stage()
        if signature is not None:
            return call_stage(expansion, expr, signature, piped, frame, site)
        if function is not None and function.kind == "policy":
            return call_policy(expansion, expr, function, piped, frame, site)
        raise expansion.fail(
            "E0259", f"`{symbol.name}` is a {symbol.kind} and cannot be called here", expr.span, hint="name a stage"
        )
    name = callee.name
    if isinstance(callee, ast_expressions.Name) and name in SIGNATURES:
        return call_stage(expansion, expr, SIGNATURES[name], piped, frame, site)
    if isinstance(callee, ast_expressions.Name) and name in FUNCTIONS:
        return call_function(expansion, expr, FUNCTIONS[name], piped, frame, site)
    raise expansion.fail("E0259", f"`{name}` cannot be run by this version", expr.span, hint="leave it out")


def _name(
    expansion: Expansion, expr: ast_expressions.Name | ast_expressions.Attribute, frame: Frame, site: Site
) -> Value:
    if isinstance(expr, ast_expressions.Name) and expr.name in frame.names:
        return frame.names[expr.name]
    symbol = expansion.symbol(expr, frame)
    if symbol is not None:
        if symbol.kind == "model":
            return ModelValue(expansion.model(symbol))
        if symbol.kind == "prompt":
            return prompt_value(expansion, symbol)
        if symbol.kind == "dataset":
            rows = rows_ir(expr, frame.module, expansion.linked)
            return RowsValue(rows)
        function = expansion.linked.python_function(symbol)
        if function is not None and function.kind == "policy" and frame.own:
            return policy_of(function, ir.Own(), {}, expr.span)
        raise expansion.fail(
            "E0209", f"`{symbol.name}` is a {symbol.kind}, not a value", expr.span, hint="name a value"
        )
    if isinstance(expr, ast_expressions.Attribute):
        return _attribute(expansion, expr, frame, site)
    if frame.own and expr.name in FUNCTIONS:
        known = FUNCTIONS[expr.name]
        return Plain(ir.Apply(known.name, (ir.Own(),), expr.span), {"Int": INT, "Bool": BOOL}.get(known.gives, FLOAT))
    return Named(expr.name)


def _attribute(expansion: Expansion, expr: ast_expressions.Attribute, frame: Frame, site: Site) -> Value:
    value = expansion.evaluate(expr.value, frame, site.inner())
    if isinstance(value, States):
        if expr.name in value.values:
            return value.values[expr.name]
        hint = f"its states are {', '.join(value.values)}"
        raise expansion.fail("E0209", f"this loop has no state `{expr.name}`", expr.span, hint=hint)
    owner = type_of_value(value)
    operand = one(expansion, value, expr.value.span)
    kind = member_of(owner, expr.name)
    return Plain(ir.Apply("attr", (operand, ir.Const(expr.name)), expr.span), kind)


def _binary(expansion: Expansion, expr: ast_expressions.Binary, frame: Frame, site: Site) -> Value:
    if expr.op == "+":
        parts = _summands(expr)
        values = [expansion.evaluate(part, frame, site.inner()) for part in parts]
        if all(isinstance(value, Pool) for value in values):
            return join(expansion, values, [part.span for part in parts], expr.span, frame, site)
        total = one(expansion, values[0], parts[0].span)
        for value, part in zip(values[1:], parts[1:], strict=True):
            total = apply("+", (total, one(expansion, value, part.span)), expr.span)
        return Plain(total, _arithmetic_type(values, "+"))
    left = expansion.evaluate(expr.left, frame, site.inner())
    if expr.op in ("and", "or"):
        known = one(expansion, left, expr.left.span)
        if isinstance(known, ir.Const) and bool(known.value) is (expr.op == "or"):
            return Plain(ir.Const(expr.op == "or"), BOOL)
    right = expansion.evaluate(expr.right, frame, site.inner())
    operands = (one(expansion, left, expr.left.span), one(expansion, right, expr.right.span))
    kind = BOOL if expr.op in ("and", "or") else _arithmetic_type([left, right], expr.op)
    return Plain(apply(expr.op, operands, expr.span), kind)


def _summands(expr: ast_expressions.Expr) -> list[ast_expressions.Expr]:
    """The parts of `a + b + c`, left to right."""
    if isinstance(expr, ast_expressions.Binary) and expr.op == "+":
        return [*_summands(expr.left), expr.right]
    return [expr]


def _arithmetic_type(values: list[Value], op: str) -> Type:
    kinds = [type_of_value(value) for value in values]
    if all(kind == INT for kind in kinds) and op != "/":
        return INT
    return TEXT if all(kind == TEXT for kind in kinds) else FLOAT


def _compare(expansion: Expansion, expr: ast_expressions.Compare, frame: Frame, site: Site) -> Value:
    raw = [_maybe_label(expansion, part, expr.operands, frame, site) for part in expr.operands]
    operands = [one(expansion, value, part.span) for value, part in zip(raw, expr.operands, strict=True)]
    parts = tuple(apply(op, (operands[i], operands[i + 1]), expr.span) for i, op in enumerate(expr.ops))
    return Plain(parts[0] if len(parts) == 1 else apply("and", parts, expr.span), BOOL)


def _maybe_label(
    expansion: Expansion,
    part: ast_expressions.Expr,
    operands: tuple[ast_expressions.Expr, ...],
    frame: Frame,
    site: Site,
) -> Value:
    """A side of a comparison: a bare name is the label where another side is a Choice that has it."""
    if isinstance(part, ast_expressions.Name) and not (isinstance(frame.names.get(part.name), Plain | Pool)):
        for other in operands:
            bound = (
                frame.names.get(other.name) if isinstance(other, ast_expressions.Name) and other is not part else None
            )
            kind = type_of_value(bound) if bound is not None else None
            inner = kind.item if isinstance(kind, Answers) else kind
            if isinstance(inner, Choice) and part.name in inner.labels:
                return Named(part.name)
    return expansion.evaluate(part, frame, site.inner())


def _slice(expansion: Expansion, expr: ast_expressions.Slice, frame: Frame, site: Site) -> Value:
    value = expansion.evaluate(expr.value, frame, site.inner())
    if isinstance(value, RowsValue):
        return RowsValue(rows_ir(expr, frame.module, expansion.linked))
    ends = [None if e is None else _known_int(expansion, e, frame, site) for e in (expr.index, expr.low, expr.high)]
    index, low, high = ends
    if isinstance(value, Listing):
        if index is None:
            return Listing(value.items[low:high])
        if not -len(value.items) <= index < len(value.items):
            raise expansion.fail("E0209", f"this list has no element {index}", expr.span, hint="count from 0")
        return value.items[index]
    listed = as_list(value.item) if isinstance(value, Pool) else None
    if isinstance(value, Pool) and isinstance(listed, ListOf) and value.size.high <= 1:
        element: Type = listed.item
        operand: ir.Operand = ir.Item(value.operand, 0)
    elif isinstance(value, Pool):
        element, operand = value.item, value.operand
    else:
        kind = as_list(type_of_value(value))
        element, operand = (kind.item if isinstance(kind, ListOf) else ANY), one(expansion, value, expr.value.span)
    if index is not None:
        return Plain(item(operand, index), element)
    if low is None or high is None or low < 0 or high < low:
        raise expansion.fail("E0209", "only a part with both ends can be cut here", expr.span, hint="write `[0:3]`")
    if isinstance(value, Pool):
        high = min(high, value.size.high)
    return Plain(ir.Apply("list", tuple(item(operand, i) for i in range(low, high)), expr.span), ListOf(element))


def _known_int(expansion: Expansion, expr: ast_expressions.Expr, frame: Frame, site: Site) -> int:
    operand = one(expansion, expansion.evaluate(expr, frame, site.inner()), expr.span)
    if isinstance(operand, ir.Const) and isinstance(operand.value, int) and not isinstance(operand.value, bool):
        return operand.value
    raise expansion.fail("E0235", "this must be a whole number known before the run", expr.span, hint="write a number")
