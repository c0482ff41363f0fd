"""Rows of declared datasets: fields from columns, with slices, shuffles, splits and conditions.

    load(Rows(Dataset("gsm", "jsonl", "gsm8k.jsonl", …), (("slice", 0, 100),)))

Columns of CSV are text; `number(column)` makes numbers of them, and an empty cell is none. A key that one JSON object
lacks and another has is none there; a column that no row has is an error where an expression reads it. A dataset
without fields has those of its shape, where that is a published one, and all columns of the file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ttscale.compiler import ir
from ttscale.compiler.diagnostics import suggest
from ttscale.compiler.readers import NO_SHAPE, READERS
from ttscale.library.recipes import folder_of, recipe_of
from ttscale.runtime.datasets.order import content_id, share_of, shuffled
from ttscale.runtime.datasets.shapes import SHAPES, Misfit, Shape, recognised
from ttscale.runtime.datasets.sources import Sourced, kind_of, records
from ttscale.runtime.evaluate_expr import EvaluationError, evaluate
from ttscale.runtime.tables import DataError

GOLD = "answer"
_EXAMPLES = {
    "shuffle": "shuffle(seed: 1)",
    "split": "split(to: 0.8, seed: 1)` or `split(from: 0.8, seed: 1)",
    "where": 'where(level == "hard")',
}
_OPERANDS = (ir.Const, ir.Input, ir.Ref, ir.Item, ir.Apply, ir.Own, ir.Column)


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a dataset.

    `id` is the dataset's `id:`, else the field or column `id` where there is one, else the dataset's name and the row's
    number (from 1) in the data. `values` are the declared fields by name (those of the shape and all columns where none
    are declared), `columns` what the data has. `where` names file and line. `content` is the row's identity whatever
    its place: the hash of its columns, or the `id:`.
    """

    id: str
    values: Mapping[str, object]
    columns: Mapping[str, object]
    where: str
    content: str = ""

    @property
    def gold(self) -> object:
        """The gold answer, None where the dataset has none."""
        return self.values.get(GOLD)

    @property
    def has_id(self) -> bool:
        """Whether the data names the row, and not its place alone."""
        return "id" in self.values or "id" in self.columns

    @property
    def everything(self) -> dict[str, object]:
        """Columns and fields by name, which metrics read; a field goes before a column of its name."""
        return {**self.columns, **self.values}


@dataclass(frozen=True, slots=True)
class Loaded:
    """The rows that an expression names, and the published shape in which they are read, where there is one."""

    rows: tuple[Row, ...]
    shape: Shape | None = None

    @property
    def said(self) -> str:
        """For people: what was recognised; "" where nothing was."""
        if self.shape is None:
            return ""
        return f"the rows are in the shape of {self.shape.title}: {self.shape.mapped}"


def load_rows(rows: ir.Rows | ir.Dataset, base_dir: str | Path | None = None) -> list[Row]:
    """The rows that an expression such as `gsm[0:100]` names, in order. Raises DataError."""
    return list(load(rows, base_dir).rows)


def load(rows: ir.Rows | ir.Dataset, base_dir: str | Path | None = None) -> Loaded:
    """The rows that an expression such as `gsm[0:100]` names, in order, and their shape. Raises DataError.

    The dataset's path is relative to `base_dir`, by default the folder of the file that declares it. A shuffle or split
    is the same for a seed on every machine, and depends on what rows are, not on where they stand.
    """
    rows = ir.Rows(rows) if isinstance(rows, ir.Dataset) else rows
    dataset = rows.dataset
    if dataset.kind not in READERS:
        hint = f"the readers are {', '.join(READERS)}"
        raise DataError(f"dataset `{dataset.name}`: there is no reader `{dataset.kind}`", hint=hint, span=dataset.span)
    options = _options(dataset)
    path = Path() if dataset.kind == "gym" else path_of(dataset, base_dir)
    try:
        sourced = list(records(dataset, path, options, _needed(rows, options)))
    except DataError as error:
        raise DataError(str(error), hint=error.hint, span=error.span or dataset.span) from error
    known = dict.fromkeys(name for record in sourced for name in record.columns)
    shape = _shape(dataset, options, sourced)
    loaded = [_row(dataset, options, record, known, shape) for record in sourced]
    if "id" in options:
        _require_distinct(loaded, dataset)
    loaded = _chosen(loaded, dataset, options, known)
    for step in rows.steps:
        loaded = _stepped(loaded, step, dataset)
    return Loaded(tuple(loaded), shape)


