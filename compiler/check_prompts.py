"""Prompts: parameters, result, messages and settings, and the Jinja in their texts, mapped to the file.

Templates are compiled in a sandbox that has the filters the runtime has; nothing is rendered. Jinja is imported
only when a file has prompts, and its environment is made once.

Codes:
    E0208  an argument declared twice
    E0211  a setting that does not exist
    E0213  a setting given twice
    E0301  a template that Jinja cannot read
    E0302  a name in a template that the prompt does not take
    E0303  a filter or test that templates do not have
    E0304  a template that loads another one
    E0305  messages in an order that no model takes
    E0306  a `chat` that is no argument of type Chat
    E0307  a type that a prompt cannot take or read
    E0308  a field that a record in a template does not have
    L004   an argument that the text does not use
    L009   a form asked for without `{{ output_format }}`
"""

from __future__ import annotations

import re
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from ttscale.compiler import ast, ast_expressions, types
from ttscale.compiler.check_arguments import number, thinking
from ttscale.compiler.check_chats import chat_value
from ttscale.compiler.check_expressions import expression
from ttscale.compiler.check_frame import Frame, Program, did_you_mean, listed
from ttscale.compiler.check_types import FORMS, describe
from ttscale.compiler.check_values import expect, must_be_static
from ttscale.compiler.diagnostics import Label
from ttscale.compiler.resolve import type_of
from ttscale.compiler.scope import ModuleScope
from ttscale.compiler.signatures import GENERATE
from ttscale.compiler.source import Span

if TYPE_CHECKING:
    from jinja2 import nodes

SETTINGS = ("temperature", "top_p", "top_k", "min_p", "repeat_penalty", "max_tokens", "stop", "thinking")
"""Sampling defaults that a prompt may have."""
FORM = "output_format"
MISSING_FILTERS = frozenset(
    ("center", "indent", "random", "pprint", "urlize", "xmlattr", "format", "slice", "batch", "wordwrap")
)
"""Jinja's filters that templates here do not have: they make long texts, or another text each time."""


def check_prompt(declaration: ast.PromptDecl, scope: ModuleScope, program: Program) -> None:
    """Everything that is wrong with one prompt."""
    mark = len(program.diagnostics)
    frame = Frame(program, scope, expression, "data")
    kinds = _parameters(declaration, frame)
    result, found = type_of(declaration.result, scope, program.linked)
    program.diagnostics += found
    if isinstance(result, types.Answers | types.ModelType | types.PromptType) or result in (types.CHAT, types.ROW):
        hint = "answers are read as Text, Number, Math, Choice(…), Bool, Code(…), a list, a record or Json(…)"
        frame.report("E0307", f"an answer cannot be read as {describe(result)}", declaration.result.span, hint=hint)
    _messages(declaration, kinds, frame)
    _settings(declaration, frame)
    used: set[str] = {part.chat for part in declaration.parts if part.chat is not None}
    for part in declaration.parts:
        if part.template is not None:
            names = _template(part.template, declaration, kinds, frame)
            used |= names or set()
    if program.has_errors_since(mark):
        return
    for param in declaration.params:
        if param.name not in used and not param.name.startswith("_"):
            place = program.word(param.span, param.name)
            hint = f"write `{{{{ {param.name} }}}}` where it belongs, or leave the argument out"
            frame.report("L004", f"the text does not use `{param.name}`", place, hint=hint)
    if isinstance(result, FORMS) and FORM not in used:
        hint = "add `{{ output_format }}` to its text"
        message = f"the model is not told the form of {result}"
        frame.report("L009", message, declaration.name_span, hint=hint)


def _parameters(declaration: ast.PromptDecl, frame: Frame) -> dict[str, types.Type]:
    kinds: dict[str, types.Type] = {}
    places: dict[str, Span] = {}
    for param in declaration.params:
        kind, found = type_of(param.type, frame.scope, frame.program.linked)
        frame.program.diagnostics += found
        if param.name in kinds:
            labels = (Label(places[param.name], "first here"),)
            message = f"`{param.name}` is declared twice"
            frame.report("E0208", message, param.span, labels=labels, hint="give one of them another name")
        elif param.name == FORM:
            message = f"`{FORM}` is made by the language from the result type"
            frame.report("E0208", message, param.span, hint="give the argument another name")
        if isinstance(kind, types.ModelType | types.PromptType) or kind == types.ROW:
            hint = "arguments are Text, numbers, Choice(…), records, lists, Chat"
            frame.report("E0307", f"a prompt cannot take {describe(kind)}", param.type.span, hint=hint)
        if param.default is not None:
            if kind == types.CHAT and isinstance(param.default, ast_expressions.ListExpr | ast_expressions.MapExpr):
                chat_value(param.default, frame, f"the default of `{param.name}`")
            else:
                typed = expect(param.default, frame, kind, f"the default of `{param.name}`")
                must_be_static(param.default, frame, typed, f"the default of `{param.name}`")
        kinds[param.name] = kind
        places[param.name] = param.span
    return kinds


# --- messages and settings -----------------------------------------------------------------------


