"""Texts for the front end, right and wrong, and what must hold for each: messages, never an exception, and soon.

    python tests/fuzzing.py [--inputs 20000] [--seed 0] [--processes 2]

runs many (`.ci/fuzz` does); `test_fuzz_frontend.py` runs a few of the same every day.
"""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from multiprocessing import Pool
from pathlib import Path
from random import Random

from programs import MODELS
from programs_at_random import BEFORE, CODE, JUDGES, LOOPS, NAMES, POLICIES, SOURCES, STAGES, WATCHERS
from ttscale.compiler import ast
from ttscale.compiler.canonical import canonical_hash
from ttscale.compiler.diagnostics import CompileError, Diagnostic
from ttscale.compiler.driver import Checked, compile_source
from ttscale.compiler.format import format_module
from ttscale.compiler.lint import lint
from ttscale.compiler.lower import lower
from ttscale.compiler.parse import parse
from ttscale.compiler.render import render
from ttscale.compiler.resolve import read_module
from ttscale.compiler.scan import scan, split_declarations
from ttscale.compiler.source import SourceFile
from ttscale.library.loader import FileLoader

HERE = Path(__file__).resolve().parent
LIMIT = 1.0
"""Seconds of CPU that a text may take, on a machine that does nothing else."""

WHOLE = [path.read_text(encoding="utf-8") for path in sorted((HERE / "golden" / "format").glob("*.tts"))]
PROGRAMS = [
    path.read_text(encoding="utf-8")
    for path in [
        *sorted((HERE / "golden" / "errors").glob("*.tts")),
        *sorted((HERE.parent / "examples").rglob("*.tts")),
    ]
]
# Declarations in pairs: short enough that thousands of them take seconds.
SEEDS = [
    text[first.start : second.end]
    for text in WHOLE
    for first, second in pairwise(split_declarations(text))
    if second.end - first.start < 1500
]
PIECES = [
    *('"', '"""', '""""', "(", ")", "[", "]", "{", "}", "|>", "->", "=>", "=", "==", ":", ",", "..", "|", "#", "##"),
    *("when", "match", "repeat", "map", "return", "yield", "param", "budget", "model x =", "use a", "tts 1", "up to"),
    *("\n", "\r\n", "\t", "\x00", "\ufeff", "\u2028", "é", "😀", "“", "'", "\\", "1e999", "9" * 50, "5kk", "not "),
    *('\nprompt p(q: Text) -> Text = """', '\ntest "', "\neval a on b", "\nsearch s over m {", "{{ q }}", "{% if %}"),
]


# --- texts ---------------------------------------------------------------------------------------


def mutate(text: str, random: Random) -> str:
    """`text` with a few cuts, insertions, swaps and repetitions."""
    for _ in range(random.randint(1, 6)):
        at = random.randint(0, len(text))
        to = min(len(text), at + random.choice([1, 1, 2, 5, 30, 200]))
        kind = random.randrange(5)
        if kind == 0:
            text = text[:at] + text[to:]
        elif kind == 1:
            text = text[:at] + random.choice(PIECES) + text[at:]
        elif kind == 2:
            text = text[:at] + random.choice(PIECES) + text[to:]
        elif kind == 3:
            text = text[:to] + text[at:]
        else:
            other = random.choice(SEEDS)
            start = random.randint(0, len(other))
            text = text[:at] + other[start : start + random.randint(1, 80)] + text[at:]
    return text


def exchange(text: str, random: Random) -> str:
    """`text` with a few words, numbers and texts exchanged for others of its own, so that it mostly still parses."""
    for _ in range(random.randint(1, 4)):
        pieces = [piece for piece in scan(text) if piece.kind in ("word", "number", "string")]
        if not pieces:
            return text
        one, other = random.choice(pieces), random.choice(pieces)
        alike = [piece for piece in pieces if piece.kind == one.kind]
        other = random.choice(alike) if random.random() < 0.8 else other
        written = text[other.start : other.end]
        if one.kind == "number" and random.random() < 0.4:
            written = random.choice(["0", "1", "7", "4096", "1e9", "0.5", "60s", "2k", "5usd", "8Ki"])
        text = text[: one.start] + written + text[one.end :]
    return text


def generated(random: Random) -> str:
    """A right program of sources, chains and loops, most of the time."""
    lines = ["which = classify(kind(question), from: small)", "first = generate(solve(question), from: small, n: 3)"]
    pools = ["first"]

    def fill(template: str) -> str:
        return template.format(
            model=random.choice(("small", "large")),
            n=random.choice(("n", "1", "2", "4")),
            up=random.randint(2, 9),
            few=random.randint(1, 3),
            pool=random.choice(pools),
            policy=random.choice(POLICIES),
            judge=random.choice(JUDGES),
            watch=random.choice(WATCHERS),
            programs=fill(random.choice(CODE)) if "{programs}" in template else "",
        )

    for name in NAMES[: random.randint(1, 4)]:
        shape = random.randrange(3)
        if shape == 0:
            value = fill(random.choice(SOURCES))
        elif shape == 1:
            value = " |> ".join(
                [random.choice(pools), *(fill(random.choice(STAGES)) for _ in range(random.randint(1, 3)))]
            )
        else:
            value = fill(random.choice(LOOPS))
        lines.append(f"{name} = {value}")
        pools.append(name)
    total = " + ".join(dict.fromkeys(random.choices(pools, k=random.randint(1, 3))))
    lines.append(f"return {total} |> vote()")
    head = "  param n: Int in {1, 2, 4} = 2\n"
    body = "\n".join(f"  {line}" for line in lines)
    return f"{MODELS}\n{BEFORE}\npipeline main(question: Text) -> Number {{\n{head}{body}\n}}\n"