def load_file(path: Path) -> Loaded:
    """The rows of a file that no program declares: .jsonl, .json, .csv, .tsv or .parquet. Raises DataError."""
    return load(ir.Dataset(path.name, kind_of(path), str(path), "", ()), Path())


def path_of(dataset: ir.Dataset, base_dir: str | Path | None = None) -> Path:
    """The file of a dataset: relative to `base_dir`, by default to the file that declares it, also in a recipe.

    Raises DataError for a recipe's dataset outside the recipe's own folder.
    """
    recipe = recipe_of(dataset.file) if base_dir is None else None
    folder = Path(base_dir) if base_dir is not None else folder_of(dataset.file)
    path = folder / Path(dataset.locator).expanduser()
    if recipe is not None and not path.resolve().is_relative_to(recipe.folder.resolve()):
        message = f"dataset `{dataset.name}`: the recipe `{recipe.name}` may read files of its own folder only"
        raise DataError(message, hint="declare the dataset in a file of your own", span=dataset.span)
    return path


def read_rows(rows: ir.Rows | ir.Dataset, base_dir: str | Path | None = None) -> list[dict[str, object]]:
    """The fields of `load_rows` as plain dictionaries, with the row's `id`."""
    return [{**row.values, "id": row.id} for row in load_rows(rows, base_dir)]


# --- options ------------------------------------------------------------------------------------------


def _options(dataset: ir.Dataset) -> dict[str, object]:
    options = dict(dataset.options)
    reader = READERS[dataset.kind]
    for name in options:
        if reader.option(name) is None and not reader.has_settings:
            near = suggest(name, reader.all_options)
            hint = f"did you mean `{near}`?" if near else f"it has {', '.join(sorted(reader.all_options))}"
            message = f"dataset `{dataset.name}`: `{dataset.kind}` has no option `{name}`"
            raise DataError(message, hint=hint, span=dataset.span)
    return options


def _needed(rows: ir.Rows, options: Mapping[str, object]) -> int | None:
    """How many records from the start are enough, where that can be said: a limit, or a first slice with known ends."""
    if any(name in options for name in ("shuffle", "where")) or ("split" in options and rows.dataset.kind != "hf"):
        return None
    limit = options.get("limit")
    most = limit if isinstance(limit, int) else None
    if rows.steps and rows.steps[0][0] == "slice":
        low, high = rows.steps[0][1:3]
        if isinstance(high, int) and high >= 0 and (low is None or (isinstance(low, int) and low >= 0)):
            return high if most is None else min(most, high)
    return most


def _shape(dataset: ir.Dataset, options: Mapping[str, object], sourced: Sequence[Sourced]) -> Shape | None:
    """The shape that is asked for; else, where no fields are declared, the one of the first row."""
    said = options.get("shape")
    if said == NO_SHAPE or not sourced:
        return None
    if isinstance(said, str):
        shape = SHAPES.get(said)
        if shape is None:
            hint = f"there are {', '.join([*SHAPES, NO_SHAPE])}"
            raise DataError(f"dataset `{dataset.name}`: no shape is called `{said}`", hint=hint, span=dataset.span)
        return shape
    declared = [name for name, _ in dataset.fields if name != "id"]
    return None if declared else recognised(sourced[0].columns)


def _chosen(
    rows: list[Row], dataset: ir.Dataset, options: Mapping[str, object], known: Mapping[str, object]
) -> list[Row]:
    """The rows of `split where shuffle limit`, in this order."""
    split, condition, seed, limit = (options.get(name) for name in ("split", "where", "shuffle", "limit"))
    if split is not None and dataset.kind != "hf":
        if "split" not in known:
            message = f"dataset `{dataset.name}`: `split:` chooses rows by their column `split`, which there is not"
            hint = "split rows by a seed: `NAME |> split(to: 0.8, seed: 1)` and `split(from: 0.8, seed: 1)`"
            raise DataError(message, hint=hint, span=dataset.span)
        rows = [row for row in rows if row.columns.get("split") == split]
    if isinstance(condition, _OPERANDS):
        rows = [row for row in rows if _holds(condition, row, dataset)]
    if isinstance(seed, int):
        rows = _shuffled(rows, seed)
    return rows[:limit] if isinstance(limit, int) else rows


