"""Files of rows: JSON Lines, JSON arrays and CSV, read and written by their suffix.

    read_table("questions.csv")            # [{"question": "…"}, …]
    write_rows("answers.jsonl", rows)
    with RowWriter("answers.jsonl") as writer: writer.write(row)      # safe against being killed

`.jsonl` and `.ndjson`, `.json`, `.csv` and `.tsv`; `.gz` is unpacked. Every mistake names its file and line.
"""

from __future__ import annotations

import csv
import gzip
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ttscale.compiler.diagnostics import suggest
from ttscale.compiler.source import Span

_SUFFIXES = {".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "json", ".csv": "csv", ".tsv": "csv"}
_CELL = 1 << 24


class DataError(Exception):
    """Rows cannot be read or written; the message names the file and, where it is one line's fault, the line."""

    def __init__(self, message: str, *, hint: str = "", span: Span | None = None) -> None:
        super().__init__(message)
        self.hint = hint
        self.span = span


@dataclass(frozen=True, slots=True)
class Record:
    """One parsed line: its columns, its line in the file, its number among the rows (both from 1)."""

    columns: dict[str, object]
    line: int
    number: int


def read_table(path: str | Path) -> list[dict[str, object]]:
    """The rows of a table file as its suffix says, by column name. Raises DataError."""
    file = Path(path)
    return [record.columns for record in read_records(file, kind_of(file), {}, None)]


def kind_of(path: Path) -> str:
    """jsonl, json or csv, as the file's suffix says. Raises DataError."""
    suffixes = [suffix.lower() for suffix in path.suffixes if suffix.lower() != ".gz"]
    kind = _SUFFIXES.get(suffixes[-1] if suffixes else "")
    if kind is None:
        raise DataError(f"{path}: rows are read and written as {', '.join(_SUFFIXES)}", hint="change the name's ending")
    return kind


def read_records(path: Path, kind: str, options: Mapping[str, object], needed: int | None) -> Iterator[Record]:
    """The records of a file of `kind` jsonl, json or csv, at most `needed` of them. Raises DataError."""
    encoding = str(options.get("encoding") or "utf-8-sig")
    try:
        with _opened(path, encoding) as stream:
            if kind == "jsonl":
                found = _json_lines(stream, path)
            elif kind == "json":
                found = _json_array(stream, path)
            else:
                delimiter = str(options.get("delimiter") or ("\t" if ".tsv" in path.suffixes else ","))
                found = _csv(stream, path, delimiter, options.get("columns"))
            for record in found:
                if needed is not None and record.number > needed:
                    return
                yield record
    except FileNotFoundError as error:
        raise DataError(f"there is no file {path}", hint=near_file(path)) from error
    except IsADirectoryError as error:
        raise DataError(f"{path} is a folder, not a file of rows") from error
    except UnicodeDecodeError as error:
        hint = 'say what it is in with `encoding: "latin-1"`, or save it as UTF-8'
        raise DataError(f"{path} is not text in {encoding.removesuffix('-sig')}", hint=hint) from error
    except LookupError as error:
        raise DataError(f"{path}: there is no encoding {encoding}") from error
    except (OSError, EOFError) as error:
        raise DataError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error


def _opened(path: Path, encoding: str) -> IO[str]:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding=encoding, newline="")
    return path.open(encoding=encoding, newline="")


