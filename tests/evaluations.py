"""Helpers of the tests of evaluation: programs whose scripted answers differ by question, and rows for them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from ttscale.runtime.program import Program, load

HEAD = '''tts 1

prompt solve(question: Text) -> Number = """{{ question }}"""
prompt check(question: Text, answer: Text) -> Choice(yes, no) = """{{ question }} {{ answer }} ok?"""
'''
VOTE = """
pipeline main(question: Text) -> Number {
  param n: Int in {1, 2, 3, 4} = 3
  return generate(solve(question), from: small, n: n) |> vote()
}
"""
FIRST = """
pipeline one(question: Text) -> Number {
  param n: Int in {1, 2, 3, 4} = 1
  return generate(solve(question), from: small, n: n) |> select(by: first)
}
"""


def scripted(answers: Mapping[str, Sequence[object]], name: str = "small") -> str:
    """A model that answers a question that contains a text with the given numbers, in turn."""
    replies = ", ".join(
        f"{json.dumps(text)}: [{', '.join(json.dumps(spelled(a)) for a in own)}]" for text, own in answers.items()
    )
    return f"model {name} = script({{{replies}}})\n"


def spelled(answer: object) -> str:
    """A reply that gives a number; a text as it is."""
    return answer if isinstance(answer, str) else f"Answer: {answer}"


def program(answers: Mapping[str, Sequence[object]], *pipelines: str, more: str = "") -> Program:
    """A program with one scripted model `small`."""
    return load(HEAD + scripted(answers) + more + "".join(pipelines))


def rows(golds: Mapping[str, object]) -> list[dict[str, object]]:
    """Rows whose id is their question."""
    return [{"id": question, "question": question, "answer": gold} for question, gold in golds.items()]


def write_bench(folder: Path, questions: int = 6, *, text: str = "") -> Path:
    """A file with two pipelines, a data set and an `eval`; every second question is answered wrongly by both."""
    answers = {f"q{i:03d}": [1, 2, 1] if i % 2 else [1, 1, 2] for i in range(questions)}
    golds = {f"q{i:03d}": 1 if i % 2 == 0 else 2 for i in range(questions)}
    (folder / "rows.jsonl").write_text("\n".join(map(json.dumps, rows(golds))) + "\n", encoding="utf-8")
    path = folder / "bench.tts"
    data = 'dataset sums = jsonl("rows.jsonl", question: question, answer: answer)\n'
    path.write_text(HEAD + scripted(answers) + data + VOTE + FIRST + text, encoding="utf-8")
    return path
