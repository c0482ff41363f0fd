"""Running the command line in tests: in this process where that is enough, as a process where it is not."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ttscale.cli import main

SCRIPTED = """tts 1

model small = script("Answer: 42", "so 41. Answer: 41", "Answer: 42.0")

prompt solve(question: Text) -> Number = \"\"\"
{{ question }}
End with "Answer: <number>".
\"\"\"

## Sample several solutions and answer with the most common one.
pipeline main(question: Text) -> Number {
  param n: Int in {1, 2, 3, 4, 8} = 3  ## samples
  budget { calls <= 8  tokens <= 20k }
  return generate(solve(question), from: small, n: n) |> vote()
}

test "the majority wins" {
  given small = script("Answer: 42", "Answer: 41", "Answer: 42.0")
  expect main("6 * 7?", n: 3) == 42
}
"""


@dataclass
class Ran:
    """What a command said and its exit code."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output as JSON."""
        return json.loads(self.out)


class Captured(io.StringIO):
    """A stream in memory that takes the settings of a real one."""

    def reconfigure(self, **_settings: object) -> None:
        """A stream in memory has no encoding to set."""


def tts(*arguments: object, stdin: str | None = None) -> Ran:
    """Run `ttscale ARGUMENTS` in this process."""
    out, err = Captured(), Captured()
    before = sys.stdin
    if stdin is not None:
        sys.stdin = io.TextIOWrapper(io.BytesIO(stdin.encode()), encoding="utf-8")
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main([str(argument) for argument in arguments])
    finally:
        sys.stdin = before
    assert "Traceback" not in err.getvalue(), err.getvalue()
    return Ran(code, out.getvalue(), err.getvalue())


def environment(**more: str) -> dict[str, str]:
    """The environment for a subprocess: this one without what would change what is shown."""
    kept = {k: v for k, v in os.environ.items() if k not in {"NO_COLOR", "FORCE_COLOR", "TTSCALE_DEBUG", "COLUMNS"}}
    return {**kept, "PYTHONUTF8": "1", **more}


def start(*arguments: object, **settings: Any) -> subprocess.Popen[str]:
    """Start `ttscale ARGUMENTS` as a process with its streams captured."""
    command = [sys.executable, "-m", "ttscale", *[str(argument) for argument in arguments]]
    settings = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "encoding": "utf-8"} | settings
    return subprocess.Popen(command, env=environment(**settings.pop("env", {})), **settings)


def write(folder: Path, text: str = SCRIPTED, name: str = "main.tts") -> Path:
    """A file with `text` in `folder`."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path
