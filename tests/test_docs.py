"""Every program in the README and the docs compiles, its tests pass, and every file that an example names exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ttscale.compiler.driver import compile_source
from ttscale.compiler.render import render
from ttscale.compiler.source import SourceFile
from ttscale.library.loader import FileLoader

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^```tts\n(.*?)^```", re.MULTILINE | re.DOTALL)


def programs(page: Path) -> list[object]:
    """The fenced programs of a page, each named by its line."""
    text = page.read_text(encoding="utf-8")
    found = FENCE.finditer(text)
    return [pytest.param(m.group(1), id=f"{page.name}:{text.count(chr(10), 0, m.start()) + 1}") for m in found]


PROGRAMS = [program for page in PAGES for program in programs(page)]


@pytest.mark.parametrize("text", PROGRAMS)
def test_program_in_the_docs_compiles(text: str) -> None:
    checked = compile_source(SourceFile("example.tts", text), FileLoader())
    errors = [render(d, checked.sources) for d in checked.diagnostics if d.severity == "error"]
    assert not errors, "\n\n".join(errors)


def test_docs_have_programs() -> None:
    assert len(PROGRAMS) >= 5


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_a_page_names_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", text)
    missing = [link for link in links if not (page.parent / link).exists()]
    commands = re.findall(r"\b((?:examples|benchmarks)/[\w./-]+\.(?:tts|py|jsonl))", text)
    missing += [name for name in commands if not (ROOT / name).exists()]
    assert not missing
