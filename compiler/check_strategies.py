"""Rules for `by:` and `weight:`: names, aliases, arguments, where they belong and what they need.

Codes:
    E0222  a rule that does not exist
    E0223  a rule that does not belong here
    E0212  an argument of a rule that is missing
    E0224  a Choice parameter that may be something other than a rule
"""

from __future__ import annotations

from dataclasses import replace

from ttscale.compiler import ast_expressions, types
from ttscale.compiler.check_conditions import Atom
from ttscale.compiler.check_facets import must_have
from ttscale.compiler.check_frame import Frame, Typed, did_you_mean, listed, names_of_scores
from ttscale.compiler.check_scores import must_have_score, same_latest_score
from ttscale.compiler.check_types import describe
from ttscale.compiler.check_using import using_prompt
from ttscale.compiler.check_values import choice_of_names, expect, must_be_static, within
from ttscale.compiler.check_weights import check_weights
from ttscale.compiler.diagnostics import suggest
from ttscale.compiler.frozen import dataclass
from ttscale.compiler.python_names import KIND_WORDS
from ttscale.compiler.rule_judges import utility_is_judged
from ttscale.compiler.rule_signatures import ALIASES
from ttscale.compiler.signatures import CHANNEL_FILLS, RULES, SIGNATURES, USING, Parameter, RuleSignature

JUDGE = (USING, Parameter("from", "model", doc="the judge"))

OTHER_RULES = {
    **dict.fromkeys(("best", "max", "highest", "top", "argmax", "scores", "rating"), "score"),
    **dict.fromkeys(
        ("logprob", "logprobs", "log_prob", "log_probs", "logp", "probability", "mean_logprob"), "likelihood"
    ),
    **dict.fromkeys(("judge", "llm_judge", "llm_as_judge", "reward", "reward_model", "rm", "verifier"), "yes_no"),
    **dict.fromkeys(("random", "any", "one"), "first"),
    **dict.fromkeys(("self_consistency", "consistency", "vote", "frequency", "count", "mode"), "majority"),
    **dict.fromkeys(("prm", "step_scores", "process_reward"), "steps"),
    **dict.fromkeys(("tokens", "len", "shortest", "longest"), "length"),
    **dict.fromkeys(("bon", "best_of_n", "weighted_bon"), "weighted_best_of_n"),
}
"""What other tools call the rules."""


@dataclass(frozen=True)
class Rules:
    """The rules that an argument may stand for (several for a parameter); `names_model` that it says whom to ask."""

    rules: tuple[RuleSignature, ...] = ()
    names_model: bool = False


def is_rule(name: str) -> str | None:
    """The rule's own name for a name or an alias, or None."""
    return name if name in RULES else ALIASES.get(name)


def rule_named(name: str, frame: Frame) -> RuleSignature | None:
    """The rule that a name stands for where nothing local hides it: one of the language, or of a Python file."""
    symbol = frame.symbol(name) if frame.local(name) is None else None
    function = None if symbol is None else frame.program.linked.python_function(symbol)
    if function is not None:
        return function.rule()  # before the language's own: what papers call its rules may be the name of a user's
    own = is_rule(name)
    return None if own is None else RULES[own]


