"""Binding every allowed assignment of a program's parameters, for `check --params all`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice, product
from typing import TYPE_CHECKING

from ttscale.compiler.diagnostics import Diagnostic

if TYPE_CHECKING:
    from ttscale.compiler.driver import Checked

MOST = 4096
BROKEN_RULE = "E0554"


def bind_all(checked: Checked) -> list[Diagnostic]:
    """What is wrong with some assignment of some pipeline, each problem once with the first assignment that has it."""
    found: dict[tuple[object, ...], Diagnostic] = {}
    for name in checked.pipelines:
        for diagnostic, assignment in problems(checked, name):
            key = (diagnostic.code, diagnostic.primary, diagnostic.message)
            if key not in found and diagnostic not in checked.diagnostics:
                found[key] = with_assignment(diagnostic, name, assignment)
    return list(found.values())


def problems(checked: Checked, pipeline: str) -> Iterator[tuple[Diagnostic, dict[str, object]]]:
    """Every diagnostic of every assignment that the pipeline's own `require`s allow."""
    from ttscale.compiler.bind import bind, choose_pipeline
    from ttscale.compiler.space import space_of
    from ttscale.library.standard import stage_prompts

    symbol, _ = choose_pipeline(checked.linked, pipeline)
    if symbol is None:
        return
    space = space_of(checked.linked, symbol)
    domains = {name: domain.values() for name, domain in space.domains.items() if domain is not None}
    for values in islice(product(*domains.values()), MOST):
        assignment = dict(zip(domains, values, strict=True))
        _, said = bind(checked, pipeline, assignment, std=stage_prompts())
        if any(d.code == BROKEN_RULE for d in said):
            continue
        yield from ((diagnostic, assignment) for diagnostic in said)


def with_assignment(diagnostic: Diagnostic, pipeline: str, assignment: dict[str, object]) -> Diagnostic:
    """The diagnostic with the assignment that shows it in its hint."""
    shown = ", ".join(f"{name} = {value}" for name, value in assignment.items())
    if not shown:
        return diagnostic
    note = f"so with {shown} in `{pipeline}`"
    return replace(diagnostic, hint=f"{diagnostic.hint}\n{note}" if diagnostic.hint else note)
