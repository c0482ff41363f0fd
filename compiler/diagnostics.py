"""What the compiler says: diagnostics as values, and the two ways a compile can end badly.

A user's mistake is a `Diagnostic`; several are collected in one run, and `CompileError` carries them
over the edge of the API. A mistake of ours is an `InternalError`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Literal

from ttscale.compiler.frozen import dataclass
from ttscale.compiler.source import SourceFile, Span

Severity = Literal["error", "warning", "lint"]


@dataclass(frozen=True, slots=True)
class Label:
    """A secondary place with a few words on what it has to do with the problem."""

    span: Span
    text: str


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One message about one place.

    `code` is `E0214` style: the letter follows the severity (E, W, L; R for run time), the first two
    digits the range (00 source, 01 syntax, 02 names and types, 03 prompts, 04 imports and lock,
    05 search space, 06 budget, 07 run time). `message` is in the user's words, lower case, no full stop;
    `label` says why at the primary span; `hint` can be pasted or acted on.
    """

    code: str
    message: str
    primary: Span | None
    severity: Severity = "error"
    label: str = ""
    labels: tuple[Label, ...] = ()
    hint: str = ""


class CompileError(Exception):
    """The program has errors; `diagnostics` says which and `sources` holds the text they point at."""

    def __init__(self, diagnostics: Iterable[Diagnostic], sources: Mapping[str, SourceFile]) -> None:
        self.diagnostics = tuple(diagnostics)
        self.sources = dict(sources)
        errors = [d for d in self.diagnostics if d.severity == "error"]
        super().__init__("; ".join(f"{d.code}: {d.message}" for d in errors))


class InternalError(Exception):
    """The compiler or runtime broke one of its own rules; the user is asked to report it."""


def suggest(name: str, known: Iterable[str]) -> str | None:
    """The known name nearest to `name` within an edit distance of max(1, length / 3), or None.

    Of a single letter nothing is near but itself in the other case: every other one is as far away.
    """
    limit = max(1, len(name) // 3) if len(name) > 1 else 0
    best: tuple[int, str] | None = None
    candidates = list(known)
    for candidate in [*get_close_matches(name, candidates, n=5, cutoff=0.4), *candidates]:
        distance = edit_distance(name.lower(), candidate.lower())
        if distance <= limit and (best is None or distance < best[0]):
            best = (distance, candidate)
    return best[1] if best else None


def edit_distance(a: str, b: str) -> int:
    """Optimal string alignment distance: insertions, deletions, substitutions, neighbour swaps."""
    previous2: list[int] = []
    previous = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        row = [i]
        for j, y in enumerate(b, 1):
            cost = min(previous[j] + 1, row[j - 1] + 1, previous[j - 1] + (x != y))
            if i > 1 and j > 1 and x == b[j - 2] and a[i - 2] == y:
                cost = min(cost, previous2[j - 2] + 1)
            row.append(cost)
        previous2, previous = previous, row
    return previous[-1]
