"""The Jinja in the texts of prompts, mapped to the lines of the file.

Templates are compiled in a sandbox that has the filters the runtime has; nothing is rendered. Jinja is imported
only when a file has prompts, and its environment is made once. Jinja stops at the first mistake that it finds; here
that mistake is taken out of the text and the rest is read again, so that all are told at once.

Codes:
    E0301  a template that Jinja cannot read
    E0302  a name in a template that the prompt does not take
    E0303  a filter or test that templates do not have
    E0304  a template that loads another one
    E0308  a field that a record in a template, or a text, does not have
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any

from ttscale.compiler import ast, types
from ttscale.compiler.check_frame import Frame, did_you_mean, listed
from ttscale.compiler.check_types import describe
from ttscale.compiler.source import Span

if TYPE_CHECKING:
    from jinja2 import nodes

FORM = "output_format"
MOST = 20
"""Mistakes told of one text, at most."""
MISSING_FILTERS = frozenset(
    ("center", "indent", "random", "pprint", "urlize", "xmlattr", "format", "slice", "batch", "wordwrap")
)
"""Jinja's filters that templates here do not have: they make long texts, or another text each time."""


@cache
def _environment() -> Any:
    from jinja2 import StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, keep_trailing_newline=True, cache_size=0)
    environment.globals = {"range": range}
    for name in MISSING_FILTERS:
        environment.filters.pop(name, None)
    return environment


def template_names(
    template: ast.Template, declaration: ast.PromptDecl, kinds: dict[str, types.Type], frame: Frame
) -> set[str]:
    """Checks one text and gives the names it uses, as far as Jinja can read it."""
    from jinja2 import meta, nodes

    tree = _read(template, frame)
    if tree is None:
        return set()
    for node in tree.find_all((nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends)):
        hint = "write the text here, or pass it as an argument"
        frame.report("E0304", "a prompt cannot load other templates", _line(template, node.lineno), hint=hint)
    names: set[str] = meta.find_undeclared_variables(tree)
    known = [*kinds, FORM]
    for name in sorted(names - {*known, "range"}):
        span = _place(template, tree, name)
        hint = did_you_mean(name, known, f"add `{name}: Text` to the prompt's arguments")
        frame.report("E0302", f"prompt `{declaration.name}` takes no `{name}`", span, hint=hint)
    _fields(template, tree, kinds, frame)
    return names


def _read(template: ast.Template, frame: Frame) -> nodes.Template | None:
    """The tree of a text without what Jinja cannot read in it, which is reported; None where nothing can be read."""
    from jinja2 import TemplateSyntaxError

    environment = _environment()
    text: str | None = template.text
    for _ in range(MOST):
        if text is None:
            return None
        try:
            tree: nodes.Template = environment.parse(text)
            _filters(tree, template, frame)
            environment.compile(tree, raw=True)
            return tree
        except TemplateSyntaxError as error:
            message, hint = _worded(error.message or "")
            frame.report("E0301", message, _line(template, error.lineno), hint=hint)
            rest = None if "end of template" in message else _without_line(text, error.lineno)
            text = None if rest == text else rest
        except RecursionError:
            frame.report("E0301", "this template is nested too deeply", template.span, hint="write it flatter")
            return None
    return None


def _filters(tree: nodes.Template, template: ast.Template, frame: Frame) -> None:
    """Reports filters and tests that there are not, and puts others in their place in the tree."""
    from jinja2 import nodes

    environment = _environment()
    for node in tree.find_all((nodes.Filter, nodes.Test)):
        kind, there = ("filter", environment.filters) if isinstance(node, nodes.Filter) else ("test", environment.tests)
        if node.name not in there:
            otherwise = "leave it out" if node.name in MISSING_FILTERS else f"there are {listed(sorted(there), 6)}"
            hint = did_you_mean(node.name, sorted(there), otherwise)
            place = _word(template, node.lineno, node.name)
            frame.report("E0303", f"templates have no {kind} `{node.name}`", place, hint=hint)
            node.name = "string" if kind == "filter" else "defined"


