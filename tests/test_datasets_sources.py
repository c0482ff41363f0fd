"""Datasets from Parquet, generators of tasks and the hub, and the options that choose rows."""

from __future__ import annotations

import json
from contextlib import nullcontext
from datetime import date
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cli_runs import SCRIPTED, tts, write
from ttscale.compiler import ir
from ttscale.compiler.data import dataset_ir, rows_ir
from ttscale.compiler.diagnostics import CompileError
from ttscale.compiler.driver import compile_source
from ttscale.compiler.source import SourceFile
from ttscale.library.loader import FileLoader
from ttscale.runtime.datasets import DataError, load, load_rows
from ttscale.runtime.datasets.hub import Wanted, choose
from ttscale.runtime.datasets.order import content_id, share_of, shuffled
from ttscale.runtime.datasets.rows_text import parsed, rows_from_text
from ttscale.runtime.evaluate.arms import plain_of


def declared(text: str, tmp_path: Path, expression: str = "") -> ir.Rows | ir.Dataset:
    """The dataset `d`, or rows of it, as a program in a folder declares it."""
    body = f"tts 1\n\ndataset d = {text}\n"
    checked = compile_source(SourceFile(str(tmp_path / "main.tts"), body), FileLoader()).require_ok()
    symbol = checked.linked.main.names["d"]
    if not expression:
        return dataset_ir(symbol, checked.linked)
    return rows_ir(parsed(expression), checked.linked.main, checked.linked)


def jsonl(tmp_path: Path, rows: list[dict[str, Any]], name: str = "d.jsonl") -> Path:
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


NUMBERED: list[dict[str, Any]] = [
    {"q": f"q{i}", "n": i, "key": f"k{i}", "split": "test" if i % 2 else "train"} for i in range(40)
]


def numbers(rows: ir.Rows | ir.Dataset) -> list[object]:
    return [row.columns["n"] for row in load_rows(rows)]


# --- options ------------------------------------------------------------------------------------------


def test_options_choose_rows(tmp_path: Path) -> None:
    jsonl(tmp_path, NUMBERED)
    assert numbers(declared('jsonl("d.jsonl", where: n < 3 and q != "q1")', tmp_path)) == [0, 2]
    assert numbers(declared('jsonl("d.jsonl", split: "test", limit: 2)', tmp_path)) == [1, 3]
    assert numbers(declared('jsonl("d.jsonl", split: "dev")', tmp_path)) == []
    both = declared('jsonl("d.jsonl", where: n >= 30, shuffle: 1, limit: 3)', tmp_path)
    assert len(set(numbers(both))) == 3 and set(numbers(both)) <= set(range(30, 40))
    one = load_rows(declared('jsonl("d.jsonl", id: key)', tmp_path))[3]
    assert (one.id, one.values["id"], one.values["q"]) == ("k3", "k3", "q3")
    # A condition may read fields that the file does not have; a column named like an option can be a field.
    assert numbers(declared('jsonl("d.jsonl", twice: n * 2, where: twice == 8)', tmp_path)) == [4]
    (row,) = load_rows(declared('jsonl("d.jsonl", split: split, limit: 1)', tmp_path))
    assert dict(row.values) == {"split": "train"}


def test_options_that_rows_do_not_allow(tmp_path: Path) -> None:
    jsonl(tmp_path, [{"q": "a", "key": 1}, {"q": "b", "key": 1}, {"q": "c"}])
    with pytest.raises(DataError, match=r"d\.jsonl:2: the id 1 is already that of .*d\.jsonl:1"):
        load(declared('jsonl("d.jsonl", id: key, limit: 2)', tmp_path))
    with pytest.raises(DataError, match=r"d\.jsonl:3: this row has no `id:`"):
        load(declared('jsonl("d.jsonl", id: key)', tmp_path))
    with pytest.raises(DataError, match="by their column `split`") as caught:
        load(declared('jsonl("d.jsonl", split: "test")', tmp_path))
    assert "split(to: 0.8" in caught.value.hint
    with pytest.raises(DataError, match=r"d\.jsonl:1: where\(…\): there is no column `qq`"):
        load(declared('jsonl("d.jsonl", where: qq == "a")', tmp_path))


