"""`fix n = 16` in a `search` or an `eval`: a value that the parameter may have, with which some assignment is left.

Codes are those of the block that has the clause: E0284 of an `eval`, E0563 and E0564 of a `search`.
"""

from __future__ import annotations

from collections.abc import Mapping

from ttscale.compiler import ast
from ttscale.compiler.check_conditions import Space as Allowed
from ttscale.compiler.check_expressions import expression
from ttscale.compiler.check_frame import Frame, Program
from ttscale.compiler.check_params import check_requires, declare
from ttscale.compiler.scope import Linked, Symbol
from ttscale.compiler.space import Space, plain_form, wrong_value


def check_fixed(clause: ast.Clause, name: str, space: Space, program: Program, code: str) -> bool:
    """Reports a value that the parameter cannot have; whether it can."""
    wrong = wrong_value(space, name, plain_form(clause.values[0]))
    if wrong is not None:
        program.report(code, wrong.message, clause.values[0].span, hint=wrong.hint)
    return wrong is None


def is_possible(symbol: Symbol, fixed: Mapping[str, object], linked: Linked) -> bool:
    """Whether some assignment with these values meets every `require`; True where that is not known."""
    pipeline = symbol.declaration
    if not isinstance(pipeline, ast.PipelineDecl) or not pipeline.requires:
        return True
    frame = Frame(Program(linked), linked.scope_of(symbol), expression, "pipeline")
    declare(pipeline.params, frame)
    check_requires(pipeline.requires, frame, frozenset(binding.name for binding in pipeline.bindings))
    space = frame.space
    if not set(space.values) <= space.complete | set(fixed):
        return True
    values = {name: (fixed[name],) if name in fixed else own for name, own in space.values.items()}
    return Allowed(values, space.defaults, space.requires, space.complete).assignments(values) != []
