"""Reading numbers the way people and models write them, exactly.

A number becomes a `Fraction`, so that 42, 42.0, "42." and 84/2 are one value. Its key is the integer's digits, or
12 significant digits of anything else: 1/3 and 0.3333333333333333 vote together, 0.33 does not. A percent sign,
currency and units are dropped ("50%" is 50), `3/4`, `1 1/2`, `1,234.5`, `2e3`, `2 x 10^3` and "2 million" are read.
"""

from __future__ import annotations

import re
from decimal import Context, Decimal
from fractions import Fraction
from typing import Literal

from ttscale.runtime.answers.markers import TRIED, Tail, last_line, tails

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
_POWER = re.compile(r"(?<=[0-9)])(?:\*\*| \*\* )(?=[0-9])")
_SUM = re.compile(
    r"(?<=[\w)}\]%°])[ ]{0,3}(?:[+*×÷·^/-]|\\times|\\div|\\cdot|x(?![a-z]))[ ]{0,3}[-(\[{]{0,3}[ ]?[.0-9]", re.I
)
_EQUALS = re.compile(r"=>|[=≈→]|\\approx|(?<![a-z])(?:equals|is equal to|which is)(?![a-z])", re.I)
_BREAK = re.compile(
    r"[;]|,(?![0-9]{3})|:(?=\s)|[.!?](?=\s|$)|(?<![-+*/×÷·^=x][ ])(?<=[ ])\("
    r"|(?<![a-z])(?:because|since|as|so|from|where|not|instead of|rather than)(?![a-z])",
    re.I,
)
_ASIDE = re.compile(r"[ ]\([^()]{0,200}\)|,?[ ](?:because|since|not|instead of|rather than)(?![a-z]).{0,600}", re.I)
_WORDS_APART = re.compile(r"(?<=[0-9A-Za-z])[ ]\([^()0-9=]{0,200}\)")
_HEDGE = re.compile(
    r"(?:(?:about|approximately|approx\.?|around|roughly|nearly|almost|exactly|only|a total of|it is|it's|≈|~)[ ]?)"
    r"{1,3}(?=[-+.0-9])",
    re.I,
)
_CONTEXT = Context(prec=12)


def clean(text: str) -> str:
    """`text` with markup that hides numbers taken away: LaTeX spacing and fractions, currency, bold marks."""
    text = _POWER.sub("^", text.translate(_PLAIN)).replace("**", " ").replace("{,}", ",")
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
    return _values(clean(text))


def parse_number(text: str) -> Fraction | None:
    """The number that the whole of `text` spells (a trailing dot, %, currency and brackets aside), or None."""
    piece = clean(text).strip().rstrip("%").strip().removesuffix(".").strip()
    match = _NUMBER.fullmatch(piece)
    return value_of(match) if match else None


def in_tail(tail: Tail) -> Fraction | Literal["sum"] | None:
    """The number that a marked tail gives; "sum" where it leaves one to be worked out ("3 + 5").

    A tail that begins with a number gives that one; one that begins with an equation, the side it settles on ("15 = 5
    * 3", "2 boxes * 9 = 18"). Of two numbers with a dash between, the first ("10-12"). Otherwise the last number of
    the tail ("Answer: for 5 days it is 35"). A bare `####` may be a heading, so its tail must begin with one.
    """
    text = _WORDS_APART.sub("", clean(tail.text)).strip(" \t*_`([{:=<")
    text = text[hedge.end() :] if (hedge := _HEDGE.match(text)) is not None else text
    start = _NUMBER.match(text)
    if start is None:
        return None if tail.kind == "hash" else _in_prose(text)
    stop = _BREAK.search(text, start.end())
    head = text[: stop.start()] if stop is not None else text
    if not _is_sum(head) and not _EQUALS.search(head):
        return value_of(start)
    found = _in_equation(text) if _EQUALS.search(text) else None
    return "sum" if found is None else found


def _in_prose(text: str) -> Fraction | Literal["sum"] | None:
    """The number of a tail that begins with words."""
    if _EQUALS.search(text):
        found = _in_equation(text)
        return found if found is not None or not _values(text) else "sum"
    without = _ASIDE.sub("", text)
    text = without if _values(without) else text
    flat = _NUMBER.sub("0", text)
    end = max((match.end() for match in _SUM.finditer(flat)), default=0)
    if _is_sum(text) and not re.search("[0-9]", flat[end:]):
        return "sum"
    values = _values(text)
    return values[-1] if values else None


def _in_equation(text: str) -> Fraction | None:
    """The side that an equation settles on: the last that begins with a number and is no sum, else holds only one."""
    sides = _EQUALS.split(text)[-TRIED:]
    last = len(sides) - 1
    pieces = [_clause(side, 0 if index == last else -1) for index, side in enumerate(sides)]
    plain = [piece for piece in reversed(pieces) if not _is_sum(piece)]
    for piece in plain:
        match = _NUMBER.match(piece)
        if match is not None and (value := value_of(match)) is not None:
            return value
    return next((values[0] for values in map(_values, plain) if len(values) == 1), None)


def _clause(side: str, which: int) -> str:
    """The first (0) or last (-1) clause of a side of an equation that has a number."""
    clauses = [piece for piece in _BREAK.split(side) if _NUMBER.search(piece)]
    return clauses[which].strip(" \t*_`([{:<>~") if clauses else ""


def _is_sum(text: str) -> bool:
    """Whether `text` has an operation to work out. One dash between numbers may be a range ("10-12") and is none."""
    found = [match[0].lstrip()[0] for match in _SUM.finditer(_NUMBER.sub("0", text))]
    return bool(found) and found != ["-"]


def _values(text: str) -> list[Fraction]:
    found = (value_of(m) for m in _NUMBER.finditer(text))
    return [value for value in found if value is not None]


def find_number(text: str) -> Fraction | None:
    """The final number of a model's text: behind its last mark that has one, else in its last line, else its last.

    None where the last mark leaves a sum to be worked out: any of its numbers would be a guess. Behind a phrase
    ("the answer is 3 + 5") what follows on later lines may still say it.
    """
    for tail in tails(text):
        value = in_tail(tail)
        if value == "sum":
            if tail.kind != "phrase":
                return None
            text = text[tail.start :].partition(tail.text)[2]
            break
        if value is not None:
            return value
    line = clean(last_line(text))
    if _EQUALS.search(line) and _is_sum(_EQUALS.split(line)[-1]):  # "so 18 = 9 * 2"
        found_left = _in_equation(line)
        if found_left is not None:
            return found_left
    for piece in (line, clean(text)):
        found = _values(piece)
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
