"""What recipes are called: the names of their files, and names that mean the same recipe."""

from __future__ import annotations

import re

MANIFEST = "recipe.toml"
FILE = "recipe.tts"
README = "README.md"
LIMIT = 1 << 16
"""Bytes that a manifest may have."""


def normal(name: str) -> str:
    """One spelling for `self_consistency`, `Self-Consistency` and `self.consistency`, as Python packages have it."""
    return re.sub(r"[-_.\s]+", "-", name).lower()
