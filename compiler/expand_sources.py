"""Stages that make candidates from a prompt: `generate` and `classify`."""

from __future__ import annotations

from dataclasses import replace

from ttscale.compiler import ir, sizes
from ttscale.compiler.expand_arguments import (
    Call,
    given_settings,
    model_of,
    models_of,
    must_be_within,
    only_model,
    plain_arguments,
    prompts_of,
    question_of,
    stage_of,
    values_of,
)
from ttscale.compiler.expand_combine import combined
from ttscale.compiler.expand_nodes import concat
from ttscale.compiler.expand_settings import normal, settings
from ttscale.compiler.expand_watch import watch
from ttscale.compiler.expansion import (
    Expansion,
    Pool,
    one,
)
from ttscale.compiler.shots import settle_examples
from ttscale.compiler.signatures import PART
from ttscale.compiler.types import TEXT, Type
from ttscale.compiler.watch_signatures import forks_of, watchers_in


def result_of_prompt(expansion: Expansion, call: Call) -> Type:
    """The type that answers to a source's first prompt read as; of one without a prompt, of what it gives."""
    if "prompt" not in call.signature.by_name:
        return PART if call.signature.name == "decompose" else TEXT
    return next((f.prompt.result for f in prompts_of(expansion, call)), TEXT)


def generate(expansion: Expansion, call: Call) -> Pool:
    """The pool of a `generate`, split where prompts or models bring different settings."""
    prompts = prompts_of(expansion, call)
    models = combined(expansion, call, models_of(expansion, call, "from") or [only_model(expansion, call)])
    spots = [one(expansion, value, call.span_of("temperature")) for value in values_of(expansion, call, "temperature")]
    for spot in spots:
        if isinstance(spot, ir.Const):
            must_be_within(expansion, call, call.signature.by_name["temperature"], spot.value)
    written = tuple(normal("temperature", spot.value) for spot in spots if isinstance(spot, ir.Const))
    given = given_settings(expansion, call)
    args = settle_examples(
        expansion,
        call,
        prompts,
        plain_arguments(expansion, call, ("prompt", "from", "temperature", "more", "watch", "combine")),
    )
    series = _first_series(expansion, call, args)
    model_series = tuple(series + sum(m.name == models[k].name for m in models[:k]) for k in range(len(models)))
    args["series"] = ir.Const(series)
    args["more"] = ir.Const(None)
    grid = [settings(call.signature, given, f.prompt, m) for f in prompts for m in models]
    if written:
        grid = [{**cell, "temperature": ir.Const(None)} for cell in grid]
    question = question_of(prompts, call.frame)
    if all(cell == grid[0] for cell in grid):
        cell = dict(grid[0])
        temperatures = written or (cell["temperature"],)
        cell.pop("temperature")
        grown = {**args, **cell, "prompts": tuple(prompts), "models": tuple(models), "temperatures": temperatures}
        grown["model_series"] = ir.Const(model_series)
        return _source(expansion, call, grown, prompts[0].prompt.result, question, call.site.path("generate"))
    if isinstance(args["n"], ir.UpTo):
        hint = "write `temperature:` and the other settings on the call"
        message = "prompts or models with different sampling settings cannot share one `n: up to …`"
        raise expansion.fail("E0253", message, call.expr.span, hint=hint)
    return _split(expansion, call, prompts, models, model_series, args, grid, written, question)


def _split(
    expansion: Expansion,
    call: Call,
    prompts: list[ir.Filled],
    models: list[ir.Model],
    model_series: tuple[int, ...],
    args: dict[str, ir.Argument],
    grid: list[dict[str, ir.Argument]],
    written: tuple[ir.Argument, ...],
    question: ir.Operand | None,
) -> Pool:
    """One stage a combination of prompt and model, where these bring different settings, joined in order."""
    scope = call.site.path("generate")
    parts: list[Pool] = []
    pairs = [(f, m, s) for f in prompts for m, s in zip(models, model_series, strict=True)]
    for index, ((filled, model, series), cell) in enumerate(zip(pairs, grid, strict=True)):
        temperatures = written or (cell["temperature"],)
        grown = {**args, **cell, "prompts": (filled,), "models": (model,), "temperatures": temperatures}
        grown.pop("temperature")
        grown["series"] = ir.Const(series)
        grown["model_series"] = ir.Const((series,))
        grown["hedge"] = args["hedge"] if index == 0 else ir.Const(False)
        own = model.name.partition("(")[0]
        name = own if len(prompts) == 1 else f"{filled.prompt.name}.{own}"
        parts.append(_source(expansion, call, grown, filled.prompt.result, question, f"{scope}/{name}"))
    joined = concat(expansion, parts, call.frame, expansion.claim(scope), call.expr.span)
    return replace(joined, made=call.expr.span, amount=_amount(expansion, call, len(grid) * max(1, len(written)), args))


