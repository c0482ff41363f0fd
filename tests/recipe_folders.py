"""Recipes in folders and archives, for the tests of sharing and of trust."""

from __future__ import annotations

import zipfile
from pathlib import Path

from ttscale.library.packing import files_of

MANIFEST = 'name = "my-vote"\nversion = "1.0.0"\nsummary = "Vote."\naliases = ["voting"]\n'
PROGRAM = """tts 1

model solver = script("Answer: 3", "Answer: 4", "Answer: 4")

prompt ask(question: Text) -> Number = "{{ question }}"

## Ask and vote.
pipeline main(question: Text) -> Number {
  param n: Int in {1, 3} = 3
  return generate(ask(question), from: solver, n: n) |> vote()
}

pipeline greedy(question: Text) -> Number {
  return generate(ask(question), from: solver, n: 1)
}

dataset rows = jsonl("rows.jsonl", question: question, answer: answer)

eval main, greedy on rows

test "the majority wins" {
  given solver = script("Answer: 1", "Answer: 2", "Answer: 2")
  expect main("?") == 2
}
"""
ROWS = "".join(f'{{"question": "{n} + 1?", "answer": {4 if n % 2 else 3}}}\n' for n in range(12))
README = "# my-vote\n\n## When to use it\n\n## Cost\n\n## Source\n"
NEEDY = {
    "network": 'model solver = openai("http://127.0.0.1:9/v1", name: "x")',
    "env:SECRET": 'model solver = openai("http://127.0.0.1:9/v1", name: "x", key: env("SECRET"))',
    "files": 'model solver = gguf("/etc/weights.gguf")',
}  # models that need something granted


def recipe(folder: Path, program: str = PROGRAM, manifest: str = MANIFEST, **files: str) -> Path:
    """The folder of a recipe."""
    folder.mkdir(parents=True, exist_ok=True)
    given = {"recipe.toml": manifest, "recipe.tts": program, "README.md": README, "rows.jsonl": ROWS, **files}
    for name, text in given.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def zipped(path: Path, entries: dict[str, bytes], mode: int = 0) -> Path:
    """An archive with these entries; `mode` is that of the last one."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in entries.items():
            entry = zipfile.ZipInfo(name)
            if mode and name == list(entries)[-1]:
                entry.external_attr = mode << 16
            archive.writestr(entry, data)
    return path


def entries_of(folder: Path) -> dict[str, bytes]:
    return {f"my-vote/{name}": data for name, data in files_of(folder).items()}
