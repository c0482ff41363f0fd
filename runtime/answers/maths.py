"""Reading mathematical answers: our own normalisation of LaTeX first, symbolic equality second.

Most pairs are settled by the normal form alone (`\\frac12`, `1/2` and `0.5` have one key). Where two normal forms
differ and neither is a plain number, `math-verify` (the extra `math`) decides. Without it such answers count as
different and `MathEqualityMissing` is warned once. math-verify limits its own time with SIGALRM, which only a main
thread may use, so off the main thread it runs without; expressions that could run away (towers of powers, big
factorials, great length) are therefore never given to it.
"""

from __future__ import annotations

import re
import threading
import warnings
from functools import lru_cache

from ttscale.runtime.answers.markers import balanced, last_line, tails
from ttscale.runtime.answers.numbers import find_number, number_key, parse_number

LENGTH = 300
"""Longer expressions are compared by their normal form only."""

_DOLLARS = re.compile(r"\$([^$\n]{1,400})\$")
_INLINE = re.compile(r"\\\(([^\n]{1,400}?)\\\)")
_WORDS = re.compile(r"\\(?:text|textbf|mathrm|mathbf|operatorname|mbox)[ ]?\{")
_DROPPED = re.compile(
    r"\\(?:left|right|displaystyle|limits|bigl|bigr|big|Bigl|Bigr|Big|quad|qquad)(?![A-Za-z])|\\[!,;: ]|~"
)
_DEGREES = re.compile(r"\^\{?\\circ\}?|\\degree(?![A-Za-z])|°")
_ASSIGNED = re.compile(r"^[A-Za-z](?:\([A-Za-z]\))?=(?=[^=])")
_PLAIN_FRACTION = re.compile(r"(?<![\w.}])([0-9]{1,30})/([0-9]{1,30})(?![\w.{])")
_BARE_FRACTION = re.compile(r"\\frac(?:\{([^{}]{1,40})\}|([0-9A-Za-z]))(?:\{([^{}]{1,40})\}|([0-9A-Za-z]))")
_UNITS = re.compile(
    r"(?<=[0-9}])(?:\\(?:text|mathrm)\{[^{}]{0,40}\}"
    r"|[ ]?(?:square |cubic )?(?:units?|degrees?|cm|mm|km|meters?|inches|feet|hours?|minutes?|dollars?|cents?)\.?)$"
)
_RUNAWAY = re.compile(r"\^[^+\-*/=,]{0,20}\^|[0-9]{2,}!|!!|\^\{?-?[0-9]{4,}|[0-9]{40,}")


class MathEqualityMissing(UserWarning):
    """Answers were compared by their text only, because math-verify is not installed."""


def find_math(text: str) -> str | None:
    """The expression that a text ends with: the last mark's, else the last formula, a short last line, or number."""
    for tail in tails(text):
        content = tail.text
        if tail.kind != "box":
            content = _formula(content)
            if tail.kind == "hash" and parse_number(content) is None and len(content.split()) > 2:
                continue
        content = content.strip().rstrip(".").strip()
        if content and normal_form(content):
            return content
    line = last_line(text)
    if 0 < len(line) <= 120 and (len(line.split()) <= 3 or "\n" not in text.strip()) and _looks_like_math(line):
        return _formula(line).rstrip(".").strip() or None
    found = [*_DOLLARS.finditer(text[-20_000:]), *_INLINE.finditer(text[-20_000:])]
    if found:
        last = max(found, key=lambda m: m.start())[1].strip()
        if last and normal_form(last):
            return last.rpartition("=")[2].strip() or last
    number = find_number(text)
    return None if number is None else number_key(number)


def _looks_like_math(line: str) -> bool:
    if parse_number(line) is not None or "\\" in line or "$" in line:
        return True
    return not re.search(r"[A-Za-z]{2,} [A-Za-z]{2,}", line) and bool(re.search(r"[0-9=^+*/()\[\]]|^\w$", line))


