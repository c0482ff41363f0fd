"""A table as people have it: with another delimiter or encoding than a program expects, with gaps and repetitions.

    table = read("tickets.csv")
    table.rows, table.options, table.notes     # options are what a dataset must say to read the same

Spreadsheets write `;` between cells where a comma stands in numbers, tabs where one copies, UTF-16 or the encoding of
Windows. What is told from the first lines is written into the program, so that it reads the file as it was read here.
"""

from __future__ import annotations

import codecs
import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from ttscale.compiler import ir
from ttscale.runtime.datasets.rows import load, load_file
from ttscale.runtime.tables import DataError
from ttscale.runtime.trying.answers import is_missing
from ttscale.runtime.trying.columns import Columns, Row

DELIMITERS = (",", ";", "\t", "|")
LOOKED_AT = 30
"""Lines that tell the delimiter."""
SHEETS = frozenset({".xlsx", ".xls", ".xlsm", ".ods", ".numbers"})
"""Files of spreadsheet programs, which are to be saved as text first."""


@dataclass(frozen=True, slots=True)
class Table:
    """The rows of a file; `options` are what a dataset says to read it alike, `notes` what a person should know."""

    rows: list[dict[str, object]]
    options: Mapping[str, str]
    notes: tuple[str, ...] = ()


def read(path: Path) -> Table:
    """The rows of a data file, in whatever encoding and with whatever delimiter it has. Raises DataError."""
    if path.suffix.lower() != ".csv":
        return Table([dict(row.columns) for row in load_file(path).rows], {})
    encoding = encoding_of(path)
    delimiter = delimiter_of(path, encoding)
    options: dict[str, str] = {}
    notes: list[str] = []
    if delimiter != ",":
        options["delimiter"] = delimiter
        notes.append(f"cells are divided by {'tabs' if delimiter == chr(9) else f'`{delimiter}`'}")
    if encoding != "utf-8":
        options["encoding"] = encoding
        notes.append(f"read as {encoding}; if signs look wrong, save the file as UTF-8")
    dataset = ir.Dataset(path.name, "csv", str(path), "", (), tuple(options.items()))
    return Table([dict(row.columns) for row in load(dataset, Path()).rows], options, tuple(notes))


def encoding_of(path: Path) -> str:
    """utf-8, utf-16 where the file begins so, or that of Windows where it is text and neither. Raises DataError."""
    with path.open("rb") as stream:
        begin = stream.read(4)
        if begin.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return "utf-16"
        decoder = codecs.getincrementaldecoder("utf-8")()
        stream.seek(0)
        try:
            while chunk := stream.read(1 << 20):
                if b"\0" in chunk:
                    raise DataError(f"{path} is no text: it has zero bytes", hint="export the table as CSV in UTF-8")
                decoder.decode(chunk)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return "cp1252"
    return "utf-8"


def delimiter_of(path: Path, encoding: str) -> str:
    """What divides the cells of a file: the first of `, ; tab |` that gives all first lines equally many; else `,`."""
    with path.open(encoding="utf-8-sig" if encoding == "utf-8" else encoding, newline="", errors="replace") as stream:
        lines = list(islice(stream, 2 * LOOKED_AT))
    best, most = ",", 1
    for delimiter in DELIMITERS:
        try:
            rows = [row for row in islice(csv.reader(lines, delimiter=delimiter), LOOKED_AT) if row]
        except csv.Error:
            continue
        width = len(rows[0]) if rows else 0
        alike = sum(len(row) == width for row in rows)
        if width > most and alike >= 0.9 * len(rows):
            best, most = delimiter, width
        if delimiter == "," and width > 1:
            break  # a comma in the header is what a file called .csv promises
    return best


def usable(rows: Sequence[dict[str, object]], columns: Columns) -> tuple[list[dict[str, object]], list[str]]:
    """The rows that ask something for the first time and have a right answer; and what was left out, in words."""
    whole = [
        row
        for row in rows
        if not any(is_missing(row.get(name)) for name in columns.inputs)
        and not all(is_missing(row.get(name)) for name in columns.golds)
    ]
    notes = []
    if len(whole) < len(rows):
        lacking = len(rows) - len(whole)
        notes.append(f"{lacking} {'row lacks' if lacking == 1 else 'rows lack'} a question or a right answer: left out")
    first: dict[tuple[str, ...], dict[str, object]] = {}
    contradicted = 0
    for row in whole:
        before = first.setdefault(tuple(str(row.get(name)).strip() for name in columns.inputs), row)
        contradicted += any(before.get(name) != row.get(name) for name in columns.golds)
    if len(first) < len(whole):
        twice = len(whole) - len(first)
        notes.append(
            f"{twice} {'row repeats' if twice == 1 else 'rows repeat'} an earlier question: left out"
            + (f"; {contradicted} with another right answer" if contradicted else "")
        )
    return list(first.values()), notes


def looks_headless(rows: Sequence[Row], columns: Columns) -> bool:
    """Whether the first line may be a row and no header: the name of a gold column is one of its own values."""
    return any(name in {str(row.get(name)) for row in rows} for name in columns.golds)


def only_answer(rows: Sequence[Row], columns: Columns) -> str | None:
    """The right answer where all rows have the same one."""
    found = {tuple(str(row.get(name)) for name in columns.golds) for row in rows}
    return ", ".join(next(iter(found))) if len(found) == 1 else None
