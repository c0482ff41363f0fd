"""Game of 24: whether an expression uses the four given numbers, each once, and makes 24; in exact fractions.

check("(13 - 9) * (10 - 4) = 24", [4, 9, 10, 13])      # ""
check("4 * 6", [4, 6, 1, 1])                           # "it uses 4 6, not 1 1 4 6"
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from ttscale.runtime.metrics.errors import MetricError, short
from ttscale.runtime.metrics.grading import Grade

TARGET = 24
_DEEPEST = 50
_TOKEN = re.compile(r"\s*(?:([0-9]{1,9}(?![0-9.]))|([-+*/()]))")
_SPELT = str.maketrans({"×": "*", "·": "*", "⋅": "*", "÷": "/", "−": "-", "–": "-", "[": "(", "]": ")"})
_LATEX = (
    (re.compile(r"\\(?:times|cdot)\b"), "*"),
    (re.compile(r"\\div\b"), "/"),
    (re.compile(r"\\(?:left|right)\b"), ""),
    (re.compile(r"\\d?frac\{([^{}]*)\}\{([^{}]*)\}"), r"((\1)/(\2))"),
)
_EXPRESSION = re.compile(r"[0-9(\[][0-9()\[\]\s+*/×·⋅÷−–-]*[0-9)\]]")
_MARK = re.compile(r"answer\s*(?:is)?\s*[:=]?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Game24:
    """The metric: 1 for a right expression. The row has `numbers`, or `Puzzles` as published ("4 9 10 13")."""

    target: int = TARGET
    name: str = field(default="game24")

    def score(self, answer: object, gold: object, row: Mapping[str, object]) -> Grade:
        """The grade of one expression. Raises MetricError where the row names no numbers."""
        numbers = numbers_of(row)
        if answer is None:
            return Grade(0.0, "no expression")
        expression = find_expression(str(answer))
        wrong = "there is no expression" if expression is None else check(expression, numbers, self.target)
        return Grade(0.0 if wrong else 1.0, wrong)


def numbers_of(row: Mapping[str, object]) -> list[int]:
    """The numbers of a row's puzzle. Raises MetricError."""
    given = next(
        (row[name] for name in ("numbers", "Puzzles", "puzzle", "question") if row.get(name) is not None), None
    )
    words = given.replace(",", " ").split() if isinstance(given, str) else given
    if isinstance(words, list | tuple) and words and all(re.fullmatch("[0-9]{1,9}", str(word)) for word in words):
        return [int(str(word)) for word in words]
    raise MetricError(f"the row names no numbers: {short(given)}", hint='give it `numbers`, such as "4 9 10 13"')


def find_expression(text: str) -> str | None:
    """The expression that a text ends with: behind its last mark ("Answer:"), else in its last line that has one."""
    for pattern, instead in _LATEX:
        text = pattern.sub(instead, text)
    marks = list(_MARK.finditer(text))
    tails = [text[marks[-1].end() :].strip().partition("\n")[0]] if marks else []
    for line in (*tails, *reversed(text.splitlines())):
        # What is left of the last "=" is the expression, unless nothing was computed there.
        found = [m[0] for m in _EXPRESSION.finditer(line) if re.search(r"[-+*/×·⋅÷−–]", m[0])]
        if found:
            return max(found, key=len)
    return None


def check(expression: str, numbers: Sequence[int], target: int = TARGET) -> str:
    """What is wrong with an expression of `+ - * / ( )` and whole numbers; "" where it is right.

    An "= 24" at its end is allowed. Every number is used exactly once, in any order; the value is computed in exact
    fractions.
    """
    body, equals, end = expression.translate(_SPELT).partition("=")
    if equals and end.strip() != str(target):
        return f"it says that it makes {end.strip() or 'nothing'}"
    try:
        value, used = _Parser(body).whole()
    except ValueError as error:
        return f"it cannot be read: {error}"
    except ZeroDivisionError:
        return "it divides by zero"
    if sorted(used) != sorted(numbers):
        return f"it uses {_shown(used)}, not {_shown(numbers)}"
    return "" if value == target else f"it makes {value}"


def _shown(numbers: Sequence[int]) -> str:
    return " ".join(map(str, sorted(numbers)))


class _Parser:
    """Recursive descent: sum of products of signed atoms; raises ValueError and ZeroDivisionError."""

    def __init__(self, text: str) -> None:
        self._tokens: list[str] = []
        self._place = 0
        self._depth = 0
        self._used: list[int] = []
        place, end = 0, len(text.rstrip())
        while place < end:
            match = _TOKEN.match(text, place)
            if match is None:
                raise ValueError(f"{text[place:end].strip()[:20]!r} does not belong")
            self._tokens.append(match[1] or match[2])
            place = match.end()

    def whole(self) -> tuple[Fraction, list[int]]:
        value = self._sum()
        if self._place < len(self._tokens):
            raise ValueError(f"{self._tokens[self._place]!r} is too much")
        return value, self._used

    def _next(self) -> str:
        return self._tokens[self._place] if self._place < len(self._tokens) else ""

    def _sum(self) -> Fraction:
        value = self._product()
        while (sign := self._next()) in ("+", "-") and sign:
            self._place += 1
            other = self._product()
            value = value + other if sign == "+" else value - other
        return value

    def _product(self) -> Fraction:
        value = self._atom()
        while (sign := self._next()) in ("*", "/") and sign:
            self._place += 1
            other = self._atom()
            value = value * other if sign == "*" else value / other
        return value

    def _atom(self) -> Fraction:
        token = self._next()
        self._place += 1
        self._depth += 1
        if self._depth > _DEEPEST:
            raise ValueError("it is nested too deeply")
        try:
            if token == "(":
                value = self._sum()
                if self._next() != ")":
                    raise ValueError("a bracket is not closed")
                self._place += 1
                return value
            if token == "-":
                return -self._atom()
            if not token.isdigit():
                raise ValueError(f"{token!r} where a number is wanted" if token else "it ends too early")
        finally:
            self._depth -= 1
        self._used.append(int(token))
        return Fraction(int(token))
