"""What is said about a `keep` or `top` that is larger than its pool.

Codes:
    E0214  a stage keeps more answers than it can receive: between literals, at the defaults, or always
    W0214  a stage keeps more answers than it receives, for some assignments
"""

from __future__ import annotations

from ttscale.compiler import ast_expressions
from ttscale.compiler.diagnostics import Diagnostic, Label
from ttscale.compiler.expansion import Oversize

LISTED = 6
"""How many assignments a warning lists."""


def certain(note: Oversize, when: str = "") -> Diagnostic:
    """The error for a stage that keeps more than it gets."""
    least = f"{note.pool} {'answer' if note.pool == 1 else 'answers'}"
    return Diagnostic(
        "E0214",
        f"`{note.op}` {note.verb} more answers than it receives{' ' + when if when else ''}",
        note.span,
        label=f"{note.verb} {note.amount} of at most {least}",
        labels=source_labels(note, ""),
        hint=f"write `{note.argument}: {note.pool}` or less, or make more candidates before",
    )


def source_labels(note: Oversize, when: str) -> tuple[Label, ...]:
    """The place where the pool is made, with its size."""
    if note.made is None or note.made == note.span:
        return ()
    amount = note.makes or str(note.pool)
    known = f" ({note.pool}{' when ' + when if when else ''})" if amount != str(note.pool) else ""
    return (Label(note.made, f"makes {amount} {'answer' if amount == '1' else 'answers'}{known}"),)


def names_in(text: str) -> frozenset[str]:
    """The words of an expression's text."""
    words: set[str] = set()
    word = ""
    for char in text + " ":
        if char.isalnum() or char == "_":
            word += char
        else:
            words.add(word)
            word = ""
    return frozenset(words - {""})


def is_literal(note: Oversize) -> bool:
    """Whether the number kept and the number made are both written as literals."""
    return isinstance(note.wanted, ast_expressions.LiteralValue | ast_expressions.Quantity) and all(
        part.isdigit() or part == "x" for part in names_in(note.makes)
    )


def sometimes(note: Oversize, assignments: list[str], first: tuple[str, str], require: str) -> Diagnostic:
    """The warning for a stage that keeps more than it gets in the `assignments` listed.

    `first` says what the kept and the made number depend on in the first of them.
    """
    kept, made = first
    shown = assignments[:LISTED]
    more = f" and {len(assignments) - LISTED} more" if len(assignments) > LISTED else ""
    return Diagnostic(
        "W0214",
        f"`{note.op}` may {note.verb.removesuffix('s')} more answers than it receives",
        note.span,
        "warning",
        label=f"{note.verb} {note.amount}{f' when {kept}' if kept else ''}",
        labels=(*source_labels(note, made),),
        hint=(f"add `{require}`; " if require else "") + f"it happens with {'; '.join(shown)}{more}",
    )
