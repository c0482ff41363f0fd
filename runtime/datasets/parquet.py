"""Rows of Parquet files (the extra `parquet`)."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from importlib import import_module
from pathlib import Path

from ttscale.runtime.tables import DataError, near_file

_BATCH = 1_000


def rows(path: Path, needed: int | None) -> Iterator[dict[str, object]]:
    """The rows of a file in order, at most `needed`, read a batch at a time.

    Dates and times become ISO texts, durations seconds, decimals numbers, bytes Base64 texts. Raises DataError.
    """
    try:
        reader = import_module("pyarrow.parquet")
    except ImportError as error:
        message = f"{path}: Parquet files need PyArrow, which is not installed"
        raise DataError(message, hint="pip install 'ttscale[parquet]'") from error
    if not path.is_file():
        raise DataError(f"there is no file {path}", hint=near_file(path))
    errors = import_module("pyarrow").ArrowException
    left = needed
    try:
        with reader.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=_BATCH if left is None else max(1, min(_BATCH, left))):
                for row in batch.to_pylist():
                    if left is not None:
                        if left <= 0:
                            return
                        left -= 1
                    yield {str(name): _plain(value) for name, value in row.items()}
    except (errors, OSError) as error:
        raise DataError(f"{path} is not a Parquet file that can be read: {error}") from error


def _plain(value: object) -> object:
    match value:
        case datetime() | date() | time():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case Decimal():
            return int(value) if value == value.to_integral_value() else float(value)
        case bytes():
            return base64.b64encode(value).decode()
        case list():
            return [_plain(item) for item in value]
        case dict():
            return {str(name): _plain(item) for name, item in value.items()}
    return value
