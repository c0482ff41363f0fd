"""Completion in declarations other than pipelines: imports, models, datasets, searches and evaluations."""

from __future__ import annotations

import re
from pathlib import Path

from ttscale.compiler.diagnostics import CompileError
from ttscale.compiler.driver import Checked
from ttscale.compiler.model_kinds import OF_EVERY_KIND
from ttscale.compiler.models import OPTIONS
from ttscale.compiler.python_names import LoadFault
from ttscale.compiler.readers import READERS
from ttscale.compiler.resolve import KINDS, read_module
from ttscale.library.loader import FileLoader
from ttscale.lsp.cursor import Cursor
from ttscale.lsp.items import SYMBOL_KINDS, TRACE, Item, Kind, named_item, offered_item, offered_items, symbol_items
from ttscale.lsp.python_outline import offered_by, offered_functions
from ttscale.lsp.words import MADE, made_doc, option_doc, parameter_line

_PYTHON = re.compile(r"\s*use\s+python\s*\(\s*\"([^\"]*)\"")
_MODULE = re.compile(r"\s*use\s+([^\s@{]+)(?:@([^{]*?))?\s*\{")


def complete_imported(cursor: Cursor, checked: Checked) -> list[Item]:
    """Between the braces of an import: what the module or the Python file offers."""
    text = cursor.text[cursor.declaration.start : cursor.offset]
    if (python := _PYTHON.match(text)) is not None:
        return [offered_item(name, one) for name, one in offered_by(python.group(1), checked.linked.entry).items()]
    module = _MODULE.match(text)
    try:
        source = None if module is None else FileLoader()(module.group(1), module.group(2) or "", checked.linked.entry)
    except (LoadFault, CompileError):
        source = None
    if source is None:
        return []
    tree, _ = read_module(source)
    found = [(str(getattr(one, "name", "")), KINDS.get(type(one))) for one in tree.declarations]
    return [Item(label=name, kind=SYMBOL_KINDS[kind], detail=kind) for name, kind in found if kind is not None]


def complete_python_files(cursor: Cursor, checked: Checked) -> list[Item]:
    """In the text of `use python("…")`: the Python files beside this one."""
    folder = Path(checked.linked.entry).parent
    files = sorted(folder.glob("*.py"))[:200] if folder.is_dir() else []
    return [Item(label=f"./{file.name}", kind=Kind.File) for file in files]


def complete_made(cursor: Cursor, checked: Checked) -> list[Item] | None:
    """In a model or a dataset: what makes one, and its options; None where values of other kinds stand."""
    is_model = cursor.declaration.keyword == "model"
    if cursor.call is None:
        if cursor.previous() != "=":
            return None
        names = list(MADE) if is_model else list(READERS)
        docs = {name: (made_doc(name) or "").split("\n\n")[1] for name in names}
        items = [Item(label=name, kind=Kind.Constructor, detail=docs[name]) for name in names]
        return [*items, *(offered_items(checked, "engine") if is_model else [])]
    if not cursor.call.at_start or cursor.call.argument:
        return [] if cursor.call.argument and cursor.previous() == ":" and is_model else None
    callee = cursor.call.callee
    offered = offered_functions(checked, "engine").get(callee)
    if offered is not None:
        names = [*(p.name for p in offered.parameters), *OF_EVERY_KIND]
        docs = {p.name: parameter_line(p).partition("` ")[2] for p in offered.parameters}
        return [named_item(name, docs.get(name, "")) for name in names if name not in cursor.call.given]
    options = OPTIONS.get(callee, ()) if is_model else READERS[callee].all_options if callee in READERS else ()
    docs = {name: (option_doc(callee, name) or "").partition("` ")[2] for name in options}
    return [named_item(name, docs[name]) for name in options if name not in cursor.call.given]


def complete_measured(cursor: Cursor, checked: Checked) -> list[Item]:
    """Behind the words of a search or evaluation that take a metric, a pipeline or rows."""
    match cursor.previous():
        case "maximize" | "minimize" | "metric":
            items = [Item(label=name, kind=Kind.Function) for name in ("accuracy", *TRACE)]
            return [*items, *symbol_items(checked, ("metric",)), *offered_items(checked, "metric")]
        case "on" | "holdout":
            return symbol_items(checked, ("dataset", "module"))
        case "over" | "eval":
            return symbol_items(checked, ("pipeline",))
    return []