def test_a_table_without_a_header(tmp_path: Path) -> None:
    (tmp_path / "t.tsv").write_text("one\t1\ntwo\t2\n", encoding="utf-8")
    (tmp_path / "t.json").write_text('[{"a": 1},\n {"a": 2}, {"b": 3}]', encoding="utf-8")
    rows = load_rows(declared('tsv("t.tsv", columns: ["word", "n"])', tmp_path))
    assert [dict(row.values) for row in rows] == [{"word": "one", "n": "1"}, {"word": "two", "n": "2"}]
    assert rows[1].where.endswith("t.tsv:2")
    assert load_rows(declared('json("t.json")', tmp_path))[2].where.endswith("t.json, row 3")
    with pytest.raises(DataError, match=r"t\.tsv:1: 2 cells, and the header has 1"):
        load(declared('tsv("t.tsv", columns: ["word"])', tmp_path))


# --- shuffles and splits ------------------------------------------------------------------------------


def test_a_shuffle_goes_by_content(tmp_path: Path) -> None:
    jsonl(tmp_path, NUMBERED)
    before = numbers(declared('jsonl("d.jsonl")', tmp_path, "d |> shuffle(seed: 3)"))
    assert sorted(map(str, before)) == sorted(str(i) for i in range(40)) and before != list(range(40))
    assert before != numbers(declared('jsonl("d.jsonl")', tmp_path, "d |> shuffle(seed: 4)"))
    moved = [*NUMBERED[20:], {"q": "new", "n": 99, "key": "new", "split": "test"}, *NUMBERED[:20]]
    jsonl(tmp_path, moved)
    after = numbers(declared('jsonl("d.jsonl")', tmp_path, "d |> shuffle(seed: 3)"))
    assert [n for n in after if n != 99] == before
    assert numbers(declared('jsonl("d.jsonl", shuffle: 3)', tmp_path)) == after


def test_parts_are_disjoint_complete_and_stay(tmp_path: Path) -> None:
    jsonl(tmp_path, NUMBERED)
    text = 'jsonl("d.jsonl")'
    train = set(numbers(declared(text, tmp_path, "d |> split(to: 0.75, seed: 1)")))
    test = set(numbers(declared(text, tmp_path, "d |> split(from: 0.75, seed: 1)")))
    assert not train & test and train | test == set(range(40)) and 20 < len(train) < 39
    assert train != set(numbers(declared(text, tmp_path, "d |> split(to: 0.75, seed: 2)")))
    middle = set(numbers(declared(text, tmp_path, "d.split(from: 0.25, to: 0.75, seed: 1)")))
    assert middle < train
    jsonl(tmp_path, [{"q": "first", "n": -1}, *NUMBERED])
    assert set(numbers(declared(text, tmp_path, "d |> split(to: 0.75, seed: 1)"))) - {-1} == train


def test_an_id_is_what_a_row_is(tmp_path: Path) -> None:
    jsonl(tmp_path, NUMBERED)
    text = 'jsonl("d.jsonl", id: key)'
    before = numbers(declared(text, tmp_path, "d |> shuffle(seed: 1)"))
    jsonl(tmp_path, [{**row, "q": f"edited {row['q']}"} for row in NUMBERED])
    assert numbers(declared(text, tmp_path, "d |> shuffle(seed: 1)")) == before
    plain = 'jsonl("d.jsonl")'
    assert numbers(declared(plain, tmp_path, "d |> shuffle(seed: 1)")) != before


def test_order() -> None:
    assert content_id({"a": 1, "b": "ü"}) == content_id({"b": "ü", "a": 1}) != content_id({"a": "1", "b": "ü"})
    same = shuffled(["x", "y", "x", "x"], 5)
    assert [place for place in same if place != 1] == [0, 2, 3]
    shares = [share_of(str(i), 1) for i in range(2_000)]
    assert all(0 <= share < 1 for share in shares) and 0.47 < sum(shares) / len(shares) < 0.53


@pytest.mark.parametrize(
    ("step", "codes"),
    [
        ("split(to: 0.8, seed: 1)", []),
        ("split(from: 0.2, to: 0.8)", []),
        ("split(0.8)", ["E0211"]),
        ("split(to: 0.8, to: 0.9)", ["E0211"]),
        ("split(seed: 1)", ["E0212"]),
        ("split(to: 80)", ["E0217"]),
        ("split(from: 0.8, to: 0.2)", ["E0217"]),
        ("split(to: 0.8, seed: -1)", ["E0217"]),
        ("shuffle(seed: half)", ["E0217"]),
        ("shuffle(seed: 0.5)", ["E0217"]),
        ("where()", ["E0212"]),
    ],
)
def test_steps_are_checked(step: str, codes: list[str]) -> None:
    text = f"""tts 1

model small = script("Answer: 1")

prompt ask(question: Text) -> Number = \"\"\"
{{{{ question }}}}
\"\"\"

dataset d = jsonl("d.jsonl", question: question, answer: answer)

pipeline main(question: Text) -> Number {{
  return generate(ask(question), from: small, examples: d |> {step}, shots: 2)
}}
"""
    checked = compile_source(SourceFile("main.tts", text), FileLoader())
    assert [d.code for d in checked.diagnostics if d.severity == "error"] == codes


