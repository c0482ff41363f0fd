"""Syntax errors of single characters and of brackets and quotes: strays, and what is opened and never closed."""

from __future__ import annotations

import re
import unicodedata

from ttscale.compiler.diagnostics import Diagnostic, Label
from ttscale.compiler.scan import CLOSER, Piece, scan
from ttscale.compiler.source import SourceFile, Span
from ttscale.compiler.syntax_context import Mistake
from ttscale.compiler.syntax_hints import SIGNS


def explain_scan(source: SourceFile, start: int, end: int) -> Diagnostic | None:
    """The diagnostic for the first text between `start` and `end` that is opened and never closed."""
    for piece in scan(source.text, start, end):
        if piece.kind == "open_fence":
            return _open_fence(source, piece, end)
        if piece.kind == "open_string":
            return _open_string(source, piece)
    return None


def _open_fence(source: SourceFile, piece: Piece, end: int) -> Diagnostic:
    quotes = source.text[piece.start : piece.end]
    labels: tuple[Label, ...] = ()
    for match in re.finditer('"{3,}', source.text[piece.end : end]):
        if len(match.group()) != len(quotes):
            place = Span(source.name, piece.end + match.start(), piece.end + match.end())
            labels = (Label(place, f"{len(match.group())} quotes do not close {len(quotes)}"),)
            break
    return Diagnostic(
        "E0102",
        "this text is never closed",
        Span(source.name, piece.start, piece.end),
        label=f"opened here with {len(quotes)} quotes",
        labels=labels,
        hint=f"close it with {quotes} on a line of its own",
    )


def _open_string(source: SourceFile, piece: Piece) -> Diagnostic:
    text = source.text[piece.start : piece.end]
    typographic = re.search("[“”„]", text)
    hint = 'close it with `"` on the same line; a text of several lines stands between `"""` and `"""`'
    if typographic is not None:
        hint = f'replace the typographic quote `{typographic.group()}` by `"`'
    return Diagnostic(
        "E0103",
        "this text is never closed",
        Span(source.name, piece.start, piece.end),
        label="no closing quote on this line",
        hint=hint,
    )


def foreign_sign(mistake: Mistake, file: str) -> Diagnostic | None:
    """Signs of other languages: `//`, `&&`, `;`, `'`, typographic quotes."""
    start = mistake.start
    if mistake.value in ("/", "*", "**") and mistake.previous() == "/" and mistake.before[-1].end == start:
        start -= 1  # behind a value the first `/` is read as a division
    rest = mistake.text[start : start + 2]
    comment = rest in ("//", "/*", "--") and mistake.first_on_line(mistake.start)
    if rest in ("//", "/*") or comment:
        return mistake.diagnostic(
            "E0127",
            "comments begin with `#`",
            at=(start, start + 2),
            label="this is not a comment here",
            hint="write `# ...`, or `## ...` for documentation of what follows",
            file=file,
        )
    if rest[:1] == "-" and mistake.type == "MINUS":
        return None
    for sign in (rest, rest[:1]):
        if sign in SIGNS and (mistake.type in ("BAD_CHAR", "VBAR", "EQUAL", "QMARK") or len(sign) == 2):
            code, message, hint = SIGNS[sign]
            place = (mistake.start, mistake.start + len(sign))
            return mistake.diagnostic(code, message, at=place, label=mistake.expected_briefly(), hint=hint, file=file)
    return None


def stray_character(mistake: Mistake, file: str) -> Diagnostic | None:
    """A character that no token begins with."""
    if mistake.type != "BAD_CHAR":
        return None
    char = mistake.value
    name = unicodedata.name(char, "").lower()
    shown = f"`{char}`" if char.isprintable() and not char.isspace() else "a character that cannot be seen"
    about = f" (U+{ord(char):04X}{', ' + name if name else ''})" if not char.isascii() or not char.isprintable() else ""
    hint = ""
    if char.isalpha():
        hint = "names are made of the letters a to z, digits and `_`; other letters belong in quotes"
    elif char.isspace():
        hint = "replace it by a space"
    return mistake.diagnostic(
        "E0107", f"{shown}{about} has no place here", label=mistake.expected_briefly(), hint=hint, file=file
    )


def wrong_closer(mistake: Mistake, file: str) -> Diagnostic | None:
    """A closing bracket whose opener is not the innermost open one."""
    if mistake.value not in (")", "]", "}"):
        return None
    opener = {close: open_ for open_, close in CLOSER.items()}[mistake.value]
    if mistake.innermost == opener:
        return None
    if any(mistake.piece_text(piece) == opener for piece in mistake.open):
        return _unclosed(mistake, mistake.open[-1], file, f"`{mistake.value}` comes first")
    if mistake.innermost in ("(", "["):
        opened = mistake.open[-1]
        return mistake.diagnostic(
            "E0105",
            f"`{mistake.value}` does not close `{mistake.innermost}`",
            label=f"expected `{CLOSER[mistake.innermost]}`",
            labels=(Label(Span(file, opened.start, opened.end), "opened here"),),
            hint=f"replace `{mistake.value}` by `{CLOSER[mistake.innermost]}`",
            file=file,
        )
    return mistake.diagnostic(
        "E0105",
        f"`{mistake.value}` closes nothing",
        label=f"no `{opener}` is open here",
        hint=f"remove it, or add the `{opener}` that it should close",
        file=file,
    )


def _unclosed(mistake: Mistake, opener: Piece, file: str, why: str) -> Diagnostic:
    bracket = mistake.piece_text(opener)
    return mistake.diagnostic(
        "E0104",
        f"`{bracket}` is never closed",
        at=(opener.start, opener.end),
        label="opened here",
        labels=(Label(Span(file, mistake.start, max(mistake.end, mistake.start + 1)), why),),
        hint=f"add the missing `{CLOSER[bracket]}`",
        file=file,
    )


def unclosed_at_end(mistake: Mistake, file: str) -> Diagnostic | None:
    """The declaration ends, or another statement begins, inside brackets."""
    if not mistake.open:
        return None
    opener = mistake.open[-1]
    if mistake.type == "$END":
        return _unclosed(mistake, opener, file, f"{mistake.found} comes first")
    bracket = mistake.piece_text(opener)
    if bracket == "{" or not mistake.first_on_line(mistake.start):
        return None
    statement = mistake.value in ("return", "yield", "param", "require", "budget") or (
        mistake.type == "NAME" and mistake.following() == "=" and mistake.following(2) != "="
    )
    if statement and "\n" in mistake.text[opener.end : mistake.start]:
        return _unclosed(mistake, opener, file, f"expected `{CLOSER[bracket]}` before this")
    return None


def bracket_on_new_line(mistake: Mistake, file: str) -> Diagnostic | None:
    """A bracket that would continue a value, on the next line."""
    if mistake.type not in ("LPAR_NL", "LSQB_NL") or mistake.type.removesuffix("_NL") not in mistake.accepts:
        return None
    previous = mistake.before[-1]
    return mistake.diagnostic(
        "E0133",
        f"`{mistake.value}` begins a line and so does not belong to `{mistake.previous()}`",
        label="continues nothing",
        labels=(Label(Span(file, previous.start, previous.end), "the line before ends here"),),
        hint=f"write `{mistake.previous()}{mistake.value}` on one line",
        file=file,
    )