def strategy(value: ast_expressions.Expr, stage: str, argument: str, source: Typed, frame: Frame) -> Rules:
    """Checks the value of `by:` or `weight:` of a stage."""
    what = f"`{stage}({argument}: …)`"
    if isinstance(value, ast_expressions.Name):
        rule = rule_named(value.name, frame)
        if rule is not None:
            _required(rule, frozenset(), value, frame)
            _latest_score(rule, frozenset(), value, source, frame)
            return _placed(rule, value, stage, argument, source, frame)
        local = frame.local(value.name)
        symbol = frame.symbol(value.name)
        if local is None and symbol is not None and symbol.kind in ("python", "module"):
            not_a_rule(value.name, value, stage, argument, frame)
            return Rules()
        if local is not None:
            local.used = True
            return _parameter(value, local.value, stage, argument, source, frame)
        _unknown(value.name, value, stage, what, frame)
        return Rules()
    if isinstance(value, ast_expressions.Call) and isinstance(value.callee, ast_expressions.Name):
        rule = rule_named(value.callee.name, frame)
        symbol = frame.symbol(value.callee.name)
        if rule is None and symbol is not None and symbol.kind == "python":
            not_a_rule(value.callee.name, value.callee, stage, argument, frame)
            return Rules()
        if rule is None:
            _unknown(value.callee.name, value.callee, stage, what, frame)
            return Rules()
        placed = _placed(rule, value, stage, argument, source, frame)
        names_model = rule_call(value, rule, source, frame)
        _judge_beside(value, rule, stage, argument, frame)
        if rule.name == "bayes_risk" and utility_is_judged(value):
            return Rules(tuple(replace(one, judge=True) for one in placed.rules), names_model)
        return Rules(placed.rules, names_model)
    if isinstance(value, ast_expressions.LiteralValue) and isinstance(value.value, str):
        known = is_rule(value.value)
        hint = f"write it without quotes: `{argument}: {value.value}`" if known else f"there are {_rules(stage)}"
        frame.report("E0222", f"{what} takes the name of a rule, not a text", value.span, hint=hint)
        return Rules()
    typed = frame.type(value)
    if typed.is_known:
        message = f"{what} takes a rule, and this is {describe(typed.type)}"
        frame.report("E0222", message, value.span, hint=f"there are {_rules(stage)}")
    return Rules()


def not_a_rule(name: str, value: ast_expressions.Expr, stage: str, argument: str, frame: Frame) -> None:
    """A function of a Python file that is no rule; of a file that was not read, or a failed import, nothing is said."""
    symbol = frame.symbol(name)
    function = None if symbol is None else frame.program.linked.python_function(symbol)
    if function is not None:
        message = f"`{name}` does not belong in `{stage}({argument}: …)`"
        hint = "a rule is marked `@scorer` or `@selector`"
        frame.report("E0223", message, value.span, label=f"it is {KIND_WORDS[function.kind]}", hint=hint)


def _required(rule: RuleSignature, given: frozenset[str] | set[str], value: ast_expressions.Expr, frame: Frame) -> None:
    """Reports an argument of a Python function that has no default and is not given."""
    missing = next((p for p in rule.parameters if p.required and p.name not in given), None)
    if missing is not None:
        hint = f"write `{rule.name}({missing.name}: …)`"
        frame.report("E0212", f"`{rule.name}` needs `{missing.name}`", value.span, hint=hint)


def _latest_score(
    rule: RuleSignature, given: frozenset[str] | set[str], value: ast_expressions.Expr, source: Typed, frame: Frame
) -> None:
    """A rule whose source of numbers is left out takes the latest score, which must be there."""
    if _reads_scores(rule, given):
        must_have("scored", source, value.span, f"`{rule.name}`", frame)
    if _reads_scores(rule, given) or (rule == RULES["score"] and "name" not in given):
        same_latest_score(source, value.span, frame)


def _reads_scores(rule: RuleSignature, given: frozenset[str] | set[str]) -> bool:
    """Whether a rule takes the latest score for want of another source of numbers."""
    sources = (p for p in rule.parameters if p.kind == "strategy" and p.default is None)
    return not rule.plugin and any(p.name not in given for p in sources)


def _rules(stage: str) -> str:
    return listed([rule.name for rule in RULES.values() if stage in rule.where], 12)