# --- one row ------------------------------------------------------------------------------------------


def _row(
    dataset: ir.Dataset,
    options: Mapping[str, object],
    record: Sourced,
    known: Mapping[str, object],
    shape: Shape | None,
) -> Row:
    columns = {**dict.fromkeys(known), **record.columns}
    values: dict[str, object] = {}
    if shape is not None:
        try:
            values = {**columns, **shape.fields(record.columns)}
        except Misfit as misfit:
            asked = "shape" in options
            message = f"{record.where}: this row is not in the shape of {shape.title}: {misfit}"
            hint = (
                "leave `shape:` out" if asked else 'take the columns as they are with `shape: "none"`, or name fields'
            )
            raise DataError(message, hint=hint, span=dataset.span) from misfit
    for name, operand in dataset.fields:
        values[name] = _value(operand, f"field `{name}`", {**values, **columns}, record, dataset)
    if not dataset.fields and shape is None:
        values = dict(columns)
    elif shape is None and not [name for name, _ in dataset.fields if name != "id"]:
        values = {**columns, **values}
    named = values.get("id", columns.get("id"))
    own = options.get("id")
    if isinstance(own, _OPERANDS):
        named = _value(own, "`id:`", {**values, **columns}, record, dataset)
        if named in (None, ""):
            raise DataError(f"{record.where}: this row has no `id:`", span=dataset.span)
    name = f"{dataset.name}-{record.number}" if named in (None, "") else str(named)
    return Row(name, values, columns, record.where, f"id {name}" if "id" in options else content_id(record.columns))


def _value(
    operand: ir.Operand, what: str, columns: Mapping[str, object], record: Sourced, dataset: ir.Dataset
) -> object:
    try:
        return evaluate(operand, columns=columns)
    except EvaluationError as error:
        hint = error.hint or f"the row has {', '.join(record.columns) or 'no columns'}"
        message = f"{record.where}: {what} of dataset `{dataset.name}`: {error}"
        raise DataError(message, hint=hint, span=error.span or dataset.span) from error


def _require_distinct(rows: Sequence[Row], dataset: ir.Dataset) -> None:
    first: dict[str, str] = {}
    for row in rows:
        if row.id in first:
            message = f"{row.where}: the id {row.id} is already that of {first[row.id]}"
            raise DataError(message, hint="`id:` must tell every row from all others", span=dataset.span)
        first[row.id] = row.where


# --- steps --------------------------------------------------------------------------------------------


def _stepped(rows: list[Row], step: Sequence[object], dataset: ir.Dataset) -> list[Row]:
    match tuple(step):
        case ("slice", (int() | None) as low, (int() | None) as high):
            return rows[low:high]
        case ("shuffle", int(seed)):
            return _shuffled(rows, seed)
        case ("split", int(seed), (int() | float()) as low, (int() | float()) as high) if 0 <= low < high <= 1:
            return [row for row in rows if low <= share_of(row.content, seed) < high]
        case ("where", condition) if isinstance(condition, _OPERANDS):
            return [row for row in rows if _holds(condition, row, dataset)]
    # The checker says so of a program; rows that are named beside one come here as they are.
    message = f"dataset `{dataset.name}`: `{step[0]}` does not go with {', '.join(map(str, step[1:])) or 'nothing'}"
    raise DataError(message, hint=f"write `{_EXAMPLES.get(str(step[0]), 'gsm[0:100]')}`", span=dataset.span)


def _shuffled(rows: list[Row], seed: int) -> list[Row]:
    return [rows[place] for place in shuffled([row.content for row in rows], seed)]


def _holds(condition: ir.Operand, row: Row, dataset: ir.Dataset) -> bool:
    try:
        # A condition may read the dataset's own fields as well as the file's columns; the file's come first.
        return bool(evaluate(condition, columns={**row.values, **row.columns}))
    except EvaluationError as error:
        raise DataError(f"{row.where}: where(…): {error}", hint=error.hint, span=error.span or dataset.span) from error
