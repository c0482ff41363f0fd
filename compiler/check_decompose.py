"""`decompose`: what its prompt gives must be a list of parts.

Codes (besides those of check_arguments):
    E0226  a prompt whose answers are no parts
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ttscale.compiler import types
from ttscale.compiler.signatures import PART

if TYPE_CHECKING:
    from ttscale.compiler.check_stages import StageCall


def check_decompose(call: StageCall) -> None:
    """Checks what the prompt of `using:` gives; what comes out are parts."""
    using, given = call.given.get("using"), call.result
    call.result = PART
    if using is None or given is None or given == types.ANY or _are_parts(given):
        return
    message = f"`decompose` reads a list of parts from its prompt, and this one gives {given}"
    hint = "declare it with `-> [Text]`, or with `-> [{question: Text, needs: [Int]}]`"
    call.frame.report("E0226", message, using.span, hint=hint)


def _are_parts(given: types.Type) -> bool:
    """Whether these are texts, or records of a question and perhaps of what it needs."""
    if not isinstance(given, types.ListOf):
        return False
    if isinstance(given.item, types.Text):
        return True
    fields = {f.name: f.type for f in given.item.fields} if isinstance(given.item, types.Record) else {}
    needs = fields.get("needs", types.ListOf(types.INT))
    return isinstance(fields.get("question"), types.Text) and needs == types.ListOf(types.INT)