def _unknown(name: str, value: ast_expressions.Expr, stage: str, what: str, frame: Frame) -> None:
    fitting = [rule for rule in RULES.values() if stage in rule.where]
    known = [n for rule in fitting for n in (rule.name, *rule.aliases)]
    other = OTHER_RULES.get(name.lower().replace("-", "_"))
    hint = did_you_mean(name, known, f"there are {_rules(stage)}")
    if other is not None and other in known and name not in known:
        hint = f"here it is called `{other}`"
    elif name in SIGNATURES and name not in known:
        hint = f"`{name}` is a stage and gives no numbers; ask a judge first: `… |> score(by: yes_no)`"
        hint += ", and name `score` here" if "score" in known else ""
    elif other == "yes_no" and "score" in known:
        hint = "ask the judge first: `… |> score(by: yes_no)`, and name `score` here"
    frame.report("E0222", f"there is no rule `{name}` for {what}", value.span, hint=hint)


def _placed(
    rule: RuleSignature, value: ast_expressions.Expr, stage: str, argument: str, source: Typed, frame: Frame
) -> Rules:
    """A rule at its place: whether it belongs there, and whether the pool has what it needs."""
    if stage not in rule.where:
        said = rule.name if "\n" in frame.text(value.span) else frame.text(value.span)
        where = " or ".join(f"`{name}({'weight' if name == 'vote' else 'by'}: {said})`" for name in rule.where[:2])
        does = {"numbers": "gives a number for each answer", "pick": "picks one answer", "keep": "keeps part of a pool"}
        message = f"`{rule.name}` does not belong in `{stage}({argument}: …)`"
        frame.report("E0223", message, value.span, label=f"it {does[rule.gives]}", hint=f"write {where}")
        return Rules()
    for facet in sorted(rule.needs):
        must_have(facet, source, value.span, f"`{rule.name}`", frame)
    return Rules((rule,))


def _parameter(
    value: ast_expressions.Name, typed: Typed, stage: str, argument: str, source: Typed, frame: Frame
) -> Rules:
    """A Choice parameter, every label of which must be a rule that belongs here."""
    if not typed.is_known:
        return Rules()
    if not (isinstance(typed.type, types.Choice) and typed.static):
        message = f"`{stage}({argument}: …)` takes a rule, and `{value.name}` is {describe(typed.type)}"
        hint = f"there are {_rules(stage)}, or use a `param … : Choice in {{…}}` of them"
        frame.report("E0222", message, value.span, hint=hint)
        return Rules()
    found: list[RuleSignature] = []
    for label in typed.type.labels:
        rule = rule_named(label, frame)
        symbol = frame.symbol(label)
        if rule is None and symbol is not None and symbol.kind == "python":
            not_a_rule(label, value, stage, argument, frame)
            return Rules()
        if rule is None or stage not in rule.where:
            message = f"`{value.name}` may be `{label}`, which is no rule for `{stage}({argument}: …)`"
            fitting = [one.name for one in RULES.values() if stage in one.where]
            hint = did_you_mean(label, fitting, f"rules here are {_rules(stage)}")
            frame.report("E0224", message, value.span, hint=hint)
            return Rules()
        found.append(rule)
        needed = rule.needs | (frozenset({"scored"}) if _reads_scores(rule, frozenset()) else frozenset())
        for facet in sorted(needed):
            must_have(facet, source, value.span, f"`{rule.name}`", frame, Atom(frame.close(value), (label,)))
    return Rules(tuple(found))


# --- arguments of a rule -------------------------------------------------------------------------


def _judge_beside(call: ast_expressions.Call, rule: RuleSignature, stage: str, argument: str, frame: Frame) -> None:
    """Reports a judge's model or prompt that stands inside the rule, where it belongs to the stage."""
    inside = [arg for arg in call.args if rule.judge and stage == "score" and arg.name in ("from", "using")]
    if inside:
        others = [frame.text(arg.span) for arg in call.args if arg not in inside]
        named = f"{rule.name}({', '.join(others)})" if others else rule.name
        written = ", ".join([f"{argument}: {named}", *(frame.text(arg.span) for arg in inside)])
        message = f"`{inside[0].name}:` is an argument of `{stage}`, not of its rule"
        frame.report("E0211", message, inside[0].span, hint=f"write `{stage}({written})`")


