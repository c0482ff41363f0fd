"""Which `##` comment documents which declaration, field, parameter or binding."""

from __future__ import annotations

from collections.abc import Sequence

from ttscale.compiler.ast import Comment
from ttscale.compiler.scan import Piece, scan
from ttscale.compiler.source import SourceFile, Span


def is_doc(text: str) -> bool:
    """Whether a comment is a documentation comment: two `#` and not three, which make a ruler or a heading."""
    return text.startswith("##") and not text.startswith("###")


def doc_line(text: str) -> str:
    """What one `##` comment says: without the marks, one space after them, and trailing white space."""
    return text[2:].removeprefix(" ").rstrip()


class DocComments:
    """The comments of a file, handed out to what they document; the rest stay comments.

    A `##` behind code on its line belongs to what ends there. One on a line of its own, or right behind an
    opening bracket, belongs to what begins next, if only white space and comments stand between.
    """

    def __init__(self, source: SourceFile) -> None:
        self._text = source.text
        self._file = source.name
        self._comments: list[Piece] = []
        self._before: dict[int, list[Piece]] = {}
        self._behind: dict[int, Piece] = {}
        self._taken: set[int] = set()
        self._sort(list(scan(source.text)))

    def _sort(self, pieces: Sequence[Piece]) -> None:
        run: list[Piece] = []
        previous: Piece | None = None
        before_previous: Piece | None = None
        for piece in pieces:
            if piece.kind != "comment":
                if run:
                    self._before[piece.start] = run
                    run = []
                before_previous, previous = previous, piece
                continue
            self._comments.append(piece)
            if not is_doc(self._text[piece.start : piece.end]):
                continue
            same_line = previous is not None and "\n" not in self._text[previous.end : piece.start]
            if not same_line or previous is None or previous.kind == "open":
                run.append(piece)
            elif self._text[previous.start : previous.end] == "," and before_previous is not None:
                self._behind[before_previous.end] = piece
            else:
                self._behind[previous.end] = piece

    def doc(self, start: int, end: int) -> str:
        """The documentation of what stands at `start` up to `end`; its comments are then taken."""
        pieces = list(self._before.get(start, ()))
        behind = self._behind.get(end)
        if behind is not None:
            pieces.append(behind)
        fresh = [piece for piece in pieces if piece.start not in self._taken]
        lines = [doc_line(self._text[piece.start : piece.end]) for piece in fresh]
        if not any(lines):
            return ""  # empty `##` lines document nothing and stay comments
        self._taken.update(piece.start for piece in fresh)
        return "\n".join(lines)

    def rest(self) -> tuple[Comment, ...]:
        """The comments that document nothing, in order."""
        return tuple(
            Comment(self._text[piece.start : piece.end].rstrip(), Span(self._file, piece.start, piece.end))
            for piece in self._comments
            if piece.start not in self._taken
        )
