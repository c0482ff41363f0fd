"""Up to three models that answer with one row of logits made of theirs.

All compute the same rows, but where they take turns (`route`): then the first does, and the others are `Lazy`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from ttscale.runtime.engines.base import EngineError, Work
from ttscale.runtime.engines.llama.combining import Combination, combined, is_sure
from ttscale.runtime.engines.llama.lazy import Lazy
from ttscale.runtime.engines.llama.runner import Floats, Rows, Runner
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
        self.raws: list[Rows] = []
        self.routes: list[int] = []
        turns = how is not None and how.rule == "route"
        separate = not runners[0].settings.options.kv_unified
        self._lazy = [Lazy(one, separate=separate) for one in runners[1:]] if turns else []

    @property
    def models(self) -> list[Weights]:
        """The models that compute rows."""
        return [one.weights for one in self.runners]

    @property
    def work(self) -> tuple[Work, ...]:
        """What each of them has done."""
        return tuple(work for one in self.runners for work in one.work)

    def share_whole(self) -> None:
        """Share whole sequences only from now on, as where a model's state cannot be cut."""
        for one in self._lazy:
            one.ranges = False

    def apply(self, operations: Sequence[Copy | Drop]) -> None:
        """Run metadata operations on every cache."""
        for one in self.runners[:1] if self._lazy else self.runners:
            one.apply(operations)
        for lazy in self._lazy:
            lazy.apply(operations)

    def decode(self, pieces: Sequence[Piece], idle: Sequence[int] = ()) -> Floats:
        """As a runner's; `raws` are then the rows of each model, valid until the next call.

        Where the rule is to route, `routes` says whose row each one is, by its place among the models; a model that was
        not asked for a row has an empty one in `raws`.
        """
        if self._lazy and self.how is not None:
            return self._routed(pieces, idle, self.how)
        raws = [one.decode(pieces, idle)[:, : self.vocabulary] for one in self.runners]
        self.raws = [*raws]
        if self.how is None:
            return raws[0]
        rows = [combined(list(rows), self.how) for rows in zip(*raws, strict=True)]
        return np.stack(rows) if rows else np.zeros((0, self.vocabulary), np.float32)

    def _routed(self, pieces: Sequence[Piece], idle: Sequence[int], how: Combination) -> Floats:
        """Rows of the first model that is sure, each other one being asked where none before it is."""
        first = self.runners[0].decode(pieces, idle)[:, : self.vocabulary]
        for one in self._lazy:
            one.follow(pieces)
        wanted = [(piece, piece.start + offset) for piece in pieces for offset in piece.outputs]
        self.routes = [0] * len(wanted)
        self.raws = [first]
        unsure = [at for at, row in enumerate(first) if not is_sure(row, how)]
        rows = first
        for model, lazy in enumerate(self._lazy, 1):
            asked = sorted({*unsure, *(at for at, (piece, _) in enumerate(wanted) if piece.group.shows)})
            found = lazy.rows([(wanted[at][0].seq, wanted[at][1]) for at in asked])
            raw = [NOTHING] * len(wanted)
            for at, row in zip(asked, found, strict=True):
                raw[at] = row[: self.vocabulary]
            self.raws.append(raw)
            if unsure and rows is first:
                rows = first.copy()
            for at in unsure:
                self.routes[at] = model
                rows[at] = raw[at]
            if model < len(self._lazy):
                unsure = [at for at in unsure if not is_sure(raw[at], how)]
        return rows

    def clear(self) -> None:
        """Forget every sequence."""
        for lazy in self._lazy:
            lazy.clear()
        for one in self.runners:
            one.clear()

    def close(self) -> None:
        """Free all of them; idempotent."""
        for one in self.runners:
            one.close()


NOTHING: Floats = np.zeros(0, np.float32)
