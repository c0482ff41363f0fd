"""Where a formatted text puts each comment: before, behind or after an item of a list or block.

An item is anything that can have a line of its own: a declaration, a statement, a field, an argument, a list's
element, an arm, a stage of a chain. A comment behind an item on its line stays there. One on its own line goes
before the item that follows, or after the last one. Any other (between a name and its `=`, say) moves before the
smallest item around it. Each of these places is read back as itself, so formatting twice changes nothing.
"""

from __future__ import annotations

import dataclasses
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import field

from ttscale.compiler import ast, ast_expressions
from ttscale.compiler.docs import is_doc
from ttscale.compiler.frozen import dataclass
from ttscale.compiler.scan import Piece, scan
from ttscale.compiler.source import SourceFile, Span


@dataclass(frozen=True, slots=True)
class Item:
    """Something that can have a line of its own.

    Not quite so in a chain: its first value (`begins` False) stands behind other code, and what comes after its last
    stage (`ends` False) behind that.
    """

    key: int
    start: int
    end: int
    begins: bool = True
    ends: bool = True


@dataclass
class CommentPlaces:
    """Comments by item (its `id`): `before` it, `behind` it on its line, `after` it on lines of their own.

    A comment comes with whether an empty line stands before it. `top` comes before the edition's line (with an
    empty line between them if `edition_apart`), `edition` behind it; `alone` are the comments of a file without
    declarations. `trailing_docs` are the items whose documentation, or its last line, stands behind them; `blanks`
    those with an empty line before them.
    """

    before: dict[int, list[tuple[str, bool]]] = field(default_factory=dict)
    behind: dict[int, str] = field(default_factory=dict)
    after: dict[int, list[tuple[str, bool]]] = field(default_factory=dict)
    top: list[tuple[str, bool]] = field(default_factory=list)
    edition: str = ""
    edition_apart: bool = False
    alone: list[tuple[str, bool]] = field(default_factory=list)
    trailing_docs: set[int] = field(default_factory=set)
    blanks: set[int] = field(default_factory=set)


def place_comments(module: ast.Module, source: SourceFile) -> CommentPlaces:
    """Find a place for every comment of `module`, whose text is `source`."""
    return _Placing(module, source).run()


def items_of(module: ast.Module, source: SourceFile) -> Iterator[Item]:
    """All items of `module`, outer ones before those inside them."""
    ends = [piece.start for piece in scan(source.text) if piece.kind == "word" and _is_end(source.text, piece)]

    def end_item(values: tuple[ast_expressions.Expr, ...]) -> Item:
        first, last = values[0].span, values[-1].span
        index = bisect_left(ends, first.start)
        return Item(id(values[0]), ends[index - 1] if index else first.start, last.end)

    def walk(node: object) -> Iterator[Item]:
        match node:
            case ast.PipelineDecl():
                yield end_item((node.value,))
            case ast_expressions.Repeat():
                yield end_item(node.yields)
            case ast_expressions.MapLoop():
                yield end_item((node.yield_,))
            case ast_expressions.ListExpr():
                for element in node.items:
                    yield Item(id(element), element.span.start, element.span.end)
            case ast_expressions.Pipe():
                head, stages = chain(node)
                yield Item(id(head), head.span.start, head.span.end, begins=False)
                for stage in stages:
                    yield Item(id(stage), stage.span.start, stage.span.end, ends=stage is not stages[-1])
        for child in children(node):
            if isinstance(child, _ITEM_NODES) and not _shares_its_line(node, child):
                yield Item(id(child), child.span.start, child.span.end)
            yield from walk(child)

    yield from walk(module)


_ITEM_NODES = (
    ast.Use
    | ast.ModelDecl
    | ast.RecordDecl
    | ast.PromptDecl
    | ast.DatasetDecl
    | ast.MetricDecl
    | ast.PipelineDecl
    | ast.SearchDecl
    | ast.EvalDecl
    | ast.TestDecl
    | ast.BadDecl
    | ast.ImportName
    | ast_expressions.FieldDef
    | ast.MessagePart
    | ast_expressions.Arg
    | ast_expressions.MapEntry
    | ast.Param
    | ast.Require
    | ast.Budget
    | ast.Limit
    | ast_expressions.Binding
    | ast.Clause
    | ast.Given
    | ast.Expect
    | ast_expressions.Arm
)


def _shares_its_line(parent: object, child: object) -> bool:
    """Whether `child` never has a line of its own: the only text of a prompt, the budget of a clause."""
    return (isinstance(parent, ast.PromptDecl) and not parent.block and isinstance(child, ast.MessagePart)) or (
        isinstance(parent, ast.Clause) and isinstance(child, ast.Budget)
    )


def children(node: object) -> list[ast.Declaration | ast_expressions.Expr]:
    """The syntax nodes directly in `node`, in the order of the text."""
    found: list[ast.Declaration | ast_expressions.Expr] = []
    if dataclasses.is_dataclass(node):
        for member in dataclasses.fields(node):
            value = getattr(node, member.name)
            for child in value if isinstance(value, tuple) else (value,):
                if dataclasses.is_dataclass(child) and not isinstance(child, Span | ast.Comment | type):
                    found.append(child)  # type: ignore[arg-type]
    return sorted(found, key=lambda child: child.span.start)


def chain(node: ast_expressions.Pipe) -> tuple[ast_expressions.Expr, list[ast_expressions.Call]]:
    """The first value of `a |> f() |> g()` and its stages in order."""
    stages: list[ast_expressions.Call] = []
    left: ast_expressions.Expr = node
    while isinstance(left, ast_expressions.Pipe):
        stages.append(left.right)
        left = left.left
    return left, stages[::-1]


