"""Published shapes: recognised, mapped, and refused where a row does not fit; on our own rows and the real files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cli_runs import SCRIPTED, tts, write
from ttscale.compiler import ir
from ttscale.compiler.readers import SHAPES as NAMES
from ttscale.runtime.datasets import SHAPES, DataError, load, recognised
from ttscale.runtime.datasets.shapes import last_boxed

DATA = Path(__file__).parents[2] / "shared" / "data"
CODE = {"entry_point": "add", "canonical_solution": "    return a + b\n"}
HEAD = "def add(a, b):\n"

ROWS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    (
        "gsm8k",
        {"question": "2 + 3?", "answer": "2 + 3 = <<2+3=5>>5\n#### 5"},
        {"question": "2 + 3?", "answer": "5", "solution": "2 + 3 = <<2+3=5>>5"},
    ),
    (
        "gsm8k",
        {"question": "2 + 4?", "solution": "So 6.\n#### 6", "answer": "6", "perturbation_type": "numbers"},
        {"answer": "6", "solution": "So 6.", "perturbation_type": "numbers"},
    ),
    (
        "math",
        {
            "problem": "Half?",
            "solution": "$\\boxed{1}$ or $\\boxed{\\frac{1}{2}}$.",
            "level": "Level 1",
            "type": "Algebra",
        },
        {"question": "Half?", "answer": "\\frac{1}{2}"},
    ),
    (
        "math",
        {"problem": "Half?", "solution": "So.", "answer": "1/2", "unique_id": "test/1"},
        {"answer": "1/2", "id": "test/1"},
    ),
    (
        "humaneval",
        {
            "task_id": "HumanEval/0",
            "prompt": HEAD,
            "test": "def check(candidate):\n    assert candidate(1, 2) == 3\n",
            **CODE,
        },
        {
            "question": HEAD,
            "answer": f"{HEAD}    return a + b\n",
            "id": "HumanEval/0",
            "test_program": "def check(candidate):\n    assert candidate(1, 2) == 3\n\ncheck(add)\n",
        },
    ),
    (
        "humaneval",
        {"task_id": "HumanEval/0", "prompt": HEAD, "base_input": [[1, 2]], "plus_input": [], "atol": 0, **CODE},
        {"question": HEAD, "base_input": [[1, 2]]},
    ),
    (
        "mbpp",
        {"task_id": 2, "text": "Add.", "code": "def f(): ...", "test_list": ["assert f()"], "test_setup_code": "x = 1"},
        {"question": "Add.", "answer": "def f(): ...", "test_program": "x = 1\nassert f()\n", "id": "2"},
    ),
    (
        "mbpp",
        {"task_id": 2, "prompt": "Add.", "code": "c", "test_list": ["a", "b"], "test_imports": ["import math"]},
        {"question": "Add.", "test_program": "import math\na\nb\n"},
    ),
    (
        "mbppplus",
        {"task_id": "Mbpp/2", "prompt": '"""\nAdd.\n"""', "base_input": [], "plus_input": [[1]], **CODE},
        {"question": "Add.", "answer": "    return a + b\n", "id": "Mbpp/2"},
    ),
    (
        "arc",
        {"id": "M1", "question": "Why?", "choices": {"text": ["x", "y"], "label": ["1", "2"]}, "answerKey": "2"},
        {"question": "Why?", "choices": ["x", "y"], "labels": ["1", "2"], "answer": "2", "id": "M1"},
    ),
    (
        "arc",
        {
            "id": "M1",
            "question": {"stem": "Why?", "choices": [{"text": "x", "label": "A"}, {"text": "y", "label": "B"}]},
            "answerKey": "A",
        },
        {"question": "Why?", "choices": ["x", "y"], "labels": ["A", "B"], "answer": "A"},
    ),
    (
        "mmlu",
        {"question": "Which?", "choices": ["a", "b", "c", "d"], "answer": 2, "subject": "anatomy"},
        {"answer": "C", "labels": ["A", "B", "C", "D"], "choices": ["a", "b", "c", "d"]},
    ),
    (
        "mmlu",
        {"question": "Which?", "A": "1", "B": "2", "C": "3", "D": "4", "answer": "D"},
        {"answer": "D", "choices": ["1", "2", "3", "4"]},
    ),
    (
        "hotpotqa",
        {
            "id": "5a",
            "question": "Who?",
            "answer": "Ada",
            "supporting_facts": {"title": ["T"], "sent_id": [0]},
            "context": {"title": ["T", "U"], "sentences": [["One.", " Two."], ["Three."]]},
        },
        {"question": "Who?", "answer": "Ada", "context": "T: One. Two.\n\nU: Three.", "id": "5a"},
    ),
    (
        "hotpotqa",
        {
            "_id": "5a",
            "question": "Who?",
            "answer": "Ada",
            "supporting_facts": [["T", 0]],
            "context": [["T", ["One."]]],
        },
        {"context": "T: One.", "id": "5a"},
    ),
    (
        "strategyqa",
        {"qid": "e0", "question": "Is it?", "answer": False, "facts": ["One.", "Two."]},
        {"question": "Is it?", "answer": "no", "facts": "One.\nTwo.", "id": "e0"},
    ),
    (
        "folio",
        {"premises": ["All a are b. ", "x is a."], "conclusion": "x is b.", "label": "Unknown"},
        {
            "question": "All a are b.\nx is a.\n\nIs this true, false or uncertain? x is b.",
            "answer": "Uncertain",
            "premises": "All a are b.\nx is a.",
            "labels": ["True", "False", "Uncertain"],
        },
    ),
    (
        "ifeval",
        {"key": 1000, "prompt": "Write.", "instruction_id_list": ["punctuation:no_comma"], "kwargs": [{}]},
        {"question": "Write.", "id": "1000"},
    ),
    (
        "game24",
        {"Rank": "901", "Puzzles": "4 5 6 10", "AMT (s)": "4.4"},
        {"question": "4 5 6 10", "numbers": [4, 5, 6, 10], "id": "901"},
    ),
    (
        "gym",
        {"question": "1 + 1", "answer": "2", "metadata": {"source_dataset": "chain_sum"}},
        {"question": "1 + 1", "answer": "2"},
    ),
]


def written(tmp_path: Path, rows: list[dict[str, Any]], **options: object) -> ir.Dataset:
    (tmp_path / "d.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return ir.Dataset("d", "jsonl", "d.jsonl", str(tmp_path / "main.tts"), (), tuple(options.items()))


@pytest.mark.parametrize(("name", "row", "mapped"), ROWS, ids=[f"{n}-{i}" for i, (n, _, _) in enumerate(ROWS)])
def test_a_row_is_recognised_and_mapped(tmp_path: Path, name: str, row: dict[str, Any], mapped: dict[str, Any]) -> None:
    shape = recognised(row)
    assert shape is not None and shape.name == name
    loaded = load(written(tmp_path, [row]))
    assert loaded.shape is shape and SHAPES[name].title in loaded.said
    (read,) = loaded.rows
    assert {key: read.values.get(key) for key in mapped} == mapped
    assert set(read.values) >= set(row) and dict(read.columns) == row
    assert read.id == mapped.get("id", read.id) and read.gold == mapped.get("answer", read.gold)


def test_the_checker_knows_the_shapes_of_the_runtime() -> None:
    assert set(NAMES) == set(SHAPES) == {name for name, _, _ in ROWS}


def test_no_gold_where_a_program_judges() -> None:
    for name, row, mapped in ROWS:
        if name in ("ifeval", "game24"):
            assert "answer" not in mapped and "answer" not in SHAPES[name].fields(row)


@pytest.mark.parametrize(
    "row",
    [
        {"question": "q", "answer": "a"},
        {"prompt": "q", "completion": "a"},
        {"question": "q", "answer": True},
        {"Puzzles": "1 2 3"},
        {},
    ],
)
def test_other_rows_stay_as_they_are(tmp_path: Path, row: dict[str, Any]) -> None:
    loaded = load(written(tmp_path, [row]))
    assert loaded.shape is None and loaded.said == ""
    assert dict(loaded.rows[0].values) == row


def test_a_row_out_of_shape_names_its_line(tmp_path: Path) -> None:
    rows = [{"question": "q", "answer": "so #### 1"}, {"question": "q", "answer": "so 2"}]
    with pytest.raises(DataError, match=r"d\.jsonl:2: this row is not in the shape of GSM8K: .* no `####`") as caught:
        load(written(tmp_path, rows))
    assert 'shape: "none"' in caught.value.hint
    assert [row.gold for row in load(written(tmp_path, rows, shape="none")).rows] == ["so #### 1", "so 2"]
    with pytest.raises(DataError, match=r"d\.jsonl:1: this row is not in the shape of MATH"):
        load(written(tmp_path, rows, shape="math"))
    with pytest.raises(DataError, match="no shape is called `gsm9k`"):
        load(written(tmp_path, rows, shape="gsm9k"))


def test_fields_come_on_top_of_a_shape_that_is_asked_for(tmp_path: Path) -> None:
    data = written(tmp_path, [{"question": "q", "answer": "so #### 1"}], shape="gsm8k")
    fields = (("hint", ir.Column("solution")), ("gold", ir.Apply("upper", (ir.Column("question"),))))
    (row,) = load(ir.Dataset("d", "jsonl", data.locator, data.file, fields, data.options)).rows
    assert (row.values["answer"], row.values["hint"], row.values["gold"]) == ("1", "so", "Q")
    # Declared fields alone are taken at their word.
    (row,) = load(ir.Dataset("d", "jsonl", data.locator, data.file, (("text", ir.Column("answer")),))).rows
    assert dict(row.values) == {"text": "so #### 1"}


def test_a_run_says_what_was_recognised(tmp_path: Path) -> None:
    written(tmp_path, [{"question": "6 * 7?", "answer": "so #### 42"}])
    path = write(tmp_path, SCRIPTED.replace("## Sample", 'dataset d = jsonl("d.jsonl")\n\n## Sample', 1))
    ran = tts("run", path, "--on", "d", "--json")
    assert ran.code == 0 and ran.json["score"]["accuracy"] == 1.0, ran
    assert "note: the rows are in the shape of GSM8K" in ran.err


def test_mmlu_as_its_authors_publish_it(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text('"One, or two?",a,b,c,d,B\nTwo?,a,b,c,d,A\n', encoding="utf-8")
    columns = ("question", "A", "B", "C", "D", "answer")
    data = ir.Dataset("m", "csv", "m.csv", str(tmp_path / "main.tts"), (), (("columns", columns),))
    loaded = load(data)
    assert loaded.shape is SHAPES["mmlu"] and [row.gold for row in loaded.rows] == ["B", "A"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("\\boxed{\\frac{1}{2}}", "\\frac{1}{2}"),
        ("\\boxed{1} then \\fbox{2}", "2"),
        ("\\boxed 7.", "7"),
        ("\\boxed{open", None),
        ("none", None),
    ],
)
def test_last_boxed(text: str, found: str | None) -> None:
    assert last_boxed(text) == found


@pytest.mark.skipif(not DATA.exists(), reason="the published data are not beside the project")
@pytest.mark.parametrize(
    ("file", "name", "count"),
    [
        ("gsm8k/test.jsonl", "gsm8k", 1319),
        ("gsmplus/gsmplus_testmini.jsonl", "gsm8k", 2400),
        ("math500/test.jsonl", "math", 500),
        ("humaneval/HumanEval.jsonl", "humaneval", 164),
        ("mbpp/sanitized-mbpp.json", "mbpp", 427),
        ("mbppplus/MbppPlus.jsonl", "mbppplus", 399),
        ("arc_challenge/test.jsonl", "arc", 1172),
        ("mmlu/dev.jsonl", "mmlu", 285),
        ("mmlu/test_sample_10_per_subject.jsonl", "mmlu", 570),
        ("hotpotqa/distractor_sample_100.jsonl", "hotpotqa", 100),
        ("strategyqa/dev.json", "strategyqa", 229),
        ("folio/folio-validation.jsonl", "folio", 204),
        ("ifeval/input_data.jsonl", "ifeval", 541),
        ("game24/24.csv", "game24", 1362),
    ],
)
def test_the_published_files(file: str, name: str, count: int) -> None:
    path = DATA / file
    if not path.exists():
        pytest.skip(f"{file} is not beside the project")
    loaded = load(ir.Dataset("d", path.suffix[1:], path.name, str(path.with_name("main.tts")), ()))
    assert loaded.shape is not None and loaded.shape.name == name
    assert len(loaded.rows) == count
    assert all(row.values["question"] for row in loaded.rows)
    if name not in ("ifeval", "game24"):
        assert all(row.gold not in (None, "") for row in loaded.rows)
