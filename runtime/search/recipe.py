"""Recipes: a program's text with its parameters fixed, or with a pipeline's body replaced by a simple one.

The text is changed in its places and laid out anew, so that names, comments and declarations stay as they were.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ttscale.compiler import ast, ast_expressions
from ttscale.compiler.domains import show
from ttscale.compiler.driver import compile_source
from ttscale.compiler.format import format_module
from ttscale.compiler.ir import Model
from ttscale.compiler.literals import quote
from ttscale.compiler.lower import lower
from ttscale.compiler.models import read_locator
from ttscale.compiler.parse import parse
from ttscale.compiler.source import SourceFile
from ttscale.compiler.types import Choice, PromptType, Text
from ttscale.compiler.walk import nodes
from ttscale.library.loader import EVERYTHING, FileLoader
from ttscale.runtime.python_files import PythonFiles

if TYPE_CHECKING:
    from ttscale.compiler.scope import Linked
    from ttscale.runtime.program import Program
    from ttscale.runtime.search.space import SearchSpace

Change = tuple[int, int, str]


def source_of(linked: Linked) -> SourceFile:
    """The entry file's text."""
    return linked.sources[linked.main.tree.span.file]


def fixed_text(
    space: SearchSpace, params: Mapping[str, object], body: str | None = None, *, rows: str = "", head: str = ""
) -> str:
    """The program with these values as the parameters' only ones; `body` replaces all that the pipeline does.

    Models that were given from outside are declared as such. Searches and evals are left out; `rows` are those of an
    `eval` at the end, `head` are comments for the top.
    """
    linked = space.program.checked.linked
    source = source_of(linked)
    declaration = space.symbol.declaration
    assert isinstance(declaration, ast.PipelineDecl)
    changes: list[Change] = []
    for other in linked.main.tree.declarations:
        if isinstance(other, ast.SearchDecl | ast.EvalDecl):
            changes.append((_with_comments(source.text, other.span.start), other.span.end, ""))
    changes += _models(space.program)
    needed = _names_in(body) if body is not None else set(space.declared)
    for param in declaration.params:
        if param.name not in needed:
            changes.append((param.span.start, _to_end_of_comment(source.text, param.span.end), ""))
        elif param.name in params:
            changes.append((param.span.start, param.span.end, _fixed(space, param, params[param.name], source.text)))
        elif param.name in space.axes or param.domain is not None:
            value = {**space.default, **space.fixed}.get(param.name)
            if value is not None:
                changes.append((param.span.start, param.span.end, _fixed(space, param, value, source.text)))
    if body is not None:
        changes.append(_replaced_body(declaration, source.text, body))
        for require in declaration.requires:
            if not {n.name for n in nodes(require) if isinstance(n, ast_expressions.Name)} <= needed:
                changes.append((require.span.start, require.span.end, ""))
        if declaration.budget is not None:
            named = {n.name for n in nodes(declaration.budget) if isinstance(n, ast_expressions.Name)}
            if not named <= needed:
                changes.append((declaration.budget.span.start, declaration.budget.span.end, ""))
    text = applied(source.text, changes)
    if rows:
        text = f"{text.rstrip()}\n\neval {space.symbol.name} on {rows}\n"
    laid_out = formatted(SourceFile(source.name, text))
    return f"{head}\n{laid_out}" if head else laid_out


def _models(program: Program) -> list[Change]:
    """Declared models that others stood in for, as those others."""
    declared = [d for d in program.checked.linked.main.tree.declarations if isinstance(d, ast.ModelDecl)]
    changes: list[Change] = []
    for declaration in declared:
        alone = program.replaced_models.get("") if len(declared) == 1 else None
        model = program.replaced_models.get(declaration.name, alone)
        text = written_model(model, program.folder) if model is not None else ""
        if text:
            changes.append((declaration.value.span.start, declaration.value.span.end, text))
    return changes


def written_model(model: Model, folder: Path) -> str:
    """A model as a declaration has it, a file below the folder by its relative path; "" for what cannot be said so."""
    locator = Path(model.locator)
    if locator.is_absolute() and locator.is_relative_to(folder):
        model = replace(model, locator=locator.relative_to(folder).as_posix())
    options = [f"{name}: {quote(value) if isinstance(value, str) else show(value)}" for name, value in model.options]
    text = f"{model.kind}({', '.join([quote(model.locator), *options])})"
    read, _ = read_locator(model.name, text) if model.kind in ("gguf", "openai") else (None, ())
    is_same = read is not None and (read.kind, read.locator, read.options) == (model.kind, model.locator, model.options)
    return text if is_same else ""


def applied(text: str, changes: list[Change]) -> str:
    """A text with parts of it replaced."""
    for start, end, new in sorted(changes, reverse=True):
        text = text[:start] + new + text[end:]
    return text


def formatted(source: SourceFile) -> str:
    """The canonical layout of a text that parses."""
    module, _ = lower(parse(source), source)
    return format_module(module, source)


def compiled(program: Program, text: str) -> Program:
    """The program that a text is, in the place of another: same folder and models. Raises CompileError."""
    from ttscale.runtime.program import Program as Made

    source = source_of(program.checked.linked)
    loader = FileLoader(PythonFiles(program.folder, allow=True), allow=EVERYTHING)
    checked = compile_source(SourceFile(source.name, text), loader).require_ok()
    return Made(checked, program.replaced_models, program.folder, None)


def _with_comments(text: str, start: int) -> int:
    """Where the comments begin that stand right above a declaration, which they are about."""
    while True:
        line = text.rfind("\n", 0, max(0, start - 1)) + 1
        if start == 0 or line >= start or not text[line:start].lstrip().startswith("#"):
            return start
        start = line


def _to_end_of_comment(text: str, end: int) -> int:
    """The end of a line of which nothing but a comment is left."""
    line = text.find("\n", end)
    line = len(text) if line < 0 else line
    return line if text[end:line].lstrip().startswith("#") else end


def _fixed(space: SearchSpace, param: ast.Param, value: object, text: str) -> str:
    """A parameter's declaration with one value."""
    kind = space.kinds[param.name]
    written = text[param.type.span.start : param.type.span.end]
    said = quote(value) if isinstance(kind, Text) and isinstance(value, str) else show(value)
    if isinstance(value, float) and "." not in said and "e" not in said:
        said += ".0"
    domain = ""
    if isinstance(kind, PromptType):
        domain = f" in {{{said}}}"
    elif isinstance(kind, Choice) and param.domain is not None:
        # Arms of a `match` may be about its other labels, so these stay.
        domain = f" in {text[param.domain.span.start : param.domain.span.end]}"
    return f"param {param.name}: {written}{domain} = {said}"


def _replaced_body(declaration: ast.PipelineDecl, text: str, body: str) -> Change:
    first = declaration.bindings[0].span.start if declaration.bindings else declaration.value.span.start
    start = first if declaration.bindings else text.rindex("return", 0, first)
    return start, declaration.value.span.end, f"return {body}"


def _names_in(body: str) -> set[str]:
    """The names in a text, without those of arguments."""
    return set(re.findall(r"[A-Za-z_][A-Za-z0-9_]*+(?!\s*:)", body))
