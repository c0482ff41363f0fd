"""Names and types of a linked program: what a name stands for, and what a written type means.

`lookup` follows a name or an attribute through scopes; `type_of` turns a written type into one of
`types`; `prompt_type` and `prompt_ir` read a prompt's declaration. The checker and the expander share
them, so both see the same meaning.

Codes:
    E0204  a type that does not exist
    E0205  a type whose arguments are missing, too many or of the wrong kind
    E0206  a record that contains itself, or a pool where a plain type belongs
"""

from __future__ import annotations

from ttscale.compiler import ast, ast_expressions, ir, types
from ttscale.compiler.diagnostics import Diagnostic, suggest
from ttscale.compiler.scope import Linked, ModuleScope, Symbol
from ttscale.compiler.source import Span

SIMPLE: dict[str, types.Type] = {
    "Text": types.TEXT,
    "Int": types.INT,
    "Float": types.FLOAT,
    "Bool": types.BOOL,
    "Number": types.NUMBER,
    "Math": types.MATH,
    "Chat": types.CHAT,
    "Row": types.ROW,
    "Model": types.ModelType(),
    "Prompt": types.PromptType((), types.ANY),
}
TYPE_NAMES = (*SIMPLE, "Choice", "Code", "Json", "Answers")

ELSEWHERE = {
    "String": "Text",
    "string": "Text",
    "Str": "Text",
    "str": "Text",
    "Integer": "Int",
    "Double": "Float",
    "Real": "Float",
    "Decimal": "Number",
    "Boolean": "Bool",
    "boolean": "Bool",
    "bool": "Bool",
    "integer": "Int",
    "number": "Number",
    "double": "Float",
    "dict": "Json(…)",
    "Dict": "Json(…)",
    "Any": "Text",
    "list": "[Text]",
    "Literal": "Choice(…)",
    "Enum": "Choice(…)",
    "List": "[Text]",
    "Array": "[Text]",
    "Optional": "Text?",
    "Object": "Json(…)",
    "Messages": "Chat",
    "Pool": "Answers[…]",
}
"""What the types of other languages are called here."""


def is_broken(symbol: Symbol) -> bool:
    """Whether a symbol's declaration already has an error, so that nothing more is said about it."""
    return isinstance(symbol.declaration, ast.BadDecl)


def lookup(expr: ast_expressions.Expr, scope: ModuleScope, linked: Linked) -> Symbol | None:
    """What a name (`small`) or a member of a module (`p.solve_number`) stands for; None where it is neither.

    A member of a module that could not be loaded is the module's own broken symbol.
    """
    if isinstance(expr, ast_expressions.Name):
        return scope.names.get(expr.name)
    if isinstance(expr, ast_expressions.Attribute):
        owner = lookup(expr.value, scope, linked)
        if owner is None or owner.kind != "module":
            return None
        if is_broken(owner):
            return owner
        return linked.modules[owner.module].exported(expr.name)
    return None


# --- types ---------------------------------------------------------------------------------------


def type_of(
    written: ast_expressions.TypeExpr, scope: ModuleScope, linked: Linked, inside: tuple[str, ...] = ()
) -> tuple[types.Type, list[Diagnostic]]:
    """The type that is written, and what is wrong with it; `types.ANY` stands where it is wrong.

    `inside` names the records being read, to notice one that contains itself.
    """
    match written:
        case ast_expressions.ListType(item=item):
            inner, found = type_of(item, scope, linked, inside)
            return types.ListOf(inner), found + _no_pool(inner, item.span)
        case ast_expressions.OptionalType(item=item):
            inner, found = type_of(item, scope, linked, inside)
            inner = inner.item if isinstance(inner, types.Optional) else inner
            return types.Optional(inner), found + _no_pool(inner, item.span)
        case ast_expressions.RecordType(fields=fields):
            return _record("", fields, scope, linked, inside)
        case ast_expressions.TypeName():
            return _named_type(written, scope, linked, inside)


