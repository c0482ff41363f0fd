"""`decompose`: the parts of a question as a pool."""

from __future__ import annotations

from ttscale.compiler import ir, sizes
from ttscale.compiler.expand_arguments import Call, given_settings, model_of, plain_arguments, stage_of, using_of
from ttscale.compiler.expand_explore import whole
from ttscale.compiler.expand_settings import settings
from ttscale.compiler.expansion import Expansion, Pool
from ttscale.compiler.signatures import PART
from ttscale.compiler.types import TEXT, ListOf

_LISTED = Pool(ir.Const(()), ListOf(TEXT), sizes.EMPTY)
"""What the standard prompt gives."""


def decompose(expansion: Expansion, call: Call) -> Pool:
    """The pool of a `decompose`: 1 to `most` parts."""
    args = plain_arguments(expansion, call, ("using", "from"))
    filled, model = using_of(expansion, call, _LISTED), model_of(expansion, call)
    args |= {"using": filled, "from": model}
    args |= settings(call.signature, given_settings(expansion, call), filled.prompt, model)
    size = ir.Bounds(0 if call.when is not None else 1, whole(args["most"]) or 1)
    asked = args["question"]
    question = asked if isinstance(asked, OPERANDS) else call.frame.question
    path = expansion.claim(call.site.path("decompose"))
    ref = expansion.add(stage_of(call, path, None, args, PART, size, frozenset(), question))
    amount = expansion.text(call.given["most"].value.span) if "most" in call.given else ""
    return Pool(ref, PART, size, frozenset(), question, call.expr.span, amount, 0)


OPERANDS = ir.Const | ir.Input | ir.Ref | ir.Item | ir.Apply
