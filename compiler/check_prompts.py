"""Prompts: parameters, result, messages and settings; their texts are looked at in `check_templates`.

Codes:
    E0208  an argument declared twice
    E0211  a setting that does not exist
    E0213  a setting given twice
    E0305  messages in an order that no model takes
    E0306  a `chat` that is no argument of type Chat
    E0307  a type that a prompt cannot take or read
    L004   an argument that the text does not use
    L009   a form asked for without `{{ output_format }}`
"""

from __future__ import annotations

from itertools import pairwise

from ttscale.compiler import ast, ast_expressions, types
from ttscale.compiler.check_arguments import number, patterns, thinking
from ttscale.compiler.check_chats import chat_value
from ttscale.compiler.check_expressions import expression
from ttscale.compiler.check_frame import Frame, Program, did_you_mean, listed
from ttscale.compiler.check_templates import FORM, template_names, written_otherwise
from ttscale.compiler.check_types import FORMS, describe
from ttscale.compiler.check_values import expect, must_be_static
from ttscale.compiler.diagnostics import Label
from ttscale.compiler.model_kinds import SAMPLING_OPTIONS
from ttscale.compiler.resolve import type_of
from ttscale.compiler.scope import ModuleScope
from ttscale.compiler.signatures import GENERATE
from ttscale.compiler.source import Span


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
            names = template_names(part.template, declaration, kinds, frame)
            used |= names or set()
    if program.has_errors_since(mark):
        return
    for param in declaration.params:
        if param.name not in used and not param.name.startswith("_"):
            place = program.word(param.span, param.name)
            hint = f"write `{{{{ {param.name} }}}}` where it belongs, or leave the argument out"
            meant = written_otherwise(param.name, declaration)
            if meant is not None:
                place, hint = meant, f"a name stands between two braces: write `{{{{ {param.name} }}}}`"
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
        parameter = GENERATE.parameter(name) if name in SAMPLING_OPTIONS else None
        if parameter is None:
            hint = did_you_mean(name, list(SAMPLING_OPTIONS), f"there are {listed(SAMPLING_OPTIONS)}")
            role = {"human": "user", "ai": "assistant", "instructions": "system"}.get(name, name)
            if role in ("system", "user", "assistant"):
                hint = f'a message has no `:`: write `{role} """…"""`'
            frame.report("E0211", f"a prompt has no setting `{name}`", arg.span, hint=hint)
        elif name in seen:
            frame.report("E0213", f"`{name}` is given twice", arg.span, hint="keep one of them")
        elif parameter.kind == "thinking":
            thinking(arg.value, frame, "`thinking:`")
        elif name == "stop_pattern":
            patterns(arg.value, frame)
        elif parameter.kind == "bool":
            must_be_static(arg.value, frame, expect(arg.value, frame, types.BOOL, f"`{name}:`"), f"`{name}:`")
        elif parameter.kind in ("int", "float"):
            kind = types.INT if parameter.kind == "int" else types.FLOAT
            number(arg.value, frame, f"`{name}:`", kind, parameter.low, parameter.high)
        seen.add(name)
