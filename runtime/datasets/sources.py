"""Where the records of a dataset come from: a file, a generator of tasks, or the hub."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ttscale.compiler import ir
from ttscale.compiler.readers import READERS
from ttscale.runtime.datasets import gym, hub, parquet
from ttscale.runtime.tables import DataError, read_records


@dataclass(frozen=True, slots=True)
class Sourced:
    """One record: its columns, its number in the data (from 1), and where it stands, for messages."""

    columns: dict[str, object]
    number: int
    where: str


def records(dataset: ir.Dataset, path: Path, options: Mapping[str, object], needed: int | None) -> Iterator[Sourced]:
    """The records of a dataset in order, at least the first `needed`. Raises DataError.

    `path` is what the dataset's text names, as a path from the program's folder; it means nothing for tasks.
    """
    match dataset.kind:
        case "gym":
            settings = {name: value for name, value in options.items() if READERS["gym"].option(name) is None}
            size, seed = _whole(options.get("size"), gym.SIZE), _whole(options.get("seed"), 0)
            for number, columns in enumerate(gym.tasks(dataset.locator, size, seed, settings, needed), 1):
                yield Sourced(columns, number, f"task {number} of {dataset.locator}")
        case "hf":
            wanted = hub.Wanted(
                dataset.locator, _text(options, "config"), _text(options, "split"), _text(options, "revision")
            )
            number = 0
            for file in hub.files(wanted, path):
                for record in _of_file(file, kind_of(file), {}, None if needed is None else needed - number):
                    number += 1
                    yield Sourced(record.columns, number, record.where)
        case kind:
            yield from _of_file(path, kind, options, needed)


def _of_file(path: Path, kind: str, options: Mapping[str, object], needed: int | None) -> Iterator[Sourced]:
    if kind == "parquet":
        for number, columns in enumerate(parquet.rows(path, needed), 1):
            yield Sourced(columns, number, f"{path}, row {number}")
        return
    given = {"delimiter": "\t", **options} if kind == "tsv" else options
    for record in read_records(path, "csv" if kind == "tsv" else kind, given, needed):
        # The rows of one JSON array may stand on one line, so they are told by their number.
        where = f"{path}, row {record.number}" if kind == "json" else f"{path}:{record.line}"
        yield Sourced(record.columns, record.number, where)


def kind_of(path: Path) -> str:
    """The reader of a file, by how its name ends."""
    suffix = next(suffix for suffix in reversed(path.suffixes) if suffix.lower() != ".gz").lower()
    return {".ndjson": "jsonl"}.get(suffix, suffix.removeprefix("."))


def _whole(value: object, default: int) -> int:
    if value is None:
        return default
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    raise DataError(f"{value!r} is not a whole number of 0 or more")


def _text(options: Mapping[str, object], name: str) -> str:
    value = options.get(name)
    return value if isinstance(value, str) else ""
