"""Pools written as letters, for tests of the rules that choose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ttscale.compiler import types as t
from ttscale.compiler.selectors import parse_selector
from ttscale.runtime import answers
from ttscale.runtime.pool import Candidate, Pool
from ttscale.runtime.strategies import apply_stage


def pool(letters: str, **columns: Sequence[object]) -> Pool:
    """A pool from letters, one a candidate, `?` being unreadable; columns are fields of candidates."""
    made = []
    for i, letter in enumerate(letters):
        read = None if letter == "?" else letter
        fields = {name: column[i] for name, column in columns.items()}
        made.append(replace(Candidate(f"text {i}", read, read, index=i), **fields))  # type: ignore[arg-type]
    return Pool(tuple(made), t.TEXT)


def choose(text: str, of: Pool) -> int | None:
    """What a selector picks, by position in the pool."""
    places = list(range(len(of)))
    for stage in parse_selector(text):
        outcome = apply_stage(stage.op, stage.args, of)
        places, of = [places[i] for i in outcome.kept], outcome.pool
    return places[0] if len(places) == 1 else None


def classes(letters: str) -> list[int | None]:
    """The equality classes of letters, `?` being none."""
    return answers.classes(t.TEXT, [None if x == "?" else x for x in letters])
