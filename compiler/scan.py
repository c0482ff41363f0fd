"""A flat scan of a text into brackets, words, quoted texts and comments, right or wrong.

The scan never fails. It finds the comments of a file (the grammar ignores them), says which quotes and brackets
are never closed, and tells where a broken file can be cut into declarations.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Literal, NamedTuple

from ttscale.compiler.frozen import dataclass

TokenKind = Literal[
    "comment", "fence", "open_fence", "string", "open_string", "open", "close", "word", "number", "other"
]

CLOSER = {"(": ")", "[": "]", "{": "}"}

_TOKEN = re.compile(
    r"""
      (?P<comment>\#[^\n]*)
    | (?P<fence>(?P<quotes>"{3,})(?!")[\s\S]*?(?<!")(?P=quotes)(?!"))
    | (?P<open_fence>"{3,})
    | (?P<string>"(?!"")(?:\\.|[^"\\\n])*")
    | (?P<open_string>"(?:\\.|[^"\\\n])*)
    | (?P<open>[(\[{])
    | (?P<close>[)\]}])
    | (?P<word>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<number>[0-9][0-9A-Za-z_]*)
    | (?P<space>[ \t\r\n\f\ufeff]+)
    | (?P<other>[\s\S])
    """,
    re.VERBOSE,
)

# A keyword in column 0 and a name or what else follows it: where a declaration begins, outside of texts.
_HEADER = re.compile(
    r"""^(?:
      (?P<named>model|dataset|record|prompt|metric|pipeline|search)[ \t]+(?P<name>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<other>eval[ \t]+[A-Za-z_]|test[ \t]*["']|use[ \t]+\S)
    | (?P<foreign>import[ \t]+\S|from[ \t]+\S+[ \t]+import\b|(?:def|fn|func|function)[ \t]+\w+[ \t]*\(
      |(?:async[ \t]+def|class|struct|let|const|var)[ \t]+\w
      |//|/\*|(?:model|pipeline|dataset)[ \t]*:
      |test[ \t]+\w+[ \t]*\{|[a-z]+[ \t]+\w+[ \t]*\([^()\n]*\)[ \t]*->
      |(?!given|fix|with)[a-z]+[ \t]+\w+[ \t]*=[ \t]*\w+\()
    )""",
    re.VERBOSE | re.MULTILINE,
)

# The same with the shape of its whole header, which the prose of a text hardly ever has ("use the form", "test this"):
# where a text that is never closed is taken to end.
_WHOLE_HEADER = re.compile(
    r"""^(?:
      (?:model|dataset)[ \t]+[A-Za-z_][A-Za-z0-9_]*[ \t]*=
    | record[ \t]+[A-Za-z_][A-Za-z0-9_]*[ \t]*\{
    | (?:prompt|metric|pipeline)[ \t]+[A-Za-z_][A-Za-z0-9_]*[ \t]*\(
    | search[ \t]+[A-Za-z_][A-Za-z0-9_]*[ \t]+over\b
    | eval[ \t]+[A-Za-z_][A-Za-z0-9_.]*(?:[ \t]*,[ \t]*[A-Za-z_][A-Za-z0-9_.]*)*[ \t]+on\b
    | test[ \t]+"
    | use[ \t]+(?:python[ \t]*\(|(?:\.{1,2}/)*[A-Za-z0-9_][A-Za-z0-9_./\-]*(?:@\S+)?[ \t]*(?:$|\r|\#|\{|as\b))
    )""",
    re.VERBOSE | re.MULTILINE,
)


class Piece(NamedTuple):
    """One token of the scan, at characters `start` up to `end` of the text."""

    kind: TokenKind
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Header:
    """The keyword and, where it has one, the name of a declaration whose text is `start` up to `end`."""

    keyword: str
    name: str | None
    start: int
    end: int


def scan(text: str, start: int = 0, end: int | None = None) -> Iterator[Piece]:
    """All pieces of `text[start:end]` except white space, in order."""
    if start == 0 and (end is None or end >= len(text)):
        return iter(_scan_whole(text))
    return _scan(text, start, len(text) if end is None else end)


@lru_cache(maxsize=4)
def _scan_whole(text: str) -> tuple[Piece, ...]:
    """All pieces of a text. Parsing, splitting and finding documentation all ask for those of the same file."""
    return tuple(_scan(text, 0, len(text)))


def _scan(text: str, start: int, end: int) -> Iterator[Piece]:
    for match in _TOKEN.finditer(text, start, end):
        kind = match.lastgroup
        if kind is not None and kind != "space":
            yield Piece(kind, match.start(), match.end())  # type: ignore[arg-type]


def split_declarations(text: str) -> list[Header]:
    """Where the declarations of a broken `text` are: from one header in column 0 up to the next.

    Headers inside a closed fence do not count, unless an earlier fence was left open: a fence that is not closed
    before the next header ends there. Text before the first header is a declaration with the keyword "".
    """
    hidden = _hidden_spans(text)
    headers: list[Header] = []
    position = 0
    for match in _HEADER.finditer(text):
        while position < len(hidden) and hidden[position][1] <= match.start():
            position += 1
        if position < len(hidden) and hidden[position][0] < match.start():
            continue
        if match["foreign"] and headers and _is_inside(text, headers[-1].start, match.start()):
            continue
        keyword = match["named"] or (match["other"] or "")[:4].rstrip()
        headers.append(Header(keyword, match["name"], match.start(), len(text)))
    starts = [header.start for header in headers] + [len(text)]
    whole = [Header(h.keyword, h.name, h.start, starts[i + 1]) for i, h in enumerate(headers)]
    if starts[0] > 0:
        whole.insert(0, Header("", None, 0, starts[0]))
    return whole


def _is_inside(text: str, start: int, end: int) -> bool:
    """Whether a bracket that opens behind `start` is still open at `end`."""
    depth = 0
    for piece in scan(text, start):
        if piece.start >= end:
            break
        depth += (piece.kind == "open") - (piece.kind == "close")
    return depth > 0


def _hidden_spans(text: str) -> list[tuple[int, int]]:
    """Where texts of several lines are, in order; one that is never closed ends at the next whole header."""
    spans: list[tuple[int, int]] = []
    position = 0
    while position < len(text):
        for piece in scan(text, position):
            end = piece.end
            if piece.kind == "fence":
                end = _fence_cut(text, piece) or end
            elif piece.kind == "open_fence":
                header = _WHOLE_HEADER.search(text, piece.end)
                end = header.start() if header is not None else len(text)
            else:
                continue
            spans.append((piece.start, end))
            if end != piece.end:
                position = end
                break
        else:
            break
    return spans


def _fence_cut(text: str, fence: Piece) -> int | None:
    """Where a fence that took the opening quotes of a later text for its end should have ended, or None.

    Such a fence closes right behind something that wants a text (`= \"\"\"`, `user \"\"\"`), with more behind it.
    """
    quotes = re.match(r'"+', text[fence.start : fence.end])
    count = len(quotes.group()) if quotes else 3
    before = text[fence.start + count : fence.end - count].rstrip(" \t")
    line = before[before.rfind("\n") + 1 :]
    opens_text = re.search(r"(?:->[^\n]*=|^\s*(?:system|user|assistant))$", line) is not None
    if not opens_text:
        return None
    header = _WHOLE_HEADER.search(text, fence.start + count, fence.end)
    return header.start() if header else None
