"""Up to three models that compute the same rows, and answer with one row of logits made of theirs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from ttscale.runtime.engines.base import EngineError
from ttscale.runtime.engines.llama.combining import Combination, combined, log_softmax, route
from ttscale.runtime.engines.llama.runner import Floats, Runner
from ttscale.runtime.engines.llama.vocabulary import Vocabulary
from ttscale.runtime.engines.llama.weights import Weights
from ttscale.runtime.engines.llama.work import Copy, Drop, Piece

FILLER = "[PAD"  # how conversions name tokens that only make a vocabulary's size round


def shared_size(all_weights: Sequence[Weights]) -> int:
    """How many tokens models have in common: all of them but fillers at the end. Raises EngineError."""
    words = [Vocabulary(one.api, one.vocab) for one in all_weights]
    first = words[0]
    for weights, one in zip(all_weights[1:], words[1:], strict=True):
        place = _difference(first, one)
        if place is None:
            continue
        here, there = (each.text(place) if place < each.size else "" for each in (one, first))
        why = f"token {place} is {here!r} here and {there!r} there"
        if here == there:
            why = "one of the two begins every text with a token of its own, and the other does not"
        raise EngineError(
            f"{weights.path} has another vocabulary than {all_weights[0].path} ({one.size:,} tokens and "
            f"{first.size:,}): {why}",
            hint="only models of one family, with the same tokens, can be combined",
        )
    return min(one.size for one in words)


def _difference(first: Vocabulary, other: Vocabulary) -> int | None:
    """The first token in which two vocabularies differ, fillers at the end of the longer one aside; None without one.

    Where only one of them begins every text with a token, it is 0.
    """
    common = min(first.size, other.size)
    longer = first if first.size > other.size else other
    wrong = next((token for token in range(common) if first.text(token) != other.text(token)), None)
    if wrong is None:
        wrong = next((token for token in range(common, longer.size) if not longer.text(token).startswith(FILLER)), None)
    return 0 if wrong is None and first.adds_bos != other.adds_bos else wrong


class Together:
    """Runners side by side, as one: the first is the model that is asked. Without a rule its rows are the answer."""

    def __init__(self, runners: Sequence[Runner], how: Combination | None) -> None:
        self.runners = tuple(runners)
        self.how = how
        self.api = runners[0].api
        self.vocabulary = shared_size([one.weights for one in runners])
        self.cells = min(one.cells for one in runners)
        self.raws: list[Floats] = []
        self.routes: list[int] = []

    @property
    def models(self) -> list[Weights]:
        """The models that compute rows."""
        return [one.weights for one in self.runners]

    @property
    def decode_seconds(self) -> float:
        """Seconds that all of them have computed."""
        return sum(one.decode_seconds for one in self.runners)

    def apply(self, operations: Sequence[Copy | Drop]) -> None:
        """Run metadata operations on every cache."""
        for one in self.runners:
            one.apply(operations)

    def decode(self, pieces: Sequence[Piece], idle: Sequence[int] = ()) -> Floats:
        """As a runner's; `raws` are then the rows of each model, valid until the next call.

        Where the rule is to route, `routes` says whose row each one is, by its place.
        """
        self.raws = [one.decode(pieces, idle)[:, : self.vocabulary] for one in self.runners]
        if self.how is None:
            return self.raws[0]
        how, sets = self.how, list(zip(*self.raws, strict=True))
        if how.rule == "route":
            self.routes = [route(rows, how) for rows in sets]
            rows = [log_softmax(s[at]).astype(np.float32) for s, at in zip(sets, self.routes, strict=True)]
        else:
            rows = [combined(list(rows), how) for rows in sets]
        return np.stack(rows) if rows else np.zeros((0, self.vocabulary), np.float32)

    def clear(self) -> None:
        """Forget every sequence."""
        for one in self.runners:
            one.clear()

    def close(self) -> None:
        """Free all of them; idempotent."""
        for one in self.runners:
            one.close()
