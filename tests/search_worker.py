"""A worker of a search as a process of its own: `python search_worker.py PROGRAM WORKER PAUSE`."""

from __future__ import annotations

import sys
from pathlib import Path

from searching import Dice, searched


def main() -> None:
    """Search with the dice, which note every sample in the file `log` beside the program."""
    path = Path(sys.argv[1])
    dice = Dice(pause=float(sys.argv[3]), log=path.parent / "log")
    searched(path, dice, worker=sys.argv[2], ablate=False)


if __name__ == "__main__":
    main()
