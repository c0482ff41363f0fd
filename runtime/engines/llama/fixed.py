"""How rows are computed where the same samples shall come out whatever else goes on (`reproducible: true`).

The last digits of a row depend on how many rows are computed with it, since kernels take them in groups. So prompts are
computed one at a time in pieces that end at fixed places, and are shared only up to such a place. Decoding rows come in
blocks of four sequences whose ids follow one another: samples have the ids below `members`, prompts and texts that are
scored those above, and a sequence that nobody uses gets a row without meaning. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence

from ttscale.runtime.engines.llama.work import Call, Piece

BLOCK = 4
PIECE = 256  # rows between two cuts of a prompt
LEAST = 64  # rows of the last piece; fewer are computed by other kernels


def members(active: int) -> int:
    """How many ids are for members: enough for `active`, in whole blocks."""
    return -(-active // BLOCK) * BLOCK


def sequences(active: int) -> int:
    """Ids in all: for samples, and for as many prompts and texts that are scored."""
    return members(active) + 2 * active


def next_cut(done: int, length: int) -> int:
    """Where the piece ends that begins at `done` of a prompt of this length."""
    cut = (done // PIECE + 1) * PIECE
    return cut if length - cut >= LEAST else length


def shared(common: int, first: int, second: int) -> int:
    """How much of `common` tokens two prompts of these lengths may share: up to a place where both are cut."""
    cut = common // PIECE * PIECE
    while cut and min(first, second) - cut < LEAST:
        cut -= PIECE
    return cut


def blocks(pieces: Sequence[Piece]) -> list[Call]:
    """Calls for decoding rows: runs of whole blocks."""
    by_id = {piece.seq: piece for piece in pieces}
    numbers = sorted({seq // BLOCK for seq in by_id})
    calls: list[Call] = []
    while numbers:
        run = [numbers.pop(0)]
        while numbers and numbers[0] == run[-1] + 1:
            run.append(numbers.pop(0))
        ids = range(run[0] * BLOCK, (run[-1] + 1) * BLOCK)
        found = tuple(by_id[seq] for seq in ids if seq in by_id)
        calls.append(Call(found, tuple(seq for seq in ids if seq not in by_id)))
    return calls
