"""The report as one page that needs nothing else: figures, drawings, and every question down to its candidates.

Records are put into the page as JSON, deflated and in base64, so that thousands of answers stay a small file; the page
unpacks a question when it is opened.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping, Sequence
from html import escape
from importlib import resources
from itertools import groupby
from typing import TYPE_CHECKING

from ttscale.runtime.evaluate.report.plots import plots_of
from ttscale.runtime.evaluate.report.sections import (
    Document,
    Section,
    Table,
    amount,
    measure_name,
    percent,
    sections,
    span,
    whole,
)

if TYPE_CHECKING:
    from ttscale.runtime.evaluate.summary import Report


def as_page(report: Report) -> str:
    """The whole page."""
    document = report.document
    found = sections(document)
    plots = plots_of(document)
    title = str(document["title"])
    body = [
        f"<header><h1>{escape(title)}</h1>{_tiles(document)}</header>",
        _contents(found),
        _sections(found, plots),
        _questions(),
    ]
    page = _resource("page.html")
    data = _data(report)
    for mark, text in (
        ("{{title}}", escape(title)),
        ("{{style}}", _resource("page.css")),
        ("{{script}}", _resource("page.js")),
        ("{{data}}", data),
        ("{{body}}", "\n".join(body)),
    ):
        page = page.replace(mark, text)
    return page


def _resource(name: str) -> str:
    return resources.files("ttscale.runtime.evaluate.report").joinpath(name).read_text(encoding="utf-8")


# --- the parts that people read --------------------------------------------------------------------------


def _tiles(document: Document) -> str:
    """The figures that a reader looks for first, one tile a pipeline."""
    tiles = []
    for arm in whole(document):
        own = arm["figures"]
        value = percent(own["accuracy"]) or "no gold"
        tokens = amount(own["cost"]["mean"]["tokens"])
        tiles.append(
            f'<div class="tile"><span class="name">{escape(arm["label"])}</span><span class="value">{value}</span>'
            f'<span class="hint">{escape(span(own["interval"]) or "")}</span>'
            f'<span class="hint">{tokens} tokens a question</span></div>'
        )
    measure = escape(measure_name(document))
    return f'<p class="measure">{measure}, with 95% intervals</p><div class="tiles">{"".join(tiles)}</div>'


def _contents(found: Sequence[Section]) -> str:
    """Links to the parts; those of one pipeline are reached through it."""
    entries = [(f"s{i}", section.title) for i, section in enumerate(found) if not section.arm]
    arms = list(dict.fromkeys(section.arm for section in found if section.arm))
    entries[-1:-1] = [(f"a{i}", arm) for i, arm in enumerate(arms)]
    entries.append(("questions", "Questions"))
    links = "".join(f'<li><a href="#{name}">{escape(title)}</a></li>' for name, title in entries)
    return f"<nav><ul>{links}</ul></nav>"


def _sections(found: Sequence[Section], plots: Mapping[tuple[str, str], str]) -> str:
    """All sections; those of one pipeline stand together under its name."""
    made: list[str] = []
    arms = 0
    for arm, own in groupby(enumerate(found), key=lambda pair: pair[1].arm):
        inside = [_section(f"s{place}", section, plots, "h3" if arm else "h2") for place, section in own]
        if arm:
            made.append(
                f'<section id="a{arms}"><h2>{escape(arm)}</h2><div class="own">{"".join(inside)}</div></section>'
            )
            arms += 1
        else:
            made += inside
    return "\n".join(made)


def _section(name: str, section: Section, plots: Mapping[tuple[str, str], str], level: str) -> str:
    told = "".join(f"<p>{_emphasised(sentence)}</p>" for sentence in section.sentences)
    drawn = plots.get((section.plot, section.arm), "")
    figure = f"<figure>{drawn}</figure>" if drawn else ""
    tables = "".join(_table(table) for table in section.tables)
    title = section.title.removeprefix(f"{section.arm}: ") if section.arm else section.title
    return f'<section id="{name}"><{level}>{escape(title)}</{level}>{told}{figure}{tables}</section>'


def _emphasised(sentence: str) -> str:
    text = escape(sentence)
    for words in ("is better than", "is worse than", "No difference is shown"):
        text = text.replace(words, f"<strong>{words}</strong>")
    return text


def _table(table: Table) -> str:
    right = table.numbers
    head = "".join(f"<th{_class(i in right)}>{escape(cell)}</th>" for i, cell in enumerate(table.header))
    rows = "".join(
        "<tr>" + "".join(f"<td{_class(i in right)}>{_cell(cell)}</td>" for i, cell in enumerate(row)) + "</tr>"
        for row in table.rows
    )
    return f'<div class="table"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'


def _class(is_number: bool) -> str:
    return ' class="n"' if is_number else ""


def _cell(cell: str) -> str:
    if cell in ("better", "worse", "no difference shown"):
        return f'<span class="tag {cell.split()[0]}">{cell}</span>'
    return escape(cell)


def _questions() -> str:
    return (
        '<section id="questions"><h2>Questions</h2><div class="controls">'
        '<input id="find" type="search" placeholder="Find in questions and answers" aria-label="Find in questions">'
        '<select id="which" aria-label="Which questions">'
        '<option value="all">all questions</option><option value="wrong">wrong somewhere</option>'
        '<option value="differ">pipelines differ</option><option value="lost">right answer lost</option>'
        '<option value="never">never right</option><option value="unreadable">unreadable</option></select>'
        '<span id="count"></span></div>'
        '<div class="table"><table id="rows"><thead></thead><tbody></tbody></table></div>'
        '<p><button id="more" hidden>Show more</button></p>'
        "<noscript><p>Questions are shown with JavaScript.</p></noscript></section>"
        '<dialog id="detail"><form method="dialog"><button aria-label="Close">×</button></form>'
        '<div id="inside"></div></dialog>'
    )


# --- data ------------------------------------------------------------------------------------------------


def _data(report: Report) -> str:
    """The records of all arms, as the script wants them: deflated JSON in base64."""
    arms = [
        {"label": arm["label"], "stages": arm["stages"], "records": report.records[arm["label"]]}
        for arm in whole(report.document)
    ]
    data = {"arms": arms, "questions": report.document["questions"]}
    packed = zlib.compress(json.dumps(data, ensure_ascii=False, default=str).encode(), 9)
    return base64.b64encode(packed).decode()
