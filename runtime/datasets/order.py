"""Shuffles and splits that depend on what rows are, not on where they stand.

A row's place is drawn from its content and a seed alone: rows that are added, removed or moved in the file leave the
order of all others as it was, and a row never changes from one part of a split to another.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence


def content_id(columns: Mapping[str, object]) -> str:
    """A row's identity as hexadecimal digits: the hash of its columns, whatever their order in the file."""
    text = json.dumps(columns, sort_keys=True, ensure_ascii=True, default=str, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def shuffled(identities: Sequence[str], seed: int) -> list[int]:
    """The places of rows in the order that a seed gives them; equal rows keep theirs among themselves."""
    seen: Counter[str] = Counter()
    keys: list[tuple[bytes, int]] = []
    for identity in identities:
        keys.append((_drawn("shuffle", seed, identity), seen[identity]))
        seen[identity] += 1
    return sorted(range(len(identities)), key=lambda place: keys[place])


def share_of(identity: str, seed: int) -> float:
    """Where in [0, 1) a row falls when rows are split by a seed; equal rows fall together."""
    return int.from_bytes(_drawn("split", seed, identity)[:6], "big") / (1 << 48)


def _drawn(what: str, seed: int, identity: str) -> bytes:
    return hashlib.sha256(f"{what}\n{seed}\n{identity}".encode()).digest()
