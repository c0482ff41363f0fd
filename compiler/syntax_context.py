"""What the parser knew when it could not go on: the token, what it would have taken, the brackets around."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

from ttscale.compiler.diagnostics import Diagnostic, Label
from ttscale.compiler.frozen import dataclass
from ttscale.compiler.parser import Unexpected
from ttscale.compiler.scan import CLOSER, Piece, scan
from ttscale.compiler.source import SourceFile, Span
from ttscale.grammar import DECLARATIONS, KEYWORDS, RESERVED

PUNCTUATION = {
    "EQUAL": "=",
    "COLON": ":",
    "COMMA": ",",
    "DOT": ".",
    "QMARK": "?",
    "VBAR": "|",
    "LBRACE": "{",
    "RBRACE": "}",
    "LPAR": "(",
    "RPAR": ")",
    "LSQB": "[",
    "RSQB": "]",
    "ARROW": "->",
    "FAT_ARROW": "=>",
    "PIPE": "|>",
    "RANGE": "..",
    "LE": "<=",
}
"""The terminals that are one fixed sign."""

OPERATORS = {"PLUS", "MINUS", "STAR", "SLASH", "PERCENT", "COMPARE", "LE", "AND", "OR", "PIPE", "DOT", "WHEN"}
"""What continues a value; together they are "an operator" in a message."""

VALUE_STARTS = {"NUMBER", "TRUE", "FALSE", "NONE", "LBRACE", "REPEAT", "MAP"}
"""What only a place for a value accepts all of."""

_PAIRS = {"==", "!=", "<=", ">=", "=>", "->", "|>", ".."}
_WORDS = {word.upper(): word for word in KEYWORDS}


@dataclass(frozen=True)
class Mistake:
    """A token that the parser could not take.

    `type` is its terminal ("$END" at the end of the declaration), `start` and `end` its place in the file.
    `accepts` are the terminals that would have done. `part_start` is where the declaration's text begins.
    `places` are where the parser was (`parser_tables.place_of`), the innermost first.
    """

    type: str
    value: str
    start: int
    end: int
    accepts: frozenset[str]
    text: str
    part_start: int
    places: tuple[str, ...] = ()

    @staticmethod
    def of(error: Unexpected, source: SourceFile, start: int, end: int) -> Mistake:
        """The mistake that `error` reports about characters `start` up to `end` of `source`."""
        token = error.token
        accepts, places = error.accepts, error.places
        if token.type == "$END":
            stop = start + len(source.text[start:end].rstrip())
            return Mistake("$END", "", stop, stop, accepts, source.text, start, places)
        return Mistake(
            token.type,
            str(token),
            start + token.start_pos,
            start + token.end_pos,
            accepts,
            source.text,
            start,
            places,
        )

    @property
    def place(self) -> str:
        """The innermost place, or ""."""
        return self.places[0] if self.places else ""

    @property
    def complete_before(self) -> bool:
        """Whether whole declarations stand before the token, and it begins a line."""
        return "$END" in self.accepts and self.start > self.part_start and self.text[self.start - 1] == "\n"

    # --- surroundings ----------------------------------------------------------------------------

    @cached_property
    def before(self) -> list[Piece]:
        """The declaration's code before the token."""
        pieces = scan(self.text, self.part_start, self.start)
        return [piece for piece in pieces if piece.kind != "comment"]

    @cached_property
    def after(self) -> list[Piece]:
        """A few pieces of code behind the token."""
        stop = min(len(self.text), self.end + 200)
        return [piece for piece in scan(self.text, self.end, stop) if piece.kind != "comment"][:4]

    @cached_property
    def open(self) -> list[Piece]:
        """The brackets open at the token, outermost first."""
        stack: list[Piece] = []
        for piece in self.before:
            if piece.kind == "open":
                stack.append(piece)
            elif piece.kind == "close" and stack and CLOSER[self.piece_text(stack[-1])] == self.piece_text(piece):
                stack.pop()
        return stack

    @property
    def innermost(self) -> str:
        """The innermost open bracket, or ""."""
        return self.piece_text(self.open[-1]) if self.open else ""

    def piece_text(self, piece: Piece) -> str:
        """What stands at `piece`."""
        return self.text[piece.start : piece.end]

    def previous(self, back: int = 1) -> str:
        """The piece `back` places before the token, or ""."""
        return self.piece_text(self.before[-back]) if len(self.before) >= back else ""

    def previous_sign(self) -> str:
        """What stands before the token, a sign of two characters as one."""
        pair = self.previous(2) + self.previous()
        adjacent = len(self.before) > 1 and self.before[-2].end == self.before[-1].start
        return pair if adjacent and pair in _PAIRS else self.previous()

    def following(self, ahead: int = 1) -> str:
        """The piece `ahead` places behind the token, or ""."""
        return self.piece_text(self.after[ahead - 1]) if len(self.after) >= ahead else ""

    def first_on_line(self, offset: int) -> bool:
        """Whether only white space stands before `offset` on its line."""
        return not self.text[self.text.rfind("\n", 0, offset) + 1 : offset].strip()

    @property
    def wants_value(self) -> bool:
        """Whether any value could have stood here."""
        return self.accepts >= VALUE_STARTS

    @property
    def found(self) -> str:
        """The token in the user's words."""
        if self.type == "$END":
            return "the end of the file" if self.end >= len(self.text.rstrip()) else "the end of the declaration"
        if self.type in ("STRING", "FENCE"):
            return "a text"
        shown = self.value if len(self.value) <= 30 else self.value[:29] + "…"
        return f"`{shown}`"

    def expected(self) -> str:
        """What could have stood here, in the user's words."""
        return one_of(describe(self.accepts))

    def expected_briefly(self) -> str:
        """The first few of what could have stood here, as a label."""
        choices = describe(self.accepts)
        return f"expected {one_of(choices)}" if len(choices) <= 4 else f"expected {', '.join(choices[:4])}, …"

    def diagnostic(
        self,
        code: str,
        message: str,
        *,
        at: tuple[int, int] | None = None,
        label: str = "",
        labels: tuple[Label, ...] = (),
        hint: str = "",
        file: str,
    ) -> Diagnostic:
        """A diagnostic at the token, or at the place `at`."""
        start, end = at if at is not None else (self.start, self.end)
        return Diagnostic(code, message, Span(file, start, end), label=label, labels=labels, hint=hint)


