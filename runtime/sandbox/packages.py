"""Installed packages that programs in the sandbox may import: their own files, read-only, and nothing beside them.

installed(("numpy",))    # Installed(paths=(".../numpy", ".../numpy.libs", …), folders=(".../site-packages",))
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import Distribution, PackageNotFoundError, distribution, packages_distributions
from pathlib import Path

PLACE = "/packages"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True, slots=True)
class Installed:
    """What is shown of the machine, each with its place in the sandbox, and the folders that all of it lies in."""

    shown: tuple[tuple[str, str], ...] = ()
    folders: tuple[str, ...] = ()

    @property
    def places(self) -> tuple[str, ...]:
        """Where a program in the sandbox looks for modules."""
        return tuple(f"{PLACE}/{number}" for number in range(len(self.folders)))


@cache
def installed(names: tuple[str, ...]) -> Installed:
    """Packages by the name they are installed or imported under, with what they require.

    Raises ValueError for one that is not there.
    """
    shown: dict[str, str] = {}
    folders: dict[str, int] = {}
    for own in _with_required(names):
        folder = Path(str(own.locate_file(""))).resolve()
        number = folders.setdefault(str(folder), len(folders))
        for top in sorted({file.parts[0] for file in own.files or () if file.parts[0] not in ("..", "__pycache__")}):
            if (folder / top).exists():
                shown[str(folder / top)] = f"{PLACE}/{number}/{top}"
    return Installed(tuple(shown.items()), tuple(folders))


def _with_required(names: Iterable[str]) -> list[Distribution]:
    found: dict[str, Distribution] = {}
    waiting = [_distribution(name) for name in names]
    while waiting:
        own = waiting.pop(0)
        if own.metadata["Name"] in found:
            continue
        found[own.metadata["Name"]] = own
        for requirement in own.requires or ():
            name = _NAME.match(requirement)
            if name is None or "extra ==" in requirement:
                continue
            try:
                waiting.append(distribution(name[0]))
            except PackageNotFoundError:
                continue  # for another system or an older Python
    return list(found.values())


def _distribution(name: str) -> Distribution:
    try:
        return distribution(name)
    except PackageNotFoundError:
        imported = packages_distributions().get(name)
        if imported:
            return distribution(imported[0])
    raise ValueError(f"the package `{name}` is not installed, so programs cannot import it")