def _first_series(expansion: Expansion, call: Call, args: dict[str, ir.Argument]) -> int:
    """`series:`, or with `more: pool` the first one that the pool did not use."""
    base = args["series"]
    series = base.value if isinstance(base, ir.Const) and isinstance(base.value, int) else 0
    if "more" in call.given:
        value = expansion.evaluate(call.given["more"].value, call.frame, call.site.inner())
        if not isinstance(value, Pool):
            raise expansion.fail("E0219", "`more:` needs a pool", call.span_of("more"), hint="name an earlier pool")
        series = max(series, value.next_series)
    return series


def _source(
    expansion: Expansion,
    call: Call,
    args: dict[str, ir.Argument],
    result: Type,
    question: ir.Operand | None,
    path: str,
) -> Pool:
    """One `generate` stage."""
    cells = 1
    for name in ("prompts", "models", "temperatures"):
        part = args[name]
        cells *= len(part) if isinstance(part, tuple) else 1
    n = args["n"]
    extra = 1 if args["hedge"] == ir.Const(True) else 0
    if isinstance(n, ir.UpTo):
        start = args["start"].value if isinstance(args["start"], ir.Const) else 1
        low = min(int(start), n.limit) if isinstance(start, int) and args["until"] != ir.Const(None) else n.limit
        size = ir.Bounds(low * cells + extra, n.limit * cells + extra)
    else:
        count = n.value if isinstance(n, ir.Const) and isinstance(n.value, int) else 1
        size = sizes.exactly(count * cells + extra)
    args = {**args, "watch": watch(expansion, call, args)}
    size = ir.Bounds(size.low, size.high * (1 + forks_of(watchers_in(args["watch"]))))
    args["until"] = _with_limit(args["until"], size.high)
    if call.when is not None:
        size = ir.Bounds(0, size.high)
    stage = stage_of(call, expansion.claim(path), None, args, result, size, frozenset(), question)
    ref = expansion.add(stage)
    used = args["model_series"]
    following = max(used.value) + 1 if isinstance(used, ir.Const) and isinstance(used.value, tuple) else 1
    amount = _amount(expansion, call, cells, args)
    return Pool(ref, result, size, frozenset(), question, call.expr.span, amount, following)


def _with_limit(condition: ir.Argument, limit: int) -> ir.Argument:
    """A condition whose `decided` knows how many samples there may be."""
    if not isinstance(condition, ir.Apply):
        return condition
    if condition.op == "decided":
        return replace(condition, args=(condition.args[0], ir.Const(limit)))
    args = tuple(_with_limit(arg, limit) for arg in condition.args)
    return replace(condition, args=tuple(arg for arg in args if isinstance(arg, OPERANDS)))


OPERANDS = ir.Const | ir.Input | ir.Ref | ir.Item | ir.Apply | ir.Own | ir.Column


def _amount(expansion: Expansion, call: Call, cells: int, args: dict[str, ir.Argument]) -> str:
    """How many candidates a source makes, in the file's words: `width x 3`."""
    written = expansion.text(call.given["n"].value.span) if "n" in call.given else ""
    extra = " + 1" if args.get("hedge") == ir.Const(True) else ""
    if not written:
        return f"{cells}{extra}"
    return f"{written} x {cells}{extra}" if cells > 1 else f"{written}{extra}"


def classify(expansion: Expansion, call: Call) -> Pool:
    """The pool of one that a `classify` gives."""
    prompts = prompts_of(expansion, call)
    args = plain_arguments(expansion, call, ("prompt", "from"))
    args |= {"prompts": (prompts[0],), "models": (model_of(expansion, call),)}
    question = question_of(prompts, call.frame)
    size = sizes.ONE if call.when is None else ir.Bounds(0, 1)
    result = prompts[0].prompt.result
    path = expansion.claim(call.site.path("classify"))
    ref = expansion.add(stage_of(call, path, None, args, result, size, frozenset(), question))
    return Pool(ref, result, size, frozenset(), question, call.expr.span, "1")
