"""States of computed prompts on disk: what a long system prompt left in the cache, for the next process.

A file holds the tokens that it is for, by their digest in its name, and the state as llama.cpp writes it. It belongs to
one identity: weights, adapters, types of the cache, build. Files that were not used for long go when there are many.
"""

from __future__ import annotations

import array
import contextlib
import hashlib
import os
import zlib
from collections.abc import Sequence
from pathlib import Path

import platformdirs

MAGIC = b"ttscale prompt 1\n"
LIMIT = 2 << 30  # bytes of all files


def default_folder() -> Path:
    """Where states are kept."""
    return Path(platformdirs.user_cache_dir("ttscale", appauthor=False)) / "prompts"


class Shelf:
    """The states of one identity in a folder that others share. What cannot be read or written is not there."""

    def __init__(self, folder: Path, identity: str, limit: int = LIMIT) -> None:
        self._folder = folder
        self._identity = identity
        self._limit = limit

    def _file(self, tokens: Sequence[int]) -> Path:
        digest = hashlib.sha256(self._identity.encode() + b"\0" + array.array("q", tokens).tobytes())
        return self._folder / f"{digest.hexdigest()[:40]}.state"

    def read(self, tokens: Sequence[int]) -> bytes | None:
        """The state after these tokens; None where there is none that is whole."""
        file = self._file(tokens)
        try:
            data = file.read_bytes()
            head = len(MAGIC) + 4
            state = data[head:]
            if not data.startswith(MAGIC) or zlib.crc32(state) != int.from_bytes(data[len(MAGIC) : head], "little"):
                file.unlink()
                return None
            os.utime(file)
        except OSError:
            return None
        return state

    def write(self, tokens: Sequence[int], state: bytes) -> None:
        """Keep a state."""
        file = self._file(tokens)
        draft = file.with_suffix(f".{os.getpid()}.tmp")
        # A shelf that is full or read-only costs time at the next start and nothing else.
        with contextlib.suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
            draft.write_bytes(MAGIC + zlib.crc32(state).to_bytes(4, "little") + state)
            draft.replace(file)
            self._trim()

    def _trim(self) -> None:
        """Drop the files that were used least lately until the rest fits."""
        known = sorted(((one.stat(), one) for one in self._folder.glob("*.state")), key=lambda one: one[0].st_mtime_ns)
        size = sum(status.st_size for status, _ in known)
        for status, file in known[:-1]:
            if size <= self._limit:
                return
            file.unlink()
            size -= status.st_size
