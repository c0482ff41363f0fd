"""What a model's memory lets samples share is tried when it is loaded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from ttscale.runtime.engines.base import EngineError
from ttscale.runtime.engines.llama.selftest import copies, sharing
from ttscale.runtime.engines.llama.work import Copy, Drop, Piece

WORDS = 101
Cut = Callable[[list[int], int], list[int]]


class Pretended:
    """Rows are a hash of all tokens that a sequence holds, with some noise; `cut` is what a copy of a range gives."""

    vocabulary = WORDS
    most_rows = 64

    def __init__(self, cut: Cut, whole: Cut = lambda tokens, _: list(tokens), refuses: bool = False) -> None:
        self.cut, self.whole, self.refuses = cut, whole, refuses
        self.held: dict[int, list[int]] = {}
        self.noise = np.random.default_rng(5)

    def apply(self, operations: Sequence[Copy | Drop]) -> None:
        for one in operations:
            if isinstance(one, Drop):
                self.held.pop(one.seq, None)
                continue
            tokens = self.held[one.source]
            copy = self.whole if one.length == len(tokens) else self.cut
            self.held[one.target] = copy(tokens, one.length)

    def decode(self, pieces: Sequence[Piece], idle: Sequence[int] = ()) -> npt.NDArray[np.float32]:
        rows = []
        assert sum(len(piece.tokens) for piece in pieces) <= self.most_rows
        for piece in pieces:
            held = self.held.setdefault(piece.seq, [])
            if self.refuses and len(held) != piece.start:
                raise EngineError("llama_decode failed with code -1")
            held += piece.tokens
            if len(piece.outputs):
                seed = abs(hash(tuple(held))) % 2**32
                rows.append(np.random.default_rng(seed).normal(0, 2, WORDS) + self.noise.normal(0, 0.2, WORDS) + 7)
        return np.asarray(rows, np.float32)

    def clear(self) -> None:
        self.held.clear()


def rightly(tokens: list[int], length: int) -> list[int]:
    return tokens[:length]


@pytest.mark.parametrize(
    "cut", [lambda tokens, length: [], lambda tokens, length: list(tokens), lambda tokens, length: tokens[: length - 1]]
)
def test_memories_that_copy_no_ranges_are_found_out(cut: Cut) -> None:
    assert copies(Pretended(rightly), 2) and copies(Pretended(cut), 0)
    assert not copies(Pretended(cut), 2) and not copies(Pretended(cut, refuses=True), 2)
    assert sharing([Pretended(rightly), Pretended(rightly)], ranges=True) == "range"
    assert sharing([Pretended(rightly), Pretended(cut)], ranges=True) == "whole"
    assert sharing([Pretended(rightly)], ranges=False) == "whole"


def test_a_memory_that_copies_nothing_is_refused() -> None:
    with pytest.raises(EngineError, match="not what it has computed") as caught:
        sharing([Pretended(rightly, whole=lambda tokens, _: [])], ranges=False)
    assert caught.value.hint


def test_nothing_is_left_behind() -> None:
    runner = Pretended(rightly)
    assert copies(runner, 2) and runner.held == {}


@pytest.mark.parametrize("most", [1, 2, 3, 13])
def test_a_call_has_no_more_rows_than_it_may(most: int) -> None:
    for cut, is_right in ((rightly, True), (lambda tokens, length: [], False)):
        runner = Pretended(cut)
        runner.most_rows = most
        assert copies(runner, 2) is is_right and copies(runner, 0)


@pytest.mark.model
@pytest.mark.parametrize("kind", ["plain", "window", "hybrid"])
@pytest.mark.parametrize("unified", [True, False])
def test_small_models_of_every_class_are_as_their_files_say(tmp_path: Path, kind: str, unified: bool) -> None:
    pytest.importorskip("llama_cpp")
    from tiny_models import hybrid_model, plain_model, sliding_window_model
    from ttscale.runtime.engines.llama.options import LoadOptions
    from ttscale.runtime.engines.llama.runner import Runner, Settings
    from ttscale.runtime.engines.llama.weights import Weights, quiet

    quiet()
    make = {"plain": plain_model, "window": sliding_window_model, "hybrid": hybrid_model}[kind]
    path, options = str(make(tmp_path / "tiny.gguf")), LoadOptions(kv_unified=unified)
    runner = Runner(Settings(path, 256, 1024, 4, 1, False, options=options), Weights(path, options))
    try:
        assert copies(runner, 0), "whole sequences can be copied of every class"
        assert copies(runner, 2) is (kind != "hybrid"), "a state is that of all tokens"
        assert sharing([runner], ranges=True) == ("whole" if kind == "hybrid" else "range")
    finally:
        runner.close()