def _messages(declaration: ast.PromptDecl, kinds: dict[str, types.Type], frame: Frame) -> None:
    parts = declaration.parts
    for index, part in enumerate(parts):
        if part.role == "chat":
            _chat(part, kinds, frame)
        elif part.role == "system" and index > 0:
            hint = "move it to the top, or join it with the first one"
            frame.report("E0305", "`system` is the first message", _role(part), hint=hint)
    talked = [part for part in parts if part.role in ("user", "chat")]
    if parts and not talked:
        hint = 'add `user """…"""`'
        frame.report("E0305", "this prompt asks nothing: it has no `user` message", declaration.name_span, hint=hint)
    for before, after in pairwise(parts):
        if before.role == after.role and before.role in ("user", "assistant", "system"):
            if after.role == "system":
                continue
            message = f"two `{after.role}` messages follow each other"
            frame.report("E0305", message, _role(after), hint="join their texts, or put the other role between them")
        elif before.role == "system" and after.role == "assistant":
            hint = "a `user` message comes between them"
            frame.report("E0305", "`assistant` answers nothing here", _role(after), hint=hint)


def _role(part: ast.MessagePart) -> Span:
    return Span(part.span.file, part.span.start, part.span.start + len(part.role))


def _chat(part: ast.MessagePart, kinds: dict[str, types.Type], frame: Frame) -> None:
    name = part.chat or ""
    if name not in kinds:
        chats = [known for known, kind in kinds.items() if kind == types.CHAT]
        hint = did_you_mean(name, list(kinds), f"there is {listed(chats)}" if chats else f"add `{name}: Chat` to them")
        frame.report("E0306", f"the prompt takes no `{name}`", part.span, hint=hint)
    elif kinds[name] not in (types.CHAT, types.ANY):
        message = f"`chat` inserts turns, and `{name}` is {describe(kinds[name])}"
        frame.report(
            "E0306", message, part.span, hint=f"declare it `{name}: Chat`, or write `{{{{ {name} }}}}` in a text"
        )


def _settings(declaration: ast.PromptDecl, frame: Frame) -> None:
    seen: set[str] = set()
    for arg in declaration.settings:
        name = arg.name or ""
        parameter = GENERATE.parameter(name) if name in SETTINGS else None
        if parameter is None:
            hint = did_you_mean(name, list(SETTINGS), f"there are {listed(SETTINGS)}")
            frame.report("E0211", f"a prompt has no setting `{name}`", arg.span, hint=hint)
        elif name in seen:
            frame.report("E0213", f"`{name}` is given twice", arg.span, hint="keep one of them")
        elif parameter.kind == "thinking":
            thinking(arg.value, frame, "`thinking:`")
        elif parameter.kind in ("int", "float"):
            kind = types.INT if parameter.kind == "int" else types.FLOAT
            number(arg.value, frame, f"`{name}:`", kind, parameter.low, parameter.high)
        seen.add(name)


# --- templates -----------------------------------------------------------------------------------


@cache
def _environment() -> Any:
    from jinja2 import StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, keep_trailing_newline=True, cache_size=0)
    environment.globals = {"range": range}
    for name in MISSING_FILTERS:
        environment.filters.pop(name, None)
    return environment


def _template(
    template: ast.Template, declaration: ast.PromptDecl, kinds: dict[str, types.Type], frame: Frame
) -> set[str] | None:
    """Checks one text and gives the names it uses; None where Jinja cannot read it."""
    from jinja2 import TemplateSyntaxError, meta, nodes
    from jinja2.exceptions import TemplateAssertionError

    environment = _environment()
    try:
        tree = environment.parse(template.text)
        environment.compile(tree, raw=True)
    except TemplateAssertionError as error:
        _no_filter(error.message or "", error.lineno, template, frame)
        return None
    except TemplateSyntaxError as error:
        message, hint = _worded(error.message or "")
        frame.report("E0301", message, _line(template, error.lineno), hint=hint)
        return None
    except RecursionError:
        frame.report("E0301", "this template is nested too deeply", template.span, hint="write it flatter")
        return None
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


def _fields(template: ast.Template, tree: nodes.Template, kinds: dict[str, types.Type], frame: Frame) -> None:
    """Fields of records: `{{ invoice.vendr }}`."""
    from jinja2 import nodes

    for node in tree.find_all(nodes.Getattr):
        if not isinstance(node.node, nodes.Name):
            continue
        kind = kinds.get(node.node.name)
        kind = kind.item if isinstance(kind, types.Optional) else kind
        if isinstance(kind, types.Record) and node.attr not in {field.name for field in kind.fields}:
            known = [field.name for field in kind.fields]
            hint = did_you_mean(node.attr, known, f"it has {listed(known)}")
            span = _word(template, node.lineno, node.attr)
            frame.report("E0308", f"`{node.node.name}` has no field `{node.attr}`", span, hint=hint)


def _no_filter(message: str, line: int, template: ast.Template, frame: Frame) -> None:
    """Jinja says "No filter named 'x'." or "No test named 'x'."."""
    found = re.search(r"No (filter|test) named '([^']*)'", message)
    if found is None:
        worded, hint = _worded(message)
        frame.report("E0301", worded, _line(template, line), hint=hint)
        return
    kind, name = found.groups()
    environment = _environment()
    known = sorted(environment.filters if kind == "filter" else environment.tests)
    hint = did_you_mean(name, known, "leave it out" if name in MISSING_FILTERS else f"there are {listed(known, 6)}")
    frame.report("E0303", f"templates have no {kind} `{name}`", _word(template, line, name), hint=hint)


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


def _place(template: ast.Template, tree: nodes.Template, name: str) -> Span:
    from jinja2 import nodes

    line = next((node.lineno for node in tree.find_all(nodes.Name) if node.name == name), 1)
    return _word(template, line, name)
