"""Reports: the page that needs nothing else, Markdown, two runs side by side."""

from __future__ import annotations

import base64
import json
import re
import xml.etree.ElementTree as ElementTree
import zlib
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import pytest
from evaluations import FIRST, VOTE, program, rows
from ttscale.runtime.evaluate import Report
from ttscale.runtime.evaluate.report.plots import _ticks
from ttscale.runtime.evaluate.report.sections import Table, sections
from ttscale.runtime.evaluate.report.two import counterparts

NASTY = '</script><b>"bold"</b> & | *stars* `ticks`'
ANSWERS = {"a?": [1, 2, 2], "b?": [1, 1, 2], NASTY: ["Answer: 1 </script><script>alert(1)</script>"]}


@pytest.fixture(scope="module")
def report() -> Iterator[Report]:
    with program(ANSWERS, VOTE, FIRST) as own:
        yield own.evaluate(rows(dict.fromkeys(ANSWERS, 1)), pipelines=["main", "one"], seeds=2, ablate=True)


class Tags(HTMLParser):
    """What is open, and the addresses that a page names."""

    VOID = frozenset({"meta", "input", "link", "br", "hr", "img"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.VOID:
            self.open.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An empty element needs no end."""


def test_the_page_is_well_formed_and_needs_nothing_else(report: Report) -> None:
    tags = Tags()
    tags.feed(report.html())
    tags.close()
    assert tags.open == []
    assert all(link.startswith("#") for link in tags.links)
    assert "url(" not in report.html() and "@import" not in report.html()


def test_no_text_of_a_question_or_model_becomes_part_of_the_page(report: Report) -> None:
    page = report.html()
    assert "alert(1)" not in page and page.count("</script>") == 2


def test_the_page_holds_every_candidate(report: Report) -> None:
    packed = re.search(r'<script id="data"[^>]*>([^<]*)</script>', report.html())
    assert packed is not None
    data = json.loads(zlib.decompress(base64.b64decode(packed[1])))
    assert [arm["label"] for arm in data["arms"]] == ["main", "one"]
    assert [question["id"] for question in data["questions"]] == list(ANSWERS)
    assert data["arms"][0]["records"] == json.loads(json.dumps(report.records["main"]))


def test_drawings_are_well_formed(report: Report) -> None:
    drawn = re.findall(r"<svg.*?</svg>", report.html(), re.S)
    assert len(drawn) >= 5
    for svg in drawn:
        ElementTree.fromstring(svg)
        assert "nan" not in svg and "inf" not in svg


def test_every_section_is_in_all_forms(report: Report) -> None:
    titles = [section.title for section in sections(report.document)]
    assert {"Overview", "Accuracy and cost", "Which is better", "Without one stage", "What was run"} <= set(titles)
    markdown = report.markdown()
    assert all(f"## {title}" in markdown for title in titles)
    assert report.arms[0]["digest"] in markdown
    assert "MAIN: WHERE RIGHT ANSWERS ARE LOST" in report.text()


def test_tables_of_markdown_have_as_many_cells_in_every_row(report: Report) -> None:
    for block in re.findall(r"(?:^\|.*\|\n?)+", report.markdown(), re.M):
        counts = {len(re.findall(r"(?<!\\)\|", line)) for line in block.strip().split("\n")}
        assert len(counts) == 1


def test_columns_of_numbers_are_known_and_empty_ones_left_out() -> None:
    table = Table(("name", "share", "none"), (("a", "1.0%", ""), ("b", "−2.0", "")))
    assert table.numbers == {1}
    assert table.without_empty_columns().header == ("name", "share")


@pytest.mark.parametrize(("low", "high"), [(0, 1), (0.43, 0.95), (0, 1234), (0, 0.002), (-0.4, 0.4), (5, 5)])
def test_ticks_are_round_and_within(low: float, high: float) -> None:
    ticks = _ticks(low, high)
    assert ticks and all(low - 1e-9 <= tick <= high + 1e-9 for tick in ticks) and len(ticks) <= 11


def test_two_runs_side_by_side_are_compared_on_common_questions() -> None:
    with program(ANSWERS, VOTE) as own:
        one = own.evaluate(rows({"a?": 1, "b?": 1}))
        two = own.evaluate(rows({"a?": 1, NASTY: 1, "b?": 1}), params={"n": 1})
    both = one.beside(two)
    assert [arm["label"] for arm in both.arms] == ["A: main", "B: main"]
    (found,) = both.document["comparisons"]
    assert (found["of"], found["against"], found["questions"], found["difference"]) == ("B: main", "A: main", 2, 0.5)
    tags = Tags()
    tags.feed(both.html())
    assert tags.open == [] and "A: main" in both.markdown()


def test_each_pipeline_of_two_runs_is_compared_with_itself_and_with_those_of_its_run() -> None:
    with program(ANSWERS, VOTE, FIRST) as own:
        one = own.evaluate(rows({"a?": 1, "b?": 1}), pipelines=["main", "one"])
        two = own.evaluate(rows({"a?": 1, "b?": 1}), pipelines=["main", "one"], params={"n": 1})
    both = one.beside(two).document["comparisons"]
    pairs = [("B: main", "A: main"), ("B: one", "A: one"), ("A: one", "A: main"), ("B: one", "B: main")]
    assert [(found["of"], found["against"]) for found in both] == pairs
    (own_pair,) = one.document["comparisons"]
    assert both[2]["p"] == own_pair["p"] and both[2]["difference"] == own_pair["difference"]


@pytest.mark.parametrize(
    ("first", "second", "pairs"),
    [
        (["a", "b"], ["b", "a"], [("a", "a"), ("b", "b")]),
        (["a", "b"], ["a", "c"], [("a", "a"), ("b", "c")]),
        (["a", "b", "c"], ["a", "d"], [("a", "a")]),
        (["a"], ["b", "c"], [("a", "b"), ("a", "c")]),
    ],
)
def test_counterparts_go_by_name(first: list[str], second: list[str], pairs: list[tuple[str, str]]) -> None:
    assert counterparts(first, second) == pairs


def test_the_document_is_plain_data(report: Report) -> None:
    def strict(value: Any) -> str:
        return json.dumps(value, allow_nan=False)

    assert json.loads(strict(report.to_json()))["records"].keys() == report.records.keys()


def test_columns_of_numbers_are_set_flush_right_and_hashes_are_none() -> None:
    table = Table(
        ("share", "hash", "name"), (("4.6% to 69.9%", "8b6306627d6c7354", "main"), ("", "1b63e66f7d6c7354", ""))
    )
    assert table.numbers == {0}
