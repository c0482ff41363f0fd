"""What completion offers, as the protocol has it: keywords, names, stages, functions, arguments."""

from __future__ import annotations

from collections.abc import Iterable

from lsprotocol import types as lsp
from ttscale.compiler.driver import Checked
from ttscale.compiler.python_names import KIND_WORDS
from ttscale.compiler.resolve_types import TYPE_NAMES
from ttscale.compiler.scope import Symbol
from ttscale.compiler.signatures import FUNCTIONS, Parameter
from ttscale.lsp.cursor import Cursor
from ttscale.lsp.hover import heading
from ttscale.lsp.python_outline import Offered, offered_functions
from ttscale.lsp.words import TYPES, parameter_line, stage_names

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
"""What a test may ask of a run."""


def spaced(word: str) -> str:
    """A word with a blank behind it."""
    return word if word.endswith(" ") else f"{word} "


def word_items(table: dict[str, tuple[str, str]]) -> list[Item]:
    """Words of a table, each with its snippet."""
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


def given_names(cursor: Cursor, *kinds: str) -> list[Item]:
    """The names given before the cursor, of some kinds or all."""
    return [
        Item(label=given.name, kind=Kind.Variable, detail=given.kind, sort_text=f"0{given.name}")
        for given in cursor.visible()
        if not kinds or given.kind in kinds
    ]


def offered_items(checked: Checked, *kinds: str) -> list[Item]:
    """Functions of Python files, of some kinds."""
    return [offered_item(name, one) for name, one in offered_functions(checked, *kinds).items()]


def offered_item(name: str, offered: Offered) -> Item:
    """One function of a Python file."""
    return Item(label=name, kind=Kind.Function, detail=KIND_WORDS[offered.kind], documentation=offered.doc or None)


def stage_items(source: str) -> list[Item]:
    """Stages by what they take."""
    return [Item(label=s.name, kind=Kind.Method, detail=s.doc) for s in stage_names(source)]


def function_items(*, bare: bool) -> list[Item]:
    """Functions of the language; with `bare` those that a pool decides."""
    taken = [f for f in FUNCTIONS.values() if not bare or f.takes == ("pool",)]
    return [Item(label=f.name, kind=Kind.Function, detail=f"-> {f.gives}", documentation=f.doc) for f in taken]


def type_items(checked: Checked) -> list[Item]:
    """The types, and records."""
    items = [Item(label=name, kind=Kind.Class, detail=TYPES.get(name, "")) for name in TYPE_NAMES]
    return [*items, *symbol_items(checked, ("record",))]


def symbol_items(checked: Checked, kinds: Iterable[str]) -> list[Item]:
    """Declared and imported names of some kinds."""
    names = checked.linked.main.names
    return [symbol_item(name, symbol, checked) for name, symbol in names.items() if symbol.kind in kinds]


def symbol_item(name: str, symbol: Symbol, checked: Checked) -> Item:
    """One declared name."""
    head = symbol.module if symbol.kind == "module" else heading(symbol.declaration, symbol, checked).split("\n")[0]
    doc = getattr(symbol.declaration, "doc", "") or None
    return Item(label=name, kind=SYMBOL_KINDS[symbol.kind], detail=head, documentation=doc)


def argument_item(parameter: Parameter) -> Item:
    """The name of one argument."""
    return named_item(parameter.name, parameter_line(parameter).partition("` ")[2])


def named_item(name: str, doc: str) -> Item:
    """The name of an argument, with its colon."""
    return Item(label=f"{name}:", kind=Kind.Property, detail=doc, insert_text=f"{name}: ", sort_text=f"!{name}")
