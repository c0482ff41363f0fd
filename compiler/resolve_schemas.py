"""The schema files that the types of a module name: `Json("form.schema.json")`, read once where they are first named.

Nothing is read here: the loader's `schema` hands over the text, and a loader without one leaves schemas unread, so
that nothing is known of them before the run.

Codes:
    E0410  a schema file that is missing, or cannot be read as text
    E0411  a schema file that is no schema
    W0412  a schema file with a keyword that restricts nothing, or a property that is required and not described
"""

from __future__ import annotations

from ttscale.compiler import ast, ast_expressions
from ttscale.compiler.diagnostics import Diagnostic, Label
from ttscale.compiler.python_names import LoadFault
from ttscale.compiler.schema import SchemaFile, SchemaReader, definitions, follow, parsed, schema_file
from ttscale.compiler.source import SourceFile, Span
from ttscale.compiler.walk import nodes

MOST = 8
"""Mistakes of one schema that are told at once."""


def split(written: str) -> tuple[str, str]:
    """The file and the part of it that `form.json#/$defs/Item` names; the part is empty for the whole."""
    path, _, part = written.partition("#")
    return path, part


def named_schemas(tree: ast.Module) -> list[tuple[str, Span]]:
    """What the `Json` types of a module name, with the places of the texts, in order."""
    found: list[tuple[str, Span]] = []
    for node in nodes(tree):
        if isinstance(node, ast_expressions.TypeName) and node.name == "Json":
            match node.args:
                case (ast_expressions.Arg(name=None, value=ast_expressions.LiteralValue(value=str(path), span=span)),):
                    found.append((path, span))
    return found


def read_schemas(
    tree: ast.Module, source: SourceFile, read: SchemaReader
) -> tuple[dict[str, SchemaFile], list[Diagnostic]]:
    """The schema files of a module by path as written, and what is wrong with them."""
    files: dict[str, SchemaFile | None] = {}
    diagnostics: list[Diagnostic] = []
    parts: set[str] = set()
    for written, span in named_schemas(tree):
        path, part = split(written)
        if path and path not in files:
            files[path] = None
            try:
                given = read(path, source.name)
            except LoadFault as fault:
                diagnostics.append(Diagnostic(fault.code, fault.message, span, label=fault.label, hint=fault.hint))
                continue
            if given is not None:
                files[path] = found = schema_file(*given)
                diagnostics += _told(found, span)
        file = files.get(path)
        if part and file is not None and file.canonical and written not in parts:
            parts.add(written)
            if follow(parsed(file.canonical), f"#{part}") is None:
                diagnostics.append(_no_part(file, part, span))
    return {path: file for path, file in files.items() if file is not None}, diagnostics


def _told(file: SchemaFile, span: Span) -> list[Diagnostic]:
    found: list[Diagnostic] = []
    for flaw in file.flaws[:MOST]:
        there = Label(Span(file.name, flaw.start, flaw.end), "here")
        code = "W0412" if flaw.mild else "E0411"
        message = f"{file.name}: {flaw.message}"
        found.append(
            Diagnostic(code, message, span, "warning" if flaw.mild else "error", labels=(there,), hint=flaw.hint)
        )
    return found


def _no_part(file: SchemaFile, part: str, span: Span) -> Diagnostic:
    own = list(definitions(parsed(file.canonical)))
    hint = f"there is {', '.join(own[:6])}" if own else "leave out what stands from `#` on, for the whole schema"
    return Diagnostic("E0411", f"{file.name} has no part `#{part}`", span, hint=hint)
