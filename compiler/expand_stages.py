"""Calls of stages: what is written, whether it runs, and for stages over a pool their sizes and facets."""

from __future__ import annotations

from dataclasses import replace

from ttscale.compiler import ast_expressions, ir, sizes
from ttscale.compiler.expand_arguments import (
    Call,
    arguments,
    given_settings,
    model_of,
    plain_arguments,
    stage_of,
    using_of,
)
from ttscale.compiler.expand_decompose import decompose
from ttscale.compiler.expand_explore import explore
from ttscale.compiler.expand_forced import with_factors
from ttscale.compiler.expand_nodes import condition
from ttscale.compiler.expand_recall import named_memory, recall
from ttscale.compiler.expand_retrieve import retrieve
from ttscale.compiler.expand_settings import settings
from ttscale.compiler.expand_sources import classify, generate, result_of_prompt
from ttscale.compiler.expansion import (
    Expansion,
    Frame,
    Oversize,
    Pool,
    Site,
    Value,
)
from ttscale.compiler.rule_judges import utility_is_judged
from ttscale.compiler.rule_signatures import ALIASES
from ttscale.compiler.signatures import (
    META,
    RULES,
    SIGNATURES,
    Signature,
    by_checklist,
    by_likeness,
    judging,
    testing,
    told,
)

SOURCES = {
    "generate": generate,
    "classify": classify,
    "explore": explore,
    "retrieve": retrieve,
    "decompose": decompose,
    "recall": recall,
}
"""Stages that no pool is piped into."""


