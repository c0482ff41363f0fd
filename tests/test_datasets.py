"""Datasets with their fields and steps, and tables read and written."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import pytest
from ttscale.compiler import ir
from ttscale.runtime.datasets import DataError, RowWriter, load_rows, read_rows, read_table, write_rows

QUESTION = ("question", ir.Column("question"))
GOLD = ("answer", ir.Apply("after", (ir.Column("answer"), ir.Const("####"))))


def dataset(path: Path, *fields: tuple[str, ir.Operand], kind: str = "jsonl", **options: object) -> ir.Dataset:
    return ir.Dataset("gsm", kind, path.name, str(path.with_name("main.tts")), fields, tuple(options.items()))


@pytest.fixture
def gsm(tmp_path: Path) -> Path:
    path = tmp_path / "gsm.jsonl"
    rows = [{"question": f"q{i}", "answer": f"so\n#### {i}", "level": i % 3} for i in range(10)]
    path.write_text("\n".join(json.dumps(row) for row in rows) + "\n", encoding="utf-8")
    return path


def golds(rows: ir.Rows) -> list[object]:
    return [row.gold for row in load_rows(rows)]


def test_fields_are_computed(gsm: Path) -> None:
    row = load_rows(dataset(gsm, QUESTION, GOLD))[3]
    assert (row.id, row.values, row.gold) == ("gsm-4", {"question": "q3", "answer": "3"}, "3")
    assert row.columns["level"] == 0 and row.where.endswith("gsm.jsonl:4")
    assert read_rows(ir.Rows(dataset(gsm, shape="none"), (("slice", 0, 1),))) == [
        {"id": "gsm-1", "question": "q0", "answer": "so\n#### 0", "level": 0}
    ]


def test_steps(gsm: Path) -> None:
    data = dataset(gsm, QUESTION, GOLD)
    everything = [str(i) for i in range(10)]
    assert golds(ir.Rows(data, (("slice", 2, 4),))) == ["2", "3"]
    assert golds(ir.Rows(data, (("slice", None, None),))) == everything
    assert golds(ir.Rows(data, (("slice", -2, None), ("slice", 0, 1)))) == ["8"]
    shuffled = golds(ir.Rows(data, (("shuffle", 1),)))
    assert shuffled == golds(ir.Rows(data, (("shuffle", 1),))) != everything
    assert sorted(map(str, shuffled)) == everything
    level = ir.Apply("==", (ir.Column("level"), ir.Const(1)))
    assert golds(ir.Rows(data, (("where", level), ("slice", 1, None)))) == ["4", "7"]
    gold = ir.Apply("==", (ir.Apply("number", (ir.Column("level"),)), ir.Const(1)))
    assert golds(ir.Rows(data, (("where", gold),))) == ["1", "4", "7"]


def test_a_slice_reads_no_further_than_it_must(gsm: Path) -> None:
    with gsm.open("a", encoding="utf-8") as stream:
        stream.write("not JSON\n")
    data = dataset(gsm, QUESTION)
    assert len(load_rows(ir.Rows(data, (("slice", 0, 5),)))) == 5
    with pytest.raises(DataError, match=r"gsm\.jsonl:11: not JSON"):
        load_rows(data)


def test_options(gsm: Path) -> None:
    assert len(load_rows(dataset(gsm, limit=4))) == 4
    assert len({row.id for row in load_rows(dataset(gsm, shuffle=3))}) == 10
    with pytest.raises(DataError, match="has no option `limt`") as caught:
        load_rows(dataset(gsm, limt=4))
    assert "limit" in caught.value.hint


def test_csv(tmp_path: Path) -> None:
    path = tmp_path / "invoices.csv"
    path.write_bytes('\ufeffbody,vendor,total,due\r\n"two\r\nlines, quoted",Acme,"1,200.0",\r\n,B,3,2020\r\n'.encode())
    names = ir.Const(("vendor", "due"))
    data = dataset(
        path,
        ("letter", ir.Column("body")),
        ("answer", ir.Apply("record", (names, ir.Column("vendor"), ir.Column("due")))),
        kind="csv",
    )
    first, second = load_rows(data)
    assert first.values == {"letter": "two\r\nlines, quoted", "answer": {"vendor": "Acme", "due": None}}
    assert first.where.endswith(":3") and second.where.endswith(":4")
    assert second.values["letter"] is None
    path.write_text("a;b\n1;2\n", encoding="latin-1")
    assert load_rows(dataset(path, kind="csv", delimiter=";", encoding="latin-1"))[0].values == {"a": "1", "b": "2"}


def test_rows_may_lack_keys_that_others_have(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"a": 1}\n\n{"a": 2, "b": 3}\n', encoding="utf-8")
    assert [row.values["b"] for row in load_rows(dataset(path, ("b", ir.Column("b"))))] == [None, 3]
    with pytest.raises(DataError, match=r"rows\.jsonl:1: field `c` .* no column `aa`") as caught:
        load_rows(dataset(path, ("c", ir.Column("aa"))))
    assert "`a`" in caught.value.hint


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("x.jsonl", b'{"a": 1}\n[1]\n', r"x\.jsonl:2: a row is an object"),
        ("x.jsonl", b"{\xff}\n", "is not text in utf-8"),
        ("x.jsonl", b"[" * 100_000, "not JSON"),
        ("x.csv", b"a,b\n1\n", r"x\.csv:2: 1 cells, and the header has 2"),
        ("x.csv", b"a,a\n1,2\n", "two columns are called 'a'"),
        ("x.csv", b'a\n"1\n', r"x\.csv:2: unexpected end"),
        ("x.json", b'{"a": 1}', "holds a list"),
        ("x.json", b"[1]", "row 1: a row is an object"),
        ("x.jsonl.gz", b"no gzip", "cannot be read"),
        ("x.txt", b"", "read and written as"),
    ],
)
def test_broken_tables(tmp_path: Path, name: str, content: bytes, says: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=says):
        read_table(tmp_path / name)


def test_files_that_are_not_there(gsm: Path) -> None:
    with pytest.raises(DataError, match="there is no file") as caught:
        load_rows(dataset(gsm.with_name("gms.jsonl")))
    assert "gsm.jsonl" in caught.value.hint
    with pytest.raises(DataError, match="folder"):
        read_table(_folder(gsm))
    with pytest.raises(DataError, match="no reader `parquets`"):
        load_rows(dataset(gsm, kind="parquets"))


def _folder(beside: Path) -> Path:
    folder = beside.with_name("folder.jsonl")
    folder.mkdir()
    return folder


@pytest.mark.parametrize("name", ["out.jsonl", "out.json", "out.csv", "out.tsv"])
def test_tables_are_read_as_written(tmp_path: Path, name: str) -> None:
    rows: list[dict[str, object]] = [{"id": "a", "text": 'x, "y"\nz\t1'}, {"id": "b", "text": None, "more": "ü"}]
    assert write_rows(tmp_path / name, rows) == 2
    back = read_table(tmp_path / name)
    assert [{k: v for k, v in row.items() if v is not None} for row in back] == [
        {k: v for k, v in row.items() if v is not None} for row in rows
    ]
    assert sorted(p.name for p in tmp_path.iterdir()) == [name]


def test_packed_tables(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "x.csv.gz", "wt") as stream:
        stream.write("a\n1\n")
    assert read_table(tmp_path / "x.csv.gz") == [{"a": "1"}]


def test_appended_rows_survive(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    with RowWriter(path) as writer:
        writer.write({"id": 1})
        assert read_table(path) == [{"id": 1}]
    with path.open("ab") as stream:
        stream.write(b'{"id": 2, "text": "' + b"x" * 100_000)
    with RowWriter(path) as writer:
        writer.write({"id": 3})
    assert read_table(path) == [{"id": 1}, {"id": 3}]
    with pytest.raises(DataError):
        RowWriter(tmp_path / "out.csv")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_killed_process_loses_no_finished_row(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    child = os.fork()
    if child == 0:
        RowWriter(path).write({"id": "kept"})
        os.kill(os.getpid(), 9)
    os.waitpid(child, 0)
    assert read_table(path) == [{"id": "kept"}]
