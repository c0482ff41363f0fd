"""Places in the three ways in which they are written: offsets of the compiler, positions of the protocol, URIs."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from lsprotocol import types as lsp
from pygls import uris
from ttscale.compiler import ast
from ttscale.compiler.scope import Linked, ModuleScope
from ttscale.compiler.source import SourceFile, Span
from ttscale.library.recipes import recipe_of

ENCODINGS = {"utf-8": "utf-8", "utf-16": "utf-16-le", "utf-32": "utf-32-le"}
UNITS = {"utf-8": 1, "utf-16": 2, "utf-32": 4}


def unified(text: str) -> str:
    """A text with `\\n` for every line end, as the compiler wants it; no position changes by that."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


class Places:
    """Converts between offsets and positions whose columns count in `encoding` (utf-8, utf-16 or utf-32 units)."""

    def __init__(self, encoding: str = "utf-16") -> None:
        self.encoding = encoding if encoding in ENCODINGS else "utf-16"

    def position(self, source: SourceFile, offset: int) -> lsp.Position:
        """The position of the character at `offset`."""
        line, column = source.position(offset)
        before = source.line(line)[: column - 1]
        return lsp.Position(line - 1, self._units(before))

    def range(self, source: SourceFile, span: Span) -> lsp.Range:
        """The range of a span of this file."""
        return lsp.Range(self.position(source, span.start), self.position(source, span.end))

    def offset(self, source: SourceFile, position: lsp.Position) -> int:
        """The offset of a position; one behind the end of its line, or of the file, is that end."""
        if position.line >= len(source.line_starts):
            return len(source.text)
        line = source.line(position.line + 1)
        column = 0 if position.character == 0 else len(line)
        count = 0
        for index, char in enumerate(line):
            if count >= position.character:
                column = index
                break
            count += self._units(char)
        return source.line_starts[position.line] + column

    def _units(self, text: str) -> int:
        if text.isascii() or self.encoding == "utf-32":
            return len(text)
        return len(text.encode(ENCODINGS[self.encoding], "surrogatepass")) // UNITS[self.encoding]


def name_of(uri: str) -> str:
    """The compiler's name for the document: its path, or the URI itself where it is no file."""
    if not uri.startswith("file:"):
        return uri
    path = uris.to_fs_path(uri)
    return uri if path is None else str(Path(path))


def uri_of(name: str) -> str | None:
    """The URI of a file by the compiler's name; modules of the library and of recipes are files of their packages."""
    if name.startswith("std/"):
        module = name.removeprefix("std/").partition("@")[0]
        file = resources.files("ttscale.library").joinpath("std", f"{module}.tts")
        return Path(str(file)).as_uri() if file.is_file() else None
    recipe = recipe_of(name)
    if recipe is not None:
        return (recipe.folder / f"{name.partition('/')[2].rpartition('@')[0]}.tts").absolute().as_uri()
    if "://" in name or name.startswith("untitled:"):
        return name
    return Path(name).absolute().as_uri()


def import_of(linked: Linked, file: str) -> Span | None:
    """The import of the first file that leads to another one, directly or through others; None where none does."""
    main = linked.main
    for declaration in main.tree.declarations:
        if isinstance(declaration, ast.Use) and file in _reached(linked, _modules_of(declaration, main)):
            return declaration.span
    return None


def _modules_of(declaration: ast.Use, scope: ModuleScope) -> set[str]:
    """The files that an import brings names of."""
    names = [declaration.alias or declaration.path.rpartition("/")[2]]
    names += [item.alias or item.name for item in declaration.names]
    return {scope.names[name].module for name in names if name in scope.names}


def _reached(linked: Linked, first: set[str]) -> set[str]:
    """Some files, and all that they import."""
    reached: set[str] = set()
    waiting = first - {linked.main.name}
    while waiting:
        name = waiting.pop()
        reached.add(name)
        scope = linked.modules.get(name)
        if scope is not None:
            waiting |= {symbol.module for symbol in scope.names.values()} - reached
    return reached
