"""`recall` and `remember`: which memory, and what is kept.

Codes (besides those of check_arguments and check_facets):
    E0212  no memory is named
    E0213  a prompt or a model where none is asked
    E0217  what can be no name of a memory
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ttscale.compiler import ast_expressions, types
from ttscale.compiler.check_facets import must_have
from ttscale.compiler.check_retrieve import check_nearness
from ttscale.compiler.memory_places import is_file, is_name

if TYPE_CHECKING:
    from ttscale.compiler.check_stages import StageCall


def check_memory(call: StageCall) -> bool:
    """Checks a `recall` or `remember`; whether a model is asked. What `recall` gives are texts."""
    given, frame, name = call.given, call.frame, call.signature.name
    memory = given.get("memory")
    if memory is None and "memory" not in call.meant:
        message = f"`{name}` does not say which memory"
        hint = 'write `memory: "lessons"`, or name a file: `memory: "lessons.sqlite"`'
        frame.report("E0212", message, call.expr.span, hint=hint)
    for item in (memory,) if isinstance(memory, ast_expressions.LiteralValue) else ():
        text = item.value
        if isinstance(text, str) and not is_file(text) and not is_name(text):
            message = f'"{text}" can be no name of a memory'
            hint = "use letters, digits, `-`, `_` and `.`; the path of a file ends in `.sqlite`"
            frame.report("E0217", message, item.span, hint=hint)
    if name == "recall":
        check_nearness(call)
        call.result = types.TEXT
        return False
    if "min_score" in given:
        must_have("scored", call.source, given["min_score"].span, "`min_score:`", frame)
    what, note = given.get("what"), given.get("note")
    if note is not None and what is not None:
        message = "`remember` keeps `note:` or what candidates teach, not both"
        frame.report("E0213", message, what.span, hint="leave `what:` out, or remember twice")
    if note is None and not (isinstance(what, ast_expressions.Name) and what.name == "text"):
        return True
    said = "`note:`" if note is not None else "`what: text`"
    for option in ("using", "from"):
        if option in given:
            message = f"`{option}:` is about a model that writes concepts, and with {said} none is asked"
            hint = f"leave `{option}:` out, or `{'note' if note is not None else 'what'}:`"
            frame.report("E0213", message, given[option].span, hint=hint)
    return False
