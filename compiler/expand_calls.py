"""Calls that are not stages: prompts filled with arguments, functions, and pipelines inlined.

A call to a pipeline leaves no node of its own: its stages stand below the caller's path, with the call's
span in their `origin`. Its parameters are those passed, else their defaults.
"""

from __future__ import annotations

from dataclasses import replace

from ttscale.compiler import ast, ast_expressions, ir, sizes
from ttscale.compiler.constants import apply
from ttscale.compiler.expand_nodes import apart, choose, condition, is_mixed, under
from ttscale.compiler.expansion import (
    Expansion,
    Frame,
    Listing,
    Named,
    Plain,
    Pool,
    PromptValue,
    Site,
    Value,
    many_where_one,
    one,
    type_of_value,
    unknown_option,
)
from ttscale.compiler.resolve_types import literal, param_type, type_of
from ttscale.compiler.schema_types import as_list
from ttscale.compiler.scope import ModuleScope, Symbol
from ttscale.compiler.signatures import FunctionSignature
from ttscale.compiler.source import Span
from ttscale.compiler.types import BOOL, FLOAT, INT, TEXT, Answers, Choice, ListOf, Text, Type

POOLS = ("pool", "parts", "answers", "list")
"""What a function takes a whole pool for."""

FUNCTION_TYPES: dict[str, Type] = {"Text": TEXT, "Float": FLOAT, "Int": INT, "Bool": BOOL}


def prompt_value(expansion: Expansion, symbol: Symbol) -> PromptValue:
    """A declared prompt, with its parameters' defaults."""
    prompt = expansion.prompt(symbol)
    defaults: list[tuple[str, ir.Operand]] = []
    if isinstance(symbol.declaration, ast.PromptDecl):
        for field in symbol.declaration.params:
            if field.default is not None:
                defaults.append((field.name, ir.Const(literal(field.default))))
    return PromptValue(ir.Filled(prompt), False, tuple(defaults))


def fill_prompt(
    expansion: Expansion, value: PromptValue, call: ast_expressions.Call, frame: Frame, site: Site
) -> PromptValue:
    """A prompt with the arguments of a call; by position first, then by name."""
    prompt = value.filled.prompt
    kinds = dict(prompt.params)
    names = [name for name, _ in prompt.params if name not in dict(value.filled.args)]
    args = dict(value.filled.args)
    for arg in call.args:
        name = arg.name if arg.name is not None else (names[0] if names else "")
        if name not in kinds:
            hint = unknown_option(name, kinds) if name else f"it takes {', '.join(kinds) or 'none'}"
            raise expansion.fail("E0211", f"`{prompt.name}` has no such argument", arg.span, hint=hint)
        if name in names:
            names.remove(name)
        inner = expansion.evaluate(arg.value, frame, site.inner())
        args[name] = argument(expansion, inner, kinds[name], arg.value.span)
    ordered = tuple((name, args[name]) for name, _ in prompt.params if name in args)
    return PromptValue(ir.Filled(prompt, ordered), True, value.defaults)


def argument(expansion: Expansion, value: Value, kind: Type, span: Span) -> ir.Operand:
    """The operand for an argument of type `kind`: a `[T]` takes a pool whole, a `T` its one value."""
    if isinstance(value, Pool):
        if isinstance(kind, ListOf | Answers) and not (isinstance(value.item, ListOf) and value.size.high <= 1):
            return value.operand
        if value.size.high > 1:
            raise many_where_one(expansion, value, span)
        return value.operand
    return one(expansion, value, span)


def call_function(
    expansion: Expansion,
    call: ast_expressions.Call,
    function: FunctionSignature,
    piped: Value | None,
    frame: Frame,
    site: Site,
) -> Value:
    """`text(x)`, `agreement(pool)`: an operand for the runtime, or its value when that is known."""
    values = [] if piped is None else [(piped, call.span)]
    values += [(expansion.evaluate(arg.value, frame, site.inner()), arg.value.span) for arg in call.args]
    if not values and frame.own:
        operands: tuple[ir.Operand, ...] = (ir.Own(),)
    elif function.name == "fill" and len(values) > 1 and isinstance(known := values[1][0], Pool) and is_mixed(known):
        path = expansion.claim(site.inner().path("known"))
        operands = (one(expansion, *values[0]), apart(expansion, known, frame, path, values[1][1]))
    else:
        operands = tuple(
            value.operand if takes in POOLS and isinstance(value, Pool) else one(expansion, value, span)
            for (value, span), takes in zip(values, function.takes, strict=False)
        )
    kind = FUNCTION_TYPES.get(function.gives, TEXT)
    if function.name == "combinations":
        given = type_of_value(values[0][0])
        given = given.item if isinstance(given, Answers) and not isinstance(as_list(given.item), ListOf) else given
        listed = as_list(given.item if isinstance(given, Answers) else given)
        kind = ListOf(listed if isinstance(listed, ListOf) else ListOf(given))
    return Plain(apply(function.name, operands, call.span), kind)


