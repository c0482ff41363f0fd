"""The Pygments lexer of `.tts` files, under the alias `tts` wherever ttscale is installed beside Pygments.

Only Pygments imports this module, through the entry point `pygments.lexers`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import ClassVar

from pygments.lexer import RegexLexer
from pygments.token import Comment, Keyword, Name, Number, Operator, Punctuation, String, Whitespace, _TokenType
from ttscale.grammar import patterns as p

Found = tuple[int, _TokenType, str]

_HOLE = re.compile(r"(\{\{-?)(.*?)(-?\}\})|(\{%-?)(.*?)(-?%\})|(\{#.*?#\})|(\\.)", re.DOTALL)
_INNER = re.compile(
    rf"(?P<word>{p.JINJA_WORD})|(?P<name>{p.NAME})|(?P<number>[0-9]+(?:\.[0-9]+)?)"
    r"|(?P<text>\"[^\"]*\"|'[^']*')|(?P<space>\s+)|(?P<other>.)",
    re.DOTALL,
)
_KINDS = {
    "word": Keyword,
    "name": Name.Variable,
    "number": Number,
    "text": String,
    "space": Whitespace,
    "other": Operator,
}


def _inside(start: int, code: str) -> Iterator[Found]:
    """The tokens of an expression or statement between Jinja's braces."""
    for match in _INNER.finditer(code):
        yield start + match.start(), _KINDS[match.lastgroup or "other"], match.group()


def _template(start: int, text: str, kind: _TokenType) -> Iterator[Found]:
    """The tokens of a text that may be a template; `kind` is that of its plain parts."""
    done = 0
    for match in _HOLE.finditer(text):
        if match.start() > done:
            yield start + done, kind, text[done : match.start()]
        done = match.end()
        if match.group(7) or match.group(8):
            yield start + match.start(), Comment if match.group(7) else String.Escape, match.group()
            continue
        group = 1 if match.group(1) else 4
        yield start + match.start(group), String.Interpol, match.group(group)
        yield from _inside(start + match.start(group + 1), match.group(group + 1))
        yield start + match.start(group + 2), String.Interpol, match.group(group + 2)
    if done < len(text):
        yield start + done, kind, text[done:]


def _quoted(_lexer: RegexLexer, match: re.Match[str], _context: object = None) -> Iterator[Found]:
    """A text in one quote."""
    yield from _template(match.start(), match.group(), String.Double)


def _fenced(_lexer: RegexLexer, match: re.Match[str], _context: object = None) -> Iterator[Found]:
    """A text in three quotes or more; backslashes mean nothing there."""
    quotes = match.group(1)
    yield match.start(), String.Delimiter, quotes
    inner = match.group()[len(quotes) : -len(quotes)]
    for place, kind, text in _template(match.start() + len(quotes), inner, String.Heredoc):
        yield place, String.Heredoc if kind is String.Escape else kind, text
    yield match.end() - len(quotes), String.Delimiter, quotes


def _groups(*kinds: _TokenType) -> Callable[..., Iterator[Found]]:
    """One token for each group of the pattern that matched something."""

    def found(_lexer: RegexLexer, match: re.Match[str], _context: object = None) -> Iterator[Found]:
        for group, kind in enumerate(kinds, 1):
            if match.group(group):
                yield match.start(group), kind, match.group(group)

    return found


class TtsLexer(RegexLexer):
    """Colours inference programs written in the language of ttscale."""

    name = "ttscale"
    aliases: ClassVar[list[str]] = ["tts", "ttscale"]
    filenames: ClassVar[list[str]] = ["*.tts"]
    mimetypes: ClassVar[list[str]] = ["text/x-tts"]
    flags = re.MULTILINE

    tokens: ClassVar[dict[str, list[object]]] = {
        "root": [
            # These begin at the beginning of a line, so they come before what takes its blanks.
            (p.EDITION, Keyword.Namespace),
            (p.USE, Keyword.Namespace),
            (rf"({p.DECLARATION})([ \t]+)({p.NAME})", _groups(Keyword.Declaration, Whitespace, Name.Function)),
            (p.DECLARATION, Keyword.Declaration),
            (p.DOC_COMMENT, String.Doc),
            (p.COMMENT, Comment.Single),
            (r'("{3,})(?!")[\s\S]*?(?<!")\1(?!")', _fenced),
            (r'"(?!"")(?:\\.|[^"\\\n])*"', _quoted),
            (r'"{3,}|"[^"\n]*', String),
            (p.USE_PATH, Name.Namespace),
            (p.VERSION, Number),
            (r"\n|[ \t\r\f\ufeff]+", Whitespace),
            (rf"(?:{'|'.join(p.ARGUMENT_WORDS)})(?=[ \t]*:)", Name.Attribute),
            (p.words(p.CONSTANTS), Keyword.Constant),
            (p.words(p.WORD_OPERATORS), Operator.Word),
            (p.words(p.PLAIN_RESERVED), Keyword),
            *((pattern, Keyword) for pattern in (*p.CONTEXTUAL.values(), p.METRIC_CLAUSE)),
            (p.ARGUMENT, Name.Attribute),
            (p.TYPE, Name.Class),
            (rf"{p.NAME}(?=\()", Name.Function),
            (p.NAME, Name),
            (rf"({p.NUMBER})({p.NAME})?", _groups(Number, Keyword.Type)),
            (p.OPERATOR, Operator),
            (p.PUNCTUATION, Punctuation),
        ]
    }
