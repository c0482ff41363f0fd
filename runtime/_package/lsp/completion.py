"""What could stand at the cursor: keywords, stages, arguments, rules, names and members of modules."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from lsprotocol import types as lsp
from ttscale.compiler.driver import Checked
from ttscale.compiler.resolve import EDITION, STD_MODULES, is_broken
from ttscale.compiler.resolve_types import TYPE_NAMES
from ttscale.compiler.scope import Symbol
from ttscale.compiler.signatures import FUNCTIONS, RULES, SIGNATURES, Parameter, Signature
from ttscale.lsp.cursor import Cursor, OpenCall
from ttscale.lsp.hover import called, heading, in_braces, inputs_of
from ttscale.lsp.words import (
    CLAUSES,
    DECLARATIONS,
    EXPRESSIONS,
    STATEMENTS,
    TYPES,
    parameter_line,
    stage_names,
)

Item = lsp.CompletionItem
Kind = lsp.CompletionItemKind

SYMBOL_KINDS = {
    "model": Kind.Variable,
    "record": Kind.Struct,
    "prompt": Kind.Function,
    "dataset": Kind.Value,
    "metric": Kind.Function,
    "pipeline": Kind.Function,
    "search": Kind.Event,
    "module": Kind.Module,
    "python": Kind.Function,
}
TRACE = ("calls", "tokens", "seconds", "cost")


def complete(cursor: Cursor, checked: Checked) -> list[Item]:
    """Everything that could stand at the cursor; the editor narrows it down by the letters typed."""
    if cursor.inside == "comment":
        return []
    if cursor.inside == "text":
        return _in_template(cursor)
    if cursor.owner:
        return _members(cursor.owner, checked)
    if cursor.previous() == "." and cursor.previous(2) != ".":
        return []
    line = cursor.text[cursor.text.rfind("\n", 0, cursor.offset) + 1 : cursor.offset]
    if line.lstrip().startswith("use ") and cursor.declaration.keyword in ("use", ""):
        return _modules(checked)
    if not cursor.open:
        if cursor.first_on_line:
            return _declarations(cursor)
        return _types(checked) if _wants_type(cursor) else _values(cursor, checked)
    if _wants_type(cursor):
        return _types(checked)
    if cursor.previous(2) == "|" and cursor.previous() == ">":
        return [*_stages("pool"), *_symbols(checked, ("pipeline", "module"))]
    if cursor.call is not None:
        return _in_call(cursor, cursor.call, checked)
    if cursor.first_on_line and cursor.block in CLAUSES and cursor.previous() not in ("=", ">"):
        return [
            Item(label=word.strip(), kind=Kind.Keyword, insert_text=_spaced(word)) for word in CLAUSES[cursor.block]
        ]
    if (
        cursor.first_on_line
        and cursor.block in ("pipeline", "repeat", "map")
        and cursor.previous() not in ("=", ">", ",", "(", "[")
    ):
        return [*_words(STATEMENTS), *_names(cursor)]
    if cursor.block in ("record", "budget"):
        return []
    return _values(cursor, checked)


# --- places ---------------------------------------------------------------------------------------


def _in_template(cursor: Cursor) -> list[Item]:
    """Inside a prompt's text: its inputs, between braces only."""
    if cursor.declaration.keyword != "prompt" or not in_braces(cursor):
        return []
    inputs = [Item(label=given.name, kind=Kind.Variable) for given in cursor.names if given.kind == "input"]
    return [*inputs, Item(label="output_format", kind=Kind.Variable, detail="the form of the answer, for the model")]


def _members(owner: str, checked: Checked) -> list[Item]:
    """Behind `p.`: what the module declares."""
    if owner == "trace":
        return [Item(label=name, kind=Kind.Field) for name in TRACE]
    symbol = checked.linked.main.names.get(owner)
    if symbol is None or symbol.kind != "module" or symbol.module not in checked.linked.modules:
        return []
    module = checked.linked.modules[symbol.module]
    own = [found for name in module.names if (found := module.exported(name)) is not None]
    return [_symbol_item(found.name, found, checked) for found in own if not is_broken(found)]


def _modules(checked: Checked) -> list[Item]:
    """Behind `use`: the standard library and the files beside this one."""
    items = [Item(label=f"{name}@1", kind=Kind.Module, detail="the standard library") for name in STD_MODULES]
    own = Path(checked.linked.entry)
    beside = sorted(own.parent.glob("*.tts")) if own.is_file() else []
    return [*items, *(Item(label=f"./{file.stem}", kind=Kind.File) for file in beside[:200] if file.name != own.name)]


def _declarations(cursor: Cursor) -> list[Item]:
    items = _words(DECLARATIONS)
    if not cursor.text[: cursor.word_span[0]].strip():
        items.insert(0, Item(label=f"tts {EDITION}", kind=Kind.Keyword, detail="the edition of the language"))
    return items


def _wants_type(cursor: Cursor) -> bool:
    """Whether a type belongs here: behind `->`, and behind `:` in inputs, fields and parameters."""
    if cursor.previous(2) == "-" and cursor.previous() == ">":
        return True
    if cursor.previous() != ":" or cursor.first_on_line:
        return False
    if cursor.block == "record" or cursor.previous(3) == "param":
        return True
    return (
        len(cursor.open) == 1 and cursor.open[0] <= 2 and cursor.declaration.keyword in ("pipeline", "prompt", "metric")
    )


