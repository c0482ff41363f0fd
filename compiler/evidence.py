"""Evidence: what a search or a measurement wrote at the top of a program about how well it does.

    # evidence {
    #   program sha256:6f61…
    #   accuracy 41.0% [33.1%, 49.2%] on gsm[200:400], 200 questions
    # }

A program measured on several models has a block for each. The program's hash is that of its canonical form, which
layout and comments (so also the evidence) do not change.

Codes:
    W0566  evidence that is about another version of the program
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from ttscale.compiler.canonical import canonical_hash
from ttscale.compiler.diagnostics import Diagnostic
from ttscale.compiler.scope import Linked
from ttscale.compiler.source import SourceFile, Span

_BLOCK = re.compile(r"^# evidence \{\n((?:#  .*\n)*)# \}$", re.MULTILINE)

_NAME = re.compile(r"[^\s(]+(?:\([^)]*\))?(?=\s|$)")
"""The name that a line begins with; that of models that answer together has their names in brackets."""


def evidence_text(lines: Mapping[str, str]) -> str:
    """The block that says these things, each under its name."""
    width = max(map(len, lines), default=0)
    body = "".join(f"#   {name:<{width}} {' '.join(said.split())}\n" for name, said in lines.items())
    return f"# evidence {{\n{body}# }}\n"


def evidence_of(text: str) -> dict[str, str] | None:
    """What the first evidence of a program says, by name; None where it has none."""
    return next(iter(all_evidence(text)), None)


def all_evidence(text: str) -> list[dict[str, str]]:
    """What every block of evidence says, by name: one for each model that the program was measured on."""
    return [_lines(found) for found in _BLOCK.finditer(text)]


def with_evidence(text: str, lines: Mapping[str, str], replaced: Callable[[Mapping[str, str]], bool]) -> str:
    """The text with one more block at its top, in the place of those that are `replaced`."""
    kept = [_lines(found) for found in _BLOCK.finditer(text)]
    bare = re.sub(r"^# evidence \{\n(?:#  .*\n)*# \}\n\n?", "", text, flags=re.MULTILINE)
    blocks = [*(own for own in kept if not replaced(own)), dict(lines)]
    return "\n".join(evidence_text(own) for own in blocks) + "\n" + bare.lstrip("\n")


def _lines(found: re.Match[str]) -> dict[str, str]:
    lines = [line.removeprefix("#").strip() for line in found.group(1).splitlines()]
    names = [(_NAME.match(line) or [line.partition(" ")[0]])[0] for line in lines]
    return {name: line[len(name) :].strip() for name, line in zip(names, lines, strict=True)}


def place_of(source: SourceFile, name: str) -> Span:
    """Where the evidence of a file says something of that name; its first line where it does not."""
    block = _BLOCK.search(source.text)
    start = block.start() if block is not None else 0
    line = re.compile(rf"^# +({re.escape(name)} .*)$", re.MULTILINE).search(source.text, start)
    if line is None:
        return Span(source.name, start, max(start, source.text.find("\n", start)))
    return Span(source.name, line.start(1), line.end(1))


def check_evidence(linked: Linked) -> list[Diagnostic]:
    """A warning for every block of the entry file's evidence that is about another version of it."""
    source = linked.sources.get(linked.main.tree.span.file)
    if source is None or "# evidence {" not in source.text:
        return []
    own = ""
    told: list[Diagnostic] = []
    for found in _BLOCK.finditer(source.text):
        said = _lines(found).get("program", "")
        own = own or canonical_hash(linked.main.tree)
        if said and said != own:
            line = source.text.find("program", found.start())
            span = Span(linked.main.tree.span.file, line, source.text.find("\n", line))
            hint = "run the search again, or `ttscale eval` to see how it does now; or take the evidence out"
            message = "this evidence is about another version of the program"
            told.append(Diagnostic("W0566", message, span, "warning", hint=hint))
    return told
