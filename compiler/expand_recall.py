"""`recall`: concepts that earlier runs learned, as a pool of texts."""

from __future__ import annotations

from ttscale.compiler import ir
from ttscale.compiler.expand_arguments import Call, plain_arguments, stage_of
from ttscale.compiler.expand_explore import whole
from ttscale.compiler.expand_retrieve import must_have_model
from ttscale.compiler.expansion import Expansion, Pool
from ttscale.compiler.memory_places import is_file, is_name
from ttscale.compiler.types import TEXT

FACETS = frozenset({"scored", "ranked"})


def recall(expansion: Expansion, call: Call) -> Pool:
    """The pool of a `recall`, of at most `k` texts."""
    args = plain_arguments(expansion, call, ())
    named_memory(expansion, call, args)
    must_have_model(expansion, call, args)
    size = ir.Bounds(0, whole(args["k"]) or 1)
    question = call.frame.question
    path = expansion.claim(call.site.path("recall"))
    ref = expansion.add(stage_of(call, path, None, args, TEXT, size, FACETS, question))
    amount = expansion.text(call.given["k"].value.span) if "k" in call.given else ""
    return Pool(ref, TEXT, size, FACETS, question, call.expr.span, amount, 0)


def named_memory(expansion: Expansion, call: Call, args: dict[str, ir.Argument]) -> None:
    """Fails where no memory is named, or by what can be no name."""
    memory = args["memory"]
    name = memory.value if isinstance(memory, ir.Const) else None
    if not isinstance(name, str):
        hint = 'write `memory: "lessons"`'
        raise expansion.fail("E0212", f"`{call.signature.name}` does not say which memory", call.expr.span, hint=hint)
    if not is_file(name) and not is_name(name):
        hint = "use letters, digits, `-`, `_` and `.`; the path of a file ends in `.sqlite`"
        raise expansion.fail("E0217", f'"{name}" can be no name of a memory', call.span_of("memory"), hint=hint)
