"""The order rules of Archon's paper, which its code does not check and its published configurations break.

They are told under the names of the lint rules that stand for them in programs:

    R1  L101  one kind of component in a layer
    R2  L102  generators in the first layer only
    R3  L103  a critic before a ranker or fuser
    R4  L104  rankers, critics, verifiers and unit tests after the first layer, each alone in its layer
    R5  L105  fusers after the first layer
    R6  L107  a generator of unit tests directly before their evaluator
"""

from __future__ import annotations

from collections.abc import Iterator

from ttscale.compiler.diagnostics import Diagnostic
from ttscale.compiler.lint_rules import RULES
from ttscale.compiler.source import Span
from ttscale.library.archon.fields import Component, Configuration, Layer

ALONE = ("ranker", "critic", "verifier", "unit_test_generator", "unit_test_evaluator")


def broken_rules(configuration: Configuration) -> list[Diagnostic]:
    """Every rule of the paper that a configuration breaks, once for each layer, from top to bottom."""
    found: list[Diagnostic] = []
    criticised = False
    for index, layer in enumerate(configuration.layers):
        after = configuration.layers[index + 1] if index + 1 < len(configuration.layers) else None
        found += _of_layer(layer, first=index == 0, criticised=criticised, after=after)
        if layer.of("critic"):
            criticised = True
        elif layer.of("generator", "fuser"):
            criticised = False
    return found


def _of_layer(layer: Layer, *, first: bool, criticised: bool, after: Layer | None) -> Iterator[Diagnostic]:
    if len(layer.kinds) > 1:
        kinds = " and ".join(layer.kinds)
        yield _said("L101", f"a layer has one kind of component, and this one has {kinds}", layer.span)
    if not first and (late := layer.of("generator")):
        yield _said("L102", "generators belong in the first layer", late[0].place("type"))
    if not first and not criticised and (blind := layer.of("ranker", "fuser")):
        yield _said("L103", f"a {blind[0].kind} wants a critic before it", blind[0].place("type"))
    judges = layer.of(*ALONE)
    if judges and (first or len(layer.components) > 1):
        where = "after the first layer" if first else "alone in its layer"
        yield _said("L104", f"a {judges[0].kind} belongs {where}", judges[0].place("type"))
    if first and (early := layer.of("fuser")):
        yield _said("L105", "fusers belong after the first layer", early[0].place("type"))
    if (tests := layer.of("unit_test_generator")) and not _evaluates(after):
        message = "unit tests belong directly before their evaluator"
        yield _said("L107", message, tests[0].place("type"), _shown_to(after))


def _evaluates(layer: Layer | None) -> bool:
    return layer is not None and bool(layer.of("unit_test_evaluator"))


def _shown_to(layer: Layer | None) -> str:
    readers: tuple[Component, ...] = () if layer is None else layer.of("generator")
    return "put the generators first, so that no candidate is written to pass the tests" if readers else ""


def _said(code: str, message: str, place: Span, hint: str = "") -> Diagnostic:
    rule = RULES[code]
    return Diagnostic(code, f"{message} ({rule.name}, {rule.archon} of Archon's paper)", place, "lint", hint=hint)
