"""Rows of a search's dataset that it neither searches nor tests on: examples for a few-shot baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ttscale.compiler import ir
from ttscale.compiler.searches import Search
from ttscale.runtime.evaluate.api import rows_of
from ttscale.runtime.evaluate.arms import Item

if TYPE_CHECKING:
    from ttscale.runtime.program import Program

SHOTS = 4
"""How many examples the baseline shows."""
LOOKED_THROUGH = 16
"""In how many spare rows they are looked for."""


def spare_rows(program: Program, search: Search, items: Sequence[Item]) -> str:
    """The text of `SHOTS` rows that the search leaves alone, `gsm[1200:1204]`; "" where there are none.

    A row that asks one of the search's own questions is no example. Only slices can be told apart, so rows that are
    shuffled or filtered first leave none to spare.
    """
    used = [rows for rows in (search.rows, search.holdout) if rows is not None and rows.dataset == search.rows.dataset]
    if any(step[0] != "slice" for rows in used for step in rows.steps):
        return ""
    names = list(items[0].inputs)
    asked = {_question(item.inputs, names) for item in items}
    every = rows_of(program, ir.Rows(search.rows.dataset))
    taken = {place for rows in used for place in _places(rows, len(every))}
    free = [place for place in range(len(every)) if place not in taken]
    for start in free[:LOOKED_THROUGH]:
        places = range(start, start + SHOTS)
        rows = [every[place] for place in places if place < len(every)]
        is_free = len(rows) == SHOTS and not any(place in taken for place in places)
        if is_free and all(row.get("answer") is not None and _question(row, names) not in asked for row in rows):
            return f"{search.on.partition('[')[0].strip()}[{start}:{start + SHOTS}]"
    return ""


def _question(row: Mapping[str, object], names: Sequence[str]) -> str:
    return repr([row.get(name) for name in names])


def _places(rows: ir.Rows, count: int) -> range:
    """The places in the file that slices of it take."""
    places = range(count)
    for _, low, high in rows.steps:
        assert low is None or isinstance(low, int)
        assert high is None or isinstance(high, int)
        places = places[low:high]
    return places
