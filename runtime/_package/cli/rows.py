"""The rows of a batch: read from a file or from a dataset of the program, bound to inputs by name, and named."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ttscale.cli.faults import Failure

if TYPE_CHECKING:
    from ttscale.compiler.driver import Checked

GOLD = "answer"


@dataclass(frozen=True)
class Row:
    """One question of a batch: what names it, its inputs, and the gold answer where there is one."""

    id: str
    inputs: Mapping[str, object]
    gold: object = None

    def digest(self) -> str:
        """A hash of the inputs: a row that keeps its `id` may still ask something else than it did."""
        return digest_of(self.inputs)


def digest_of(values: Mapping[str, object]) -> str:
    """A hash of inputs by name, in 16 hexadecimal digits."""
    text = json.dumps(values, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def from_file(path: Path, inputs: Sequence[str], fixed: Mapping[str, object], gold: str | None) -> list[Row]:
    """Rows of a JSON Lines or CSV file; columns bind to inputs by name, `fixed` gives the other inputs."""
    from ttscale.runtime.datasets import read_table

    records = list(read_table(path))
    return bind(records, inputs, fixed, gold, str(path))


def from_dataset(checked: Checked, expression: str, inputs: Sequence[str], fixed: Mapping[str, object]) -> list[Row]:
    """Rows of a dataset that the program declares, such as `gsm[0:20]`; their `answer` is the gold."""
    from ttscale.cli.console import err
    from ttscale.runtime.datasets import load
    from ttscale.runtime.datasets.rows_text import rows_from_text

    loaded = load(rows_from_text(checked.linked, expression))
    if loaded.said:
        err(f"note: {loaded.said}")
    # Without an `id` of its own a row is named by its inputs: its number in the file would shift with an edit.
    records = [{**row.values, **({"id": row.id} if row.has_id else {})} for row in loaded.rows]
    has_gold = any(GOLD in record for record in records)
    return bind(records, inputs, fixed, GOLD if has_gold else None, expression)


def bind(
    records: Iterable[Mapping[str, Any]],
    inputs: Sequence[str],
    fixed: Mapping[str, object],
    gold: str | None,
    where: str,
) -> list[Row]:
    """Rows with their names. Failure where a column is missing, or two rows have one `id`."""
    rows: list[Row] = []
    seen: dict[str, int] = {}
    for number, record in enumerate(records, 1):
        values: dict[str, object] = {}
        for name in inputs:
            if name in record:
                values[name] = record[name]
            elif name in fixed:
                values[name] = fixed[name]
            else:
                raise missing(name, list(record), f"{where}, row {number}")
        if gold is not None and gold not in record:
            raise missing(gold, list(record), f"{where}, row {number}", what="the gold answers")
        rows.append(Row(name_of(record, values, seen, where), values, record.get(gold) if gold else None))
    if not rows:
        raise Failure(f"{where} has no rows")
    return rows


def missing(name: str, columns: list[str], where: str, what: str = "") -> Failure:
    """The failure of a column that is not there, naming those that are."""
    from ttscale.compiler.diagnostics import suggest

    near = suggest(name, columns)
    message = f"{where}: there is no column `{name}`" + (f" for {what}" if what else "")
    listed = ", ".join(f"`{column}`" for column in columns) or "none"
    hint = f"it has the columns {listed}"
    hint += f"; rename `{near}` to `{name}`" if near else ""
    return Failure(message, hint if what else f"{hint}, or give one value for all rows with --set {name}=…")


def name_of(record: Mapping[str, Any], values: Mapping[str, object], seen: dict[str, int], where: str) -> str:
    """A row's own `id`, or a hash of its inputs; equal rows are told apart by counting them."""
    if record.get("id") not in (None, ""):
        name = str(record["id"])
        if name in seen:
            raise Failure(f"{where}: two rows have the id `{name}`", "an id names one row; change one of them")
        seen[name] = 1
        return name
    name = digest_of(values)
    seen[name] = seen.get(name, 0) + 1
    return name if seen[name] == 1 else f"{name}-{seen[name]}"
