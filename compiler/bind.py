"""Binding: from a program and values given from outside to the graph of one pipeline.

    graph, diagnostics = bind(linked, "main", {"n": "8"}, {"small": model_from_locator("small", "x.gguf")})

Values are Python values or texts as typed on a command line (`--param n=8`, `--param judge=a`,
`--param models=a,b`). What is not given has its default.

The graph has been through all `passes`. The stages' standard prompts (`judge_answer`, `rank_answers`, …) are those of
the module `std/stages` where the program links it; a loader that keeps them elsewhere passes them as `std`, by name.

Codes:
    E0550  a pipeline that does not exist, or no pipeline at all
    E0551  a parameter that the pipeline does not have
    E0552  a value of the wrong kind for its parameter
    E0553  a value outside its parameter's domain
    E0554  a `require` that does not hold
    E0555  a parameter without a value
    E0557  a model that the program does not declare
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ttscale.compiler import ast, ir
from ttscale.compiler.diagnostics import Diagnostic, suggest
from ttscale.compiler.domains import Domain, domain_of, show
from ttscale.compiler.expand import begin, expand
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
from ttscale.compiler.feasible import infeasible
from ttscale.compiler.literals import BadLiteral, read_number
from ttscale.compiler.oversize import certain
from ttscale.compiler.passes import optimise
from ttscale.compiler.resolve_types import literal, param_type
from ttscale.compiler.scope import Linked, Symbol
from ttscale.compiler.source import Span
from ttscale.compiler.types import BOOL, FLOAT, INT, NUMBER, Choice, ListOf, ModelType, PromptType, Text, Type

if TYPE_CHECKING:
    from ttscale.compiler.driver import Checked


def bind(
    program: Checked | Linked,
    pipeline: str | None = None,
    params: Mapping[str, object] | None = None,
    models: Mapping[str, ir.Model] | None = None,
    *,
    std: Mapping[str, ir.Prompt] | None = None,
) -> tuple[ir.Graph | None, list[Diagnostic]]:
    """The graph of a pipeline with its parameters bound; None with at least one error where that cannot be.

    `pipeline` None is `main`, or the only one of the file. `models` replaces declared models by name; the name ""
    stands for the only one.
    """
    linked = program if isinstance(program, Linked) else program.linked
    symbol, found = choose_pipeline(linked, pipeline)
    if symbol is None:
        return None, found
    replacements, found = _replacements(linked, models or {})
    if found:
        return None, found
    return bind_symbol(linked, symbol, params or {}, replacements, std=std)


def bind_symbol(
    linked: Linked,
    symbol: Symbol,
    params: Mapping[str, object],
    models: Mapping[str, ir.Model],
    *,
    std: Mapping[str, ir.Prompt] | None = None,
) -> tuple[ir.Graph | None, list[Diagnostic]]:
    """As `bind`, for the declaration `symbol`; `models` are by declared name."""
    space = space_of(linked, symbol, models)
    values, names, found = bound_values(space, params)
    if not found:
        found += broken_rules(space, values)
    if found:
        return None, found
    graph, found, oversized = expand(linked, symbol, values, names, models=models, std=std, named=space.expansion)
    found = [*found, *(certain(note, "with these parameters") for note in oversized)]
    if graph is not None:
        graph = optimise(graph)
        found += infeasible(graph, symbol)
    if any(d.severity == "error" for d in found):
        return None, found
    return graph, found


def choose_pipeline(linked: Linked, name: str | None) -> tuple[Symbol | None, list[Diagnostic]]:
    """The pipeline that is meant: the one named, else `main`, else the only one of the file."""
    known = {n: s for n, s in linked.main.names.items() if s.kind == "pipeline" and _is_whole(s)}
    if name is not None:
        symbol = _dotted(linked, name) or known.get(name)
        if symbol is not None:
            return symbol, []
        near = suggest(name, known)
        hint = f"did you mean `{near}`?" if near else (f"it has {', '.join(known)}" if known else "declare one")
        return None, [Diagnostic("E0550", f"there is no pipeline `{name}`", None, hint=hint)]
    if "main" in known:
        return known["main"], []
    if len(known) == 1:
        return next(iter(known.values())), []
    if known:
        hint = f"say which one: {', '.join(known)}"
        return None, [Diagnostic("E0550", "this file has several pipelines and no `main`", None, hint=hint)]
    hint = "add `pipeline main(question: Text) -> Text { return … }`"
    return None, [Diagnostic("E0550", "this file has no pipeline", None, hint=hint)]


def _is_whole(symbol: Symbol) -> bool:
    return isinstance(symbol.declaration, ast.PipelineDecl)


def _dotted(linked: Linked, name: str) -> Symbol | None:
    """A pipeline of an imported module, `inner.main`."""
    owner, _, member = name.partition(".")
    module = linked.main.names.get(owner)
    if not member or module is None or module.kind != "module" or module.module not in linked.modules:
        return None
    symbol = linked.modules[module.module].exported(member)
    return symbol if symbol is not None and symbol.kind == "pipeline" and _is_whole(symbol) else None


def _replacements(linked: Linked, models: Mapping[str, ir.Model]) -> tuple[dict[str, ir.Model], list[Diagnostic]]:
    """Models given from outside by the name that they take the place of."""
    declared = [s.name for m in linked.modules.values() for s in m.names.values() if s.kind == "model"]
    known = list(dict.fromkeys(declared))
    found: list[Diagnostic] = []
    chosen: dict[str, ir.Model] = {}
    for name, model in models.items():
        if name == "" and len(known) == 1:
            chosen[known[0]] = replace(model, name=known[0])
        elif name in known:
            chosen[name] = replace(model, name=name)
        else:
            near = suggest(name, known) if name else None
            hint = f"did you mean `{near}`?" if near else f"it declares {', '.join(known) or 'none'}"
            message = f"this program declares no model `{name}`" if name else "say which model is to be replaced"
            found.append(Diagnostic("E0557", message, None, hint=hint))
    return chosen, found


# --- the space of parameters ---------------------------------------------------------------------


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


def _name_expr(text: str, span: Span) -> ast.Expr:
    parts = text.split(".")
    expr: ast.Expr = ast.Name(parts[0], span)
    for part in parts[1:]:
        expr = ast.Attribute(expr, part, span)
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
            known = ", ".join(space.params)
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


def plain_form(expr: ast.Expr) -> object:
    """The plain form of a value that is written out."""
    if isinstance(expr, ast.Attribute):
        return f"{plain_form(expr.value)}.{expr.name}"
    if isinstance(expr, ast.ListExpr):
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
