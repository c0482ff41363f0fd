"""Evidence: what a search wrote at the top of a recipe about how well it does, and whether that is still about it.

    # evidence {
    #   program sha256:6f61…
    #   accuracy 41.0% [33.1%, 49.2%] on gsm[200:400], 200 questions
    # }

The program's hash is that of its canonical form, which layout and comments (so also the evidence) do not change.

Codes:
    W0566  evidence that is about another version of the program
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from ttscale.compiler.canonical import canonical_hash
from ttscale.compiler.diagnostics import Diagnostic
from ttscale.compiler.scope import Linked
from ttscale.compiler.source import Span

_BLOCK = re.compile(r"^# evidence \{\n((?:#  .*\n)*)# \}$", re.MULTILINE)


def evidence_text(lines: Mapping[str, str]) -> str:
    """The block that says these things, each under its name."""
    width = max(map(len, lines), default=0)
    body = "".join(f"#   {name:<{width}} {' '.join(said.split())}\n" for name, said in lines.items())
    return f"# evidence {{\n{body}# }}\n"


def evidence_of(text: str) -> dict[str, str] | None:
    """What the evidence of a program says, by name; None where it has none."""
    found = _BLOCK.search(text)
    if found is None:
        return None
    lines = [line.removeprefix("#").strip() for line in found.group(1).splitlines()]
    return {name: said.strip() for name, _, said in (line.partition(" ") for line in lines)}


def check_evidence(linked: Linked) -> list[Diagnostic]:
    """A warning where the entry file's evidence is about another version of it."""
    source = linked.sources.get(linked.main.tree.span.file)
    if source is None or "# evidence {" not in source.text:
        return []
    found = _BLOCK.search(source.text)
    said = (evidence_of(source.text) or {}).get("program", "")
    if found is None or not said or said == canonical_hash(linked.main.tree):
        return []
    line = source.text.find("program", found.start())
    span = Span(linked.main.tree.span.file, line, source.text.find("\n", line))
    hint = "run the search again, or `ttscale eval` to see how it does now; or take the evidence out"
    return [Diagnostic("W0566", "this evidence is about another version of the program", span, "warning", hint=hint)]
