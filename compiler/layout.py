"""Fitting a text into lines: groups that stand on one line if they fit, and break into several if not.

The documents of Wadler's pretty printer, with two additions: comments at the end of a line, which break every
group around them and are aligned with those of neighbouring lines, and text that only a broken group shows.
"""

from __future__ import annotations

from collections.abc import Iterable

from ttscale.compiler.frozen import dataclass

WIDTH = 100
INDENT = 2


@dataclass(frozen=True, slots=True)
class Line:
    """A line break in a broken group, `flat` in one that fits; with `hard` a break in any case."""

    flat: str = " "
    hard: bool = False


@dataclass(frozen=True, slots=True)
class Trailing:
    """A comment that ends its line."""

    text: str


@dataclass(frozen=True, slots=True)
class IfBroken:
    """Text that is there only if the group around it is broken."""

    text: str


@dataclass(frozen=True, slots=True)
class Concat:
    """Documents one behind the other."""

    parts: tuple[Doc, ...]
    forced: bool


@dataclass(frozen=True, slots=True)
class Indent:
    """A document whose line breaks indent one level further."""

    body: Doc
    forced: bool


@dataclass(frozen=True, slots=True)
class Group:
    """A document that stands on one line if it fits there and holds no hard break or comment (`forced`)."""

    body: Doc
    forced: bool


Doc = str | Line | Trailing | IfBroken | Concat | Indent | Group

HARD = Line("", True)
SOFT = Line("")
SPACE = Line(" ")


def is_forced(doc: Doc) -> bool:
    """Whether `doc` cannot stand on one line."""
    if isinstance(doc, Concat | Indent | Group):
        return doc.forced
    return isinstance(doc, Trailing) or (isinstance(doc, Line) and doc.hard)


def concat(*parts: Doc) -> Doc:
    """`parts` one behind the other."""
    return Concat(parts, any(is_forced(part) for part in parts))


def indent(*parts: Doc) -> Doc:
    """`parts` one level further in."""
    body = concat(*parts)
    return Indent(body, is_forced(body))


def group(*parts: Doc) -> Doc:
    """`parts` on one line if they fit."""
    body = concat(*parts)
    return Group(body, is_forced(body))


def join(separator: Doc, docs: Iterable[Doc]) -> Doc:
    """`docs` with `separator` between them."""
    parts: list[Doc] = []
    for doc in docs:
        if parts:
            parts.append(separator)
        parts.append(doc)
    return concat(*parts)


@dataclass(slots=True)
class _OutputLine:
    """A line being written: `text` with its indentation, and the comment that ends it."""

    text: str = ""
    comment: str = ""


def render_lines(doc: Doc) -> list[str]:
    """The lines of `doc`, broken where they would be longer than `WIDTH`, comments aligned."""
    lines = [_OutputLine()]
    pending = 0  # indentation not written yet, so that empty lines stay empty
    stack: list[tuple[int, bool, Doc]] = [(0, True, doc)]
    while stack:
        depth, broken, item = stack.pop()
        match item:
            case str():
                if item:
                    if not lines[-1].text:
                        lines[-1].text = " " * pending
                    lines[-1].text += item
            case Line():
                if broken or item.hard:
                    lines.append(_OutputLine())
                    pending = depth
                else:
                    stack.append((depth, broken, item.flat))
            case Trailing():
                _end_with(lines, item.text, pending)
            case IfBroken():
                if broken:
                    stack.append((depth, broken, item.text))
            case Concat():
                stack.extend((depth, broken, part) for part in reversed(item.parts))
            case Indent():
                stack.append((depth + INDENT, broken, item.body))
            case Group():
                used = len(lines[-1].text) if lines[-1].text else pending
                stack.append((depth, item.forced or not _fits(WIDTH - used, item.body, stack), item.body))
    return _align(lines)


def _end_with(lines: list[_OutputLine], comment: str, pending: int) -> None:
    """Put `comment` behind the current line; a second comment for it gets a line of its own."""
    if not lines[-1].comment:
        lines[-1].comment = comment
    else:
        lines.append(_OutputLine(" " * pending + comment))


def _fits(room: int, body: Doc, rest: list[tuple[int, bool, Doc]]) -> bool:
    """Whether `body` on one line, and what follows it up to where a line may next break, fits in `room`."""
    index = len(rest)
    stack: list[tuple[bool, Doc]] = [(False, body)]
    while room >= 0:
        if not stack:
            if index == 0:
                return True
            index -= 1
            _, broken, item = rest[index]
            stack.append((broken, item))
        broken, doc = stack.pop()
        match doc:
            case str():
                room -= len(doc)
            case Line():
                if broken or doc.hard:
                    return True
                room -= len(doc.flat)
            case IfBroken():
                room -= len(doc.text) if broken else 0
            case Concat():
                stack.extend((broken, part) for part in reversed(doc.parts))
            case Indent() | Group():
                stack.append((broken, doc.body))
            case Trailing():
                pass
    return False


def _align(lines: list[_OutputLine]) -> list[str]:
    """The finished lines; comments on neighbouring lines of one indentation begin in one column."""
    out: list[str] = []
    start = 0
    while start < len(lines):
        end = start
        while end < len(lines) and lines[end].comment and _margin(lines[end]) == _margin(lines[start]):
            end += 1
        if end == start:
            out.append(lines[start].text)
            start += 1
            continue
        column = max(len(line.text) for line in lines[start:end]) + 2
        out.extend(f"{line.text:<{column}}{line.comment}" for line in lines[start:end])
        start = end
    return out


def _margin(line: _OutputLine) -> int:
    return len(line.text) - len(line.text.lstrip(" "))