@pytest.mark.parametrize(
    ("rows", "code"),
    [
        ("d[0:20]", ""),
        ("d.shuffle(seed: 1)[5:]", ""),
        ("d |> split(from: 0.5, seed: 2) |> where(n > 3)", ""),
        ("d[0:half]", "E0217"),
        ("d[0.5]", "E0217"),
        ("d |> shuffle(sed: 1)", "E0211"),
        ("d |> where()", "E0212"),
        ("d |> vote()", "E0210"),
        ("d.suffle(seed: 1)[0:3]", "E0210"),
        ("shuffle(d, seed: none)", "E0217"),
    ],
)
def test_rows_beside_a_program_are_checked_like_those_in_it(tmp_path: Path, rows: str, code: str) -> None:
    jsonl(tmp_path, [{"question": "6 * 7?", "answer": "42", "n": n} for n in range(30)])
    dataset = 'dataset d = jsonl("d.jsonl", question: question, answer: answer)\n\n## Sample'
    text = SCRIPTED.replace("## Sample", dataset, 1)
    checked = compile_source(SourceFile("main.tts", f"{text}\neval main on {rows} {{ }}\n"), FileLoader())
    assert [d.code for d in checked.diagnostics if d.severity == "error"] == ([code] if code else [])
    ran = tts("run", write(tmp_path, text), "--on", rows)
    assert (ran.code == 0) is (code == "") and code in ran.err, ran
    with pytest.raises(CompileError) if code else nullcontext():
        rows_from_text(compile_source(SourceFile("main.tts", text), FileLoader()).linked, rows)


# --- Parquet ------------------------------------------------------------------------------------------


