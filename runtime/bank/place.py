"""Where the bank is, when nobody says."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

VARIABLE = "TTSCALE_BANK"
OFF = ("off", "none", "0", "")


def default_bank() -> Path | None:
    """The bank of the command line: what TTSCALE_BANK names (None for `off`), else one file for each user.

    One for all programs, since equal samples of different programs are the same sample.
    """
    named = os.environ.get(VARIABLE)
    if named is not None:
        return None if named.strip().lower() in OFF else Path(named).expanduser()
    return Path(platformdirs.user_data_dir("ttscale", appauthor=False)) / "bank.sqlite"
