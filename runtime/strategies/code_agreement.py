"""Programs and generated tests that confirm each other.

Chen et al., "CodeT: Code Generation with Generated Tests", 2022. Programs that pass the same tests form a consensus set
with them; its score is |programs| x |tests|, and a program of the best set is answered. The authors' code takes the
square root of the number of programs instead, so that many alike programs which pass one test do not win.
"""

from __future__ import annotations

import math
from collections.abc import Sequence


def consensus_scores(passed: Sequence[Sequence[bool]], *, root: bool = False) -> list[float]:
    """The score of each program's consensus set from `passed[program][test]`; 0 for one that passes nothing.

    With `root` the number of programs counts as its square root. Ties are left to whoever chooses: the first wins.
    Raises ValueError for rows of different length.
    """
    rows = [tuple(map(bool, row)) for row in passed]
    if len({len(row) for row in rows}) > 1:
        raise ValueError("every program is tried on all tests")
    return [(math.sqrt(alike) if root else alike) * sum(row) for row in rows for alike in [rows.count(row)]]
