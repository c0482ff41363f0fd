"""Rules of one's own whose names the language uses too: other names for its rules give way, first names do not."""

from __future__ import annotations

from pathlib import Path

import pytest
import ttscale
from ttscale.compiler.diagnostics import CompileError

PYTHON = """
from ttscale.plugin import Pool, selector

@selector
def mbr(pool: Pool) -> int:
    return 0

@selector
def chops(pool: Pool) -> int:
    return 0

@selector
def shortest(pool: Pool) -> int:
    return 0
"""
PROGRAM = """tts 1
use python("./mine.py") {{ {imported} }}

model small = script("Answer: 1", "Answer: 2", "Answer: 2")

prompt ask(question: Text) -> Number = "{{{{ question }}}}"

pipeline main(question: Text) -> Number {{
  return generate(ask(question), from: small, n: 3) |> select(by: {rule})
}}
"""


def written(folder: Path, imported: str, rule: str) -> Path:
    (folder / "mine.py").write_text(PYTHON, encoding="utf-8")
    file = folder / "own.tts"
    file.write_text(PROGRAM.format(imported=imported, rule=rule), encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("imported", "rule"), [("mbr", "mbr"), ("chops", "chops"), ("shortest as briefest", "briefest")]
)
def test_a_rule_of_ones_own_is_the_one_that_runs(tmp_path: Path, imported: str, rule: str) -> None:
    with ttscale.load(written(tmp_path, imported, rule)) as program:
        assert program.run("?").answer == 1  # the language's own `mbr` chooses 2, and its `chops` asks a model


def test_the_language_s_own_name_wins(tmp_path: Path) -> None:
    with pytest.raises(CompileError) as caught, ttscale.load(written(tmp_path, "shortest", "shortest")):
        pass
    (found,) = caught.value.diagnostics
    assert (found.code, found.hint) == ("E0203", "give it another name here: `shortest as my_shortest`")
