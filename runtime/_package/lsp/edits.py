"""Changes to a text: the canonical layout of a file, and hints that can be applied as they are."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ttscale.compiler.diagnostics import Diagnostic
from ttscale.compiler.format import format_module
from ttscale.compiler.lower import lower
from ttscale.compiler.parse import parse
from ttscale.compiler.source import SourceFile

_MEANT = re.compile(r"did you mean `([^`]+)`\?")
_FIRST_LINE = re.compile(r"write `(tts \d+)` as its first line")


@dataclass(frozen=True)
class Edit:
    """Characters `start` up to `end` replaced by `text`."""

    start: int
    end: int
    text: str


def layout(source: SourceFile) -> list[Edit]:
    """What brings a file into its canonical layout; nothing for one with syntax errors, or in it already."""
    parsed = parse(source)
    module, found = lower(parsed, source)
    if any(d.severity == "error" for d in (*parsed.diagnostics, *found)):
        return []
    return changed_lines(source.text, format_module(module, source))


def changed_lines(before: str, after: str) -> list[Edit]:
    """One edit of the lines between the first and the last that differ, so that the cursor stays where it is."""
    if before == after:
        return []
    old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    head = 0
    while head < min(len(old), len(new)) and old[head] == new[head]:
        head += 1
    tail = 0
    while tail < min(len(old), len(new)) - head and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    start = sum(map(len, old[:head]))
    end = len(before) - sum(map(len, old[len(old) - tail :]))
    return [Edit(start, end, "".join(new[head : len(new) - tail]))]


def fix_of(diagnostic: Diagnostic, source: SourceFile) -> tuple[str, Edit] | None:
    """The title and the edit of a hint that says exactly what to write instead; None for any other."""
    span = diagnostic.primary
    if span is None or span.file != source.name:
        return None
    if found := _FIRST_LINE.fullmatch(diagnostic.hint):
        return f"write `{found.group(1)}`", Edit(0, 0, f"{found.group(1)}\n\n")
    meant = _MEANT.fullmatch(diagnostic.hint)
    if meant is None or re.fullmatch(r"[\w.]+", source.text[span.start : span.end]) is None:
        return None
    return f"change to `{meant.group(1)}`", Edit(span.start, span.end, meant.group(1))
