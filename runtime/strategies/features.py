"""What a text looks like: its length, and how much it hedges, thinks aloud and leads on.

"Think Deep, Think Fast" (Wang et al. 2025): right answers of reasoning models are shorter, hedge less ("maybe",
"perhaps"), have fewer thinking markers ("wait", "hmm", "alternatively") and more discourse markers ("therefore",
"first"). The paper gives no weights; they depend on the data, and those here are signs only. No code of the authors
is known.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

HEDGES = frozenset(
    ("maybe", "perhaps", "might", "possibly", "probably", "seems", "seem", "guess", "unsure", "likely", "roughly")
)
THINKING = frozenset(
    ("wait", "hmm", "alternatively", "actually", "but", "however", "hold", "recheck", "reconsider", "again", "oh")
)
DISCOURSE = frozenset(
    ("therefore", "thus", "first", "second", "third", "next", "then", "finally", "hence", "so", "because", "since")
)
_WORD = re.compile(r"[a-z']+")


@dataclass(frozen=True, slots=True)
class Features:
    """Counts of one text: `length` in tokens or words, and the shares of its words that are markers, in [0, 1]."""

    length: float
    hedges: float
    thinking: float
    discourse: float


def features_of(text: str, tokens: int = 0) -> Features:
    """The features of a text; its length is `tokens` where that is known, else its words."""
    words = _WORD.findall(text.lower())
    counts, n = Counter(words), max(1, len(words))
    hedges, thinking, discourse = (sum(counts[word] for word in own) / n for own in (HEDGES, THINKING, DISCOURSE))
    return Features(float(tokens or len(words)), hedges, thinking, discourse)


def linear(found: Sequence[Features], weights: Mapping[str, float]) -> list[float]:
    """1 / (1 + exp(-s)), where s = sum of weight times feature, each feature in standard deviations from its mean.

    Means and deviations are of the pool; a feature that is the same for all counts nothing. Numbers lie in (0, 1), so
    that they may weigh votes. The order of candidates does not matter, nor does the unit of length.
    """
    totals = [0.0] * len(found)
    for name, weight in weights.items():
        values = [float(getattr(one, name)) for one in found]
        for i, z in enumerate(standardised(values)):
            totals[i] += weight * z
    return [1 / (1 + math.exp(-max(-500.0, min(500.0, s)))) for s in totals]


def standardised(values: Sequence[float]) -> list[float]:
    """Values in standard deviations from their mean; zeros where all are the same."""
    mean = math.fsum(values) / len(values) if values else 0.0
    spread = math.sqrt(math.fsum((x - mean) ** 2 for x in values) / len(values)) if values else 0.0
    return [(x - mean) / spread if spread > 1e-12 else 0.0 for x in values]


def shortest(lengths: Sequence[float | None], share: float = 0.5) -> list[int]:
    """The positions of the shortest `share` of candidates, in order: ceil(share * n) of them, ties to the first.

    "Think Deep, Think Fast": keep the shortest half, then vote. Lengths are tokens; candidates without one come last.
    """
    n = math.ceil(share * len(lengths) - 1e-9)
    order = sorted(range(len(lengths)), key=lambda i: (math.inf if (x := lengths[i]) is None else x, i))
    return sorted(order[: max(1, n)])