def test_parquet(tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    table = arrow.table(
        {
            "question": ["one", "two", None],
            "n": [1, 2, 3],
            "parts": [["a"], [], ["b", "c"]],
            "meta": [{"x": 1.5}, {"x": None}, {"x": 2.0}],
            "day": [date(2024, 1, 2)] * 3,
            "price": [Decimal("1.50"), Decimal("2.00"), None],
            "raw": [b"\x00\x01", b"", None],
        }
    )
    parquet.write_table(table, tmp_path / "d.parquet", row_group_size=2)
    rows = load_rows(declared('parquet("d.parquet", question: question, first: parts[0])', tmp_path))
    assert [dict(row.values) for row in rows] == [
        {"question": "one", "first": "a"},
        {"question": "two", "first": None},
        {"question": None, "first": "b"},
    ]
    columns = rows[0].columns
    assert (columns["n"], columns["meta"], columns["day"]) == (1, {"x": 1.5}, "2024-01-02")
    assert (columns["price"], rows[1].columns["price"], columns["raw"]) == (1.5, 2, "AAE=")
    assert rows[2].where.endswith("d.parquet, row 3")
    assert numbers(declared('parquet("d.parquet")', tmp_path, "d[0:2]")) == [1, 2]
    json.dumps([dict(row.columns) for row in rows])
    (tmp_path / "bad.parquet").write_bytes(b"no table")
    with pytest.raises(DataError, match=r"bad\.parquet is not a Parquet file"):
        load(declared('parquet("bad.parquet")', tmp_path))
    with pytest.raises(DataError, match="there is no file") as caught:
        load(declared('parquet("dd.parquet")', tmp_path))
    assert "d.parquet" in caught.value.hint


# --- generated tasks ----------------------------------------------------------------------------------


def test_gym(tmp_path: Path) -> None:
    pytest.importorskip("reasoning_gym")
    rows = load(declared('gym("chain_sum", size: 3, seed: 5, min_terms: 3, max_terms: 3)', tmp_path))
    assert len(rows.rows) == 3 and rows.shape is not None and rows.shape.metric == "gym"
    assert all(row.columns["metadata"]["num_terms"] == 3 for row in rows.rows)  # type: ignore[index]
    assert rows.rows[0].where == "task 1 of chain_sum" and rows.rows[0].id == "d-1"
    assert rows.rows[0].columns["config"] == {"seed": 5, "min_terms": 3, "max_terms": 3}
    again = declared('gym("chain_sum", size: 3, seed: 5, min_terms: 3, max_terms: 3)', tmp_path, "d[1:2]")
    assert load_rows(again)[0].values["question"] == rows.rows[1].values["question"]
    other = load_rows(declared('gym("chain_sum", size: 3, seed: 6, question: question)', tmp_path))
    assert dict(other[0].values).keys() == {"question"} and other[0].values != rows.rows[0].values
    assert len(load_rows(declared('gym("chain_sum")', tmp_path, "d[0:4]"))) == 4


@pytest.mark.parametrize(
    ("text", "says", "hint"),
    [
        ('gym("chain_sums")', "no task `chain_sums`", "`chain_sum`"),
        ('gym("chain_sum", min_term: 3)', "no setting `min_term`", "`min_terms`"),
        ('gym("chain_sum", min_terms: 5, max_terms: 3)', "refuses its settings", ""),
    ],
)
def test_tasks_that_cannot_be(tmp_path: Path, text: str, says: str, hint: str) -> None:
    pytest.importorskip("reasoning_gym")
    with pytest.raises(DataError, match=says) as caught:
        load(declared(text, tmp_path))
    assert hint in caught.value.hint and caught.value.span is not None


def test_what_is_measured_on_other_tasks_is_measured_anew(tmp_path: Path) -> None:
    one, other = (declared(f'gym("{task}", size: 3)', tmp_path) for task in ("chain_sum", "countdown"))
    assert plain_of(one) == plain_of(declared('gym("chain_sum", size: 3)', tmp_path)) != plain_of(other)
    copied = declared('jsonl("copy.jsonl")', tmp_path)
    assert plain_of(copied) == plain_of(declared('jsonl("d.jsonl")', tmp_path))


# --- the hub ------------------------------------------------------------------------------------------

CARD = """---
license: mit
configs:
- config_name: main
  data_files:
  - split: train
    path: main/train-*
  - split: test
    path: main/test-*
- config_name: extra
  data_files: other/rows.jsonl
---
# A data set
"""
NAMES = ["README.md", "main/test-0.jsonl", "main/train-0.jsonl", "main/train-1.jsonl", "other/rows.jsonl"]


@pytest.mark.parametrize(
    ("names", "card", "config", "split", "chosen"),
    [
        (NAMES, CARD, "main", "train", ["main/train-0.jsonl", "main/train-1.jsonl"]),
        (NAMES, CARD, "extra", "", ["other/rows.jsonl"]),
        (["train.csv", "test.csv"], "", "", "test", ["test.csv"]),
        (["data/valid-00000-of-00001.parquet", "data/train.parquet"], "", "", "validation", [NAMES[0]]),
        (["en/dev.jsonl.gz", "fr/dev.jsonl.gz"], "# no head", "fr", "dev", ["fr/dev.jsonl.gz"]),
        (["train/a.json", "test/a.json", "dataset_infos.json", ".hidden/x.json"], "", "", "train", ["train/a.json"]),
        (["rows.jsonl"], "", "", "", ["rows.jsonl"]),
    ],
)
def test_which_files_hold_a_split(names: list[str], card: str, config: str, split: str, chosen: list[str]) -> None:
    found = choose(names, card, Wanted("org/name", config, split))
    assert found == (["data/valid-00000-of-00001.parquet"] if chosen == [NAMES[0]] else chosen)


@pytest.mark.parametrize(
    ("names", "card", "config", "split", "says"),
    [
        (NAMES, CARD, "", "test", "more than one config: main, extra"),
        (NAMES, CARD, "man", "test", "no config `man`"),
        (NAMES, CARD, "main", "", "more than one split: train, test"),
        (NAMES, CARD, "main", "dev", "no split `dev`"),
        (["README.md"], "", "", "", "no file of rows"),
        (NAMES, "---\nconfigs: [\n---\n", "", "", "not YAML"),
    ],
)
def test_splits_that_are_not_there(names: list[str], card: str, config: str, split: str, says: str) -> None:
    pytest.importorskip("yaml")
    with pytest.raises(DataError, match=says):
        choose(names, card, Wanted("org/name", config, split))


def copy(folder: Path) -> Path:
    """A data set as it lies on the hub."""
    jsonl(folder, NUMBERED[:2], "main/train-0.jsonl")
    jsonl(folder, NUMBERED[2:3], "main/train-1.jsonl")
    jsonl(folder, NUMBERED[3:5], "main/test-0.jsonl")
    jsonl(folder, NUMBERED[5:6], "other/rows.jsonl")
    (folder / "README.md").write_text(CARD, encoding="utf-8")
    return folder


def test_the_folder_of_a_copy(tmp_path: Path) -> None:
    copy(tmp_path / "copy")
    rows = load_rows(declared('hf("./copy", config: "main", split: "train")', tmp_path))
    assert [row.columns["n"] for row in rows] == [0, 1, 2] and rows[2].id == "d-3"
    assert rows[2].where.endswith("train-1.jsonl:1")
    assert numbers(declared('hf("./copy", config: "main", split: "train")', tmp_path, "d[0:1]")) == [0]
    with pytest.raises(DataError, match="there is no folder"):
        load(declared('hf("./copies")', tmp_path))
    with pytest.raises(DataError, match="is no name of a data set"):
        load(declared('hf("a/b/c")', tmp_path))


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The hub's client with a folder in the place of the hub; `asked` is what it was asked for."""
    client = pytest.importorskip("huggingface_hub")
    folder, asked = copy(tmp_path / "hub"), []

    def names(self: object, repo: str, **place: str) -> list[str]:
        asked.append((repo, place))
        if not fake.connected:
            raise ConnectionError("no route")
        return [file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()]

    def bring(repo: str, name: str, **place: str) -> str:
        asked.append(name)
        return str(folder / name)

    def snapshot(repo: str, *, local_files_only: bool, **place: str) -> str:
        assert local_files_only
        if not fake.cached:
            raise FileNotFoundError("not in the cache")
        return str(folder)

    fake = SimpleNamespace(asked=asked, connected=True, cached=True)
    monkeypatch.setattr(client.HfApi, "list_repo_files", names)
    monkeypatch.setattr(client, "hf_hub_download", bring)
    monkeypatch.setattr(client, "snapshot_download", snapshot)
    return fake


def test_the_hub_is_asked_for_the_files_of_one_split(hub: SimpleNamespace, tmp_path: Path) -> None:
    data = declared('hf("org/name", config: "main", split: "test", revision: "v1")', tmp_path)
    assert numbers(data) == [3, 4]
    assert hub.asked == [("org/name", {"repo_type": "dataset", "revision": "v1"}), "README.md", "main/test-0.jsonl"]


def test_without_a_connection_the_cache_serves(hub: SimpleNamespace, tmp_path: Path) -> None:
    hub.connected = False
    data = declared('hf("org/name", config: "main", split: "test")', tmp_path)
    assert numbers(data) == [3, 4]
    with pytest.raises(DataError, match=r"^org/name has more than one config: main, extra"):
        load(declared('hf("org/name", split: "test")', tmp_path))
    hub.cached = False
    with pytest.raises(DataError, match="cannot be reached, and org/name is not in its cache: no route"):
        load(data)


def test_the_cache_as_the_client_lays_it_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("huggingface_hub")
    import huggingface_hub.constants as constants

    cache = tmp_path / "cache"
    home = cache / "datasets--org--name"
    copy(home / "snapshots" / ("a" * 40))
    (home / "refs").mkdir(parents=True)
    (home / "refs" / "main").write_text("a" * 40, encoding="utf-8")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert numbers(declared('hf("org/name", config: "main", split: "test")', tmp_path)) == [3, 4]


# --- what a row says of itself --------------------------------------------------------------------------


def test_metrics_read_columns_and_fields(tmp_path: Path) -> None:
    jsonl(tmp_path, [{"answer": "x #### 1", "level": 2}])
    (row,) = load_rows(declared('jsonl("d.jsonl", answer: after(answer, "####"))', tmp_path))
    assert row.everything == {"answer": "1", "level": 2} and row.gold == "1"


def test_slices_of_a_limited_dataset_read_no_further(tmp_path: Path) -> None:
    path = jsonl(tmp_path, NUMBERED)
    with path.open("a", encoding="utf-8") as stream:
        stream.write("not JSON\n")
    assert numbers(declared('jsonl("d.jsonl", limit: 5)', tmp_path, "d[0:10]")) == [0, 1, 2, 3, 4]
    assert numbers(declared('jsonl("d.jsonl", limit: 5)', tmp_path)) == [0, 1, 2, 3, 4]
    with pytest.raises(DataError, match=r"d\.jsonl:41: not JSON"):
        load(declared('jsonl("d.jsonl", shuffle: 1, limit: 5)', tmp_path))


def test_shuffles_of_many_rows_are_even() -> None:
    # Where the first of 50 rows lands over many seeds: about as often in every fifth.
    names = [f"row {i}" for i in range(50)]
    places = [shuffled(names, seed).index(0) // 10 for seed in range(500)]
    assert all(70 < places.count(fifth) < 130 for fifth in range(5))
