"""All codes of messages: those that have a page by its title, others as the module that raises them lists them."""

from __future__ import annotations

import ast
import re
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable

SEVERITIES = {"E": "error", "W": "warning", "L": "remark on style", "R": "failure of a run"}
AREAS = {
    "00": "source files",
    "01": "syntax",
    "02": "names and types",
    "03": "prompts",
    "04": "imports and lock",
    "05": "parameters and their values",
    "06": "budgets and costs",
    "07": "runs",
}
_HEADING = re.compile(r"^Codes\b.*:$", re.MULTILINE)
_WHERE = re.compile(r" \((?:raised|and unknown ones,) in [^)]*\)")
_LINE = re.compile(r"^ {4}([EWLR]\d{3,4}) {2,3}(\S.*)$")


@cache
def known_codes() -> dict[str, tuple[str, ...]]:
    """What each code means, by code in order; one without a page that several modules raise has a meaning from each."""
    from ttscale.compiler.explain import EXPLANATIONS

    found: dict[str, dict[str, None]] = {}
    for room in ("compiler", "library", "runtime"):
        for module in modules(resources.files(f"ttscale.{room}")):
            text = ast.get_docstring(ast.parse(module.read_text(encoding="utf-8"))) or ""
            heading = _HEADING.search(text)
            for line in text[heading.end() :].splitlines() if heading else ():
                matched = _LINE.match(line)
                if matched:
                    found.setdefault(matched[1], {}).setdefault(_WHERE.sub("", matched[2]))
    found |= {code: {page.title: None} for code, page in EXPLANATIONS.items()}
    return {code: tuple(meanings) for code, meanings in sorted(found.items())}


def modules(folder: Traversable) -> list[Traversable]:
    """The Python files below a folder of the package, in order."""
    files: list[Traversable] = []
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir() and entry.name not in ("_package", "__pycache__"):
            files += modules(entry)
        elif entry.name.endswith(".py"):
            files.append(entry)
    return files
