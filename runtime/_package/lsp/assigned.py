"""What is wrong with pipelines for some values of their parameters: found when there is time, and kept.

Trying all values takes longer than a user waits between letters. What was found for a pipeline stays good while its own
text, and the texts of what it may use, stay the same; its places move along with the declarations they are in.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from ttscale.compiler import ast
from ttscale.compiler.assignments import check_assignments
from ttscale.compiler.diagnostics import Diagnostic, Label
from ttscale.compiler.scope import Linked
from ttscale.compiler.source import Span

MAX_KEPT = 2048
Key = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the declarations of the entry file are: spans by their text."""

    spans: dict[str, Span]

    @staticmethod
    def of(linked: Linked) -> Layout:
        """The layout of a program's entry file."""
        text = linked.sources[linked.entry].text
        declarations = linked.main.tree.declarations
        return Layout({text[d.span.start : d.span.end]: d.span for d in declarations})

    def anchor(self, span: Span) -> str | None:
        """The text of the declaration that a span is in, or None where it is in none."""
        for text, place in self.spans.items():
            if place.file == span.file and place.start <= span.start and span.end <= place.end:
                return text
        return None

    def moved(self, span: Span, then: Layout) -> Span:
        """A span of an earlier layout, in this one."""
        text = then.anchor(span)
        if text is None or text not in self.spans:
            return span
        shift = self.spans[text].start - then.spans[text].start
        return Span(span.file, span.start + shift, span.end + shift)


class Assigned:
    """Findings by pipeline, and the pipelines that still wait."""

    def __init__(self) -> None:
        self._kept: dict[Key, tuple[Layout, list[Diagnostic]]] = {}
        self.waiting: list[tuple[Linked, str]] = []

    def known(self, linked: Linked, name: str) -> list[Diagnostic]:
        """What is known of a pipeline; nothing for one that then waits to be looked at."""
        kept = self._kept.get(_key(linked, name))
        if kept is None:
            self.waiting.append((linked, name))
            return []
        then, found = kept
        now = Layout.of(linked)
        return [_moved(diagnostic, now, then) for diagnostic in found]

    def look(self) -> bool:
        """Look at one pipeline that waits; False where none did."""
        if not self.waiting:
            return False
        linked, name = self.waiting.pop(0)
        if len(self._kept) > MAX_KEPT:
            self._kept.clear()
        key, layout = _key(linked, name), Layout.of(linked)
        # Should the check fail by a fault of ours, it is not tried again with every letter.
        self._kept[key] = layout, []
        self._kept[key] = layout, check_assignments(linked, name)
        return True


def _key(linked: Linked, name: str) -> Key:
    """The text of a pipeline, and a hash of all that it may use."""
    text = linked.sources[linked.entry].text
    own = ""
    others: list[str] = []
    pipelines: dict[str, str] = {}
    for declaration in linked.main.tree.declarations:
        said = text[declaration.span.start : declaration.span.end]
        if isinstance(declaration, ast.PipelineDecl):
            pipelines.setdefault(declaration.name, said)
            own = said if declaration.name == name and not own else own
        elif not isinstance(declaration, ast.TestDecl | ast.EvalDecl | ast.SearchDecl):
            others.append(said)
    called = set(re.findall(r"[A-Za-z_]\w*", own)) & set(pipelines) - {name}
    if called:
        others += pipelines.values()
    others += [source.text for file, source in linked.sources.items() if file != linked.entry]
    return own, hash((linked.entry, *others))


def _moved(diagnostic: Diagnostic, now: Layout, then: Layout) -> Diagnostic:
    primary = None if diagnostic.primary is None else now.moved(diagnostic.primary, then)
    labels = tuple(Label(now.moved(label.span, then), label.text) for label in diagnostic.labels)
    return replace(diagnostic, primary=primary, labels=labels)
