"""`explore`: its policy, judge and models in the one form that the graph has for them."""

from __future__ import annotations

from dataclasses import replace

from ttscale.compiler import ast_expressions, ir, sizes
from ttscale.compiler.expand_arguments import (
    Call,
    given_settings,
    model_of,
    models_of,
    only_model,
    plain_arguments,
    prompts_of,
    question_of,
    stage_of,
    using_of,
)
from ttscale.compiler.expand_settings import settings
from ttscale.compiler.expand_strategies import matched, settled, strategy
from ttscale.compiler.expansion import Expansion, Plain, Pool, PromptValue, one, unknown_option
from ttscale.compiler.policy_signatures import POLICIES, POLICY_ALIASES, PolicySignature, Reach, reach_of
from ttscale.compiler.signatures import RULES
from ttscale.compiler.source import Span
from ttscale.compiler.step_judges import EXPLORE_JUDGES, explore_judging

LEFT = ("prompt", "from", "policy", "judge")
"""Arguments that are settled here."""


def explore(expansion: Expansion, call: Call) -> Pool:
    """The pool of an `explore`."""
    prompts = prompts_of(expansion, call)[:1]
    models = models_of(expansion, call, "from") or [only_model(expansion, call)]
    args = plain_arguments(expansion, call, LEFT)
    args |= settings(call.signature, given_settings(expansion, call), prompts[0].prompt, models[0])
    args["separator"] = texts_of(args["separator"])
    args["final"] = texts_of(args["final"])
    args["policy"] = _policy(expansion, call)
    args |= _judge(expansion, call, models)
    if args["as"] == ir.Const(None) and isinstance(args["judge"], ir.Strategy):
        args["as"] = ir.Const(args["judge"].name)
    args |= {"prompts": tuple(prompts), "models": _asked(expansion, call, args["policy"], models)}
    _room(expansion, call, args)
    reach = reach_of_stage(args)
    size = ir.Bounds(0, reach.answers)
    question = question_of(prompts, call.frame)
    result = prompts[0].prompt.result
    facets = frozenset({"scored", "stepped"})
    path = expansion.claim(call.site.path("explore"))
    ref = expansion.add(stage_of(call, path, None, args, result, size, facets, question))
    amount = expansion.text(call.given["width"].value.span) if "width" in call.given else ""
    return Pool(ref, result, size, facets, question, call.expr.span, amount, 1)


def _room(expansion: Expansion, call: Call, args: dict[str, ir.Argument]) -> None:
    """Fails where `tokens:` has no room for a step and the greedy steps ahead that it is judged with."""
    limit, longest, policy = whole(args["tokens"]), whole(args["step_tokens"]), args["policy"]
    assert isinstance(policy, ir.Strategy) and longest is not None
    ahead = next((whole(value) or 0 for name, value in policy.named if name in ("ahead", "lookahead")), 0)
    if limit is not None and limit < longest * (1 + ahead):
        message = "`tokens:` has no room for a single step, so that nothing would be written"
        message = message.replace("step,", f"step and the {ahead} ahead of it,") if ahead else message
        hint = f"write `tokens: {longest * (1 + ahead)}` or more, or a smaller `step_tokens:`"
        raise expansion.fail("E0216", message, call.span_of("tokens"), hint=hint)


def reach_of_stage(args: dict[str, ir.Argument]) -> Reach:
    """The most that an `explore` with these arguments may do."""
    policy = args["policy"]
    assert isinstance(policy, ir.Strategy)
    own = {name: value.value for name, value in policy.named if isinstance(value, ir.Const)}
    limit = whole(args["expansions"])
    return reach_of(
        policy.name, own, whole(args["width"]) or 1, whole(args["branch"]) or 1, whole(args["steps"]) or 1, limit
    )


def whole(value: ir.Argument) -> int | None:
    """A whole number that is known; None where there is none."""
    found = value.value if isinstance(value, ir.Const) else None
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def texts_of(value: ir.Argument) -> ir.Const:
    """One text or several, as a tuple."""
    found = value.value if isinstance(value, ir.Const) else ()
    return ir.Const((found,) if isinstance(found, str) else tuple(found) if isinstance(found, tuple | list) else ())


def _asked(expansion: Expansion, call: Call, policy: ir.Argument, models: list[ir.Model]) -> tuple[ir.Model, ...]:
    """The models that write: two for a cascade, one for all other policies."""
    assert isinstance(policy, ir.Strategy)
    wanted = 2 if policy.name == "cascade" else 1
    if len(models) < wanted:
        message = "`cascade` needs two models: the first writes each step, the second what is not accepted"
        raise expansion.fail("E0266", message, call.span_of("from"), hint="write `from: [small, large]`")
    return tuple(models[:wanted])


# --- the policy -----------------------------------------------------------------------------------


