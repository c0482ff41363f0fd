"""The command line: `ttscale COMMAND …`.

One small module per command; `app` knows their names and imports one when it is asked for, so that `--help` stays
quick. `faults` turns whatever goes wrong into a message and an exit code: 0 fine, 1 the program or its data is wrong,
2 wrong usage, 3 the budget ended before any answer, 4 a test failed, 70 our own fault, 130 interrupted.
"""

from __future__ import annotations

from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line on `arguments` (default: the process's) and return its exit code."""
    import gc

    from ttscale.cli.app import run

    # Programs and graphs are trees of small values, none of which is garbage: collect less often than Python would.
    gc.set_threshold(50_000, 20, 20)
    return run(arguments)
