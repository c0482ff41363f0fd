"""Conversations that are written out: turns with a role and a content, in an order that a model can be asked.

    expect main([{role: "usr", content: "hi"}]) == "hello"      # E0286, at "usr"

A turn whose role or content only a run can tell is left to the run, which checks it in the same words.

Codes:
    E0286  a conversation that is none: a wrong role, no content, nothing to answer
"""

from __future__ import annotations

from collections.abc import Iterator

from ttscale.compiler import ast, ast_expressions, types
from ttscale.compiler.check_frame import Frame, did_you_mean, listed
from ttscale.compiler.check_types import describe
from ttscale.compiler.check_values import value_of
from ttscale.compiler.resolve import lookup
from ttscale.compiler.scope import ModuleScope, Symbol
from ttscale.compiler.source import Span
from ttscale.compiler.walk import nodes

ROLES = ("system", "user", "assistant")
EXAMPLE = 'write `[{role: "user", content: "…"}]`'
OTHER_ROLES = {"human": "user", "ai": "assistant", "bot": "assistant", "model": "assistant", "developer": "system"}
"""What others call the roles."""
OTHER_KEYS = {"text": "content", "message": "content", "value": "content", "from": "role", "name": "role"}


def chat_value(expr: ast_expressions.ListExpr | ast_expressions.MapExpr, frame: Frame, what: str) -> None:
    """Checks the turns of a conversation that is written out where a Chat is wanted."""
    if isinstance(expr, ast_expressions.MapExpr):
        frame.report(
            "E0286", f"{what} is a list of turns, and this is one turn", expr.span, hint="write `[…]` around it"
        )
        _turn(expr, frame)
        return
    for number, item in enumerate(expr.items):
        if not isinstance(item, ast_expressions.MapExpr):
            typed = value_of(frame.type(item), item, frame, "for a turn")
            if typed.is_known and not isinstance(typed.type, types.Record):
                message = f"a turn has a role and a content, and this is {describe(typed.type)}"
                frame.report("E0286", message, item.span, hint=EXAMPLE)
            continue
        role = _turn(item, frame)
        if number > 0 and role is not None and role.value == "system":
            message = "only the first turn may be a system turn"
            frame.report("E0286", message, role.span, hint='move it to the front, or make its role "user"')


def _turn(turn: ast_expressions.MapExpr, frame: Frame) -> ast_expressions.LiteralValue | None:
    """Checks one turn; its role where that is written out and right."""
    found: ast_expressions.LiteralValue | None = None
    meant: set[str] = set()
    for entry in turn.entries:
        if entry.key == "role":
            found = _role(entry.value, frame)
        elif entry.key == "content":
            typed = value_of(frame.type(entry.value), entry.value, frame, "for a content")
            if typed.is_known and not isinstance(typed.type, types.Text):
                message = f"the content of a turn is Text, and this is {describe(typed.type)}"
                frame.report("E0286", message, entry.value.span, hint="write it in quotes, or `text(…)` around it")
        else:
            other = OTHER_KEYS.get(entry.key)
            hint = f"here it is called `{other}`" if other else did_you_mean(entry.key, ("role", "content"), EXAMPLE)
            meant |= {name for name in ("role", "content") if f"`{name}`" in hint}
            place = Span(entry.span.file, entry.span.start, entry.span.start + len(entry.key) + 2 * entry.quoted)
            frame.report("E0286", f"a turn has a role and a content, and no `{entry.key}`", place, hint=hint)
    missing = [name for name in ("role", "content") if name not in {entry.key for entry in turn.entries} | meant]
    if missing:
        example = {"role": 'role: "user"', "content": 'content: "…"'}
        hint = f"add `{', '.join(example[name] for name in missing)}`"
        frame.report("E0286", f"this turn has no {listed(missing)}", turn.span, hint=hint)
    return found


def _role(value: ast_expressions.Expr, frame: Frame) -> ast_expressions.LiteralValue | None:
    if isinstance(value, ast_expressions.Name) and value.name in ROLES and frame.local(value.name) is None:
        message = "the role of a turn is a text"
        frame.report("E0286", message, value.span, hint=f'write it in quotes: `role: "{value.name}"`')
        return None
    typed = frame.type(value)
    if not isinstance(value, ast_expressions.LiteralValue):
        return None
    if value.value in ROLES:
        return value
    shown = frame.text(value.span) if isinstance(value.value, str) else describe(typed.type)
    said = str(value.value)
    other = OTHER_ROLES.get(said.lower())
    hint = f'here it is called "{other}"' if other else did_you_mean(said, ROLES, f"roles are {listed(ROLES)}")
    frame.report("E0286", f"there is no role {shown}", value.span, hint=hint)
    return None


# --- what a model would be asked -----------------------------------------------------------------


def last_turn(expr: ast_expressions.Expr, name: str, symbol: Symbol, frame: Frame) -> None:
    """Reports a conversation whose end a prompt hands to a model as it is, and that does not end with the user."""
    if not isinstance(expr, ast_expressions.ListExpr):
        return
    role = _last_role(expr, frame)
    if role == "user" or not _is_last(name, symbol, frame):
        return
    if role is None:
        hint = f'{EXAMPLE}, or end the prompt with a part of its own: `user """…"""`'
        frame.report("E0286", "this conversation is empty, so there is nothing to answer", expr.span, hint=hint)
    elif role:
        hint = 'end it with what the user says; or end the prompt with a part of its own: `user """…"""`'
        article = "an" if role[0] in "aeiou" else "a"
        message = f"this conversation ends with {article} {role} turn, so there is nothing to answer"
        frame.report("E0286", message, expr.items[-1].span, hint=hint)


def _last_role(expr: ast_expressions.ListExpr, frame: Frame) -> str | None:
    """The role of the last turn, None where there is no turn, and "user" where it is not known."""
    if not expr.items:
        return None
    turn = expr.items[-1]
    for entry in turn.entries if isinstance(turn, ast_expressions.MapExpr) else ():
        if entry.key == "role" and isinstance(entry.value, ast_expressions.LiteralValue):
            return str(entry.value.value) if entry.value.value in ROLES else "user"
    return "user"


def _is_last(name: str, symbol: Symbol, frame: Frame) -> bool:
    """Whether a prompt ends with this conversation, or a pipeline gives it to one that does."""
    declaration = symbol.declaration
    if isinstance(declaration, ast.PromptDecl):
        return bool(declaration.parts) and declaration.parts[-1].chat == name
    if not isinstance(declaration, ast.PipelineDecl):
        return False
    home = frame.program.linked.scope_of(symbol)
    return any(asked.parts[-1].chat == given for asked, given in _asked(declaration, name, home, frame) if asked.parts)


def _asked(
    declaration: ast.PipelineDecl, name: str, home: ModuleScope, frame: Frame
) -> Iterator[tuple[ast.PromptDecl, str]]:
    """The prompts that a pipeline gives its input `name`, with the arguments that they get it as."""
    for node in nodes(declaration):
        if not isinstance(node, ast_expressions.Call):
            continue
        symbol = lookup(node.callee, home, frame.program.linked)
        if symbol is None or not isinstance(symbol.declaration, ast.PromptDecl):
            continue
        params = [field.name for field in symbol.declaration.params]
        for place, arg in enumerate(node.args):
            if isinstance(arg.value, ast_expressions.Name) and arg.value.name == name:
                given = arg.name or (params[place] if place < len(params) else "")
                yield symbol.declaration, given