def call_stage(
    expansion: Expansion,
    expr: ast_expressions.Call,
    signature: Signature,
    piped: Value | None,
    frame: Frame,
    site: Site,
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
    given = arguments(expansion, signature, args)
    call = Call(expr, signature, frame, site, given, None if settled is True or settled is False else settled)
    if signature.source == "none":
        if settled is False:
            return Pool(ir.Const(()), result_of_prompt(expansion, call), sizes.EMPTY, next_series=0)
        return SOURCES[signature.name](expansion, call)
    if not isinstance(piped, Pool):
        raise expansion.fail(
            "E0219",
            f"`{signature.name}` needs a pool",
            expr.span,
            label="this is one value",
            hint="pipe the candidates into it",
        )
    return _over_pool(expansion, call, piped)


def _over_pool(expansion: Expansion, call: Call, pool: Pool) -> Pool:
    if call.signature.name == "select" and _is_rule(call, "checklist"):
        call = _as_ranking(call, "checklist")
    elif call.signature.name == "select" and _is_judged_likeness(call):
        call = _as_ranking(call, "likeness", ("evidence",))
    signature = call.signature
    args = plain_arguments(expansion, call, ("using", "from"))
    if signature.name == "select":  # what it asks a model it asks as a ranking
        args = {p.name: ir.Const(None) for p in signature.parameters} | {"by": args["by"]}
    asks = signature.calls != "none"
    if signature.name == "rank" and args["method"] == ir.Const("checklist"):
        signature = by_checklist()
        call = replace(call, signature=signature)
    if signature.name == "rank" and args["method"] == ir.Const("likeness"):
        signature = by_likeness()
        call = replace(call, signature=signature)
    if signature.name == "score":
        asks = _name_score(args)
        args["meta"] = ir.Const(None)
        if not asks:
            args = {p.name: ir.Const(None) for p in signature.parameters} | {k: args[k] for k in ("by", "as", "meta")}
    if signature.name == "remember":
        named_memory(expansion, call, args)
        asks = args["what"] != ir.Const("text") and args["note"] == ir.Const(None)
        if not asks:
            args = {p.name: ir.Const(None) for p in signature.parameters} | args
    if signature.name == "run_tests":
        judged = args["method"] == ir.Const("judged")
        asks = judged or args["with"] == ir.Const(None)
        signature = testing(judged)
        call = replace(call, signature=signature)
        if not asks:
            args = {p.name: ir.Const(None) for p in signature.parameters} | args
    if asks and signature.name in ("score", "verify"):
        signature = _judging(args, signature.name)
        call = replace(call, signature=signature)
    if asks:
        filled = using_of(expansion, call, pool)
        model = model_of(expansion, call)
        args |= {"using": filled, "from": model}
        args |= settings(signature, given_settings(expansion, call), filled.prompt, model)
        with_factors(expansion, call, args, pool.question)
        if _judges_sets(args):
            args["meta"] = ir.Filled(expansion.std_prompt(META, signature.name, call.expr.span))
        result = pool.item if signature.keeps else filled.prompt.result
    else:
        args |= {p.name: ir.Const(None) for p in signature.parameters if p.name in ("using", "from")}
        result = told(signature.name, pool.item)
    if signature.plugin:
        args["function"] = ir.Const(signature.plugin)
    size = _size(expansion, call, pool, args)
    facets = (pool.facets | signature.gives) if signature.keeps else frozenset[str]()
    if call.when is not None:
        size = sizes.either([size, pool.size])
        facets &= pool.facets
    path = expansion.claim(call.site.path(signature.name))
    ref = expansion.add(stage_of(call, path, pool.operand, args, result, size, facets, pool.question))
    if signature.keeps:
        return replace(pool, operand=ref, item=result, size=size, facets=facets)
    amount = expansion.text(call.given["n"].value.span) if "n" in call.given else "1"
    if signature.name == "revise":
        amount = f"{pool.amount} * {amount}" if "n" in call.given else pool.amount
    following = 1
    return Pool(ref, result, size, facets, pool.question, call.expr.span, amount, following)


def _is_rule(call: Call, wanted: str) -> bool:
    """Whether `by:` names this rule of the language."""
    by = call.given["by"].value if "by" in call.given else None
    name = by.callee if isinstance(by, ast_expressions.Call) else by
    own = name.name if isinstance(name, ast_expressions.Name) else ""
    symbol = call.frame.module.names.get(own)
    is_own = own in call.frame.names or (symbol is not None and symbol.kind == "python")
    return not is_own and ALIASES.get(own, own) == wanted


def _is_judged_likeness(call: Call) -> bool:
    """Whether `select` goes by a likeness that a model judges."""
    return _is_rule(call, "bayes_risk") and utility_is_judged(call.given["by"].value)


def _as_ranking(call: Call, method: str, taken: tuple[str, ...] = ("using", "from")) -> Call:
    """A choice that asks a model as the ranking that it is, of which the best one stays.

    `taken` are the arguments of the rule that the ranking takes too.
    """
    by = call.given["by"]
    inner = by.value.args if isinstance(by.value, ast_expressions.Call) else ()
    given = {name: arg for name, arg in call.given.items() if name != "by"}
    given |= {arg.name: arg for arg in inner if arg.name in taken}
    given["method"] = ast_expressions.Arg("method", ast_expressions.Name(method, by.span), by.span)
    given["keep"] = ast_expressions.Arg("keep", ast_expressions.LiteralValue(1, "1", by.span), by.span)
    return replace(call, signature=SIGNATURES["rank"], given=given)


def _judging(args: dict[str, ir.Argument], stage: str) -> Signature:
    """The signature of a judge by its rule, or by its number of argued verdicts."""
    rule = args.get("by")
    return judging(stage, rule.name if isinstance(rule, ir.Strategy) else "", args.get("verdicts") not in _NO_VERDICTS)


_NO_VERDICTS = (None, ir.Const(None))


def _judges_sets(args: dict[str, ir.Argument]) -> bool:
    """Whether a rubric keeps fewer sets than it asks for, so that a judge has to choose among them."""
    rule = args.get("by")
    if not isinstance(rule, ir.Strategy) or rule.name != "rubric":
        return False
    kept = dict(rule.named)
    return kept["keep"] != ir.Const(None) and kept["keep"] != kept["k"]


def _name_score(args: dict[str, ir.Argument]) -> bool:
    """Name a score after its rule unless `as:` does; whether the rule asks a model."""
    rule = args["by"]
    assert isinstance(rule, ir.Strategy)
    if args["as"] == ir.Const(None):
        args["as"] = ir.Const(rule.name)
    return not rule.plugin and RULES[rule.name].judge


def _size(expansion: Expansion, call: Call, pool: Pool, args: dict[str, ir.Argument]) -> ir.Bounds:
    """How many candidates the stage gives."""
    size = pool.size
    if call.signature.plugin:
        capped = sizes.capped(size, 1) if call.signature.at_most_one else size
        return sizes.some(capped, may_be_empty=True)
    match call.signature.name:
        case "rank":
            return _capped(expansion, call, pool, "keep", args)
        case "verify":
            return sizes.some(size, may_be_empty=args["otherwise"] == ir.Const("none"))
        case "fuse":
            n = args["n"]
            return sizes.made_from(size, n.value if isinstance(n, ir.Const) and isinstance(n.value, int) else 1)
        case "revise":
            n = args["n"]
            return sizes.revised(size, n.value if isinstance(n, ir.Const) and isinstance(n.value, int) else 1)
        case "filter":
            capped = _capped(expansion, call, pool, "top", args)
            drops = [name for name in ("min_share", "min_score") if args[name] != ir.Const(None)]
            thins = args["unique"] == ir.Const(True) or _keeps_part(args["by"])
            if drops or thins:
                capped = sizes.some(capped, may_be_empty=bool(drops))
            return capped
        case "vote" | "select":
            _subsets(expansion, call, pool, args)
            return sizes.capped(size, 1)
    return size


def _subsets(expansion: Expansion, call: Call, pool: Pool, args: dict[str, ir.Argument]) -> None:
    """Notes `majority_of_bests(m: 9)` on a pool of four, of which there are no subsets of nine."""
    rule, by = args.get("by"), call.given["by"].value if "by" in call.given else None
    if not isinstance(rule, ir.Strategy) or rule.name != "majority_of_bests":
        return
    if not isinstance(by, ast_expressions.Call) or not by.args:
        return
    drawn = dict(rule.named)["m"]
    arg = next((arg for arg in by.args if arg.name == "m"), by.args[-1])
    if isinstance(drawn, ir.Const) and isinstance(drawn.value, int) and drawn.value > pool.size.high > 0:
        expansion.oversized.append(
            Oversize(rule.name, "m", arg.span, drawn.value, pool.size.high, pool.made, pool.amount, arg.value, "draws")
        )


def _keeps_part(rule: ir.Argument) -> bool:
    return isinstance(rule, ir.Strategy) and not rule.plugin and RULES[rule.name].gives != "numbers"


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
