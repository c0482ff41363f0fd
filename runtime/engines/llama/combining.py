"""Next tokens from several models of one vocabulary: rules that make one row of logits of two or three.

Every rule returns logits (up to a constant), so that sampling settings, grammars and log-probabilities then mean the
combined distribution. Rows are natural-log scores of any offset; `log_softmax` makes them log-probabilities. Pure.

tuning    l1 + weight (l2 - l3): a large model with what tuning changed in a small one. Proxy tuning (Liu and others
          2024, arXiv 2401.08565, eq. 1); on log-probabilities it is emulated fine-tuning (Mitchell and others 2023,
          2310.12962), which differs by a constant a row only.
contrast  (1 + weight) l1 - weight l2 among tokens with p1 >= floor max p1: contrastive decoding of an expert against an
          amateur (Li and others 2023, 2210.15097; this form: O'Brien and Lewis 2023, 2309.09117).
mixture   log of the mean of probabilities, by `shares`.
product   the mean of log-probabilities, by `shares`: a product of experts (Hinton 2002).
route     the first model's row where it is sure, else the next model's, the last one's without a condition. Sure is a
          likeliest token of at least `floor`, or with the doubt "margin" one that is so much likelier than the second
          (FS-GEN, Zhang and others 2024, arXiv 2406.12295, whose delta is half of that).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from ttscale.runtime.engines.base import EngineError

Floats = npt.NDArray[np.float32]
MODELS = {"tuning": (3, 3), "contrast": (2, 2), "mixture": (2, 3), "product": (2, 3), "route": (2, 3)}
"""How many models a rule takes, at least and at most."""


@dataclass(frozen=True, slots=True)
class Combination:
    """A rule with its numbers, see above; `shares`, one a model, are even where they are not given."""

    rule: Literal["tuning", "contrast", "mixture", "product", "route"]
    weight: float = 1.0
    floor: float = 0.1
    shares: tuple[float, ...] = ()
    doubt: Literal["probability", "margin"] = "probability"

    def check(self, models: int) -> None:
        """Raise EngineError where so many models, or these numbers, cannot be combined."""
        if self.rule not in MODELS:
            raise EngineError(f"there is no rule {self.rule!r}", hint=f"the rules are {', '.join(MODELS)}")
        least, most = MODELS[self.rule]
        if not least <= models <= most:
            wanted = str(least) if least == most else f"{least} to {most}"
            raise EngineError(f"the rule `{self.rule}` takes {wanted} models, and there are {models}", hint="")
        if self.shares and (len(self.shares) != models or min(self.shares) < 0 or not sum(self.shares)):
            raise EngineError(f"`shares` needs {models} numbers of at least 0, not all 0", hint="")
        if not 0 <= self.floor <= 1 or not math.isfinite(self.weight):
            raise EngineError("`floor` is a probability, and `weight` a number", hint="")


def log_softmax(row: Floats) -> npt.NDArray[np.float64]:
    """Natural-log probabilities of a row of logits."""
    shifted = row.astype(np.float64) - float(row.max())
    result: npt.NDArray[np.float64] = shifted - math.log(float(np.exp(shifted).sum()))
    return result


def is_sure(row: Floats, how: Combination) -> bool:
    """Whether a model needs no other one for the next token: p1 >= floor, or p1 - p2 >= floor with doubt "margin"."""
    shares = np.exp(row - row.max())
    second = float(np.partition(shares, -2)[-2]) if how.doubt == "margin" and len(shares) > 1 else 0.0
    return (1.0 - second) / float(shares.sum(dtype=np.float64)) >= how.floor


def route(rows: Sequence[Floats], how: Combination) -> int:
    """Whose row is taken, by its place: the first that is sure, else the last."""
    return next((place for place, row in enumerate(rows[:-1]) if is_sure(row, how)), len(rows) - 1)


def combined(rows: Sequence[Floats], how: Combination) -> Floats:
    """One row of logits of as many as there are models, all over one vocabulary."""
    if how.rule == "route":
        return log_softmax(rows[route(rows, how)]).astype(np.float32)
    logs = [log_softmax(row) for row in rows]
    if how.rule == "tuning":
        result = logs[0] + how.weight * (logs[1] - logs[2])
    elif how.rule == "contrast":
        result = (1 + how.weight) * logs[0] - how.weight * logs[1]
        low = result.min() - 60.0  # as good as never, and still a number that can be subtracted from
        result = np.where(logs[0] >= logs[0].max() + math.log(max(how.floor, 1e-300)), result, low)
    else:
        given = np.asarray(how.shares or (1.0,) * len(rows))
        shares = given / given.sum()
        if how.rule == "product":
            result = sum(share * one for share, one in zip(shares, logs, strict=True))
        else:
            mass = sum(share * np.exp(one) for share, one in zip(shares, logs, strict=True))
            result = np.log(np.maximum(mass, 1e-300))
    return result.astype(np.float32)
