"""Tests of programs: what `run_tests` is given, and whether its candidates are programs.

Codes:
    E0212  tests that are to be judged, and are not given
    E0215  answers that are no programs, or something that is no test
    E0211  an argument that asks a model where none is asked
"""

from __future__ import annotations

from collections.abc import Mapping

from ttscale.compiler import ast_expressions, types
from ttscale.compiler.check_frame import Frame, Typed
from ttscale.compiler.check_types import describe
from ttscale.compiler.model_kinds import SAMPLING_OPTIONS
from ttscale.compiler.source import Span

WRITING = ("using", "n", *SAMPLING_OPTIONS)
"""The arguments of `run_tests` that only its model reads, besides the model itself."""
PYTHON = ("python", "py", "python3", "")


def is_judged(given: Mapping[str, ast_expressions.Expr]) -> bool:
    """Whether a model is to say what passes."""
    method = given.get("method")
    return isinstance(method, ast_expressions.Name) and method.name == "judged"


def check_tests(given: Mapping[str, ast_expressions.Expr], source: Typed, span: Span, frame: Frame) -> bool:
    """Checks what is tested and by what; whether a model is asked."""
    judged, tests = is_judged(given), given.get("with")
    if judged and tests is None:
        message = "`run_tests(method: judged)` needs `with:`, the tests that are judged"
        hint = "write `with: checks`, where `checks` are texts or what a `generate` gave"
        frame.report("E0212", message, span, hint=hint)
    if not judged:
        _programs(source, span, frame)
    if tests is not None and not judged:
        for name in ("from", *WRITING):
            if name in given:
                message = f"the tests are given and run, so no model is asked, and `{name}:` has no use"
                hint = "leave it out; or write `method: judged`"
                frame.report("E0211", message, given[name].span, hint=hint)
                break
    return judged or tests is None


def _programs(source: Typed, span: Span, frame: Frame) -> None:
    """Reports answers that can be no Python programs."""
    if not isinstance(source.type, types.Answers) or source.type.item in (types.ANY, types.TEXT):
        return
    item = source.type.item
    kind = item.item if isinstance(item, types.Optional) else item
    if isinstance(kind, types.Code) and kind.language.lower() in PYTHON:
        return
    if isinstance(kind, types.Code):
        message = f"`run_tests` runs Python, and these answers are {kind}"
    else:
        message = f"`run_tests` runs programs, and these answers are {describe(kind)}"
    hint = "have their prompt give `-> Code(python)`, or let a model judge them: `method: judged`"
    frame.report("E0215", message, span, hint=hint)


def tests_given(value: ast_expressions.Expr, frame: Frame) -> None:
    """Checks the value of `with:`."""
    typed = frame.type(value)
    if not typed.is_known or typed.is_pool or typed.type in (types.TEXT, types.ANY):
        return
    kind = typed.type.item if isinstance(typed.type, types.ListOf) else None
    if isinstance(typed.type, types.Code) or kind == types.TEXT or isinstance(kind, types.Record | types.Json):
        return
    message = f"`with:` takes tests, and this is {describe(typed.type)}"
    hint = "give a pool, a Text, a [Text], or records with `input` and `output`"
    frame.report("E0215", message, value.span, hint=hint)
