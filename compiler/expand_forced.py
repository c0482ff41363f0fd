"""`score(by: forced(…))`: the prompts of its factors, and what they need.

`direct` and `alone` read the answer behind the prompt of `using:`, the second with an empty question; `channel` reads
the question behind a prompt of its own.

Codes:
    E0216  all factors have the weight 0
    E0225  a factor needs the question, and there is none that could be read or left out
"""

from __future__ import annotations

from dataclasses import replace

from ttscale.compiler import ir
from ttscale.compiler.expand_arguments import Call
from ttscale.compiler.expansion import Expansion
from ttscale.compiler.signatures import CHANNEL
from ttscale.compiler.types import Text

FACTORS = ("direct", "channel", "alone")


def with_factors(expansion: Expansion, call: Call, args: dict[str, ir.Argument], question: ir.Operand | None) -> None:
    """Give the rule `forced` the prompt of its channel, or none; raises where a factor cannot be read."""
    rule, filled = args.get("by"), args.get("using")
    if not isinstance(rule, ir.Strategy) or rule.name != "forced" or rule.plugin or not isinstance(filled, ir.Filled):
        return
    own, span = dict(rule.named), call.span_of("by")
    used = [name for name in FACTORS if own[name] not in (ir.Const(0), ir.Const(0.0))]
    if not used:
        hint = "give one of them a weight: `direct: 1`"
        raise expansion.fail("E0216", f"`forced` reads nothing where {', '.join(FACTORS)} are all 0", span, hint=hint)
    if "alone" in used and "using" in call.given:
        kind = dict(filled.prompt.params).get("question")
        if not isinstance(kind, Text) or "question" in dict(filled.args):
            message = f"prompt `{filled.prompt.name}` has no `question` that `alone` could leave out"
            hint = "give it a parameter `question: Text` that the stage fills"
            raise expansion.fail("E0225", message, span, hint=hint)
    asking = own["asking"]
    if "channel" in used and question is None:
        message = "`channel` reads the question, and the prompt that made these answers has no argument of that name"
        hint = "call what is asked `question` there, or take `channel` away"
        raise expansion.fail("E0225", message, span, hint=hint)
    if "channel" not in used:
        asking = ir.Const(None)
    elif not isinstance(asking, ir.Filled):
        asking = ir.Filled(expansion.std_prompt(CHANNEL, call.signature.name, call.expr.span))
    named = tuple((name, asking if name == "asking" else value) for name, value in rule.named)
    args["by"] = replace(rule, named=named)
