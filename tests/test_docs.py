"""Every program in the README and the docs compiles, its tests pass, and every file that an example names exists."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from cli_runs import tts
from ttscale.compiler.check_rows import ROW_FUNCTIONS
from ttscale.compiler.driver import compile_source
from ttscale.compiler.render import render
from ttscale.compiler.signatures import FUNCTIONS, RULES, SIGNATURES, asking
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
TESTED = [one for one in PROGRAMS if '\ntest "' in one.values[0] and "use python" not in one.values[0]]  # type: ignore[attr-defined]


@pytest.mark.parametrize("text", PROGRAMS)
def test_program_in_the_docs_compiles(text: str) -> None:
    name = str(ROOT / "examples" / "example.tts")  # beside the schema that programs name
    checked = compile_source(SourceFile(name, text), FileLoader())
    errors = [render(d, checked.sources) for d in checked.diagnostics if d.severity == "error"]
    assert not errors, "\n\n".join(errors)


@pytest.mark.parametrize("text", TESTED)
def test_the_tests_of_a_program_in_the_docs_pass(tmp_path: Path, text: str) -> None:
    shutil.copy(ROOT / "examples" / "invoice.schema.json", tmp_path)
    file = tmp_path / "example.tts"
    file.write_text(text, encoding="utf-8")
    ran = tts("test", file)
    assert ran.code == 0, ran.out + ran.err


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


# --- the reference is complete -----------------------------------------------------------------------------

ASKING = {parameter.name for parameter in asking(1, None)}


def reference(first: str = "", last: str | None = None) -> str:
    """`docs/language.md` between two headings, without its programs."""
    text = FENCE.sub("", (ROOT / "docs" / "language.md").read_text(encoding="utf-8"))
    text = text[text.index(first) :]
    return text if last is None else text[: text.index(last, 1)]


def words_in_code(text: str) -> set[str]:
    """Every word that stands between single backticks."""
    return {word for code in re.findall(r"`([^`]+)`", text) for word in re.findall(r"\w+", code)}


@pytest.mark.parametrize("name", SIGNATURES)
def test_the_reference_has_every_argument_of_a_stage(name: str) -> None:
    stages = reference("### Stages", "### Rules")
    (row,) = re.findall(rf"^\| `{name}\(.*$", stages, re.MULTILINE)
    wanted = {parameter.name for parameter in SIGNATURES[name].parameters}
    if wanted >= ASKING:
        (sentence,) = re.findall(r"^(.*) also take what every question to a model takes:$", stages, re.MULTILINE)
        assert name in words_in_code(sentence)
        first_column = "\n".join(re.findall(r"^\| (`\w+`(?: `\w+`)*) \|", stages, re.MULTILINE))
        assert words_in_code(first_column) == ASKING
        wanted -= ASKING
    assert wanted <= words_in_code(row.rsplit(" | ", 1)[1])


def test_the_reference_has_every_rule_with_its_arguments_and_names() -> None:
    rules = reference("### Rules", "### Functions")
    known = words_in_code(rules)
    for rule in RULES.values():
        rows = [row for row in rules.splitlines() if re.match(rf"\| (`\w+`, )*`{rule.name}\b", row)]
        assert rows, rule.name
        assert set(rule.where) <= words_in_code(rows[0].split(" | ")[1].replace(" | ", "")), rule.name
        assert set(rule.aliases) <= known, rule.name
        for parameter in rule.parameters:
            assert {parameter.name} <= words_in_code(rows[0]) or set(parameter.choices) & words_in_code(rows[0])


def test_the_reference_has_every_function() -> None:
    assert set(FUNCTIONS) <= words_in_code(reference("### Functions", "### Flow"))
    assert set(ROW_FUNCTIONS) <= words_in_code(reference("## Data, metrics", "## Modules"))
