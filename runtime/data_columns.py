"""The columns of data files, read before a run: the first rows of a file beside a program.

FileLoader(python, columns=DataColumns())      # a loader whose programs are checked against their data
"""

from __future__ import annotations

from pathlib import Path

from ttscale.compiler import ir
from ttscale.compiler.columns import Columns

FIRST = 200
"""Rows read of a file; a table has its columns in its first line, whatever follows."""
LARGE = 4 << 20
"""Bytes of a JSON array beyond which it is left alone: nothing of it can be read without the whole."""
KINDS = ("jsonl", "json", "csv", "tsv")


class DataColumns:
    """Tells the columns of datasets that are files of text; each is read again only when it has changed.

    Of Parquet files, generated tasks and the hub nothing is told: that would load libraries, or run something.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[object, ...], Columns | None] = {}

    def __call__(self, dataset: ir.Dataset) -> Columns | None:
        """The columns of a dataset's file; None where it is missing, of another kind or not readable."""
        if dataset.kind not in KINDS:
            return None
        from ttscale.runtime.datasets.rows import path_of
        from ttscale.runtime.tables import DataError

        try:
            path = path_of(dataset)
            state = path.stat()
        except (DataError, OSError, ValueError):
            return None
        if dataset.kind == "json" and state.st_size > LARGE:
            return None
        declared = any(name != "id" for name, _ in dataset.fields)
        key = (str(path), state.st_mtime_ns, state.st_size, repr(dataset.options), declared)
        if key not in self._known:
            try:
                self._known[key] = _columns(dataset, path, declared=declared)
            except (DataError, OSError):
                self._known[key] = None
        return self._known[key]


def _columns(dataset: ir.Dataset, path: Path, *, declared: bool) -> Columns | None:
    """The columns of the first rows. Raises DataError where one of them cannot be read."""
    from ttscale.runtime.datasets.shapes import SHAPES, Misfit, recognised
    from ttscale.runtime.datasets.sources import records

    options = dict(dataset.options)
    rows = [record.columns for record in records(dataset, path, options, FIRST + 1)]
    if not rows:
        return None
    names = tuple(dict.fromkeys(name for row in rows[:FIRST] for name in row))
    said = options.get("shape")
    shape = SHAPES.get(said) if isinstance(said, str) else None if declared else recognised(rows[0])
    shaped: tuple[str, ...] = ()
    if shape is not None:
        try:
            shaped = tuple(shape.fields(rows[0]))
        except Misfit:
            return None
    whole = dataset.kind in ("csv", "tsv") or len(rows) <= FIRST
    return Columns(path.name, names, shaped, min(len(rows), FIRST), whole)
