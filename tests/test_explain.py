"""`explain`: every code has a page, and every example says what its page says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from checking import compiled
from cli_runs import tts
from ttscale.compiler.assignments import check_assignments
from ttscale.compiler.explain import EXPLANATIONS, explain
from ttscale.compiler.lint import lint
from ttscale.compiler.lint_rules import RULES

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = sorted(code for code, page in EXPLANATIONS.items() if page.failing)


def said(text: str, *, about_lint: bool = False) -> set[str]:
    """The codes of everything said about a text, with all its pipelines bound."""
    checked = compiled(text)
    found = {diagnostic.code for diagnostic in checked.diagnostics}
    if about_lint:
        found |= {diagnostic.code for diagnostic in lint(checked)}
    if checked.ok:
        for name in checked.pipelines:
            found |= {diagnostic.code for diagnostic in check_assignments(checked.linked, name)}
    return found


@pytest.mark.parametrize("code", EXAMPLES)
def test_an_example_fails_with_its_code_and_its_fix_with_none(code: str) -> None:
    page = EXPLANATIONS[code]
    assert page.failing != page.fixed
    about_lint = code.startswith("L1")
    assert said(page.failing, about_lint=about_lint) == {code}
    assert said(page.fixed, about_lint=about_lint) == set()


def test_every_code_has_a_page() -> None:
    written: set[str] = set()
    for folder in ("compiler", "library", "library/archon", "runtime"):
        for path in (ROOT / folder).glob("*.py"):
            if not path.name.startswith("explanation"):
                written |= set(re.findall(r'"((?:[EW]0\d{3})|(?:L[01]\d{2}))"', path.read_text(encoding="utf-8")))
    assert written - set(EXPLANATIONS) == set(), "codes without a page"
    assert set(EXPLANATIONS) - written == set(), "pages about codes that nothing says"


def test_pages_are_written_in_one_style() -> None:
    for code, page in EXPLANATIONS.items():
        assert page.code == code
        assert page.title[:1].isupper() or page.title.startswith("`"), code
        assert not page.title.endswith(".") and page.text.endswith("."), code


def test_a_code_is_found_however_it_is_written() -> None:
    assert explain("E0210") is not None
    for other in ("e0210", "210", "E210", " E0210 "):
        assert explain(other) is explain("E0210")
    assert explain("L1") is explain("L001")
    assert explain("E9999") is None
    assert explain("nonsense") is None


def test_a_rule_is_found_by_its_name() -> None:
    for rule in RULES.values():
        assert explain(rule.name) is explain(rule.code) is not None
    assert explain("Unused_Name") is explain("L002")
    ran = tts("explain", "tests-before-evaluator")
    assert ran.out.startswith("L107: remark on style, rule tests-before-evaluator\n")
    assert tts("explain", "L107").out == ran.out
    assert tts("explain", "tests-before-evaluator", "--json").json["rule"] == "tests-before-evaluator"
    for asked, said in (
        ("tests_before_evaluatr", "did you mean tests-before-evaluator?"),
        ("nonsense", "there is no lint rule `nonsense`"),
        ("majority", "`majority` is a rule that chooses or scores"),
        ("vote", "`vote` is a stage"),
        ("E9210", "there is no code E9210"),
        ("E021", "did you mean E0"),
    ):
        failed = tts("explain", asked)
        assert failed.code != 0 and said in failed.err, failed.err


@pytest.mark.parametrize("code", sorted(EXPLANATIONS))
def test_no_page_says_anything_twice(code: str) -> None:
    text = tts("explain", code).out.partition("\nWrong:")[0]
    plain = re.sub(r"\s+", " ", text.partition(":")[2])
    parts = [re.sub(r"\W+", " ", part).lower().strip() for part in re.split(r"(?<=[.!?:])\s|  +|\n", plain)]
    said = [part for part in parts if len(part.split()) > 3]
    assert len(said) == len(set(said)), said
