"""Broken texts by the thousand: the front end answers each with values and messages, never with an exception."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from random import Random

import pytest
from ttscale.compiler.canonical import canonical_hash
from ttscale.compiler.diagnostics import Diagnostic
from ttscale.compiler.format import format_module
from ttscale.compiler.lower import lower
from ttscale.compiler.parse import parse
from ttscale.compiler.render import render
from ttscale.compiler.scan import split_declarations
from ttscale.compiler.source import SourceFile

HERE = Path(__file__).resolve().parent
WHOLE = [path.read_text(encoding="utf-8") for path in sorted((HERE / "golden" / "format").glob("*.tts"))]
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


def survives(text: str) -> list[Diagnostic]:
    """Run the whole front end on a text and check what it says."""
    source = SourceFile("fuzz.tts", text)
    parsed = parse(source)
    module, diagnostics = lower(parsed, source)
    found = [*parsed.diagnostics, *diagnostics]
    assert (parsed.tree is None) == bool(parsed.diagnostics)
    for diagnostic in found:
        assert diagnostic.primary is not None and diagnostic.message and render(diagnostic, {source.name: source})
        assert 0 <= diagnostic.primary.start <= diagnostic.primary.end <= len(text) or not text
    once = format_module(module, source)
    if not found:
        again = SourceFile("fuzz.tts", once)
        reparsed = parse(again) if once.strip() else parsed
        remade, _ = lower(reparsed, again)
        assert reparsed.diagnostics == ()
        assert format_module(remade, again) == once or not once.strip()
        assert canonical_hash(remade) == canonical_hash(module) or not once.strip()
    return found


@pytest.mark.parametrize("seed", range(20))
def test_mutated_programs_give_messages(seed: int) -> None:
    random = Random(seed)
    broken = 0
    for _ in range(100):
        broken += bool(survives(mutate(random.choice(SEEDS), random)))
    assert broken


@pytest.mark.parametrize("seed", range(4))
def test_noise_gives_messages(seed: int) -> None:
    random = Random(seed)
    for _ in range(100):
        survives("".join(random.choice(PIECES) + random.choice(["", " ", "x"]) for _ in range(random.randint(1, 30))))
