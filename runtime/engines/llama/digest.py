"""The sha256 of a weight file, remembered by path, size and time of change."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from pathlib import Path

import platformdirs

BLOCK = 1 << 22


def cache_file() -> Path:
    """Where digests of weight files are remembered."""
    return Path(platformdirs.user_cache_dir("ttscale", appauthor=False)) / "digests.json"


def file_digest(path: Path) -> str:
    """ "sha256:…" of a file; reads all of it only when it has changed since the last time."""
    status = path.stat()
    key = str(path.resolve())
    stamp = [status.st_size, status.st_mtime_ns]
    known = _load()
    entry = known.get(key)
    if isinstance(entry, list) and entry[:2] == stamp and len(entry) == 3:
        return f"sha256:{entry[2]}"
    digest = hashlib.sha256()
    with path.open("rb") as handle:
        while block := handle.read(BLOCK):
            digest.update(block)
    known[key] = [*stamp, digest.hexdigest()]
    _save(known)
    return f"sha256:{digest.hexdigest()}"


def _load() -> dict[str, object]:
    try:
        known = json.loads(cache_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _save(known: dict[str, object]) -> None:
    # A cache that cannot be written costs time and nothing else.
    with contextlib.suppress(OSError):
        file = cache_file()
        file.parent.mkdir(parents=True, exist_ok=True)
        draft = file.with_suffix(f".{os.getpid()}.tmp")
        draft.write_text(json.dumps(known), encoding="utf-8")
        draft.replace(file)
