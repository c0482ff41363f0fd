"""The parameters of a pipeline: their types and domains, and values for them from outside.

A value's *plain form* is what a person would type: a number, a text, a label, the name of a model or prompt, a tuple of
such. Values are Python values, or texts as on a command line (`n=8`, `judge=a`, `team=a,b`).

Codes:
    E0551  a parameter that the pipeline does not have
    E0552  a value of the wrong kind for its parameter
    E0553  a value outside its parameter's domain
    E0554  a `require` that does not hold
    E0555  a parameter without a value
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ttscale.compiler import ast, ast_expressions, ir
from ttscale.compiler.diagnostics import Diagnostic, suggest
from ttscale.compiler.domains import Domain, domain_of, show
from ttscale.compiler.expand import begin
from ttscale.compiler.expand_nodes import condition
from ttscale.compiler.expansion import (
    Expansion,
    Frame,
    Listing,
    ModelValue,
    Plain,
    PromptValue,
    Site,
    Stop,
    Value,
)
from ttscale.compiler.frozen import dataclass
from ttscale.compiler.literals import BadLiteral, read_number
from ttscale.compiler.resolve_types import literal, param_type
from ttscale.compiler.scope import Linked, Symbol
from ttscale.compiler.source import Span
from ttscale.compiler.types import BOOL, FLOAT, INT, NUMBER, Choice, ListOf, ModelType, PromptType, Text, Type


@dataclass(frozen=True)
class Space:
    """A pipeline's parameters with their types and domains, in order, ready to take values."""

    linked: Linked
    symbol: Symbol
    declaration: ast.PipelineDecl
    kinds: Mapping[str, Type]
    domains: Mapping[str, Domain | None]
    expansion: Expansion
    frame: Frame

    @property
    def params(self) -> Mapping[str, ast.Param]:
        """The parameters' declarations by name."""
        return {param.name: param for param in self.declaration.params}


def space_of(linked: Linked, symbol: Symbol, models: Mapping[str, ir.Model] | None = None) -> Space:
    """The parameter space of a pipeline."""
    declaration = symbol.declaration
    assert isinstance(declaration, ast.PipelineDecl)
    home = linked.scope_of(symbol)
    kinds = {p.name: param_type(p, home, linked)[0] for p in declaration.params}
    domains = {p.name: domain_of(p, kinds[p.name]) for p in declaration.params}
    expansion = begin(linked, models or {}, {})
    return Space(linked, symbol, declaration, kinds, domains, expansion, Frame(home, {}))


def value_of(space: Space, name: str, plain: object) -> Value:
    """A parameter's value for the expander from its plain form (a number, a text, a name, a tuple of names)."""
    kind = space.kinds[name]
    if isinstance(kind, ListOf) and isinstance(plain, tuple):
        return Listing(tuple(_named(space, name, kind.item, part) for part in plain))
    return _named(space, name, kind, plain)


def _named(space: Space, name: str, kind: Type, plain: object) -> Value:
    if isinstance(kind, ModelType | PromptType):
        expr = _name_expr(str(plain), space.params[name].span)
        value = space.expansion.evaluate(expr, space.frame, Site(name))
        if isinstance(value, ModelValue | PromptValue):
            return value
        raise Stop
    if kind == FLOAT and isinstance(plain, int) and not isinstance(plain, bool):
        return Plain(ir.Const(float(plain)), kind)
    return Plain(ir.Const(plain), kind)


def _name_expr(text: str, span: Span) -> ast_expressions.Expr:
    parts = text.split(".")
    expr: ast_expressions.Expr = ast_expressions.Name(parts[0], span)
    for part in parts[1:]:
        expr = ast_expressions.Attribute(expr, part, span)
    return expr


def bound_values(
    space: Space, given: Mapping[str, object]
) -> tuple[dict[str, Value], dict[str, object], list[Diagnostic]]:
    """Every parameter's value, and its plain form, from what is given and the defaults."""
    found: list[Diagnostic] = []
    values: dict[str, Value] = {}
    names: dict[str, object] = {}
    for name in given:
        if name not in space.params:
            near = suggest(name, space.params)
            known = ", ".join(f"`{one}`" for one in space.params)
            hint = f"did you mean `{near}`?" if near else (f"it has {known}" if known else "it has none")
            message = f"pipeline `{space.symbol.name}` has no parameter `{name}`"
            found.append(Diagnostic("E0551", message, space.declaration.name_span, hint=hint))
    for name, param in space.params.items():
        if name in given:
            plain, wrong = _read(space, param, given[name])
            if wrong is not None:
                found.append(wrong)
                continue
        else:
            plain = default_of(space, param)
            if plain is None and param.default is None:
                hint = f"give it one: `--param {name}=…`"
                found.append(Diagnostic("E0555", f"parameter `{name}` has no value", param.name_span, hint=hint))
                continue
        try:
            values[name] = value_of(space, name, plain)
        except Stop:
            found += [d for d in space.expansion.diagnostics if d not in found] or [_wrong_kind(space, param, plain)]
            continue
        names[name] = plain
    return values, names, found


