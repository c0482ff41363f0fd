"""What a model's memory lets samples share, tried when it is loaded: what the file says of itself may be wrong.

A beginning is computed, copied to another sequence and gone on from; the same tokens are computed afresh beside it. If
the two differ about as much as the fresh ones differ from those behind a longer beginning, the copy is not what it
should be: some memories copy nothing, or more than they were told, without a word. Eighteen rows in two
calls, where a call may have so many.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt
from ttscale.runtime.engines.base import EngineError
from ttscale.runtime.engines.llama.cells import Branch
from ttscale.runtime.engines.llama.work import Copy, Drop, Group, Piece

Floats = npt.NDArray[np.float32]
Sharing = Literal["range", "whole"]

BEGINNING, MORE, TAIL = 5, 2, 2
FAR = 0.5  # of the distance that two tokens more in front of it make
STRIDE = 37  # tokens of the test are so far from one another, so that they are different ones


class Computes(Protocol):
    """What the test needs of a runner."""

    @property
    def vocabulary(self) -> int: ...
    @property
    def most_rows(self) -> int: ...
    def apply(self, operations: Sequence[Copy | Drop]) -> None: ...
    def decode(self, pieces: Sequence[Piece], idle: Sequence[int] = ()) -> Floats: ...
    def clear(self) -> None: ...


def sharing(runners: Iterable[Computes], *, ranges: bool) -> Sharing:
    """What may be shared of a sequence that is computed: any beginning of it ("range"), or only all of it ("whole").

    Without `ranges` only whole sequences are tried. Raises EngineError where not even those can be copied.
    """
    found: Sharing = "range" if ranges else "whole"
    for runner in runners:
        if found == "range" and not copies(runner, MORE):
            found = "whole"
        if found == "whole" and not copies(runner, 0):
            raise EngineError(
                "what this llama.cpp copies of the model's memory is not what it has computed",
                hint="load it with `kv_unified: false` or `swa_full: true`, or install another llama-cpp-python",
            )
    return found


def copies(runner: Computes, more: int) -> bool:
    """Whether a copied beginning, of a sequence that has `more` tokens behind it, is what it would be afresh."""
    tokens = [(11 + STRIDE * at) % runner.vocabulary for at in range(BEGINNING + MORE + TAIL)]
    begun, further, tail = tokens[:BEGINNING], tokens[BEGINNING : BEGINNING + MORE], tokens[-TAIL:]
    try:
        whole = _piece(0, 0, begun + further[:more], last=False)
        (afresh,) = _computed(runner, [whole, _piece(1, 0, begun + tail)])
        runner.apply([Drop(1), Copy(0, 1, BEGINNING)])
        # Where whole sequences are copied, the one that goes on differs by what is put in now.
        behind = [] if more else further
        length = BEGINNING + more
        longer, copied = _computed(runner, [_piece(0, length, behind + tail), _piece(1, BEGINNING, tail)])
    except EngineError:  # positions that do not follow one another, as where a state cannot be cut
        return False
    finally:
        runner.clear()
    return _distance(copied, afresh) <= FAR * _distance(longer, afresh) or _distance(longer, afresh) == 0


def _computed(runner: Computes, pieces: Sequence[Piece]) -> list[Floats]:
    """The rows that are wanted, of one call, or of several small ones where a call may have fewer rows."""
    most = runner.most_rows
    if sum(len(piece.tokens) for piece in pieces) <= most:
        return [*runner.decode(pieces).copy()]
    rows: list[Floats] = []
    for piece in pieces:
        for at in range(0, len(piece.tokens), most):
            last = bool(piece.outputs) and at + most >= len(piece.tokens)
            part = _piece(piece.seq, piece.start + at, [*piece.tokens[at : at + most]], last=last)
            rows.extend(runner.decode([part]).copy())
    return rows


def _piece(seq: int, start: int, tokens: list[int], *, last: bool = True) -> Piece:
    outputs = range(len(tokens) - 1, len(tokens)) if last else range(0)
    return Piece(Group(-1, tokens, []), None, Branch(seq, tokens), start, tokens, outputs)


def _distance(first: Floats, second: Floats) -> float:
    """How far two rows of logits are apart, whatever is added to all of a row."""
    difference = first - second
    return float(np.std(difference[np.isfinite(difference)]))
