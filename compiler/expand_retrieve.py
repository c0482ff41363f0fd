"""`retrieve`: passages of documents as a pool of texts."""

from __future__ import annotations

from ttscale.compiler import ir
from ttscale.compiler.expand_arguments import Call, plain_arguments, stage_of
from ttscale.compiler.expand_explore import texts_of, whole
from ttscale.compiler.expansion import Expansion, Pool
from ttscale.compiler.types import TEXT

FACETS = frozenset({"scored", "ranked"})


def retrieve(expansion: Expansion, call: Call) -> Pool:
    """The pool of a `retrieve`, of at most `k` texts."""
    args = plain_arguments(expansion, call, ())
    args["files"] = texts_of(args["files"])
    count = whole(args["k"]) or 1
    size = ir.Bounds(0, count)
    question = call.frame.question
    path = expansion.claim(call.site.path("retrieve"))
    ref = expansion.add(stage_of(call, path, None, args, TEXT, size, FACETS, question))
    amount = expansion.text(call.given["k"].value.span) if "k" in call.given else ""
    return Pool(ref, TEXT, size, FACETS, question, call.expr.span, amount, 0)