def default_of(space: Space, param: ast.Param) -> object:
    """A parameter's default in plain form: a list of models is a tuple of names, `p.a` the text "p.a"."""
    if param.default is None:
        domain = space.domains[param.name]
        return domain.values()[0] if domain is not None and domain.values() else None
    return plain_form(param.default)


def plain_form(expr: ast_expressions.Expr) -> object:
    """The plain form of a value that is written out."""
    if isinstance(expr, ast_expressions.Attribute):
        return f"{plain_form(expr.value)}.{expr.name}"
    if isinstance(expr, ast_expressions.ListExpr):
        return tuple(plain_form(item) for item in expr.items)
    return literal(expr)


def broken_rules(space: Space, values: Mapping[str, Value]) -> list[Diagnostic]:
    """One error for each `require` that these values break."""
    frame = replace(space.frame, names=dict(values))
    found: list[Diagnostic] = []
    for require in space.declaration.requires:
        try:
            settled = condition(space.expansion, require.condition, frame, Site("require"))
        except Stop:
            return list(space.expansion.diagnostics)
        if settled is False:
            text = space.expansion.text(require.condition.span)
            now = ", ".join(f"{name} = {show(_plain_of(value))}" for name, value in values.items() if name in text)
            hint = "choose other values for its parameters"
            message = f"`require {text}` does not hold"
            found.append(Diagnostic("E0554", message, require.span, label=now, hint=hint))
    return found


def _plain_of(value: Value) -> object:
    match value:
        case Plain(operand=ir.Const(value=plain)):
            return plain
        case ModelValue(model=model):
            return model.name
        case PromptValue(filled=filled):
            return filled.prompt.name
        case Listing(items=items):
            return tuple(_plain_of(item) for item in items)
    return None


def wrong_value(space: Space, name: str, plain: object) -> Diagnostic | None:
    """What is wrong with a value for a parameter, in plain form; None where it may have it."""
    return _read(space, space.params[name], plain)[1]


# --- reading what is given -----------------------------------------------------------------------


def _read(space: Space, param: ast.Param, raw: object) -> tuple[object, Diagnostic | None]:
    """A given value in plain form, in its domain; or what is wrong with it."""
    kind = space.kinds[param.name]
    plain = _parsed(raw, kind)
    if plain is None:
        return None, _wrong_kind(space, param, raw)
    domain = space.domains[param.name]
    if domain is not None and not domain.contains(plain):
        message = f"`{param.name}` cannot be {show(plain)}"
        hint = f"it is {domain.words()}"
        span = param.domain.span if param.domain is not None else param.span
        return None, Diagnostic("E0553", message, span, label="outside this domain", hint=hint)
    return plain, None


def _wrong_kind(space: Space, param: ast.Param, raw: object) -> Diagnostic:
    kind = space.kinds[param.name]
    domain = space.domains[param.name]
    hint = f"it is {domain.words()}" if domain is not None else f"give a value of type {kind}"
    message = f"`{param.name}` is {kind}, and {show(raw)} is not"
    return Diagnostic("E0552", message, param.name_span, hint=hint)


def _parsed(raw: object, kind: Type) -> object:
    """`raw` as a value of `kind`, or None."""
    if isinstance(kind, ListOf):
        parts = [part.strip() for part in raw.strip("[]").split(",")] if isinstance(raw, str) else raw
        if not isinstance(parts, list | tuple) or not parts:
            return None
        items = tuple(_parsed(part, kind.item) for part in parts)
        return None if any(item is None for item in items) else items
    if isinstance(raw, ir.Model):
        return raw.name if isinstance(kind, ModelType) else None
    text = raw.strip() if isinstance(raw, str) else None
    if kind == BOOL:
        return _bool(raw if text is None else text.lower())
    if kind in (INT, FLOAT, NUMBER):
        number = _number(raw if text is None else text)
        if number is None or kind != INT:
            return float(number) if number is not None and kind == FLOAT else number
        return int(number) if float(number).is_integer() else None
    if isinstance(kind, Text):
        return raw if isinstance(raw, str) else None
    if isinstance(kind, Choice):
        if isinstance(raw, bool):
            return str(raw).lower()
        return str(raw) if text is None else text
    if isinstance(kind, ModelType | PromptType):
        return text or None
    return raw


def _bool(raw: object) -> bool | None:
    if isinstance(raw, bool):
        return raw
    return {
        "true": True,
        "yes": True,
        "on": True,
        "1": True,
        "false": False,
        "no": False,
        "off": False,
        "0": False,
    }.get(str(raw))


def _number(raw: object) -> int | float | None:
    if isinstance(raw, bool):
        return None
    if isinstance(raw, int | float):
        return raw
    if not isinstance(raw, str):
        return None
    sign, digits = (-1, raw[1:]) if raw.startswith("-") else (1, raw)
    try:
        return sign * read_number(digits)[0]
    except (BadLiteral, AssertionError):
        return None
