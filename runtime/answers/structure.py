"""Finding programs and JSON in a model's text.

Both searches read the text once from the left and then try at most `TRIED` pieces from the last back, so that no
text, however adversarial, costs more than a few passes.
"""

from __future__ import annotations

import ast
import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import NoReturn

TRIED = 12

_FENCE = re.compile(r"^[ \t]{0,8}(`{3,}|~{3,})[ \t]{0,4}([^\s`~]{0,30})[^\n`]{0,100}$", re.M)
_INLINE_CLOSE = re.compile(r"^[ \t]{0,8}(`{3,}|~{3,})", re.M)
_TRAILING_COMMA = re.compile(r",(?=\s{0,200}[}\]])")
_COMMENT_OR_STRING = re.compile(r'"(?:[^"\\\n]|\\.)*+"?|//[^\n]*+')
_SYNONYMS = {"py": "python", "python3": "python", "js": "javascript", "sh": "bash", "shell": "bash", "ts": "typescript"}


def blocks(text: str) -> list[tuple[str, str]]:
    """Every closed fenced block as (language, content), in order; the language is lower case, "" where not said."""
    found: list[tuple[str, str]] = []
    position = 0
    while (opening := _FENCE.search(text, position)) is not None:
        fence = opening[1]
        closing = None
        for mark in _INLINE_CLOSE.finditer(text, opening.end()):
            if mark[1].startswith(fence):
                closing = mark
                break
        if closing is None:
            break
        content = text[opening.end() + 1 : closing.start()]
        language = opening[2].lower()
        found.append((_SYNONYMS.get(language, language), content.rstrip()))
        position = closing.end()
    return found


def find_code(text: str, language: str) -> str | None:
    """The last closed block in `language` (or in none) that parses; else the whole text if it is such a program."""
    language = _SYNONYMS.get(language.lower(), language.lower())
    found = blocks(text)
    tagged = [code for name, code in found if name == language]
    for code in [*reversed(tagged), *(code for name, code in reversed(found) if name != language)][:TRIED]:
        if code.strip() and (language != "python" or parse_python(code) is not None):
            return code
    if found:
        return None
    whole = text.strip("\n")
    if not whole.strip():
        return None
    if language == "python":
        tree = parse_python(whole)
        return whole.strip() if tree is not None and _does_something(tree) else None
    return whole


def parse_python(code: str) -> ast.Module | None:
    """The syntax tree of a program, or None where it has none."""
    if len(code) > 200_000:
        return None
    try:
        return ast.parse(code)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return None


def _does_something(tree: ast.Module) -> bool:
    """Whether a tree is a program; "hello" and "here is code" parse too, but call, bind and define nothing."""
    return any(not isinstance(s, ast.Expr) or any(isinstance(n, ast.Call) for n in ast.walk(s)) for s in tree.body)


def code_key(code: str, language: str) -> str:
    """The canonical form: for Python the syntax tree (layout and comments do not count), else the stripped lines."""
    if language.lower() in ("python", "py", "python3"):
        tree = parse_python(code)
        if tree is not None:
            with suppress(RecursionError):  # too deep to print: compare its text instead
                return hashlib.sha256(ast.dump(tree).encode("utf-8", "surrogatepass")).hexdigest()
    return "\n".join(line.rstrip() for line in code.strip().splitlines())


def json_values(text: str, opening: str) -> Iterator[object]:
    """Values of balanced `{…}` or `[…]` pieces that parse, from the last back, outer ones before what they hold."""
    yield from _values(text, opening)
    if "//" in text:  # quotes and braces inside comments hide where a value ends
        bare = without_comments(text[max(text.find(opening), 0) :])
        yield from _values(bare, opening)


def _values(text: str, opening: str) -> Iterator[object]:
    spans = _spans(text, opening, strings=True) or _spans(text, opening, strings=False)
    spans.sort(key=lambda span: (-span[1], span[0]))
    taken: int | None = None
    for start, end in spans[:TRIED]:
        if taken is not None and start >= taken:
            continue
        value = parse_json(text[start:end])
        if value is not None:
            taken = start
            yield value


def _spans(text: str, opening: str, *, strings: bool) -> list[tuple[int, int]]:
    """Balanced pieces in one pass. Quotes count only inside a piece, and only where `strings` says so."""
    closing = {"{": "}", "[": "]"}[opening]
    open_at: list[int] = []
    found: list[tuple[int, int]] = []
    quoted = False
    skip = False
    for position, char in enumerate(text):
        if skip:
            skip = False
        elif quoted:
            if char == "\\":
                skip = True
            elif char == '"':
                quoted = False
        elif char == '"' and open_at and strings:
            quoted = True
        elif char == opening:
            open_at.append(position)
        elif char == closing and open_at:
            found.append((open_at.pop(), position + 1))
    return found


def without_comments(text: str) -> str:
    """`text` without what follows a `//` outside double quotes, up to the end of its line."""
    kept: list[str] = []
    position = 0
    for match in _COMMENT_OR_STRING.finditer(text):
        if match[0].startswith("//"):
            kept.append(text[position : match.start()])
            position = match.end()
    return "".join([*kept, text[position:]])


def parse_json(text: str) -> object | None:
    """One JSON value, or None; forgives trailing commas, `//` comments, newlines in strings and Python's spelling."""
    attempts = [text, _TRAILING_COMMA.sub("", text)]
    if "//" in text:
        attempts.append(_TRAILING_COMMA.sub("", without_comments(text)))
    for attempt in attempts:
        try:
            value: object = json.loads(attempt, strict=False, parse_constant=_refuse)
            return value
        except (ValueError, RecursionError):
            continue
    if len(text) > 20_000:
        return None
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None
    return value if _is_json(value) else None


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _is_json(value: object) -> bool:
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_json(item) for key, item in value.items())
    if isinstance(value, list):
        return all(_is_json(item) for item in value)
    return value is None or isinstance(value, str | int | float | bool)
