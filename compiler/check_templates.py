"""The Jinja in the texts of prompts, mapped to the lines of the file.

Templates are compiled in a sandbox that has the filters the runtime has; nothing is rendered. Jinja is imported
only when a file has prompts, and its environment is made once. Jinja stops at the first mistake that it finds; here
that mistake is taken out of the text and the rest is read again, so that all are told at once.

Codes:
    E0301  a template that Jinja cannot read
    E0302  a name in a template that the prompt does not take
    E0303  a filter or test that templates do not have
    E0304  a template that loads another one
    E0308  a field that a record or JSON in a template, or a text, does not have
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any

from ttscale.compiler import ast, types
from ttscale.compiler.check_frame import Frame, did_you_mean, listed
from ttscale.compiler.check_types import describe
from ttscale.compiler.schema_types import as_list, fields_of, member_of, type_of_schema
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
    from jinja2 import StrictUndefined, pass_context
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, keep_trailing_newline=True, cache_size=0)
    environment.globals = {"range": range}
    for name in MISSING_FILTERS:
        environment.filters.pop(name, None)
    # Jinja computes what is constant when it compiles: `"x" * 1000000000` would fill the memory of who only checks
    environment.intercepted_binops = frozenset(environment.default_binop_table)
    environment.filters = {name: pass_context(_uncomputed) for name in environment.filters}
    return environment


def _uncomputed(_context: object, value: object, *_rest: object, **_named: object) -> object:
    """Stands for every filter: nothing is rendered here, and what takes a context is not computed beforehand."""
    return value


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
            opened = _unclosed(text) if "end of template" in message else None
            if opened is None:
                frame.report("E0301", message, _line(template, error.lineno), hint=hint)
            else:
                number, block = opened
                message, hint = f"nothing closes this `{{% {block} %}}`", f"add `{{% end{block} %}}`"
                frame.report("E0301", message, _line(template, number), hint=hint)
            rest = None if "end of template" in message else _without_line(text, error.lineno)
            text = None if rest == text else rest
        except RecursionError:
            frame.report("E0301", "this template is nested too deeply", template.span, hint="write it flatter")
            return None
    return None


_TAG = re.compile(r"\{%[-+]?\s*(end)?(if|for|macro|filter|call|with|set|raw)\b([^%]*)%\}|\{#.*?#\}", re.DOTALL)


def _unclosed(text: str) -> tuple[int, str] | None:
    """The line (from 1) and the kind of the innermost block that nothing closes; None where every one is closed."""
    waiting: list[tuple[int, str]] = []
    for tag in _TAG.finditer(text):
        end, block, rest = tag[1], tag[2], tag[3] or ""
        if end and waiting and waiting[-1][1] == block:
            waiting.pop()
        elif block and not end and not (block == "set" and "=" in rest):
            waiting.append((text.count("\n", 0, tag.start()) + 1, block))
    return waiting[-1] if waiting else None


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
    """Fields of records and JSON, and of what has none: `{{ invoice.vendr }}`, `{{ question.text }}`."""
    from jinja2 import nodes

    def walk(node: nodes.Node, scope: dict[str, types.Type]) -> None:
        if isinstance(node, nodes.For):
            walk(node.iter, scope)
            inner = {**scope, "loop": types.ANY, **dict.fromkeys(_bound(node.target), types.ANY)}
            listed_ = _turns(as_list(_kind(node.iter, scope)))
            if isinstance(node.target, nodes.Name) and isinstance(listed_, types.ListOf):
                inner[node.target.name] = listed_.item
            for part in (*node.body, *node.else_, *([node.test] if node.test is not None else [])):
                walk(part, inner)
            return
        if isinstance(node, nodes.Assign):
            walk(node.node, scope)
            scope.update(dict.fromkeys(_bound(node.target), types.ANY))
            if isinstance(node.target, nodes.Name):
                scope[node.target.name] = _kind(node.node, scope)
            return
        if isinstance(node, nodes.Macro | nodes.CallBlock | nodes.With | nodes.AssignBlock):
            scope = {**scope, **dict.fromkeys(_bound(node), types.ANY)}
        if isinstance(node, nodes.Getattr):
            _field(template, node, node.attr, scope, frame)
        elif isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const) and isinstance(node.arg.value, str):
            _field(template, node, node.arg.value, scope, frame)
        for child in node.iter_child_nodes():
            walk(child, scope)

    walk(tree, dict(kinds))


def _turns(kind: types.Type) -> types.Type:
    """A conversation as the list of turns that a template sees."""
    return types.ListOf(TURN) if kind == types.CHAT else kind


TURN = types.Record("", (types.Field("role", types.TEXT), types.Field("content", types.TEXT)))


def _bound(node: nodes.Node) -> list[str]:
    """The names that a target, or the head of a block, binds."""
    from jinja2 import nodes

    found = [node] if isinstance(node, nodes.Name) else list(node.find_all(nodes.Name))
    return [name.name for name in found if name.ctx in ("store", "param")]


def _kind(node: nodes.Node, scope: dict[str, types.Type]) -> types.Type:
    """The type of an expression of a template, as far as it is one of names, fields and places."""
    from jinja2 import nodes

    if isinstance(node, nodes.Name):
        return scope.get(node.name, types.ANY)
    if isinstance(node, nodes.Getattr):
        return member_of(_kind(node.node, scope), node.attr)
    if isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const):
        owner = _kind(node.node, scope)
        if isinstance(node.arg.value, str):
            return member_of(owner, node.arg.value)
        inner = _turns(as_list(owner))
        return inner.item if isinstance(inner, types.ListOf) and isinstance(node.arg.value, int) else types.ANY
    return types.ANY


def _said(node: nodes.Node) -> str:
    """An expression of names, fields and places as it is written."""
    from jinja2 import nodes

    match node:
        case nodes.Name(name=name):
            return str(name)
        case nodes.Getattr(node=inner, attr=attr):
            return f"{_said(inner)}.{attr}"
        case nodes.Getitem(node=inner, arg=nodes.Const(value=value)):
            return f"{_said(inner)}[{value!r}]"
    return "…"


def _field(
    template: ast.Template,
    node: nodes.Getattr | nodes.Getitem,
    attr: str,
    scope: dict[str, types.Type],
    frame: Frame,
) -> None:
    """Reports a field that there is not, written `x.attr` or `x["attr"]`."""
    name, kind = _said(node.node), _kind(node.node, scope)
    kind = kind.item if isinstance(kind, types.Optional) else kind
    kind = type_of_schema(kind) if isinstance(kind, types.Json) else kind
    span = _word(template, node.lineno, attr)
    if isinstance(kind, types.Record | types.Json):
        members = None if isinstance(kind, types.Record) else fields_of(kind)
        known = [own.name for own in kind.fields] if isinstance(kind, types.Record) else list(fields_of(kind).known)
        if attr not in known and (members is None or not (members.open or hasattr({}, attr))):
            hint = did_you_mean(attr, known, f"it has {listed(known)}")
            frame.report("E0308", f"`{name}` has no field `{attr}`", span, hint=hint)
    elif kind == types.CHAT:
        message = f"`{name}` is a conversation, a list of turns, which has no field `{attr}`"
        hint = f"a line `chat {name}` in the prompt's block inserts its turns"
        frame.report("E0308", message, span, hint=hint)
    elif isinstance(kind, types.ListOf) and not hasattr((), attr):
        message = f"`{name}` is a list, which has no field `{attr}`"
        hint = f"take one of its elements, `{{{{ {name}[0] }}}}`, or go through them: `{{% for x in {name} %}}`"
        frame.report("E0308", message, span, hint=hint)
    elif isinstance(kind, types.Text | types.Choice) and not hasattr("", attr):
        message = f"`{name}` is {describe(kind)}, which has no field `{attr}`"
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
