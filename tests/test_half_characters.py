"""Rows with half of a surrogate pair, as where a text was cut in the middle of an emoji: no other row is hurt."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli_runs import tts
from ttscale.runtime.engines.base import Message
from ttscale.runtime.seeds import messages_digest

PROGRAM = """tts 1
model m = script("hello")
prompt say(question: Text) -> Text = "{{ question }}"
pipeline main(question: Text) -> Text {
  return generate(say(question), from: m, n: 2) |> select(by: first)
}
"""


@pytest.mark.parametrize("more", [("--no-bank",), ("--bank", "bank.sqlite", "--trace", "trace.jsonl")])
def test_a_run_over_rows_keeps_them_all(tmp_path: Path, more: tuple[str, ...]) -> None:
    (tmp_path / "p.tts").write_text(PROGRAM, encoding="utf-8")
    rows = [{"question": "one"}, {"question": "half: \ud83d"}, {"question": "three"}]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    given = [str(tmp_path / word) if "." in word else word for word in more]
    output = tmp_path / "out.jsonl"
    ran = tts("run", str(tmp_path / "p.tts"), "--input", str(tmp_path / "rows.jsonl"), "--output", str(output), *given)
    assert ran.code == 0 and "3 rows answered" in ran.err + ran.out
    kept = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
    assert [(row["question"], row["answer"]) for row in kept] == [(row["question"], "hello") for row in rows]


def test_other_halves_are_other_messages() -> None:
    first, second = (messages_digest((Message("user", text),)) for text in ("\ud83d", "\ud83e"))
    assert first != second
