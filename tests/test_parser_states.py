"""Every place of the grammar has a message of its own; `.ci/parser-states` finds those that have none."""

from __future__ import annotations

import sys
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

import pytest
from ttscale.compiler.parser import load_parser
from ttscale.compiler.parser_tables import build_parser
from ttscale.compiler.syntax_places import PLACES

SCRIPT = Path(__file__).resolve().parent.parent / ".ci" / "parser-states"
QUICK = ("NAME", "NUMBER", "EQUAL", "ARROW", "COMMA", "RETURN", "$END")

pytestmark = pytest.mark.skipif(not SCRIPT.is_file(), reason="the scripts of the checkout are not here")


@pytest.fixture(scope="module")
def script() -> ModuleType:
    """The script as a module."""
    spec = spec_from_loader("parser_states", SourceFileLoader("parser_states", str(SCRIPT)))
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    sys.modules["parser_states"] = module
    spec.loader.exec_module(module)
    return module


def test_no_group_of_states_is_left_without_a_message(script: ModuleType) -> None:
    findings = script.find_all(QUICK)
    assert len(findings) > 500
    left = {group: [one.text for one in found if not one.own] for group, found in findings.items()}
    assert not {group: texts for group, texts in left.items() if texts}
    messages = {one.diagnostic.message for found in findings.values() for one in found}
    assert len(messages) > 100


def test_a_place_without_a_message_is_found(script: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(PLACES):
        monkeypatch.delitem(PLACES, name)
    left = [group for group, found in script.find_all(("NUMBER",)).items() if not all(one.own for one in found)]
    assert "map MAP" in {group.production for group in left} and len(left) > 50


def test_every_place_of_the_table_is_one_of_the_grammar() -> None:
    known = set(load_parser().places) | {"inputs _lpar", "paren _lpar", "use _lpar", "list _lsqb", "list_type _lsqb"}
    assert set(PLACES) - known == set()


def test_loaded_places_are_those_of_the_grammar() -> None:
    assert sorted(load_parser().places) == sorted(build_parser().places)