def call_pipeline(
    expansion: Expansion, call: ast_expressions.Call, symbol: Symbol, piped: Value | None, frame: Frame, site: Site
) -> Value:
    """The value of an inlined pipeline."""
    declaration = symbol.declaration
    assert isinstance(declaration, ast.PipelineDecl)
    key = f"{symbol.module}#{symbol.name}"
    if key in frame.calls:
        hint = "write the rounds as a `repeat`, which is bounded"
        raise expansion.fail("E0237", f"pipeline `{symbol.name}` calls itself", call.span, hint=hint)
    settled = condition(expansion, call.when, frame, site)
    if settled is False:
        return piped if piped is not None else Pool(ir.Const(()), TEXT, sizes.EMPTY)
    guards = () if settled is True else (ir.Guard(settled, (True,)),)
    outer = frame.guarded(*guards)
    home = expansion.linked.scope_of(symbol)
    inner = Frame(
        module=home,
        names=_bind_call(expansion, call, declaration, symbol, piped, frame, site),
        guards=outer.guards,
        origin=(*frame.origin, call.span),
        calls=(*frame.calls, key),
    )
    inner = replace(inner, question=_question(declaration, inner) or frame.question)
    scope = expansion.claim(site.path(symbol.name) + "/")[:-1] if site.name is None else site.path(symbol.name)
    value = expansion.evaluate_body(declaration, inner, scope, call.span)
    if settled is True:
        return value
    arms = [under(expansion, value, outer, scope, call.span)]
    if piped is not None:
        arms.append(piped)
    return choose(expansion, arms, frame, expansion.claim(scope), call.span, complete=piped is not None)


def _bind_call(
    expansion: Expansion,
    call: ast_expressions.Call,
    declaration: ast.PipelineDecl,
    symbol: Symbol,
    piped: Value | None,
    frame: Frame,
    site: Site,
) -> dict[str, Value]:
    """Inputs and parameters of a called pipeline, by name."""
    home = expansion.linked.scope_of(symbol)
    inputs = {field.name: field for field in declaration.inputs}
    params = {param.name: param for param in declaration.params}
    waiting = list(inputs)
    names: dict[str, Value] = {}
    given: list[tuple[str | None, Value, Span]] = [] if piped is None else [(None, piped, call.span)]
    for arg in call.args:
        given.append((arg.name, expansion.evaluate(arg.value, frame, site.inner()), arg.value.span))
    for wanted, value, span in given:
        name = wanted if wanted is not None else next((n for n in waiting if n not in names), "")
        if name in inputs:
            kind, _ = type_of(inputs[name].type, home, expansion.linked)
            whole = isinstance(kind, Answers) and isinstance(value, Pool)
            names[name] = value if whole else Plain(argument(expansion, value, kind, span), kind)
        elif name in params:
            names[name] = _param_value(expansion, params[name], value, home, span)
        else:
            hint = unknown_option(name, (*inputs, *params))
            raise expansion.fail("E0211", f"`{declaration.name}` has no such argument", span, hint=hint)
    bare = Frame(home, {}, guards=frame.guards, origin=(*frame.origin, call.span))
    for field in declaration.inputs:
        if field.name not in names and field.default is not None:
            names[field.name] = expansion.evaluate(field.default, bare, site.inner())
    for param in declaration.params:
        if param.name not in names:
            if param.default is None:
                hint = f"write `{declaration.name}(…, {param.name}: …)`"
                message = f"parameter `{param.name}` of `{declaration.name}` has no value"
                raise expansion.fail("E0555", message, call.span, hint=hint)
            value = expansion.evaluate(param.default, bare, site.inner())
            names[param.name] = _param_value(expansion, param, value, home, param.default.span)
    inner = Frame(home, names)
    for require in declaration.requires:
        if condition(expansion, require.condition, inner, site) is False:
            message = f"this call breaks a rule of `{declaration.name}`"
            raise expansion.fail("E0554", message, call.span, hint="pass other values for its parameters")
    return names


def _param_value(expansion: Expansion, param: ast.Param, value: Value, home: ModuleScope, span: Span) -> Value:
    """A parameter's value, which must be known; a bare name for a Choice is its label."""
    kind, _ = param_type(param, home, expansion.linked)
    if isinstance(value, Named) and isinstance(kind, Choice):
        return Plain(ir.Const(value.name), kind)
    if isinstance(value, Plain) and isinstance(value.operand, ir.Const):
        return Plain(value.operand, kind)
    if isinstance(value, Listing | PromptValue) or not isinstance(value, Plain | Pool | Named):
        return value
    hint = "a parameter cannot depend on what a run finds; use an input for that"
    raise expansion.fail("E0235", f"`{param.name}` must be known before the run", span, hint=hint)


def _question(declaration: ast.PipelineDecl, frame: Frame) -> ir.Operand | None:
    """The question of a called pipeline: its input of that name, else its first Text."""
    ordered = sorted(declaration.inputs, key=lambda field: field.name != "question")
    for field in ordered:
        value = frame.names.get(field.name)
        if isinstance(value, Plain) and (field.name == "question" or isinstance(value.type, Text)):
            return value.operand
    return None