def _in_call(cursor: Cursor, call: OpenCall, checked: Checked) -> list[Item]:
    """Between the brackets of a call: argument names that are still free, or values of the argument begun."""
    if cursor.open and cursor.open[0] <= 2 and len(cursor.open) == 1:
        return []  # the inputs of a declaration: names that nobody knows yet
    signature = SIGNATURES.get(call.callee)
    rule = RULES.get(call.callee)
    parameters = signature.parameters if signature is not None else rule.parameters if rule is not None else ()
    if call.argument:
        parameter = next((p for p in parameters if p.name == call.argument), None)
        known = parameter is not None and cursor.previous() == ":"
        return (
            _for_parameter(parameter, signature, cursor, checked) if known and parameter else _values(cursor, checked)
        )
    if not call.at_start:
        return _values(cursor, checked)
    items = [_argument_item(p) for p in parameters if p.name not in call.given and p.kind != "prompt"]
    symbol = called(call.callee, checked) if not parameters else None
    for item in inputs_of(symbol):
        if item.name not in call.given:
            items.append(_named(item.name, item.doc))
    first = parameters[0] if parameters and not call.given else None
    return [*items, *(_for_parameter(first, signature, cursor, checked) if first else _values(cursor, checked))]


def _for_parameter(parameter: Parameter, signature: Signature | None, cursor: Cursor, checked: Checked) -> list[Item]:
    """Values for one argument of a stage or rule."""
    match parameter.kind:
        case "model":
            return [*_symbols(checked, ("model", "module")), *_names(cursor)]
        case "prompt" | "using":
            return [*_symbols(checked, ("prompt", "module")), *_names(cursor)]
        case "strategy":
            where = signature.name if signature is not None else "select"
            return [
                Item(label=rule.name, kind=Kind.EnumMember, documentation=rule.doc)
                for rule in RULES.values()
                if where in rule.where
            ]
        case "name":
            return [Item(label=choice, kind=Kind.EnumMember) for choice in parameter.choices]
        case "thinking":
            return [Item(label=word, kind=Kind.EnumMember) for word in ("auto", "on", "off", "up to ")]
        case "condition":
            return [*_functions(bare=True), *_names(cursor)]
        case "bool":
            return [*(Item(label=word, kind=Kind.Constant) for word in ("true", "false")), *_names(cursor)]
        case "int" | "float" | "seconds" | "text":
            extra = [Item(label="up to ", kind=Kind.Keyword)] if parameter.up_to else []
            return [*extra, *_names(cursor)]
    return _values(cursor, checked)


def _values(cursor: Cursor, checked: Checked) -> list[Item]:
    """Where any value may stand."""
    if not cursor.value_begins():
        words = ("when", "and", "or", "until", "with", "in", "step", "log", "over", "on", "as", "live")
        return [Item(label=word, kind=Kind.Keyword) for word in words]
    kinds = ("model", "prompt", "dataset", "metric", "pipeline", "module", "python")
    return [
        *_names(cursor),
        *_stages("none"),
        *_functions(bare=False),
        *_symbols(checked, kinds),
        *_words(EXPRESSIONS),
    ]


# --- items ----------------------------------------------------------------------------------------


def _spaced(word: str) -> str:
    return word if word.endswith(" ") else f"{word} "


def _words(table: dict[str, tuple[str, str]]) -> list[Item]:
    return [
        Item(
            label=word,
            kind=Kind.Keyword,
            detail=doc,
            insert_text=snippet,
            insert_text_format=lsp.InsertTextFormat.Snippet,
        )
        for word, (doc, snippet) in table.items()
    ]


def _names(cursor: Cursor) -> list[Item]:
    return [
        Item(label=given.name, kind=Kind.Variable, detail=given.kind, sort_text=f"0{given.name}")
        for given in cursor.visible()
    ]


def _stages(source: str) -> list[Item]:
    return [Item(label=s.name, kind=Kind.Method, detail=s.doc) for s in stage_names(source)]


def _functions(*, bare: bool) -> list[Item]:
    taken = [f for f in FUNCTIONS.values() if not bare or f.takes == ("pool",)]
    return [Item(label=f.name, kind=Kind.Function, detail=f"-> {f.gives}", documentation=f.doc) for f in taken]


def _types(checked: Checked) -> list[Item]:
    items = [Item(label=name, kind=Kind.Class, detail=TYPES.get(name, "")) for name in TYPE_NAMES]
    return [*items, *_symbols(checked, ("record",))]


def _symbols(checked: Checked, kinds: Iterable[str]) -> list[Item]:
    names = checked.linked.main.names
    return [_symbol_item(name, symbol, checked) for name, symbol in names.items() if symbol.kind in kinds]


def _symbol_item(name: str, symbol: Symbol, checked: Checked) -> Item:
    head = symbol.module if symbol.kind == "module" else heading(symbol.declaration, symbol, checked).split("\n")[0]
    doc = getattr(symbol.declaration, "doc", "") or None
    return Item(label=name, kind=SYMBOL_KINDS[symbol.kind], detail=head, documentation=doc)


def _argument_item(parameter: Parameter) -> Item:
    return _named(parameter.name, parameter_line(parameter).partition("` ")[2])


def _named(name: str, doc: str) -> Item:
    return Item(label=f"{name}:", kind=Kind.Property, detail=doc, insert_text=f"{name}: ", sort_text=f"!{name}")
