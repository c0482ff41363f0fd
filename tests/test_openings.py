"""A reply whose beginning the prompt wrote: programs, JSON, records and lists are read from both together."""

from __future__ import annotations

from pathlib import Path

import pytest
import ttscale
from ttscale.compiler import types as t
from ttscale.runtime.answers import read_reply

BODY = "    if n < 2:\n        return n\n    return fib(n - 1) + fib(n - 2)\n"


@pytest.mark.parametrize(
    ("type_", "opening", "reply", "answer"),
    [
        (t.Code("python"), "```python\ndef fib(n):\n", BODY, f"def fib(n):\n{BODY}".strip()),
        (t.Code("python"), "```python\ndef fib(n):\n", BODY + "```\nThat is all.", f"def fib(n):\n{BODY}".strip()),
        (t.Code("python"), "```python\n", "x = 1\n", "x = 1"),
        (t.Code("python"), "Here it is:", "```python\nx = 1\n```", "x = 1"),
        (t.Code("python"), "```python\n# wrong (\nx = (", "```python\ny = 2\n```", "y = 2"),
        (t.ListOf(t.INT), "[1, ", "2, 3]", [1, 2, 3]),
        (t.Record("R", (t.Field("total", t.NUMBER, ""),)), '{"total": ', "12}", {"total": 12}),
        (t.Record("R", (t.Field("total", t.NUMBER, ""),)), "{", '"total": 12}', {"total": 12}),
        (t.Optional(t.ListOf(t.INT)), "[", "7]", [7]),
        (t.NUMBER, "Of 10 apples, ", "3 are left. Answer: 3", 3),
        (t.NUMBER, "Answer: 12", "nothing I can read", None),
        (t.TEXT, "Dear", " reader", "reader"),
    ],
)
def test_what_is_read_from_both(type_: t.Type, opening: str, reply: str, answer: object) -> None:
    value, key = read_reply(type_, opening, reply)
    found = value.strip() if isinstance(value, str) else value
    assert found == answer
    assert (key is None) == (answer is None)


def test_a_program_reads_from_the_head_that_its_prompt_writes(tmp_path: Path) -> None:
    file = tmp_path / "body.tts"
    file.write_text(
        """tts 1

model small = script("    return 2 * x\\n", "    return x + x\\n", "    return 2 * x  # twice\\n")

prompt complete(head: Text) -> Code(python) {
  user "Complete {{ head }}"
  assistant "```python\\n{{ head }}\\n"
}

pipeline main(head: Text) -> Code(python) {
  return generate(complete(head), from: small, n: 3, stop: "```") |> vote()
}
""",
        encoding="utf-8",
    )
    with ttscale.load(file) as program:
        result = program.run("def twice(x):")
    assert str(result.answer).strip() == "def twice(x):\n    return 2 * x"
