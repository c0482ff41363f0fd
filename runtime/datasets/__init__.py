"""Rows of declared datasets."""

from ttscale.runtime.datasets.rows import GOLD, Row, load_rows, path_of, read_rows
from ttscale.runtime.tables import DataError, RowWriter, read_table, write_rows

__all__ = ["GOLD", "DataError", "Row", "RowWriter", "load_rows", "path_of", "read_rows", "read_table", "write_rows"]
