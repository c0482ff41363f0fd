"""The report for a terminal: the brief sections, as sentences and tables."""

from __future__ import annotations

import textwrap

from ttscale.runtime.evaluate.report.sections import Document, Section, Table, sections

WIDTH = 110


def as_text(document: Document, *, brief: bool = True) -> str:
    """The sections as plain text; `brief` leaves those out that only a report needs."""
    shown = [section for section in sections(document) if section.brief or not brief]
    return "\n\n".join(_section(section) for section in shown) + "\n"


def _section(section: Section) -> str:
    lines = [section.title.upper()]
    for table in section.tables:
        lines += [*_table(table), ""]
    for told in section.sentences:
        lines += textwrap.wrap(told, WIDTH) or [""]
    return "\n".join(lines).rstrip()


def _table(table: Table) -> list[str]:
    rows = [table.header, *table.rows]
    widths = [max(len(row[i]) for row in rows) for i in range(len(table.header))]
    right = table.numbers
    return [
        "  ".join(
            cell.rjust(width) if i in right else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
