"""Checking."""

from __future__ import annotations

from ttscale.compiler.diagnostics import Diagnostic
from ttscale.compiler.scope import Linked


def check(linked: Linked) -> list[Diagnostic]:
    """Everything that is wrong with a linked program, for all assignments of its parameters."""
    return []
