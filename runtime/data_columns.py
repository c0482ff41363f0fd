"""The columns of data files, read before a run: the first rows of a file beside a program.

FileLoader(python, columns=DataColumns())      # a loader whose programs are checked against their data
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ttscale.compiler import ir, types
from ttscale.compiler.columns import Columns, Unreadable
from ttscale.compiler.diagnostics import suggest

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
        self._known: dict[tuple[object, ...], Columns | Unreadable | None] = {}

    def __call__(self, dataset: ir.Dataset) -> Columns | Unreadable | None:
        """The columns of a dataset's file; None where it is of another kind, or too large to look at."""
        if dataset.kind not in KINDS:
            return None
        from ttscale.runtime.datasets.rows import path_of
        from ttscale.runtime.tables import DataError

        try:
            path = path_of(dataset)
            state = path.stat()
            if path.is_dir():
                return Unreadable(f"`{dataset.locator}` is a folder, not a file of rows", "name a file in it")
        except DataError as error:
            return Unreadable(str(error), error.hint)
        except FileNotFoundError:
            return Unreadable(f"there is no file `{dataset.locator}`", _near(path))
        except (OSError, ValueError):
            return Unreadable(f"`{dataset.locator}` cannot be read", "look at the file and the rights on it")
        if dataset.kind == "json" and state.st_size > LARGE:
            return None
        declared = any(name != "id" for name, _ in dataset.fields)
        key = (str(path), state.st_mtime_ns, state.st_size, repr(dataset.options), declared)
        if key not in self._known:
            try:
                self._known[key] = _columns(dataset, path, declared=declared)
            except DataError as error:
                # Whoever runs the program is told the same, with the whole path.
                message = str(error).replace(str(path), path.name)
                self._known[key] = Unreadable(message, error.hint or "look at that line of the file")
            except OSError:
                self._known[key] = Unreadable(f"`{dataset.locator}` cannot be read", "look at the rights on the file")
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
    kinds = {name: _kind([row.get(name) for row in rows[:FIRST]]) for name in names}
    known = {name: kind for name, kind in kinds.items() if kind != types.ANY}
    metric = shape.metric if shape is not None else ""
    return Columns(path.name, names, shaped, min(len(rows), FIRST), whole, known, metric or "")


def _kind(values: Sequence[object]) -> types.Type:
    """The type that all values of a column have; Any where one is missing, or where they differ."""
    found = {type(value) for value in values}
    if found == {str}:
        return types.TEXT
    if found == {bool}:
        return types.BOOL
    if found <= {int, float}:
        return types.INT if found == {int} else types.FLOAT
    return types.ListOf(types.ANY) if found == {list} else types.ANY


def _near(path: Path) -> str:
    """What to do about a missing file: a name beside it that is nearly the same, or where it is looked for."""
    folder = path.parent
    if not folder.is_dir():
        return f"there is no folder {folder.name} either; paths are relative to this file"
    beside = {entry.stem: entry.name for entry in sorted(folder.iterdir())[:1000] if entry.suffix == path.suffix}
    near = suggest(path.stem, beside)
    return f"did you mean `{beside[near]}`?" if near else "paths are relative to this file"
