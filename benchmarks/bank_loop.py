"""A model's process that leaves a byte in a file for every token and prompt that it computes.

Benchmarks of the bank count so what a killed process has computed, to its last step: the bytes are written by the
model's own process, before it reports the step to the program that asked. `count_into` makes a program that loads a
model start this process.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ttscale.runtime.engines.llama import link, loop, worker
from ttscale.runtime.engines.llama.work import Piece

TOKEN, PROMPT, PROMPT_TOKEN, RESUMED_TOKEN = b"t", b"p", b"r", b"b"
PLACE = "BANK_LOOP_LOG"
BOOT = "import sys; sys.path[:] = sys.argv[1:]; from bank_loop import main; main()"


def count_into(log: Path) -> None:
    """Let the models of this program run in processes that count into a file."""
    os.environ[PLACE] = str(log)
    link.BOOT = BOOT


class CountedLoop(loop.Loop):
    """A loop that counts what it computes: tokens drawn, prompts ended, their tokens, tokens of resumed samples."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self._log = os.open(os.environ[PLACE], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._read = b""
        self._decode = self.runner.decode
        self.runner.decode = self._counted_decode  # type: ignore[method-assign]

    def step(self) -> None:
        """One step, and what it computed in the file before anyone hears of it."""
        before = self.stats().new_tokens
        super().step()
        os.write(self._log, TOKEN * (self.stats().new_tokens - before) + self._read)
        self._read = b""

    def _counted_decode(self, pieces: Sequence[Piece], *more: Any) -> Any:
        rows = self._decode(pieces, *more)
        for piece in pieces:
            if piece.member is None:
                self._read += PROMPT_TOKEN * len(piece.tokens) + PROMPT * len(piece.outputs)
            elif len(piece.tokens) > 1 or not piece.outputs:
                self._read += RESUMED_TOKEN * len(piece.tokens)
        return rows


def main() -> None:
    """Serve as the model's usual process does, with a loop that counts."""
    loop.Loop = CountedLoop  # type: ignore[misc]
    worker.main()
