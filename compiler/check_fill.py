"""Arguments of prompts and pipelines: matched by position or name, and checked against their types.

Codes:
    E0211  an argument that does not exist
    E0213  an argument given twice, or one too many
"""

from __future__ import annotations

from collections.abc import Mapping

from ttscale.compiler import ast, ast_expressions, types
from ttscale.compiler.check_chats import chat_value, last_turn
from ttscale.compiler.check_frame import Frame, listed
from ttscale.compiler.check_params import outside_domain
from ttscale.compiler.check_types import fits
from ttscale.compiler.check_values import expect, must_be_static
from ttscale.compiler.diagnostics import suggest
from ttscale.compiler.frozen import dataclass
from ttscale.compiler.resolve import prompt_type
from ttscale.compiler.scope import Symbol

UNKNOWN_NAME = "?"
"""What begins the name of an argument that there is not, among those given: one that is missing was probably meant."""


def missing_of(names: list[str], given: set[str]) -> list[str]:
    """Those of `names` that are not given; none where unknown arguments, which are reported, may stand for them."""
    missing = [name for name in names if name not in given]
    unknown = sum(name.startswith(UNKNOWN_NAME) for name in given)
    return [] if unknown >= len(missing) else missing


@dataclass(frozen=True)
class Callee:
    """A prompt as a call sees it: its name in this file, its type, and which arguments may be left out."""

    written: str
    type: types.PromptType
    optional: frozenset[str] = frozenset()
    symbol: Symbol | None = None


def callee_of(symbol: Symbol, written: str, frame: Frame) -> Callee:
    """The prompt behind a symbol."""
    optional: frozenset[str] = frozenset()
    if isinstance(symbol.declaration, ast.PromptDecl):
        optional = frozenset(field.name for field in symbol.declaration.params if field.default is not None)
    return Callee(written, prompt_type(symbol, frame.program.linked), optional, symbol)


def arguments(expr: ast_expressions.Call, callee: Callee, frame: Frame) -> set[str]:
    """Checks the arguments of a prompt and gives the names of those that are given."""
    kinds = dict(callee.type.params)
    return bind_arguments(expr, callee.written, kinds, list(kinds), {}, frame, for_prompt=True, symbol=callee.symbol)


def bind_arguments(
    expr: ast_expressions.Call,
    written: str,
    inputs: Mapping[str, types.Type],
    positions: list[str],
    params: Mapping[str, tuple[ast.Param, types.Type]],
    frame: Frame,
    *,
    for_prompt: bool,
    symbol: Symbol | None = None,
) -> set[str]:
    """Matches arguments to inputs (by position or name) and parameters (by name); the names given."""
    given: set[str] = set()
    for arg in expr.args:
        name = arg.name
        if name is None:
            name = next((position for position in positions if position not in given), None)
            if name is None:
                count = f"{len(inputs)} argument{'' if len(inputs) == 1 else 's'}"
                hint = f"it has {listed(list(inputs))}" if inputs else f"write `{written}()`"
                frame.report("E0213", f"`{written}` takes {count}, and this is one more", arg.span, hint=hint)
                look_at(arg.value, frame)
                continue
        elif name not in inputs and name not in params:
            known = [*inputs, *params]
            near = suggest(name, known)
            given.add(near or f"{UNKNOWN_NAME}{name}")
            hint = f"did you mean `{near}`?" if near else f"it has {listed(known)}" if known else "it takes none"
            frame.report("E0211", f"`{written}` has no argument `{name}`", arg.span, hint=hint)
            look_at(arg.value, frame)
            continue
        if name in given:
            frame.report("E0213", f"`{name}` is given twice", arg.span, hint="keep one of them")
            continue
        given.add(name)
        if name in inputs:
            if inputs[name] == types.CHAT and isinstance(arg.value, ast_expressions.ListExpr | ast_expressions.MapExpr):
                mark = len(frame.program.diagnostics)
                chat_value(arg.value, frame, f"`{name}` of `{written}`")
                if symbol is not None and not frame.program.has_errors_since(mark):
                    last_turn(arg.value, name, symbol, frame)
                continue
            expect(arg.value, frame, inputs[name], f"`{name}` of `{written}`", for_prompt=for_prompt)
        else:
            param, kind = params[name]
            typed = expect(arg.value, frame, kind, f"`{name}` of `{written}`")
            if fits(typed.value, kind) and must_be_static(
                arg.value, frame, typed, f"the parameter `{name}` of `{written}`"
            ):
                outside_domain(param, arg.value, frame, f"`{name}` of `{written}`")
    return given


def look_at(expr: ast_expressions.Expr, frame: Frame) -> None:
    """Types an argument that goes nowhere, so that what it uses counts as used; its own mistakes are not told."""
    kept = list(frame.program.diagnostics)
    if not isinstance(expr, ast_expressions.UpTo):
        frame.type(expr)
    frame.program.diagnostics[:] = kept
