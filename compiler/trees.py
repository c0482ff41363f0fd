"""Concrete syntax trees: what the parser makes of a text, with the places where everything starts and ends."""

from __future__ import annotations

from collections.abc import Iterator


class Token(str):
    """One word, sign or text of a program; `type` is its terminal, places are in characters."""

    __slots__ = ("end_pos", "start_pos", "type")

    type: str
    start_pos: int
    end_pos: int

    @staticmethod
    def of(kind: str, text: str, start: int = 0, end: int = 0) -> Token:
        """A token of terminal `kind`."""
        token = Token(text)
        token.type, token.start_pos, token.end_pos = kind, start, end
        return token


class Tree:
    """What one rule of the grammar, `data`, was made from; without a place (-1) where it was made from nothing."""

    __slots__ = ("children", "data", "end_pos", "start_pos")

    def __init__(self, data: str, children: list[Tree | Token], start_pos: int = -1, end_pos: int = -1) -> None:
        self.data, self.children = data, children
        self.start_pos, self.end_pos = start_pos, end_pos

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Tree) and self.data == other.data and self.children == other.children

    def __hash__(self) -> int:
        return hash((self.data, tuple(self.children)))

    def __repr__(self) -> str:
        return f"Tree({self.data!r}, {self.children!r})"

    def pretty(self) -> str:
        """The tree for people, a node a line, children indented."""
        return "".join(self._lines(0))

    def _lines(self, level: int) -> Iterator[str]:
        only = self.children[0] if len(self.children) == 1 else None
        if isinstance(only, Token):
            yield f"{'  ' * level}{self.data}\t{only}\n"
            return
        yield f"{'  ' * level}{self.data}\n"
        for child in self.children:
            if isinstance(child, Tree):
                yield from child._lines(level + 1)
            else:
                yield f"{'  ' * (level + 1)}{child}\n"