def rule_call(call: ast_expressions.Call, rule: RuleSignature, source: Typed, frame: Frame) -> bool:
    """Checks the arguments of `best_of_majority(score, share: 0.5)`; whether they name a model to ask."""
    parameters = {p.name: p for p in (*rule.parameters, *(JUDGE if rule.judge else ()))}
    positions = list(rule.positional)
    given: dict[str, ast_expressions.Expr] = {}
    for arg in call.args:
        name = arg.name if arg.name is not None else next((p for p in positions if p not in given), None)
        if name is None:
            hint = f"it takes {listed(list(parameters))}" if parameters else f"write `{rule.name}`"
            frame.report("E0213", f"`{rule.name}` takes no such argument", arg.span, hint=hint)
        elif name not in parameters:
            known = list(parameters)
            hint = did_you_mean(name, known, f"it takes {listed(known)}" if known else "it takes none")
            frame.report("E0211", f"`{rule.name}` has no argument `{name}`", arg.span, hint=hint)
        elif name in given:
            frame.report("E0213", f"`{name}` is given twice", arg.span, hint="keep one of them")
        else:
            given[name] = arg.value
            _argument(arg.value, parameters[name], rule, source, frame)
    _required(rule, frozenset(given), call, frame)
    _latest_score(rule, frozenset(given), call, source, frame)
    if rule == RULES["rubric"] and "keep" in given:
        _kept_sets(given["keep"], given.get("k"), frame)
    if rule == RULES["forced"]:
        _weighed_contexts(given, frame)
    return "from" in given


def _weighed_contexts(given: dict[str, ast_expressions.Expr], frame: Frame) -> None:
    """Reports contexts that should count by their scores and have none."""
    weigh, contexts = given.get("weigh"), given.get("contexts")
    if weigh is None or (isinstance(weigh, ast_expressions.Name) and weigh.name == "alike"):
        return
    if contexts is None:
        frame.report("E0216", "`forced` has no contexts to weigh", weigh.span, hint="name them: `forced(notes, …)`")
        return
    typed = frame.type(contexts)
    if typed.is_known and not typed.is_pool:
        message = f"contexts are weighed by their scores, and this is {describe(typed.type)}"
        frame.report("E0215", message, contexts.span, hint="name what `retrieve` gave, or another pool with scores")
    must_have("scored", typed, contexts.span, "`weigh`", frame)


def _kept_sets(keep: ast_expressions.Expr, k: ast_expressions.Expr | None, frame: Frame) -> None:
    """Reports a `rubric` that is to keep more sets of grades than it asks for."""
    asked = k or ast_expressions.LiteralValue(4, "4", keep.span)  # what `k` is by default
    goes = frame.space.values_of(frame.close(ast_expressions.Compare((keep, asked), ("<=",), keep.span)))
    if goes is not None and not all(goes):
        some = "" if not any(goes) else ", with some values of the parameters"
        message = f"`rubric` keeps more sets of grades than it asks for{some}"
        hint = f"write `keep: {frame.text(k.span)}` or less" if k is not None else "it asks for 4: give it `k: 8`"
        hint = "add a `require`, or narrow a domain" if some else hint
        frame.report("E0216", message, keep.span, hint=hint)


