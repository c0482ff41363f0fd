"""What quoted texts and numbers mean: escapes, fences, units."""

from __future__ import annotations

import math
import re
from fractions import Fraction
from typing import Literal

from ttscale.compiler.frozen import dataclass

Unit = Literal["", "bytes", "seconds", "usd"]

UNITS: dict[str, tuple[int | Fraction, Unit]] = {
    "k": (10**3, ""),
    "M": (10**6, ""),
    "G": (10**9, ""),
    "Ki": (2**10, ""),
    "Mi": (2**20, ""),
    "Gi": (2**30, ""),
    "B": (1, "bytes"),
    "KB": (10**3, "bytes"),
    "MB": (10**6, "bytes"),
    "GB": (10**9, "bytes"),
    "KiB": (2**10, "bytes"),
    "MiB": (2**20, "bytes"),
    "GiB": (2**30, "bytes"),
    "ms": (Fraction(1, 1000), "seconds"),
    "s": (1, "seconds"),
    "min": (60, "seconds"),
    "h": (3600, "seconds"),
    "d": (86400, "seconds"),
    "usd": (1, "usd"),
}
"""Each unit's factor to the base unit, and the base unit."""

OTHER_SPELLINGS = {
    "K": "k",
    "m": "min",
    "g": "G",
    "KI": "Ki",
    "b": "B",
    "kB": "KB",
    "kb": "KB",
    "mb": "MB",
    "gb": "GB",
    "kib": "KiB",
    "mib": "MiB",
    "gib": "GiB",
    "sec": "s",
    "secs": "s",
    "second": "s",
    "seconds": "s",
    "mins": "min",
    "minute": "min",
    "minutes": "min",
    "hr": "h",
    "hour": "h",
    "hours": "h",
    "day": "d",
    "days": "d",
    "USD": "usd",
    "dollars": "usd",
    "thousand": "k",
    "million": "M",
}
"""Spellings that people try, and what they mean by them."""

_NUMBER = re.compile(
    r"(?P<whole>[0-9]+(?:_[0-9]+)*)(?P<fraction>\.[0-9]+)?(?P<exponent>[eE][+-]?[0-9]+)?(?P<unit>[A-Za-z_][A-Za-z0-9_]*)?"
)
_ESCAPE = re.compile(r"\\(?:u\{([0-9A-Fa-f]{1,6})\}|u([0-9A-Fa-f]{4})|([\s\S]))|([^\\]+)")
_SIMPLE_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "\\": "\\"}
_MAX_DIGITS = 40


class BadLiteral(Exception):
    """A literal that means nothing: `reason` is "unit", "size" or "escape"; `start` and `end` are within it."""

    def __init__(self, reason: str, text: str, start: int, end: int) -> None:
        super().__init__(text)
        self.reason = reason
        self.text = text
        self.start = start
        self.end = end


@dataclass(frozen=True, slots=True)
class ReadText:
    """A quoted text read: its value, the number of quotes, and each value line's offset within the literal."""

    value: str
    fence: int
    offsets: tuple[int, ...]


def read_number(raw: str) -> tuple[int | float, Unit | None]:
    """The value of a number token in base units, and its base unit (None when it has no unit).

    Raises `BadLiteral` for an unknown unit and for a number too large to compute with.
    """
    match = _NUMBER.fullmatch(raw)
    assert match is not None, raw
    digits = match["whole"].replace("_", "") + (match["fraction"] or "")
    exponent = match["exponent"] or ""
    if len(digits) > _MAX_DIGITS or len(exponent) > 5:
        raise BadLiteral("size", raw, 0, len(raw))
    unit = match["unit"]
    if unit is not None and unit not in UNITS:
        raise BadLiteral("unit", unit, match.start("unit"), match.end("unit"))
    if unit is None and not match["fraction"] and not exponent:
        return int(digits), None
    if exponent and not math.isfinite(float(digits + exponent)):
        raise BadLiteral("size", raw, 0, len(raw))
    if unit is None:
        return float(digits + exponent), None
    factor, base = UNITS[unit]
    exact = Fraction(digits + exponent) * factor
    return (exact.numerator if exact.denominator == 1 else float(exact)), base


def read_text(raw: str) -> ReadText:
    """What a string or fence token says. Raises `BadLiteral` for an escape that does not exist."""
    quotes = len(raw) - len(raw.lstrip('"'))
    if quotes >= 3 and len(raw) > quotes:
        return _read_fence(raw, quotes)
    return _read_string(raw)


def quote(text: str) -> str:
    """`text` as a one-quote literal."""
    out = ['"']
    for char in text:
        if char in ('"', "\\"):
            out.append("\\" + char)
        elif char in "\n\t\r":
            out.append({"\n": "\\n", "\t": "\\t", "\r": "\\r"}[char])
        elif char.isprintable():
            out.append(char)
        else:
            out.append(f"\\u{{{ord(char):x}}}")
    out.append('"')
    return "".join(out)


def _read_string(raw: str) -> ReadText:
    out: list[str] = []
    offsets = [1]
    position, end = 1, len(raw) - 1
    while position < end:
        match = _ESCAPE.match(raw, position, end)
        assert match is not None, raw
        braced, plain, simple, literal = match.groups()
        if literal is not None:
            out.append(literal)
        elif simple is not None:
            if simple not in _SIMPLE_ESCAPES:
                raise BadLiteral("escape", match.group(), match.start(), match.end())
            out.append(_SIMPLE_ESCAPES[simple])
            if simple == "n":
                offsets.append(match.end())
        else:
            code = int(braced or plain, 16)
            if code > 0x10FFFF or 0xD800 <= code < 0xE000:
                raise BadLiteral("escape", match.group(), match.start(), match.end())
            out.append(chr(code))
            if code == 0x0A:
                offsets.append(match.end())
        position = match.end()
    return ReadText("".join(out), 1, tuple(offsets))


def _read_fence(raw: str, quotes: int) -> ReadText:
    """Drop the first newline and a blank last line, remove the common indentation, keep the rest as it is.

    Lines of white space only become empty. Text on the line of the opening quotes keeps its place when it is
    all there is, and otherwise loses its leading white space and does not count for the indentation.
    """
    content = raw[quotes : len(raw) - quotes]
    if "\n" not in content:
        return ReadText(content, quotes, (quotes,))
    lines: list[tuple[str, int]] = []
    position = quotes
    for line in content.split("\n"):
        lines.append((line.removesuffix("\r"), position))
        position += len(line) + 1
    first, first_offset = lines.pop(0)
    if lines and not lines[-1][0].strip():
        lines.pop()
    indents = [line[: len(line) - len(line.lstrip(" \t"))] for line, _ in lines if line.strip()]
    common = _common_prefix(indents)
    read = [("", offset) if not line.strip() else (line[len(common) :], offset + len(common)) for line, offset in lines]
    if first.strip():
        stripped = first.lstrip(" \t")
        read.insert(0, (stripped, first_offset + len(first) - len(stripped)))
    return ReadText("\n".join(line for line, _ in read), quotes, tuple(offset for _, offset in read) or (quotes,))


def _common_prefix(texts: list[str]) -> str:
    if not texts:
        return ""
    low, high = min(texts), max(texts)
    for index, char in enumerate(low):
        if index >= len(high) or high[index] != char:
            return low[:index]
    return low