def _without_line(text: str, number: int) -> str | None:
    """The text with the `{{ … }}` of a line taken out; None where that would leave a block open or closed too often."""
    lines = text.split("\n")
    if not 1 <= number <= len(lines) or "{%" in lines[number - 1] or "%}" in lines[number - 1]:
        return None
    whole = lines[number - 1].count("{{") == lines[number - 1].count("}}") > 0
    lines[number - 1] = re.sub(r"\{\{.*\}\}", "", lines[number - 1]) if whole else ""
    return "\n".join(lines)


def _fields(template: ast.Template, tree: nodes.Template, kinds: dict[str, types.Type], frame: Frame) -> None:
    """Fields of records, and of what has none: `{{ invoice.vendr }}`, `{{ question.text }}`."""
    from jinja2 import nodes

    for node in tree.find_all(nodes.Getattr):
        if not isinstance(node.node, nodes.Name) or node.node.name not in kinds:
            continue
        name, kind = node.node.name, kinds[node.node.name]
        kind = kind.item if isinstance(kind, types.Optional) else kind
        span = _word(template, node.lineno, node.attr)
        if isinstance(kind, types.Record):
            known = [field.name for field in kind.fields]
            if node.attr not in known:
                hint = did_you_mean(node.attr, known, f"it has {listed(known)}")
                frame.report("E0308", f"`{name}` has no field `{node.attr}`", span, hint=hint)
        elif isinstance(kind, types.Text | types.Choice) and not hasattr("", node.attr):
            message = f"`{name}` is {describe(kind)}, which has no field `{node.attr}`"
            frame.report("E0308", message, span, hint=f"write `{{{{ {name} }}}}`")


_HINTS = (
    ("unexpected '}'", "an expression ends with `}}`"),
    ("unexpected end of template", "close what is open: `{% endif %}`, `{% endfor %}` or `}}`"),
    ("unexpected end of print", "write a name between `{{` and `}}`"),
    ("expected token 'end of print statement'", "close the expression with `}}`; names have no spaces"),
    ("unknown tag", "Jinja's tags are `if`, `elif`, `else`, `for`, `set` and their `end…`"),
    ("unexpected char", "write a plain expression between `{{` and `}}`"),
)


def _worded(message: str) -> tuple[str, str]:
    """Jinja's message in the style of ours, with a hint."""
    first = message.strip().split(". ")[0].rstrip(".")
    text = first.replace("'", "`")
    hint = next((hint for part, hint in _HINTS if part in message.lower()), "to write `{{` itself use `{{ '{{' }}`")
    return f"Jinja cannot read this text: {text[:1].lower()}{text[1:]}", hint


def _line(template: ast.Template, number: int) -> Span:
    """The file's span of line `number` (from 1) of a template, without the space around it."""
    lines = template.text.split("\n")
    index = max(0, min(number, len(lines), len(template.offsets)) - 1)
    line = lines[index]
    start = template.offsets[index] + len(line) - len(line.lstrip())
    return Span(template.span.file, start, max(start + 1, template.offsets[index] + len(line.rstrip())))


def _word(template: ast.Template, number: int, word: str) -> Span:
    """Where a word stands in a line of a template, or from it on; else the line."""
    lines = template.text.split("\n")
    for index in range(max(0, number - 1), min(len(lines), len(template.offsets))):
        for found in re.finditer(rf"(?<![\w.]){re.escape(word)}(?!\w)|(?<=\.){re.escape(word)}(?!\w)", lines[index]):
            if "{{" in lines[index][: found.start()] or "{%" in lines[index][: found.start()] or index >= number:
                start = template.offsets[index] + found.start()
                return Span(template.span.file, start, start + len(word))
    return _line(template, number)


def written_otherwise(name: str, declaration: ast.PromptDecl) -> Span | None:
    """Where a text has `{name}`, `${name}`, `$name`, `<name>` or `[name]`, as the templates of other tools do."""
    word = re.escape(name)
    for part in declaration.parts:
        lines = part.template.text.split("\n") if part.template is not None else []
        for number, line in enumerate(lines):
            found = re.search(rf"\$?\{{{word}\}}|<{word}>|\${word}\b|\[{word}\]", line)
            if found is not None and part.template is not None:
                start = part.template.offsets[number]
                return Span(part.template.span.file, start + found.start(), start + found.end())
    return None


def _place(template: ast.Template, tree: nodes.Template, name: str) -> Span:
    from jinja2 import nodes

    line = next((node.lineno for node in tree.find_all(nodes.Name) if node.name == name), 1)
    return _word(template, line, name)