def noise(random: Random) -> str:
    """Pieces of the language in any order."""
    return "".join(random.choice(PIECES) + random.choice(["", " ", "x"]) for _ in range(random.randint(1, 30)))


def any_text(random: Random) -> str:
    """A text of one of the kinds above."""
    kind = random.randrange(10)
    if kind < 4:
        return mutate(random.choice(SEEDS), random)
    if kind < 5:
        return noise(random)
    if kind < 6:
        return mutate(random.choice(PROGRAMS), random)
    if kind < 8:
        return exchange(random.choice(PROGRAMS), random)
    text = generated(random)
    return text if random.random() < 0.3 else exchange(text, random)


# --- what must hold ------------------------------------------------------------------------------


def survives(text: str) -> list[Diagnostic]:
    """Parse, lower, format and hash a text, and check what is said about it."""
    source = SourceFile("fuzz.tts", text)
    parsed = parse(source)
    module, diagnostics = lower(parsed, source)
    found = [*parsed.diagnostics, *diagnostics]
    assert (parsed.tree is None) == bool(parsed.diagnostics)
    are_shown(found, {source.name: source})
    once = format_module(module, source)
    if not found:
        again = SourceFile("fuzz.tts", once)
        reparsed = parse(again) if once.strip() else parsed
        remade, _ = lower(reparsed, again)
        assert reparsed.diagnostics == ()
        assert format_module(remade, again) == once or not once.strip()
        assert canonical_hash(remade) == canonical_hash(module) or not once.strip()
    return found


def is_checked(text: str) -> Checked:
    """Check a text as a whole program, and lint it where it has no errors."""
    try:
        checked = compile_source(SourceFile("main.tts", text), _std_only, _remembered)
    except CompileError as failure:
        are_shown(list(failure.diagnostics), dict(failure.sources))
        raise
    are_shown(list(checked.diagnostics), dict(checked.sources))
    if checked.ok:
        are_shown(lint(checked), dict(checked.sources))
    return checked


def are_shown(found: list[Diagnostic], sources: dict[str, SourceFile]) -> None:
    """Each diagnostic has words, lies inside its file and can be rendered."""
    for diagnostic in found:
        assert diagnostic.message and render(diagnostic, sources)
        place = diagnostic.primary
        if place is not None:
            assert 0 <= place.start <= place.end <= len(sources[place.file].text)


def _std_only(path: str, version: str, importing_file: str) -> SourceFile | None:
    return _files()(path, version, importing_file) if path.startswith("std/") else None


@cache
def _files() -> FileLoader:
    return FileLoader()


@cache
def _read_std(source: SourceFile) -> tuple[ast.Module, list[Diagnostic]]:
    return read_module(source)


def _remembered(source: SourceFile) -> tuple[ast.Module, list[Diagnostic]]:
    return read_module(source) if source.name == "main.tts" else _read_std(source)


# --- many of them --------------------------------------------------------------------------------


def run_one(seed: int) -> tuple[int, float, str, str]:
    """The seed, seconds of CPU, what went wrong ("" for nothing) and the text."""
    text = any_text(Random(seed))
    start, wrong = time.process_time(), ""
    try:
        survives(text)
        is_checked(text)
    except CompileError:
        wrong = ""
    except Exception:
        wrong = traceback.format_exc()
    seconds = time.process_time() - start
    if not wrong and seconds > LIMIT:
        # A neighbour on the machine may be at fault: the second time counts.
        start = time.process_time()
        is_checked(text)
        seconds = min(seconds, time.process_time() - start)
        wrong = f"took {seconds:.2f} s" if seconds > LIMIT else ""
    return seed, seconds, wrong, text


def run_many(inputs: int, first: int, processes: int) -> Iterator[tuple[int, float, str, str]]:
    """What `run_one` says about `inputs` seeds from `first` on, in the order in which they end."""
    with Pool(processes) as pool:
        yield from pool.imap_unordered(run_one, range(first, first + inputs), chunksize=50)


def main() -> int:
    """Run many texts; 1 when one went wrong."""
    parser = argparse.ArgumentParser(description="texts for the front end, right and wrong")
    parser.add_argument("--inputs", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    slowest, total, wrong, kinds = (0.0, 0), 0.0, 0, Counter[str]()
    for seed, seconds, problem, text in run_many(options.inputs, options.seed, options.processes):
        slowest, total = max(slowest, (seconds, seed)), total + seconds
        if problem:
            wrong += 1
            kinds[problem.strip().splitlines()[-1]] += 1
            print(f"seed {seed}: {problem}\n{text}\n{'-' * 80}", flush=True)
    print(f"{options.inputs:,} texts, {total:.0f} s of CPU, slowest {slowest[0]:.2f} s (seed {slowest[1]})")
    for problem, count in kinds.most_common():
        print(f"{count:6} x {problem}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
