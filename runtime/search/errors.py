"""What can be wrong with a search before or while it runs."""

from __future__ import annotations


class SearchError(Exception):
    """A search that cannot be made; the message and the hint are for the user."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint
