"""The names of memories: what may be one, and which are files."""

from __future__ import annotations

import re

FILES = (".sqlite", ".sqlite3", ".db")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


def is_file(memory: str) -> bool:
    """Whether a memory is named by the path of its file."""
    return memory.lower().endswith(FILES)


def is_name(memory: str) -> bool:
    """Whether this may name a memory in the store of the user."""
    return _NAME.fullmatch(memory) is not None
