"""Comments that silence a rule in one place, with a reason.

    # lint: allow critic-before-judge because the ranker was trained without critiques
    ranked = drafts |> rank(from: judge)

The comment stands on the line before or at the end of the line. It holds for what begins on that line: the whole of a
parameter, a binding or an expression, the first line of a pipeline. Several rules are separated by commas; a code is
taken for a name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from ttscale.compiler import ast
from ttscale.compiler.diagnostics import Diagnostic, suggest
from ttscale.compiler.frozen import dataclass
from ttscale.compiler.lint_rules import BY_NAME, RULES
from ttscale.compiler.scope import Linked
from ttscale.compiler.source import SourceFile, Span
from ttscale.compiler.walk import nodes

_COMMENT = re.compile(r"#+[ \t]*lint[ \t]*:[ \t]*(.*)", re.DOTALL)
_ALLOW = re.compile(r"allow[ \t]+([\w-]+(?:[ \t]*,[ \t]*[\w-]+)*)[ \t]*(.*)", re.DOTALL)
_REASON = re.compile(r"because[ \t]+\S", re.DOTALL)
_HOW = "write `# lint: allow RULE because …` with the reason"


@dataclass(frozen=True, slots=True)
class Allowance:
    """What one comment silences: the codes of rules, in the offsets from `start` up to `end`."""

    codes: tuple[str, ...]
    start: int
    end: int
    span: Span

    def covers(self, diagnostic: Diagnostic) -> bool:
        """Whether it silences this finding."""
        place = diagnostic.primary
        if place is None or diagnostic.code not in self.codes or place.file != self.span.file:
            return False
        return self.start <= place.start < self.end


def allowances(tree: ast.Module, source: SourceFile) -> tuple[list[Allowance], list[Diagnostic]]:
    """What the comments of a file silence, and what is wrong with those comments."""
    found: list[Allowance] = []
    wrong: list[Diagnostic] = []
    ends: dict[int, int] | None = None
    for comment in tree.comments:
        matched = _COMMENT.fullmatch(comment.text.strip())
        if matched is None:
            continue
        allow = _ALLOW.fullmatch(matched[1].strip())
        if allow is None:
            wrong.append(_finding("L150", "a lint comment without `allow` and a rule", comment.span, _HOW))
            continue
        names = [part.strip() for part in allow[1].split(",")]
        if not _REASON.match(allow[2]):
            wrong.append(_finding("L150", f"`{names[0]}` is allowed without a reason", comment.span, _HOW))
            continue
        codes = []
        for name in names:
            rule = BY_NAME.get(name) or RULES.get(name.upper())
            if rule is None:
                near = suggest(name, BY_NAME)
                hint = f"did you mean `{near}`?" if near else "`ttscale lint --rules` lists the rules"
                wrong.append(_finding("L151", f"there is no rule `{name}`", comment.span, hint))
            else:
                codes.append(rule.code)
        if ends is None:
            ends = _ends(tree, source)
        start, end = _place(comment, source, ends)
        found.append(Allowance(tuple(codes), start, end, comment.span))
    return found, wrong


def silence(diagnostics: Iterable[Diagnostic], allowed: Iterable[Allowance]) -> tuple[list[Diagnostic], set[Allowance]]:
    """The diagnostics that no comment silences, and the comments that silenced one."""
    comments = list(allowed)
    kept: list[Diagnostic] = []
    used: set[Allowance] = set()
    for diagnostic in diagnostics:
        covering = [one for one in comments if one.covers(diagnostic)] if diagnostic.severity == "lint" else []
        used.update(covering)
        if not covering:
            kept.append(diagnostic)
    return kept, used


def without_allowed(linked: Linked, diagnostics: Iterable[Diagnostic]) -> tuple[list[Diagnostic], list[Diagnostic]]:
    """The diagnostics of a linked program that are told, and those that comments silence."""
    found = list(diagnostics)
    if not any(diagnostic.severity == "lint" for diagnostic in found):
        return found, []
    comments: list[Allowance] = []
    for name, module in linked.modules.items():
        comments += allowances(module.tree, linked.sources[name])[0]
    kept, _ = silence(found, comments)
    return kept, [diagnostic for diagnostic in found if diagnostic not in kept]


def unused(comments: Iterable[Allowance], used: set[Allowance]) -> list[Diagnostic]:
    """A finding for each comment that names a rule and silenced nothing."""
    return [
        _finding("L152", "this `allow` silences nothing", one.span, "leave it out")
        for one in comments
        if one.codes and one not in used
    ]


def _finding(code: str, message: str, span: Span, hint: str) -> Diagnostic:
    return Diagnostic(code, f"{message} ({RULES[code].name})", span, "lint", hint=hint)


def _place(comment: ast.Comment, source: SourceFile, ends: Mapping[int, int]) -> tuple[int, int]:
    """Offsets that a comment is about: its own line, or where it stands alone the next line that says something."""
    number, column = source.position(comment.span.start)
    if not source.line(number)[: column - 1].strip():
        number += 1
        while number <= len(source.line_starts) and _says_nothing(source.line(number)):
            number += 1
    if number > len(source.line_starts):
        return len(source.text), len(source.text)
    start = source.line_starts[number - 1]
    return start, max(start + len(source.line(number)), ends.get(number, 0))


def _says_nothing(line: str) -> bool:
    return not line.strip() or line.lstrip().startswith("#")


def _ends(tree: ast.Module, source: SourceFile) -> dict[int, int]:
    """Where what begins on a line ends, by line; pipelines and loops count by their first line alone."""
    ends: dict[int, int] = {}
    for node in nodes(tree):
        span = getattr(node, "span", None)
        if isinstance(span, Span) and not isinstance(node, ast.PipelineDecl | ast.TestDecl | ast.Module):
            line, _ = source.position(span.start)
            ends[line] = max(ends.get(line, 0), span.end)
    return ends
