"""Names followed to where they are declared, and the outline of a file."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from lsprotocol import types as lsp
from ttscale.compiler import ast
from ttscale.compiler.driver import Checked
from ttscale.compiler.resolve import is_broken
from ttscale.compiler.scope import Symbol
from ttscale.compiler.source import SourceFile, Span
from ttscale.lsp.cursor import Cursor
from ttscale.lsp.places import Places
from ttscale.lsp.python_outline import file_of, function_of

KINDS = {
    "model": lsp.SymbolKind.Variable,
    "record": lsp.SymbolKind.Struct,
    "prompt": lsp.SymbolKind.Function,
    "dataset": lsp.SymbolKind.Array,
    "metric": lsp.SymbolKind.Operator,
    "pipeline": lsp.SymbolKind.Function,
    "search": lsp.SymbolKind.Event,
    "eval": lsp.SymbolKind.Event,
    "test": lsp.SymbolKind.Event,
    "use": lsp.SymbolKind.Module,
}


@dataclass(frozen=True)
class Target:
    """Where a name is declared: a place in a file of the program."""

    source: SourceFile
    span: Span


def symbol_at(cursor: Cursor, checked: Checked) -> Symbol | None:
    """The declared name (or module) that the word stands for, unless the declaration around gives the name itself."""
    main = checked.linked.main
    if cursor.owner:
        owner = main.names.get(cursor.owner)
        if owner is None or owner.kind != "module" or is_broken(owner):
            return None
        module = checked.linked.modules.get(owner.module)
        return module.exported(cursor.word) if module is not None else None
    if cursor.given(cursor.word) is not None:
        return None
    imported = _imported(cursor, main.tree.declarations)
    return main.names.get(imported or cursor.word)


def _imported(cursor: Cursor, declarations: Iterable[ast.Declaration]) -> str | None:
    """The name in this file of an import that the word is in: `judge` for `numeric` in `{ numeric as judge }`."""
    for declaration in declarations:
        if isinstance(declaration, ast.Use):
            for item in declaration.names:
                if item.span.start <= cursor.word_span[0] < item.span.end:
                    return item.alias or item.name
    return None


def definition(cursor: Cursor, checked: Checked) -> Target | None:
    """Where the word at the cursor is declared, in whatever file; None for what is not declared in one."""
    source = checked.sources[checked.linked.entry]
    if not cursor.owner and (given := cursor.given(cursor.word)) is not None:
        return Target(source, Span(source.name, given.start, given.end))
    symbol = symbol_at(cursor, checked)
    if symbol is None:
        return _module_at(cursor, checked)
    if (offered := function_of(symbol, checked)) is not None:
        return Target(offered.source, offered.span)
    if is_broken(symbol) and symbol.module != source.name:
        return None
    if symbol.kind == "module":
        module = checked.sources.get(symbol.module)
        return Target(module, Span(module.name, 0, 0)) if module is not None and not is_broken(symbol) else None
    place = getattr(symbol.declaration, "name_span", None) or getattr(symbol.declaration, "span", None)
    if not isinstance(place, Span) or place.file not in checked.sources:
        return None
    return Target(checked.sources[place.file], place)


def _module_at(cursor: Cursor, checked: Checked) -> Target | None:
    """The file that a `use` names, where the cursor is in its path."""
    for declaration in checked.linked.main.tree.declarations:
        if not isinstance(declaration, ast.Use):
            continue
        if not declaration.span.start <= cursor.offset <= declaration.span.end:
            continue
        if declaration.kind == "python":
            file = file_of(declaration.path, checked.linked.entry)
            return Target(SourceFile(str(file), ""), Span(str(file), 0, 0)) if file is not None else None
        for name in [
            declaration.alias or declaration.path.rpartition("/")[2],
            *(n.alias or n.name for n in declaration.names),
        ]:
            symbol = checked.linked.main.names.get(name)
            if symbol is not None and not is_broken(symbol) and symbol.module in checked.sources:
                module = checked.sources[symbol.module]
                return Target(module, Span(module.name, 0, 0))
    return None


def outline(checked: Checked, places: Places) -> list[lsp.DocumentSymbol]:
    """The declarations of a file, with parameters, bindings and fields inside them."""
    source = checked.sources[checked.linked.entry]
    found: list[lsp.DocumentSymbol] = []
    for declaration in checked.linked.main.tree.declarations:
        name, keyword, place = _heading(declaration)
        children: list[lsp.DocumentSymbol] = []
        if isinstance(declaration, ast.PipelineDecl):
            children = [
                _entry(p.name, lsp.SymbolKind.Constant, p.span, p.name_span, source, places) for p in declaration.params
            ]
            children += [_inner(b.name, lsp.SymbolKind.Variable, b.span, source, places) for b in declaration.bindings]
        elif isinstance(declaration, ast.RecordDecl):
            children = [_inner(f.name, lsp.SymbolKind.Field, f.span, source, places) for f in declaration.fields]
        symbol = _entry(name, KINDS.get(keyword, lsp.SymbolKind.Null), declaration.span, place, source, places)
        symbol.detail = keyword
        symbol.children = children
        found.append(symbol)
    return found


def _heading(declaration: ast.Declaration) -> tuple[str, str, Span]:
    """The name, the keyword and the place of the name of a declaration."""
    match declaration:
        case ast.Use():
            return declaration.path, "use", declaration.span
        case ast.EvalDecl():
            return "eval", "eval", declaration.span
        case ast.TestDecl():
            return declaration.name or "test", "test", declaration.span
        case ast.BadDecl():
            return declaration.name or declaration.keyword or "…", declaration.keyword, declaration.span
    keyword = type(declaration).__name__.removesuffix("Decl").lower()
    return declaration.name, keyword, declaration.name_span


def _inner(name: str, kind: lsp.SymbolKind, span: Span, source: SourceFile, places: Places) -> lsp.DocumentSymbol:
    return _entry(name, kind, span, Span(span.file, span.start, span.start + len(name)), source, places)


def _entry(
    name: str, kind: lsp.SymbolKind, span: Span, place: Span, source: SourceFile, places: Places
) -> lsp.DocumentSymbol:
    return lsp.DocumentSymbol(name, kind, places.range(source, span.to(place)), places.range(source, place))
