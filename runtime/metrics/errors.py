"""What goes wrong when something is measured."""

from __future__ import annotations


class MetricError(Exception):
    """A measure cannot be taken; the message is for the user."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


def short(value: object) -> str:
    """A value as a message shows it, at most 80 characters."""
    shown = repr(value)
    return shown if len(shown) <= 80 else f"{shown[:77]}…"
