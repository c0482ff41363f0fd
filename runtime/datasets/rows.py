"""Rows of declared datasets: fields from columns, with slices, shuffles and conditions.

    load_rows(Rows(Dataset("gsm", "jsonl", "gsm8k.jsonl", …), (("slice", 0, 100),)))

Columns of CSV are text; `number(column)` makes numbers of them, and an empty cell is none. A key that one JSON object
lacks and another has is none there; a column that no row has is an error where an expression reads it.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ttscale.compiler import ir
from ttscale.compiler.diagnostics import suggest
from ttscale.library.recipes import folder_of, recipe_of
from ttscale.runtime.evaluate_expr import EvaluationError, evaluate
from ttscale.runtime.tables import DataError, Record, read_records

GOLD = "answer"
KINDS = {"jsonl": "jsonl", "json": "json", "csv": "csv", "tsv": "csv"}
_OPTIONS = frozenset({"delimiter", "encoding", "limit", "shuffle"})


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a dataset.

    `id` is the field or column `id` where there is one, else the dataset's name and the row's number (from 1) in the
    file. `values` are the declared fields by name (all columns where none are declared), `columns` what the file has.
    `where` names file and line.
    """

    id: str
    values: Mapping[str, object]
    columns: Mapping[str, object]
    where: str

    @property
    def gold(self) -> object:
        """The gold answer, None where the dataset has none."""
        return self.values.get(GOLD)


def load_rows(rows: ir.Rows | ir.Dataset, base_dir: str | Path | None = None) -> list[Row]:
    """The rows that an expression such as `gsm[0:100]` names, in order. Raises DataError.

    The dataset's path is relative to `base_dir`, by default the folder of the file that declares it. A shuffle is the
    same for a seed on every machine.
    """
    rows = ir.Rows(rows) if isinstance(rows, ir.Dataset) else rows
    dataset = rows.dataset
    kind = KINDS.get(dataset.kind)
    if kind is None:
        hint = f"the readers are {', '.join(KINDS)}"
        raise DataError(f"dataset `{dataset.name}`: there is no reader `{dataset.kind}`", hint=hint, span=dataset.span)
    options = _options(dataset)
    path = path_of(dataset, base_dir)
    records = list(read_records(path, kind, options, _needed(rows, options)))
    columns = dict.fromkeys(name for record in records for name in record.columns)
    loaded = [_row(dataset, record, columns, path) for record in records]
    if isinstance(options.get("shuffle"), int):
        random.Random(int(str(options["shuffle"]))).shuffle(loaded)
    limit = options.get("limit")
    if isinstance(limit, int):
        loaded = loaded[:limit]
    for step in rows.steps:
        loaded = _stepped(loaded, step, dataset, columns)
    return loaded


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
    return [{"id": row.id, **row.values} for row in load_rows(rows, base_dir)]


def _options(dataset: ir.Dataset) -> dict[str, object]:
    options = dict(dataset.options)
    for name in options:
        if name not in _OPTIONS:
            near = suggest(name, _OPTIONS)
            hint = f"did you mean `{near}`?" if near else f"it has {', '.join(sorted(_OPTIONS))}"
            message = f"dataset `{dataset.name}`: `{dataset.kind}` has no option `{name}`"
            raise DataError(message, hint=hint, span=dataset.span)
    return options


def _needed(rows: ir.Rows, options: Mapping[str, object]) -> int | None:
    """How many rows from the start are enough, where that can be said: only a first slice with known ends."""
    if options.get("shuffle") is not None or not rows.steps or rows.steps[0][0] != "slice":
        return None
    low, high = rows.steps[0][1:3]
    if isinstance(high, int) and high >= 0 and (low is None or (isinstance(low, int) and low >= 0)):
        return high
    return None


def _row(dataset: ir.Dataset, record: Record, known: Mapping[str, object], path: Path) -> Row:
    where = f"{path}:{record.line}"
    columns = {**known, **record.columns}
    values: dict[str, object] = {}
    for name, operand in dataset.fields:
        try:
            values[name] = evaluate(operand, columns=columns)
        except EvaluationError as error:
            hint = error.hint or f"the row has {', '.join(record.columns) or 'no columns'}"
            message = f"{where}: field `{name}` of dataset `{dataset.name}`: {error}"
            raise DataError(message, hint=hint, span=error.span or dataset.span) from error
    if not dataset.fields:
        values = dict(columns)
    named = values.get("id", columns.get("id"))
    return Row(f"{dataset.name}-{record.number}" if named in (None, "") else str(named), values, columns, where)


def _stepped(rows: list[Row], step: Sequence[object], dataset: ir.Dataset, columns: Mapping[str, object]) -> list[Row]:
    match tuple(step):
        case ("slice", (int() | None) as low, (int() | None) as high):
            return rows[low:high]
        case ("shuffle", int(seed)):
            shuffled = list(rows)
            random.Random(seed).shuffle(shuffled)
            return shuffled
        case ("where", condition) if isinstance(condition, _OPERANDS):
            return [row for row in rows if _holds(condition, row, dataset)]
    raise DataError(f"dataset `{dataset.name}`: rows cannot be changed by {step[0]!r}", span=dataset.span)


_OPERANDS = (ir.Const, ir.Input, ir.Ref, ir.Item, ir.Apply, ir.Own, ir.Column)


def _holds(condition: ir.Operand, row: Row, dataset: ir.Dataset) -> bool:
    try:
        # A condition may read the dataset's own fields as well as the file's columns; the file's come first.
        return bool(evaluate(condition, columns={**row.values, **row.columns}))
    except EvaluationError as error:
        raise DataError(f"{row.where}: where(…): {error}", hint=error.hint, span=error.span or dataset.span) from error
