"""`explore`: its policy, its judge and its models, which belong together.

Codes (besides those of check_strategies and check_using):
    E0265  a policy that does not exist, or a Choice parameter that may be something other than a policy
    E0266  a policy and models that do not go together
    W0264  a policy that takes scores as shares, and a judge that gives other numbers
    E0223  a rule that cannot judge the beginning of an answer
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ttscale.compiler import ast_expressions, types
from ttscale.compiler.check_frame import Frame, Size, Typed, did_you_mean, exactly, listed
from ttscale.compiler.check_strategies import rule_call, rule_named
from ttscale.compiler.check_types import describe
from ttscale.compiler.check_using import using_prompt
from ttscale.compiler.check_values import size_of
from ttscale.compiler.policy_signatures import POLICIES, POLICY_ALIASES, PolicySignature
from ttscale.compiler.resolve import lookup
from ttscale.compiler.rule_signatures import RuleSignature
from ttscale.compiler.signatures import EXPLORE
from ttscale.compiler.step_judges import EXPLORE_JUDGES, explore_judging, is_share
from ttscale.compiler.types import Choice

if TYPE_CHECKING:
    from ttscale.compiler.check_stages import StageCall


def check_explore(call: StageCall) -> None:
    """Checks the policy, the judge, and whether the models are as many as the policy asks."""
    policies = _policies(call.given.get("policy"), call.frame)
    if policies is not None:
        _models(call, policies)
        call.counts["explored"] = _most(call, policies)
    judge = call.given.get("judge")
    rule = _judge(call, judge) if judge is not None else None
    _tokens(call)
    if policies is not None and rule is not None:
        _shares(call, policies, rule)


def _most(call: StageCall, policies: tuple[PolicySignature, ...]) -> Size:
    """How many candidates there may be: up to the width, times the branch where the policy may be `dvts`."""
    usual = {name: exactly(int(str(EXPLORE.by_name[name].default))) for name in ("width", "branch")}
    width, branch = (size_of(call.given[n], call.frame) if n in call.given else usual[n] for n in usual)
    return (width.times(branch) if any(policy.name == "dvts" for policy in policies) else width).some(0)


def policy_named(name: str) -> PolicySignature | None:
    """The policy of a name or of another name of it."""
    return POLICIES.get(POLICY_ALIASES.get(name, name))


# --- the policy -----------------------------------------------------------------------------------


def _policies(value: ast_expressions.Expr | None, frame: Frame) -> tuple[PolicySignature, ...] | None:
    """What `policy:` may be; None where that is wrong, which is reported."""
    if value is None:
        return (POLICIES[str(EXPLORE.by_name["policy"].default)],)
    called = value.callee if isinstance(value, ast_expressions.Call) else value
    if isinstance(called, ast_expressions.LiteralValue) and isinstance(called.value, str):
        known = policy_named(called.value)
        hint = (
            f"write it without quotes: `policy: {called.value}`" if known else f"there are {listed(list(POLICIES), 12)}"
        )
        frame.report("E0265", "`policy:` takes the name of a policy, not a text", value.span, hint=hint)
        return None
    if not isinstance(called, ast_expressions.Name):
        message = "`policy:` takes the name of a policy"
        frame.report("E0265", message, value.span, hint=f"there are {listed(list(POLICIES), 12)}")
        return None
    local = frame.local(called.name)
    if local is not None:
        local.used = True
        return _of_parameter(called, local.value, frame)
    policy = policy_named(called.name)
    if policy is None:
        names = [*POLICIES, *POLICY_ALIASES]
        hint = did_you_mean(called.name, names, f"there are {listed(list(POLICIES), 12)}")
        frame.report("E0265", f"there is no policy `{called.name}`", called.span, hint=hint)
        return None
    if isinstance(value, ast_expressions.Call):
        own = RuleSignature(policy.name, "numbers", (), policy.parameters, policy.positional)
        rule_call(value, own, Typed(types.ANY), frame)
        _heats(value, policy, frame)
    return (policy,)


def _heats(call: ast_expressions.Call, policy: PolicySignature, frame: Frame) -> None:
    """Reports chains of which the last, which should be the hottest, is colder than the first."""
    given = {arg.name: arg.value for arg in call.args if arg.name is not None}
    by_name = {parameter.name: parameter for parameter in policy.parameters}
    if "hottest" not in by_name:
        return
    name = "to" if "to" in given else "temperature"
    hottest, coldest = (given.get(n) or _usual(by_name[n].default, call) for n in ("hottest", name))
    if _fails(hottest, ">=", coldest, frame):
        place = given.get("hottest") or given[name]
        message = f"`hottest:` is the temperature of the last chain, and it is below `{name}:`, that of the first"
        hint = f"write `hottest: {frame.text(coldest.span)}` or more" if name in given else "write 1 or more"
        frame.report("E0216", message, place.span, hint=hint)


def _usual(value: object, at: ast_expressions.Call) -> ast_expressions.Expr:
    assert isinstance(value, int | float | str)
    return ast_expressions.LiteralValue(value, str(value), at.span)


def _fails(left: ast_expressions.Expr, sign: str, right: ast_expressions.Expr, frame: Frame) -> bool:
    """Whether a comparison is false for some values of the parameters."""
    holds = frame.space.values_of(frame.close(ast_expressions.Compare((left, right), (sign,), left.span)))
    return holds is not None and not all(holds)


def _tokens(call: StageCall) -> None:
    """Reports a limit of tokens that not even one step keeps to: a step is begun where there is room for all of it."""
    limit, step = call.given.get("tokens"), call.given.get("step_tokens")
    usual = EXPLORE.by_name["step_tokens"].default
    if limit is not None and _fails(limit, ">=", step or _usual(usual, call.expr), call.frame):
        most = call.frame.text(step.span) if step is not None else str(usual)
        message = "`tokens:` has no room for a single step, so that nothing would be written"
        label = f"a step may have {most} tokens" + ("" if step is not None else ", since `step_tokens:` is not given")
        hint = f"write `tokens: {most}` or more, or a smaller `step_tokens:`"
        call.frame.report("E0216", message, limit.span, label=label, hint=hint)


def _shares(call: StageCall, policies: tuple[PolicySignature, ...], judge: str) -> None:
    """Warns of weights and distances that are all alike, since every score is more than the highest share."""
    given = call.given.get("policy")
    own = {arg.name: arg.value for arg in given.args} if isinstance(given, ast_expressions.Call) else {}
    plain = own.get("reward")
    if "top" in call.given or (isinstance(plain, ast_expressions.Name) and plain.name != "logit"):
        return
    for policy in policies:
        if policy.name not in NEED_SHARES or (policy.name == "cascade" and "accept" in own):
            continue
        message = f"`{policy.name}` takes scores as shares between 0 and 1, and `{judge}` gives other numbers"
        hint = "say with `top:` which number is the highest"
        hint += ", or write `reward: score`" if any(p.name == "reward" for p in policy.parameters) else ""
        hint += ", or `accept:`" if policy.name == "cascade" else ""
        hint = f"write `reward({_first_model(call)}, sigmoid: true)`; or {hint}" if judge == "reward" else hint
        call.frame.report("W0264", message, call.given["judge"].span, hint=hint)
        return


def _first_model(call: StageCall) -> str:
    """The model of a `reward`, as it is written."""
    value = call.given["judge"]
    return call.frame.text(value.args[0].value.span) if isinstance(value, ast_expressions.Call) and value.args else "…"


NEED_SHARES = frozenset({"astar", "particles", "gibbs", "tempering", "cascade"})
"""Policies that compare scores with 0 and 1, and not only with one another."""


def _of_parameter(value: ast_expressions.Name, typed: Typed, frame: Frame) -> tuple[PolicySignature, ...] | None:
    """A Choice parameter, every label of which must be a policy."""
    if not typed.is_known:
        return None
    if not (isinstance(typed.type, Choice) and typed.static):
        message = f"`policy:` takes a policy, and `{value.name}` is {describe(typed.type)}"
        hint = f"there are {listed(list(POLICIES), 12)}, or use a `param … : Choice in {{…}}` of them"
        frame.report("E0265", message, value.span, hint=hint)
        return None
    found = [(label, policy_named(label)) for label in typed.type.labels]
    wrong = next((label for label, policy in found if policy is None), None)
    if wrong is not None:
        hint = did_you_mean(wrong, list(POLICIES), f"there are {listed(list(POLICIES), 12)}")
        frame.report("E0265", f"`{value.name}` may be `{wrong}`, which is no policy", value.span, hint=hint)
        return None
    return tuple(policy for _, policy in found if policy is not None)


def _models(call: StageCall, policies: tuple[PolicySignature, ...]) -> None:
    """A cascade asks two models, every other policy one."""
    value = call.given.get("from")
    count = len(value.items) if isinstance(value, ast_expressions.ListExpr) else 1
    two = [policy.name for policy in policies if policy.name == "cascade"]
    one = [policy.name for policy in policies if policy.name != "cascade"]
    span = call.expr.span if value is None else value.span
    if two and not one and count != 2:
        models = call.frame.models()
        hint = f"write `from: [{models[0]}, {models[1]}]`" if len(models) > 1 else "write `from: [small, large]`"
        message = "`cascade` needs two models: the first writes each step, the second what is not accepted"
        call.frame.report("E0266", message, span, hint=hint)
    elif one and count != 1 and not two:
        message = f"`{one[0]}` asks one model, and these are {count}"
        call.frame.report("E0266", message, span, hint="name one, or write `policy: cascade`")
    elif one and two and count not in (1, 2):
        call.frame.report("E0266", f"`explore` asks one model or two, and these are {count}", span, hint="name two")


# --- the judge ------------------------------------------------------------------------------------


def _judge(call: StageCall, value: ast_expressions.Expr) -> str | None:
    """A rule that can judge the beginning of an answer, with its prompt and model, or the prompt alone.

    The name of a rule of the language whose numbers need not be shares; None for all others.
    """
    frame = call.frame
    called = value.callee if isinstance(value, ast_expressions.Call) else value
    asked = Typed(types.ANY, question=call.question)
    if _is_prompt(called, frame):
        using_prompt(explore_judging("yes_no"), asked, value, frame)
        return None
    rule = rule_named(called.name, frame) if isinstance(called, ast_expressions.Name) else None
    if rule is None:
        written = frame.text(called.span)
        message = f"`judge:` takes a rule that gives a number, or a prompt, and `{written}` is neither"
        hint = did_you_mean(written, list(EXPLORE_JUDGES), f"there are {listed(list(EXPLORE_JUDGES), 12)}")
        if isinstance(called, ast_expressions.Name) and frame.local(called.name) is not None:
            frame.type(called)
        frame.report("E0222", message, called.span, hint=hint)
        return None
    if (not rule.plugin and rule.name not in EXPLORE_JUDGES) or rule.gives != "numbers":
        message = f"`{rule.name}` cannot judge the beginning of an answer"
        hint = f"there are {listed(list(EXPLORE_JUDGES), 12)}"
        frame.report("E0223", message, called.span, hint=hint)
        return None
    given = value.args if isinstance(value, ast_expressions.Call) else ()
    _needed(rule, given, value, frame)
    if isinstance(value, ast_expressions.Call):
        rule_call(value, rule, Typed(types.ANY), frame)
        using = next((arg.value for arg in value.args if arg.name == "using"), None)
        if rule.judge and using is not None:
            using_prompt(explore_judging(rule.name), asked, using, frame)
    sigmoid = next((arg.value for arg in given if arg.name == "sigmoid"), None)
    is_sure = isinstance(sigmoid, ast_expressions.LiteralValue) and sigmoid.value is True
    return None if rule.plugin or is_share(rule.name, is_sure) else rule.name


def _needed(
    rule: RuleSignature, given: Sequence[ast_expressions.Arg], value: ast_expressions.Expr, frame: Frame
) -> None:
    """Reports a `likeness` to nothing: there are no other answers that a beginning could be compared with.

    A rule by its name alone lacks what it must be given, too.
    """
    names = {arg.name for arg in given if arg.name is not None} | set(rule.positional[: sum(not a.name for a in given)])
    needed = [p.name for p in rule.parameters if p.required] if not isinstance(value, ast_expressions.Call) else []
    needed += ["to"] if rule.name == "likeness" and not rule.plugin else []
    missing = next((name for name in needed if name not in names), None)
    if missing is not None:
        hint = f"write `{rule.name}({', '.join(f'{name}: …' for name in needed)})`"
        frame.report(
            "E0212", f"`{rule.name}` needs `{missing}` to judge the beginning of an answer", value.span, hint=hint
        )


def _is_prompt(called: ast_expressions.Expr, frame: Frame) -> bool:
    if isinstance(called, ast_expressions.Name) and frame.local(called.name) is not None:
        return isinstance(frame.type(called).type, types.PromptType)
    if not isinstance(called, ast_expressions.Name | ast_expressions.Attribute):
        return False
    symbol = lookup(called, frame.scope, frame.program.linked)
    return symbol is not None and symbol.kind == "prompt"


__all__ = ["check_explore", "policy_named"]
