"""The output of a batch: what is kept, what is skipped, what is refused."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from ttscale.cli.answers_file import AnswersFile
from ttscale.cli.faults import Failure


def row(name: str, **more: object) -> dict[str, object]:
    """A finished row."""
    return {"id": name, "question": f"{name}?", "answer": 1, "cost": {"calls": 3, "tokens": 9}, **more}


def rows_of(path: Path) -> list[dict[str, object]]:
    """The rows of a JSON Lines file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def open_file(
    path: Path, run: str = "r1", overwrite: bool = False, asks: Mapping[str, str] | None = None
) -> AnswersFile:
    """The output for a program with the input `question`."""
    return AnswersFile(path, ("question",), run, asks or {}, overwrite=overwrite)


@pytest.mark.parametrize("ending", ["jsonl", "csv"])
def test_a_second_run_knows_the_rows_of_the_first(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"answers.{ending}"
    first = open_file(path)
    first.add(row("a"))
    first.add(row("b", text='with "quotes",\nand a line'))
    first.close()
    again = open_file(path)
    assert set(again.done) == {"a", "b"}
    again.add(row("c"))
    again.close()
    assert set(open_file(path).done) == {"a", "b", "c"}


def test_a_row_is_on_disk_as_soon_as_it_is_added(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    file = open_file(path)
    file.add(row("a"))
    assert [r["id"] for r in rows_of(path)] == ["a"]
    file.close()


@pytest.mark.parametrize("cut", [1, 5, 20])
@pytest.mark.parametrize("ending", ["jsonl", "csv"])
def test_a_last_row_without_its_end_is_dropped(tmp_path: Path, ending: str, cut: int) -> None:
    path = tmp_path / f"answers.{ending}"
    file = open_file(path)
    file.add(row("a"))
    file.add(row("b"))
    file.close()
    path.write_bytes(path.read_bytes()[:-cut])
    again = open_file(path)
    assert set(again.done) == {"a"}
    again.add(row("b"))
    again.close()
    assert set(open_file(path).done) == {"a", "b"}


def test_failed_rows_are_tried_again(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    file = open_file(path)
    file.add(row("a", error="E: no"))
    file.add(row("b"))
    file.close()
    again = open_file(path)
    assert set(again.done) == {"b"}
    again.close()
    assert [r["id"] for r in rows_of(path)] == ["b"]


def test_answers_of_another_program_are_not_mixed(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    file = open_file(path)
    file.add(row("a"))
    file.close()
    before = path.read_bytes()
    with pytest.raises(Failure) as caught:
        open_file(path, run="r2")
    assert "--overwrite" in caught.value.hint
    assert path.read_bytes() == before
    fresh = open_file(path, run="r2", overwrite=True)
    fresh.close()
    assert path.read_bytes() == b""


@pytest.mark.parametrize("ending", ["jsonl", "csv"])
def test_a_row_that_asks_something_else_is_not_taken_as_answered(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"answers.{ending}"
    file = open_file(path, asks={"a": "h1", "b": "h2", "c": "h3"})
    file.add(row("a"))
    file.add(row("b"))
    file.add(row("c", error="E: no"))
    file.close()
    before = path.read_bytes()
    with pytest.raises(Failure) as caught:
        open_file(path, asks={"a": "h1", "b": "changed"})
    assert "row b" in str(caught.value) and "--overwrite" in caught.value.hint
    assert path.read_bytes() == before
    again = open_file(path, asks={"a": "h1", "c": "changed"})  # rows left out of this run stay as they are
    assert set(again.done) == {"a", "b"}
    again.close()


@pytest.mark.parametrize("text", ['{"question": "my data"}\n', "not json\n", "[1]\n"])
def test_a_file_of_something_else_is_left_alone(tmp_path: Path, text: str) -> None:
    path = tmp_path / "data.jsonl"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(Failure):
        open_file(path)
    assert path.read_text(encoding="utf-8") == text


def test_csv_has_one_column_for_every_figure(tmp_path: Path) -> None:
    path = tmp_path / "answers.csv"
    file = open_file(path)
    file.add(row("a", answer={"total": 3}, text="line\u2028separator, and a comma"))
    file.close()
    with path.open(encoding="utf-8", newline="") as opened:
        (found,) = csv.DictReader(opened)
    assert found["calls"] == "3" and found["answer"] == '{"total": 3}' and found["run"] == "r1"
    assert found["text"] == "line\u2028separator, and a comma"
    assert found["gold"] == ""


def test_strange_line_ends_inside_a_row_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    file = open_file(path)
    file.add(row("a", text="one\u2028two\u0085three\r\nfour"))
    file.close()
    assert open_file(path).done["a"]["text"] == "one\u2028two\u0085three\r\nfour"