def _is_end(text: str, piece: Piece) -> bool:
    return text[piece.start : piece.end] in ("return", "yield")


class _Placing:
    """The search for places: the items and the scan of one file."""

    def __init__(self, module: ast.Module, source: SourceFile) -> None:
        self.module = module
        self.text = source.text
        self.pieces = list(scan(source.text))
        self.piece_starts = [piece.start for piece in self.pieces]
        self.plain = {comment.span.start: comment.text for comment in module.comments}
        self.code = [piece for piece in self.pieces if piece.kind != "comment"]
        self.code_starts = [piece.start for piece in self.code]
        self.items = list(items_of(module, source))
        self.starting: dict[int, Item] = {}
        self.ending: dict[int, Item] = {}
        for item in self.items:
            if item.begins:
                self.starting.setdefault(item.start, item)
            if item.ends:
                self.ending.setdefault(item.end, item)
        self.places = CommentPlaces()
        self.only_moved: set[int] = set()  # items whose comments before them all come from inside
        first = self.code[0] if self.code else None
        self.has_edition = module.edition is not None and first is not None
        if self.has_edition and first is not None:
            self.places.edition_apart = self._blank_before(first.start)

    def run(self) -> CommentPlaces:
        verbatim = [decl.span for decl in self.module.declarations if isinstance(decl, ast.BadDecl)]
        for piece in self.pieces:
            if piece.kind != "comment":
                continue
            if piece.start in self.plain:
                if not any(span.start <= piece.start < span.end for span in verbatim):
                    self._place(piece, self.plain[piece.start])
            elif is_doc(self.text[piece.start : piece.end]):
                item = self._item_behind(piece)
                if item is not None:
                    self.places.trailing_docs.add(item.key)
        blanks = self.places.blanks
        blanks.update(item.key for item in self.items if self._blank_before(self._first_doc(item.start)))
        for key, notes in self.places.before.items():
            # A `##` that moved before an item documents it from then on, and documentation stands last.
            notes.sort(key=lambda note: is_doc(note[0]))
            if key in blanks and key in self.only_moved:
                notes[0] = (notes[0][0], True)
                blanks.discard(key)
        return self.places

    def _place(self, piece: Piece, text: str) -> None:
        places = self.places
        item = self._item_behind(piece)
        if item is not None and item.key not in places.behind:
            places.behind[item.key] = text
            return
        noted = (text, self._blank_before(piece.start))
        index = bisect_left(self.code_starts, piece.start)
        if self.has_edition and index == 0:
            places.top.append(noted)
            return
        if self.has_edition and index <= 2 and self._same_line(piece, index):
            places.edition = text
            return
        follower = self._starting_at(index)
        if follower is not None:
            places.before.setdefault(follower.key, []).append(noted)
            self.only_moved.discard(follower.key)
            return
        last = self._ended_before(index)
        closes = index == len(self.code) or self.code[index].kind == "close"
        if last is not None and closes:
            places.after.setdefault(last.key, []).append(noted)
            return
        around = self._smallest_around(piece.start)
        if around is not None:
            if around.key not in places.before:
                self.only_moved.add(around.key)
            places.before.setdefault(around.key, []).append((text, False))
        else:
            places.alone.append(noted)

    def _same_line(self, piece: Piece, index: int) -> bool:
        return "\n" not in self.text[self.code[index - 1].end : piece.start]

    def _item_behind(self, piece: Piece) -> Item | None:
        """The outermost item that ends right before `piece` on its line, a comma between them allowed."""
        index = bisect_left(self.code_starts, piece.start)
        if index == 0 or not self._same_line(piece, index):
            return None
        return self._ended_before(index)

    def _ended_before(self, index: int) -> Item | None:
        """The outermost item that ends with the code before `self.code[index]`."""
        index -= 1
        if index > 0 and self.text[self.code[index].start] == ",":
            index -= 1
        return self.ending.get(self.code[index].end) if index >= 0 else None

    def _starting_at(self, index: int) -> Item | None:
        """The outermost item that starts with `self.code[index]`, or behind it if that is the `|>` of a stage."""
        if index >= len(self.code):
            return None
        found = self.starting.get(self.code[index].start)
        if found is None and self.text.startswith("|>", self.code[index].start) and index + 2 < len(self.code):
            found = self.starting.get(self.code[index + 2].start)
        return found

    def _smallest_around(self, offset: int) -> Item | None:
        around = [item for item in self.items if item.start <= offset < item.end and item.begins]
        return min(around, key=lambda item: item.end - item.start, default=None)

    def _first_doc(self, start: int) -> int:
        """Where the documentation in front of `start` begins, or `start` if there is none."""
        index = bisect_left(self.piece_starts, start) - 1
        first = start
        while index >= 0 and self.pieces[index].kind == "comment" and self._alone_on_line(self.pieces[index]):
            if self.pieces[index].start not in self.plain:
                first = self.pieces[index].start
            index -= 1
        return first

    def _alone_on_line(self, piece: Piece) -> bool:
        return not self.text[self.text.rfind("\n", 0, piece.start) + 1 : piece.start].strip()

    def _blank_before(self, offset: int) -> bool:
        """Whether an empty line stands right before `offset`."""
        breaks = 0
        while offset > 0 and self.text[offset - 1] in " \t\r\n\f\ufeff":
            offset -= 1
            breaks += self.text[offset] == "\n"
        return breaks >= 2
