"""Versions of recipes, and the ranges in which programs ask for them.

    1        any 1.x                      ~1.4, ^1.4    1.4 or newer, and below 2
    1.4      any 1.4.x                    ~1.4.2        1.4.2 or newer, and below 1.5
    1.4.2    that one                     >=1.2 <2      all of these

Codes:
    E0409  a range that cannot be read
"""

from __future__ import annotations

import re
from collections.abc import Callable

from ttscale.compiler.python_names import LoadFault

Version = tuple[int, ...]
_COMPARISONS: dict[str, Callable[[Version, Version], bool]] = {
    ">=": lambda a, b: a >= b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    "<": lambda a, b: a < b,
    "=": lambda a, b: a == b,
}


def numbers(version: str) -> Version:
    """The numbers at the beginning of a version: `1.4.2rc1` is (1, 4, 2)."""
    found = re.match(r"v?(\d+(?:\.\d+)*)", version.strip())
    return tuple(int(part) for part in found.group(1).split(".")) if found else ()


def fits(version: str, wanted: str) -> bool:
    """Whether a version is in a range as programs write it. Raises LoadFault for a range that cannot be read."""
    own = _padded(numbers(version))
    text = wanted.strip()
    if text in ("", "*"):
        return True
    if text[0] in "~^":
        low = _numbers_of(text[1:], wanted)
        width = len(low) - 1 if text[0] == "~" and len(low) > 1 else 1
        return own >= _padded(low) and own[:width] == _padded(low)[:width]
    if text[0] in "<>=":
        parts = re.findall(r"(>=|<=|>|<|==?)\s*([^\s<>=]+)", text)
        if not parts or re.sub(r"(>=|<=|>|<|==?)\s*([^\s<>=]+)|[\s,]", "", text):
            raise _unreadable(wanted)
        return all(_COMPARISONS[op.replace("==", "=")](own, _padded(_numbers_of(low, wanted))) for op, low in parts)
    exact = _numbers_of(text.removesuffix(".*"), wanted)
    return own[: len(exact)] == exact


def _numbers_of(text: str, wanted: str) -> Version:
    found = numbers(text)
    if not re.fullmatch(r"v?\d+(\.\d+)*", text.strip()):
        raise _unreadable(wanted)
    return found


def _unreadable(wanted: str) -> LoadFault:
    hint = "write `1`, `1.4`, `~1.4` or `>=1.2 <2`"
    return LoadFault("E0409", f"`{wanted}` is no range of versions", hint=hint)


def _padded(version: Version) -> Version:
    """With zeros, so that 1.4 and 1.4.0 are the same."""
    return (*version, *(0,) * (6 - len(version)))
