"""What a report says, in order: titles, sentences and tables, from which all forms of it are made.

Tables hold texts that are ready to be read; the columns that hold numbers are named by their places.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

Document = Mapping[str, Any]
Figures = Mapping[str, Any]


@dataclass(frozen=True)
class Table:
    """Rows of cells under a header; `numbers` are the columns set flush right."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def without_empty_columns(self) -> Table:
        """The same table without columns in which nothing stands."""
        kept = [i for i in range(len(self.header)) if any(row[i] for row in self.rows)]
        rows = tuple(tuple(row[i] for i in kept) for row in self.rows)
        return Table(tuple(self.header[i] for i in kept), rows)

    @property
    def numbers(self) -> frozenset[int]:
        """The columns whose cells are all numbers, shares or empty."""
        columns = range(len(self.header))
        return frozenset(i for i in columns if self._is_numeric(i))

    def _is_numeric(self, column: int) -> bool:
        cells = [row[column] for row in self.rows if row[column]]
        return bool(cells) and all(_is_number(cell) for cell in cells)


@dataclass(frozen=True)
class Section:
    """One part of the report; `brief` ones are also shown on a terminal. `plot` names the drawing that belongs to it,
    `arm` the pipeline that it is about ("" for all)."""

    title: str
    sentences: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    brief: bool = False
    plot: str = ""
    arm: str = ""


def _is_number(cell: str) -> bool:
    is_hash = len(cell) == 16 and cell.isalnum() and not cell.isdigit()
    return cell[0] in "0123456789+-−±<$–" and not is_hash


def points(difference: float, *, sign: bool = True) -> str:
    """A difference of shares in percentage points: `+4.2`."""
    return f"{100 * difference:{'+' if sign else ''}.1f}".replace("-", "−")


def p_value(p: float | None) -> str:
    """A p-value; nothing for None."""
    return "" if p is None else "<0.001" if p < 0.001 else f"{p:.3f}"


def percent(share: float | None, *, sign: bool = False) -> str:
    """A share for people: `61.0%`; nothing for None."""
    if share is None:
        return ""
    return (f"{share:+.1%}" if sign else f"{share:.1%}").replace("-", "−")


def number(value: float | None, digits: int = 3) -> str:
    """A number with few digits; nothing for None."""
    return "" if value is None else f"{value:.{digits}f}".replace("-", "−")


def amount(value: float | None) -> str:
    """A count or a mean of counts: `1,204`, `8.5`; nothing for None."""
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 or value == round(value) else f"{value:.1f}"


def seconds(value: float | None) -> str:
    """Seconds with the digits that matter."""
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 1 else f"{value:.2f}"


def dollars(value: float | None) -> str:
    """Money, down to small change."""
    return "" if value is None else f"${value:.4f}" if value < 0.1 else f"${value:,.2f}"


def span(interval: Sequence[float] | None, *, sign: bool = False) -> str:
    """An interval of shares: `51.2% to 70.0%`."""
    return "" if interval is None else f"{percent(interval[0], sign=sign)} to {percent(interval[1], sign=sign)}"


def measure_name(document: Document) -> str:
    """What the first measure is called in tables."""
    return str(document["measures"][0])


def whole(document: Document) -> list[Mapping[str, Any]]:
    """The arms that are not ablations."""
    return [arm for arm in document["arms"] if not arm["without"]]


def sections(document: Document) -> list[Section]:
    """The whole report."""
    from ttscale.runtime.evaluate.report import parts

    found = [
        parts.overview(document),
        parts.accuracy(document),
        parts.comparisons(document),
        parts.matching(document),
        parts.ablation(document),
    ]
    arms = whole(document)
    for arm in arms:
        own = [part(arm) for part in parts.OF_ONE]
        name = f"{arm['label']}: " if len(arms) > 1 else ""
        found += [
            Section(name + s.title, s.sentences, s.tables, s.brief, s.plot, arm["label"]) for s in own if s is not None
        ]
    found.append(parts.provenance(document))
    return [_tidied(section) for section in found if section is not None]


def _tidied(section: Section) -> Section:
    tables = tuple(table.without_empty_columns() for table in section.tables if table.rows)
    return replace(section, tables=tables)