def _formula(piece: str) -> str:
    """The formula of a tail: what stands between its last dollars or `\\( \\)`, else the tail without markup."""
    piece = piece.replace("**", "").strip()
    for pattern in (_DOLLARS, _INLINE):
        found = list(pattern.finditer(piece))
        if found:
            return found[-1][1].strip()
    return piece.strip("`$ ").removeprefix("\\(").removeprefix("\\[").removesuffix("\\]").removesuffix("\\)").strip()


@lru_cache(maxsize=16_384)
def normal_form(expression: str) -> str:
    """The canonical spelling of an expression: number keys for numbers, LaTeX without layout for the rest."""
    number = parse_number(expression)
    if number is not None:
        return number_key(number)
    text = expression.strip().strip("$").strip()
    text = _without_wrapping(text).replace("\\dfrac", "\\frac").replace("\\tfrac", "\\frac")
    text = _DEGREES.sub("", _DROPPED.sub("", text)).replace("\\%", "").replace("\\$", "").replace("{,}", ",")
    text = _UNITS.sub("", text.strip().rstrip(".").strip())
    words = _unworded(text)
    if re.fullmatch(r"[A-Za-z][A-Za-z ]+", words):
        return " ".join(words.casefold().split())
    text = words.replace("\\cdot", "*").replace("\\times", "*").replace("\\le ", "\\leq ").replace("\\ge ", "\\geq ")
    text = "".join(text.split())
    text = _ASSIGNED.sub("", text)
    text = re.sub(r"\\sqrt([0-9A-Za-z])", r"\\sqrt{\1}", text)
    text = re.sub(r"([\^_])([0-9A-Za-z])(?![0-9A-Za-z{}])", r"\1{\2}", text)
    text = _BARE_FRACTION.sub(lambda m: f"\\frac{{{m[1] or m[2]}}}{{{m[3] or m[4]}}}", text)
    text = _PLAIN_FRACTION.sub(r"\\frac{\1}{\2}", text)
    number = parse_number(text)
    return text if number is None else number_key(number)


def _without_wrapping(text: str) -> str:
    for opening, closing in (("\\(", "\\)"), ("\\[", "\\]")):
        if text.startswith(opening) and text.endswith(closing) and len(text) >= 4:
            return text[2:-2].strip()
    for command in ("\\boxed{", "\\fbox{"):
        if text.startswith(command):
            return balanced(text, len(command)) or text
    return text


def _unworded(text: str) -> str:
    """`text` with `\\text{…}` and its kin replaced by what they hold."""
    pieces: list[str] = []
    position = 0
    for match in _WORDS.finditer(text):
        if match.start() < position:
            continue
        content = balanced(text, match.end())
        if content is not None:
            pieces += [text[position : match.start()], content]
            position = match.end() + len(content) + 1
    return "".join([*pieces, text[position:]]).strip()


def same_math(a: str, b: str) -> bool:
    """Whether two normal forms mean the same: equal texts, or equal by math-verify where that is installed."""
    if a == b:
        return True
    if _is_settled(a) and _is_settled(b):
        return False
    return _verified(a, b)


def _is_settled(key: str) -> bool:
    """Whether a key is a plain number or word, of which no other spelling exists."""
    return parse_number(key) is not None or re.fullmatch(r"[a-z][a-z ]+", key) is not None


@lru_cache(maxsize=65_536)
def _verified(a: str, b: str) -> bool:
    if max(len(a), len(b)) > LENGTH or _RUNAWAY.search(a) or _RUNAWAY.search(b):
        return False
    try:
        import math_verify  # type: ignore[import-untyped]
    except ImportError:
        warnings.warn(
            "math-verify is not installed, so mathematical answers are compared by their text; "
            "pip install 'ttscale[math]'",
            MathEqualityMissing,
            stacklevel=4,
        )
        return False
    limit = 5 if threading.current_thread() is threading.main_thread() else None
    try:
        first, second = (math_verify.parse(f"${x}$", parsing_timeout=limit) for x in (a, b))
        return bool(first and second and math_verify.verify(first, second, timeout_seconds=limit))
    except Exception:  # a symbolic library met with a model's text: whatever it raises means "cannot tell"
        return False
