"""What `explore` asks of models: the steps that its policy may write, and the judgements of their beginnings."""

from __future__ import annotations

import math
from dataclasses import replace

from ttscale.compiler import ir
from ttscale.compiler.asking import END_TOKENS, Asked, labels_of
from ttscale.compiler.asking import _ends as ends
from ttscale.compiler.asking import _judged as judged
from ttscale.compiler.asking import _with_retries as with_retries
from ttscale.compiler.expand_explore import reach_of_stage, whole
from ttscale.compiler.prompt_tokens import MESSAGE_OVERHEAD, Amount
from ttscale.compiler.said import JOIN_SLACK, Reader
from ttscale.compiler.said import explored as said_by
from ttscale.compiler.signatures import RULES

DIGITS = tuple("0123456789")


def explored(stage: ir.Stage, reader: Reader) -> list[Asked]:
    """The calls of an `explore`: the first model's steps, those that a second one writes anew, the judge's."""
    args = dict(stage.args)
    prompts, models, longest = args["prompts"], args["models"], whole(args["step_tokens"]) or 1
    assert isinstance(prompts, tuple) and isinstance(models, tuple)
    filled = prompts[0]
    assert isinstance(filled, ir.Filled)
    reach = reach_of_stage(args)
    written = reach.written
    judgements = whole(args["judgements"])
    found: list[Asked] = []
    shares = [written] if len(models) == 1 else [written, reach.rewritten]
    for place, (model, most) in enumerate(zip(models, shares, strict=True)):
        assert isinstance(model, ir.Model)
        begun = said_by(stage, reader.share).text
        shown = math.ceil(begun.high * (1.25 if len(models) == 1 else 2.0)) + JOIN_SLACK + MESSAGE_OVERHEAD
        prompt = reader.prompt(filled, stage, model).plus(Amount(0, shown, begun.expected // 2))
        limit = whole(args["tokens"])
        mean = longest if limit is None or not most else min(longest, math.ceil(limit / most))
        new = Amount(1, mean, math.ceil(mean / 2))
        least = 1 if place == 0 else 0
        branch = min(most, whole(args["branch"]) or 1)
        call = Asked(model, prompt, new, min(least, most), most, math.ceil(most / 2), branch, reach.rounds, longest)
        found.append(with_retries(call, args))
    most_judged = reach.judged if judgements is None else min(reach.judged, judgements)
    return found + _judgements(stage, reader, most_judged)


def _judgements(stage: ir.Stage, reader: Reader, most: int) -> list[Asked]:
    """A judgement of every beginning, where the rule asks a model."""
    args = stage.args
    rule, using, model = args["judge"], args["using"], args["judge_model"]
    if not (isinstance(rule, ir.Strategy) and isinstance(using, ir.Filled) and isinstance(model, ir.Model)):
        return []
    if rule.plugin or not RULES[rule.name].judge:
        return []
    prompt = reader.prompt(using, stage, model)
    own = {"max_tokens": args["judge_max_tokens"]}
    if rule.name == "verdicts":
        each = whole(dict(rule.named)["k"]) or 1
        new = Amount(0, whole(args["judge_max_tokens"]) or 1, 1)
        calls = most * each
        argued = Asked(model, prompt, new, 0, calls, math.ceil(calls / 2), each)
        return [argued, ends(argued, END_TOKENS)]
    words = DIGITS if rule.name == "digit" else labels_of(using.prompt.result)
    call = judged(model, prompt, words, own, ir.Bounds(0, most))
    return [replace(call, expected=math.ceil(call.high / 2))]
