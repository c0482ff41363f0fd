"""What was found wrong with declarations, remembered from one edit to the next.

What was found for a declaration stays good while its own text, and the texts of what it may use, stay the same; its
places move along with the declarations they are in. Trying all values of a pipeline's parameters takes longer than a
user waits between letters: a pipeline that is not known yet waits for `look`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from ttscale.compiler import ast
from ttscale.compiler.assignments import check_assignments
from ttscale.compiler.check import check_declaration
from ttscale.compiler.check_frame import Program
from ttscale.compiler.diagnostics import Diagnostic, Label
from ttscale.compiler.scope import Linked, ModuleScope
from ttscale.compiler.source import Span

MAX_KEPT = 2048
Key = tuple[str, int]

_WORD = re.compile(r"[A-Za-z_]\w*")


Anchor = tuple[str, int]
"""The text of a declaration and where it began when something in it was found."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A diagnostic, and the declarations that its place and those of its labels are in; None for other files."""

    diagnostic: Diagnostic
    primary: Anchor | None
    labels: list[Anchor | None]


class Layout:
    """The declarations of a program's entry file: where each text is, and what else each may depend on."""

    def __init__(self, linked: Linked) -> None:
        text = linked.sources[linked.entry].text
        self.linked = linked
        self.spans: dict[str, Span] = {}
        self.texts: dict[int, str] = {}
        pipelines: dict[str, str] = {}
        others: list[str] = [linked.entry]
        for declaration in linked.main.tree.declarations:
            span = declaration.span
            said = text[span.start : span.end]
            while said in self.spans:
                said += "\0"  # the second of two equal declarations
            self.spans[said] = span
            self.texts[id(declaration)] = said
            if isinstance(declaration, ast.PipelineDecl):
                pipelines.setdefault(declaration.name, said)
                others.append(declaration.name)
            elif isinstance(declaration, ast.BadDecl):
                # Others see of it only that the name is there and broken.
                others.append(declaration.name or "?")
                if declaration.name is not None:
                    pipelines.setdefault(declaration.name, f"broken {declaration.keyword}")
            elif not isinstance(declaration, ast.TestDecl | ast.EvalDecl):
                others.append(said)
        others += [source.text for file, source in linked.sources.items() if file != linked.entry]
        self.pipelines = pipelines
        self._others = hash(tuple(others))
        self._everything = hash((*others, *pipelines.values()))

    def key(self, declaration: ast.Declaration) -> Key:
        """What the findings about a declaration depend on: its text, and what it may use."""
        own = self.texts[id(declaration)]
        name = getattr(declaration, "name", None)
        uses = any(word in self.pipelines and word != name for word in _WORD.findall(own))
        return own, self._everything if uses else self._others

    def anchored(self, found: list[Diagnostic]) -> list[Finding]:
        """Diagnostics with the declarations that their places are in."""
        return [
            Finding(d, None if d.primary is None else self._anchor(d.primary), [self._anchor(x.span) for x in d.labels])
            for d in found
        ]

    def placed(self, found: list[Finding]) -> list[Diagnostic]:
        """Diagnostics, of this layout or an earlier one, at their places in this one."""
        return [
            replace(
                item.diagnostic,
                primary=item.diagnostic.primary and self._place(item.diagnostic.primary, item.primary),
                labels=tuple(
                    Label(self._place(label.span, anchor), label.text)
                    for label, anchor in zip(item.diagnostic.labels, item.labels, strict=True)
                ),
            )
            for item in found
        ]

    def _anchor(self, span: Span) -> Anchor | None:
        for text, place in self.spans.items():
            if place.file == span.file and place.start <= span.start and span.end <= place.end:
                return text, place.start
        return None

    def _place(self, span: Span, anchor: Anchor | None) -> Span:
        if anchor is None or anchor[0] not in self.spans:
            return span
        shift = self.spans[anchor[0]].start - anchor[1]
        return Span(span.file, span.start + shift, span.end + shift)


class Assigned:
    """What is remembered of one document, and the pipelines that wait."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Linked, str]] = []
        self._checked: dict[Key, list[Finding]] = {}
        self._tried: dict[Key, list[Finding]] = {}
        self._layout: Layout | None = None

    def each(self, declaration: ast.Declaration, scope: ModuleScope, program: Program) -> None:
        """Add what is wrong with a declaration for all assignments of parameters, remembered or found now."""
        layout = self._now(program.linked)
        if scope.name != program.linked.entry:
            check_declaration(declaration, scope, program)
            return
        key = layout.key(declaration)
        if key not in self._checked:
            # On its own: what another declaration said already would otherwise be missing here.
            alone = Program(program.linked)
            check_declaration(declaration, scope, alone)
            _make_room(self._checked)
            self._checked[key] = layout.anchored(alone.diagnostics)
        found = layout.placed(self._checked[key])
        program.diagnostics += [diagnostic for diagnostic in found if diagnostic not in program.diagnostics]

    def known(self, linked: Linked, name: str) -> list[Diagnostic]:
        """What trying the values of a pipeline's parameters found; nothing for one that then waits for it."""
        layout = self._now(linked)
        kept = self._tried.get(layout.key(_pipeline(linked, name)))
        if kept is None:
            self.waiting.append((linked, name))
            return []
        return layout.placed(kept)

    def look(self) -> bool:
        """Try the values of one pipeline that waits; False where none did."""
        if not self.waiting:
            return False
        linked, name = self.waiting.pop(0)
        layout = self._now(linked)
        key = layout.key(_pipeline(linked, name))
        _make_room(self._tried)
        # Should the check fail by a fault of ours, it is not tried again with every letter.
        self._tried[key] = []
        self._tried[key] = layout.anchored(check_assignments(linked, name))
        return True

    def _now(self, linked: Linked) -> Layout:
        if self._layout is None or self._layout.linked is not linked:
            self._layout = Layout(linked)
        return self._layout


def _pipeline(linked: Linked, name: str) -> ast.Declaration:
    """The first pipeline of this name in the entry file."""
    declarations = linked.main.tree.declarations
    return next(d for d in declarations if isinstance(d, ast.PipelineDecl) and d.name == name)


def _make_room(kept: dict[Key, list[Finding]]) -> None:
    if len(kept) >= MAX_KEPT:
        kept.clear()