def describe(accepts: Iterable[str]) -> list[str]:
    """Terminals in the user's words, the most telling first."""
    left = set(accepts) - {"LPAR_NL", "LSQB_NL", "BAD_CHAR"}
    out: list[str] = []
    for members, besides, idea in _GROUPS:
        if left >= members:
            left -= members | besides
            out.append(idea)
    signs = [f"`{sign}`" for name, sign in PUNCTUATION.items() if name in left]
    words = [f"`{_WORDS[name]}`" for name in sorted(left) if name in _WORDS]
    return [*out, *signs, *words, *(text for name, text in _OTHERS.items() if name in left)]


_ALL_DECLARATIONS = frozenset(word.upper() for word in DECLARATIONS)
_GROUPS: tuple[tuple[frozenset[str] | set[str], frozenset[str] | set[str], str], ...] = (
    (
        _ALL_DECLARATIONS,
        {"$END", "TTS"},
        "a declaration (" + " ".join(f"`{word}`" for word in DECLARATIONS) + ")",
    ),
    (
        VALUE_STARTS,
        {"NAME", "STRING", "FENCE", "LPAR", "LSQB", "MINUS", "MATCH", "NOT", "UP_TO", "UNTIL", "BUDGET"},
        "a value",
    ),
    ({"PLUS", "STAR", "COMPARE", "AND", "PIPE"}, OPERATORS | {"LPAR", "LSQB"}, "an operator"),
    ({"RETURN", "YIELD", "NAME"}, {"PARAM", "REQUIRE", "BUDGET"}, "a statement"),
    ({"STRING", "FENCE"}, set(), "a text"),
    ({"NAME"}, set(), "a name"),
)
"""Terminals that stand together for one idea, and those that go without saying beside them."""

_OTHERS = {
    "NUMBER": "a number",
    "STRING": "a text",
    "FENCE": "a text in fences",
    "USE_PATH": "a module",
    "VERSION": "`@` and a version",
    "UP_TO": "`up to`",
    "COMPARE": "a comparison",
    "MINUS": "`-`",
    "PLUS": "`+`",
    "STAR": "`*`",
    "SLASH": "`/`",
    "PERCENT": "`%`",
    "$END": "the end of the file",
}


def one_of(choices: list[str]) -> str:
    """`a, b or c`; a long list is cut."""
    if not choices:
        return "something else"
    shown = choices if len(choices) <= 9 else choices[:8]
    if len(shown) < len(choices):
        return ", ".join(shown) + " and others"
    return shown[0] if len(shown) == 1 else ", ".join(shown[:-1]) + " or " + shown[-1]


def is_reserved(word: str) -> bool:
    """Whether `word` can never be a name."""
    return word in RESERVED