def _policy(expansion: Expansion, call: Call) -> ir.Strategy:
    if "policy" not in call.given:
        return _named(expansion, call, POLICIES[str(call.signature.by_name["policy"].default)], (), call.expr.span)
    expr = call.given["policy"].value
    called = expr.callee if isinstance(expr, ast_expressions.Call) else expr
    if isinstance(called, ast_expressions.Name):
        name = settled(expansion, called.name, call.frame)
        policy = POLICIES.get(POLICY_ALIASES.get(name, name))
        if policy is not None:
            given = expr.args if isinstance(expr, ast_expressions.Call) else ()
            return _named(expansion, call, policy, given, expr.span)
        hint = unknown_option(name, [*POLICIES, *POLICY_ALIASES])
        raise expansion.fail("E0265", f"there is no policy `{name}`", expr.span, hint=hint)
    raise expansion.fail("E0265", "`policy:` takes the name of a policy", expr.span, hint="write `policy: beam`")


def _named(
    expansion: Expansion, call: Call, policy: PolicySignature, args: tuple[ast_expressions.Arg, ...], span: Span
) -> ir.Strategy:
    """A policy with all its arguments by name."""
    given = {
        parameter.name: _value(expansion, call, parameter.choices, arg.value)
        for parameter, arg in matched(expansion, policy.name, policy.positional, policy.parameters, args)
    }
    named = tuple((p.name, given.get(p.name, ir.Const(p.default))) for p in policy.parameters)
    return ir.Strategy(policy.name, (), named, span)


def _value(expansion: Expansion, call: Call, choices: tuple[str, ...], expr: ast_expressions.Expr) -> ir.Const:
    if isinstance(expr, ast_expressions.Name) and expr.name in choices:
        return ir.Const(expr.name)
    value = one(expansion, expansion.evaluate(expr, call.frame, call.site.inner()), expr.span)
    if not isinstance(value, ir.Const):
        hint = "use a number, a parameter or what follows from them"
        raise expansion.fail("E0235", "a policy's arguments must be known before the run", expr.span, hint=hint)
    return value


# --- the judge ------------------------------------------------------------------------------------


def _judge(expansion: Expansion, call: Call, models: list[ir.Model]) -> dict[str, ir.Argument]:
    """The rule, and for one that asks a model its prompt, model and sampling."""
    expr = call.given["judge"].value if "judge" in call.given else None
    rule, using, asked = _rule(expansion, call, expr)
    none = ir.Const(None)
    found: dict[str, ir.Argument] = {"judge": rule, "using": none, "judge_model": none}
    found |= {"judge_temperature": none, "judge_max_tokens": none}
    if rule.plugin or not RULES[rule.name].judge:
        return found
    signature = explore_judging(rule.name)
    inner = replace(call, signature=signature, given={} if using is None else {"using": using})
    filled = using_of(expansion, inner, Pool(none, prompts_of(expansion, call)[0].prompt.result, sizes.ONE))
    model = models[-1] if asked is None else model_of(expansion, replace(call, given={"from": asked}))
    sampling = settings(signature, {}, filled.prompt, model)
    found |= {"using": filled, "judge_model": model}
    return found | {f"judge_{name}": sampling[name] for name in ("temperature", "max_tokens")}


def _rule(
    expansion: Expansion, call: Call, expr: ast_expressions.Expr | None
) -> tuple[ir.Strategy, ast_expressions.Arg | None, ast_expressions.Arg | None]:
    """The rule of `judge:`, and its arguments `using:` and `from:`; a prompt alone is asked for yes or no."""
    usual = ir.Strategy(str(call.signature.by_name["judge"].default))
    if expr is None:
        return usual, None, None
    called = expr.callee if isinstance(expr, ast_expressions.Call) else expr
    is_bound = isinstance(called, ast_expressions.Name) and (
        called.name in RULES or isinstance(call.frame.names.get(called.name), Plain)
    )
    if not is_bound and isinstance(called, ast_expressions.Name | ast_expressions.Attribute):
        symbol = expansion.symbol(called, call.frame)
        local = call.frame.names.get(called.name) if isinstance(called, ast_expressions.Name) else None
        if (symbol is not None and symbol.kind == "prompt") or isinstance(local, PromptValue):
            return usual, ast_expressions.Arg("using", expr, expr.span), None
    if not isinstance(expr, ast_expressions.Call):
        return _allowed(expansion, strategy(expansion, expr, call.frame, call.site)), None, None
    apart = {arg.name: arg for arg in expr.args if arg.name in ("using", "from")}
    rest = replace(expr, args=tuple(arg for arg in expr.args if arg.name not in apart))
    rule = _allowed(expansion, strategy(expansion, rest, call.frame, call.site))
    return rule, apart.get("using"), apart.get("from")


def _allowed(expansion: Expansion, rule: ir.Strategy) -> ir.Strategy:
    if rule.plugin or rule.name in EXPLORE_JUDGES:
        return rule
    hint = f"there are {', '.join(EXPLORE_JUDGES)}"
    raise expansion.fail("E0223", f"`{rule.name}` cannot judge the beginning of an answer", rule.span, hint=hint)