def _json_lines(stream: Iterable[str], path: Path) -> Iterator[Record]:
    number = 0
    for line_number, line in enumerate(stream, 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            reason = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
            hint = "JSON Lines has one JSON object a line"
            raise DataError(f"{path}:{line_number}: not JSON: {reason}", hint=hint) from error
        number += 1
        yield Record(_object(value, f"{path}:{line_number}"), line_number, number)


def _json_array(stream: IO[str], path: Path) -> Iterator[Record]:
    try:
        values = json.load(stream)
    except (ValueError, RecursionError) as error:
        line = error.lineno if isinstance(error, json.JSONDecodeError) else 1
        raise DataError(f"{path}:{line}: not JSON: {error}") from error
    if not isinstance(values, list):
        raise DataError(f"{path}: a JSON file of rows holds a list of objects")
    for number, value in enumerate(values, 1):
        yield Record(_object(value, f"{path}, row {number}"), number, number)


def _object(value: object, where: str) -> dict[str, object]:
    if not isinstance(value, dict):
        raise DataError(f"{where}: a row is an object, not {type(value).__name__}", hint='write {"question": "…"}')
    return value


def _csv(stream: Iterable[str], path: Path, delimiter: str, names: object = None) -> Iterator[Record]:
    """The rows of CSV; `names` are the columns of a file that has no header."""
    csv.field_size_limit(_CELL)
    if len(delimiter) != 1:
        raise DataError(f"{path}: a delimiter is one character, not {delimiter!r}")
    reader = csv.reader(stream, delimiter=delimiter, strict=True)
    header = _header([str(name) for name in names], path) if isinstance(names, list | tuple) else None
    number = 0
    try:
        for cells in reader:
            if header is None:
                header = _header(cells, path)
                continue
            if not cells:
                continue
            if len(cells) != len(header):
                message = f"{path}:{reader.line_num}: {len(cells)} cells, and the header has {len(header)}"
                raise DataError(message, hint="put quotes around cells that hold the delimiter")
            number += 1
            columns: dict[str, object] = {
                n: cell if cell != "" else None for n, cell in zip(header, cells, strict=True)
            }
            yield Record(columns, reader.line_num, number)
    except csv.Error as error:
        raise DataError(f"{path}:{reader.line_num}: {error}") from error


def _header(cells: list[str], path: Path) -> list[str]:
    names = [cell.strip() for cell in cells]
    doubled = next((name for name in names if names.count(name) > 1), None)
    if doubled is not None:
        raise DataError(f"{path}:1: two columns are called {doubled!r}", hint="give one of them another name")
    return names


def near_file(path: Path) -> str:
    """A hint for a path that is not there: the file that was meant, or that its folder is not there either."""
    folder = path.parent
    if not folder.is_dir():
        return f"there is no folder {folder} either"
    names = sorted(entry.name for entry in folder.iterdir() if entry.is_file())[:2_000]
    near = suggest(path.name, names)
    return f"did you mean {folder / near}?" if near else "the path is relative to the file that names it"


# --- writing ---------------------------------------------------------------------------------------


def write_rows(path: str | Path, rows: Iterable[Mapping[str, object]]) -> int:
    """Write rows as the suffix says, in one step that leaves no half file; gives how many. Raises DataError."""
    file = Path(path)
    kind = kind_of(file)
    beside = file.with_name(f"{file.name}.part")
    records = [dict(row) for row in rows]
    try:
        with beside.open("w", encoding="utf-8", newline="") as stream:
            if kind == "csv":
                names = list(dict.fromkeys(name for record in records for name in record))
                writer = csv.writer(stream, delimiter="\t" if file.suffix == ".tsv" else ",", lineterminator="\n")
                writer.writerow(names)
                writer.writerows([_cell(record.get(name)) for name in names] for record in records)
            elif kind == "json":
                json.dump(records, stream, ensure_ascii=False, indent=1, default=str)
                stream.write("\n")
            else:
                stream.writelines(_line(record) for record in records)
        beside.replace(file)
    except OSError as error:
        raise DataError(f"{file} cannot be written: {error.strerror or error}") from error
    return len(records)


class RowWriter:
    """Appends rows to a JSON Lines file, each on disk before `write` returns, so that a killed run loses none.

    A half line that a crash left at the end is cut off when the file is opened. Use as a context manager.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if kind_of(self.path) != "jsonl" or self.path.suffix == ".gz":
            raise DataError(
                f"{self.path}: rows are appended to .jsonl files only", hint="give it a name that ends in .jsonl"
            )
        try:
            self._stream = self.path.open("a+b")
        except OSError as error:
            raise DataError(f"{self.path} cannot be written: {error.strerror or error}") from error
        self._drop_half_line()

    def _drop_half_line(self) -> None:
        end = self._stream.seek(0, os.SEEK_END)
        position = end
        while position > 0:
            start = max(0, position - 65_536)
            self._stream.seek(start)
            found = self._stream.read(position - start).rfind(b"\n")
            if found >= 0:
                position = start + found + 1
                break
            position = start
        if position != end:
            self._stream.truncate(position)

    def write(self, row: Mapping[str, object]) -> None:
        """Append one row and wait until it is on disk."""
        self._stream.write(_line(row).encode("utf-8", "surrogatepass"))
        self._stream.flush()
        os.fsync(self._stream.fileno())

    def close(self) -> None:
        """Close the file; idempotent."""
        self._stream.close()

    def __enter__(self) -> RowWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _line(row: Mapping[str, object]) -> str:
    return json.dumps(dict(row), ensure_ascii=False, default=str) + "\n"


def _cell(value: object) -> object:
    if value is None:
        return ""
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)
