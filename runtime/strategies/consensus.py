"""Minimum Bayes risk: the answer that is nearest to all that was said.

y* = argmax over candidates y of sum over evidence e of u(y, e). The evidence is the pool itself and, in "When Life
Gives You Samples" (Khairi et al. 2025, X-MBR), samples of another prompt as well, such as one in a pivot language
(there 3 of them beside 5 candidates). The utility is the papers' judge or metric; here it is a function of two texts:

- `equal`: 1 where both are the same answer. Then the rule is the plain majority.
- `token_f1`: the harmonic mean of the shares of words in common, repeated words counted, in [0, 1].

A candidate's likeness to itself adds the same to all, so it is left in. Ties go to the first.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from numpy import float64
    from numpy.typing import NDArray

UTILITIES = ("token_f1", "equal")
_WORD = re.compile(r"\w+")


def token_f1(texts: Sequence[str], evidence: Sequence[str]) -> NDArray[float64]:
    """The utility of every text (rows) against every piece of evidence (columns); two empty texts are alike.

    Words are runs of letters and digits in lower case. 2 |a ∩ b| / (|a| + |b|) over multisets: each repetition of a
    word is a word of its own, so that overlaps are one product of 0/1 matrices.
    """
    import numpy

    columns: dict[tuple[str, int], int] = {}
    rows = [_numbered(text, columns) for text in (*texts, *evidence)]
    marks = numpy.zeros((len(rows), max(1, len(columns))), dtype=numpy.float32)
    for place, row in enumerate(rows):
        marks[place, row] = 1.0
    sizes = marks.sum(axis=1, dtype=float)
    common = (marks[: len(texts)] @ marks[len(texts) :].T).astype(float)
    total = sizes[: len(texts), None] + sizes[None, len(texts) :]
    found: NDArray[float64] = numpy.where(total > 0, 2 * common / numpy.maximum(total, 1.0), 1.0)
    return found


def _numbered(text: str, columns: dict[tuple[str, int], int]) -> list[int]:
    seen: dict[str, int] = {}
    found: list[int] = []
    for word in _WORD.findall(text.lower()):
        seen[word] = seen.get(word, 0) + 1
        found.append(columns.setdefault((word, seen[word]), len(columns)))
    return found


def equal(keys: Sequence[Hashable], evidence: Sequence[Hashable]) -> NDArray[float64]:
    """1 where two keys are the same and not None, else 0."""
    import numpy

    found = numpy.zeros((len(keys), len(evidence)))
    for i, key in enumerate(keys):
        for j, other in enumerate(evidence):
            found[i, j] = key is not None and key == other
    return found


def expected_utility(utilities: NDArray[float64]) -> list[float]:
    """The mean utility of every candidate (a row) over the evidence (columns); 0 without evidence."""
    if utilities.shape[1] == 0:
        return [0.0] * utilities.shape[0]
    return [float(x) for x in utilities.mean(axis=1)]
