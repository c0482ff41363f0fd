"""Processor time of a decoding step by the cells in use, with one cache for all samples and with one for each.

    python benchmarks/cache_modes.py QWEN --questions 2 --samples 8 --prompt 150 --new 96

Random tokens on the runner itself, without sampling: what is measured is `llama_decode` alone. With one thread, the
default, no time goes to waiting at barriers, so that neighbours on the machine matter little. Medians over each quarter
of the steps; `cells` are those in use in the middle of a quarter, as one cache has them.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from typing import Any

import numpy as np
from ttscale.runtime.engines.llama.cells import Branch
from ttscale.runtime.engines.llama.loop import DECODE_ROWS
from ttscale.runtime.engines.llama.options import LoadOptions
from ttscale.runtime.engines.llama.runner import Runner, Settings
from ttscale.runtime.engines.llama.weights import Weights, quiet
from ttscale.runtime.engines.llama.work import Copy, Group, Piece

STEP = 256
QUARTERS = 4


def piece(seq: int, start: int, tokens: list[int]) -> Piece:
    """Tokens of a sequence, whose last row is wanted."""
    return Piece(Group(-1, tokens, []), None, Branch(seq, tokens), start, tokens, range(len(tokens) - 1, len(tokens)))


def measure(options: argparse.Namespace, unified: bool) -> dict[str, Any]:
    """One cache mode: milliseconds of processor time."""
    count = options.questions * options.samples
    context = -(-(options.prompt + options.new) // STEP) * STEP
    used = options.questions * options.prompt + count * options.new
    sequences = count + options.questions
    cells = -(-(used + STEP) // STEP) * STEP if unified else sequences * context
    load = LoadOptions(kv_unified=unified)
    settings = Settings(options.weights, context, cells, sequences, options.threads, False, active=count, options=load)
    runner = Runner(settings, Weights(options.weights, load))
    dice = np.random.default_rng(1)

    def drawn(tokens: int) -> list[int]:
        return [int(token) for token in dice.integers(0, runner.vocabulary, tokens)]

    try:
        for question in range(options.questions):
            for start in range(0, options.prompt, STEP):
                size = min(STEP, options.prompt - start)
                runner.decode([piece(count + question, start, drawn(size))])
        pairs = [(count + at // options.samples, at) for at in range(count)]
        runner.apply([Copy(source, target, options.prompt) for source, target in pairs])
        calls = -(-count // DECODE_ROWS) if unified else 1
        size = -(-count // calls)
        took = []
        for step in range(options.new):
            began = time.process_time()
            for start in range(0, count, size):
                rows = range(start, min(count, start + size))
                runner.decode([piece(seq, options.prompt + step, drawn(1)) for seq in rows])
            took.append(1000 * (time.process_time() - began))
    finally:
        runner.close()
    part = max(1, options.new // QUARTERS)
    parts = [took[at : at + part] for at in range(0, part * QUARTERS, part)]
    middles = [options.questions * options.prompt + count * (at * part + part // 2) for at in range(QUARTERS)]
    return {
        "cache": "one" if unified else "each",
        "samples": count,
        "cells": middles,
        "ms_a_step": [round(statistics.median(one), 1) for one in parts if one],
        "tokens_a_second": round(1000 * count * options.new / sum(took), 1),
    }


def main() -> None:
    """Measure both modes, one line of JSON each."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("weights")
    parser.add_argument("--questions", type=int, default=2)
    parser.add_argument("--samples", type=int, default=8)
    parser.add_argument("--prompt", type=int, default=150)
    parser.add_argument("--new", type=int, default=96)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--cache", choices=("one", "each", "both"), default="both")
    given = parser.parse_args()
    quiet()
    for unified in (True, False):
        if given.cache in ("both", "one" if unified else "each"):
            sys.stdout.write(json.dumps(measure(given, unified)) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
