"""Linked modules: every name of every file, and what it stands for.

`resolve` makes this from trees; the checker and the expander look names up in it and never search files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from typing import TYPE_CHECKING, Literal

from ttscale.compiler import ast
from ttscale.compiler.frozen import dataclass
from ttscale.compiler.python_names import PythonModule, PythonSignature
from ttscale.compiler.source import SourceFile

if TYPE_CHECKING:
    from ttscale.compiler import ir
    from ttscale.compiler.capabilities import Abilities
    from ttscale.compiler.schema import SchemaFile

SymbolKind = Literal["model", "record", "prompt", "dataset", "metric", "pipeline", "search", "module", "python"]


@dataclass(frozen=True, slots=True)
class Symbol:
    """What a name stands for: a declaration in the module `module`, or (kind "module") that whole module.

    `declaration` is None for kind "module".
    """

    kind: SymbolKind
    name: str
    module: str
    declaration: ast.Declaration | None


@dataclass(frozen=True)
class ModuleScope:
    """One file: its tree, and the names visible in it (its own and imported ones)."""

    name: str
    tree: ast.Module
    names: Mapping[str, Symbol]

    def exported(self, name: str) -> Symbol | None:
        """A declaration of this file itself (imports are not passed on), or None."""
        symbol = self.names.get(name)
        return symbol if symbol is not None and symbol.module == self.name and symbol.kind != "module" else None


@dataclass(frozen=True)
class Linked:
    """A file and everything it imports, by module name (`std/prompts@1`, or a file's name)."""

    entry: str
    modules: Mapping[str, ModuleScope]
    sources: Mapping[str, SourceFile]
    python: Mapping[tuple[str, str], PythonModule] = field(default_factory=dict)
    """The Python files that were read, by the importing module and the path as it is written there."""
    schemas: Mapping[tuple[str, str], SchemaFile] = field(default_factory=dict)
    """The schema files that `Json` types name, by the module and the path as it is written there."""
    told: Callable[[ir.Model], Abilities | None] | None = field(default=None, compare=False)
    """What somebody has found of a model without loading it, such as a probe of its server; None where nobody has."""

    def known(self, models: Mapping[str, ir.Model]) -> dict[str, Abilities]:
        """What has been found of these models, by name."""
        if self.told is None:
            return {}
        return {name: found for name, model in models.items() if (found := self.told(model)) is not None}

    @property
    def main(self) -> ModuleScope:
        """The file that was asked for."""
        return self.modules[self.entry]

    def python_function(self, symbol: Symbol) -> PythonSignature | None:
        """The signature of a function that a Python file declares; None where that file was not read."""
        use = symbol.declaration
        if symbol.kind != "python" or not isinstance(use, ast.Use):
            return None
        module = self.python.get((symbol.module, use.path))
        return None if module is None else module.functions.get(symbol.name)

    def scope_of(self, symbol: Symbol) -> ModuleScope:
        """The module in which a symbol's declaration stands."""
        return self.modules[symbol.module]