def _named_type(
    written: ast_expressions.TypeName, scope: ModuleScope, linked: Linked, inside: tuple[str, ...]
) -> tuple[types.Type, list[Diagnostic]]:
    name = written.name
    if name == "Choice":
        return choice_type(written)
    if name == "Code":
        return _code(written)
    if name == "Json":
        return _json(written, scope, linked)
    if name == "Text":
        return _text(written)
    if name == "Answers":
        if len(written.items) != 1 or written.args:
            return types.ANY, [_bad(written.span, "`Answers` needs the type of its answers", "write `Answers[Number]`")]
        inner, found = type_of(written.items[0], scope, linked, inside)
        return types.Answers(inner), found + _no_pool(inner, written.items[0].span)
    if written.items or written.args:
        if name in SIMPLE or name in scope.names:
            return types.ANY, [_bad(written.span, f"`{name}` takes no arguments", f"write `{name}`")]
    elif name in SIMPLE:
        return SIMPLE[name], []
    symbol = _record_symbol(name, scope, linked)
    if symbol is not None:
        if is_broken(symbol):
            return types.ANY, []
        if isinstance(symbol.declaration, ast.RecordDecl):
            path = f"{symbol.module}#{symbol.name}"
            if path in inside:
                return types.ANY, [
                    Diagnostic(
                        "E0206",
                        f"record `{symbol.name}` contains itself",
                        written.span,
                        label="a value of it would never end",
                        hint=f"leave the field out, or give it a type other than `{symbol.name}`",
                    )
                ]
            home = linked.scope_of(symbol)
            return _record(symbol.name, symbol.declaration.fields, home, linked, (*inside, path))
        return types.ANY, [
            Diagnostic(
                "E0204",
                f"`{name}` is a {symbol.kind}, not a type",
                written.span,
                hint="types are Text, Number, Choice(…), [T], a record, …",
            )
        ]
    held = next((item.name for item in written.items if isinstance(item, ast_expressions.TypeName)), "")
    return types.ANY, [_unknown_type(name, written.span, scope, held)]


def _record_symbol(name: str, scope: ModuleScope, linked: Linked) -> Symbol | None:
    """The symbol of a type's name, which may be dotted (`forms.Invoice`)."""
    owner, _, member = name.rpartition(".")
    if not owner:
        return scope.names.get(name)
    module = scope.names.get(owner)
    if module is None or module.kind != "module":
        return None
    return module if is_broken(module) else linked.modules[module.module].exported(member)


def _unknown_type(name: str, span: Span, scope: ModuleScope, held: str = "") -> Diagnostic:
    """`held` is the name of the type in its brackets: `Optional[Number]`."""
    records = [n for n, s in scope.names.items() if s.kind == "record"]
    inner = f"`{held}?`" if name == "Optional" else f"`[{held}]`"
    if name in ("Optional", "List", "Array", "list", "Sequence") and held:
        hint = f"here it is written {inner}"
    elif name in ELSEWHERE:
        hint = f"here it is called `{ELSEWHERE[name]}`"
    elif (near := suggest(name, [*TYPE_NAMES, *records])) is not None:
        hint = f"did you mean `{near}`?"
    else:
        hint = f"known types are {', '.join([*TYPE_NAMES, *records])}, [T], T? and records"
    return Diagnostic("E0204", f"there is no type `{name}`", span, hint=hint)


def _bad(span: Span, message: str, hint: str) -> Diagnostic:
    return Diagnostic("E0205", message, span, hint=hint)


def _no_pool(inner: types.Type, span: Span) -> list[Diagnostic]:
    if isinstance(inner, types.Answers):
        message = "a pool cannot be part of another type"
        return [Diagnostic("E0206", message, span, hint=f"write `[{inner.item}]` or `{inner}` alone")]
    return []


def _record(
    name: str, fields: tuple[ast_expressions.FieldDef, ...], scope: ModuleScope, linked: Linked, inside: tuple[str, ...]
) -> tuple[types.Type, list[Diagnostic]]:
    found: list[Diagnostic] = []
    made: list[types.Field] = []
    for item in fields:
        kind, more = type_of(item.type, scope, linked, inside)
        found += more + _no_pool(kind, item.type.span)
        made.append(types.Field(item.name, kind, item.doc))
    return types.Record(name, tuple(made)), found


def choice_type(written: ast_expressions.TypeName) -> tuple[types.Type, list[Diagnostic]]:
    """`Choice(yes, no)`, `Choice("A".."E")`: the labels in the order written."""
    labels: list[str] = []
    for arg in written.args:
        match arg.value:
            case _ if arg.name is not None:
                return types.ANY, [_bad(arg.span, "a Choice takes labels only", "write `Choice(yes, no)`")]
            case ast_expressions.Name(name=name):
                labels.append(name)
            case ast_expressions.LiteralValue(value=str(text)):
                labels.append(text)
            case ast_expressions.LiteralValue(value=bool() | int(), raw=raw):
                labels.append(raw)
            case ast_expressions.Range(
                low=ast_expressions.LiteralValue(value=str(low)), high=ast_expressions.LiteralValue(value=str(high))
            ) if len(low) == len(high) == 1 and low <= high:
                labels += [chr(code) for code in range(ord(low), ord(high) + 1)]
            case _:
                hint = 'labels are names or texts, such as `Choice(yes, no)` or `Choice("A".."E")`'
                return types.ANY, [_bad(arg.value.span, "this is not a label of a Choice", hint)]
    if not labels:
        return types.ANY, [_bad(written.span, "`Choice` needs its labels", "write `Choice(yes, no)`")]
    twice = next((label for label in labels if labels.count(label) > 1), None)
    if twice is not None:
        return types.ANY, [_bad(written.span, f"label `{twice}` stands twice in this Choice", "keep one of them")]
    return types.Choice(tuple(labels)), []


