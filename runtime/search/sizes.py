"""How large the questions of a search are: what makes the price of a trial that of its own rows.

Bounds hold for every tokenizer, as those of `compiler.prompt_tokens`. Inputs that are no texts keep what is assumed of
their types.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from ttscale.compiler.prompt_tokens import Amount, of_text
from ttscale.compiler.said import JOIN_SLACK
from ttscale.runtime.evaluate.arms import Item


@dataclass(frozen=True)
class InputSizes:
    """The tokens of each input, by name: those of a question on average, and from the shortest to the longest."""

    mean: dict[str, Amount] = field(default_factory=dict)
    bounds: dict[str, Amount] = field(default_factory=dict)


def sizes_of(items: Sequence[Item]) -> InputSizes:
    """The sizes of the inputs of these questions."""
    found = InputSizes()
    for name in items[0].inputs if items else ():
        texts = [item.inputs.get(name) for item in items]
        amounts = [of_text(text) for text in texts if isinstance(text, str)]
        if len(amounts) < len(items):
            continue
        low, high, usual = ([getattr(own, part) for own in amounts] for part in ("low", "high", "expected"))
        count = len(amounts)
        found.mean[name] = Amount(
            max(0, sum(low) // count - JOIN_SLACK), math.ceil(sum(high) / count) + JOIN_SLACK, round(sum(usual) / count)
        )
        found.bounds[name] = Amount(max(0, min(low) - JOIN_SLACK), max(high) + JOIN_SLACK, max(usual))
    return found
