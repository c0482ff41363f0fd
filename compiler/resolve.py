"""Resolving: from one file to all files it reaches, with every name's meaning.

Each reachable file is parsed, lowered and given a scope: its own declarations, the names it imports and
the modules it gives a name to. Nothing is read here: `load` hands over the text of a module, so the
compiler stays pure. A file is reached once, however many others use it.

    linked, diagnostics = resolve(SourceFile("main.tts", text), load)
    linked.main.names["p"]            # Symbol("module", "p", "std/prompts@1", None)

A declaration that did not parse, or an import that failed, keeps its name: it is known but broken, so
that one mistake is told once.

Codes:
    E0201  a name declared twice
    E0203  a name that the language itself uses
    E0401  a module that cannot be found
    E0402  a name that the imported module does not have
    E0403  modules that import each other in a circle
    E0404  an import that needs a name
    L001   no edition in the first line
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from ttscale.compiler import ast
from ttscale.compiler.diagnostics import CompileError, Diagnostic, Label, suggest
from ttscale.compiler.lower import lower
from ttscale.compiler.models import OPTIONS
from ttscale.compiler.parse import parse
from ttscale.compiler.python_names import LoadFault, PythonModule, PythonReader
from ttscale.compiler.resolve_types import (
    TYPE_NAMES,
    is_broken,
    literal,
    lookup,
    param_type,
    prompt_ir,
    prompt_type,
    type_of,
)
from ttscale.compiler.scope import Linked, ModuleScope, Symbol, SymbolKind
from ttscale.compiler.signatures import FUNCTIONS, RULES, SIGNATURES
from ttscale.compiler.source import SourceFile, Span

if TYPE_CHECKING:
    from ttscale.compiler.schema import SchemaFile, SchemaReader

__all__ = [
    "EDITION",
    "Loader",
    "is_broken",
    "literal",
    "lookup",
    "param_type",
    "prompt_ir",
    "prompt_type",
    "resolve",
    "type_of",
]

EDITION = 1
STD_MODULES = ("std/prompts",)
KINDS: dict[type, SymbolKind] = {
    ast.ModelDecl: "model",
    ast.RecordDecl: "record",
    ast.PromptDecl: "prompt",
    ast.DatasetDecl: "dataset",
    ast.MetricDecl: "metric",
    ast.PipelineDecl: "pipeline",
    ast.SearchDecl: "search",
}
KEYWORDS: dict[str, SymbolKind] = {
    "model": "model",
    "record": "record",
    "prompt": "prompt",
    "dataset": "dataset",
    "metric": "metric",
    "pipeline": "pipeline",
    "search": "search",
}


class Loader(Protocol):
    """Finds the text of a module; implemented outside the compiler, which reads no files."""

    def __call__(self, path: str, version: str, importing_file: str, /) -> SourceFile | None:
        """The module `path` (`std/prompts`, `./judges`) in `version` ("" for any), as seen from `importing_file`.

        The result's `name` is the module's identity: the same file gives the same name from everywhere.
        None if there is no such module. May raise CompileError for a file that is not readable text, LoadFault for a
        module that cannot be used.
        """
        ...


Reader = Callable[[SourceFile], tuple[ast.Module, list[Diagnostic]]]
"""Makes the tree of one file, with the mistakes in it; an editor keeps trees from one edit to the next."""


def read_module(source: SourceFile) -> tuple[ast.Module, list[Diagnostic]]:
    """Parse and lower one file."""
    parsed = parse(source)
    tree, lowering = lower(parsed, source)
    return tree, [*parsed.diagnostics, *lowering]


def resolve(entry: SourceFile, load: Loader, read: Reader = read_module) -> tuple[Linked, list[Diagnostic]]:
    """Parse and link a file and everything it imports; what is wrong so far is in the list."""
    linker = _Linker(load, read)
    linker.visit(entry)
    linked = Linked(entry.name, linker.modules, linker.sources, linker.python_files, linker.schemas)
    return linked, linker.diagnostics


class _Linker:
    """Walks imports depth first; a module is in `modules` once its scope is complete."""

    def __init__(self, load: Loader, read: Reader) -> None:
        self.load = load
        self.read = read
        self.modules: dict[str, ModuleScope] = {}
        self.sources: dict[str, SourceFile] = {}
        self.diagnostics: list[Diagnostic] = []
        self.path: list[str] = []
        self.python_files: dict[tuple[str, str], PythonModule] = {}
        self.schemas: dict[tuple[str, str], SchemaFile] = {}

    def visit(self, source: SourceFile) -> None:
        self.sources[source.name] = source
        self.path.append(source.name)
        tree, found = self.read(source)
        self.diagnostics += found
        if all(diagnostic.severity != "error" for diagnostic in found):
            self.diagnostics += _edition(tree, source)
        names = _Names(source.name)
        for declaration in tree.declarations:
            if isinstance(declaration, ast.Use):
                self.use(declaration, source.name, names)
            else:
                names.declare(declaration)
        self.diagnostics += names.diagnostics
        if "Json(" in source.text:
            self.use_schemas(tree, source)
        self.modules[source.name] = ModuleScope(source.name, tree, names.symbols)
        self.path.pop()

    def use_schemas(self, tree: ast.Module, source: SourceFile) -> None:
        """The schema files that types of this module name; a loader that reads none leaves them to the run."""
        from ttscale.compiler.resolve_schemas import read_schemas  # few programs have schemas

        reader: SchemaReader | None = getattr(self.load, "schema", None)
        if reader is None:
            return
        files, found = read_schemas(tree, source, reader)
        self.diagnostics += found
        for path, file in files.items():
            self.schemas[source.name, path] = file
            self.sources.setdefault(file.name, SourceFile(file.name, file.text))

    def use(self, use: ast.Use, importer: str, names: _Names) -> None:
        if use.kind == "python":
            self.use_python(use, importer, names)
            return
        target = self.reach(use, importer)
        if target is None:
            broken = ast.BadDecl("use", None, use.span)
            for item in use.names:
                names.add(item.alias or item.name, Symbol("module", item.name, importer, broken), item.span)
            if use.alias or not use.names:
                alias = use.alias or use.path.rpartition("/")[2]
                names.add(alias, Symbol("module", alias, importer, broken), use.span)
            return
        if use.alias or not use.names:
            alias = use.alias or use.path.rpartition("/")[2]
            if alias.isidentifier():
                names.add(alias, Symbol("module", alias, target.name, None), use.span)
            else:
                message = f"this import needs a name, since `{alias}` cannot be one"
                hint = f"write `use {_written(use)} as …`"
                self.diagnostics.append(Diagnostic("E0404", message, use.span, hint=hint))
        for item in use.names:
            names.add(item.alias or item.name, self.member(target, item, use), item.span)

    def use_python(self, use: ast.Use, importer: str, names: _Names) -> None:
        """The names that a Python file gives; without a reader of such files they stay unknown functions."""
        reader: PythonReader | None = getattr(self.load, "python", None)
        broken = ast.BadDecl("use", None, use.span)
        if use.alias or not use.names:
            message = "the functions of a Python file are imported by name"
            hint = f'write `use python("{use.path}") {{ my_rule }}`'
            self.diagnostics.append(Diagnostic("E0404", message, use.span, hint=hint))
        module: PythonModule | None = None
        failed = False
        if reader is not None:
            try:
                module = reader(use.path, importer)
                if module is not None:
                    self.python_files[importer, use.path] = module
            except LoadFault as fault:
                failed = True
                self.diagnostics.append(
                    Diagnostic(fault.code, fault.message, use.span, label=fault.label, hint=fault.hint)
                )
        for item in use.names:
            is_there = not failed and (module is None or item.name in module.functions)
            if module is not None and not is_there:
                self.diagnostics.append(_no_function(use, item, module))
            symbol = Symbol("python", item.name, importer, use if is_there else broken)
            names.add(item.alias or item.name, symbol, item.span)

    def reach(self, use: ast.Use, importer: str) -> ModuleScope | None:
        """The module that a `use` names, visited now if it was not yet; None with a diagnostic."""
        try:
            source = self.load(use.path, use.version or "", importer)
        except CompileError as error:
            self.diagnostics += error.diagnostics
            self.sources.update(error.sources)
            return None
        except LoadFault as fault:
            found = Diagnostic(fault.code, fault.message, use.span, label=fault.label, hint=fault.hint)
            self.diagnostics.append(found)
            return None
        if source is None:
            self.diagnostics.append(_not_found(use))
            return None
        if source.name in self.path:
            circle = [*self.path[self.path.index(source.name) :], source.name]
            self.diagnostics.append(
                Diagnostic(
                    "E0403",
                    "these files import each other in a circle",
                    use.span,
                    label=" -> ".join(circle),
                    hint="move what both need into a third file and import that",
                )
            )
            return None
        if source.name not in self.modules:
            self.visit(source)
        return self.modules[source.name]

    def member(self, target: ModuleScope, item: ast.ImportName, use: ast.Use) -> Symbol:
        symbol = target.exported(item.name)
        if symbol is not None:
            return symbol
        if not _is_incomplete(target):
            known = sorted(name for name in target.names if target.exported(name))
            near = suggest(item.name, known)
            if near is not None:
                hint = f"did you mean `{near}`?"
            elif item.name in target.names:
                hint = "a file passes on only what it declares itself; import the name from where it is declared"
            else:
                hint = f"it has {_list(known)}" if known else "it declares nothing"
            message = f"`{use.path}` has no `{item.name}`"
            self.diagnostics.append(Diagnostic("E0402", message, item.span, hint=hint))
        return Symbol("module", item.name, target.name, ast.BadDecl("use", item.name, item.span))


class _Names:
    """The names of one file while they are collected."""

    def __init__(self, module: str) -> None:
        self.module = module
        self.symbols: dict[str, Symbol] = {}
        self.places: dict[str, Span] = {}
        self.diagnostics: list[Diagnostic] = []

    def declare(self, declaration: ast.Declaration) -> None:
        if isinstance(declaration, ast.BadDecl):
            if declaration.name is not None:
                kind = KEYWORDS.get(declaration.keyword, "module")
                self.add(declaration.name, Symbol(kind, declaration.name, self.module, declaration), declaration.span)
        elif isinstance(declaration, ast.Use | ast.EvalDecl | ast.TestDecl):
            return
        else:
            kind = KINDS[type(declaration)]
            name = declaration.name
            self.add(name, Symbol(kind, name, self.module, declaration), declaration.name_span)

    def add(self, name: str, symbol: Symbol, span: Span) -> None:
        if name in self.symbols:
            first = self.places[name]
            message = f"`{name}` is declared twice"
            labels = (Label(first, "first here"),)
            hint = "give one of them another name"
            self.diagnostics.append(Diagnostic("E0201", message, span, labels=labels, hint=hint))
            return
        taken = _taken(name, symbol)
        if taken is not None:
            hint = f"choose another name, such as `my_{name}`"
            if symbol.kind == "python" or symbol.module != self.module:
                hint = f"give it another name here: `{symbol.name} as my_{name}`"
            self.diagnostics.append(Diagnostic("E0203", f"`{name}` is already {taken}", span, hint=hint))
            if name in SIGNATURES:
                # Broken: what is called by that name may be the stage, so nothing more is said about it.
                symbol = Symbol(symbol.kind, symbol.name, symbol.module, ast.BadDecl(symbol.kind, name, span))
        self.symbols[name] = symbol
        self.places[name] = span


def _taken(name: str, symbol: Symbol) -> str | None:
    """What the language means by `name` where a declaration of this kind would get in the way, or None.

    Only what is called by its bare name can collide with a stage: a prompt `rank` is reached as `using: rank`, and what
    is piped tells the stage from it; `generate` takes nothing that is piped.
    """
    if name in TYPE_NAMES:
        return "a type"
    if name == "trace":
        return "the record of a test's run"
    if symbol.kind == "metric" and name == "accuracy":
        return "the built-in metric"
    if symbol.kind == "python" and name in RULES:
        return "a rule"
    if symbol.kind == "python" and name in OPTIONS:
        return "a kind of model"
    if symbol.kind == "prompt" and name in SIGNATURES and SIGNATURES[name].source == "none":
        return "a stage"
    if symbol.kind in ("pipeline", "metric", "python"):
        if name in SIGNATURES:
            return "a stage"
        if name in FUNCTIONS:
            return "a function"
    return None


def _edition(tree: ast.Module, source: SourceFile) -> list[Diagnostic]:
    if tree.edition is not None or not tree.declarations:
        return []
    start = tree.declarations[0].span.start
    return [
        Diagnostic(
            "L001",
            "this file does not say which edition of the language it is written in",
            Span(source.name, start, start),
            severity="lint",
            hint=f"write `tts {EDITION}` as its first line",
        )
    ]


def _no_function(use: ast.Use, item: ast.ImportName, module: PythonModule) -> Diagnostic:
    if item.name in module.others:
        message = f"`{item.name}` of {use.path} is not marked as something that programs may use"
        hint = "put `@selector`, `@scorer`, `@metric`, `@policy` or `@stage` of `ttscale.plugin` before it"
        return Diagnostic("E0402", message, item.span, hint=hint)
    known = sorted(module.functions)
    near = suggest(item.name, [*known, *module.others])
    hint = f"did you mean `{near}`?" if near else f"it has {_list(known)}" if known else "it marks no function"
    return Diagnostic("E0402", f"{use.path} has no `{item.name}`", item.span, hint=hint)


def _is_incomplete(module: ModuleScope) -> bool:
    """Whether a declaration without a readable name broke, so that an unknown name may have been it."""
    return any(isinstance(d, ast.BadDecl) and d.name is None for d in module.tree.declarations)


def _written(use: ast.Use) -> str:
    return use.path if use.version is None else f"{use.path}@{use.version}"


def _not_found(use: ast.Use) -> Diagnostic:
    message = f"there is no module `{_written(use)}`"
    if use.path.startswith("."):
        hint = f"the path is relative to this file; it must lead to `{use.path.rpartition('/')[2]}.tts`"
    elif (near := suggest(use.path, STD_MODULES)) is not None and near != use.path:
        hint = f"did you mean `{near}`?"
    elif use.path in STD_MODULES:
        hint = f"write `use {use.path}@1`"
    elif use.path.startswith("std/"):
        hint = f"the standard library has {_list(list(STD_MODULES))}"
    else:
        hint = f"a file beside this one is written `./{use.path}`; a recipe is installed as a package"
    return Diagnostic("E0401", message, use.span, hint=hint)


def _list(names: list[str]) -> str:
    shown = names[:8]
    text = ", ".join(f"`{name}`" for name in shown)
    return text if len(names) <= 8 else f"{text} and {len(names) - 8} more"
