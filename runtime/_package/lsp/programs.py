"""Open documents and what they compile to.

An edit parses only the declarations whose text is new and keeps the trees of imported files; names and types are
checked anew, since any declaration may be about any other. What trying the values of parameters finds comes later:
`checked` says what is known of it by then, and `look` does a part of what is left.

    programs = Programs()
    programs.put("main.tts", text)
    programs.checked("main.tts").diagnostics
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ttscale.compiler import ast
from ttscale.compiler.diagnostics import Diagnostic
from ttscale.compiler.driver import Checked, compile_source
from ttscale.compiler.lower import lower
from ttscale.compiler.parse import parse
from ttscale.compiler.source import SourceFile
from ttscale.compiler.trees import Tree
from ttscale.library.loader import FileLoader
from ttscale.lsp.assigned import Assigned
from ttscale.runtime.data_columns import DataColumns
from ttscale.runtime.probes import file_state, told
from ttscale.runtime.python_files import no_file

MAX_TREES = 4096
"""Declarations whose trees are kept; beyond that all are forgotten, and the next edit parses its file whole."""

MAX_MODULES = 64
_COLUMNS = DataColumns()
"""One for all programs, so that a data file is not read again at every key."""


class BufferLoader(FileLoader):
    """Finds imported modules as `FileLoader` does; the text of one that is open in the editor is the editor's."""

    def __init__(self, buffers: Mapping[str, SourceFile]) -> None:
        super().__init__(columns=_COLUMNS, told=told)
        self._buffers = buffers
        self.python = self._unread

    def _unread(self, path: str, importing_file: str, /) -> None:
        """Nothing of a Python file is run here; that it is there can be seen. Raises LoadFault where it is not."""
        file = Path(importing_file).parent / path
        if path.startswith(("./", "../")) and Path(importing_file).parent.is_dir() and not file.is_file():
            raise no_file(file, path)

    def schema(self, path: str, importing_file: str, /) -> tuple[str, str] | None:
        """A schema file as it stands in the editor, else on disk. Raises LoadFault."""
        beside = str(Path(importing_file).parent / path)
        if beside in self._buffers:
            return beside, self._buffers[beside].text
        return super().schema(path, importing_file)

    def __call__(self, path: str, version: str, importing_file: str, /) -> SourceFile | None:
        found = super().__call__(path, version, importing_file)
        if found is not None:
            return self._buffers.get(found.name, found)
        if not path.startswith(("./", "../")):
            return None
        beside = Path(importing_file).parent / (path if path.endswith(".tts") else f"{path}.tts")
        return self._buffers.get(str(beside))


class Programs:
    """The texts of open documents by name, and the last outcome of each."""

    def __init__(self) -> None:
        self._buffers: dict[str, SourceFile] = {}
        self._checked: dict[str, Checked] = {}
        self._trees: dict[str, Tree] = {}
        self._modules: dict[SourceFile, tuple[ast.Module, list[Diagnostic]]] = {}
        self._assigned: dict[str, Assigned] = {}
        self._probes = file_state()

    def put(self, name: str, text: str) -> None:
        """The text of an open document, new or changed."""
        if name not in self._buffers or self._buffers[name].text != text:
            self._buffers[name] = SourceFile(name, text)
            self._checked = {entry: c for entry, c in self._checked.items() if name not in c.sources}

    def drop(self, name: str) -> None:
        """A document was closed: its text is the file's again."""
        self._buffers.pop(name, None)
        self._assigned.pop(name, None)
        self._checked = {entry: c for entry, c in self._checked.items() if name not in c.sources}

    def forget_files(self) -> None:
        """A file changed on disk: whatever was made from files is made anew."""
        self._checked = {}

    def source(self, name: str) -> SourceFile | None:
        """The text of an open document, or None."""
        return self._buffers.get(name)

    def checked(self, name: str) -> Checked | None:
        """An open document compiled as it is now, or None where it is not open."""
        source = self._buffers.get(name)
        if source is None:
            return None
        if file_state() != self._probes:  # a server was probed meanwhile
            self._probes, self._checked, self._assigned = file_state(), {}, {}
        if name not in self._checked:
            assigned = self._assigned.setdefault(name, Assigned())
            assigned.waiting.clear()
            loader = BufferLoader(self._buffers)
            self._checked[name] = compile_source(source, loader, self._read, assigned.known, assigned.each)
        return self._checked[name]

    def is_whole(self, name: str) -> bool:
        """Whether the values of all parameters of a document's pipelines were tried."""
        return name not in self._assigned or not self._assigned[name].waiting

    def look(self, name: str) -> bool:
        """Try the values of one more pipeline of a document; True where that was the last one.

        The document's outcome is then made anew, with all that was found.
        """
        if self.is_whole(name):
            return False
        try:
            self._assigned[name].look()
        finally:
            if self.is_whole(name):
                self._checked.pop(name, None)
        return self.is_whole(name)

    def waiting(self) -> list[str]:
        """The open documents that an edit elsewhere, or their own, left without an outcome."""
        return [name for name in self._buffers if name not in self._checked]

    def _read(self, source: SourceFile) -> tuple[ast.Module, list[Diagnostic]]:
        """The tree of a file and the mistakes in it, with as little work as what is kept allows."""
        if source not in self._modules:
            if len(self._trees) > MAX_TREES:
                self._trees.clear()
            if len(self._modules) > MAX_MODULES:
                self._modules.clear()
            parsed = parse(source, self._trees)
            tree, found = lower(parsed, source)
            self._modules[source] = tree, [*parsed.diagnostics, *found]
        tree, found = self._modules[source]
        return tree, list(found)
