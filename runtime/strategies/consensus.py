"""Minimum Bayes risk: the answer that is nearest to all that was said.

y* = argmax over candidates y of sum over evidence e of u(y, e). The evidence is the pool itself and, in "When Life
Gives You Samples" (Khairi et al. 2025, X-MBR), samples of another prompt as well, such as one in a pivot language
(there 3 of them beside 5 candidates). The utility is the papers' judge or metric; here it is a function of two texts:

- `equal`: 1 where both are the same answer. Then the rule is the plain majority.
- `token_f1`: the harmonic mean of the shares of words in common, repeated words counted, in [0, 1].
- `chrf`: the F-score of character n-grams with recall counting twice (Popović, "chrF", 2015), in [0, 1].
- `kendall`: for answers that are lists, 1 less the Kendall distance of two orders: the centre of rankings.
- `behaviour`: for programs, the share of tests in which their functions gave the same (Shi et al., "Natural Language to
  Code Translation with Execution", 2022, MBR-exec, whose utility is 1 only where all outputs are the same: that is
  `vote(by: behaviour)`).
- `judge`: the probability that a model holds both for saying the same; recorded as scores by the stage that asks.

A candidate's likeness to itself adds the same to all, so it is left in. Ties go to the first.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from numpy import float64, int64, uint64
    from numpy.typing import NDArray

UTILITIES = ("token_f1", "equal", "chrf", "kendall", "behaviour", "judge")
ORDERS = 6
BETA = 2.0
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


def chrf(texts: Sequence[str], evidence: Sequence[str]) -> NDArray[float64]:
    """The chrF of every text (rows) against every piece of evidence (columns) as the reference.

    (1 + b²) P R / (b² P + R) with b = 2, P and R being means over the orders 1 to 6 of the shares of a text's, and of
    the evidence's, character n-grams that the other has; spaces are left out. Orders for which one of both is too short
    are left out of the means, as sacreBLEU does; two empty texts are alike.
    """
    import numpy

    different = list(dict.fromkeys((*texts, *evidence)))
    place = {text: number for number, text in enumerate(different)}
    bare = [numpy.array([ord(sign) for sign in "".join(text.split())], dtype=numpy.uint64) for text in different]
    count = len(different)
    precision, recall, used = (numpy.zeros((count, count)) for _ in range(3))
    for order in range(1, ORDERS + 1):
        sizes = numpy.array([max(0, len(signs) - order + 1) for signs in bare], dtype=float)
        common = _common_ngrams(bare, order)
        both = (sizes[:, None] > 0) & (sizes[None, :] > 0)
        precision += numpy.where(both, common / numpy.maximum(sizes, 1)[:, None], 0.0)
        recall += numpy.where(both, common / numpy.maximum(sizes, 1)[None, :], 0.0)
        used += both
    p, r = precision / numpy.maximum(used, 1), recall / numpy.maximum(used, 1)
    total = BETA**2 * p + r
    found = numpy.where(total > 0, (1 + BETA**2) * p * r / numpy.where(total > 0, total, 1.0), 0.0)
    empty = numpy.array([len(signs) == 0 for signs in bare])
    found[numpy.outer(empty, empty)] = 1.0
    rows, columns = [place[text] for text in texts], [place[text] for text in evidence]
    chosen: NDArray[float64] = found[numpy.ix_(rows, columns)]
    return chosen


def _common_ngrams(bare: Sequence[NDArray[uint64]], order: int) -> NDArray[float64]:
    """How many n-grams each two texts share, repeated ones counted: one product of 0/1 matrices.

    An n-gram is a hash of 64 bits, and its second occurrence in a text another column than its first. Those that one
    text alone has are left out, since they are shared by none but the text with itself, which is added at the end.
    """
    import numpy

    hashes, owners = [], []
    for number, signs in enumerate(bare):
        length = len(signs) - order + 1
        if length > 0:
            total = numpy.zeros(length, dtype=numpy.uint64)
            for step in range(order):
                total = (total ^ signs[step : step + length]) * numpy.uint64(0x9E3779B97F4A7C15)
                total ^= total >> numpy.uint64(29)
            hashes.append(total)
            owners.append(numpy.full(length, number))
    common = numpy.zeros((len(bare), len(bare)))
    if not hashes:
        return common
    grams, owner = numpy.concatenate(hashes), numpy.concatenate(owners)
    ordered = numpy.lexsort((grams, owner))
    grams, owner = grams[ordered], owner[ordered]
    starts = numpy.ones(len(grams), dtype=bool)
    starts[1:] = (grams[1:] != grams[:-1]) | (owner[1:] != owner[:-1])
    first = numpy.maximum.accumulate(numpy.where(starts, numpy.arange(len(grams)), 0))
    nth = (numpy.arange(len(grams)) - first).astype(numpy.uint64)
    _, column, how_many = numpy.unique(
        grams + nth * numpy.uint64(0xD1B54A32D192ED03), return_inverse=True, return_counts=True
    )
    shared = how_many > 1
    numbers = numpy.cumsum(shared) - 1
    kept = shared[column]
    marks = numpy.zeros((len(bare), int(shared.sum())), dtype=numpy.float32)
    marks[owner[kept], numbers[column[kept]]] = 1.0
    common = (marks @ marks.T).astype(float)
    alone = numpy.bincount(owner[~kept], minlength=len(bare))
    common[numpy.diag_indices(len(bare))] += alone
    return common


def pairwise(
    likeness: Callable[[Sequence[Hashable], Sequence[Hashable]], float],
    given: Sequence[Sequence[Hashable]],
    evidence: Sequence[Sequence[Hashable]],
) -> NDArray[float64]:
    """A utility of two sequences, for every one (rows) against every piece of evidence (columns)."""
    import numpy

    known: dict[tuple[object, object], float] = {}
    found = numpy.zeros((len(given), len(evidence)))
    for i, one in enumerate(map(tuple, given)):
        for j, other in enumerate(map(tuple, evidence)):
            if (one, other) not in known:
                known[one, other] = likeness(one, other)
            found[i, j] = known[one, other]
    return found


def behaviour(given: Sequence[Sequence[str]], evidence: Sequence[Sequence[str]]) -> NDArray[float64]:
    """The share of tests in which two programs gave the same, for every one (rows) against every other (columns).

    An error, or nothing, is like no other output. Programs without as many outputs as there are tests gave nothing.
    """
    import numpy

    count = max(map(len, (*given, *evidence)), default=0)
    known: dict[str, int] = {}

    def codes(rows: Sequence[Sequence[str]]) -> NDArray[int64]:
        """A number for each output; 0 for one that counts for nothing."""
        table = numpy.zeros((len(rows), count), dtype=numpy.int64)
        for place, row in enumerate(rows):
            if len(row) == count:
                table[place] = [0 if not x or x[0] == "!" else known.setdefault(x, len(known) + 1) for x in row]
        return table

    one, other = codes(given), codes(evidence)
    same = (one[:, None, :] == other[None, :, :]) & (one[:, None, :] > 0)
    found: NDArray[float64] = same.mean(axis=2) if count else numpy.zeros((len(given), len(evidence)))
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
