"""Lint: programs that mean something, written in a way that costs more, or finds less, than it could.

    for finding in lint(checked, std=stage_prompts()):
        ...   # Diagnostic("L103", "`rank` has no critique before it (critic-before-judge)", …, severity="lint")

Each group of rules is in a module of its own: `lint_declared` looks at declarations, `lint_parameters` at parameters,
`lint_order`, `lint_choices` and `lint_samples` at graphs. A rule about graphs is told if it holds for every allowed
assignment of the parameters: what depends on a parameter is the search's matter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from ttscale.compiler import ir
from ttscale.compiler.diagnostics import Diagnostic
from ttscale.compiler.driver import Checked, in_order
from ttscale.compiler.lint_allow import allowances, silence, unused
from ttscale.compiler.lint_choices import choices
from ttscale.compiler.lint_declared import declared
from ttscale.compiler.lint_order import order
from ttscale.compiler.lint_parameters import Drawn, dead_parameters, drawn, space_to_lint
from ttscale.compiler.lint_rules import RULES
from ttscale.compiler.lint_samples import samples
from ttscale.compiler.lint_view import View

GRAPH_RULES: tuple[Callable[[View], Iterator[Diagnostic]], ...] = (order, choices, samples)


def lint(checked: Checked, *, std: Mapping[str, ir.Prompt] | None = None) -> list[Diagnostic]:
    """Everything that lint says about the file that was checked, from top to bottom; nothing where it has errors.

    `std` are the prompts that stages use by default. Findings that a comment allows are left out, and a comment
    that allows nothing is a finding of its own.
    """
    if not checked.ok:
        return []
    linked = checked.linked
    entry = linked.entry
    found = [d for d in (*checked.diagnostics, *checked.silenced) if d.severity == "lint"]
    found += declared(linked)
    for name in checked.pipelines:
        found += _pipeline(checked, name, std)
    found = [_named(d) for d in found if d.primary is None or d.primary.file == entry]
    already = {d.primary for d in found if d.code == "L006"}
    found = [d for d in found if d.code not in ("L104", "L106") or d.primary not in already]
    comments, wrong = allowances(linked.main.tree, linked.sources[entry])
    kept, used = silence(_once(found), comments)
    return list(in_order([*kept, *wrong, *unused(comments, used)], entry))


def _once(found: Iterable[Diagnostic]) -> list[Diagnostic]:
    """One finding of a rule for a place."""
    first: dict[tuple[object, ...], Diagnostic] = {}
    for diagnostic in found:
        first.setdefault((diagnostic.code, diagnostic.primary), diagnostic)
    return list(first.values())


def _named(diagnostic: Diagnostic) -> Diagnostic:
    """The finding with the name of its rule at the end of its message."""
    from dataclasses import replace

    ending = f"({RULES[diagnostic.code].name})"
    if diagnostic.message.endswith(ending):
        return diagnostic
    return replace(diagnostic, message=f"{diagnostic.message} {ending}")


def _pipeline(checked: Checked, name: str, std: Mapping[str, ir.Prompt] | None) -> list[Diagnostic]:
    """What the rules about graphs say of a pipeline of the file."""
    space, defaults = space_to_lint(checked.linked, name)
    if space is None:
        return []
    sampled = drawn(space, defaults, std)
    if not sampled:
        return []
    return [*_together(sampled), *dead_parameters(space, defaults, std)]


def _together(sampled: list[Drawn]) -> list[Diagnostic]:
    """Findings at the defaults, without those that some other assignment with the same stage does not have."""
    views = [View(one.graph) for one in sampled]
    by_view = [[finding for rule in GRAPH_RULES for finding in rule(view)] for view in views]
    kept: list[Diagnostic] = []
    for finding in by_view[0]:
        key = (finding.code, finding.primary)
        others = zip(views[1:], by_view[1:], strict=True)
        if RULES[finding.code].holds == "defaults" or all(
            finding.primary not in view.spans or key in {(f.code, f.primary) for f in said} for view, said in others
        ):
            kept.append(finding)
    return kept
