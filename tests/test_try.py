"""`ttscale try`: columns and kinds of answers are found, and the program that is written compiles, tests and runs."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from cli_runs import tts
from ttscale.runtime.trying.answers import Field, NoKind, kind_of
from ttscale.runtime.trying.columns import Columns, Unclear, choose

EXAMPLES = Path(__file__).resolve().parent.parent / "examples" / "try"
LONG = "a text that is much longer than any label could ever be in such a table"


@pytest.mark.parametrize(
    ("columns", "found"),
    [
        ({"message": LONG, "label": "x"}, Columns(("message",), ("label",))),
        ({"question": "2 + 2", "answer": "4"}, Columns(("question",), ("answer",))),
        ({"id": "#", "Review": LONG, "Sentiment": "good"}, Columns(("Review",), ("Sentiment",))),
        ({"what": LONG, "n": "4"}, Columns(("what",), ("n",))),
        ({"mail": LONG, "vendor": "Acme", "total": "4"}, Columns(("mail",), ("vendor", "total"))),
        ({"problem": "x + 1", "solution": LONG}, Columns(("problem",), ("solution",))),
        ({"question": "x", "A": "p", "B": "q", "answer": "A"}, Columns(("question", "A", "B"), ("answer",))),
        ({"context": LONG, "question": "x", "answer": "A"}, Columns(("question", "context"), ("answer",))),
        ({"question": "x", "level": "5", "answer": "A"}, Columns(("question",), ("answer",))),
    ],
)
def test_columns_are_found(columns: dict[str, str], found: Columns) -> None:
    rows = [{name: str(n) if value == "#" else value for name, value in columns.items()} for n in range(6)]
    assert choose(rows) == found


@pytest.mark.parametrize(
    ("columns", "what"),
    [
        ({"a": "one two", "b": "one two"}, "gold"),
        ({"first": LONG, "second": LONG, "label": "x"}, "input"),
        ({"text": LONG}, "gold"),
    ],
)
def test_what_is_unclear_is_said(columns: dict[str, str], what: str) -> None:
    with pytest.raises(Unclear) as told:
        choose([columns] * 6)
    assert told.value.what == what and set(told.value.among) <= set(columns)


def test_given_columns_are_taken() -> None:
    rows = [{"first": LONG, "second": LONG, "label": "x"}] * 6
    assert choose(rows, ("first", "second")) == Columns(("first", "second"), ("label",))
    assert choose(rows, ("first",), ("second",)) == Columns(("first",), ("second",))
    with pytest.raises(Unclear, match="no column `third`"):
        choose(rows, ("third",))


@pytest.mark.parametrize(
    ("values", "name"),
    [
        (["refund", "bug", "refund", "bug", "bug", "refund", ""], "choice"),
        (["yes", "No", "yes", "no"], "bool"),
        ([True, False, True], "bool"),
        (["4", "1,200", "-3.5", "$12"], "number"),
        (["1", "2", "3", None], "number"),
        (["Paris", "Rome", "Oslo", "Bern", "Kyiv", "Riga"], "text"),
        ([{"a": 1}, '{"a": 2}'], "record"),
        (["4", "four", "4", "four"], "choice"),
    ],
)
def test_kinds_of_answers_are_told(values: list[object], name: str) -> None:
    assert kind_of(values).name == name


def test_fields_have_types_and_may_be_missing() -> None:
    rows = [{"who": "Ann", "n": "3", "zip": "04103"}, {"who": "Bo", "n": "", "zip": "10115"}, {"who": "C", "n": "1"}]
    assert kind_of(rows).fields == (
        Field("who", "Text", False),
        Field("n", "Number", True),
        Field("zip", "Text", True),
    )


@pytest.mark.parametrize(
    ("values", "wanted", "said"),
    [
        (["4", "four"], "number", "`four` is no number"),
        (["4", "four"], "bool", "neither yes nor no"),
        (["Ann"], "record", "no records"),
        (["", None], "", "no right answers"),
        ([str(n) for n in range(40)], "choice", "40 different answers"),
    ],
)
def test_what_is_of_another_kind_is_refused(values: list[object], wanted: str, said: str) -> None:
    with pytest.raises(NoKind, match=said):
        kind_of(values, wanted)


def table(path: Path, columns: list[str], rows: list[list[str]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([columns, *rows])
    return path


def tried(data: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, *options: str) -> Path:
    """The program that a dry run writes."""
    monkeypatch.chdir(folder)
    done = tts("try", data, "--dry-run", *options)
    assert done.code == 0, done.err
    return folder / f"{data.name.partition('.')[0]}.tts"


TABLES = {
    "numbers": (["question", "answer"], [[f"How much is {n} + 1?", f"{n + 1}"] for n in range(12)]),
    "bools": (["text", "label"], [[f"{LONG} {n}", "yes" if n % 2 else "no"] for n in range(12)]),
    "texts": (["question", "answer"], [[f"{LONG} {n}", f"word{n} of many"] for n in range(12)]),
    "essays": (["question", "answer"], [[f"What about {n}?", f"{LONG} {n} {LONG}"] for n in range(12)]),
    "odd names": (["The message!", "match"], [[f"{LONG} {n}", 'a"b' if n % 2 else "in-between"] for n in range(12)]),
    "records": (["mail", "answer"], [[f"{LONG} {n}", json.dumps({"Who": f"x{n}", "n": n})] for n in range(12)]),
    "gaps": (["text", "label"], [[f"{LONG} {n}", "" if n == 3 else "a" if n % 2 else "b"] for n in range(13)]),
    "money": (["mail", "who", "total"], [[f"{LONG} {n}", f"x{n}", f"$1,{n:03}"] for n in range(12)]),
    "two": (["a", "b", "label"], [[f"{LONG} {n}", f"{LONG} {n}", "x" if n % 2 else "y"] for n in range(12)]),
}


@pytest.mark.parametrize("name", list(TABLES))
def test_what_is_written_compiles_and_passes_its_test(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = table(tmp_path / "data.csv", *TABLES[name])
    options = ("--input", "a", "--input", "b") if name == "two" else ()
    file = tried(data, tmp_path, monkeypatch, *options)
    assert tts("check", file).code == 0, tts("check", file).out
    assert tts("test", file).code == 0
    assert tts("fmt", "--check", file).code == 0


@pytest.mark.parametrize(("name", "rows"), [("tickets", 60), ("orders", 40)])
def test_the_examples_are_tables_of_a_task(
    name: str, rows: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tried(EXAMPLES / f"{name}.csv", tmp_path, monkeypatch)
    with (EXAMPLES / f"{name}.csv").open(encoding="utf-8") as stream:
        assert len(list(csv.DictReader(stream))) == rows
    assert tts("test", file).code == 0


def test_a_ladder_is_climbed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    data = table(
        tmp_path / "mood.csv",
        ["text", "label"],
        [[f"{'I love it' if n % 2 else 'I hate it'}, number {n}", "good" if n % 2 else "bad"] for n in range(40)],
    )
    model = 'script({"I love it": ["Answer: good"], "I hate it": ["Answer: bad"]})'
    done = tts("try", data, "--model", model, "--limit", "24", "--json", "--no-bank")
    assert done.code == 0, done.err
    assert done.json["type"] == "choice" and done.json["questions"] == 24
    names = [one["name"] for one in done.json["recipes"]]
    assert names == ["greedy", "few_shot", "reasoned", "classified", "majority", "judged"]
    assert {one["mean"] for one in done.json["recipes"] if one["name"] in ("greedy", "majority")} == {1.0}
    assert done.json["diagnosis"][0]["name"] == "nothing to gain"
    shown = tts("try", data, "--model", model, "--limit", "6", "--no-bank", "--quiet")
    assert "minus greedy" in shown.out and "ttscale search mood.tts tune" in shown.out


def test_a_changed_program_is_not_written_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = table(tmp_path / "data.csv", *TABLES["numbers"])
    file = tried(data, tmp_path, monkeypatch)
    assert tts("try", data, "--dry-run", "--model", "pypi:other-weights").code == 0
    assert "pypi:other-weights" in file.read_text(encoding="utf-8"), "what nobody changed is written anew"
    file.write_text(file.read_text(encoding="utf-8") + "\n# mine\n", encoding="utf-8")
    refused = tts("try", data, "--dry-run")
    assert refused.code == 1 and "--force" in refused.err
    assert tts("try", data, "--dry-run", "--force").code == 0


def test_bad_tables_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    few = table(tmp_path / "few.csv", ["question", "answer"], [["a", "b"]])
    assert "nothing can be told" in tts("try", few).err
    unclear = table(tmp_path / "unclear.csv", ["a", "b"], [["x y", "z w"]] * 8)
    told = tts("try", unclear)
    assert told.code == 2 and "--gold COLUMN; there is a, b" in told.err
    assert "is no table" in tts("try", tmp_path / "x.txt").err
    assert "there is no file" in tts("try", tmp_path / "x.csv").err
    kinds = table(tmp_path / "kinds.csv", *TABLES["texts"])
    assert "--type" in tts("try", kinds, "--type", "number").err


ODD = [[f'I was charged {n} times; "often" – why?', "billing" if n % 2 else "bug"] for n in range(9)]


@pytest.mark.parametrize(
    ("delimiter", "encoding", "option", "note"),
    [
        (",", "utf-8-sig", "", ""),
        (";", "utf-8", ', delimiter: ";"', "cells are divided by `;`"),
        (";", "utf-8-sig", ', delimiter: ";"', "cells are divided by `;`"),
        ("\t", "utf-8", ', delimiter: "\\t"', "cells are divided by tabs"),
        (",", "utf-16", ', encoding: "utf-16"', "read as utf-16"),
        (";", "cp1252", ', delimiter: ";", encoding: "cp1252"', "read as cp1252"),
    ],
)
def test_tables_of_spreadsheets_are_read_as_they_are(
    delimiter: str, encoding: str, option: str, note: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with (tmp_path / "data.csv").open("w", encoding=encoding, newline="") as stream:
        csv.writer(stream, delimiter=delimiter, lineterminator="\r\n").writerows([["text", "label"], *ODD])
    made = tts("try", tmp_path / "data.csv", "--dry-run")
    assert made.code == 0 and "9 rows; text asks, label has the right answers" in made.err and note in made.err
    text = (tmp_path / "data.tts").read_text(encoding="utf-8")
    assert f"answer: label{option}, shuffle: 1)" in " ".join(text.split()).replace("( ", "(").replace(", )", ")")
    ran = tts("try", tmp_path / "data.csv", "--model", 'script("Answer: bug")', "--no-bank", "--json")
    assert ran.code == 0 and ran.json["questions"] == 8, ran.err


def test_rows_that_tell_nothing_are_left_out_and_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [*ODD, ["", ""], ["what?", ""], ["", "bug"], ODD[0], [ODD[1][0], "bug"]]
    made = tts("try", table(tmp_path / "data.csv", ["text", "label"], rows), "--dry-run")
    assert "3 rows lack a question or a right answer: left out" in made.err
    assert "2 rows repeat an earlier question: left out; 1 with another right answer" in made.err
    assert len((tmp_path / "data.rows.jsonl").read_text(encoding="utf-8").splitlines()) == 9
    headless = tts("try", table(tmp_path / "headless.csv", ODD[0], ODD[1:]), "--dry-run")
    assert headless.code == 0 and "the first line looks like a row" in headless.err


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("x.xlsx", b"PK\x03\x04", "save the sheet as text first"),
        ("x.ods", b"PK\x03\x04", "CSV in UTF-8"),
        ("x.csv", bytes(range(256)), "it is no text"),
        ("x.csv", b"", "has 0 rows"),
        ("x.csv", b"text,label\na,b\n", "has 1 row,"),
        ("x.csv", b"text,text\n" + b"a,b\n" * 9, "give one of them another name"),
        ("x.csv", b"text,label\n" + b"".join(b"q%d,same\n" % n for n in range(9)), "every right answer is 'same'"),
        ("x.csv", b"text,label\n" + b"a,b\n" * 9, "9 rows have"),
    ],
)
def test_what_cannot_be_tried_is_said(
    name: str, data: bytes, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_bytes(data)
    told = tts("try", tmp_path / name, "--dry-run")
    assert told.code in (1, 2), told.err
    if said == "it is no text":
        assert "is no text" in told.err
    elif said == "9 rows have":
        assert "only 1 row ask" in told.err and "8 rows repeat" in told.err
    else:
        assert said in told.err


def test_who_sits_at_a_terminal_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    data = table(tmp_path / "data.csv", ["a", "b"], [[f"x y {n}", "left" if n % 2 else "right"] for n in range(12)])
    asked: list[str] = []

    def prompt(text: str, **settings: object) -> str:
        asked.append(text)
        return "b"

    monkeypatch.setattr("ttscale.cli.trying.is_terminal", lambda stream: True)
    monkeypatch.setattr("click.prompt", prompt)
    done = tts("try", data, "--dry-run")
    assert done.code == 0 and asked == ["Which column has the right answers?"]
    assert "a asks, b has the right answers" in done.err
