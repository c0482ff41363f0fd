"""Rows of declared datasets: files, generated tasks and the hub. See docs/datasets.md."""

from ttscale.runtime.datasets.rows import GOLD, Loaded, Row, load, load_file, load_rows, path_of, read_rows
from ttscale.runtime.datasets.shapes import SHAPES, Shape, recognised
from ttscale.runtime.tables import DataError, RowWriter, read_table, write_rows

__all__ = [
    "GOLD",
    "SHAPES",
    "DataError",
    "Loaded",
    "Row",
    "RowWriter",
    "Shape",
    "load",
    "load_file",
    "load_rows",
    "path_of",
    "read_rows",
    "read_table",
    "recognised",
    "write_rows",
]