def _code(written: ast_expressions.TypeName) -> tuple[types.Type, list[Diagnostic]]:
    match written.args:
        case (ast_expressions.Arg(name=None, value=ast_expressions.Name(name=name)),):
            return types.Code(name), []
        case (ast_expressions.Arg(name=None, value=ast_expressions.LiteralValue(value=str(name))),):
            return types.Code(name), []
    return types.ANY, [_bad(written.span, "`Code` needs its language", "write `Code(python)`")]


def _json(written: ast_expressions.TypeName, scope: ModuleScope, linked: Linked) -> tuple[types.Type, list[Diagnostic]]:
    match written.args:
        case (ast_expressions.Arg(name=None, value=ast_expressions.LiteralValue(value=str(schema))),) if (
            schema and not schema.startswith("#")
        ):
            path, _, part = schema.partition("#")
            file = linked.schemas.get((scope.name, path))
            return types.Json(path, "" if file is None else file.canonical, part), []
    hint = 'write `Json("form.schema.json")`, or use a record'
    return types.ANY, [_bad(written.span, "`Json` needs the file of its schema", hint)]


def _text(written: ast_expressions.TypeName) -> tuple[types.Type, list[Diagnostic]]:
    match written.args:
        case () if not written.items:
            return types.TEXT, []
        case (ast_expressions.Arg(name="max", value=ast_expressions.LiteralValue(value=int(limit))),) if (
            limit is not True and limit > 0
        ):
            return types.Text(limit), []
        case (ast_expressions.Arg(name="max", value=ast_expressions.Quantity(amount=amount, unit="")),) if amount > 0:
            return types.Text(int(amount)), []
    hint = "write `Text`, or `Text(max: 2k)` for at most 2,000 tokens"
    return types.ANY, [_bad(written.span, "`Text` takes `max:` and a number of tokens, nothing else", hint)]


def param_type(param: ast.Param, scope: ModuleScope, linked: Linked) -> tuple[types.Type, list[Diagnostic]]:
    """A parameter's type; a bare `Choice` takes its labels from the domain, `[Model]` is a list of models."""
    match param.type, param.domain:
        case ast_expressions.TypeName(name="Choice", items=(), args=()), ast.SetDomain(items=items):
            written = ast_expressions.TypeName(
                "Choice", (), tuple(ast_expressions.Arg(None, item, item.span) for item in items), param.type.span
            )
            return choice_type(written)
    return type_of(param.type, scope, linked)


# --- prompts -------------------------------------------------------------------------------------


def prompt_type(symbol: Symbol, linked: Linked) -> types.PromptType:
    """A prompt's parameters and result; what is wrong with them is reported where the prompt is checked."""
    if not isinstance(symbol.declaration, ast.PromptDecl):
        return types.PromptType((), types.ANY)
    scope = linked.scope_of(symbol)
    params = tuple((p.name, type_of(p.type, scope, linked)[0]) for p in symbol.declaration.params)
    return types.PromptType(params, type_of(symbol.declaration.result, scope, linked)[0])


def prompt_ir(symbol: Symbol, linked: Linked) -> ir.Prompt:
    """A prompt as the runtime reads it. Raises TypeError if the symbol is not a prompt."""
    declaration = symbol.declaration
    if not isinstance(declaration, ast.PromptDecl):
        raise TypeError(f"{symbol.name} is a {symbol.kind}, not a prompt")
    signature = prompt_type(symbol, linked)
    parts: list[ir.PromptPart] = []
    for part in declaration.parts:
        if part.template is not None:
            template = part.template
            parts.append(ir.PromptPart(part.role, template.text, template.span, template.offsets))
        else:
            parts.append(ir.PromptPart("chat", part.chat or "", part.span))
    settings = tuple((arg.name or "", literal(arg.value)) for arg in declaration.settings)
    return ir.Prompt(declaration.name, signature.params, signature.result, tuple(parts), settings, declaration.span)


def literal(expr: ast_expressions.Expr) -> object:
    """The value of an expression that is written out: numbers, texts, names (as their text), lists, maps, `up to N`.

    Quantities are in base units. None for `none` and for what is not written out.
    """
    match expr:
        case ast_expressions.LiteralValue(value=value):
            return value
        case ast_expressions.Quantity(amount=amount):
            return amount
        case ast_expressions.Name(name=name):
            return name
        case ast_expressions.Unary(op="-", operand=operand):
            number = literal(operand)
            return -number if isinstance(number, int | float) else None
        case ast_expressions.ListExpr(items=items):
            return tuple(literal(item) for item in items)
        case ast_expressions.MapExpr(entries=entries):
            return tuple((entry.key, literal(entry.value)) for entry in entries)
        case ast_expressions.UpTo(limit=limit):
            most = literal(limit)
            return ir.UpTo(int(most)) if isinstance(most, int | float) else None
    return None
