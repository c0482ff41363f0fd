"""`retrieve`: passages of documents as a pool of texts."""

from __future__ import annotations

from ttscale.compiler import ir
from ttscale.compiler.expand_arguments import Call, plain_arguments, stage_of
from ttscale.compiler.expand_explore import texts_of, whole
from ttscale.compiler.expansion import Expansion, Pool
from ttscale.compiler.types import TEXT

FACETS = frozenset({"scored", "ranked"})
VECTORS = (ir.Const("embedding"), ir.Const("both"))


def must_have_model(expansion: Expansion, call: Call, args: dict[str, ir.Argument]) -> None:
    """Fails where vectors are wanted and no model makes them."""
    if args["by"] in VECTORS and not isinstance(args["from"], ir.Model):
        message = f"`{call.signature.name}` does not say which model makes the vectors"
        raise expansion.fail("E0212", message, call.expr.span, hint="add `from:` with a model of the llama engine")


def retrieve(expansion: Expansion, call: Call) -> Pool:
    """The pool of a `retrieve`, of at most `k` texts."""
    args = plain_arguments(expansion, call, ())
    args["files"] = texts_of(args["files"])
    must_have_model(expansion, call, args)
    count = whole(args["k"]) or 1
    size = ir.Bounds(0, count)
    question = call.frame.question
    path = expansion.claim(call.site.path("retrieve"))
    ref = expansion.add(stage_of(call, path, None, args, TEXT, size, FACETS, question))
    amount = expansion.text(call.given["k"].value.span) if "k" in call.given else ""
    return Pool(ref, TEXT, size, FACETS, question, call.expr.span, amount, 0)