def _argument(
    value: ast_expressions.Expr, parameter: Parameter, rule: RuleSignature, source: Typed, frame: Frame
) -> None:
    what = f"`{parameter.name}` of `{rule.name}`"
    match parameter.kind:
        case "strategy":
            _source_of_numbers(value, rule, source, frame)
        case "name":
            choice_of_names(value, frame, parameter.choices, what)
        case "text":
            _text(value, rule, source, frame, what)
        case "content":
            wanted = types.ListOf(types.TEXT) if parameter.many else types.TEXT
            expect(value, frame, wanted, what, for_prompt=parameter.many)
        case "pool":
            typed = frame.type(value)
            if typed.is_known and not typed.is_pool:
                message = f"{what} must be a pool, and this is {describe(typed.type)}"
                frame.report("E0215", message, value.span, hint="name what a `generate` gave")
        case "bool":
            must_be_static(value, frame, expect(value, frame, types.BOOL, what), what)
        case "int" | "float":
            kind = types.INT if parameter.kind == "int" else types.FLOAT
            typed = expect(value, frame, kind, what)
            if typed.is_known and must_be_static(value, frame, typed, what):
                within(value, frame, parameter.low, parameter.high, what)
        case "model":
            expect(value, frame, types.ModelType(), what)
        case "using":
            typed = frame.type(value.callee if isinstance(value, ast_expressions.Call) else value)
            if typed.is_known and not isinstance(typed.type, types.PromptType):
                message = f"{what} must be a prompt, and this is {describe(typed.type)}"
                frame.report("E0215", message, value.span, hint="name a prompt")
            elif typed.is_known and parameter.name == "asking":
                using_prompt(CHANNEL_FILLS, source, value, frame)


def _text(value: ast_expressions.Expr, rule: RuleSignature, source: Typed, frame: Frame, what: str) -> None:
    """A text that is known before the run: the name of a score, the weights of models."""
    if isinstance(value, ast_expressions.Name) and frame.local(value.name) is None:
        near = suggest(value.name, names_of_scores(source)) if rule == RULES["score"] else None
        hint = f'write it in quotes: `{rule.name}("{near or value.name}")`'
        frame.report("E0215", f"{what} must be Text", value.span, hint=hint)
        return
    typed = expect(value, frame, types.TEXT, what)
    if not must_be_static(value, frame, typed, what):
        return
    if isinstance(value, ast_expressions.LiteralValue) and isinstance(value.value, str):
        if rule == RULES["score"]:
            must_have_score(value.value, source, value.span, frame)
        elif rule == RULES["origin"]:
            check_weights(value.value, value.span, frame)


def _source_of_numbers(value: ast_expressions.Expr, rule: RuleSignature, source: Typed, frame: Frame) -> None:
    """`score`, `score("r")`, `likelihood`, `steps(min)`: a number for each candidate that it has already."""
    named = value.callee if isinstance(value, ast_expressions.Call) else value
    found = rule_named(named.name, frame) if isinstance(named, ast_expressions.Name) else None
    if found is None and isinstance(named, ast_expressions.Name) and frame.local(named.name) is not None:
        local = frame.local(named.name)
        assert local is not None
        local.used = True
        labels = local.value.type.labels if isinstance(local.value.type, types.Choice) else ()
        rules = [rule_named(label, frame) for label in labels]
        if labels and all(one is not None and _is_number(one) for one in rules):
            return
    numbers = [r.name for r in RULES.values() if _is_number(r)]
    if found is None or not _is_number(found):
        written = named.name if isinstance(named, ast_expressions.Name) else "this"
        message = f"`{rule.name}` needs a number for each answer, and `{written}` gives none"
        hint = did_you_mean(written, numbers, f"write `{_with_score(rule)}`; there are {listed(numbers)}")
        frame.report("E0223", message, value.span, hint=hint)
        return
    for facet in sorted(found.needs):
        must_have(facet, source, value.span, f"`{found.name}`", frame)
    if isinstance(value, ast_expressions.Call):
        rule_call(value, found, source, frame)
    else:
        _latest_score(found, frozenset(), value, source, frame)


def _with_score(rule: RuleSignature) -> str:
    """The call of a rule with `score` as its source, which stands behind other arguments in some."""
    first = next(parameter.name for parameter in rule.parameters if parameter.kind == "strategy")
    return f"{rule.name}(score)" if rule.positional[:1] == (first,) else f"{rule.name}(…, {first}: score)"


def _is_number(rule: RuleSignature) -> bool:
    return rule.gives == "numbers" and not rule.judge
