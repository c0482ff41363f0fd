"""The report as Markdown."""

from __future__ import annotations

from ttscale.runtime.evaluate.report.sections import Document, Section, Table, sections


def as_markdown(document: Document) -> str:
    """All sections; tables in the pipe form that most readers know."""
    parts = [f"# {_safe(str(document['title']))}", *(_section(section) for section in sections(document))]
    return "\n\n".join(parts) + "\n"


def _section(section: Section) -> str:
    parts = [f"## {_safe(section.title)}"]
    parts += ["\n\n".join(_safe(told) for told in section.sentences)] if section.sentences else []
    parts += [_table(table) for table in section.tables]
    return "\n\n".join(parts)


def _table(table: Table) -> str:
    rule = ["---:" if i in table.numbers else "---" for i in range(len(table.header))]
    rows = [table.header, rule, *table.rows]
    return "\n".join(f"| {' | '.join(_safe(cell) for cell in row)} |" for row in rows)


def _safe(text: str) -> str:
    """A text whose characters mean themselves, on one line."""
    flat = " ".join(text.split())
    for mark in ("\\", "|", "*", "_", "<", "`", "["):
        flat = flat.replace(mark, f"\\{mark}")
    return flat
