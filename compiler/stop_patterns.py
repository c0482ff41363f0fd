"""Regular expressions that end a sample: which are taken, and what they find.

    problem("(?<=[.!?])\\s")    # None: a sample ends behind its first sentence
    problem("a*")               # why it is not taken: it matches the empty text

A pattern is looked for after every token, in the text that there is then, in Python's dialect. The sample ends where
the first match begins: what it matched is not part of the text, as with a stop text, so that where tokens lie does not
matter. A look-behind, `(?<=…)`, keeps what comes before. A match is found if it begins among the last REACH characters.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

REACH = 256
MOST = 200  # characters of a pattern
_REPEATED_GROUP = re.compile(r"(?<!\\)\)(?:[*+]|\{\d*,\})")
_REPEAT = re.compile(r"(?<!\\)(?:[*+]|\{\d*,\})")


def problem(pattern: str) -> tuple[str, str] | None:
    """Why a pattern cannot end a sample, and what to do about it; None where it can."""
    if len(pattern) > MOST:
        return f"the pattern has {len(pattern)} characters, and {MOST} are the most", "write a shorter one, or several"
    try:
        compiled = re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        return f"the pattern is no regular expression: {error}", "write it in Python's dialect; `\\\\` is one backslash"
    if any((match := compiled.search(text)) and not match[0] for text in ("", "a", "a b.\n")):
        return "the pattern matches the empty text, so every sample would end at once", "write at least one character"
    if _nested(pattern):
        message = "the pattern repeats a group that repeats something itself, which may take for ever"
        return message, "leave out one of the two repetitions"
    return None


def shortened(text: str, patterns: Iterable[str]) -> str:
    """A whole text up to where the first match of a pattern begins."""
    found = [match.start() for pattern in patterns if (match := re.search(pattern, text))]
    return text[: min(found, default=len(text))]


def _nested(pattern: str) -> bool:
    """Whether a repeated group holds a repetition without a limit, as `(a+)+`."""
    plain = re.sub(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]", "_", pattern, flags=re.DOTALL)
    opened: list[int] = []
    for place, sign in enumerate(plain):
        if sign == "(":
            opened.append(place)
        elif sign == ")" and opened:
            start = opened.pop()
            if _REPEATED_GROUP.match(plain, place) and _REPEAT.search(plain, start + 1, place):
                return True
    return False
