"""The weights of `origin("large: 2, small: 0.5")`: a text of names and numbers, looked at before the run.

Codes:
    E0296  weights that cannot be read, or of a name that no model and no prompt has
"""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite

from ttscale.compiler.check_frame import Frame, listed
from ttscale.compiler.diagnostics import suggest
from ttscale.compiler.source import Span

EXAMPLE = 'write `origin("large: 2, small: 0.5")`'


def check_weights(text: str, span: Span, frame: Frame) -> None:
    """Reports weights that cannot be read, and names that nothing in the program and its imports has."""
    models, prompts = list(_named("model", frame)), list(_named("prompt", frame))
    seen: set[str] = set()
    for part in text.split(","):
        name, number = (side.strip() for side in part.partition(":")[::2])
        if not name or not _is_weight(number):
            frame.report("E0296", f"`{part.strip()}` is no weight of a model or prompt", span, hint=EXAMPLE)
        elif name in seen:
            frame.report("E0296", f"`{name}` has two weights", span, hint="keep one of them")
        elif name not in models and name not in prompts and frame.names_are_complete():
            near = suggest(name, [*models, *prompts])
            hint = f"did you mean `{near}`?" if near else f"there is {listed(models)}" if models else EXAMPLE
            frame.report("E0296", f"no model and no prompt is called `{name}`", span, hint=hint)
        seen.add(name)


def _is_weight(number: str) -> bool:
    try:
        return isfinite(float(number)) and float(number) >= 0
    except ValueError:
        return False


def _named(kind: str, frame: Frame) -> Iterator[str]:
    """The names of what is declared anywhere in the program: those in sight first."""
    seen: set[str] = set()
    for scope in (frame.scope, *frame.program.linked.modules.values()):
        for symbol in scope.names.values():
            if symbol.kind == kind and symbol.name not in seen:
                seen.add(symbol.name)
                yield symbol.name
