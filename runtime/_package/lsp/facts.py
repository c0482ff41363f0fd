"""What the checker knows of the expressions and names of one pipeline, kept by their places.

The pipeline is typed once more with a typer that notes down what it finds; its diagnostics are thrown away.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ttscale.compiler import ast, ast_expressions, types
from ttscale.compiler.check_blocks import body
from ttscale.compiler.check_conditions import FALSE, MAYBE, TRUE
from ttscale.compiler.check_expressions import expression
from ttscale.compiler.check_frame import UNKNOWN, Facet, Frame, Local, Program, Size, Typed
from ttscale.compiler.check_params import declare
from ttscale.compiler.resolve import type_of
from ttscale.compiler.scope import Linked, ModuleScope
from ttscale.compiler.signatures import FACETS
from ttscale.compiler.source import Span

Place = tuple[int, int]


@dataclass
class Facts:
    """What is known by place: of expressions (a stage's name stands for what the stage gives) and of names."""

    expressions: dict[Place, Typed] = field(default_factory=dict)
    locals: dict[int, Local] = field(default_factory=dict)

    def note(self, expr: ast_expressions.Expr, typed: Typed, frame: Frame) -> None:
        """Remember what was found of one expression, and the names in sight there."""
        self.expressions[(expr.span.start, expr.span.end)] = typed
        call = expr.right if isinstance(expr, ast_expressions.Pipe) else expr
        if isinstance(call, ast_expressions.Call):
            self.expressions[(call.callee.span.start, call.callee.span.end)] = typed
        inner: Frame | None = frame
        while inner is not None:
            self.locals.update((local.span.start, local) for local in inner.locals.values())
            inner = inner.outer


def facts_of(declaration: ast.PipelineDecl, scope: ModuleScope, linked: Linked) -> Facts:
    """The facts of one pipeline, right or wrong."""
    facts = Facts()

    def typer(expr: ast_expressions.Expr, frame: Frame) -> Typed:
        typed = expression(expr, frame)
        facts.note(expr, typed, frame)
        return typed

    frame = Frame(Program(linked), scope, typer, "pipeline")
    facets = {name: Facet(MAYBE) for name in FACETS}
    for item in declaration.inputs:
        kind, _ = type_of(item.type, scope, linked)
        span = Span(item.span.file, item.span.start, item.span.start + len(item.name))
        frame.locals.setdefault(item.name, Local("input", Typed(kind, UNKNOWN, facets), span))
    inputs = dict(frame.locals)
    declare(declaration.params, frame)
    frame.locals |= inputs
    body(declaration.bindings, frame)
    frame.type(declaration.value)
    facts.locals.update((local.span.start, local) for local in frame.locals.values())
    return facts


def described(typed: Typed) -> str:
    """A value in words: its type, and of a pool how many candidates there are and what judges added to them."""
    if not typed.is_known:
        return ""
    lines = [f"`{typed.type}`"]
    if isinstance(typed.type, types.Answers):
        lines.append(counted(typed.size))
        facets = [_facet(name, typed.facet(name)) for name in FACETS]
        known = [said for said in facets if said]
        if known and len(known) < len(FACETS):
            lines.append(", ".join(known))
    return " · ".join(lines)


def counted(size: Size) -> str:
    """How many candidates there are over all values of the parameters."""
    if size.high is None:
        return f"{size.low} or more candidates" if size.low else "any number of candidates"
    if size.low == size.high:
        return "1 candidate" if size.low == 1 else f"{size.low} candidates"
    return f"{size.low} to {size.high} candidates"


def _facet(name: str, facet: Facet) -> str:
    if facet.present == FALSE:
        return ""
    return name if facet.present == TRUE else f"{name} for some values"
