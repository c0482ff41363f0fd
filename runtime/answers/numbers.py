"""Reading numbers the way people and models write them, exactly.

A number becomes a `Fraction`, so that 42, 42.0, "42." and 84/2 are one value. Its key is the integer's digits, or
12 significant digits of anything else: 1/3 and 0.3333333333333333 vote together, 0.33 does not. A percent sign,
currency and units are dropped ("50%" is 50), `3/4`, `1 1/2`, `1,234.5`, `2e3`, `2 x 10^3` and "2 million" are read.
"""

from __future__ import annotations

import re
from decimal import Context, Decimal
from fractions import Fraction

from ttscale.runtime.answers.markers import Tail, last_line, tails

DIGITS = 400
"""Longer numbers are noise, and Python refuses to print integers far beyond this."""

_SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_NUMBER = re.compile(
    r"""
    (?:(?<![\w)\]}.])(?P<sign>[-+]))?
    (?<!\w)(?<!\w\.)
    (?:(?P<whole>[0-9]{1,9})[ ](?=[0-9]{1,9}[ ]?/[ ]?[0-9]))?
    (?P<body>(?:[0-9]{1,3}(?:,[0-9]{3})++(?![0-9])|[0-9]++)(?:\.[0-9]++)?|\.[0-9]++)
    (?P<exp>[eE][-+]?[0-9]{1,3}(?!\w))?
    (?:[ ]?/[ ]?(?P<den>[0-9]++(?:\.[0-9]++)?)(?![ ]?/))?
    (?:[ ]?(?:×|x|\*|·|\\times|\\cdot)[ ]?10[ ]?(?:\^|\*\*)[ ]?\{?(?P<power>-?[0-9]{1,3})(?![0-9])\}?)?
    (?:[ ]?(?P<scale>thousand|million|billion|trillion)(?![a-z]))?
    """,
    re.X | re.I,
)
_PLAIN = str.maketrans(
    {
        "−": "-",
        "–": "-",
        "﹣": "-",
        "\u00a0": " ",
        "\u202f": " ",
        "½": " 1/2",
        "¼": " 1/4",
        "¾": " 3/4",
        "⁄": "/",
        **{chr(0xFF10 + d): str(d) for d in range(10)},
    }
)
_FRACTION = re.compile(r"\\[dt]?frac ?\{ ?(-?[0-9.]{1,40}) ?\} ?\{ ?([0-9.]{1,40}) ?\}")
_SHORT_FRACTION = re.compile(r"\\[dt]?frac ?([0-9]) ?([0-9])(?![0-9])")
_CURRENCY = re.compile(r"(?:\\?\$|[€£¥₹])")
_OPERATION = re.compile(r"[ ]{0,2}(?:[+*×÷=]|\\times|\\div|-[ ]?[0-9(]|/[ ]?[0-9(]|x[ ]?[0-9])")
_CONTEXT = Context(prec=12)


def clean(text: str) -> str:
    """`text` with markup that hides numbers taken away: LaTeX spacing and fractions, currency, bold marks."""
    text = text.translate(_PLAIN).replace("**", " ").replace("{,}", ",")
    if "\\" in text:
        text = text.replace("\\!", "").replace("\\,", "").replace("\\;", "").replace("\\%", "%")
        text = re.sub(r"(?<=[0-9])\\([dt]?)frac", r" \\\1frac", text)
        text = _SHORT_FRACTION.sub(r"\1/\2", _FRACTION.sub(r"\1/\2", text))
    text = re.sub(r"-[ ]?(?:\\?\$|[€£¥₹])(?=[0-9.])", "-", text)
    return _CURRENCY.sub(" ", text)


def value_of(match: re.Match[str]) -> Fraction | None:
    """The exact value of one match of the number pattern; None for what is too long or divides by zero."""
    body, den = match["body"], match["den"]
    if len(body) > DIGITS or (den is not None and len(den) > DIGITS):
        return None
    value = Fraction(body.replace(",", ""))
    if match["exp"]:
        value *= Fraction(10) ** int(match["exp"][1:])
    if den is not None:
        divisor = Fraction(den)
        if divisor == 0:
            return None
        value /= divisor
    if match["whole"]:
        value += int(match["whole"])
    if match["power"]:
        value *= Fraction(10) ** int(match["power"])
    if match["scale"]:
        value *= _SCALES[match["scale"].lower()]
    return -value if match["sign"] == "-" else value


def numbers_in(text: str) -> list[Fraction]:
    """Every number in `text`, in order."""
    found = (value_of(m) for m in _NUMBER.finditer(clean(text)))
    return [value for value in found if value is not None]


def parse_number(text: str) -> Fraction | None:
    """The number that the whole of `text` spells (a trailing dot, %, currency and brackets aside), or None."""
    piece = clean(text).strip().rstrip("%").strip().removesuffix(".").strip()
    match = _NUMBER.fullmatch(piece)
    return value_of(match) if match else None


def in_tail(tail: Tail) -> Fraction | None:
    """The number that a marked tail gives.

    A tail that begins with a number gives that one, unless a sum follows, whose last `=` counts. Otherwise the last
    number of the tail ("Answer: for 5 days it is 35"). A bare `####` may be a heading, so its tail must begin with one.
    """
    text = clean(tail.text).strip(" \t*_`([{:=<")
    start = _NUMBER.match(text)
    if start is None and tail.kind == "hash":
        return None
    if start is not None and not _OPERATION.match(text, start.end()):
        return value_of(start)
    after = text.rpartition("=")[2] if "=" in text else ""
    for piece, pick in ((after, 0), (text, 0 if start is not None else -1)):
        found = [v for v in (value_of(m) for m in _NUMBER.finditer(piece)) if v is not None]
        if found:
            return found[pick]
    return None


def find_number(text: str) -> Fraction | None:
    """The final number of a model's text: behind its last mark that has one, else in its last line, else its last."""
    for tail in tails(text):
        value = in_tail(tail)
        if value is not None:
            return value
    for piece in (last_line(text), text):
        found = numbers_in(piece)
        if found:
            return found[-1]
    return None


def number_key(value: Fraction) -> str:
    """The canonical form: an integer's digits, or 12 significant digits."""
    if value.denominator == 1:
        return str(value.numerator)
    rounded = _CONTEXT.divide(Decimal(value.numerator), Decimal(value.denominator))
    if rounded == rounded.to_integral_value():
        return str(int(rounded))
    return str(rounded.normalize())


def plain_value(value: Fraction) -> int | float | None:
    """An int where the value is whole, else a float; None where a float cannot hold it."""
    if value.denominator == 1:
        return value.numerator
    try:
        return float(value)
    except OverflowError:
        return None


def fraction_of(value: int | float) -> Fraction | None:
    """The exact value of a Python number as it prints; None for infinities and NaN."""
    if isinstance(value, int):
        return Fraction(value) if value.bit_length() < 4 * DIGITS else None
    if value != value or value in (float("inf"), float("-inf")):
        return None
    return Fraction(repr(value))
