"""The file that `run --output` writes: one finished row after another, so that whatever ends the run keeps them.

Each row is appended and flushed when it is done. A row is known by its `id` (or, without one, by a hash of its inputs),
never by its position, and carries `run`, a hash of the program, parameters, models and seed that made it: a later run
with the same hash skips what is there, one with another refuses to mix. It also carries `asked`, a hash of its inputs,
so that an `id` which now asks something else is refused too. Rows that failed are dropped and tried again. A last line
without its end, as a killed process leaves it, is dropped too.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from ttscale.cli.faults import Failure

REPORT_COLUMNS = ("answer", "text", "decided", "cut", "calls", "tokens", "seconds", "usd", "gold", "correct", "sampled")
RESERVED_COLUMNS = frozenset({"id", *REPORT_COLUMNS, "cost", "error", "asked", "run"})


class AnswersFile:
    """Rows of answers in JSON Lines or CSV, told apart by the file's ending.

    `inputs` are the columns that hold the inputs. With `overwrite` what is there is thrown away. Raises Failure where
    the file holds something else, answers of another `run`, or a row that asked something else than `asks` says, which
    gives the hash of the inputs by row id.
    """

    def __init__(
        self, path: Path, inputs: Sequence[str], run: str, asks: Mapping[str, str], *, overwrite: bool
    ) -> None:
        self.path = path
        self.run = run
        self.asks = asks
        self.is_csv = path.suffix.lower() == ".csv"
        self.columns = ("id", *inputs, *REPORT_COLUMNS, "error", "asked", "run")
        self.done: dict[str, dict[str, Any]] = {}
        if overwrite or not path.exists() or path.stat().st_size == 0:
            self._start([])
        else:
            kept = self._finished_rows()
            self.done = {str(row["id"]): row for row in kept}
            self._start(kept)

    def _finished_rows(self) -> list[dict[str, Any]]:
        """Rows of an earlier run that have an answer."""
        rows = self._read_csv() if self.is_csv else self._read_lines()
        for row in rows:
            if not isinstance(row, dict) or "id" not in row or "run" not in row:
                raise Failure(
                    f"{self.path} holds something other than answers of an earlier run",
                    "name another file, or give --overwrite to replace it",
                )
            if row["run"] != self.run:
                raise Failure(
                    f"{self.path} holds answers made by another program, or with other parameters, models or seed",
                    "name another file, or give --overwrite to start anew",
                )
        finished = [row for row in rows if not row.get("error")]
        changed = [
            str(row["id"]) for row in finished if row.get("asked") != self.asks.get(str(row["id"]), row.get("asked"))
        ]
        if changed:
            more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
            raise Failure(
                f"{self.path} holds answers to other inputs than these: row {changed[0]}{more}",
                "give changed rows another id, name another file, or give --overwrite to start anew",
            )
        return finished

    def _complete_text(self) -> str:
        """The file's text up to the last finished line."""
        with self.path.open(encoding="utf-8", errors="replace", newline="") as file:
            text = file.read()
        return text[: text.rfind("\n") + 1]

    def _read_lines(self) -> list[Any]:
        rows = []
        for number, line in enumerate(self._complete_text().split("\n"), 1):
            try:
                if line.strip():
                    rows.append(json.loads(line))
            except json.JSONDecodeError:
                raise Failure(
                    f"{self.path}:{number} is not a line of JSON, so it is no file of answers",
                    "name another file, or give --overwrite to replace it",
                ) from None
        return rows

    def _read_csv(self) -> list[dict[str, Any]]:
        table = csv.reader(io.StringIO(self._complete_text(), newline=""))
        header = next(table, [])
        return [dict(zip(header, cells, strict=False)) for cells in table if len(cells) == len(header)]

    def _start(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write the header and `rows` beside the file, put that in its place, and open it for appending."""
        beside = self.path.with_name(self.path.name + ".part")
        with beside.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
            if self.is_csv:
                file.write(self._csv_line(self.columns))
            for row in rows:
                file.write(self._line(row))
        beside.replace(self.path)
        self._file: IO[str] = self.path.open("a", encoding="utf-8", errors="backslashreplace", newline="")

    def _line(self, row: Mapping[str, Any]) -> str:
        if self.is_csv:
            return self._csv_line([row.get(column) for column in self.columns])
        return json.dumps(row, ensure_ascii=False, default=str) + "\n"

    @staticmethod
    def _csv_line(cells: Sequence[Any]) -> str:
        buffer = io.StringIO(newline="")
        csv.writer(buffer, lineterminator="\n").writerow([as_cell(cell) for cell in cells])
        return buffer.getvalue()

    def add(self, row: Mapping[str, Any]) -> None:
        """Append one row and hand it to the system before returning."""
        kept = {**row, "asked": self.asks.get(str(row["id"]), ""), "run": self.run}
        self._file.write(self._line(flat(kept) if self.is_csv else kept))
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def flat(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row whose `cost` became columns of its own."""
    return {**row, **row.get("cost", {})}


def as_cell(value: Any) -> str:
    """A value as a cell of CSV: texts as they are, nothing as nothing, the rest as JSON."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
